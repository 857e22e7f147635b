"""Near-duplicates: which pieces are one piece of music, told by the passages they share.

Two pieces belong together when they share enough rare passages in one order and at one distance in
pitch. A passage that many pieces have says little. docs/duplicates.md tells it at length, with how
often it errs. Knows prints of passages; refuses to know scores, files and titles.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..music.columns import runs
from ..settings import setting
from .passage_index import PIECE_MASK, WHOLE_HASH, PassageIndex, shared_rows
from .passages import WHOLE_BELOW, PassagePrints

_PARTS = 256
"""Pairs are counted for one part of the pieces after another, so that memory stays small."""

_BLOCK = 1 << 18
"""How many entries of the index are looked at together, for the same reason."""

LEAST_EVIDENCE = 2.5
"""With fewer than three rare passages, only an exact copy is one. Less is not even compared."""

_MANY = 64
"""A piece with this many prints may have had more; one with fewer has told all."""


@dataclass(frozen=True, slots=True)
class DuplicateSettings:
    """When two pieces are one. Evidence counts shared passages, a rare one as 1, others as less."""

    enough: float = setting(7.0, "evidence that is enough, whatever the size of the pieces")
    share: float = setting(0.35, "share of the smaller piece's passages that is enough, too")
    drums_enough: float = setting(12.0, "evidence that is enough where both are drums alone")
    least_share: float = setting(0.02, "share of the smaller piece's passages needed in any case")
    drums_least_share: float = setting(0.1, "the same where both are drums alone")
    neighbours: int = setting(16, "with how many others that have a passage a piece is compared")
    common_prior: int = setting(1000, "pieces imagined beside those given, in a small corpus")


DEFAULT_SETTINGS = DuplicateSettings()


@dataclass(frozen=True, slots=True)
class DuplicatePair:
    """Two pieces that are one: rows `a` < `b`, what speaks for it, and where to listen.

    `share` is the evidence beside what the smaller piece could give. `transposition` is how many
    semitones `b` lies above `a`, octaves aside. `bars` are where the first shared passage stands in
    each.
    """

    a: int
    b: int
    evidence: float
    share: float
    transposition: int
    bars: tuple[int, int]
    is_whole: bool


@dataclass(frozen=True, slots=True)
class Duplicates:
    """A group number for each piece, by its first member, and the pairs that made the groups."""

    groups: NDArray[np.int32]
    pairs: tuple[DuplicatePair, ...]


def group_duplicates(
    prints: Sequence[PassagePrints], settings: DuplicateSettings = DEFAULT_SETTINGS
) -> NDArray[np.int32]:
    """The group of each piece, numbered in the order of their first members."""
    return find_duplicates(prints, settings).groups


def find_duplicates(
    prints: Sequence[PassagePrints], settings: DuplicateSettings = DEFAULT_SETTINGS
) -> Duplicates:
    """Group pieces that are one piece of music.

    `prints` may be any sequence, read from disk or not; each piece is looked at once, and again
    where it may be a duplicate. Time grows in step with the number of pieces.
    """
    if not len(prints):
        return Duplicates(np.empty(0, np.int32), ())
    index = PassageIndex.of(prints)
    root = np.arange(len(prints), dtype=np.int32)
    pairs = []
    for a, b in _candidates(index, settings):
        if _root(root, a) == _root(root, b):
            continue
        pair = compare(a, b, prints, index, settings)
        if pair is not None:
            pairs.append(pair)
            low, high = sorted((_root(root, a), _root(root, b)))
            root[high] = low
    roots = [_root(root, piece) for piece in range(len(prints))]
    _, groups = np.unique(np.array(roots, np.int64), return_inverse=True)
    return Duplicates(groups.astype(np.int32), tuple(pairs))


def compare(
    a: int,
    b: int,
    prints: Sequence[PassagePrints],
    index: PassageIndex,
    settings: DuplicateSettings = DEFAULT_SETTINGS,
) -> DuplicatePair | None:
    """What speaks for pieces `a` and `b` being one; None where it is not enough."""
    one, other = prints[a], prints[b]
    sizes = _comparable(one, other)
    row, match = shared_rows(one.hash[: sizes[0]], other.hash[: sizes[1]])
    is_whole = bool(len(row) and one.hash[row[0]] < WHOLE_BELOW)
    drums = [int(np.count_nonzero(p.is_drum[:n])) for p, n in zip((one, other), sizes, strict=True)]
    melodic = min(sizes[0] - drums[0], sizes[1] - drums[1])
    both_drums = drums == list(sizes)
    kept = one.is_drum[row] if both_drums else ~one.is_drum[row]
    row, match = row[kept], match[kept]
    if not len(row):
        return None
    weight = rarity(index.counts(one.hash[row]), index.piece_count, settings)
    apart = (other.pitch[match].astype(np.int64) - one.pitch[row]) % 12
    transposition = int(np.argmax(np.bincount(apart, weight, 12)))
    row, match, weight = (v[apart == transposition] for v in (row, match, weight))
    evidence = _in_order(
        one.start_ticks[row].tolist(), other.start_ticks[match].tolist(), weight.tolist()
    )
    size = min(sizes) if both_drums else melodic
    enough = settings.drums_enough if both_drums else settings.enough
    least = settings.drums_least_share if both_drums else settings.least_share
    needed = max(min(enough, settings.share * size), least * size, LEAST_EVIDENCE)
    if not is_whole and evidence < needed:
        return None
    first = int(np.argmin(one.start_ticks[row]))
    bars = (int(one.bar[row[first]]), int(other.bar[match[first]]))
    return DuplicatePair(a, b, evidence, evidence / size, transposition, bars, is_whole)


def rarity(
    counts: NDArray[np.integer], piece_count: int, settings: DuplicateSettings = DEFAULT_SETTINGS
) -> NDArray[np.float64]:
    """What a passage is worth that so many of the pieces have: 1 for a unique one, 0 for any's."""
    pieces = piece_count + settings.common_prior
    return np.asarray((np.log(pieces / np.maximum(counts, 1)) / np.log(pieces)) ** 2)


def _candidates(index: PassageIndex, settings: DuplicateSettings) -> Iterator[tuple[int, int]]:
    """Pairs of pieces that may be one, the likeliest of each part of the pieces first.

    A passage that very many pieces have would make all pairs of them; here each piece is paired
    only with those that follow it in the passage's list.
    """
    shared = _shared_passages(index, settings)
    pieces, worth, goes_on = shared.piece, shared.worth, shared.goes_on
    step = max(1, -(-index.piece_count // _PARTS))
    for low in range(0, index.piece_count, step):
        at = shared.rows_of(low, low + step)
        keys, weights = [np.empty(0, np.int64)], [np.empty(0, np.float16)]
        for distance in range(1, settings.neighbours + 1):
            at = at[goes_on[at + distance - 1]]
            keys.append(pieces[at].astype(np.int64) * index.piece_count + pieces[at + distance])
            weights.append(worth[at])
        pairs, which = np.unique(np.concatenate(keys), return_inverse=True)
        total = np.bincount(which, np.concatenate(weights), len(pairs))
        likely = np.flatnonzero(total >= LEAST_EVIDENCE)
        for pair in pairs[likely[np.argsort(-total[likely], kind="stable")]].tolist():
            yield divmod(pair, index.piece_count)


@dataclass(frozen=True, slots=True, eq=False)
class _Shared:
    """What several pieces have, passage after passage: each piece that has it, what it is worth,
    and whether the next piece has it, too. Seven bytes a row, as there may be tens of millions.
    """

    piece: NDArray[np.int32]
    worth: NDArray[np.float16]
    goes_on: NDArray[np.bool_]

    def rows_of(self, low: int, high: int) -> NDArray[np.intp]:
        """The rows of the pieces from `low` to before `high` that another piece follows."""
        found = []
        for first in range(0, len(self.piece), _BLOCK):
            block = slice(first, first + _BLOCK)
            piece = self.piece[block]
            found.append(np.flatnonzero((piece >= low) & (piece < high) & self.goes_on[block]))
            found[-1] += first
        return np.concatenate([np.empty(0, np.intp), *found])


def _shared_passages(index: PassageIndex, settings: DuplicateSettings) -> _Shared:
    room = len(index.keys)
    shared = _Shared(np.empty(room, np.int32), np.empty(room, np.float16), np.empty(room, np.bool_))
    used = low = 0
    while low < room:  # in blocks that hold all of each passage, so that work on them is small
        high = low + _BLOCK
        if high < room:
            high = int(np.searchsorted(index.keys, index.keys[high - 1] | PIECE_MASK, side="right"))
        hashes, pieces = index.entries(low, high)
        starts, sizes = runs(hashes)
        worth = rarity(sizes, index.piece_count, settings).astype(np.float16)
        worth[hashes[starts] <= WHOLE_HASH] = LEAST_EVIDENCE  # an exact copy is always looked at
        goes_on = np.ones(len(hashes), np.bool_)
        goes_on[starts + sizes - 1] = False
        kept = np.repeat(sizes > 1, sizes)
        block = slice(used, used + int(np.count_nonzero(kept)))
        shared.piece[block] = pieces[kept]
        shared.worth[block] = np.repeat(worth, sizes)[kept]
        shared.goes_on[block] = goes_on[kept]
        used, low = block.stop, high
    return _Shared(shared.piece[:used], shared.worth[:used], shared.goes_on[:used])


def _comparable(a: PassagePrints, b: PassagePrints) -> tuple[int, int]:
    """How many of the prints of each piece may be held against the other's.

    Of a long piece only its smallest hashes are kept; above the largest of them nothing is known.
    """
    ends = [prints.hash[-1] for prints in (a, b) if len(prints) >= _MANY]
    if not ends:
        return len(a), len(b)
    end = min(ends)
    return int(a.hash.searchsorted(end, "right")), int(b.hash.searchsorted(end, "right"))


def _in_order(ticks: list[int], other_ticks: list[int], weight: list[float]) -> float:
    """The most weight of passages that come in the same order in both pieces."""
    # A staircase: the most weight of an order that ends at or before each of `ends`.
    ends: list[int] = []
    totals: list[float] = []
    waiting: list[tuple[int, float]] = []
    now = -1
    for tick, end, own in sorted(zip(ticks, other_ticks, weight, strict=True)):
        if tick > now:  # what stands at one tick comes in no order
            _climb(ends, totals, waiting)
            now = tick
        below = bisect_left(ends, end)
        waiting.append((end, own + (totals[below - 1] if below else 0.0)))
    _climb(ends, totals, waiting)
    return totals[-1]


def _climb(ends: list[int], totals: list[float], waiting: list[tuple[int, float]]) -> None:
    """Put what waits into the staircase, and take out the steps that it makes needless."""
    for end, total in waiting:
        at = bisect_right(ends, end)
        if at and totals[at - 1] >= total:
            continue
        first = bisect_left(ends, end)
        last = bisect_right(totals, total, first)
        ends[first:last], totals[first:last] = [end], [total]
    waiting.clear()


def _root(root: NDArray[np.int32], piece: int) -> int:
    """The first member of a piece's group; the way there is shortened on the way."""
    while root[piece] != piece:
        root[piece] = root[root[piece]]
        piece = int(root[piece])
    return piece
