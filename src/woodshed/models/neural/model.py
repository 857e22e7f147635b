"""A trained network: the neural families' side of the protocol.

Tags stand in the header of a piece, as training saw them, and so does what is asked for: conditions
are checked here and told by whoever writes the header. Knows nothing of how the network was
trained, nor of what is sampled from it.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from ...tokens.language import TokenIds
from ..family import NO_CONDITIONS, Conditions, LogProbabilities
from ..info import ModelInfo
from .echoes import Echoes, Heard
from .network import Network
from .storage import load_network
from .transformer import BESIDE

WINDOWS = 8
"""Stretches of pieces that are scored side by side."""


@dataclass(slots=True)
class NeuralState:
    """Where a batch of pieces stands: what the backbone keeps, and features (rows, width).

    `heard` is what echoes come from, `echo` how much they count.
    """

    kept: Any
    features: Tensor
    heard: Heard | None
    echo: float


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

    @property
    def echo(self) -> float | None:
        """A network has learnt what its echoes are worth; one without them is told of none."""
        return 1.0 if self.network.config.echoes else None

    @cached_property
    def echoes(self) -> Echoes | None:
        """What hears pieces again, where the network is told of it."""
        return Echoes(self.info.vocabulary) if self.network.config.echoes else None

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
        heard = self.echoes.begin(len(prompts)) if self.echoes else None
        echo = float(conditions.echo)
        features = network.play(self._told(told, rows, heard), rows, kept, echo)
        last = np.cumsum([len(prompt) for prompt in prompts], dtype=np.int64) - 1
        return NeuralState(kept, features[self._tensor(last)], heard, echo)

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
        rows = list(range(len(tokens)))
        told = self._told(np.asarray(tokens, np.int64), rows, state.heard)
        state.features = self.network.play(told, rows, state.kept, state.echo)

    @torch.inference_mode()
    def fork(self, state: NeuralState, rows: NDArray[np.integer]) -> NeuralState:
        """Copies of rows; see `Model`."""
        chosen = np.asarray(rows, np.int64)
        some = chosen.tolist()
        heard = None if state.heard is None else state.heard.taken(some)
        features = state.features[self._tensor(chosen)]
        return NeuralState(state.kept.taken(some), features, heard, state.echo)

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
        told_of: dict[int, NDArray[np.int64]] = {}
        wide = (self.echoes.columns,) if self.echoes else ()
        for some in range(0, len(windows), WINDOWS):
            batch = windows[some : some + WINDOWS]
            inputs = np.zeros((len(batch), context, *wide), np.int64)
            tokens = np.zeros((len(batch), context + 1), np.int64)
            for row, (number, first) in enumerate(batch):
                heard = pieces[number][first : first + context + 1]
                tokens[row, : len(heard)] = heard
                if number not in told_of:  # pieces come in their order
                    told_of = {number: np.asarray(pieces[number], np.int64)}
                    if self.echoes:
                        told_of[number] = self.echoes.of_piece(pieces[number])
                told = told_of[number][first : first + context]
                inputs[row, : len(told)] = told
            longest = max(min(len(pieces[number]) - first, context + 1) for number, first in batch)
            features = self.network(self._tensor(inputs[:, : longest - 1]))
            logs = functional.log_softmax(self.network.logits(features), -1)
            targets = self._tensor(tokens[:, 1:longest, None])
            of_each = logs.gather(-1, targets)[..., 0].cpu().double().numpy()
            for row, (number, first) in enumerate(batch):
                into = found[number]
                fresh = context - hop if first else 0  # what an earlier window has not told
                count = min(len(into) - first - 1, context)
                into[first + 1 + fresh : first + 1 + count] = of_each[row, fresh:count]
        return found

    def _told(self, tokens: NDArray[np.int64], rows: list[int], heard: Heard | None) -> Tensor:
        """The next tokens of rows as the network takes them."""
        if self.echoes is not None and heard is not None:
            return self._tensor(self.echoes.hear(tokens, rows, heard))
        return self._tensor(tokens)

    def _tensor(self, numbers: NDArray[np.int64]) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(numbers)).to(
            self.network.embedding.weight.device
        )
