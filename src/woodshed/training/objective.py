"""From a batch to the number that training minimises: network, losses, terms of the grammar.

It is a module of its own, so that many processes can share its gradients. Knows nothing of steps.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ..models.info import ModelInfo
from ..models.neural.network import Network
from .batches import Batch, Pieces
from .engine import Engine
from .grammar_losses import GrammarTerms
from .losses import AheadTargets, Smoothing, TokenLoss, ahead_loss
from .settings import TrainingSettings


@dataclass(frozen=True, slots=True)
class Asked:
    """A batch on its device, with what the auxiliary head and the grammar are asked."""

    tokens: Tensor
    targets: Tensor
    counts: Tensor
    notes: Tensor | None = None
    soon: Tensor | None = None
    judged: Any = None
    step: int = 0


class Objective(nn.Module):
    """What a batch costs."""

    def __init__(
        self, network: Network, info: ModelInfo, settings: TrainingSettings, engine: Engine
    ) -> None:
        super().__init__()
        self.network, self.engine = network, engine
        self.features = torch.compile(network) if settings.compile else network
        smoothing = Smoothing(settings.smoothing_kind, settings.smoothing_value)
        self.token_loss = TokenLoss(info.vocabulary, smoothing, engine.device)
        self.ahead = AheadTargets(info.vocabulary) if network.config.ahead else None
        self.ahead_weight = settings.ahead_weight
        terms = GrammarTerms(info, settings)
        self.terms = terms if terms.is_on else None

    def asked(self, batch: Batch, pieces: Pieces, step: int) -> Asked:
        """A batch as `forward` takes it."""
        device = self.engine.device
        notes = soon = judged = None
        assert batch.begins is not None
        again = np.arange(batch.targets.shape[1]) < batch.begins[:, 3:]  # a header, told again
        if self.ahead is not None:
            to_come, plays = self.ahead(batch.targets)
            to_come[again] = -1
            notes, soon = (torch.from_numpy(each).to(device) for each in (to_come, plays))
        if self.terms is not None:
            told = np.where(again, -1, batch.targets)
            judged = self.terms.judge(told, pieces.before(batch), step)
        return Asked(*_on(device, batch), notes, soon, judged, step)

    def forward(self, asked: Asked) -> tuple[Tensor, Tensor, dict[str, float]]:
        """What to minimise, the surprise at each token in nats, and the terms of the grammar."""
        with self.engine.computing():
            features = self.features(asked.tokens)
            logits = self.network.logits(features)
            told = None if asked.notes is None else self.network.ahead(features)
        logits = logits.float()
        loss, surprise = self.token_loss(
            logits.flatten(0, 1), asked.targets.flatten(), asked.counts.flatten()
        )
        if told is not None:
            assert asked.notes is not None
            assert asked.soon is not None
            loss = loss + self.ahead_weight * ahead_loss(told.float(), asked.notes, asked.soon)
        found: dict[str, float] = {}
        if self.terms is not None:
            more, found = self.terms.of(logits, asked.judged, asked.step)
            loss = loss + more
        return loss, surprise, found


@torch.inference_mode()
def surprise_of(network: Network, batches: Iterator[Batch], engine: Engine) -> float:
    """The surprise of a network at all tokens that count, in nats, summed."""
    was_training = network.training
    network.eval()
    total = 0.0
    try:
        for batch in batches:
            tokens, targets, counts = _on(engine.device, batch)
            with engine.computing():
                logits = network.logits(network(tokens))
            surprise = torch.nn.functional.cross_entropy(
                logits.float().flatten(0, 1), targets.flatten(), reduction="none"
            )
            total += float((surprise * counts.flatten()).sum())
    finally:
        network.train(was_training)
    return total


def _on(device: torch.device, batch: Batch) -> tuple[Tensor, Tensor, Tensor]:
    tokens, targets = (
        torch.from_numpy(np.ascontiguousarray(each)).to(device)
        for each in (batch.tokens, batch.targets)
    )
    return tokens, targets, torch.from_numpy(batch.counts.astype(np.float32)).to(device)
