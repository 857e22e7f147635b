"""How sure a figure is: 95% intervals by drawing groups of pieces, and what may be chance.

Pieces that share their music say little more than one of them, so a group of them is drawn as one.
A figure is a ratio of sums, such as bits to notes. All figures are of the same draws, so that
differences are of pairs: what makes a piece hard for all models is in none of them. Knows nothing
of models.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

RESAMPLES, SEED = 4000, 1
AT_ONCE = 2**21
"""Draws held in memory at once."""
SHARES = (2.5, 97.5)
FEWEST_GROUPS = 10
"""With fewer, nothing is said of whether a difference is more than chance."""
MOST_BY_CHANCE = 0.05
"""A difference that chance alone would make more often than this is not sure."""


@dataclass(frozen=True, slots=True)
class Interval:
    """A figure and the interval in which it lies nineteen times in twenty.

    Without ends where there is only one group of pieces.
    """

    value: float
    low: float | None = None
    high: float | None = None


def by_group(columns: NDArray[np.float64], groups: NDArray[np.integer]) -> NDArray[np.float64]:
    """(groups, columns): the columns of pieces, (pieces, columns), summed over each group."""
    numbers, group = np.unique(groups, return_inverse=True)
    sums = np.zeros((len(numbers), columns.shape[1]))
    np.add.at(sums, group, columns)
    return sums


def resampled_sums(
    columns: NDArray[np.float64], resamples: int = RESAMPLES, seed: int = SEED
) -> NDArray[np.float64]:
    """(resamples, columns): the sum of each column over as many groups, drawn with replacement.

    `columns` (groups, columns).
    """
    rng = np.random.default_rng(seed)
    groups = len(columns)
    found = []
    size = max(1, AT_ONCE // groups)
    for first in range(0, resamples, size):
        rows = min(size, resamples - first)
        drawn = rng.integers(0, groups, (rows, groups))
        drawn += np.arange(rows)[:, None] * groups
        counts = np.bincount(drawn.ravel(), minlength=rows * groups).reshape(rows, groups)
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


def by_chance(
    bits: NDArray[np.float64], resamples: int = RESAMPLES, seed: int = SEED
) -> NDArray[np.float64] | None:
    """(rows, rows): how often chance alone would set two rows as far apart as they are, or farther.

    `bits` (groups, rows). Were two rows equally good, either could have had the bits of the other
    in each group; so the two are swapped there at random, or in every way where groups are few.
    Corrected for all pairs of rows (Holm), as it is the figures that say which row is the best.
    None with fewer than `FEWEST_GROUPS`, and for one row.
    """
    groups, rows = bits.shape
    if groups < FEWEST_GROUPS or rows < 2:
        return None
    pairs = list(itertools.combinations(range(rows), 2))
    apart = np.stack([bits[:, a] - bits[:, b] for a, b in pairs], axis=1)
    least = np.abs(apart.sum(axis=0)) - 1e-9 * np.abs(apart).sum(axis=0)
    is_every = 2**groups <= resamples
    as_far, ways = np.zeros(len(pairs)), 0
    for signs in _every_way(groups) if is_every else _ways(groups, resamples, seed):
        as_far += (np.abs(signs @ apart) >= least).sum(axis=0)
        ways += len(signs)
    # Of ways drawn at random, the one that came counts as one more.
    shares = as_far / ways if is_every else (as_far + 1) / (ways + 1)
    found = np.ones((rows, rows))
    highest = 0.0
    for rank, pair in enumerate(np.argsort(shares, kind="stable").tolist()):
        highest = max(highest, min(1.0, float(shares[pair]) * (len(pairs) - rank)))
        found[pairs[pair]] = found[pairs[pair][::-1]] = highest
    return found


def _every_way(groups: int) -> Iterator[NDArray[np.float64]]:
    """(ways, groups): 1 and -1 in every way there is."""
    bits = np.arange(2**groups)[:, None] >> np.arange(groups) & 1
    yield np.where(bits == 1, -1.0, 1.0)


def _ways(groups: int, count: int, seed: int) -> Iterator[NDArray[np.float64]]:
    """(ways, groups): 1 and -1 at random, so many times, not all at once."""
    rng = np.random.default_rng(seed)
    size = max(1, AT_ONCE // groups)
    for first in range(0, count, size):
        rows = min(size, count - first)
        yield np.where(rng.integers(0, 2, (rows, groups)) == 1, -1.0, 1.0)
