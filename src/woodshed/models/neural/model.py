"""A trained network: the neural families' side of the protocol.

Tags stand in the header of a piece, as training saw them, and so does what is asked for: conditions
are checked here and told by whoever writes the header. Knows nothing of how the network was
trained, nor of what is sampled from it.
"""

from __future__ import annotations

import copy
import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray

from ...tokens.language import TokenIds
from ..family import NO_CONDITIONS, Conditions, LogProbabilities
from ..info import ModelInfo
from ..playing import AS_USUAL, Playing, resolved
from .echoes import Echoes, Heard
from .network import Network
from .players import Player, player_of
from .scoring import log_likelihood
from .storage import load_network


@dataclass(slots=True)
class NeuralState:
    """Where a batch of pieces stands: what its player keeps, and features (rows, width).

    `heard` is what echoes come from, `echo` how much they count.
    """

    kept: Any
    features: NDArray[np.float32]
    heard: Heard | None
    echo: float


@dataclass(frozen=True)
class Neural:
    """A network, what it says of itself, and how it is played."""

    info: ModelInfo
    network: Network
    playing: Playing = AS_USUAL

    @classmethod
    def load(
        cls,
        path: str | os.PathLike[str],
        info: ModelInfo,
        device: torch.device | str = "cpu",
    ) -> Self:
        """Read a stored model. Raises `BadModel` where it is damaged."""
        return cls(info, load_network(path, info, device), Playing(device=str(device)))

    @property
    def echo(self) -> float | None:
        """A network has learnt what its echoes are worth; one without them is told of none."""
        return 1.0 if self.network.config.echoes else None

    @property
    def hears(self) -> int | None:
        """How many tokens it hears at once; None where it carries all on."""
        return None if self.network.config.is_recurrent else self.network.config.context

    @cached_property
    def echoes(self) -> Echoes | None:
        """What hears pieces again, where the network is told of it."""
        return Echoes(self.info.vocabulary) if self.network.config.echoes else None

    @cached_property
    def player(self) -> Player:
        """What computes, while it plays."""
        return player_of(self.network, resolved(self.playing)[0])

    @cached_property
    def _is_header(self) -> NDArray[np.bool_]:
        """For each token of the vocabulary, whether it stands in the header of a piece."""
        language = self.info.vocabulary.language
        return np.asarray(language.in_header[self.info.vocabulary.ids])

    def played_by(self, playing: Playing) -> Neural:
        """The same network, played in another way; see `playing.resolved`."""
        network = self.network
        here, there = network.embedding.weight.device, torch.device(playing.device)
        if (here.type, here.index or 0) != (there.type, there.index or 0):
            network = copy.deepcopy(network).to(playing.device)
        return Neural(self.info, network, playing)

    def start(
        self, prompts: Sequence[TokenIds], conditions: Conditions = NO_CONDITIONS
    ) -> NeuralState:
        """The state after a prompt in each row; see `Model`."""
        if conditions:
            self.info.check_tags(conditions.tags)
        state = NeuralState(
            self.player.begin(len(prompts)),
            np.empty((0, self.network.config.width), np.float32),
            self.echoes.begin(len(prompts)) if self.echoes else None,
            float(conditions.echo),
        )
        told = np.concatenate([np.empty(0, np.int64), *prompts]).astype(np.int64)
        rows = np.repeat(np.arange(len(prompts)), [len(prompt) for prompt in prompts])
        features = self._hear(told, rows, state)
        last = np.cumsum([len(prompt) for prompt in prompts], dtype=np.int64) - 1
        state.features = features[last]
        return state

    def log_probabilities(self, state: NeuralState) -> LogProbabilities:
        """What comes next in each row; see `Model`."""
        return self.player.log_shares(state.features)

    def advance(self, state: NeuralState, tokens: NDArray[np.integer]) -> None:
        """Take one token in each row; see `Model`."""
        state.features = self._hear(np.asarray(tokens, np.int64), np.arange(len(tokens)), state)

    def fork(self, state: NeuralState, rows: NDArray[np.integer]) -> NeuralState:
        """Copies of rows; see `Model`."""
        chosen = np.asarray(rows, np.int64)
        heard = None if state.heard is None else state.heard.taken(chosen)
        return NeuralState(state.kept.taken(chosen), state.features[chosen], heard, state.echo)

    def log_likelihood(self, pieces: Sequence[TokenIds]) -> list[NDArray[np.float64]]:
        """For each piece the logarithm of every token's probability after START, without a mask.

        Within its context it is as likely as while playing; beyond, windows of a Transformer begin
        anew where playing goes on with what it kept.
        """
        return log_likelihood(self.network, self.echoes, pieces, self._is_header)

    def _hear(
        self, tokens: NDArray[np.int64], rows: NDArray[np.int64], state: NeuralState
    ) -> NDArray[np.float32]:
        """Features after each of the next tokens of rows."""
        told = tokens
        if self.echoes is not None and state.heard is not None:
            told = self.echoes.hear(tokens, rows, state.heard)
        return self.player.play(told, rows, state.kept, state.echo, self._is_header[tokens])
