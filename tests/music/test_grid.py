"""The grid rounds exactly, and its bars are the score's."""

from __future__ import annotations

import math
from bisect import bisect_right
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from tests.strategies import scores
from woodshed.errors import BadMusic, UsageError
from woodshed.music.columns import MAX_TICKS
from woodshed.music.grid import Grid, GridBars, rescale
from woodshed.music.notes import Notes
from woodshed.music.score import Part, Score
from woodshed.music.time import MetreMap

STEPS = st.sampled_from((1, 3, 4, 24, 480))


def half_up(exact: Fraction) -> int:
    return math.floor(exact + Fraction(1, 2))


def slow_bars(score: Score, steps_per_quarter: int) -> list[tuple[int, int, int, int]]:
    """Walk over the exact bar lines, round each, drop empty bars, until all notes have a bar."""
    per_tick = Fraction(steps_per_quarter, score.ticks_per_quarter)
    notes = score.notes
    spans = zip(notes.start_ticks.tolist(), notes.end_ticks.tolist(), strict=True)
    covered = max(
        (max(half_up(start * per_tick) + 1, half_up(end * per_tick)) for start, end in spans),
        default=1,
    )
    metres = score.metres
    ends = [*metres.ticks.tolist()[1:], math.inf]
    bars = []
    for tick, stop, numerator, denominator in zip(
        metres.ticks.tolist(),
        ends,
        metres.numerator.tolist(),
        metres.denominator.tolist(),
        strict=True,
    ):
        line = Fraction(tick)
        while line < stop and half_up(line * per_tick) < covered:
            following = min(
                line + Fraction(4 * score.ticks_per_quarter * numerator, denominator), stop
            )
            start, end = half_up(line * per_tick), half_up(Fraction(following) * per_tick)
            if end > start:
                bars.append((start, end - start, numerator, denominator))
            line = Fraction(following)
    return bars


def rows(bars: GridBars) -> list[tuple[int, ...]]:
    columns = (bars.start_steps, bars.length_steps, bars.numerator, bars.denominator)
    return list(zip(*(column.tolist() for column in columns), strict=True))


def score_of(metres: list[tuple[int, int, int]], end: int, ticks_per_quarter: int = 480) -> Score:
    """One note from tick 0 to `end` under metres given as (tick, numerator, denominator)."""
    return Score(
        ticks_per_quarter,
        Notes.from_rows([(0, end, 60, 64, 0)]),
        (Part(),),
        metres=MetreMap.from_rows(metres),
    )


@given(st.lists(st.integers(-(2**32), 2**32)), st.integers(1, 32767), st.integers(1, 32767))
def test_rescaling_rounds_halves_up_exactly(values, numerator, denominator):
    expected = [half_up(Fraction(value * numerator, denominator)) for value in values]
    assert rescale(values, numerator, denominator).tolist() == expected


def test_rounding_by_hand():
    grid = Grid.of(Score(480))
    # 20 ticks are a step: 9 ticks are nearer to step 0, 10 are half way and go up.
    assert_array_equal(grid.steps([0, 9, 10, 20, 29, 30]), [0, 0, 1, 1, 1, 2])
    assert_array_equal(grid.ticks([0, 1, 6, 24]), [0, 20, 120, 480])
    assert int(grid.steps(480)) == 24


@given(scores(), STEPS)
def test_steps_lead_to_ticks_and_back(score, steps_per_quarter):
    grid = Grid.of(score, steps_per_quarter)
    many = np.arange(0, 3000, 7)
    if steps_per_quarter <= score.ticks_per_quarter:
        assert_array_equal(grid.steps(grid.ticks(many)), many)
    if steps_per_quarter >= score.ticks_per_quarter:
        assert_array_equal(grid.ticks(grid.steps(many)), many)


@given(scores(), STEPS)
def test_bars_are_the_rounded_bar_lines(score, steps_per_quarter):
    assert rows(Grid.of(score, steps_per_quarter).bars) == slow_bars(score, steps_per_quarter)


@given(scores(), STEPS)
def test_every_note_lies_inside_a_bar(score, steps_per_quarter):
    grid = Grid.of(score, steps_per_quarter)
    lengths = grid.bars.length_steps
    assert lengths.min() >= 1
    steps = grid.steps(score.notes.start_ticks)
    bars, positions = grid.bar_of(steps), grid.position(steps)
    assert np.all((positions >= 0) & (positions < lengths[bars]))
    assert np.all(grid.steps(score.notes.end_ticks) <= grid.end_steps)


@given(scores(ticks_per_quarter=480, odd_metres=False), STEPS)
def test_no_note_lands_before_its_bar(score, steps_per_quarter):
    # Here bar lines are whole ticks, so the table of bars has them exactly.
    grid = Grid.of(score, steps_per_quarter)
    own_bars = score.bars().start_ticks[score.bar(score.notes.start_ticks)]
    steps = grid.steps(score.notes.start_ticks)
    assert np.all(steps - grid.position(steps) >= grid.steps(own_bars))


@given(scores(), STEPS, st.lists(st.integers(0, 20_000), max_size=20))
def test_bar_and_position_lead_to_the_step_and_back(score, steps_per_quarter, steps):
    grid = Grid.of(score, steps_per_quarter)
    begins = grid.bars.start_steps.tolist()
    bars = [bisect_right(begins, step) - 1 for step in steps]
    assert_array_equal(grid.bar_of(steps), bars)
    assert_array_equal(
        grid.position(steps), [s - begins[b] for s, b in zip(steps, bars, strict=True)]
    )
    assert_array_equal(grid.step_at(grid.bar_of(steps), grid.position(steps)), steps)


def test_a_pickup_then_a_new_metre_in_the_middle_of_a_bar():
    # An upbeat of a quarter, a bar of 4/4, one cut short after two quarters, then 6/8.
    metres = [(0, 4, 4), (480, 4, 4), (480 + 1920 + 960, 6, 8)]
    grid = Grid.of(score_of(metres, 480 + 1920 + 960 + 20))
    assert rows(grid.bars) == [(0, 24, 4, 4), (24, 96, 4, 4), (120, 48, 4, 4), (168, 72, 6, 8)]
    assert grid.has_pickup
    assert grid.end_steps == 240
    assert grid.bar_of([0, 23, 24, 119, 120, 168]).tolist() == [0, 0, 1, 1, 2, 3]
    assert grid.position([0, 23, 24, 119, 120, 168]).tolist() == [0, 23, 0, 95, 0, 0]


@pytest.mark.parametrize(
    ("metres", "has_pickup"),
    [
        ([(0, 4, 4)], False),
        ([(0, 1, 4), (480, 4, 4)], False),  # a whole bar of 1/4
        ([(0, 3, 4), (960, 4, 4)], True),
        ([(0, 3, 64)], False),  # 4.5 steps, rounded to 5
        ([(0, 3, 64), (80, 4, 4)], True),  # cut after 4
    ],
)
def test_a_pickup_is_a_first_bar_shorter_than_its_metre(metres, has_pickup):
    assert Grid.of(score_of(metres, 4800)).has_pickup is has_pickup


@pytest.mark.parametrize("ticks_per_quarter", [1, 25, 96, 100])
def test_bars_of_seven_eighths_are_even_at_any_resolution(ticks_per_quarter):
    grid = Grid.of(score_of([(0, 7, 8)], 14 * ticks_per_quarter, ticks_per_quarter))
    assert grid.bars.length_steps.tolist() == [84] * 4


def test_bars_of_half_steps_alternate_and_do_not_drift():
    grid = Grid.of(score_of([(0, 3, 64)], 480))
    assert grid.bars.length_steps.tolist() == [5, 4, 5, 4, 5, 4]  # 3/16 of a quarter: 4.5 steps
    # All of these bars lie within one tick.
    grid = Grid.of(score_of([(0, 3, 64)], 1, 1))
    assert grid.bars.length_steps.tolist() == [5, 4, 5, 4, 5, 4]


def test_bars_without_a_step_are_left_out():
    # 1/128 is three quarters of a step: every fourth bar line rounds to the one before.
    grid = Grid.of(score_of([(0, 1, 128)], 480))
    assert grid.bars.length_steps.tolist() == [1] * 24
    # A bar of 9 ticks, which is less than half a step, and so is its metre's only bar.
    grid = Grid.of(score_of([(0, 5, 8), (9, 4, 4)], 480))
    assert rows(grid.bars) == [(0, 96, 4, 4)]
    assert not grid.has_pickup


def test_a_note_just_before_the_last_bar_line_has_a_bar_to_land_in():
    score = Score(480, Notes.from_rows([(1911, 9, 60, 64, 0)]), (Part(),))
    grid = Grid.of(score)
    assert (score.bar_count, len(grid.bars)) == (1, 2)
    assert int(grid.bar_of(grid.steps(1911))) == 1


def test_the_last_bar_goes_on():
    grid = Grid.of(Score(480))
    assert (int(grid.bar_of(1000)), int(grid.position(1000))) == (0, 1000)


@pytest.mark.parametrize("steps", [0, -24, 32768])
def test_a_grid_without_steps_is_refused(steps):
    with pytest.raises(UsageError, match=f"{steps} steps"):
        Grid.of(Score(), steps)


def test_endless_scores_are_refused_before_their_bars_are_made():
    with pytest.raises(BadMusic, match="bars are more than"):
        Grid.of(score_of([(0, 1, 4)], MAX_TICKS, 1))


def test_the_longest_bars_at_the_finest_resolution_do_not_overflow():
    grid = Grid.of(score_of([(0, 255, 1)], MAX_TICKS, 32767), 32767)
    assert grid.bars.length_steps.tolist() == [255 * 4 * 32767] * len(grid.bars)
    assert grid.end_steps >= MAX_TICKS
