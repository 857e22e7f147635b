"""The memory of the piece at hand: what came after the contexts it has had itself.

Contexts of a few lengths are hashed, and each has a cell with the last tokens that came after it:
one look into memory finds them all. The newest say most. Where two contexts meet in a cell, the
newer one stays. Knows nothing of the corpus.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ...music.compiled import kernel

LENGTHS = np.array([1, 2, 3, 5, 8, 16])
"""How many symbols of the context are compared."""
ORDERS = len(LENGTHS)
DEEPEST = 16
CELL_BITS = 13
LOW, HIGH, TIMES, NEXT, TARGETS = range(5)
"""A cell: of which context it is, how many tokens it has, where the next goes, and the tokens."""
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
def cell_of(cells: Any, code: Any) -> Any:
    """The cell of a context: one of two neighbours, or -1."""
    first = np.int64(code >> np.uint64(64 - CELL_BITS))
    low, high = np.uint16(code & np.uint64(0xFFFF)), np.uint16((code >> 16) & np.uint64(0xFFFF))
    for at in (first, first ^ 1):
        if cells[at, LOW] == low and cells[at, HIGH] == high and cells[at, TIMES] > 0:
            return at
    return -1


@kernel
def remember(cells: Any, codes: Any, target: int) -> None:
    """Note what came after the contexts of every length; the rarer of two neighbours makes room."""
    for order in range(ORDERS):
        code = codes[order]
        at = cell_of(cells, code)
        if at < 0:
            at = np.int64(code >> np.uint64(64 - CELL_BITS))
            if cells[at, TIMES] > cells[at ^ 1, TIMES]:
                at ^= 1
            cells[at, LOW] = np.uint16(code & np.uint64(0xFFFF))
            cells[at, HIGH] = np.uint16((code >> 16) & np.uint64(0xFFFF))
            cells[at, TIMES] = cells[at, NEXT] = 0
        place = cells[at, NEXT]
        cells[at, TARGETS + place] = target
        cells[at, NEXT] = place + 1 if place + 1 < RECALLED else 0
        cells[at, TIMES] = min(cells[at, TIMES] + 1, RECALLED)


@kernel
def recall(cells: Any, code: Any, counts: Any, touched: Any) -> tuple[int, int, float]:
    """Count what came after a context: how many different tokens, how many times, and their sum."""
    at = cell_of(cells, code)
    if at < 0:
        return 0, 0, 0.0
    cell = cells[at]
    different, times = 0, int(cell[TIMES])
    weight, total = 1.0, 0.0
    place = int(cell[NEXT])
    for _ in range(times):
        place = place - 1 if place > 0 else RECALLED - 1
        token = cell[TARGETS + place]
        if counts[token] == 0.0:
            touched[different] = token
            different += 1
        counts[token] += weight
        total += weight
        weight *= FADES
    return different, times, total


def buffers(rows: int, memories: int, streams: int) -> tuple[Any, Any, Any]:
    """Cells, past and codes of that many memories."""
    return (
        np.zeros((rows, memories, 1 << CELL_BITS, TARGETS + RECALLED), np.uint16),
        np.zeros((rows, memories, streams, DEEPEST), np.int32),
        np.zeros((rows, memories, streams, ORDERS), np.uint64),
    )
