"""What a step learns from: sequences cut from whole pieces, each piece in a key drawn for it.

A sequence begins anywhere in a piece, with the header of the piece before it, as that holds for
all of it; where the piece ends, another follows from its beginning. Nothing is copied: places and
keys are drawn, and one gather fetches the tokens. What is drawn follows from the seed, the step and
the row alone, so there is nothing to save. Knows nothing of networks.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..models.neural.config import header_told
from ..models.neural.echoes import Echoes
from ..tokens.cache import TokenCache
from ..tokens.vocabulary import Vocabulary

Rows = NDArray[np.int64]

BATCHES = "with headers"
"""How sequences are cut; a training that goes on must have cut them so before."""

LONGEST_HEADER = 1024
"""No header is looked at any further."""

DEAF = 0.1
"""The share of sequences that are told of no echoes, so that a network can do without."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Sequences (rows, context) as the vocabulary counts, and what follows each token.

    Where a network is told of echoes, tokens are (rows, context, columns).

    `counts` says which of the targets count: what begins another piece follows from nothing, and a
    header that is told again, with what comes after it, from elsewhere. `begins` (rows, 4) says
    with which piece a row begins, at which of its tokens, in which key, and after how many tokens
    of its header.
    """

    tokens: Rows
    targets: Rows
    counts: NDArray[np.bool_]
    begins: Rows | None = None


class Pieces:
    """The pieces of one split, where they lie among the tokens of the cache.

    `table` is (shifts, language): what each token becomes in each key, as the vocabulary counts.
    With `echoes` everything is heard once, in the key it has, and what was heard moves with it;
    that takes two bytes for each token and column.
    """

    def __init__(
        self,
        cache: TokenCache,
        pieces: NDArray[np.int64],
        vocabulary: Vocabulary,
        semitones: tuple[int, ...] = (0,),
        echoes: Echoes | None = None,
    ) -> None:
        self.tokens, self.vocabulary = cache.tokens, vocabulary
        offsets = cache.offsets
        self.starts = np.asarray(offsets[pieces], np.int64)
        self.lengths = np.asarray(offsets[pieces + 1], np.int64) - self.starts
        self.ends = np.cumsum(self.lengths)
        shifted = vocabulary.language.transposition(semitones)
        self.table = vocabulary.nearest[shifted].astype(np.int64)
        self.start_token = int(self.table[0, vocabulary.language.first["START"]])
        nothing = np.full((len(semitones), 1), len(vocabulary))
        self._moved = np.concatenate([self.table[:, vocabulary.ids], nothing], axis=1)
        self._begins = self.ends - self.lengths
        self.headers = _header_lengths(cache, pieces)
        self.heard: NDArray[np.uint16] | None = None
        if echoes is not None:
            self.heard = np.empty((self.total, echoes.columns - 1), np.uint16)
            for piece, first in enumerate(self._begins.tolist()):
                told = echoes.of_piece(self[piece])
                self.heard[first : first + len(told)] = told[:, 1:]

    @property
    def total(self) -> int:
        """How many tokens there are."""
        return int(self.ends[-1]) if len(self.ends) else 0

    def __getitem__(self, piece: int) -> Rows:
        """One piece as the vocabulary counts."""
        start = self.starts[piece]
        found: Rows = self.table[0][self.tokens[start : start + self.lengths[piece]]]
        return found

    def batch(self, seed: int, step: int, rows: range, context: int) -> Batch:
        """The `rows` of one step; a row is the same whichever others are asked for with it."""
        places = np.empty((len(rows), context + 1), np.int64)
        among = np.empty((len(rows), context + 1), np.int64)
        shifts = np.empty((len(rows), context + 1), np.int64)
        begins = np.empty((len(rows), 4), np.int64)
        for at, row in enumerate(rows):
            begins[at] = self._draw(seed, step, row, places[at], among[at], shifts[at])
        tokens = self.table[shifts, self.tokens[places]]
        deaf = np.array([_chance(seed, step, row, 1).random() < DEAF for row in rows], np.bool_)
        told = self._with_echoes(tokens[:, :-1], among[:, :-1], shifts[:, :-1], deaf)
        targets = tokens[:, 1:]
        counts = (targets != self.start_token) & (np.arange(context) >= begins[:, 3:])
        return Batch(told, targets, counts, begins)

    def _with_echoes(
        self, tokens: Rows, among: Rows, shifts: Rows, deaf: NDArray[np.bool_] | None = None
    ) -> Rows:
        """Tokens with what was heard of them, moved to their key; `among` the pieces they lie.

        Rows that are `deaf` are told of nothing.
        """
        if self.heard is None:
            return tokens
        heard = self.heard[among].astype(np.int64)
        if deaf is not None:
            heard[deaf, :, ::2], heard[deaf, :, 1::2] = len(self.vocabulary), 0
        heard[..., ::2] = self._moved[shifts[..., None], heard[..., ::2]]
        return np.concatenate([tokens[..., None], heard], axis=-1)

    def before(self, batch: Batch) -> list[Rows]:
        """For each row the tokens of its piece from START up to the first of the row."""
        assert batch.begins is not None
        starts = self.starts
        return [
            self.table[shift][self.tokens[starts[piece] : starts[piece] + begin + 1]]
            for piece, begin, shift, _ in batch.begins.tolist()
        ]

    def _draw(
        self, seed: int, step: int, row: int, places: Rows, among: Rows, shifts: Rows
    ) -> tuple[int, int, int, int]:
        """Fill one row with places in the cache and among the pieces, and with rows of the table.

        Gives the piece it begins with, where in it, its shift, and how much header comes first.
        """
        chance = _chance(seed, step, row)
        length, filled = len(places), 0
        head = (0, 0, 0, 0)
        while filled < length:
            piece = int(np.searchsorted(self.ends, chance.integers(self.total), side="right"))
            size, begin = int(self.lengths[piece]), 0
            if not filled:  # half a sequence before the piece counts as its beginning
                half = length // 2
                begin = max(int(chance.integers(-half, max(size - half, 1))), 0)
            shift = int(chance.integers(len(self.table)))
            told_again = self._header(piece, begin, length - 1)
            if not filled:
                head = piece, begin, shift, told_again
            for first, count in ((0, told_again), (begin, min(size - begin, length - told_again))):
                count = min(count, length - filled)
                into = slice(filled, filled + count)
                places[into] = int(self.starts[piece]) + first + np.arange(count)
                among[into] = int(self._begins[piece]) + first + np.arange(count)
                shifts[into] = shift
                filled += count
        return head

    def _header(self, piece: int, begin: int, context: int) -> int:
        """How much of a header is told again before a sequence that begins within a piece."""
        header = int(self.headers[piece])
        return header_told(header, context) if header <= begin else 0

    def windows(self, context: int, most_tokens: int) -> Windows:
        """All tokens of the pieces, each after as much of what comes before as is seen at once.

        Pieces are taken from all over their order until there are `most_tokens`.
        """
        inputs, targets, counts = [], [], []
        order = np.argsort(np.arange(len(self.lengths)) * 0.6180339887 % 1, kind="stable")
        half, left = max(context // 2, 1), most_tokens
        for piece in order.tolist():
            if left <= 0:
                break
            tokens = self[piece][: left + 1]
            left -= len(tokens)
            done = 1  # the first token follows from nothing
            while done < len(tokens):
                begin = max(done - half, 0) if done > 1 else 0
                header = self._header(piece, begin, context) if begin else 0
                at = np.append(np.arange(header), begin + np.arange(context + 1 - header))
                told = int((at < len(tokens)).sum())
                at = np.minimum(at, len(tokens) - 1)
                row = np.where(np.arange(context + 1) < told, tokens[at], self.start_token)
                here = self._begins[piece] + at[:-1]
                shown = self._with_echoes(row[:-1], here, np.zeros(context, np.int64))
                counted = np.zeros(context, np.bool_)
                counted[header + done - 1 - begin : told - 1] = True
                inputs.append(shown)
                targets.append(row[1:])
                counts.append(counted)
                done = begin + told - header
        if not inputs:
            empty = np.zeros((0, context), np.int64)
            return Windows(empty, empty, empty.astype(np.bool_))
        return Windows(np.stack(inputs), np.stack(targets), np.stack(counts))


def _header_lengths(cache: TokenCache, pieces: NDArray[np.int64]) -> NDArray[np.int64]:
    """How many tokens of each piece stand before its music."""
    in_header = cache.language.language.in_header
    found = np.zeros(len(pieces), np.int64)
    for number, piece in enumerate(pieces.tolist()):
        first, last = int(cache.offsets[piece]), int(cache.offsets[piece + 1])
        seen = in_header[cache.tokens[first : min(first + LONGEST_HEADER, last)]]
        found[number] = len(seen) if seen.all() else int(np.argmin(seen))
    return found


def _chance(seed: int, step: int, row: int, what: int = 0) -> np.random.Generator:
    return np.random.Generator(np.random.Philox(key=seed, counter=[0, what, row, step]))


@dataclass(frozen=True, slots=True)
class Windows:
    """Sequences (rows, context) that are scored, each token once: where `counts`."""

    tokens: Rows
    targets: Rows
    counts: NDArray[np.bool_]

    def batches(self, rows: int) -> Iterator[Batch]:
        """A few rows at a time."""
        for at in range(0, len(self.tokens), rows):
            part = slice(at, at + rows)
            yield Batch(self.tokens[part], self.targets[part], self.counts[part])
