"""The Transformer backbone: rotary positions, root-mean-square norms, gated feed-forward layers,
attention whose heads share keys.

Two forms compute the same: whole sequences at once, to train, and token after token with what was
seen kept, to play. Knows vectors only, nothing of tokens.

The second form gives a row the same numbers to the bit whatever stands beside it and however its
tokens are handed over: it always computes `BESIDE` places at once, each of them some row's next,
and attends over lengths that depend on the place alone. When the context is full, it goes on from
its second half as if that were all there had been, which is what training showed it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from .config import NetworkConfig
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
        half = config.head_width // 2
        speeds = BASE ** -(torch.arange(half, dtype=torch.float64) / half)
        angles = torch.outer(torch.arange(config.context, dtype=torch.float64), speeds)
        self.register_buffer("cosine", angles.cos().float(), persistent=False)
        self.register_buffer("sine", angles.sin().float(), persistent=False)

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
        room = min(STRETCH, c.context)
        kept = (c.layers, rows, c.kv_heads, room, c.head_width)
        return TransformerState(
            [0] * rows,
            torch.zeros(rows, room, c.width, device=place),
            torch.zeros(kept, device=place),
            torch.zeros(kept, device=place),
        )

    def step(self, x: Tensor, state: TransformerState) -> tuple[Tensor, TransformerState]:
        """Features of what comes next in every row (rows, places, width), and the state after it.

        `state` is changed; the one that comes back is the one to go on with.
        """
        rows, places = x.shape[:2]
        found = torch.empty_like(x)
        for place in range(places):
            found[:, place] = self.play(x[:, place], list(range(rows)), state)
        return found, state

    def play(self, x: Tensor, rows: list[int], state: TransformerState) -> Tensor:
        """Features of the next places (n, width) of `rows`, changing `state`.

        A row may come several times, for as many places in their order.
        """
        found = torch.empty_like(x)
        first = 0
        while first < len(rows):
            some: list[int] = []
            places: list[int] = []
            for row in rows[first : first + BESIDE]:
                if state.lengths[row] == self.config.context:
                    if row in some:  # it goes on from what is still to be computed
                        break
                    self._move_on(row, state)
                some.append(row)
                places.append(state.lengths[row])
                state.lengths[row] += 1
            found[first : first + len(some)] = self._beside(
                x[first : first + len(some)], some, places, state
            )
            first += len(some)
        return found

    def _move_on(self, row: int, state: TransformerState) -> None:
        """Let a row whose context is full go on from its second half."""
        kept = state.seen[row, -(self.config.context // 2) :].clone()
        state.lengths[row] = 0
        self.play(kept, [row] * len(kept), state)

    def _beside(
        self, x: Tensor, rows: list[int], places: list[int], state: TransformerState
    ) -> Tensor:
        """Features of up to `BESIDE` places, each of a row and at a place of its context."""
        count, device = len(rows), x.device
        groups = _groups(rows, places, self.config.context, device)
        state.make_room(max(group.length for group in groups), self.config.context)
        row_of = torch.tensor(rows, device=device)
        place_of = torch.tensor(places, device=device)
        state.seen[row_of, place_of] = x
        x = functional.pad(x, (0, 0, 0, BESIDE - count))
        turns = functional.pad(place_of, (0, BESIDE - count))
        cosine, sine = self.cosine[turns][:, None], self.sine[turns][:, None]
        for layer, keys, values in zip(self.layers, state.keys, state.values, strict=True):
            assert isinstance(layer, Layer)
            q, k, v = layer.attend_to(x, cosine, sine)
            keys[row_of, :, place_of] = k[:count]
            values[row_of, :, place_of] = v[:count]
            heard = torch.zeros_like(q)
            for group in groups:
                heard[group.which] = group.attended(q[group.which], keys, values)
            x = layer.after(x, heard.reshape(BESIDE, -1))
        return self.norm(x)[:count]  # type: ignore[no-any-return]


@dataclass(slots=True)
class TransformerState:
    """What each row has seen.

    `lengths`: places taken of the context. `seen` (rows, room, width): what came in there.
    `keys`, `values` (layers, rows, kv_heads, room, head_width): what attention needs of it.
    """

    lengths: list[int]
    seen: Tensor
    keys: Tensor
    values: Tensor

    def make_room(self, places: int, context: int) -> None:
        """Hold at least so many places, up to the context."""
        room = self.seen.shape[1]
        if places > room:
            more = min(max(places, 2 * room), context) - room
            self.seen, self.keys, self.values = (
                functional.pad(kept, (0, 0, 0, more))
                for kept in (self.seen, self.keys, self.values)
            )

    def taken(self, rows: list[int]) -> TransformerState:
        """Copies of rows, any of them several times or never."""
        index = torch.tensor(rows, dtype=torch.int64, device=self.seen.device)
        return TransformerState(
            [self.lengths[row] for row in rows],
            self.seen[index],
            self.keys[:, index],
            self.values[:, index],
        )


@dataclass(frozen=True, slots=True)
class _Group:
    """Places that attend over the same length. `hidden` (places, 1, length): what comes later."""

    which: slice | Tensor
    rows: slice | Tensor
    length: int
    hidden: Tensor

    def attended(self, q: Tensor, keys: Tensor, values: Tensor) -> Tensor:
        """What queries (places, heads, head_width) hear.

        In plain products: the fused kernel answers otherwise in other company where several threads
        share the work, and takes longer for single queries.
        """
        count, heads, width = q.shape
        k, v = self._of(keys), self._of(values)
        q = (q * width**-0.5).reshape(len(k), -1, width)
        told = torch.bmm(q, k.transpose(1, 2)).view(count, heads, -1)
        told = told.masked_fill(self.hidden, -math.inf).softmax(-1)
        return torch.bmm(told.view(len(k), -1, self.length), v).view(count, heads, width)

    def _of(self, kept: Tensor) -> Tensor:
        """What the places attend over (places x kv_heads, length, head_width)."""
        found = kept[self.rows, :, : self.length]
        return found.expand(len(self.hidden), -1, -1, -1).flatten(0, 1)


def _groups(rows: list[int], places: list[int], context: int, device: torch.device) -> list[_Group]:
    lengths = [min(-(-(place + 1) // STRETCH) * STRETCH, context) for place in places]
    groups = []
    for length in sorted(set(lengths)):
        chosen = [n for n, of in enumerate(lengths) if of == length]
        own = [rows[n] for n in chosen]
        last = torch.tensor([places[n] for n in chosen], device=device)
        hidden = torch.arange(length, device=device) > last[:, None]
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
        found = self._asked(x)
        return self.after(x, attention(found, cosine, sine, self.heads, self.kv_heads))

    def attend_to(self, x: Tensor, cosine: Tensor, sine: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Queries, keys and values (…, heads, head_width), turned by their places."""
        found = self._asked(x)
        turning = self.heads + self.kv_heads
        both = turned(found[..., :turning, :], cosine, sine)
        return both[..., : self.heads, :], both[..., self.heads :, :], found[..., turning:, :]

    def after(self, x: Tensor, heard: Tensor) -> Tensor:
        """What came in, with what was heard and what was made of it."""
        dropout = self.dropout if self.training else 0.0
        x = added(x, self.attention_out(heard), dropout)
        made = gated(self.feed_in(self.feed_norm(x)))
        return added(x, self.feed_out(made), dropout)

    def _asked(self, x: Tensor) -> Tensor:
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
