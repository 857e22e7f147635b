"""The index of one view: all contexts of a corpus, sorted by what came last, then before that.

Contexts that end alike lie side by side, so a context of any length is one interval, and what came
next in the corpus can be counted there. `before` leads from the interval of a context to that of
the context one symbol longer, by two searches (the LF-mapping of an FM-index, as a plain array).
Sorting is libdivsufsort's, which sorts bytes: symbols are written as two bytes each, and every
second suffix is left out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...music.compiled import kernel
from .hearing import NONE, hear_pieces
from .views import Tables


@dataclass(frozen=True, slots=True)
class Suffixes:
    """The contexts of one view of one shard, by rank.

    `before`: for each context the rank of the one without its last symbol, -1 for none, rising
    within the block of contexts with the same last symbol. `starts`: where the block of each symbol
    begins, and the end. `targets`: the token that came next, `NONE` where none is foretold.
    `pieces`: whose it is.
    """

    before: NDArray[np.int32]
    starts: NDArray[np.int64]
    targets: NDArray[np.uint16]
    pieces: NDArray[np.unsignedinteger]


def view_suffixes(
    tokens: NDArray[np.uint16], offsets: NDArray[np.int64], tables: Tables, view: int
) -> Suffixes:
    """The contexts of pieces, laid one after another, as one view hears them.

    Takes 16 bytes an entry at most, beside the tokens.
    """
    by_slot = bool(tables.flags[view, 0])
    most = len(tokens) + (len(offsets) - 1) * (tables.streams if by_slot else 1)
    symbols, targets = np.empty(most, np.uint16), np.empty(most, np.uint16)
    pieces = np.empty(most, np.uint16 if len(offsets) <= 2**16 else np.uint32)
    count = hear_pieces(
        tokens, offsets, view, by_slot, tables.streams, tables.rules, tables.group_of,
        tables.value_of, tables.special, symbols, targets, pieces,
    )  # fmt: skip
    return _sorted([symbols], targets[:count], pieces[:count], tables.symbols)


def _sorted(
    lent: list[NDArray[np.uint16]], targets: NDArray[np.uint16], pieces: NDArray[Any], distinct: int
) -> Suffixes:
    """Sort the contexts of the symbols, whose memory is given up as soon as they are sorted."""
    from pydivsufsort import divsufsort

    count = len(targets)
    symbols = lent.pop()[:count]
    starts = np.zeros(distinct + 1, np.int64)
    np.cumsum(np.bincount(symbols, minlength=distinct), out=starts[1:])
    _backwards(symbols)
    if not count:
        return Suffixes(np.empty(0, np.int32), starts, targets, pieces)
    suffixes = divsufsort(symbols.view(np.uint8))
    del symbols
    before, ranks = suffixes[:count], suffixes[count:]
    _contexts(suffixes, before)
    _ranks(before, ranks)
    out_targets = np.full(count, NONE, np.uint16)
    out_pieces = np.zeros(count, pieces.dtype)
    _lay_out(before, ranks, targets, pieces, out_targets, out_pieces)
    return Suffixes(before, starts, out_targets, out_pieces)


@kernel
def _backwards(symbols: Any) -> None:
    """Turn the symbols round, and their bytes, so that bytes sort as symbols do."""
    count = len(symbols)
    for n in range((count + 1) // 2):
        a, b = int(symbols[n]), int(symbols[count - 1 - n])
        symbols[n] = (b >> 8) | ((b & 255) << 8)
        symbols[count - 1 - n] = (a >> 8) | ((a & 255) << 8)


@kernel
def _contexts(suffixes: Any, contexts: Any) -> None:
    """Of the suffixes of the bytes backwards, the contexts by rank; they may share their memory.

    The suffix of bytes that begins at 2j is the context after count - j symbols.
    """
    rank = 0
    count = len(contexts)
    for n in range(len(suffixes)):
        suffix = suffixes[n]
        if suffix & 1 == 0:
            contexts[rank] = count - (suffix >> 1)
            rank += 1


@kernel
def _ranks(contexts: Any, ranks: Any) -> None:
    """The rank of the context after n + 1 symbols."""
    for rank in range(len(contexts)):
        ranks[contexts[rank] - 1] = rank


@kernel
def _lay_out(
    contexts: Any, ranks: Any, targets: Any, pieces: Any, out_targets: Any, out_pieces: Any
) -> None:
    """Put targets and pieces in the order of ranks; `contexts` becomes `before`."""
    count = len(targets)
    for rank in range(count):
        context = contexts[rank]
        if context < count:
            out_targets[rank] = targets[context]
            out_pieces[rank] = pieces[context]
        contexts[rank] = ranks[context - 2] if context > 1 else -1
