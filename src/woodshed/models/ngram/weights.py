"""What an n-gram model has learnt beside its counts: the base below all contexts, shares, weights.

On disk, before anything is learnt, and as the loops take them; what those do is in `mixing`.
"""

from __future__ import annotations

import os
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...errors import BadModel
from ..store import AGAIN, mapped
from .asking import (
    CAP,
    KNOWN_BITS,
    LONG,
    MANY,
    MOST_ASKED,
    NO_TOKEN,
    OFTEN,
    RIPE,
    SURE,
    Mix,
    Voices,
)
from .mixing import Mixture
from .views import Tables

PAIRS, SHARES, BY_KIND, BY_TOKEN = "pairs.f64", "shares.f64", "by_kind.f64", "by_token.f64"
FILES = (PAIRS, SHARES, BY_KIND, BY_TOKEN)
FIRST_SHARES = (0.8, 0.75, 0.5, 0.3)
"""What a context takes before anything is learnt: much where it knows one way on, else little."""
FIRST_TRUST = 2.0
"""How many looks the first shares are worth."""
RECALLED = 0.3
"""The first weight of what the piece at hand has had; views of the corpus share one in all."""


@dataclass(frozen=True, slots=True)
class Weights:
    """The figures of a model.

    `pairs` (kinds, tokens): how often a token came after a kind. `shares` (2, cells): what each
    class of contexts takes, as a quotient. `by_kind` (kinds, ripe, experts, sure) and `by_token`
    (kinds, slots and everybody, ripe, experts, sure): the weights of the experts.
    """

    pairs: NDArray[np.float64]
    shares: NDArray[np.float64]
    by_kind: NDArray[np.float64]
    by_token: NDArray[np.float64]

    @classmethod
    def fresh(cls, pairs: NDArray[np.float64], tables: Tables) -> Weights:
        """Before anything is learnt."""
        kinds = len(pairs)
        experts = expert_count(tables)
        row = np.array(FIRST_SHARES) * FIRST_TRUST
        up = np.tile(row, experts * kinds * LONG * OFTEN)
        views = len(tables.views)
        of_kind = tables.after.T & tables.flags[:, 1]
        of_token = tables.tells.T
        return cls(
            pairs,
            np.stack([up, np.full(len(up), FIRST_TRUST)]),
            np.repeat(_first_weights(of_kind, memories_of(tables), views)[:, None], RIPE, 1),
            np.tile(
                _first_weights(of_token, memories_of(tables), views)[:, None, None],
                (1, tables.streams, RIPE, 1, 1),
            ),
        )

    def save(self, folder: str | os.PathLike[str]) -> None:
        """Write them as plain numbers."""
        for name, array in zip(FILES, self.arrays(), strict=True):
            array.astype("<f8").tofile(os.path.join(folder, name))

    def arrays(self) -> tuple[NDArray[np.float64], ...]:
        """All of them."""
        return self.pairs, self.shares, self.by_kind, self.by_token

    @classmethod
    def read(cls, folder: str | os.PathLike[str], tables: Tables) -> Weights:
        """Those of a stored model. Raises `BadModel` where they are no weights."""
        kinds, tokens = tables.rules.shape[1], len(tables.vocabulary)
        experts = expert_count(tables)
        shapes = (
            (PAIRS, (kinds, tokens)),
            (SHARES, (2, experts * kinds * LONG * OFTEN * MANY)),
            (BY_KIND, (kinds, RIPE, experts, SURE)),
            (BY_TOKEN, (kinds, tables.streams, RIPE, experts, SURE)),
        )
        found = []
        for name, shape in shapes:
            array = np.array(mapped(folder, name, "<f8", shape))
            if not np.isfinite(array).all():
                raise BadModel(folder, f"{name} holds what is no number; {AGAIN}")
            found.append(array)
        weights = cls(*found)
        up, down = weights.shares
        trusted = np.concatenate([weights.by_kind.ravel(), weights.by_token.ravel()])
        if trusted.min(initial=0) < 0 or trusted.max(initial=0) > 1e6:
            raise BadModel(folder, f"its weights make no sense; {AGAIN}")
        if weights.pairs.min(initial=0) < 0 or up.min() < 0 or (up > down).any() or down.min() <= 0:
            raise BadModel(folder, f"its weights make no sense; {AGAIN}")
        return weights

    def base(self) -> NDArray[np.float64]:
        """(kinds, tokens): how probable a token is after a kind, whatever came before."""
        alone = self.pairs.sum(axis=0) + 0.5
        mixed = self.pairs + 2 * alone / alone.sum() + 0.01 / len(alone)
        return np.asarray(mixed / mixed.sum(axis=1, keepdims=True))

    def of_kind(self, first_of: NDArray[np.int64]) -> NDArray[np.float64]:
        """(kinds, kinds): how probable the base has a kind after a kind."""
        base = self.base()
        running = np.concatenate([np.zeros((len(base), 1)), base.cumsum(axis=1)], axis=1)
        return np.maximum(np.diff(running[:, first_of], axis=1), NO_TOKEN)

    def follows(self, first_of: NDArray[np.int64]) -> NDArray[np.bool_]:
        """(kinds, kinds): which kind ever came after which."""
        running = np.concatenate([np.zeros((len(self.pairs), 1)), self.pairs.cumsum(axis=1)], 1)
        return np.asarray(np.diff(running[:, first_of], axis=1) > 0)


def _first_weights(
    speaks: NDArray[np.bool_], memories: NDArray[np.int64], views: int
) -> NDArray[np.float64]:
    """(kinds, experts, sure): the weights of `speaks` (kinds, views) before anything is learnt.

    A view that speaks of few kinds knows more of them.
    """
    weights = np.zeros((len(speaks), views + len(memories), SURE))
    special = speaks / np.maximum(speaks.sum(axis=0), 1)
    weights[:, :views] = (special / np.maximum(special.sum(axis=1, keepdims=True), 1e-9))[
        :, :, None
    ]
    weights[:, views:, 1:] = RECALLED * speaks[:, memories, None]
    return weights


def memories_of(tables: Tables) -> NDArray[np.int64]:
    """The views that are also kept for the piece at hand."""
    return np.flatnonzero(tables.flags[:, 2])


def expert_count(tables: Tables) -> int:
    """Every view of the corpus, and every one of the piece at hand."""
    return len(tables.views) + len(memories_of(tables))


def mix_of(weights: Weights, tables: Tables, min_count: int) -> Mix:
    """Weights and views, as the loops take them."""
    base, of_kind = weights.base(), weights.of_kind(tables.first_of)
    given = base / np.repeat(of_kind, np.diff(tables.first_of), axis=1)
    up, down = weights.shares
    experts = np.concatenate([np.arange(len(tables.views)), memories_of(tables)])
    return Mix(
        base, of_kind, np.log(of_kind), np.log(given), weights.follows(tables.first_of), up, down,
        weights.by_kind, weights.by_token, tables.rules, tables.after, tables.flags, tables.tells,
        tables.slotted, experts, min_count,
    )  # fmt: skip


def room_of(tables: Tables) -> tuple[Voices, Mixture]:
    """Room for the loops to work in."""
    experts, tokens, kinds = expert_count(tables), len(tables.vocabulary), tables.rules.shape[1]
    by_token = (experts, tokens)
    voices = Voices(
        np.zeros(experts, np.bool_), np.zeros(experts, np.int64), np.zeros(kinds + 1, np.int64),
        np.ones(experts),
        np.zeros(experts, np.int64), np.zeros(by_token, np.int64), np.zeros(by_token),
        np.zeros(tokens), np.zeros(tokens, np.int64), np.zeros(MOST_ASKED, np.int64),
        np.zeros(MOST_ASKED), np.zeros((1 << KNOWN_BITS, 3), np.int64),
        np.zeros((1 << KNOWN_BITS, CAP), np.uint16), np.zeros((1 << KNOWN_BITS, CAP), np.uint8),
    )  # fmt: skip
    mixture = Mixture(
        np.zeros(kinds), np.zeros((experts, kinds)), np.zeros(tokens), np.zeros(kinds),
        np.zeros(tokens, np.int64), np.zeros(1, np.int64), np.zeros(by_token),
    )  # fmt: skip
    return voices, mixture
