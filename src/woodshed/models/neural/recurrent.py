"""What recurrent backbones share: layers that carry a state on, and two forms of computing them.

Whole sequences at once, to train and to read a piece; token after token, to play. The second form
gives a row the same numbers to the bit whatever stands beside it and however its tokens are handed
over: it always computes `BESIDE` rows at once, and a row that comes several times in as many
passes. Knows vectors only, nothing of tokens, nor of what a layer does.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from .config import NetworkConfig
from .operations import added, gated
from .transformer import BESIDE, Norm

Kept = tuple[Tensor, ...]
"""What a layer carries on, a row of each tensor for each row."""


@dataclass(slots=True)
class RecurrentState:
    """What each row has come to: tensors (layers, rows, …)."""

    kept: Kept

    def taken(self, rows: Sequence[int] | NDArray[np.int64]) -> RecurrentState:
        """Copies of rows, any of them several times or never."""
        index = torch.as_tensor(rows, dtype=torch.int64, device=self.kept[0].device)
        return RecurrentState(tuple(each[:, index] for each in self.kept))


class RecurrentLayer(nn.Module):
    """Something that carries a state on, then a gated feed-forward network where there is one."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.dropout = config.dropout
        self.has_feed = bool(config.feed_forward)
        if self.has_feed:
            self.feed_norm = Norm(config.width)
            self.feed_in = nn.Linear(config.width, 2 * config.feed_forward, bias=False)
            self.feed_out = nn.Linear(config.feed_forward, config.width, bias=False)
            drawn(self.feed_in)
            drawn(self.feed_out, depth(config))

    def shapes(self) -> tuple[tuple[int, ...], ...]:
        """The shape of each tensor that is carried on, for one row."""
        raise NotImplementedError

    def whole(self, x: Tensor, kept: Kept | None) -> tuple[Tensor, Kept]:
        """What is made of sequences (rows, places, width), and what is carried on.

        `kept` is what was carried here; None at the beginning.
        """
        raise NotImplementedError

    def once(self, x: Tensor, kept: Kept) -> tuple[Tensor, Kept]:
        """What is made of one place of each row (rows, width), and what is carried on."""
        raise NotImplementedError

    def after(self, x: Tensor, made: Tensor) -> Tensor:
        """What came in, with what was made of it."""
        dropout = self.dropout if self.training else 0.0
        x = added(x, made, dropout)
        if not self.has_feed:
            return x
        return added(x, self.feed_out(gated(self.feed_in(self.feed_norm(x)))), dropout)


class Recurrent(nn.Module):
    """Layers, each added to what comes in."""

    def __init__(self, config: NetworkConfig, layers: Sequence[RecurrentLayer]) -> None:
        super().__init__()
        self.config = config
        self.layers = nn.ModuleList(layers)
        self.norm = Norm(config.width)

    def forward(self, x: Tensor) -> Tensor:
        """Features of each place of whole sequences (rows, places, width)."""
        for layer in self._layers():
            x = layer.after(x, layer.whole(x, None)[0])
        return self.norm(x)  # type: ignore[no-any-return]

    def begin(self, rows: int, device: torch.device | str | None = None) -> RecurrentState:
        """The state of rows that have seen nothing."""
        place = self.norm.weight.device if device is None else torch.device(device)
        count = self.config.layers
        shapes = self._layers()[0].shapes()
        return RecurrentState(
            tuple(torch.zeros(count, rows, *shape, device=place) for shape in shapes)
        )

    def follow(self, x: Tensor, state: RecurrentState) -> Tensor:
        """Features of the next places of every row (rows, places, width), changing `state`.

        As fast as whole sequences are computed, and equal to `play` up to rounding.
        """
        for number, layer in enumerate(self._layers()):
            made, kept = layer.whole(x, tuple(each[number] for each in state.kept))
            x = layer.after(x, made)
            for into, value in zip(state.kept, kept, strict=True):
                into[number] = value
        return self.norm(x)  # type: ignore[no-any-return]

    def play(
        self, x: Tensor, rows: list[int], state: RecurrentState,
        headings: Sequence[bool] = (),  # noqa: ARG002
    ) -> Tensor:  # fmt: skip
        """Features of the next places (n, width) of `rows`, changing `state`.

        A row may come several times, for as many places in their order. What has been heard is
        never dropped, so `headings` change nothing.
        """
        found = torch.empty_like(x)
        for places in _passes(rows):
            some = torch.tensor(places, device=x.device)
            found[some] = self._beside(x[some], [rows[place] for place in places], state)
        return found

    def _beside(self, x: Tensor, rows: list[int], state: RecurrentState) -> Tensor:
        """Features of the next place of up to `BESIDE` rows, each of them once."""
        count = len(rows)
        own = torch.tensor(rows, device=x.device)
        index = nn.functional.pad(own, (0, BESIDE - count), value=rows[0])
        x = nn.functional.pad(x, (0, 0, 0, BESIDE - count))
        for number, layer in enumerate(self._layers()):
            made, kept = layer.once(x, tuple(each[number, index] for each in state.kept))
            x = layer.after(x, made)
            for into, value in zip(state.kept, kept, strict=True):
                into[number, own] = value[:count]
        return self.norm(x)[:count]  # type: ignore[no-any-return]

    def _layers(self) -> list[RecurrentLayer]:
        return list(self.layers)  # type: ignore[arg-type]


def drawn(linear: nn.Linear, scale: float = 1.0) -> None:
    """Begin with weights by chance that keep numbers at their size, or bring them to `scale`."""
    nn.init.normal_(linear.weight, std=scale / math.sqrt(linear.in_features))


def depth(config: NetworkConfig) -> float:
    """How much of what each layer makes is added, so that many add up to no more than a few."""
    return 1 / math.sqrt((2 if config.feed_forward else 1) * config.layers)


def _passes(rows: list[int]) -> list[list[int]]:
    """Which places are computed together: at most `BESIDE`, no two of the same row."""
    waves: list[list[int]] = []
    came: dict[int, int] = {}
    for place, row in enumerate(rows):
        wave = came[row] = came.get(row, -1) + 1
        if wave == len(waves):
            waves.append([])
        waves[wave].append(place)
    return [wave[at : at + BESIDE] for wave in waves for at in range(0, len(wave), BESIDE)]
