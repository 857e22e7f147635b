"""Where a history stands in the index: the intervals of its contexts, from the widest on.

Each context is one interval of ranks, and that of a longer one lies within that of a shorter one.
Contexts that occur at the same places are one interval, kept once with its greatest length; so
a history of any length has a few intervals only.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ...music.compiled import kernel

MOST = 48
"""Intervals kept for a history; they shrink so fast that real ones have half as many."""
LOW, HIGH, LENGTH = range(3)
"""The rows of a way: where each interval begins and ends, and the length of its context."""


@kernel
def lower(before: Any, first: int, last: int, rank: int) -> int:
    """The first of the rising cells first..last-1 that is at least `rank`, or `last`."""
    while first < last:
        middle = (first + last) >> 1
        if before[middle] < rank:
            first = middle + 1
        else:
            last = middle
    return first


@kernel
def lower_near(before: Any, first: int, last: int, rank: int) -> int:
    """As `lower`, for what lies near the first."""
    bound = 1
    while first + bound < last and before[first + bound] < rank:
        bound <<= 1
    return int(lower(before, first + (bound >> 1), min(first + bound + 1, last), rank))


@kernel
def longer(before: Any, origin: int, starts: Any, way: Any, depth: int, symbol: int) -> int:
    """Add a symbol to a history of `depth` intervals, in place; how many it has then.

    Interval 0 is everything. That of a context and one more symbol holds the contexts of that
    symbol's block which come from within the context's interval; they rise there, so two searches
    find it, and each within what the one before left. Ranks are counted from `origin`.
    """
    low, high = starts[symbol], starts[symbol + 1]
    if high <= low:
        return 1
    found = 1
    next_low, next_high, next_length = way[LOW, 0], way[HIGH, 0], way[LENGTH, 0]
    for row in range(depth):
        old_low, old_high, length = next_low, next_high, next_length + 1
        if row + 1 < depth:  # before it is written over
            next_low, next_high, next_length = (
                way[LOW, row + 1], way[HIGH, row + 1], way[LENGTH, row + 1]
            )  # fmt: skip
        if row:
            low = lower(before, origin + low, origin + high, old_low) - origin
            high = lower_near(before, origin + low, origin + high, old_high) - origin
            if high <= low:
                break
        if found > 1 and way[LOW, found - 1] == low and way[HIGH, found - 1] == high:
            way[LENGTH, found - 1] = length
        elif found < MOST:
            way[LOW, found], way[HIGH, found], way[LENGTH, found] = low, high, length
            found += 1
    return found


@kernel
def begin(way: Any, count: int) -> int:
    """An empty history in an index of `count` contexts."""
    way[LOW, 0], way[HIGH, 0], way[LENGTH, 0] = 0, count, 0
    return 1


def buffers(rows: int, shards: int, views: int, streams: int) -> tuple[Any, Any]:
    """The ways of that many histories, each with its lows, highs and lengths, and their depths."""
    shape = (rows, shards, views, streams)
    return np.zeros((*shape, 3, MOST), np.int32), np.ones(shape, np.int32)
