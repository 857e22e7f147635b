"""Which pieces have which passages: an index of prints, and what two pieces share.

Knows prints only; refuses to know scores, files and tokens.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..errors import UsageError
from ..music.columns import Columns, column
from .passages import WHOLE_BELOW, Ints, PassagePrints

Hashes = NDArray[np.uint64]

_PIECE_BITS = 24
_HASH_SHIFT = np.uint64(63 - (64 - _PIECE_BITS))
WHOLE_HASH = np.uint64(WHOLE_BELOW - 1) >> _HASH_SHIFT
"""The largest hash of a whole piece, as an index has it."""
PIECE_MASK = np.uint64((1 << _PIECE_BITS) - 1)


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class PassageHits(Columns):
    """Where passages asked for are found: `row` of the prints asked with, and the piece."""

    row: NDArray[np.int32] = column(np.int32)
    piece: NDArray[np.int32] = column(np.int32)


@dataclass(frozen=True, slots=True, eq=False)
class PassageIndex:
    """Which pieces have which passages: eight bytes a print, sorted, so that it can be mapped.

    `keys` holds the upper 40 bits of a print's hash above the number of its piece. Where in the
    piece it stands, its own prints say (`shared_rows`). Among millions of prints a few share 40
    bits by chance; `shared_rows` tells them apart.
    """

    keys: Hashes
    piece_count: int

    @classmethod
    def of(cls, prints: Iterable[PassagePrints]) -> PassageIndex:
        """The index of pieces, numbered as they come."""
        keys = np.empty(1024, np.uint64)
        used = count = 0
        for count, piece in enumerate(prints, 1):
            end = used + len(piece)
            if end > len(keys):
                keys.resize(end + end // 4, refcheck=False)
            keys[used:end] = _upper(piece.hash) << np.uint64(_PIECE_BITS) | np.uint64(count - 1)
            used = end
        if count > 1 << _PIECE_BITS:
            raise UsageError(
                f"{count:,} pieces are more than one index holds; "
                f"make several of at most {1 << _PIECE_BITS:,} each"
            )
        keys.resize(used, refcheck=False)
        keys.sort()
        return cls(keys, count)

    def entries(self, low: int, high: int) -> tuple[Hashes, NDArray[np.int32]]:
        """The upper 40 bits of the hash, and the piece, of some prints in the index's order."""
        keys = self.keys[low:high]
        return keys >> np.uint64(_PIECE_BITS), (keys & PIECE_MASK).astype(np.int32)

    def matches(self, prints: PassagePrints, most: int | None = None) -> PassageHits:
        """Every piece that has one of the passages; those in more than `most` pieces left out."""
        first, last = self._ranges(prints.hash)
        sizes = last - first
        if most is not None:
            sizes = np.where(sizes > most, 0, sizes)
        rows = np.repeat(np.arange(len(prints)), sizes)
        skipped = np.cumsum(sizes) - sizes
        at = np.arange(len(rows)) + np.repeat(first - skipped, sizes)
        return PassageHits(rows.astype(np.int32), (self.keys[at] & PIECE_MASK).astype(np.int32))

    def counts(self, hashes: Ints) -> NDArray[np.int64]:
        """For each hash of a passage, how many pieces have it."""
        first, last = self._ranges(hashes)
        return last - first

    def _ranges(self, hashes: Ints) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        wanted = _upper(hashes) << np.uint64(_PIECE_BITS)
        first = np.searchsorted(self.keys, wanted)
        return first, np.searchsorted(self.keys, wanted | PIECE_MASK, side="right")


def shared_rows(a: Ints, b: Ints) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Where in `a` and in `b`, the hashes of two pieces, the same passages are, by rising hash."""
    if not len(a) or not len(b):
        return np.empty(0, np.intp), np.empty(0, np.intp)
    at = np.minimum(b.searchsorted(a), len(b) - 1)
    (rows,) = (b[at] == a).nonzero()
    return rows, at[rows]


def _upper(hashes: Ints) -> Hashes:
    return hashes.astype(np.uint64) >> _HASH_SHIFT
