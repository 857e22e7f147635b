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
def longer(before: Any, starts: Any, lows: Any, highs: Any, lengths: Any, depth: int,
           symbol: int) -> int:  # fmt: skip
    """Add a symbol to a history of `depth` intervals, in place; how many it has then.

    Interval 0 is everything. That of a context and one more symbol holds the contexts of that
    symbol's block which come from within the context's interval; they rise there, so two searches
    find it, and each within what the one before left.
    """
    low, high = starts[symbol], starts[symbol + 1]
    if high <= low:
        return 1
    old_lows, old_highs = lows[:depth].copy(), highs[:depth].copy()
    old_lengths = lengths[:depth].copy()
    found = 1
    for row in range(depth):
        if row:
            low = lower(before, low, high, old_lows[row])
            high = lower(before, low, high, old_highs[row])
            if high <= low:
                break
        length = old_lengths[row] + 1
        if found > 1 and lows[found - 1] == low and highs[found - 1] == high:
            lengths[found - 1] = length
        elif found < len(lows):
            lows[found], highs[found], lengths[found] = low, high, length
            found += 1
    return found


@kernel
def begin(lows: Any, highs: Any, lengths: Any, count: int) -> int:
    """An empty history in an index of `count` contexts."""
    lows[0], highs[0], lengths[0] = 0, count, 0
    return 1


def buffers(rows: int, shards: int, views: int, streams: int) -> tuple[Any, Any, Any, Any]:
    """Lows, highs, lengths and depths of that many histories."""
    shape = (rows, shards, views, streams)
    lows = np.zeros((*shape, MOST), np.int32)
    return lows, lows.copy(), lows.copy(), np.ones(shape, np.int32)
