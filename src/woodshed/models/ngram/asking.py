"""What every view says of what comes next: counts at every length of context, made probabilities.

Within a view contexts are mixed from the longest to the shortest: each takes a share of what is
left, and the share is looked up by how long it is, how often it occurred, and how many different
things came after it. Shares are learnt on held-out pieces. Knows nothing of how views are mixed.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ...music.compiled import kernel
from .hearing import LAST, NONE, SLOT
from .memory import LENGTHS, ORDERS, recall

CAP = 128
"""Occurrences of a context that are counted one by one; of wider intervals every nth is."""
LONG, OFTEN, MANY, SURE = 9, 9, 4, 20
"""How many classes of lengths, of how often, of how many different, and of how sure there are."""
NEGLIGIBLE = 0.005
"""What may be left for shorter contexts without looking at them."""
LENGTH_CLASS = np.array([0, 1, 2, 3, 4, 5, 5, *[6] * 3, *[7] * 7, 8])


@kernel
def length_class(length: int) -> Any:
    """The class of a length of context."""
    return LENGTH_CLASS[min(length, 17)]


@kernel
def often_class(count: int) -> int:
    """The class of how often a context occurred."""
    found = 0
    while count > 1 and found < OFTEN - 1:
        count = (count + 1) >> 1
        found += 1
    return found


@kernel
def cell_of(expert: int, last: int, length: int, count: int, different: int, kinds: int) -> Any:
    """The cell of the share that a context takes."""
    if different == 1:
        many = 0
    elif different * 4 <= count:
        many = 1
    elif different * 2 <= count:
        many = 2
    else:
        many = 3
    cell = (expert * kinds + last) * LONG + length_class(length)
    return (cell * OFTEN + often_class(count)) * MANY + many


@kernel
def count_ring(
    targets: Any, pieces: Any, low: int, high: int, inner_low: int, inner_high: int,
    weights: Any, counts: Any, touched: Any, different: int,
) -> tuple[int, float]:  # fmt: skip
    """Count what came next in an interval but for the one within, which is counted already."""
    ring = (high - low) - (inner_high - inner_low)
    stride = ring // CAP + 1
    total = 0.0
    weighted = len(weights) > 0
    at = low
    while at < high:
        if inner_low <= at < inner_high:
            at = inner_high
            continue
        token = targets[at]
        if token != NONE:
            weight = float(stride)
            if weighted:
                weight *= weights[pieces[at]]
            if weight > 0.0:
                if counts[token] == 0.0:
                    touched[different] = token
                    different += 1
                counts[token] += weight
                total += weight
        at += stride
    return different, total


@kernel
def ask(
    index: Any, mix: Any, place: Any, history: Any, memory: Any, weights: Any,
    said: Any, active: Any, sure: Any, scratch: Any, target: int, trace: Any,
) -> None:  # fmt: skip
    """What every expert says: `said` (experts, tokens), and how sure it is.

    With a `target`, everything is looked at and shares learn from it.
    """
    _, targets, pieces, segments, _ = index
    base, share_up, share_down, _, after, flags, memories, thresholds, _, _ = mix
    lows, highs, lengths, depths = history
    heads, links, tags, told, _, _, codes = memory
    counts, touched = scratch
    cells, masses = trace
    views = after.shape[0]
    shards = segments.shape[0]
    kinds = base.shape[0]
    last = place[LAST]
    tokens = base.shape[1]
    inner = np.zeros((shards, 3), np.int64)
    for expert in range(views + len(memories)):
        of_corpus = expert < views
        view = expert if of_corpus else memories[expert - views]
        active[expert] = after[view, last]
        if not active[expert]:
            continue
        stream = place[SLOT] + 1 if flags[view, 0] else 0
        say = said[expert]
        say[:] = 0.0
        left = 1.0
        asked = 0
        different = 0
        total = 0.0
        sure[expert] = 0
        if of_corpus:
            for shard in range(shards):
                inner[shard, 0] = depths[shard, view, stream]
                inner[shard, 1] = inner[shard, 2] = 0
            while True:
                length = 0
                for shard in range(shards):
                    row = inner[shard, 0] - 1
                    if row > 0:
                        length = max(length, lengths[shard, view, stream, row])
                if length == 0:
                    break
                width = 0
                for shard in range(shards):
                    row = inner[shard, 0] - 1
                    if row > 0 and lengths[shard, view, stream, row] == length:
                        first = segments[shard, view, 0]
                        low = lows[shard, view, stream, row]
                        high = highs[shard, view, stream, row]
                        different, more = count_ring(
                            targets[first : first + segments[shard, view, 1]],
                            pieces[first : first + segments[shard, view, 1]],
                            low, high, inner[shard, 1], inner[shard, 2],
                            weights, counts, touched, different,
                        )  # fmt: skip
                        total += more
                        inner[shard, 0], inner[shard, 1], inner[shard, 2] = row, low, high
                    width += inner[shard, 2] - inner[shard, 1]
                if total <= 0.0 or width < thresholds[0]:
                    continue
                cell = cell_of(expert, last, length, width, different, kinds)
                if asked == 0:
                    sure[expert] = 1 + 2 * length_class(length) + (different == 1)
                share = share_up[cell] / share_down[cell]
                scale = left * share / total
                for n in range(different):
                    say[touched[n]] += scale * counts[touched[n]]
                if target >= 0:
                    cells[asked] = cell
                    masses[asked] = scale * counts[target]
                asked += 1
                left *= 1.0 - share
                if asked == len(cells) or (target < 0 and left < NEGLIGIBLE):
                    break
        else:
            own = expert - views
            for order in range(ORDERS - 1, -1, -1):
                for n in range(different):
                    counts[touched[n]] = 0.0
                different, times, total = recall(
                    heads[own], links[own], tags[own], told[own], codes[own, stream, order],
                    order, counts, touched,
                )  # fmt: skip
                if times == 0:
                    continue
                cell = cell_of(expert, last, LENGTHS[order], times, different, kinds)
                if asked == 0:
                    sure[expert] = 1 + 2 * length_class(LENGTHS[order]) + (different == 1)
                share = share_up[cell] / share_down[cell]
                scale = left * share / total
                for n in range(different):
                    say[touched[n]] += scale * counts[touched[n]]
                if target >= 0:
                    cells[asked] = cell
                    masses[asked] = scale * counts[target]
                asked += 1
                left *= 1.0 - share
        for n in range(different):
            counts[touched[n]] = 0.0
        for token in range(tokens):
            say[token] += left * base[last, token]
        if target >= 0:
            mass = left * base[last, target]
            whole = say[target]
            for n in range(asked - 1, -1, -1):
                mass += masses[n]
                share_up[cells[n]] += masses[n] / whole
                share_down[cells[n]] += mass / whole
