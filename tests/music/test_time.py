"""Conversions between ticks, seconds, bars and beats are exact, whatever the maps."""

from __future__ import annotations

import math
import re
from bisect import bisect_right
from fractions import Fraction
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from tests.strategies import TICKS_PER_QUARTER, metre_maps, tempo_maps
from woodshed.errors import BadMusic
from woodshed.music.time import KeyMap, MetreMap, TempoMap, microseconds_of

LONG_QUARTERS = 2000
RESOLUTIONS = st.sampled_from(TICKS_PER_QUARTER)


class Line(NamedTuple):
    """A bar line: where it stands exactly, and the metre that begins there."""

    ticks: Fraction
    numerator: int
    denominator: int


def slow_seconds(tempos: TempoMap, tick: int, ticks_per_quarter: int) -> Fraction:
    """Sum over every stretch of one tempo, in fractions."""
    ends = [*tempos.ticks.tolist()[1:], math.inf]
    rows = zip(tempos.ticks.tolist(), ends, tempos.microseconds_per_quarter.tolist(), strict=True)
    spans = [(max(0, min(tick, end) - start), tempo) for start, end, tempo in rows]
    return sum((Fraction(ticks * tempo) for ticks, tempo in spans), Fraction()) / (
        ticks_per_quarter * 10**6
    )


def slow_lines(metres: MetreMap, end: int, ticks_per_quarter: int) -> list[Line]:
    """Walk from bar line to bar line, starting anew at each metre, until one stands at `end`."""
    ends = [*metres.ticks.tolist()[1:], math.inf]
    lines = []
    for tick, stop, numerator, denominator in zip(
        metres.ticks.tolist(),
        ends,
        metres.numerator.tolist(),
        metres.denominator.tolist(),
        strict=True,
    ):
        line = Fraction(tick)
        while line < min(stop, end):
            lines.append(Line(line, numerator, denominator))
            line += Fraction(4 * ticks_per_quarter * numerator, denominator)
    return lines


@st.composite
def resolution_and_tempos(draw: st.DrawFn) -> tuple[int, TempoMap]:
    resolution = draw(RESOLUTIONS)
    return resolution, draw(tempo_maps(resolution, LONG_QUARTERS))


@st.composite
def resolution_and_metres(draw: st.DrawFn) -> tuple[int, MetreMap]:
    resolution = draw(RESOLUTIONS)
    return resolution, draw(metre_maps(resolution))


TICKS = st.lists(st.integers(0, 2 * LONG_QUARTERS * 480), min_size=1, max_size=20)
EARLY_TICKS = st.lists(st.integers(0, 20 * 480), min_size=1, max_size=20)


@given(resolution_and_tempos(), TICKS)
def test_ticks_survive_the_way_to_seconds_and_back(maps, ticks):
    resolution, tempos = maps
    around = np.concatenate([ticks, tempos.ticks, tempos.ticks + 1])
    there = tempos.seconds(around, resolution)
    assert_array_equal(tempos.ticks_at(there, resolution), around)


@given(resolution_and_tempos(), TICKS)
def test_seconds_are_the_sum_over_all_tempos(maps, ticks):
    resolution, tempos = maps
    expected = [float(slow_seconds(tempos, tick, resolution)) for tick in ticks]
    assert_allclose(tempos.seconds(ticks, resolution), expected, rtol=1e-15)


def test_two_tempos_by_hand():
    # Two quarters at 120 BPM, then at 60: half a second each, then a second each.
    tempos = TempoMap.from_rows([(0, 500_000), (960, 1_000_000)])
    assert_array_equal(tempos.seconds([0, 480, 960, 1440, 1680], 480), [0, 0.5, 1, 2, 2.5])
    assert_array_equal(tempos.bpm, [120, 60])


def test_one_tick_or_moment_will_do():
    tempos = TempoMap.constant(120)
    assert float(tempos.seconds(480, 480)) == 0.5
    assert int(tempos.ticks_at(0.5, 480)) == 480


@given(resolution_and_metres(), EARLY_TICKS)
def test_bars_and_beats_are_those_one_counts_by_hand(maps, ticks):
    resolution, metres = maps
    lines = slow_lines(metres, max(ticks) + 1, resolution)
    bars = [bisect_right([line.ticks for line in lines], tick) - 1 for tick in ticks]
    beats = [
        float((tick - lines[bar].ticks) * lines[bar].denominator / (4 * resolution))
        for tick, bar in zip(ticks, bars, strict=True)
    ]
    assert_array_equal(metres.bar(ticks, resolution), bars)
    assert_allclose(metres.beat(ticks, resolution), beats, rtol=1e-15)


@given(resolution_and_metres(), EARLY_TICKS)
def test_ticks_survive_the_way_to_bars_and_beats_and_back(maps, ticks):
    resolution, metres = maps
    around = np.concatenate([ticks, metres.ticks])
    bar, beat = metres.bar(around, resolution), metres.beat(around, resolution)
    assert_array_equal(metres.ticks_at(bar, beat, resolution), around)


@given(resolution_and_metres(), st.integers(0, 20 * 480))
def test_the_table_of_bars_holds_the_first_tick_of_each(maps, end):
    resolution, metres = maps
    bars = metres.bars(end, resolution)
    far = max(end, 1) + 2 * 255 * 4 * resolution
    lines = slow_lines(metres, far, resolution)
    count = sum(line.ticks <= max(end, 1) - 1 for line in lines)
    assert_array_equal(bars.start_ticks, [math.ceil(line.ticks) for line in lines[:count]])
    assert_array_equal(
        bars.start_ticks + bars.length_ticks,
        [math.ceil(line.ticks) for line in lines[1 : count + 1]],
    )
    assert_array_equal(bars.numerator, [line.numerator for line in lines[:count]])
    assert_array_equal(bars.denominator, [line.denominator for line in lines[:count]])


def test_a_pickup_and_a_bar_cut_short():
    # An upbeat of a quarter, two bars of 4/4 of which the second is cut after two quarters, 3/4.
    metres = MetreMap.from_rows([(0, 4, 4), (480, 4, 4), (480 + 1920 + 960, 3, 4)])
    bars = metres.bars(480 + 1920 + 960 + 1, 480)
    assert_array_equal(bars.length_ticks, [480, 1920, 960, 1440])
    assert_array_equal(metres.bar([479, 480, 3359, 3360], 480), [0, 1, 2, 3])
    assert_array_equal(metres.beat([240, 480, 3359, 3360], 480), [0.5, 0, 959 / 480, 0])


def test_a_beat_is_the_metres_own():
    assert float(MetreMap.constant(6, 8).beat(720, 480)) == 3


def test_a_score_without_length_has_one_bar():
    assert len(MetreMap.constant().bars(0, 480)) == 1


def test_too_many_bars_are_refused_before_they_are_made():
    with pytest.raises(BadMusic, match=r"2,147,483,647 bars .* 1,000,000"):
        MetreMap.constant(1, 4).bars(2**31 - 1, 1)


def test_microseconds_of_tempos():
    assert microseconds_of(120) == 500_000
    assert microseconds_of(60e6) == 1
    assert TempoMap.constant(90).microseconds_per_quarter.tolist() == [666_667]
    for bpm in (0, 3, -120, 60e6 + 1, math.nan, math.inf):
        with pytest.raises(BadMusic, match=re.escape(f"{bpm:g} BPM")):
            microseconds_of(bpm)


@pytest.mark.parametrize(
    ("cls", "rows", "value"),
    [
        (TempoMap, [(0, 0)], "0 µs"),
        (TempoMap, [(0, 500_000), (9, 2**24)], "16777216 µs"),
        (TempoMap, [(7, 500_000)], "tick 0"),
        (TempoMap, [], "tick 0"),
        (MetreMap, [(0, 0, 4)], "has 0 beats"),
        (MetreMap, [(0, 3, 5)], "5ths"),
        (MetreMap, [(5, 4, 4)], "tick 0"),
        (KeyMap, [(0, 8, False)], "8 sharps"),
        (KeyMap, [(0, -8, False)], "-8 sharps"),
        (KeyMap, [(0, -8, False), (9, 3, False)], "-8 sharps"),
        (MetreMap, [(0, 3, 3), (9, 4, 4)], "3ths"),
        (TempoMap, [(0, 5), (2**31, 5)], str(2**31)),
        (MetreMap, [(0, 4, 4), (2**31, 4, 4)], str(2**31)),
        (KeyMap, [(2**31, 0, False)], str(2**31)),
        (TempoMap, [(7, 5)], "7"),
        (KeyMap, [(-3, 0, False)], "-3"),
    ],
)
def test_what_cannot_be_a_map_is_refused_by_its_value(cls, rows, value):
    with pytest.raises(BadMusic, match=value):
        cls.from_rows(rows)


@pytest.mark.parametrize("cls", [TempoMap, MetreMap, KeyMap])
def test_changes_must_stand_at_rising_ticks(cls):
    rest = {TempoMap: (500_000,), MetreMap: (4, 4), KeyMap: (0, False)}[cls]
    for ticks in ([0, 5, 5], [0, 5, 4]):
        with pytest.raises(BadMusic, match="follows one at the same tick or a later one"):
            cls.from_rows([(tick, *rest) for tick in ticks])


def test_a_score_may_have_no_key():
    assert len(KeyMap.empty()) == 0
