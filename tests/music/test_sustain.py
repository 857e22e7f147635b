"""The pedal lengthens notes as a pianist's foot does."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given

from tests.strategies import scores
from woodshed.music.columns import MAX_TICKS
from woodshed.music.notes import SUSTAIN, Controls, Notes
from woodshed.music.score import Part, Score
from woodshed.music.sustain import hold_sustain

DOWN, UP = 127, 0


def played(notes: list[tuple[int, int, int]], pedal: list[tuple[int, int]]) -> Score:
    """A piano from (start, end, pitch) and a pedal from (tick, value)."""
    rows = [(start, end - start, pitch, 64, 0) for start, end, pitch in notes]
    moves = [(tick, SUSTAIN, value, 0) for tick, value in pedal]
    return Score(480, Notes.from_rows(rows), (Part(),), controls=Controls.from_rows(moves))


def spans(score: Score) -> list[tuple[int, int, int]]:
    notes = score.notes
    columns = (notes.start_ticks.tolist(), notes.end_ticks.tolist(), notes.pitch.tolist())
    return list(zip(*columns, strict=True))


def slow_end(score: Score, row: int) -> int:
    """Where one note ends, found by looking at every pedal move and every other note."""
    notes, controls = score.notes, score.controls
    part, pitch = int(notes.part[row]), int(notes.pitch[row])
    release = int(notes.end_ticks[row])
    pedal = [
        (tick, value >= 64)
        for tick, number, value, of in zip(
            controls.ticks.tolist(),
            controls.number.tolist(),
            controls.value.tolist(),
            controls.part.tolist(),
            strict=True,
        )
        if of == part and number == SUSTAIN
    ]
    is_down = False
    for tick, down in pedal:
        if tick <= release:
            is_down = down
    if not is_down:
        return release
    lifts = [tick for tick, down in pedal if not down and tick > release]
    strikes = [
        start
        for start, p, of in zip(
            notes.start_ticks.tolist(), notes.pitch.tolist(), notes.part.tolist(), strict=True
        )
        if of == part and p == pitch and start >= release
    ]
    return min([lifts[0] if lifts else score.end_ticks, *strikes])


@given(scores())
def test_holding_is_what_a_slow_loop_makes_of_it(score):
    held = hold_sustain(score)
    ends = [slow_end(score, row) for row in range(len(score.notes))]
    expected = score.notes.replace(duration_ticks=np.array(ends, int) - score.notes.start_ticks)
    assert held.notes == expected.sorted()
    assert held.controls == score.controls.take(score.controls.number != SUSTAIN)
    assert held.replace(notes=score.notes, controls=score.controls) == score


@pytest.mark.parametrize(
    ("notes", "pedal", "expected"),
    [
        # Released under the pedal: held until it comes up.
        ([(0, 10, 60)], [(5, DOWN), (30, UP)], [(0, 30, 60)]),
        # 63 is up, 64 is down.
        ([(0, 10, 60)], [(5, 63), (30, UP)], [(0, 10, 60)]),
        ([(0, 10, 60)], [(5, 64), (30, 63)], [(0, 30, 60)]),
        # The key itself is still down when the pedal comes up.
        ([(0, 40, 60)], [(5, DOWN), (30, UP)], [(0, 40, 60)]),
        # The same key again ends it, another does not.
        ([(0, 10, 60), (20, 25, 60)], [(5, DOWN), (30, UP)], [(0, 20, 60), (20, 30, 60)]),
        ([(0, 10, 60), (10, 25, 60)], [(5, DOWN), (30, UP)], [(0, 10, 60), (10, 30, 60)]),
        ([(0, 10, 60), (20, 25, 61)], [(5, DOWN), (30, UP)], [(0, 30, 60), (20, 30, 61)]),
        # It never comes up: to the end of the score.
        ([(0, 10, 60), (20, 99, 61)], [(5, DOWN)], [(0, 99, 60), (20, 99, 61)]),
        # Pressed on the tick of the release it holds; lifted there it does not.
        ([(0, 10, 60)], [(10, DOWN), (30, UP)], [(0, 30, 60)]),
        ([(0, 10, 60)], [(5, DOWN), (10, UP)], [(0, 10, 60)]),
        # Lifted and pressed again at once: what it held is let go.
        ([(0, 10, 60)], [(5, DOWN), (30, UP), (30, DOWN), (50, UP)], [(0, 30, 60)]),
        # The same on the tick of the release: the foot is down again, so it holds.
        ([(0, 10, 60)], [(5, DOWN), (10, UP), (10, DOWN), (50, UP)], [(0, 50, 60)]),
        # The last of many moves on one tick holds.
        ([(0, 10, 60)], [*[(5, UP)] * 99, (5, DOWN), (50, UP)], [(0, 50, 60)]),
        # Pressed after the release it holds nothing.
        ([(0, 10, 60)], [(20, DOWN)], [(0, 10, 60)]),
        # Without a pedal nothing changes.
        ([(0, 10, 60)], [], [(0, 10, 60)]),
    ],
)
def test_the_pedal_by_hand(notes, pedal, expected):
    held = hold_sustain(played(notes, pedal))
    assert spans(held) == expected
    assert len(held.controls) == 0


def test_a_pedal_holds_its_own_part_only():
    score = Score(
        480,
        Notes.from_rows([(0, 10, 60, 64, 0), (0, 10, 60, 64, 1)]),
        (Part(), Part()),
        controls=Controls.from_rows([(5, SUSTAIN, DOWN, 1), (30, SUSTAIN, UP, 1)]),
    )
    assert hold_sustain(score).notes.end_ticks.tolist() == [10, 30]


def test_a_key_of_another_part_ends_nothing():
    score = Score(
        480,
        Notes.from_rows([(0, 10, 64, 64, 0), (0, 10, 127, 64, 0), (20, 40, 0, 64, 1)]),
        (Part(), Part()),
        controls=Controls.from_rows([(5, SUSTAIN, DOWN, 0)]),
    )
    assert hold_sustain(score).notes.end_ticks.tolist() == [60, 60, 60]


def test_the_last_part_and_tick_there_is():
    score = Score(
        480,
        Notes.from_rows(
            [
                (9, 1, 127, 64, 65535),
                (MAX_TICKS - 9, 3, 127, 64, 65535),
                (MAX_TICKS, 3, 126, 64, 65535),
                (MAX_TICKS, MAX_TICKS, 127, 64, 65535),
            ],
        ),
        (Part(),) * 65536,
        controls=Controls.from_rows([(0, SUSTAIN, DOWN, 65535)]),
    )
    ends = hold_sustain(score).notes.end_ticks.tolist()
    assert ends == [MAX_TICKS - 9, MAX_TICKS, 2 * MAX_TICKS, 2 * MAX_TICKS]
