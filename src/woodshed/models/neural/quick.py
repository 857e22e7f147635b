"""A network as compiled loops, for playing on processors: some twenty times less to do for a token
than a framework does, where a network is small and rows are few.

PyTorch is the reference: the same numbers but for rounding. Rows are shared among threads, and a
row is the same to the bit in any company. Weights can be kept in bfloat16: half as much to read,
which is what a single piece waits for. Knows nothing of what tokens mean.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...music.compiled import kernel
from .network import Network
from .players import Flags, Rows
from .quick_parts import LINES, log_shares
from .quick_recurrent import QuickLstm, QuickMamba
from .quick_threads import shared
from .quick_transformer import QuickTransformer
from .quick_weights import Weights, array_of, rounded
from .tiles import PANEL, filled_up, product

BACKBONES: dict[str, Any] = {
    "transformer": QuickTransformer,
    "mamba": QuickMamba,
    "lstm": QuickLstm,
}


@kernel
def embed(
    told: Any, tokens: Any, came: Any, sure: Any, echo: float, scale: float, x: Any
) -> None:  # fmt: skip
    """The numbers (n, width) that stand for tokens, and for what is told with them."""
    much, times, nothing = np.float32(echo), np.float32(scale), came.shape[1] - 1
    for i in range(len(told)):
        token = tokens[told[i, 0]]
        for n in range(len(token)):
            x[i, n] = token[n]
        for way in range(len(came)):
            a, b = came[way, told[i, 1 + 2 * way]], sure[way, told[i, 2 + 2 * way]]
            a_none, b_none = came[way, nothing], sure[way, 0]
            for n in range(len(token)):
                none = a_none[n] + b_none[n]
                x[i, n] += a[n] + b[n] if echo == 1.0 else none + much * (a[n] + b[n] - none)
        for n in range(len(token)):
            x[i, n] *= times


@kernel
def say(features: Any, at: int, is_half: bool, panels: int, found: Any) -> None:
    """The logarithm of every token's share (rows, vocabulary), by features (rows, width)."""
    rows, width = features.shape
    size = found.shape[1]
    wide = panels * PANEL
    told, lines = np.empty((rows, wide), np.float32), np.empty(LINES, np.float32)
    product(features.ctypes.data, width, rows, at, panels, width, is_half, told.ctypes.data, wide)
    for row in range(rows):
        log_shares(told[row], size, found[row], lines)


class QuickNetwork:
    """A network, packed to be played."""

    def __init__(self, network: Network, *, in_half: bool = False) -> None:
        self.config = network.config
        self.weights = Weights(in_half=in_half)
        self.backbone = BACKBONES[network.config.backbone](network.backbone, self.weights)
        self._words_at = self.weights.add(network.embedding.weight)
        self.weights.seal()
        self.tokens = (
            rounded(network.embedding.weight) if in_half else array_of(network.embedding.weight)
        )
        width = network.config.width
        self.came, self.sure = (
            np.stack([array_of(table.get_parameter("weight")) for table in tables])
            if len(tables)
            else np.zeros((0, 1, width), np.float32)
            for tables in (network.echo_embedding, network.sure_embedding)
        )
        self.scale = network.scale
        each = [self.came.shape[1] - 1, self.sure.shape[1] - 1] * len(self.came)
        self._most = np.array([len(self.tokens) - 1, *each])

    def begin(self, rows: int) -> Any:
        """The state of rows that have seen nothing."""
        return self.backbone.begin(rows)

    def play(
        self, told: NDArray[np.int64], rows: Rows, state: Any, echo: float = 1.0,
        headings: Flags = (),
    ) -> NDArray[np.float32]:  # fmt: skip
        """Features (n, width) of the next tokens of `rows`, changing `state`; `Network.play`."""
        of = np.asarray(rows, np.int64)
        x = np.empty((len(of), self.config.width), np.float32)
        if not len(of):
            return x
        told = np.ascontiguousarray(told if told.ndim == 2 else told[:, None], np.int64)
        self._check(told, of, state)
        order = None
        if (np.diff(of) < 0).any():
            order = np.argsort(of, kind="stable")
            of, told = of[order], np.ascontiguousarray(told[order])
        embed(told, self.tokens, self.came, self.sure, echo, self.scale, x)
        pinned = np.zeros(len(of), np.bool_)
        if len(headings):
            pinned[:] = headings
            pinned = pinned if order is None else pinned[order]
        self.backbone.play(x, of, pinned, self.weights, state)
        if order is not None:
            x[order] = x.copy()
        return x

    def _check(self, told: NDArray[np.int64], rows: NDArray[np.int64], state: Any) -> None:
        """Raise `IndexError` for what loops would look for beyond their arrays."""
        if rows.min() < 0 or rows.max() >= state.rows:
            raise IndexError(f"rows {rows.min()} to {rows.max()} of a state of {state.rows}")
        if told.shape[1] != len(self._most):
            raise IndexError(
                f"tokens are told in {told.shape[1]} columns, and this network has "
                f"{len(self._most)}"
            )
        if told.min() < 0 or (told > self._most).any():
            raise IndexError(
                f"tokens or their echoes of up to {told.max(0).tolist()}, and this network knows "
                f"those up to {self._most.tolist()}"
            )

    def log_shares(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """The logarithm of every token's probability (rows, vocabulary), by features."""
        features = np.ascontiguousarray(features, np.float32)
        found = np.empty((len(features), self.config.vocabulary), np.float32)
        weights, panels = self.weights, filled_up(self.config.vocabulary) // PANEL
        at = weights.address + self._words_at * (2 if weights.in_half else 4)
        shared(
            np.arange(len(features)),
            lambda part: say(features[part], at, weights.in_half, panels, found[part]),
        )
        return found
