"""Transposed, quantised, cut and hurried scores are what slow loops make of them."""

from __future__ import annotations

import math
import re
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from tests.strategies import scores
from woodshed.errors import BadMusic, UsageError
from woodshed.music.grid import Grid
from woodshed.music.notes import SUSTAIN, Bends, Controls, Notes
from woodshed.music.score import Part, Score, Text
from woodshed.music.time import KeyMap, MetreMap, TempoMap
from woodshed.music.transform import (
    drum_notes,
    quantise,
    scale_tempo,
    slice_bars,
    transpose,
    with_tempo,
)

PIANO, KIT = Part("Piano"), Part("Kit", is_drum=True)
SEMITONES = st.integers(-11, 11) | st.integers(-300, 300)


def note_rows(score: Score) -> list[tuple[int, ...]]:
    """Start, duration, pitch, velocity and part of each note."""
    notes = score.notes
    columns = (
        notes.start_ticks,
        notes.duration_ticks,
        notes.pitch,
        notes.velocity,
        notes.part,
    )
    return list(zip(*(column.tolist() for column in columns), strict=True))


def slow_transposed(pitch: int, semitones: int) -> int:
    pitch += semitones
    while pitch < 0:
        pitch += 12
    while pitch > 127:
        pitch -= 12
    return pitch


@given(scores(), SEMITONES)
def test_transposing_moves_melodic_notes_and_folds_those_that_leave(score, semitones):
    moved = transpose(score, semitones)
    expected = [
        (start, duration, pitch if score.parts[part].is_drum else slow_transposed(pitch, semitones))
        for start, duration, pitch, _, part in note_rows(score)
    ]
    assert sorted(row[:3] for row in note_rows(moved)) == sorted(expected)
    assert moved.replace(notes=score.notes, keys=score.keys) == score


@given(scores(), SEMITONES)
def test_transposing_moves_keys_and_keeps_them_spellable(score, semitones):
    old, new = score.keys, transpose(score, semitones).keys
    # The tonic of a key with s sharps lies 7·s semitones above C (or above A in minor).
    tonic = 7 * old.sharps.astype(int)
    assert_array_equal((7 * new.sharps.astype(int) - tonic - semitones) % 12, 0)
    assert_array_equal(new.ticks, old.ticks)
    assert_array_equal(new.minor, old.minor)
    if semitones % 12:
        assert np.all(np.abs(new.sharps) <= 6)
    else:
        assert new == old


@pytest.mark.parametrize(
    ("sharps", "semitones", "expected"),
    [
        (0, 2, 2),  # C to D
        (0, 1, -5),  # C to D flat
        (0, 6, 6),  # C up to F sharp
        (0, -6, -6),  # C down to G flat
        (-3, -3, 0),  # E flat to C
        (7, 12, 7),  # C sharp stays so an octave higher
        (7, 1, 2),  # C sharp to D
    ],
)
def test_keys_by_hand(sharps, semitones, expected):
    score = Score(keys=KeyMap.from_rows([(0, sharps, False)]))
    assert transpose(score, semitones).keys.sharps.tolist() == [expected]


def slow_quantised(score: Score, steps_per_quarter: int) -> list[tuple[int, ...]]:
    grid = Grid.of(score, steps_per_quarter)
    longest: dict[tuple[int, int, int], tuple[int, int]] = {}
    for start, duration, pitch, velocity, part in note_rows(score):
        first = int(grid.steps(start))
        end = max(int(grid.steps(start + duration)), first + 1)
        tick = int(grid.ticks(first))
        length = int(grid.ticks(end)) - tick
        before = longest.get((tick, part, pitch), (0, 0))
        longest[tick, part, pitch] = max(before[0], length), max(before[1], velocity)
    return [
        (tick, length, pitch, velocity, part)
        for (tick, part, pitch), (length, velocity) in sorted(longest.items())
    ]


@given(scores(), st.sampled_from((1, 4, 24, 480)))
def test_quantising_is_what_a_slow_loop_makes_of_it(score, steps_per_quarter):
    snapped = quantise(score, steps_per_quarter)
    assert note_rows(snapped) == slow_quantised(score, steps_per_quarter)
    assert quantise(snapped, steps_per_quarter) == snapped
    untouched: dict[str, Any] = {
        name: getattr(score, name) for name in ("notes", "metres", "keys", "texts")
    }
    assert snapped.replace(**untouched) == score


@given(scores(ticks_per_quarter=480, odd_metres=False))
def test_quantising_does_not_move_notes_between_bars_of_the_grid(score):
    before, after = Grid.of(score), Grid.of(quantise(score))
    assert after == before


def test_quantising_by_hand():
    # 20 ticks a step. Two strokes of one key fall together; a grace note of a tick becomes a step.
    notes = [
        (478, 240, 60, 40, 0),
        (485, 100, 60, 90, 0),
        (482, 9, 60, 7, 1),
        (471, 10, 64, 5, 0),
        (495, 1, 62, 50, 0),
        (502, 30, 62, 60, 0),
    ]
    score = Score(
        480,
        Notes.from_rows(notes),
        (PIANO, KIT),
        metres=MetreMap.from_rows([(0, 4, 4), (475, 3, 4), (484, 6, 8)]),
        tempos=TempoMap.from_rows([(0, 500_000), (485, 400_000)]),
        controls=Controls.from_rows([(487, SUSTAIN, 127, 0)]),
        texts=(Text(478, "lyric", "la", 0),),
    )
    snapped = quantise(score)
    assert note_rows(snapped) == [
        (480, 240, 60, 90, 0),
        (480, 20, 64, 5, 0),
        (480, 20, 60, 7, 1),
        (500, 40, 62, 60, 0),
    ]
    assert snapped.metres == MetreMap.from_rows([(0, 4, 4), (480, 6, 8)])
    assert snapped.texts == (Text(480, "lyric", "la", 0),)
    assert (snapped.tempos, snapped.controls) == (score.tempos, score.controls)


@pytest.mark.parametrize("steps", [0, -1, 40_000])
def test_quantising_to_no_grid_is_refused(steps):
    with pytest.raises(UsageError, match=str(steps)):
        quantise(Score(), steps)


@st.composite
def scores_and_bars(draw: st.DrawFn, /, **settings: Any) -> tuple[Score, int, int]:
    score = draw(scores(**settings))
    bars = len(score.bars())
    first = draw(st.integers(0, bars - 1))
    return score, first, draw(st.integers(1, bars - first))


def in_force(table: Any, rows: Any, tick: int, column: str) -> Any:
    """The value of the last of `rows` at or before `tick`; None before the first."""
    before = getattr(table, column)[rows & (table.ticks <= tick)]
    return before[-1] if len(before) else None


@given(scores_and_bars())
def test_a_slice_sounds_as_its_bars_did(request_of):
    score, first, count = request_of
    piece = slice_bars(score, first, count)
    bars = score.bars().take(slice(first, first + count))
    start = int(bars.start_ticks[0])
    length = int(bars.start_ticks[-1] + bars.length_ticks[-1]) - start

    expected = [
        (tick - start, min(duration, start + length - tick), *rest)
        for tick, duration, *rest in note_rows(score)
        if start <= tick < start + length
    ]
    assert sorted(note_rows(piece)) == sorted(expected)
    assert piece.parts == score.parts

    ticks = np.linspace(0, max(length - 1, 0), 7).astype(int)
    seconds = score.seconds(ticks + start) - score.seconds(start)
    assert_allclose(piece.seconds(ticks), seconds, atol=1e-9 * float(score.seconds(start) + 1))
    for tick in ticks.tolist() if length else []:
        for column in ("sharps", "minor"):
            assert in_force(piece.keys, True, tick, column) == in_force(
                score.keys, True, tick + start, column
            )
        for part in range(len(score.parts)):
            assert in_force(piece.bends, piece.bends.part == part, tick, "value") == in_force(
                score.bends, score.bends.part == part, tick + start, "value"
            )
            for number in {SUSTAIN, *score.controls.number.tolist()}:
                after, before = (
                    in_force(c, (c.part == part) & (c.number == number), tick + offset, "value")
                    for c, offset in ((piece.controls, 0), (score.controls, start))
                )
                assert after == before
    for kept in (piece.controls.ticks, piece.bends.ticks, piece.keys.ticks, piece.tempos.ticks):
        assert np.all((kept >= 0) & (kept < max(length, 1)))
    assert [(t.ticks + start, t.text) for t in piece.texts] == [
        (t.ticks, t.text) for t in score.texts if start <= t.ticks < start + length
    ]


@given(scores_and_bars(ticks_per_quarter=480, odd_metres=False))
def test_a_slice_keeps_its_bars(request_of):
    score, first, count = request_of
    bars = score.bars().take(slice(first, first + count))
    start, length = int(bars.start_ticks[0]), int(bars.length_ticks.sum())
    piece = slice_bars(score, first, count)
    expected = bars.replace(start_ticks=bars.start_ticks - start)
    assert piece.metres.bars(length, 480) == expected


def test_a_slice_carries_what_is_in_force():
    # Bars of 1920 ticks; the cut is at 1920.
    score = Score(
        480,
        Notes.from_rows([(0, 4000, 60, 64, 0), (1920, 3000, 62, 64, 0), (3839, 2, 64, 64, 0)]),
        (PIANO, KIT),
        TempoMap.from_rows([(0, 500_000), (960, 400_000), (3840, 300_000)]),
        keys=KeyMap.from_rows([(0, 1, False), (1920, 2, True), (5000, 3, False)]),
        controls=Controls.from_rows(
            [
                # A bend of 12 semitones: parameter 0 (101, 100), its value (6), no parameter.
                (0, 101, 0, 0),
                (0, 100, 0, 0),
                (0, 6, 12, 0),
                (0, 101, 127, 0),
                (0, 100, 127, 0),
                (0, 7, 90, 0),
                (10, 7, 100, 0),
                (20, SUSTAIN, 127, 0),
                (2000, SUSTAIN, 0, 0),
                (15, 7, 80, 1),
                (4000, 7, 0, 0),
            ],
        ),
        bends=Bends.from_rows([(0, 5, 0), (9, 4096, 0), (10, -7, 1), (3840, 0, 0)]),
        texts=(
            Text(0, "title", "Blues"),
            Text(1920, "marker", "A"),
            Text(1930, "lyric", "la", 0),
            Text(3840, "marker", "B"),
        ),
    )
    piece = slice_bars(score, 1, 1)
    assert note_rows(piece) == [(0, 1920, 62, 64, 0), (1919, 1, 64, 64, 0)]
    assert piece.tempos == TempoMap.from_rows([(0, 400_000)])
    assert piece.keys == KeyMap.from_rows([(0, 2, True)])
    assert piece.controls == Controls.from_rows(
        [
            (0, 101, 0, 0),
            (0, 100, 0, 0),
            (0, 6, 12, 0),
            (0, 101, 127, 0),
            (0, 100, 127, 0),
            (0, 7, 100, 0),
            (0, SUSTAIN, 127, 0),
            (0, 7, 80, 1),
            (80, SUSTAIN, 0, 0),
        ],
    )
    assert piece.bends == Bends.from_rows([(0, 4096, 0), (0, -7, 1)])
    assert piece.texts == (Text(0, "marker", "A"), Text(10, "lyric", "la", 0))


def test_a_bar_cut_short_stays_so_in_a_slice():
    score = Score(
        480,
        Notes.from_rows([(0, 4000, 60, 64, 0)]),
        (PIANO,),
        metres=MetreMap.from_rows([(0, 4, 4), (480, 4, 4)]),
    )
    assert Grid.of(slice_bars(score, 0, 1)).has_pickup
    assert not Grid.of(slice_bars(score, 1, 1)).has_pickup


def test_a_bar_shorter_than_a_tick_may_be_empty_but_not_broken():
    score = Score(
        1,
        Notes.from_rows([(0, 2, 60, 64, 0)]),
        (PIANO,),
        metres=MetreMap.from_rows([(0, 3, 64), (1, 4, 4)]),
        tempos=TempoMap.from_rows([(0, 500_000), (1, 400_000)]),
    )
    # Bars 1 to 5 begin after tick 0 and before tick 1: no tick lies in them.
    assert score.bars().length_ticks.tolist() == [1, 0, 0, 0, 0, 0, 4]
    piece = slice_bars(score, 1, 1)
    assert len(piece.notes) == 0
    assert piece.tempos == TempoMap.constant(150)


@pytest.mark.parametrize(
    ("first", "count"), [(-1, 1), (0, 0), (0, 3), (2, 1), (1, 2), (0, -1)], ids=str
)
def test_bars_outside_the_score_are_refused(first, count):
    score = Score(480, Notes.from_rows([(0, 2000, 60, 64, 0)]), (PIANO,))
    with pytest.raises(UsageError, match=rf"{count} bars from bar {first} .* score has 2"):
        slice_bars(score, first, count)


@given(scores(), st.floats(4, 1000))
def test_one_tempo_leaves_the_ticks(score, bpm):
    steady = with_tempo(score, bpm)
    assert_allclose(steady.tempos.bpm, [bpm], rtol=1e-4)
    assert steady.replace(tempos=score.tempos) == score


def test_a_tempo_of_none_is_refused():
    with pytest.raises(BadMusic, match="0 BPM"):
        with_tempo(Score(), 0)


def test_scaling_the_tempo_scales_every_tempo():
    score = Score(480, tempos=TempoMap.from_rows([(0, 500_000), (960, 300_000)]))
    assert_array_equal(scale_tempo(score, 2).tempos.microseconds_per_quarter, [250_000, 150_000])
    assert scale_tempo(score, 0.5).tempos == TempoMap.from_rows([(0, 1_000_000), (960, 600_000)])
    assert scale_tempo(score, 1) == score


@pytest.mark.parametrize("factor", [0, -1, math.nan, math.inf, 1e-9, 1e9])
def test_factors_that_leave_no_tempo_are_refused(factor):
    with pytest.raises(UsageError, match=re.escape(f"{factor:g}")):
        scale_tempo(Score(), factor)


def test_drum_notes_are_those_of_drum_parts():
    score = Score(480, Notes.from_rows([(0, 1, 60, 64, 1), (0, 1, 60, 64, 0)]), (PIANO, KIT))
    assert drum_notes(score).tolist() == [False, True]
    assert drum_notes(Score()).tolist() == []
