"""Mamba and LSTM in compiled functions: places of rows come in, features come out.

What goes through a matrix is taken together for all places at hand, what is carried on place after
place. Knows nothing of tokens; `quick` calls it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...music.compiled import kernel
from .config import MAMBA_REACH
from .lstm import Lstm, LstmLayer
from .mamba import Mamba, MambaLayer
from .quick_parts import (
    LINES,
    add,
    all_normed,
    exponential,
    fed,
    logistic,
    multiplied,
    normed,
)  # fmt: skip
from .quick_threads import shared
from .quick_weights import Weights, array_of
from .tiles import filled_up

BLOCK = 32
"""Places whose products are made together."""
_NONE, _ONE, _TWO = np.float32(0), np.float32(1), np.float32(2)
STRAIGHT = 20.0
"""From there on a softplus is a straight line."""


@kernel
def carry_cells(gates: Any, again: Any, bias: Any, held: Any, said: Any) -> None:
    """Cells of one row take in what their gates let through; see `LstmLayer`."""
    cells = len(held)
    takes, remembers = gates[:cells], gates[cells : 2 * cells]
    new, says = gates[2 * cells : 3 * cells], gates[3 * cells : 4 * cells]
    for n in range(4 * cells):
        gates[n] += again[n] + bias[n]
    for n in range(cells):
        fresh = _TWO * logistic(_TWO * new[n]) - _ONE
        held[n] = logistic(remembers[n]) * held[n] + logistic(takes[n]) * fresh
        said[n] = logistic(says[n]) * (_TWO * logistic(_TWO * held[n]) - _ONE)


@kernel
def play_lstm(
    x: Any, rows: Any, are_apart: bool, sizes: Any, base: int, offsets: Any, is_half: bool,
    norms: Any, biases: Any, said: Any, held: Any,
) -> None:  # fmt: skip
    """Make features of embeddings `x` (n, width), each the next place of a row.

    `are_apart` says that no row comes twice. `said` and `held` (rows, layers, cells) are carried.
    """
    layers, width, cells, feed = sizes
    size, block = 2 if is_half else 4, min(BLOCK, len(x))
    normal, lines = np.empty((block, width), np.float32), np.empty(LINES, np.float32)
    gates = np.empty((block, filled_up(4 * cells)), np.float32)
    again = np.empty((block, filled_up(4 * cells)), np.float32)
    before, let = np.empty((block, cells), np.float32), np.empty((block, cells), np.float32)
    more = np.empty((block, filled_up(width)), np.float32)
    for first in range(0, len(x), block):
        count = min(block, len(x) - first)
        here = x[first : first + count]
        for layer in range(layers):
            w_cells, w_again = base + offsets[layer, 0] * size, base + offsets[layer, 1] * size
            all_normed(here, norms[2 * layer], count, normal, lines)
            multiplied(normal, width, count, w_cells, is_half, gates)
            step = count if are_apart else 1
            for i in range(0, count, step):
                for k in range(step):
                    before[k] = said[rows[first + i + k], layer]
                multiplied(before, cells, step, w_again, is_half, again)
                for k in range(step):
                    row = rows[first + i + k]
                    carry_cells(
                        gates[i + k], again[k], biases[layer], held[row, layer], said[row, layer]
                    )
                    let[i + k] = said[row, layer]
            multiplied(let, cells, count, base + offsets[layer, 2] * size, is_half, more)
            add(here, more, count)
            if feed:
                fed(
                    here, norms[2 * layer + 1], count, feed, base + offsets[layer, 3] * size,
                    base + offsets[layer, 4] * size, is_half, normal, lines,
                )  # fmt: skip
        all_normed(here, norms[2 * layers], count, normal, lines)
        here[:] = normal[:count]


@kernel
def carry_states(
    asked: Any, numbers: Any, by_head: Any, past: Any, states: Any, mixed: Any, stay: Any,
    taken: Any, said: Any,
) -> None:  # fmt: skip
    """States of one row fade, take in and are asked; see `MambaLayer`.

    `asked` is what came out of the first matrix: gate, what is convolved, steps. `numbers` (reach +
    1, mixed) are what it is convolved with and the bias; `by_head` (3, heads) what steps begin at,
    how fast heads fade, and what goes past the states. `past` (reach - 1, mixed) came in before,
    `states` (state, inner) is carried. `said` (inner) comes out; the others are room to work in.
    """
    count, inner = states.shape
    heads, many, reach = by_head.shape[1], numbers.shape[1], numbers.shape[0] - 1
    width = inner // heads
    fresh = asked[inner : inner + many]
    bias, newest = numbers[reach], numbers[reach - 1]
    for n in range(many):
        mixed[n] = fresh[n] * newest[n] + bias[n]
    for back in range(reach - 1):
        line, weight = past[back], numbers[back]
        for n in range(many):
            mixed[n] += line[n] * weight[n]
    for n in range(many):
        mixed[n] *= logistic(mixed[n])
    for back in range(reach - 2):
        past[back] = past[back + 1]
    past[reach - 2] = fresh
    heard, told, wanted = mixed[:inner], mixed[inner : inner + count], mixed[inner + count :]
    for head in range(heads):
        step = float(asked[inner + many + head] + by_head[0, head])
        if step < STRAIGHT:
            step = math.log1p(math.exp(step))
        long = np.float32(step)
        stays = exponential(-long * by_head[1, head])
        for n in range(head * width, (head + 1) * width):
            stay[n], taken[n], said[n] = stays, heard[n] * long, _NONE
    for at in range(count):
        state, much, share = states[at], told[at], wanted[at]
        for n in range(inner):
            state[n] = state[n] * stay[n] + much * taken[n]
            said[n] += share * state[n]
    for head in range(heads):
        past_by = by_head[2, head]
        for n in range(head * width, (head + 1) * width):
            said[n] += heard[n] * past_by
    for n in range(inner):
        said[n] *= asked[n] * logistic(asked[n])


@kernel
def play_mamba(
    x: Any, rows: Any, sizes: Any, base: int, offsets: Any, is_half: bool, norms: Any,
    gate_norms: Any, numbers: Any, by_head: Any, past: Any, states: Any,
) -> None:  # fmt: skip
    """Make features of embeddings `x` (n, width), each the next place of a row.

    `past` (rows, layers, reach - 1, mixed) and `states` (rows, layers, state, inner) are carried.
    """
    layers, width, heads, feed = sizes
    inner, many = states.shape[3], numbers.shape[2]
    size, block = 2 if is_half else 4, min(BLOCK, len(x))
    normal, lines = np.empty((block, width), np.float32), np.empty(LINES, np.float32)
    asked = np.empty((block, filled_up(inner + many + heads)), np.float32)
    said, let = np.empty(inner, np.float32), np.empty((block, inner), np.float32)
    stay, taken = np.empty(inner, np.float32), np.empty(inner, np.float32)
    mixed, more = np.empty(many, np.float32), np.empty((block, filled_up(width)), np.float32)
    for first in range(0, len(x), block):
        count = min(block, len(x) - first)
        here = x[first : first + count]
        for layer in range(layers):
            all_normed(here, norms[2 * layer], count, normal, lines)
            multiplied(normal, width, count, base + offsets[layer, 0] * size, is_half, asked)
            for i in range(count):
                row = rows[first + i]
                carry_states(
                    asked[i], numbers[layer], by_head[layer], past[row, layer], states[row, layer],
                    mixed, stay, taken, said,
                )  # fmt: skip
                normed(said, gate_norms[layer], inner, let[i], lines)
            multiplied(let, inner, count, base + offsets[layer, 1] * size, is_half, more)
            add(here, more, count)
            if feed:
                fed(
                    here, norms[2 * layer + 1], count, feed, base + offsets[layer, 2] * size,
                    base + offsets[layer, 3] * size, is_half, normal, lines,
                )  # fmt: skip
        all_normed(here, norms[2 * layers], count, normal, lines)
        here[:] = normal[:count]


@dataclass(slots=True)
class QuickRecurrentState:
    """What each row carries: arrays (rows, layers, …)."""

    kept: tuple[NDArray[np.float32], ...]

    @property
    def rows(self) -> int:
        """How many rows there are."""
        return len(self.kept[0])

    def taken(self, rows: NDArray[np.int64]) -> QuickRecurrentState:
        """Copies of rows, any of them several times or never."""
        return QuickRecurrentState(tuple(each[rows] for each in self.kept))


class QuickRecurrent:
    """What both have in common: a state of arrays, and norms."""

    def __init__(self, backbone: Lstm | Mamba, shapes: Sequence[tuple[int, ...]]) -> None:
        self.config = backbone.config
        self._shapes = tuple(shapes)

    def begin(self, rows: int) -> QuickRecurrentState:
        """The state of rows that have seen nothing."""
        layers = self.config.layers
        return QuickRecurrentState(
            tuple(np.zeros((rows, layers, *shape), np.float32) for shape in self._shapes)
        )


class QuickLstm(QuickRecurrent):
    """An LSTM whose weights are packed."""

    def __init__(self, backbone: Lstm, weights: Weights) -> None:
        layers: list[LstmLayer] = list(backbone.layers)  # type: ignore[arg-type]
        super().__init__(backbone, layers[0].shapes())
        c = self.config
        self.sizes = (c.layers, c.width, c.state, c.feed_forward)
        self.offsets = np.array(
            [
                [
                    weights.add(linear.weight)
                    for linear in (layer.cell_in, layer.cell_again, layer.cell_out)
                ]
                + _feed(layer, weights)
                for layer in layers
            ]
        )
        self.norms = _norms([(layer.cell_norm, layer) for layer in layers], backbone)
        self.biases = np.stack([array_of(layer.cell_in.bias) for layer in layers])

    def play(
        self, x: NDArray[np.float32], rows: NDArray[np.int64], _headings: NDArray[np.bool_],
        weights: Weights, state: QuickRecurrentState,
    ) -> None:  # fmt: skip
        """Make features of what came, in place; `rows` rise."""
        are_apart = bool((np.diff(rows) > 0).all())
        shared(
            rows,
            lambda part: play_lstm(
                x[part], rows[part], are_apart, self.sizes, weights.address, self.offsets,
                weights.in_half, self.norms, self.biases, *state.kept,
            ),
        )  # fmt: skip


class QuickMamba(QuickRecurrent):
    """A Mamba whose weights are packed."""

    def __init__(self, backbone: Mamba, weights: Weights) -> None:
        layers: list[MambaLayer] = list(backbone.layers)  # type: ignore[arg-type]
        super().__init__(backbone, layers[0].shapes())
        c = self.config
        self.sizes = (c.layers, c.width, c.heads, c.feed_forward)
        self.offsets = np.array(
            [
                [weights.add(linear.weight) for linear in (layer.mix_in, layer.mix_out)]
                + _feed(layer, weights)
                for layer in layers
            ]
        )
        self.norms = _norms([(layer.mix_norm, layer) for layer in layers], backbone)
        self.gate_norms = np.stack([array_of(layer.gate_norm.weight) for layer in layers])
        self.numbers = np.stack(
            [np.vstack([array_of(layer.conv), array_of(layer.conv_bias)[None]]) for layer in layers]
        )
        assert self.numbers.shape[1] == MAMBA_REACH + 1
        self.by_head = np.stack(
            [
                np.stack(
                    [
                        array_of(layer.step_bias),
                        array_of(layer.rate_log.exp()),
                        array_of(layer.skip),
                    ]
                )
                for layer in layers
            ]
        )

    def play(
        self, x: NDArray[np.float32], rows: NDArray[np.int64], _headings: NDArray[np.bool_],
        weights: Weights, state: QuickRecurrentState,
    ) -> None:  # fmt: skip
        """Make features of what came, in place; `rows` rise."""
        shared(
            rows,
            lambda part: play_mamba(
                x[part], rows[part], self.sizes, weights.address, self.offsets, weights.in_half,
                self.norms, self.gate_norms, self.numbers, self.by_head, *state.kept,
            ),
        )  # fmt: skip


def _feed(layer: LstmLayer | MambaLayer, weights: Weights) -> list[int]:
    if not layer.has_feed:
        return []
    return [weights.add(layer.feed_in.weight), weights.add(layer.feed_out.weight)]


def _norms(layers: Sequence[Any], backbone: Lstm | Mamba) -> NDArray[np.float32]:
    """The norms before each layer and its feed-forward network, and the last."""
    found = []
    for norm, layer in layers:
        found += [norm, layer.feed_norm if layer.has_feed else norm]
    return np.stack([array_of(norm.weight) for norm in (*found, backbone.norm)])
