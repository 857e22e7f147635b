"""The Transformer backbone: rotary positions, root-mean-square norms, gated feed-forward layers,
attention whose heads share keys.

Two forms compute the same: whole sequences at once, to train, and token after token with what was
seen kept, to play. Knows vectors only, nothing of tokens.

The second form gives a row the same numbers to the bit whatever stands beside it and however its
tokens are handed over: it always computes `BESIDE` places at once, each of them some row's next,
and attends over lengths that depend on the place alone. When the context is full, the newest place
takes the room of the oldest that is not pinned. What is pinned is heard as from the farthest place
of the context, which is where training showed it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from .config import LARGEST, NetworkConfig, header_told
from .operations import added, attention, gated, normed, turned

BASE = 10_000.0
"""How slowly the slowest pair of numbers turns, against the fastest."""

BESIDE = 16
"""Places that are computed side by side when playing."""

STRETCH = 64
"""Lengths to attend over are multiples of it."""


class Transformer(nn.Module):
    """Layers of attention and feed-forward networks, each added to what comes in."""

    cosine: Tensor
    sine: Tensor

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.config = config
        self.layers = nn.ModuleList(Layer(config) for _ in range(config.layers))
        self.norm = Norm(config.width)
        cosine, sine = turns_of(torch.arange(config.context), config.head_width)
        self.register_buffer("cosine", cosine, persistent=False)
        self.register_buffer("sine", sine, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """Features of each place of whole sequences (rows, places, width)."""
        turns = self.cosine[: x.shape[1], None], self.sine[: x.shape[1], None]
        for layer in self.layers:
            x = layer(x, *turns)
        return self.norm(x)  # type: ignore[no-any-return]

    def begin(self, rows: int, device: torch.device | str | None = None) -> TransformerState:
        """The state of rows that have seen nothing."""
        c = self.config
        place = self.cosine.device if device is None else torch.device(device)
        kept = (c.layers, rows, c.kv_heads, min(STRETCH, c.context), c.head_width)
        return TransformerState(
            [0] * rows, [0] * rows, torch.zeros(kept, device=place), torch.zeros(kept, device=place)
        )

    def play(
        self, x: Tensor, rows: list[int], state: TransformerState, headings: Sequence[bool] = ()
    ) -> Tensor:
        """Features of the next places (n, width) of `rows`, changing `state`.

        A row may come several times, for as many places in their order. `headings` says which of
        them are heard as long as the row goes on, if they come first.
        """
        found = torch.empty_like(x)
        context = self.config.context
        first = 0
        while first < len(rows):
            some: list[int] = []
            places: list[int] = []
            for at, row in enumerate(rows[first : first + BESIDE], first):
                if state.lengths[row] >= context and row in some:
                    break  # it takes the room of a place that the one before still hears
                if headings and headings[at]:
                    state.pin(row, header_told(LARGEST, context))
                some.append(row)
                places.append(state.lengths[row])
                state.lengths[row] += 1
            found[first : first + len(some)] = self._beside(
                x[first : first + len(some)], some, places, state
            )
            first += len(some)
        return found

    def each_layer(self) -> Iterator[Layer]:
        """The layers from the first to the last."""
        for layer in self.layers:
            assert isinstance(layer, Layer)
            yield layer

    def _beside(
        self, x: Tensor, rows: list[int], places: list[int], state: TransformerState
    ) -> Tensor:
        """Features of up to `BESIDE` places, each of a row and at a place of its context."""
        count, device, context = len(rows), x.device, self.config.context
        pins = [state.pinned[row] for row in rows]
        groups = _groups(rows, places, pins, context, device)
        state.make_room(max(group.length for group in groups), context)
        row_of = torch.tensor(rows, device=device)
        slots = [
            place if place < context else pin + (place - pin) % (context - pin)
            for place, pin in zip(places, pins, strict=True)
        ]
        slot_of = torch.tensor(slots, device=device)
        x = functional.pad(x, (0, 0, 0, BESIDE - count))
        turns = torch.tensor(places + [0] * (BESIDE - count))
        cosine, sine = (a.to(device) for a in turns_of(turns, self.config.head_width))
        far = None
        if any(group.pinned is not None for group in groups):
            far = self.cosine[-1:, None].to(device), self.sine[-1:, None].to(device)
        for layer, keys, values in zip(self.each_layer(), state.keys, state.values, strict=True):
            found = layer.asked(x)
            q, k, v = layer.attend_to(found, cosine[:, None], sine[:, None])
            keys[row_of, :, slot_of] = k[:count]
            values[row_of, :, slot_of] = v[:count]
            q_far = None if far is None else layer.attend_to(found, *far)[0]
            heard = torch.zeros_like(q)
            for group in groups:
                heard[group.which] = group.attended(q, q_far, keys, values)
            x = layer.after(x, heard.reshape(BESIDE, -1))
        return self.norm(x)[:count]  # type: ignore[no-any-return]


def speeds_of(head_width: int) -> NDArray[np.float64]:
    """How far each pair of a head's numbers turns from one place to the next."""
    half = head_width // 2
    return BASE ** -(np.arange(half) / half)


def turns_of(places: Tensor, head_width: int) -> tuple[Tensor, Tensor]:
    """Cosines and sines (places, head_width / 2) of how far places are turned."""
    angles = torch.outer(places.double(), torch.from_numpy(speeds_of(head_width)))
    return angles.cos().float(), angles.sin().float()


@dataclass(slots=True)
class TransformerState:
    """What each row has seen.

    `lengths`: how many places. `pinned`: how many of the first are heard as long as the row goes
    on. `keys`, `values` (layers, rows, kv_heads, room, head_width): what attention needs of them.
    """

    lengths: list[int]
    pinned: list[int]
    keys: Tensor
    values: Tensor

    def pin(self, row: int, most: int) -> None:
        """Keep the next place of a row for good, if all before are kept and there is room."""
        if self.pinned[row] == self.lengths[row] < most:
            self.pinned[row] += 1

    def make_room(self, places: int, context: int) -> None:
        """Hold at least so many places, up to the context."""
        room = self.keys.shape[3]
        if places > room:
            more = min(max(places, 2 * room), context) - room
            self.keys, self.values = (
                functional.pad(kept, (0, 0, 0, more)) for kept in (self.keys, self.values)
            )

    def taken(self, rows: Sequence[int] | NDArray[np.int64]) -> TransformerState:
        """Copies of rows, any of them several times or never."""
        index = torch.as_tensor(rows, dtype=torch.int64, device=self.keys.device)
        return TransformerState(
            [self.lengths[int(row)] for row in rows],
            [self.pinned[int(row)] for row in rows],
            self.keys[:, index],
            self.values[:, index],
        )


@dataclass(frozen=True, slots=True)
class _Group:
    """Places that attend over the same length.

    `hidden` (places, 1, length): what comes later. `pinned` (places, 1, length): what is heard as
    from the farthest place, None where nothing is.
    """

    which: slice | Tensor
    rows: slice | Tensor
    length: int
    hidden: Tensor
    pinned: Tensor | None

    def attended(self, q: Tensor, q_far: Tensor | None, keys: Tensor, values: Tensor) -> Tensor:
        """What queries (all places, heads, head_width) of these places hear.

        In plain products: the fused kernel answers otherwise in other company where several threads
        share the work, and takes longer for single queries.
        """
        k, v = self._of(keys), self._of(values)
        told = self._told(q[self.which], k)
        if self.pinned is not None and q_far is not None:
            told = torch.where(self.pinned, self._told(q_far[self.which], k), told)
        told = told.masked_fill(self.hidden, -math.inf).softmax(-1)
        heard = torch.bmm(told.view(len(k), -1, self.length), v)
        return heard.view(len(told), told.shape[1], -1)

    def _told(self, q: Tensor, k: Tensor) -> Tensor:
        count, heads, width = q.shape
        q = (q * width**-0.5).reshape(len(k), -1, width)
        return torch.bmm(q, k.transpose(1, 2)).view(count, heads, -1)

    def _of(self, kept: Tensor) -> Tensor:
        """What the places attend over (places x kv_heads, length, head_width)."""
        found = kept[self.rows, :, : self.length]
        return found.expand(len(self.hidden), -1, -1, -1).flatten(0, 1)


def _groups(
    rows: list[int], places: list[int], pins: list[int], context: int, device: torch.device
) -> list[_Group]:
    lengths = [min(-(-(place + 1) // STRETCH) * STRETCH, context) for place in places]
    # A row that hears what is pinned from afar does so by itself.
    kinds = [(of, pin if place >= context else 0) for of, place, pin in zip(
        lengths, places, pins, strict=True)]  # fmt: skip
    groups = []
    for length, pin in sorted(set(kinds)):
        chosen = [n for n, of in enumerate(kinds) if of == (length, pin)]
        own = [rows[n] for n in chosen]
        last = torch.tensor([places[n] for n in chosen], device=device)
        among = torch.arange(length, device=device)
        hidden = among > last[:, None]
        pinned = (among < pin).expand(len(chosen), -1)[:, None] if pin else None
        # A slice is seen where it lies; a list of rows is copied.
        together = own == list(range(own[0], own[0] + len(own)))
        alike = len(set(own)) == 1
        groups.append(
            _Group(
                slice(chosen[0], chosen[-1] + 1)
                if chosen[-1] + 1 - chosen[0] == len(chosen)
                else torch.tensor(chosen, device=device),
                slice(own[0], own[-1] + 1)
                if together or alike
                else torch.tensor(own, device=device),
                length,
                hidden[:, None],
                pinned,
            )
        )
    return groups


class Layer(nn.Module):
    """Attention, then a gated feed-forward network."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.heads, self.kv_heads = config.heads, config.kv_heads
        self.head_width, self.dropout = config.head_width, config.dropout
        width, all_heads = config.width, config.heads + 2 * config.kv_heads
        self.attention_norm = Norm(width)
        self.attention_in = nn.Linear(width, all_heads * config.head_width, bias=False)
        self.attention_out = nn.Linear(width, width, bias=False)
        self.feed_norm = Norm(width)
        self.feed_in = nn.Linear(width, 2 * config.feed_forward, bias=False)
        self.feed_out = nn.Linear(config.feed_forward, width, bias=False)
        deep = 1 / math.sqrt(2 * config.layers)
        for linear, scale in (
            (self.attention_in, 1.0),
            (self.attention_out, deep),
            (self.feed_in, 1.0),
            (self.feed_out, deep),
        ):
            nn.init.normal_(linear.weight, std=scale / math.sqrt(linear.in_features))

    def forward(self, x: Tensor, cosine: Tensor, sine: Tensor) -> Tensor:
        """The sequences after this layer (rows, places, width)."""
        found = self.asked(x)
        return self.after(x, attention(found, cosine, sine, self.heads, self.kv_heads))

    def attend_to(
        self, found: Tensor, cosine: Tensor, sine: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Queries, keys and values (…, heads, head_width), the first two turned by their places."""
        turning = self.heads + self.kv_heads
        both = turned(found[..., :turning, :], cosine, sine)
        return both[..., : self.heads, :], both[..., self.heads :, :], found[..., turning:, :]

    def after(self, x: Tensor, heard: Tensor) -> Tensor:
        """What came in, with what was heard and what was made of it."""
        dropout = self.dropout if self.training else 0.0
        x = added(x, self.attention_out(heard), dropout)
        made = gated(self.feed_in(self.feed_norm(x)))
        return added(x, self.feed_out(made), dropout)

    def asked(self, x: Tensor) -> Tensor:
        """Queries, keys and values, not yet turned (…, heads + 2 kv_heads, head_width)."""
        found: Tensor = self.attention_in(self.attention_norm(x))
        return found.view(*found.shape[:-1], -1, self.head_width)


class Norm(nn.Module):
    """Numbers brought to one size by their root mean square, each with a weight of its own."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))

    def forward(self, x: Tensor) -> Tensor:
        """The vectors (…, width) at one size."""
        return normed(x, self.weight)
