"""A trained network: the neural families' side of the protocol.

Tags stand in the header of a piece, as training saw them, and so does what is asked for: conditions
are checked here and told by whoever writes the header. Knows nothing of how the network was
trained, nor of what is sampled from it.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from ...tokens.language import TokenIds
from ..family import NO_CONDITIONS, Conditions, LogProbabilities
from ..info import ModelInfo
from .network import Network
from .storage import load_network
from .transformer import BESIDE

WINDOWS = 8
"""Stretches of pieces that are scored side by side."""


@dataclass(slots=True)
class NeuralState:
    """Where a batch of pieces stands: what the backbone keeps, and features (rows, width)."""

    kept: Any
    features: Tensor


@dataclass(frozen=True)
class Neural:
    """A network, and what it says of itself."""

    info: ModelInfo
    network: Network

    @classmethod
    def load(
        cls,
        path: str | os.PathLike[str],
        info: ModelInfo,
        device: torch.device | str = "cpu",
    ) -> Self:
        """Read a stored model. Raises `BadModel` where it is damaged."""
        return cls(info, load_network(path, info, device))

    @torch.inference_mode()
    def start(
        self, prompts: Sequence[TokenIds], conditions: Conditions = NO_CONDITIONS
    ) -> NeuralState:
        """The state after a prompt in each row; see `Model`."""
        if conditions:
            self.info.check_tags(conditions.tags)
        network = self.network
        kept = network.begin(len(prompts))
        told = np.concatenate([np.empty(0, np.int64), *prompts]).astype(np.int64)
        rows = [row for row, prompt in enumerate(prompts) for _ in range(len(prompt))]
        features = network.play(self._tensor(told), rows, kept)
        last = np.cumsum([len(prompt) for prompt in prompts], dtype=np.int64) - 1
        return NeuralState(kept, features[self._tensor(last)])

    @torch.inference_mode()
    def log_probabilities(self, state: NeuralState) -> LogProbabilities:
        """What comes next in each row; see `Model`."""
        rows = len(state.features)
        # As many rows as ever, so that a row is the same in any company.
        padded = functional.pad(state.features, (0, 0, 0, -rows % BESIDE))
        said = [self.network.logits(some) for some in padded.split(BESIDE)]  # type: ignore[no-untyped-call]
        logits = torch.cat([padded.new_empty(0, len(self.info.vocabulary)), *said])[:rows]
        return np.asarray(functional.log_softmax(logits, -1).float().cpu().numpy())

    @torch.inference_mode()
    def advance(self, state: NeuralState, tokens: NDArray[np.integer]) -> None:
        """Take one token in each row; see `Model`."""
        taken = self._tensor(np.asarray(tokens, np.int64))
        state.features = self.network.play(taken, list(range(len(taken))), state.kept)

    @torch.inference_mode()
    def fork(self, state: NeuralState, rows: NDArray[np.integer]) -> NeuralState:
        """Copies of rows; see `Model`."""
        chosen = np.asarray(rows, np.int64)
        return NeuralState(state.kept.taken(chosen.tolist()), state.features[self._tensor(chosen)])

    @torch.inference_mode()
    def log_likelihood(self, pieces: Sequence[TokenIds]) -> list[NDArray[np.float64]]:
        """For each piece the logarithm of every token's probability after START, without a mask.

        What each token is heard after is what it is heard after while playing.
        """
        context = self.network.config.context
        hop = context - context // 2
        found = [np.zeros(len(piece)) for piece in pieces]
        windows = [
            (number, first)
            for number, piece in enumerate(pieces)
            for first in range(0, max(len(piece) - 1 - context + hop, 1), hop)
        ]
        for some in range(0, len(windows), WINDOWS):
            batch = windows[some : some + WINDOWS]
            tokens = np.zeros((len(batch), context + 1), np.int64)
            for row, (number, first) in enumerate(batch):
                heard = pieces[number][first : first + context + 1]
                tokens[row, : len(heard)] = heard
            longest = max(min(len(pieces[number]) - first, context + 1) for number, first in batch)
            told = self._tensor(tokens[:, :longest])
            logs = functional.log_softmax(self.network.logits(self.network(told[:, :-1])), -1)
            of_each = logs.gather(-1, told[:, 1:, None])[..., 0].cpu().double().numpy()
            for row, (number, first) in enumerate(batch):
                into = found[number]
                fresh = context - hop if first else 0  # what an earlier window has not told
                count = min(len(into) - first - 1, context)
                into[first + 1 + fresh : first + 1 + count] = of_each[row, fresh:count]
        return found

    def _tensor(self, numbers: NDArray[np.int64]) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(numbers)).to(
            self.network.embedding.weight.device
        )
