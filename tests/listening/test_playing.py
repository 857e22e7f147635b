"""What is to sound: slots and programs, bars, pedals, bends and gestures in seconds."""

from __future__ import annotations

import numpy as np
import pytest

from tests.listening.bands import BAR, BASS, DRUMS, GUITAR, QUARTER, one_part, trio
from woodshed.errors import UsageError
from woodshed.listening.playing import playing
from woodshed.music.lineup import load_lineup
from woodshed.music.notes import Controls, Notes
from woodshed.music.score import Part, Score, Text

SECOND = 960  # ticks


def test_every_slot_has_its_sound() -> None:
    heard = playing(trio())
    assert heard.stems == ("guitar", "bass", "drums")
    assert [(t.program, t.is_drum, heard.stems[t.stem]) for t in heard.tracks] == [
        (25, False, "guitar"),
        (33, False, "bass"),
        (0, True, "drums"),
    ]


def test_the_file_keeps_its_sounds_if_asked() -> None:
    heard = playing(trio(), programs="file")
    assert [(t.program, t.is_drum) for t in heard.tracks] == [(27, False), (36, False), (0, True)]


def test_notes_are_in_seconds_and_sorted() -> None:
    heard = playing(trio(2))
    assert (np.diff(heard.start_seconds) >= 0).all()
    assert heard.start_seconds[-1] == pytest.approx(3.5)
    assert heard.seconds == pytest.approx(3.75)
    guitar = heard.track == GUITAR
    assert heard.end_seconds[guitar] - heard.start_seconds[guitar] == pytest.approx(0.25)
    assert set(heard.pitch[heard.track == BASS]) == {36}
    assert set(heard.velocity[heard.track == DRUMS]) == {110}


def test_solo_and_mute_keep_the_length_of_the_piece() -> None:
    whole, bass = playing(trio()), playing(trio(), solo=["bass"])
    assert bass.stems == ("bass",)
    assert set(bass.track) == {0}
    assert bass.seconds == whole.seconds
    without = playing(trio(), mute=["bass", "voxlead"])
    assert without.stems == ("guitar", "drums")
    assert len(without.pitch) + len(bass.pitch) == len(whole.pitch)


def test_a_slot_alone_and_muted_is_a_contradiction() -> None:
    with pytest.raises(UsageError, match="bass is to be heard alone and muted at once"):
        playing(trio(), solo=["bass"], mute=["bass"])


def test_a_slot_that_is_none_is_refused_with_those_there_are() -> None:
    with pytest.raises(UsageError, match=r"no slot 'sax'.*voxlead, voxharm, guitar, other, bass"):
        playing(trio(), solo=["sax"])
    with pytest.raises(UsageError, match="no slot 'Drums'"):
        playing(trio(), mute=["Drums"])


def test_a_slot_that_does_not_play_cannot_be_heard_alone() -> None:
    with pytest.raises(
        UsageError, match=r"voxlead cannot .* the piece has only guitar, bass, drums"
    ):
        playing(trio(), solo=["voxlead"])


def test_parts_without_a_slot_are_heard_all_the_same() -> None:
    heard = playing(trio(), lineup=load_lineup("kit"))
    assert heard.stems == ("drums", "rest")
    assert len(heard.pitch) == len(trio().notes)
    assert {t.program for t in heard.tracks if not t.is_drum} == {27, 36}


def test_a_part_on_channel_ten_is_a_kit() -> None:
    score = one_part([(0, QUARTER, 38, 90, 0)], part=Part("", 5, channel=9))
    assert playing(score).tracks[0].is_drum
    assert playing(score, programs="file").tracks[0].is_drum


def test_parts_without_notes_play_nothing() -> None:
    score = trio().replace(parts=(*trio().parts, Part("Silent bass", 33)))
    assert len(playing(score).tracks) == 3


def test_bars_are_cut_out() -> None:
    heard = playing(trio(4), start_bar=1, bars=2)
    assert heard.start_seconds[0] == 0.0
    assert heard.seconds == pytest.approx(3.75)
    assert playing(trio(4), start_bar=3).seconds == pytest.approx(1.75)
    assert playing(trio(4), bars=99).seconds == pytest.approx(7.75)


@pytest.mark.parametrize(("start_bar", "bars"), [(4, None), (-1, 2), (0, 0)])
def test_bars_that_are_not_there(start_bar: int, bars: int | None) -> None:
    with pytest.raises(UsageError, match=r"no bar|cannot be played"):
        playing(trio(4), start_bar=start_bar, bars=bars)


def test_the_pedal_lengthens_notes_even_across_the_cut() -> None:
    score = one_part(
        [(0, QUARTER, 60, 90, 0), (BAR, QUARTER, 64, 90, 0)],
        controls=[(0, 64, 127, 0), (2 * BAR, 64, 0, 0)],
    )
    assert playing(score).end_seconds == pytest.approx([4.0, 4.0])
    assert playing(score, start_bar=1).end_seconds == pytest.approx([2.0])


def test_only_gestures_an_engine_obeys_are_handed_on() -> None:
    score = one_part(
        [(0, BAR, 60, 90, 0)],
        controls=[(SECOND, 7, 80, 0), (0, 10, 20, 0), (0, 91, 40, 0), (2 * SECOND, 121, 0, 0)],
    )
    heard = playing(score)
    assert heard.control_seconds == pytest.approx([0.0, 1.0, 2.0, 2.0])
    assert list(heard.control_number) == [10, 7, 1, 11]
    assert list(heard.control_value) == [20, 80, 0, 127]
    assert list(heard.bend_semitones) == [0.0]


def test_what_was_set_before_a_cut_holds_after_it() -> None:
    score = one_part(
        [(0, QUARTER, 60, 90, 0), (BAR, QUARTER, 60, 90, 0)],
        controls=[(0, 7, 33, 0), (0, 101, 0, 0), (0, 100, 0, 0), (0, 6, 12, 0)],
        bends=[(10, 4096, 0)],
    )
    heard = playing(score, start_bar=1)
    assert (list(heard.control_seconds), list(heard.control_value)) == ([0.0], [33])
    assert list(heard.bend_semitones) == [6.0]


def test_bends_reach_two_semitones_unless_told() -> None:
    score = one_part([(0, BAR, 60, 90, 0)], bends=[(0, -8192, 0), (SECOND, 4096, 0)])
    assert list(playing(score).bend_semitones) == [-2.0, 1.0]


def test_the_reach_of_bends_holds_from_where_it_is_set() -> None:
    score = one_part(
        [(0, BAR, 60, 90, 0)],
        controls=[
            (SECOND, 101, 0, 0), (SECOND, 100, 0, 0), (SECOND, 6, 12, 0), (SECOND, 38, 50, 0),
            # The tuning is another parameter, and none at all is none.
            (SECOND, 100, 1, 0), (SECOND, 6, 64, 0), (SECOND, 101, 127, 0), (SECOND, 6, 1, 0),
        ],
        bends=[(0, 8191, 0), (SECOND, -4096, 0)],
    )  # fmt: skip
    assert playing(score).bend_semitones == pytest.approx([2 * 8191 / 8192, -6.25])


def test_a_reach_holds_for_its_own_part() -> None:
    score = trio().replace(
        controls=Controls.from_rows([(0, 101, 0, BASS), (0, 100, 0, BASS), (0, 6, 24, BASS)]),
        bends=one_part([], bends=[(5, 4096, 0)]).bends,
    )
    assert list(playing(score).bend_semitones) == [1.0]


def test_an_empty_score_lasts_as_long_as_what_it_says() -> None:
    silent = Score(QUARTER, Notes.empty(), texts=(Text(3 * SECOND, "marker", "end"),))
    heard = playing(silent)
    assert (heard.stems, heard.tracks, len(heard.pitch)) == ((), (), 0)
    assert heard.seconds == pytest.approx(3.0)
    assert playing(Score()).seconds == 0.0


def test_bars_without_notes_last_as_long_as_they_are() -> None:
    score = one_part([(0, QUARTER, 60, 90, 0), (3 * BAR, QUARTER, 60, 90, 0)])
    heard = playing(score, start_bar=1, bars=2)
    assert (heard.seconds, heard.stems) == (pytest.approx(4.0), ())


def test_sounds_unknown() -> None:
    with pytest.raises(UsageError, match="'gm' is not known; use slots or file"):
        playing(trio(), programs="gm")  # type: ignore[arg-type]
