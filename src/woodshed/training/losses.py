"""What training minimises: the surprise at each next token, and what the auxiliary head gets wrong.

Targets are smoothed twice: over the values of their own kind, and over tokens of any kind. Which
tokens are of a kind, begin notes or name players follows from the table of the language. Knows
nothing of grammar.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from ..tokens.spoken import NOTES
from ..tokens.vocabulary import Vocabulary

MOST_NOTES = 7
"""Notes still to come at one moment that are told apart; more are as many."""

MOMENTS = ("SHIFT", "BAR", "END", "START", "B", "B_REST")
"""The groups whose tokens end a moment; in `chorale` the bass does."""

AHEAD_TOKENS = 64
"""How far ahead it is asked who plays."""


@dataclass(frozen=True, slots=True)
class Smoothing:
    """How much of a target is spread: over all tokens, and over those of its own kind."""

    kind: float
    value: float


class TokenLoss:
    """The smoothed surprise at targets, for one vocabulary."""

    def __init__(self, vocabulary: Vocabulary, smoothing: Smoothing, device: torch.device) -> None:
        self.smoothing = smoothing
        _, group = np.unique(vocabulary.language.group_of[vocabulary.ids], return_inverse=True)
        shares = np.eye(int(group.max()) + 1, dtype=np.float32)[group]
        self.group_of = torch.from_numpy(group.astype(np.int64)).to(device)
        self.shares = torch.from_numpy(shares / shares.sum(0)).to(device)  # (vocabulary, groups)

    def __call__(self, logits: Tensor, targets: Tensor, counts: Tensor) -> tuple[Tensor, Tensor]:
        """What to minimise, and the plain surprise in nats, each a mean over all places.

        `logits` (places, vocabulary) in 32 bits; `counts` (places) is 0 where a target is none.
        The means are over all places, so that the mean over equal parts is that of the whole.
        """
        surprise = functional.cross_entropy(logits, targets, reduction="none")
        plain = (surprise * counts).mean()
        kind, value = self.smoothing.kind, self.smoothing.value
        if not kind and not value:
            return plain, plain.detach()
        own = logits.gather(-1, targets[:, None])[:, 0]
        total = surprise + own  # the logarithm of what the probabilities were divided by
        spread = surprise * (1 - kind - value)
        if value:
            means = logits @ self.shares
            spread = spread + value * (
                total - means.gather(-1, self.group_of[targets][:, None])[:, 0]
            )
        if kind:
            spread = spread + kind * (total - logits.mean(-1))
        return (spread * counts).mean(), plain.detach()


class AheadTargets:
    """What the auxiliary head is asked: how many notes are still to come at this moment, and who
    plays soon.
    """

    def __init__(self, vocabulary: Vocabulary) -> None:
        language = vocabulary.language
        names = np.array([group.name for group in language.groups])
        of = names[language.group_of[vocabulary.ids]]
        self.notes = np.isin(of, NOTES)
        self.moments = np.isin(of, MOMENTS)
        players = np.flatnonzero(of == "INST")
        self.player_of = np.full(len(vocabulary), -1)
        self.player_of[players] = np.arange(len(players))

    @property
    def outputs(self) -> int:
        """How many numbers the head has: one for each count of notes, and for each player."""
        return MOST_NOTES + 1 + int((self.player_of >= 0).sum())

    def __call__(self, targets: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """(rows, places) notes to come before the next moment, (rows, places, players) who plays.

        -1 notes, and no players, are known where the row ends before.
        """
        rows, places = targets.shape
        sounded = np.cumsum(self.notes[targets], axis=1)
        before = np.concatenate([np.zeros((rows, 1), np.int64), sounded[:, :-1]], axis=1)
        ends = np.where(self.moments[targets], np.arange(places), places)
        ends = np.minimum.accumulate(ends[:, ::-1], axis=1)[:, ::-1]
        at_end = np.take_along_axis(sounded, np.minimum(ends, places - 1), axis=1)
        notes = np.where(ends < places, np.minimum(at_end - before, MOST_NOTES), -1)
        count = int((self.player_of >= 0).sum())
        soon = np.zeros((rows, max(places - AHEAD_TOKENS, 0), count), np.bool_)
        if count and places > AHEAD_TOKENS:
            played = self.player_of[targets][..., None] == np.arange(count)
            sums = np.zeros((rows, places + 1, count), np.int32)
            np.cumsum(played, axis=1, out=sums[:, 1:])
            soon = sums[:, AHEAD_TOKENS:-1] > sums[:, : places - AHEAD_TOKENS]
        return notes, soon


def ahead_loss(told: Tensor, notes: Tensor, soon: Tensor) -> Tensor:
    """What the auxiliary head got wrong: `told` (rows, places, outputs) in 32 bits.

    The mean is over all places, known or not.
    """
    kinds = MOST_NOTES + 1
    wrong = functional.cross_entropy(
        told[..., :kinds].flatten(0, 1), notes.flatten(), ignore_index=-1, reduction="sum"
    )
    if soon.numel():
        players = functional.binary_cross_entropy_with_logits(
            told[:, : soon.shape[1], kinds:], soon.to(told.dtype), reduction="sum"
        )
        wrong = wrong + players / soon.shape[-1]
    return wrong / notes.numel()
