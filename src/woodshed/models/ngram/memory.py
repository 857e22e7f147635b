"""The memory of the piece at hand: what came after the contexts it has had itself.

Contexts of a few lengths are hashed; those that hash alike are linked, the newest first. The newest
say most. Knows nothing of the corpus.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ...music.compiled import kernel

LENGTHS = np.array([1, 2, 3, 5, 8, 16])
"""How many symbols of the context are compared."""
ORDERS = len(LENGTHS)
DEEPEST = 16
TABLE_BITS = 14
RECALLED = 12
"""How many times a context is remembered."""
FADES = 0.85
"""What each earlier time counts, against the next one."""


@kernel
def append(past: Any, codes: Any, symbol: int, stream: int) -> None:
    """Add a symbol to the past of a stream, and hash its contexts of every length."""
    for n in range(DEEPEST - 1, 0, -1):
        past[n] = past[n - 1]
    past[0] = symbol
    code = np.uint64(stream + 1) * np.uint64(0x9E3779B97F4A7C15)
    order = 0
    for n in range(DEEPEST):
        code = (code ^ np.uint64(past[n] + 1)) * np.uint64(0xD6E8FEB86659FD93)
        code ^= code >> np.uint64(32)
        if order < ORDERS and n + 1 == LENGTHS[order]:
            codes[order] = code
            order += 1


@kernel
def remember(heads: Any, links: Any, tags: Any, said: Any, at: int, codes: Any,
             target: int) -> None:  # fmt: skip
    """Note what came after the contexts of every length, as entry `at`."""
    said[at] = target
    for order in range(ORDERS):
        node = at * ORDERS + order
        cell = codes[order] >> np.uint64(64 - TABLE_BITS)
        links[node] = heads[cell]
        tags[node] = codes[order] & np.uint64(0xFFFFFFFF)
        heads[cell] = node + 1


@kernel
def recall(heads: Any, links: Any, tags: Any, said: Any, code: Any, order: int, counts: Any,
           touched: Any) -> tuple[int, int, float]:  # fmt: skip
    """Count what came after a context: how many different tokens, how many times, and their sum."""
    different, times = 0, 0
    weight, total = 1.0, 0.0
    node = heads[code >> np.uint64(64 - TABLE_BITS)]
    tag = np.uint32(code & np.uint64(0xFFFFFFFF))
    while node > 0 and times < RECALLED:
        here = node - 1
        if tags[here] == tag and here % ORDERS == order:
            token = said[here // ORDERS]
            if counts[token] == 0.0:
                touched[different] = token
                different += 1
            counts[token] += weight
            total += weight
            times += 1
            weight *= FADES
        node = links[here]
    return different, times, total


def buffers(rows: int, memories: int, streams: int, entries: int) -> tuple[Any, ...]:
    """Heads, links, tags, said, used, past and codes of that many memories."""
    return (
        np.zeros((rows, memories, 1 << TABLE_BITS), np.int32),
        np.zeros((rows, memories, entries * ORDERS), np.int32),
        np.zeros((rows, memories, entries * ORDERS), np.uint32),
        np.zeros((rows, memories, entries), np.uint16),
        np.zeros((rows, memories), np.int32),
        np.zeros((rows, memories, streams, DEEPEST), np.int32),
        np.zeros((rows, memories, streams, ORDERS), np.uint64),
    )
