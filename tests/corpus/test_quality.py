"""Quality: broken music is caught with its reason, real music is kept, and the parts mean it."""

from __future__ import annotations

import dataclasses
import re
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.strategies import scores
from woodshed.corpus.folder import list_midi
from woodshed.corpus.quality import PARTS, Quality, QualitySettings, judge, two_voices_share
from woodshed.errors import UsageError
from woodshed.formats.midi_contained import read_many
from woodshed.music.notes import Notes
from woodshed.music.score import Part, Score
from woodshed.music.time import TempoMap

Row = tuple[int, int, int, int, int]


def song(*more: Row, notes: int = 64, step: int = 240, is_drum: bool = False) -> Score:
    """A tune of eighths at 120 BPM over eight pitches, and whatever rows are added."""
    tune = [(n * step, step, 60 + (5 * n) % 8, 80, 0) for n in range(notes)]
    return Score(notes=Notes.from_rows([*tune, *more]), parts=(Part(is_drum=is_drum),))


def shaken(score: Score, ticks: int, seed: int = 1) -> Score:
    """The same music with every onset moved by up to `ticks` either way."""
    moved = np.random.default_rng(seed).integers(-ticks, ticks + 1, len(score.notes))
    starts = np.maximum(score.notes.start_ticks + moved, 0)
    return score.replace(notes=score.notes.replace(start_ticks=starts))


def reason(score: Score, **settings: float) -> tuple[str | None, str | None]:
    found = judge(score, QualitySettings(**settings))  # type: ignore[arg-type]
    return found.rejected_by, found.rejected_because


def test_a_plain_tune_is_as_good_as_can_be() -> None:
    found = judge(song())
    assert found.rejected_because is None
    assert found.score == 1
    assert [getattr(found, part) for part in PARTS] == [1] * 7
    assert not found.is_performed


class TestBrokenMusic:
    """Each kind of damage, with the sentence a person reads."""

    def test_nothing(self) -> None:
        assert reason(Score()) == ("least_notes", "there are no notes in it")

    def test_three_notes(self) -> None:
        expected = "3 notes, fewer than the 8 a piece needs"
        assert reason(song(notes=3)) == ("least_notes", expected)

    def test_a_stuck_note(self) -> None:
        stuck = (0, 428 * 480, 60, 80, 0)
        expected = "a note on pitch 60 sounds for 214 s, longer than 60 s: stuck"
        assert reason(song(stuck)) == ("longest_note_seconds", expected)

    def test_a_note_stuck_over_all_of_a_short_piece(self) -> None:
        stuck = (0, 128 * 240, 33, 80, 0)
        expected = (
            "a note on pitch 33 sounds for 32 s of the 32 s the piece lasts, more than 90%: stuck"
        )
        assert reason(song(stuck, notes=128)) == ("longest_note_share", expected)

    def test_a_short_piece_over_one_held_note_is_music(self) -> None:
        assert reason(song((0, 64 * 240, 33, 80, 0))) == (None, None)

    def test_a_drum_that_was_never_let_go_is_not_stuck(self) -> None:
        assert reason(song((0, 428 * 480, 60, 80, 0), is_drum=True)) == (None, None)

    def test_an_hour_of_silence_in_the_middle(self) -> None:
        hour = 7200 * 480
        late = [(64 * 240 + hour + n * 240, 240, 60 + n % 8, 80, 0) for n in range(64)]
        expected = "3,600 s of silence, longer than the 240 s a piece may have"
        assert reason(song(*late)) == ("longest_silence_seconds", expected)

    def test_silence_is_where_nothing_sounds_at_all(self) -> None:
        held, short = (64 * 240, 30 * 960, 48, 80, 0), (64 * 240 + 480, 240, 50, 80, 0)
        late = [(64 * 240 + 30 * 960 + n * 240, 240, 60 + n % 8, 80, 0) for n in range(32)]
        assert judge(song(held, short, *late)).silence == 1
        # Half a minute without the held note, of which all but a breath of two seconds counts.
        assert judge(song(short, *late)).silence == pytest.approx(1 - (29.25 - 2) / 54, abs=1e-3)

    def test_one_pitch_over_and_over(self) -> None:
        rows = [(n * 120, 120, 60, 80, 0) for n in range(10_000)]
        expected = (
            "10,000 of 10,000 notes are on pitch 60, more than the 98% a piece may have on one"
        )
        assert reason(song(*rows, notes=0)) == ("most_on_one_pitch", expected)

    def test_one_pitch_of_a_melody_and_of_drums_are_two(self) -> None:
        rows = [(n * 120, 120, 60, 80, n % 2) for n in range(100)]
        both = Score(notes=Notes.from_rows(rows), parts=(Part(), Part(is_drum=True)))
        assert judge(both).rejected_by is None

    def test_two_hundred_notes_at_one_moment(self) -> None:
        rows = [(0, 480, n % 100, 80, n // 100) for n in range(200)]
        chord = Score(notes=Notes.from_rows(rows), parts=(Part(), Part()))
        expected = "200 notes start at one moment, more than the 64 that may"
        assert reason(chord) == ("most_notes_together", expected)

    def test_every_drum_at_one_moment(self) -> None:
        rows = [(0, 20, 35 + n, 80, 0) for n in range(40)]
        found = judge(Score(notes=Notes.from_rows(rows), parts=(Part(is_drum=True),)))
        assert found.rejected_by == "least_quality"
        assert found.rejected_because is not None
        assert re.fullmatch(
            r"quality 0\.\d\d, lower than the 0\.6 a piece needs; its length is worst, 0\.\d\d",
            found.rejected_because,
        )

    def test_a_machine_gun(self) -> None:
        rows = [(n, 1, 60 + n % 8, 80, 0) for n in range(900)]
        expected = "900 notes start within one second, more than the 400 that may"
        assert reason(song(*rows, notes=0)) == ("most_notes_per_second", expected)

    def test_a_tempo_that_makes_it_last_for_hours(self) -> None:
        slow = song().replace(tempos=TempoMap.constant(4))
        by, because = reason(slow, longest_note_seconds=1e6, longest_seconds=300)
        assert by == "longest_seconds"
        assert because == "it lasts 480 s, longer than the 300 s a piece may"

    def test_noise_beyond_every_instrument(self) -> None:
        rows = [(n * 240, 240, 110 + n % 16, 80, 0) for n in range(64)]
        by, because = reason(song(*rows, notes=32))
        assert by == "most_out_of_range"
        assert because is not None
        assert because.startswith("67% of the notes lie beyond a piano's range")

    def test_next_to_nothing_over_minutes(self) -> None:
        rows = [(n * 9600, 30 * 480, 60 + n % 8, 80, 0) for n in range(12)]
        expected = "0.096 notes a second, fewer than the 0.2 a piece needs"
        found = reason(song(*rows, notes=0), least_notes_per_second=0.2)
        assert found == ("least_notes_per_second", expected)

    def test_too_few_bars(self) -> None:
        expected = "8 bars, fewer than the 9 a piece needs"
        assert reason(song(), least_bars=9) == ("least_bars", expected)


def voices(*pitches: tuple[int, ...], overlap: int = 0, is_drum: bool = False) -> Score:
    """Quarters of half a second, one chord after another, each held on by `overlap` ticks."""
    rows = [(480 * n, 480 + overlap, p, 80, 0) for n, ps in enumerate(pitches) for p in ps]
    return Score(notes=Notes.from_rows(rows), parts=(Part(is_drum=is_drum),))


class TestTwoVoices:
    """The share of the music in which no more than two notes sound."""

    def test_two_voices_one_of_which_may_rest(self) -> None:
        assert two_voices_share(voices((48, 72), (50, 71), (52,), (53, 69))) == 1

    def test_a_third_voice_now_and_then(self) -> None:
        chords = [(48, 72), (50, 71, 74), (52, 72), (53, 69)]
        assert two_voices_share(voices(*chords)) == pytest.approx(3 / 4, abs=0.03)

    def test_played_notes_that_overlap_the_next_of_their_voice(self) -> None:
        tune = [(48, 72), (50, 71), (52, 69)] * 8
        assert two_voices_share(voices(*tune, overlap=45)) == 1  # 47 ms
        assert two_voices_share(voices(*tune, overlap=240)) < 0.7

    def test_silence_does_not_count(self) -> None:
        chords = [(48, 72), (), (), (), (50, 55, 59, 62)]
        assert two_voices_share(voices(*chords)) == pytest.approx(1 / 2, abs=0.01)

    def test_drums_do_not_count(self) -> None:
        assert two_voices_share(voices((36, 42, 49), is_drum=True)) == 0
        tune = voices(*[(48, 72), (50, 71)] * 8)
        beat = [(240 * n, 240, pitch, 80, 1) for n in range(32) for pitch in (36, 38, 42)]
        own = [(480 * n, 480, pitch, 80, 0) for n in range(16) for pitch in (48, 72)]
        band = Score(notes=Notes.from_rows([*own, *beat]), parts=(Part(), Part(is_drum=True)))
        assert two_voices_share(band) == two_voices_share(tune) == 1
        assert two_voices_share(Score()) == 0

    def test_who_asks_for_it_gets_nothing_else(self) -> None:
        chorale = voices(*[(48, 55, 64, 72), (43, 59, 62, 74)] * 16)
        expected = (
            "0% of the music has no more than two notes at once, "
            "less than the 90% a piece in two voices needs"
        )
        assert reason(chorale) == (None, None)
        assert reason(chorale, least_two_voices=0.9) == ("least_two_voices", expected)
        invention = voices(*[(48, 72), (50, 71), (52, 69), (55, 76)] * 8)
        assert reason(invention, least_two_voices=1.0) == (None, None)

    @pytest.mark.parametrize(
        ("piece", "stays"),
        [
            ("giantmidi-eval/ground_truth/bach_bwv_858_a.mid", True),
            ("piano-midi-de/Clementi/clementi_opus36_1_1.mid", True),
            ("asap-maestro/Bach/Prelude/bwv_856/LuoJ01M.mid", True),
            ("asap-maestro/Bach/Fugue/bwv_846/midi_score.mid", False),
            ("asap-maestro/Chopin/Ballades/1/midi_score.mid", False),
            ("asap-maestro/Chopin/Ballades/1/Zhou06M.mid", False),
        ],
    )
    def test_real_piano_music(self, test_data: Path, piece: str, stays: bool) -> None:
        (outcome,) = read_many([test_data / piece])
        by, _ = reason(outcome.unwrap(), least_two_voices=0.9)
        assert by == (None if stays else "least_two_voices")


class TestTheGrid:
    """Music on the grid and music played by hand are both good; only what is neither is not."""

    def test_by_hand(self) -> None:
        found = judge(shaken(song(notes=400), ticks=60))
        assert found.is_performed
        assert found.alignment > 0.9

    def test_a_grid_that_begins_late_is_a_grid(self) -> None:
        late = song().notes.replace(start_ticks=song().notes.start_ticks + 7)
        found = judge(song().replace(notes=late))
        assert not found.is_performed
        assert found.alignment == 1

    def test_half_and_half(self) -> None:
        grid, hand = song(notes=400), shaken(song(notes=400), ticks=60)
        half = np.arange(400) % 2 == 0
        starts = np.where(half, grid.notes.start_ticks, hand.notes.start_ticks)
        found = judge(grid.replace(notes=grid.notes.replace(start_ticks=starts)))
        assert 0.5 <= found.alignment < 0.7

    @pytest.mark.parametrize(
        "ticks_per_quarter", [24, 32, 64, 96, 100, 120, 192, 384, 480, 960, 10080]
    )
    def test_sixteenths_and_triplets_are_on_the_grid_in_any_resolution(
        self, ticks_per_quarter: int
    ) -> None:
        steps = np.cumsum(np.tile([6, 6, 12, 8, 8, 8], 20))
        starts = np.rint(steps * ticks_per_quarter / 24).astype(np.int64)
        rows = [(start, 1, 60 + n % 8, 80, 0) for n, start in enumerate(starts.tolist())]
        found = judge(Score(ticks_per_quarter, Notes.from_rows(rows), (Part(),)))
        assert not found.is_performed
        assert found.alignment == 1


@given(scores())
def test_every_score_gets_a_verdict(score: Score) -> None:
    found = judge(score)
    values = [found.score, *(getattr(found, part) for part in PARTS)]
    assert all(0 <= value <= 1 for value in values)
    assert found.score <= max(values[1:])
    assert (found.rejected_because is None) == (found.rejected_by is None)
    if found.rejected_by is not None:
        assert found.rejected_by in {f.name for f in dataclasses.fields(QualitySettings)}
    if found.rejected_because is None:
        assert found.score >= QualitySettings().least_quality
    assert judge(score) == found


@given(scores(every_part_plays=True), st.integers(2, 40))
def test_a_threshold_that_is_raised_never_lets_more_in(score: Score, least: int) -> None:
    strict = judge(score, QualitySettings(least_notes=least))
    lax = judge(score, QualitySettings(least_notes=least - 1))
    if strict.rejected_because is None:
        assert lax.rejected_because is None


@given(scores(min_parts=1, every_part_plays=True))
def test_the_order_of_parts_does_not_matter(score: Score) -> None:
    order = np.arange(len(score.parts))[::-1]
    swapped = score.replace(
        parts=tuple(score.parts[n] for n in order),
        notes=score.notes.replace(part=order[score.notes.part]),
        controls=type(score.controls).empty(),
        bends=type(score.bends).empty(),
        texts=(),
    )
    one, other = judge(score), judge(swapped)
    assert one.score == pytest.approx(other.score, abs=1e-3)
    assert one.rejected_by == other.rejected_by


@pytest.mark.parametrize(
    ("setting", "value"),
    [("least_quality", 1.1), ("least_notes", 0), ("most_on_one_pitch", -0.1),
     ("least_two_voices", 1.01),
     ("longest_seconds", 0), ("least_quality", float("nan")), ("least_notes_per_second", -1)],
)  # fmt: skip
def test_a_threshold_that_makes_no_sense(setting: str, value: float) -> None:
    flag = "--" + setting.replace("_", "-")
    with pytest.raises(UsageError, match=f"{flag} {value:g} makes no sense; use "):
        QualitySettings(**{setting: value})  # type: ignore[arg-type]


# Looked at one by one; docs/quality.md says what is wrong with each.
KNOWN_BAD = {
    "asap-maestro": {"Chopin/Etudes_op_25/5/midi_score.mid": "most_notes_per_second"},
    "blasphemer": {},
    "dubroom": {},
    "freedoom": {"dummy.mid": "least_notes"},
    "giantmidi-eval": {},
    "lieder-lyrics": {
        f"midi/lc{number}.mid": "longest_note_seconds" for number in (6518134, 6518141)
    },
    "nottingham": {
        "chords/reelsr-t71.mid": "longest_note_seconds",
        "chords/xmas7.mid": "least_notes",
        "reelsr-t71.mid": "longest_note_seconds",
    },
    "openmsx": {},
    "piano-midi-de": {},
    "pop909": {},
    "simutrans": {},
}


@pytest.mark.parametrize("folder", KNOWN_BAD)
def test_real_music_is_kept(test_data: Path, folder: str) -> None:
    place = test_data / folder
    paths = list_midi(place).paths
    rejected = {}
    for outcome in read_many(paths):
        found = judge(outcome.unwrap())
        if found.rejected_by is not None:
            rejected[Path(outcome.path).relative_to(place).as_posix()] = found.rejected_by
    assert len(rejected) <= 0.03 * len(paths), rejected
    known = {name: rule for name, rule in KNOWN_BAD[folder].items() if (place / name).exists()}
    assert {name: rejected.get(name) for name in known} == known


def verdicts(folder: Path, pattern: str = "**/*.mid") -> list[Quality]:
    return [judge(o.unwrap()) for o in read_many(sorted(folder.glob(pattern)))]


def test_grooves_are_kept_but_for_the_shortest_fills(test_data: Path) -> None:
    found = verdicts(test_data / "groove-midi")
    assert len(found) > 600
    assert set(Counter(q.rejected_by for q in found)) == {None, "least_notes"}
    assert sum(q.rejected_by is not None for q in found) < 0.05 * len(found)


@pytest.mark.parametrize(
    ("folder", "pattern", "least", "most"),
    [
        ("asap-maestro", "**/*M.mid", 1, 1),
        ("giantmidi-eval", "maestro/*.mid", 1, 1),
        ("groove-midi", "**/*.mid", 0.98, 1),
        ("asap-maestro", "**/midi_score.mid", 0, 0.04),
        ("nottingham", "*.mid", 0, 0),
        ("lieder-lyrics", "**/*.mid", 0, 0),
        ("piano-midi-de", "**/*.mid", 0, 0),
        ("pop909", "**/*.mid", 0, 0.06),
    ],
)
def test_performances_are_told_from_scores(
    test_data: Path, folder: str, pattern: str, least: float, most: float
) -> None:
    found = verdicts(test_data / folder, pattern)
    assert found
    assert least <= sum(q.is_performed for q in found) / len(found) <= most
