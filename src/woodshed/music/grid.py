"""The musical grid: ticks as steps, and bars counted in steps. Knows nothing of tokens.

A step is a fraction of a quarter, 24 of them by default, so that sixteenths (6 steps) and triplet
eighths (8 steps) both fit. All rounding is done in whole numbers; halves go up, that is later.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import UsageError
from .columns import Columns, column
from .score import Score
from .time import MetreMap

STEPS_PER_QUARTER = 24

MAX_STEPS_PER_QUARTER = 32767
"""As fine as the finest ticks; beyond that a grid is no grid."""

Steps = NDArray[np.int64]


def rescale(values: ArrayLike, numerator: ArrayLike, denominator: ArrayLike) -> NDArray[np.int64]:
    """`values · numerator / denominator` to the nearest whole number, exactly; halves go up."""
    divisor = np.asarray(denominator, np.int64)
    doubled = np.asarray(values, np.int64) * (2 * np.asarray(numerator, np.int64))
    return np.asarray((doubled + divisor) // (2 * divisor))


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class GridBars(Columns):
    """Bars in steps, one behind another from step 0, each at least one step long.

    A pickup, or a bar cut short by a new metre, is shorter than its metre.
    """

    start_steps: Steps = column(np.int64)
    length_steps: Steps = column(np.int64)
    numerator: NDArray[np.uint8] = column(np.uint8)
    denominator: NDArray[np.uint8] = column(np.uint8)


@dataclass(frozen=True, slots=True)
class Grid:
    """A score's steps and bars. The bars reach as far as the notes do once they are snapped.

    Where a bar line falls between two steps (7/8 at 1 step a quarter) it is rounded as notes are,
    each line for itself: lengths differ by a step, and the lines never drift from the music. Thus a
    note never lands before the bar it was written in; one just before a bar line may land on it. A
    bar that rounds to no step at all is left out, as nothing could stand in it: from there on, bars
    have lower numbers here than in the score.
    """

    ticks_per_quarter: int
    steps_per_quarter: int
    bars: GridBars

    @classmethod
    def of(cls, score: Score, steps_per_quarter: int = STEPS_PER_QUARTER) -> Grid:
        """The grid under `score`. Raises `BadMusic` where there are too many bars to count."""
        check_steps_per_quarter(steps_per_quarter)
        ticks, steps = score.ticks_per_quarter, steps_per_quarter
        last = 0
        if len(score.notes):
            last_start, last_end = score.notes.start_ticks.max(), score.end_ticks
            last = max(
                int(rescale(last_start, steps, ticks)), int(rescale(last_end, steps, ticks)) - 1
            )
        return cls(ticks, steps, _bars(score.metres, last, ticks, steps))

    def steps(self, ticks: ArrayLike) -> Steps:
        """The step nearest to each tick."""
        return rescale(ticks, self.steps_per_quarter, self.ticks_per_quarter)

    def ticks(self, steps: ArrayLike) -> NDArray[np.int64]:
        """The tick nearest to each step; `steps` leads back unless steps are finer than ticks."""
        return rescale(steps, self.ticks_per_quarter, self.steps_per_quarter)

    def bar_of(self, steps: ArrayLike) -> NDArray[np.int64]:
        """The bar each step lies in, counted from 0. The last bar has no end here."""
        row = np.searchsorted(self.bars.start_steps, np.asarray(steps, np.int64), side="right") - 1
        return np.maximum(row, 0)

    def position(self, steps: ArrayLike) -> Steps:
        """How many steps into its bar each step lies."""
        return np.asarray(steps, np.int64) - self.bars.start_steps[self.bar_of(steps)]

    def step_at(self, bar: ArrayLike, position: ArrayLike) -> Steps:
        """The step at a position in a bar, both counted from 0; the inverse of the two above."""
        return self.bars.start_steps[np.asarray(bar, np.int64)] + np.asarray(position, np.int64)

    @property
    def end_steps(self) -> int:
        """Where the last bar ends."""
        return int(self.bars.start_steps[-1] + self.bars.length_steps[-1])

    @property
    def has_pickup(self) -> bool:
        """Whether the first bar is shorter than its metre."""
        quarters = 4 * int(self.bars.numerator[0])
        whole = rescale(quarters, self.steps_per_quarter, self.bars.denominator[0])
        return bool(self.bars.length_steps[0] < whole)


def check_steps_per_quarter(steps_per_quarter: int) -> None:
    """Raise `UsageError` where a grid cannot have that many steps."""
    if not 1 <= steps_per_quarter <= MAX_STEPS_PER_QUARTER:
        raise UsageError(
            f"a grid of {steps_per_quarter} steps a quarter is none; "
            f"use 1 to {MAX_STEPS_PER_QUARTER}, 24 for sixteenths and triplets"
        )


def _bars(metres: MetreMap, last_step: int, ticks_per_quarter: int, per_quarter: int) -> GridBars:
    """The bars from step 0 to the one that holds `last_step`."""
    # The first tick from the next step on: `last_step` lies in its bar or an earlier one.
    beyond = -(-(last_step + 1) * ticks_per_quarter // per_quarter)
    number = np.arange(metres.bar_count(beyond + 1, ticks_per_quarter))
    first = metres.bar(metres.ticks, ticks_per_quarter)
    row = np.searchsorted(first, number, side="right") - 1
    # Bar lines are whole numbers in ticks times the denominator, so each is rounded only once.
    denominator = metres.denominator.astype(np.int64)[row]
    length = metres.numerator.astype(np.int64)[row] * (4 * ticks_per_quarter)
    line = metres.ticks[row] * denominator + (number - first[row]) * length
    starts = rescale(line, per_quarter, ticks_per_quarter * denominator)
    nominal_ends = rescale(line + length, per_quarter, ticks_per_quarter * denominator)
    new_metres = rescale(metres.ticks[1:], per_quarter, ticks_per_quarter)
    ends = np.minimum(nominal_ends, np.append(new_metres, np.iinfo(np.int64).max)[row])
    kept = (ends > starts) & (starts <= last_step)
    bars = GridBars(starts, ends - starts, metres.numerator[row], metres.denominator[row])
    return bars.take(kept)
