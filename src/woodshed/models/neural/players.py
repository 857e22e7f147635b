"""Who computes what comes next while a network plays: PyTorch, the reference, compiled loops, or
steps that a GPU replays.

All take tokens as arrays, give features and logarithms as arrays, and keep states of their own.
Knows nothing of what tokens mean.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from ..playing import Playing
from .network import Network
from .transformer import BESIDE

Features = NDArray[np.float32]
Rows = Sequence[int] | NDArray[np.int64]
Flags = Sequence[bool] | NDArray[np.bool_]


class Player(Protocol):
    """Something that plays one network. A row is the same to the bit in any company."""

    def begin(self, rows: int) -> Any:
        """The state of rows that have seen nothing."""

    def play(
        self, told: NDArray[np.int64], rows: Rows, state: Any, echo: float = 1.0,
        headings: Flags = (),
    ) -> Features:  # fmt: skip
        """Features (n, width) of the next tokens of `rows`, changing `state`; `Network.play`."""

    def log_shares(self, features: Features) -> NDArray[np.float32]:
        """The logarithm of every token's probability (rows, vocabulary), by features."""


class Reference:
    """PyTorch itself, on whatever device the network is."""

    def __init__(self, network: Network) -> None:
        self.network = network

    def begin(self, rows: int) -> Any:
        """The state of rows that have seen nothing."""
        return self.network.begin(rows)

    @torch.inference_mode()
    def play(
        self, told: NDArray[np.int64], rows: Rows, state: Any, echo: float = 1.0,
        headings: Flags = (),
    ) -> Features:  # fmt: skip
        """Features (n, width) of the next tokens of `rows`, changing `state`; `Network.play`."""
        device = self.network.embedding.weight.device
        tokens = torch.from_numpy(np.ascontiguousarray(told)).to(device)
        found = self.network.play(
            tokens, [int(row) for row in rows], state, echo, [bool(flag) for flag in headings]
        )
        return np.asarray(found.float().cpu().numpy())

    @torch.inference_mode()
    def log_shares(self, features: Features) -> NDArray[np.float32]:
        """The logarithm of every token's probability (rows, vocabulary), by features."""
        rows = len(features)
        # As many rows as ever, so that a row is the same in any company.
        padded = functional.pad(torch.from_numpy(features), (0, 0, 0, -rows % BESIDE))
        padded = padded.to(self.network.embedding.weight)
        said = [self.network.logits(some) for some in padded.split(BESIDE)]  # type: ignore[no-untyped-call]
        logits = torch.cat([padded.new_empty(0, self.network.config.vocabulary), *said])[:rows]
        return np.asarray(functional.log_softmax(logits, -1).float().cpu().numpy())


def player_of(network: Network, playing: Playing) -> Player:
    """The player that was chosen; `playing` is resolved, see `resolved`."""
    if playing.engine == "compiled":
        from .quick import QuickNetwork

        return QuickNetwork(network, in_half=playing.weights == "bfloat16")
    if playing.engine == "graphs":
        from .graphs import Graphs

        return Graphs(network)
    return Reference(network)
