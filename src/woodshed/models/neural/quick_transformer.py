"""The Transformer in one compiled function: places of rows come in, features come out.

What was seen lies as `tiles` reads it: keys in panels of places, values place after place. Where
the context is full, the newest place takes the room of the oldest that is not pinned. Knows
nothing of tokens; `quick` calls it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...music.compiled import kernel
from .config import LARGEST, header_told
from .quick_parts import LINES, add, all_normed, fed, multiplied, softened
from .quick_threads import shared
from .quick_weights import Weights, array_of
from .tiles import PANEL, filled_up, half_of, low_half_tile, low_tile, over, product
from .transformer import Transformer, speeds_of

BLOCK = 32
"""Places whose products are made together."""
FIRST_ROOM = 256
"""Places there is room for at first; there is twice as much when it is taken."""


@kernel
def hear(
    asked: Any, row: int, layer: int, place: int, pin: int, context: int, heads: int, kv_heads: int,
    width: int, cosine: Any, sine: Any, far_cosine: Any, far_sine: Any, keys: Any, values: Any,
    is_half: bool, told: Any, query: Any, found: Any, lines: Any, heard: Any,
) -> None:  # fmt: skip
    """Keep the key and the value of a place, and let its queries hear what was seen up to it."""
    half, wide, size = width // 2, values.shape[4], 2 if is_half else 4
    first = (row * keys.shape[1] + layer) * kv_heads
    keys_step, values_step = width * PANEL * keys.shape[3] * size, wide * values.shape[3] * size
    is_full = place >= context
    slot = pin + (place - pin) % (context - pin) if is_full else place
    seen = context if is_full else place + 1
    for group in range(kv_heads):
        into = keys[row, layer, group, slot // PANEL]
        line = values[row, layer, group, slot]
        k = asked[(heads + group) * width : (heads + group + 1) * width]
        v = asked[(heads + kv_heads + group) * width : (heads + kv_heads + group + 1) * width]
        for n in range(half):
            a, b = (
                k[n] * cosine[n] - k[half + n] * sine[n],
                k[half + n] * cosine[n] + k[n] * sine[n],
            )
            into[n, slot % PANEL] = half_of(a) if is_half else a
            into[half + n, slot % PANEL] = half_of(b) if is_half else b
        for n in range(width):
            line[n] = half_of(v[n]) if is_half else v[n]
    scale = np.float32(1 / math.sqrt(width))
    for head in range(heads):
        group = head // (heads // kv_heads)
        q = asked[head * width : (head + 1) * width]
        # What is pinned stands as far away as anything can, once it would be further.
        for far in range(2 if is_full and pin > 0 else 1):
            for n in range(half):
                c, s = (far_cosine[n], far_sine[n]) if far else (cosine[n], sine[n])
                query[n] = (q[n] * c - q[half + n] * s) * scale
                query[half + n] = (q[half + n] * c + q[n] * s) * scale
            count = pin if far else seen
            product(
                query.ctypes.data, 0, 1, keys.ctypes.data + (first + group) * keys_step,
                filled_up(count) // PANEL, width, is_half, told[far].ctypes.data, 0,
            )  # fmt: skip
            if far:
                told[0, :pin] = told[1, :pin]
        total, _ = softened(told[0], seen, lines)
        for column in range(0, wide, PANEL):
            at = values.ctypes.data + (first + group) * values_step + column * size
            into_found = found.ctypes.data + 4 * column
            if is_half:
                low_half_tile(told.ctypes.data, 0, at, wide, seen, into_found, 0)
            else:
                low_tile(told.ctypes.data, 0, at, wide, seen, into_found, 0)
        for n in range(width):
            heard[head * width + n] = over(found[n], total)


@kernel
def play_transformer(
    x: Any, rows: Any, places: Any, pins: Any, sizes: Any, base: int, offsets: Any, is_half: bool,
    norms: Any, speeds: Any, keys: Any, values: Any,
) -> None:  # fmt: skip
    """Make features of embeddings `x` (n, width), each the next place of a row."""
    layers, width, heads, kv_heads, feed, context = sizes
    head_width = width // heads
    half, size = head_width // 2, 2 if is_half else 4
    block = min(BLOCK, len(x))
    normal, heard = np.empty((block, width), np.float32), np.empty((block, width), np.float32)
    asked = np.empty((block, filled_up((heads + 2 * kv_heads) * head_width)), np.float32)
    more = np.empty((block, filled_up(width)), np.float32)
    told, query = np.empty((2, filled_up(context)), np.float32), np.empty(head_width, np.float32)
    found, lines = np.empty(values.shape[4], np.float32), np.empty(LINES, np.float32)
    cosine, sine = np.empty((block, half), np.float32), np.empty((block, half), np.float32)
    far_cosine, far_sine = np.empty(half, np.float32), np.empty(half, np.float32)
    for n in range(half):
        far_cosine[n] = math.cos((context - 1) * speeds[n])
        far_sine[n] = math.sin((context - 1) * speeds[n])
    for first in range(0, len(x), block):
        count = min(block, len(x) - first)
        here = x[first : first + count]
        for i in range(count):
            for n in range(half):
                angle = places[first + i] * speeds[n]
                cosine[i, n], sine[i, n] = math.cos(angle), math.sin(angle)
        for layer in range(layers):
            w_asked, w_heard = base + offsets[layer, 0] * size, base + offsets[layer, 1] * size
            w_in, w_out = base + offsets[layer, 2] * size, base + offsets[layer, 3] * size
            all_normed(here, norms[2 * layer], count, normal, lines)
            multiplied(normal, width, count, w_asked, is_half, asked)
            for i in range(count):
                hear(
                    asked[i], rows[first + i], layer, places[first + i], pins[first + i], context,
                    heads, kv_heads, head_width, cosine[i], sine[i], far_cosine, far_sine, keys,
                    values, is_half, told, query, found, lines, heard[i],
                )  # fmt: skip
            multiplied(heard, width, count, w_heard, is_half, more)
            add(here, more, count)
            fed(here, norms[2 * layer + 1], count, feed, w_in, w_out, is_half, normal, lines)
        all_normed(here, norms[2 * layers], count, normal, lines)
        here[:] = normal[:count]


@dataclass(slots=True)
class QuickTransformerState:
    """What each row has seen.

    `lengths`: how many places; `pinned`: how many of the first stay. `keys`
    (rows, layers, kv_heads, panels, head_width, PANEL), `values` (rows, layers, kv_heads, room,
    head_width filled up); where weights are halved, as bits of bfloat16.
    """

    lengths: NDArray[np.int64]
    pinned: NDArray[np.int64]
    keys: NDArray[Any]
    values: NDArray[Any]

    @property
    def rows(self) -> int:
        """How many rows there are."""
        return len(self.lengths)

    def taken(self, rows: NDArray[np.int64]) -> QuickTransformerState:
        """Copies of rows, any of them several times or never."""
        return QuickTransformerState(
            self.lengths[rows], self.pinned[rows], self.keys[rows], self.values[rows]
        )


class QuickTransformer:
    """A Transformer whose weights are packed."""

    def __init__(self, backbone: Transformer, weights: Weights) -> None:
        c = self.config = backbone.config
        self._kind = np.uint16 if weights.in_half else np.float32
        self.sizes = (c.layers, c.width, c.heads, c.kv_heads, c.feed_forward, c.context)
        self.speeds = speeds_of(c.head_width)
        self.offsets = np.array(
            [
                [
                    weights.add(linear.weight)
                    for linear in (
                        layer.attention_in, layer.attention_out, layer.feed_in, layer.feed_out
                    )
                ]
                for layer in backbone.each_layer()
            ]
        )  # fmt: skip
        norms = [
            n.weight for of in backbone.each_layer() for n in (of.attention_norm, of.feed_norm)
        ]
        self.norms = np.stack([array_of(n) for n in (*norms, backbone.norm.weight)])

    def begin(self, rows: int) -> QuickTransformerState:
        """The state of rows that have seen nothing."""
        none = np.zeros(rows, np.int64)
        keys, values = self._room(rows, min(FIRST_ROOM, self.config.context))
        return QuickTransformerState(none, none.copy(), keys, values)

    def _room(self, rows: int, room: int) -> tuple[NDArray[Any], NDArray[Any]]:
        c = self.config
        shape = (rows, c.layers, c.kv_heads)
        return (
            np.zeros((*shape, -(-room // PANEL), c.head_width, PANEL), self._kind),
            np.zeros((*shape, room, filled_up(c.head_width)), self._kind),
        )

    def make_room(self, state: QuickTransformerState, places: int) -> None:
        """Hold at least so many places, up to the context."""
        room, context = state.values.shape[3], self.config.context
        if room < min(places, context):
            keys, values = self._room(len(state.lengths), min(max(places, 2 * room), context))
            keys[:, :, :, : state.keys.shape[3]] = state.keys
            values[:, :, :, :room] = state.values
            state.keys, state.values = keys, values

    def arrive(
        self, rows: NDArray[np.int64], headings: NDArray[np.bool_], state: QuickTransformerState
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The places that the next tokens of rows take, and how many are pinned then."""
        places, pins = np.empty_like(rows), np.empty_like(rows)
        most = header_told(LARGEST, self.config.context)
        for n, row in enumerate(rows.tolist()):
            if headings[n] and state.pinned[row] == state.lengths[row] < most:
                state.pinned[row] += 1
            places[n], pins[n] = state.lengths[row], state.pinned[row]
            state.lengths[row] += 1
        self.make_room(state, int(places.max()) + 1)
        return places, pins

    def play(
        self, x: NDArray[np.float32], rows: NDArray[np.int64], headings: NDArray[np.bool_],
        weights: Weights, state: QuickTransformerState,
    ) -> None:  # fmt: skip
        """Make features of what came, in place; `rows` rise."""
        places, pins = self.arrive(rows, headings, state)
        shared(
            rows,
            lambda part: play_transformer(
                x[part], rows[part], places[part], pins[part], self.sizes, weights.address,
                self.offsets, weights.in_half, self.norms, self.speeds, state.keys, state.values,
            ),
        )  # fmt: skip
