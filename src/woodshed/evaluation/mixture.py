"""How much of an n-gram model makes a network foretell best: one share, or one for each context.

Two models mixed give each token the sum of their probabilities, each times its share. Shares are
found on pieces that are not scored. What a share may depend on is known before the token is: the
kind of the token before, and which of the two has been the better for some tokens.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..tokens.language import Language, TokenIds

Logs = Sequence[NDArray[np.float64]]
"""For each piece the logarithm of every token's probability after START."""

HALVINGS = 40
ROUNDS = 60
SHRINKAGE = 50.0
"""So many tokens the one share for all weighs in the share of each context."""
LATELY = 16
"""Tokens over which it is reckoned which model has been the better."""
LEVELS = (-1.0, -0.2, 0.2, 1.0)
"""Where levels of that part: nats a token by which the n-gram was the better, in the mean."""
LEVEL_NAMES = ("network much", "network", "alike", "n-gram", "n-gram much")


def mixed_logs(
    network: NDArray[np.float64], ngram: NDArray[np.float64], share: NDArray[np.float64] | float
) -> NDArray[np.float64]:
    """The logarithms of a mixture in which the n-gram has `share`."""
    with np.errstate(divide="ignore"):
        ours, theirs = np.log1p(-np.asarray(share)), np.log(np.asarray(share))
    return np.asarray(np.logaddexp(network + ours, ngram + theirs))


def best_share(network: NDArray[np.float64], ngram: NDArray[np.float64]) -> float:
    """The share of the n-gram with which the tokens are likeliest.

    The likelihood has one top only, so its slope is halved in on.
    """
    more = np.expm1(np.clip(ngram - network, -500, 500))  # how many times likelier, less one

    def slope(share: float) -> float:
        return float((more / (1 + share * more)).mean())

    low, high = 0.0, 1.0
    if slope(low) <= 0:
        return 0.0
    if slope(high - 1e-12) >= 0:
        return 1.0
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if slope(middle) > 0 else (low, middle)
    return (low + high) / 2


def share_text(share: float) -> str:
    """A share with two places, or as many as it takes to tell it from 0 and 1 where it is neither.

    Beyond six it is told as more or less than that.
    """
    for places in range(2, 7):
        text = f"{share:.{places}f}"
        if share in (0.0, 1.0) or float(text) not in (0.0, 1.0):
            return text
    return "<0.000001" if share < 0.5 else ">0.999999"


@dataclass(frozen=True, slots=True, eq=False)
class Contexts:
    """What the share of a token may depend on, numbered; `names` tells the kinds before."""

    names: tuple[str, ...]

    @classmethod
    def of(cls, language: Language) -> Contexts:
        """The contexts of a language."""
        return cls(tuple(group.name for group in language.groups))

    def __len__(self) -> int:
        return len(self.names) * len(LEVEL_NAMES)

    def of_piece(
        self, tokens: TokenIds, language: Language, network: NDArray[np.float64],
        ngram: NDArray[np.float64],
    ) -> NDArray[np.int64]:  # fmt: skip
        """The context of every token after START, by the tokens before it alone."""
        before = language.group_of[np.asarray(tokens[:-1], np.int64)]
        # What was gained up to each token, it left out.
        gained = np.concatenate([[0.0], np.cumsum(np.clip(ngram - network, -10, 10))[:-1]])
        places = np.arange(len(gained))
        since = np.maximum(places - LATELY, 0)
        lately = (gained - gained[since]) / np.maximum(places - since, 1)
        return np.asarray(before * len(LEVEL_NAMES) + np.searchsorted(LEVELS, lately))

    def told(self, shares: NDArray[np.float64], counts: NDArray[np.int64]) -> list[dict[str, Any]]:
        """The shares of the contexts there were, by what they are."""
        return [
            {
                "after": self.names[number // len(LEVEL_NAMES)],
                "better_lately": LEVEL_NAMES[number % len(LEVEL_NAMES)],
                "share": round(float(shares[number]), 6),
                "tokens": int(counts[number]),
            }
            for number in np.flatnonzero(counts).tolist()
        ]


def shares_by_context(
    network: NDArray[np.float64],
    ngram: NDArray[np.float64],
    contexts: NDArray[np.int64],
    count: int,
    start: float,
    shrinkage: float = SHRINKAGE,
) -> NDArray[np.float64]:
    """The share of the n-gram in each of `count` contexts, drawn to `start` where there is little.

    Found by expectation and maximisation.
    """
    start = min(max(start, 1e-4), 1 - 1e-4)
    shares = np.full(count, start)
    tokens = np.bincount(contexts, minlength=count)
    for _ in range(ROUNDS):
        share = shares[contexts]
        ours, theirs = np.log1p(-share) + network, np.log(share) + ngram
        its = np.exp(theirs - np.logaddexp(ours, theirs))
        credit = np.bincount(contexts, weights=its, minlength=count)
        shares = np.clip((credit + shrinkage * start) / (tokens + shrinkage), 1e-6, 1 - 1e-6)
    return shares
