"""How sure a figure is: 95% intervals over pieces, by drawing the pieces again and again.

A figure is a ratio of sums, such as bits to notes. All figures are of the same draws, so that
differences are of pairs: what makes a piece hard for all models is in none of them. Knows nothing
of models.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

RESAMPLES, SEED = 4000, 1
AT_ONCE = 2**21
"""Draws held in memory at once."""
SHARES = (2.5, 97.5)


@dataclass(frozen=True, slots=True)
class Interval:
    """A figure and the interval in which it lies nineteen times in twenty.

    Without ends where there are too few pieces to say.
    """

    value: float
    low: float | None = None
    high: float | None = None

    @property
    def is_above_zero(self) -> bool:
        """Whether the whole interval is above zero."""
        return self.low is not None and self.low > 0


def resampled_sums(
    columns: NDArray[np.float64], resamples: int = RESAMPLES, seed: int = SEED
) -> NDArray[np.float64]:
    """(resamples, columns): the sum of each column over as many pieces, drawn with replacement.

    `columns` (pieces, columns).
    """
    rng = np.random.default_rng(seed)
    pieces = len(columns)
    found = []
    size = max(1, AT_ONCE // pieces)
    for first in range(0, resamples, size):
        rows = min(size, resamples - first)
        drawn = rng.integers(0, pieces, (rows, pieces))
        drawn += np.arange(rows)[:, None] * pieces
        counts = np.bincount(drawn.ravel(), minlength=rows * pieces).reshape(rows, pieces)
        found.append(counts.astype(np.float64) @ columns)
    return np.concatenate(found)


def ratio(
    over: NDArray[np.float64], under: NDArray[np.float64], sums: NDArray[np.float64],
    below: NDArray[np.float64],
) -> Interval:  # fmt: skip
    """The ratio of two columns, with its interval by their sums over the same draws."""
    value = float(over.sum() / under.sum())
    if len(over) < 2:
        return Interval(value)
    low, high = np.percentile(sums[below > 0] / below[below > 0], SHARES)
    return Interval(value, float(low), float(high))
