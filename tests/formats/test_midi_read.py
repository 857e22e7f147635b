"""Reading MIDI: every kind of event, every kind of damage, as annotated bytes."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from tests.formats.smf import END, midi, one, track
from woodshed.errors import BadFile
from woodshed.formats import midi_scan
from woodshed.formats.midi_read import read_midi
from woodshed.music.score import Score, Text

NOTE = ("00 90 3C 40  # note on, middle C", "60 80 3C 00  # note off after 96 ticks")


def notes(score: Score) -> list[tuple[int, int, int, int, int]]:
    """Notes as (start, duration, pitch, velocity, part)."""
    n = score.notes
    columns = (n.start_ticks, n.duration_ticks, n.pitch, n.velocity, n.part)
    return list(zip(*(c.tolist() for c in columns), strict=True))


def repairs(score: Score) -> dict[str, int]:
    assert score.source is not None
    return {r.kind: r.count for r in score.source.repairs}


def left_out(score: Score) -> dict[str, int]:
    assert score.source is not None
    return {r.kind: r.count for r in score.source.left_out}


@pytest.fixture(params=["plain", "compiled"], autouse=True)
def form(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every test here runs in both forms of the scan: they must not differ."""
    chosen = None if request.param == "plain" else midi_scan.compiled_pass()
    monkeypatch.setattr(midi_scan, "_SCAN", SimpleNamespace(after=lambda _: chosen))


class TestNotes:
    def test_a_note(self) -> None:
        score = read_midi(one(*NOTE))
        assert notes(score) == [(0, 96, 60, 64, 0)]
        assert repairs(score) == left_out(score) == {}

    def test_velocity_zero_ends_a_note(self) -> None:
        score = read_midi(one("00 90 3C 40", "60 90 3C 00  # note on with velocity 0"))
        assert notes(score) == [(0, 96, 60, 64, 0)]

    def test_running_status(self) -> None:
        score = read_midi(one("00 90 3C 40", "10 40 50  # still 90", "10 3C 00", "10 40 00"))
        assert notes(score) == [(0, 32, 60, 64, 0), (16, 32, 64, 80, 0)]
        assert repairs(score) == {}

    def test_running_status_goes_on_after_a_meta_event(self) -> None:
        score = read_midi(one("00 90 3C 40", "10 FF 06 01 41  # marker A", "10 3C 00"))
        assert notes(score) == [(0, 32, 60, 64, 0)]
        assert repairs(score) == {"late_running_status": 1}

    def test_overlapping_notes_end_first_in_first_out(self) -> None:
        score = read_midi(one("00 90 3C 40", "10 90 3C 50", "10 80 3C 00", "10 80 3C 00"))
        assert notes(score) == [(0, 32, 60, 64, 0), (16, 32, 60, 80, 0)]
        assert repairs(score) == {"overlap": 1}

    def test_a_note_that_ends_where_its_pitch_returns_overlaps_nothing(self) -> None:
        score = read_midi(
            one("00 90 3C 40", "10 90 3C 50  # before the off", "00 80 3C 00", "10 80 3C 00")
        )
        assert notes(score) == [(0, 16, 60, 64, 0), (16, 16, 60, 80, 0)]
        assert repairs(score) == {}

    def test_a_hanging_note_ends_with_its_track(self) -> None:
        score = read_midi(one("00 90 3C 40", "60 90 40 40", "60 80 40 00"))
        assert notes(score) == [(0, 192, 60, 64, 0), (96, 96, 64, 64, 0)]
        assert repairs(score) == {"hanging": 1}

    def test_one_lost_note_off_does_not_shift_the_ends_of_all_later_notes(self) -> None:
        score = read_midi(
            one(
                "00 90 3C 40  # its note-off is lost",
                "20 90 3C 41",
                "10 80 3C 00",
                "10 90 3C 42",
                "10 80 3C 00",
            )
        )
        assert notes(score) == [(0, 32, 60, 64, 0), (32, 16, 60, 65, 0), (64, 16, 60, 66, 0)]
        assert repairs(score)["hanging"] == 1

    def test_a_hanging_note_leaves_other_pitches_channels_and_tracks_alone(self) -> None:
        hanging = track("00 90 3C 40", "00 91 3C 40", "08 81 3C 00", "08 90 3D 40", "08 80 3D 00")
        score = read_midi(midi(hanging, track(*NOTE)))
        assert notes(score) == [
            (0, 24, 60, 64, 0), (0, 8, 60, 64, 1), (0, 96, 60, 64, 2), (16, 8, 61, 64, 0)
        ]  # fmt: skip

    def test_a_note_of_no_length_may_be_written_backwards(self) -> None:
        score = read_midi(
            one(
                "00 80 3C 00  # ends ...",
                "00 90 3C 40  # ... before it begins",
                "20 90 3C 41",
                "10 80 3C 00  # the end of the second note, not of the first",
            )
        )
        assert notes(score) == [(0, 1, 60, 64, 0), (32, 16, 60, 65, 0)]
        assert repairs(score).keys() == {"hanging", "orphan_off", "overlap"}

    def test_so_may_several_of_one_pitch(self) -> None:
        backwards = ("20 80 3C 00", "00 90 3C 40")
        score = read_midi(one(*backwards, *backwards, *backwards, "60 B0 07 40"))
        assert notes(score) == [(32 * n, 1, 60, 64, 0) for n in (1, 2, 3)]

    def test_a_stray_note_off_before_a_whole_note_does_not_shorten_it(self) -> None:
        score = read_midi(one("00 80 3C 00", *NOTE))
        assert notes(score) == [(0, 96, 60, 64, 0)]

    def test_a_note_of_no_length_lasts_one_tick(self) -> None:
        score = read_midi(one("00 90 3C 40", "00 80 3C 00"))
        assert notes(score) == [(0, 1, 60, 64, 0)]
        assert repairs(score) == {"zero_length": 1}

    def test_a_note_off_without_a_note_is_ignored(self) -> None:
        score = read_midi(one("00 80 3C 40", *NOTE))
        assert notes(score) == [(0, 96, 60, 64, 0)]
        assert repairs(score) == {"orphan_off": 1}


class TestParts:
    def test_channel_ten_drums(self) -> None:
        (part,) = read_midi(one("00 99 24 40", "10 89 24 00")).parts
        assert part.is_drum
        assert part.channel == 9

    def test_a_track_that_changes_program_has_a_part_for_each(self) -> None:
        score = read_midi(
            one("00 C0 05", "00 90 3C 40", "10 C0 06", "10 80 3C 00", "00 90 3D 40", "10 80 3D 00")
        )
        assert [p.program for p in score.parts] == [5, 6]
        assert notes(score) == [(0, 32, 60, 64, 0), (32, 16, 61, 64, 1)]

    def test_parts_stand_in_the_order_they_enter(self) -> None:
        score = read_midi(
            one("00 C0 46", "00 90 3C 40", "10 80 3C 00", "00 C0 05", "00 90 3D 40", "10 80 3D 00")
        )
        assert [p.program for p in score.parts] == [70, 5]

    def test_one_track_with_several_channels(self) -> None:
        score = read_midi(one("00 90 3C 40", "00 91 40 40", "10 80 3C 00", "00 81 40 00"))
        assert [p.channel for p in score.parts] == [0, 1]

    def test_a_program_named_in_another_track_holds_for_the_channel(self) -> None:
        setup = track("00 C3 20  # program 32 on channel 4", "20 C3 21  # 33 from tick 32")
        bass = track("10 93 28 40", "08 83 28 00", "10 93 28 40", "08 83 28 00")
        score = read_midi(midi(setup, bass))
        assert [p.program for p in score.parts] == [32, 33]

    def test_a_roland_drum_part_on_another_channel(self) -> None:
        gs = "00 F0 0A 41 10 42 12 40 1A 15 01 10 F7  # block A is part 11"
        score = read_midi(one(gs, "00 9A 24 40", "10 8A 24 00"))
        assert score.parts[0].is_drum

    def test_a_yamaha_drum_bank_counts_only_after_xg_is_switched_on(self) -> None:
        bank, on, off = "00 B1 00 7F", "00 91 24 40", "10 81 24 00"
        xg = "00 F0 08 43 10 4C 00 00 7E 00 F7"
        assert read_midi(one(xg, bank, on, off)).parts[0].is_drum
        assert not read_midi(one(bank, on, off)).parts[0].is_drum

    def test_a_gm2_drum_bank(self) -> None:
        assert read_midi(one("00 B1 00 78", "00 91 24 40", "10 81 24 00")).parts[0].is_drum

    def test_names(self) -> None:
        named = track("00 FF 03 05 42 61 73 73 20  # 'Bass '", *NOTE)
        by_instrument = track("00 FF 04 03 53 61 78", *NOTE)
        score = read_midi(midi(named, by_instrument))
        assert [p.name for p in score.parts] == ["Bass", "Sax"]

    def test_the_name_of_a_track_with_many_channels_is_the_title(self) -> None:
        score = read_midi(
            one(
                "00 FF 03 04 53 6F 6E 67",
                "00 90 3C 40",
                "00 91 3C 40",
                "10 80 3C 00",
                "00 81 3C 00",
            )
        )
        assert [p.name for p in score.parts] == ["", ""]
        assert Text(0, "title", "Song") in score.texts

    def test_names_cannot_speak_to_the_terminal(self) -> None:
        score = read_midi(one("00 FF 03 06 1B 5B 33 31 6D 41  # ESC [31m A", *NOTE))
        assert score.parts[0].name == "[31mA"

    def test_a_foreign_name_is_read_as_windows_has_it(self) -> None:
        score = read_midi(one("00 FF 03 04 46 6C F6 74  # Flöt", *NOTE))
        assert score.parts[0].name == "Flöt"
        assert repairs(score) == {"foreign_text": 1}


class TestEvents:
    def test_controllers_and_bends_are_kept(self) -> None:
        score = read_midi(
            one(
                "00 B0 07 50",
                "00 B0 40 7F  # pedal down",
                "04 E0 00 50  # bend",
                *NOTE,
                "00 B0 40 00",
            )
        )
        c = score.controls
        assert list(zip(c.ticks, c.number, c.value, strict=True)) == [
            (0, 7, 80), (0, 64, 127), (100, 64, 0)
        ]  # fmt: skip
        assert score.bends.value.tolist() == [2048]

    @pytest.mark.parametrize(
        ("low", "high", "value"), [(0, 0, -8192), (0, 64, 0), (127, 127, 8191)]
    )
    def test_bend_range(self, low: int, high: int, value: int) -> None:
        score = read_midi(one(f"00 E0 {low:02X} {high:02X}", *NOTE))
        assert score.bends.value.tolist() == [value]

    def test_controllers_reach_every_program_of_their_track(self) -> None:
        score = read_midi(
            one(
                "00 B0 07 50",
                "00 90 3C 40",
                "10 80 3C 00",
                "00 C0 06",
                "00 90 3D 40",
                "10 80 3D 00",
            )
        )
        assert score.controls.part.tolist() == [0, 1]

    def test_controllers_of_a_silent_track_reach_the_channel_elsewhere(self) -> None:
        setup = track("00 B0 07 50", "00 B5 07 10  # channel 6 plays nothing")
        score = read_midi(midi(setup, track(*NOTE)))
        assert score.controls.value.tolist() == [80]
        assert left_out(score) == {"unheard_control": 1}

    def test_lyrics_markers_and_texts(self) -> None:
        score = read_midi(
            midi(
                track("00 FF 03 01 54  # title T", "00 FF 02 01 43", "30 FF 06 01 4D  # marker M"),
                track("00 FF 05 02 6C 61  # lyric la", "00 FF 01 01 78", "00 FF 07 01 51", *NOTE),
            )
        )
        assert score.texts == (
            Text(0, "title", "T"), Text(0, "copyright", "C"), Text(0, "lyric", "la", 0),
            Text(0, "text", "x", 0), Text(0, "cue", "Q", 0), Text(48, "marker", "M"),
        )  # fmt: skip

    def test_what_is_left_out_is_counted(self) -> None:
        score = read_midi(
            one(
                "00 A0 3C 10  # key pressure",
                "00 D0 22",
                "00 F0 03 01 02 F7",
                "00 FF 21 01 00",
                *NOTE,
            )
        )
        assert left_out(score) == {"aftertouch": 2, "system_exclusive": 1, "other_meta": 1}


class TestMaps:
    def test_tempos(self) -> None:
        score = read_midi(one("30 FF 51 03 0F 42 40  # 60 BPM from tick 48", *NOTE))
        assert score.tempos.ticks.tolist() == [0, 48]
        assert score.tempos.bpm.tolist() == [120, 60]

    def test_of_two_tempos_at_one_tick_the_last_holds(self) -> None:
        score = read_midi(one("00 FF 51 03 0F 42 40", "00 FF 51 03 06 1A 80  # 150", *NOTE))
        assert score.tempos.bpm.tolist() == [150]

    def test_maps_of_every_track_hold_for_all(self) -> None:
        score = read_midi(midi(track(*NOTE), track("00 FF 58 04 06 03 24 08", "00 FF 59 02 FD 01")))
        assert (score.metres.numerator.tolist(), score.metres.denominator.tolist()) == ([6], [8])
        assert (score.keys.sharps.tolist(), score.keys.minor.tolist()) == ([-3], [True])

    def test_a_metre_said_again_within_a_bar_begins_a_new_one(self) -> None:
        score = read_midi(one("60 FF 58 04 04 02 18 08  # after 96 ticks", *NOTE))
        assert score.metres.ticks.tolist() == [0, 96]

    def test_what_another_replaces_at_its_tick_is_told(self) -> None:
        twice = one("00 FF 51 03 0F 42 40", "00 FF 51 03 06 1A 80", *NOTE)
        assert repairs(read_midi(twice)) == {"replaced": 1}
        same = one("00 FF 51 03 0F 42 40", "00 FF 51 03 0F 42 40", *NOTE)
        assert repairs(read_midi(same)) == {}

    @pytest.mark.parametrize(
        ("event", "kind"),
        [
            ("00 FF 51 03 00 00 00", "bad_tempo"),
            ("00 FF 51 02 07 A1", "bad_tempo"),
            ("00 FF 58 04 00 02 18 08", "bad_metre"),
            ("00 FF 58 04 04 0B 18 08  # 2048ths", "bad_metre"),
            ("00 FF 59 02 0A 00  # ten sharps", "bad_key"),
            ("00 FF 59 02 00 03", "bad_key"),
        ],
    )
    def test_maps_that_make_no_sense_are_ignored(self, event: str, kind: str) -> None:
        score = read_midi(one(event, *NOTE))
        assert repairs(score) == {kind: 1}
        assert score == read_midi(one(*NOTE))


class TestFiles:
    def test_type_2_patterns_follow_one_another(self) -> None:
        score = read_midi(midi(track(*NOTE), track(*NOTE), kind=2))
        assert notes(score) == [(0, 96, 60, 64, 0), (96, 96, 60, 64, 1)]
        assert score.source is not None
        assert score.source.midi_type == 2

    def test_riff(self) -> None:
        inner = one(*NOTE)
        info = b"LIST" + (5).to_bytes(4, "little") + b"INFO!" + b"\0"
        body = b"RMID" + info + b"data" + len(inner).to_bytes(4, "little") + inner + b"trailer!"
        score = read_midi(b"RIFF" + len(body).to_bytes(4, "little") + body)
        assert score == read_midi(inner)
        assert repairs(score) == {}

    @pytest.mark.parametrize(
        ("division", "ticks_per_quarter", "microseconds"),
        [
            (0xE728, 500, 500_000),  # 25 frames of 40 ticks: a tick is a millisecond
            (0xE804, 48, 500_000),  # 24 frames of 4
            (0xE219, 375, 500_000),  # 30 frames of 25
            (0xE305, 75, 500_500),  # 29.97 frames of 5
            (0xE701, 25, 1_000_000),  # 25 ticks a second: a quarter must be a second
        ],
    )
    def test_film_time(self, division: int, ticks_per_quarter: int, microseconds: int) -> None:
        score = read_midi(
            one("00 FF 51 03 0F 42 40  # says nothing here", *NOTE, division=division)
        )
        assert score.ticks_per_quarter == ticks_per_quarter
        assert score.tempos.microseconds_per_quarter.tolist() == [microseconds]
        assert repairs(score) == {"smpte_tempo": 1}

    def test_a_millisecond_tick_is_a_millisecond(self) -> None:
        assert read_midi(one(*NOTE, division=0xE728)).duration_seconds == pytest.approx(0.096)

    @pytest.mark.parametrize(
        ("data", "kind"),
        [
            (midi(track(*NOTE, end=None)), "no_end"),
            (one(*NOTE, END, "01 02 03"), "after_end"),
            (midi(track(*NOTE))[:-5], "truncated"),
            (midi(track(*NOTE, length=99999)), "truncated"),
            (midi(track(*NOTE, length=4)), "bad_length"),
            (midi(track(*NOTE, length=4), track(*NOTE)), "bad_length"),
            (midi(track(*NOTE), count=3), "track_count"),
            (midi(track(*NOTE)) + b"\0\0\0\0\0\0\0\0\0", "junk"),
            (b"\0" * 128 + one(*NOTE), "leading_junk"),
            (one(*NOTE, kind=7), "unknown_type"),
            (one("00 90 3C 40", "60 80 3C 00", "00 F8", "00 F1 22"), "illegal_status"),
            (one("00 3C 40  # no status yet", *NOTE), "no_status"),
            (one("00 90 3C C0  # velocity 192", "60 80 3C 00"), "bad_data"),
            (one("80 80 80 80 00 90 3C 40  # a delta of five bytes", "60 80 3C 00"), "long_number"),
            (midi(track(*NOTE, "00 FF 06 7F 41  # a text of 127 bytes", end=None)), "cut_event"),
        ],
    )
    def test_damage_is_mended_and_told(self, data: bytes, kind: str) -> None:
        score = read_midi(data)
        assert kind in repairs(score)
        assert notes(score)[0][2] == 60

    def test_unknown_chunks_are_left_out(self) -> None:
        file = midi(track(*NOTE))
        score = read_midi(file[:14] + b"XFIH" + (3).to_bytes(4, "big") + b"abc" + file[14:])
        assert left_out(score) == {"unknown_chunk": 1}
        assert len(score.notes) == 1

    def test_a_time_without_end(self) -> None:
        score = read_midi(one(*NOTE, *["FF FF FF 7F B0 07 50  # wait 2**28 - 1 ticks"] * 12))
        assert repairs(score)["too_long"] == 1
        assert notes(score) == [(0, 96, 60, 64, 0)]

    @pytest.mark.parametrize(
        ("data", "words"),
        [
            (b"", "empty, 0 bytes"),
            (b"MThd\0\0\0\6\0", "ends inside its header"),
            (midi(), "no tracks"),
            (one(*NOTE, division=0), "0 ticks a quarter"),
            (one(*NOTE, division=0x9C01), "film frames"),
            (b"SMF2CLIP1234", "MIDI 2.0"),
            (b"RIFF\x10\0\0\0WAVEfmt ", "WAV recording"),
            (b"<!DOCTYPE html><p>404", "web page"),
            (b"PK\x03\x04 and so on", "ZIP"),
            (b"\xf0\x7e\x7f\x06\x01\xf7", "system exclusive dump"),
            (b"just some words here", "b'just som'"),
        ],
    )
    def test_what_is_no_midi_file_is_called_what_it_is(self, data: bytes, words: str) -> None:
        with pytest.raises(BadFile, match=words):
            read_midi(data)

    def test_repairs_carry_their_sentence(self) -> None:
        source = read_midi(one("00 90 3C 40")).source
        assert source is not None
        assert source.repairs[0].sentence.startswith("notes without an end")
