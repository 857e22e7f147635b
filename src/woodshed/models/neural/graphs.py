"""A network on a GPU whose step is captured once and replayed: the device is told what to do in one
call instead of hundreds.

Everything a step reads and writes lies where it lay when it was captured: tokens, places, masks,
and what is kept, for `ROWS` rows at a time, whether they are taken or not. So a row is computed by
the same kernels in any company. Where nothing can be captured, the same step runs as it is, which
is how it is tested. Knows nothing of what tokens mean.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from .config import LARGEST, header_told
from .network import Network
from .players import Features, Flags, Reference, Rows
from .recurrent import Recurrent, RecurrentLayer
from .transformer import Transformer, turns_of

ROWS = 32
"""Rows of a captured step."""
WARM_UPS = 2
"""Steps before one is captured, so that libraries have settled."""


@dataclass(slots=True)
class Block:
    """Up to `ROWS` rows: what steps read, what they keep, and the captured step.

    `lengths` and `pinned` count places as in `TransformerState`.
    """

    lengths: NDArray[np.int64]
    pinned: NDArray[np.int64]
    inputs: dict[str, Tensor]
    kept: tuple[Tensor, ...]
    replay: Callable[[], Tensor] | None = None
    echo: float = 1.0


@dataclass(slots=True, weakref_slot=True)
class GraphState:
    """Rows that are played, in blocks, the last of them filled up; or rows that wait.

    Rows that wait, as forks do, are kept as `waits`: lengths, pinned, and what is kept (layers,
    rows, …) of as many places as they have. They take blocks when they are played.
    """

    player: Graphs
    rows: int
    blocks: list[Block] = field(default_factory=list)
    waits: tuple[NDArray[np.int64], NDArray[np.int64], tuple[Tensor, ...]] | None = None

    def taken(self, rows: Rows) -> GraphState:
        """Copies of rows, any of them several times or never."""
        index = np.asarray(rows, np.int64)
        if self.waits is not None:
            lengths, pinned, kept = self.waits
            here = torch.from_numpy(index).to(self.player.device)
            waits = lengths[index], pinned[index], tuple(each[:, here] for each in kept)
            return GraphState(self.player, len(index), waits=waits)
        of = [(self.blocks[row // ROWS], row % ROWS) for row in index.tolist()]
        lengths = np.array([block.lengths[row] for block, row in of], np.int64)
        pinned = np.array([block.pinned[row] for block, row in of], np.int64)
        longest = min(int(lengths.max(initial=0)), self.player.context)
        kept = (
            tuple(
                torch.stack(
                    [self.player.shown(block.kept[n], longest)[:, row] for block, row in of], 1
                )
                for n in range(self.player.parts)
            )
            if of
            else ()
        )
        return GraphState(self.player, len(index), waits=(lengths, pinned, kept))


class Graphs(Reference):
    """Plays a network by captured steps."""

    def __init__(self, network: Network) -> None:
        super().__init__(network)
        self.device = network.embedding.weight.device
        self.context = network.config.context
        self.parts = 2
        self._free: list[Block] = []
        self._lock = threading.RLock()

    def begin(self, rows: int) -> GraphState:
        """The state of rows that have seen nothing."""
        return self._with_blocks(GraphState(self, rows))

    def shown(self, kept: Tensor, places: int) -> Tensor:
        """What is kept, of the first places alone where there are places."""
        is_of_places = isinstance(self.network.backbone, Transformer)
        return kept[:, :, :, :places] if is_of_places else kept

    def _with_blocks(self, state: GraphState) -> GraphState:
        """The state with blocks to be played in; they come back when the state goes."""
        with self._lock:
            state.blocks = [
                self._free.pop() if self._free else self._block()
                for _ in range(-(-state.rows // ROWS))
            ]
        weakref.finalize(state, self._free.extend, list(state.blocks))
        for number, block in enumerate(state.blocks):
            own = slice(number * ROWS, min((number + 1) * ROWS, state.rows))
            count = own.stop - own.start
            block.lengths[:] = block.pinned[:] = 0
            for each in block.kept:
                each.zero_()
            if state.waits is not None:
                lengths, pinned, kept = state.waits
                block.lengths[:count], block.pinned[:count] = lengths[own], pinned[own]
                for into, value in zip(block.kept, kept, strict=True):
                    places = value.shape[3] if value.dim() > 3 else 0
                    self.shown(into, places)[:, :count] = value[:, own]
        state.waits = None
        return state

    @torch.inference_mode()
    def play(
        self, told: NDArray[np.int64], rows: Rows, state: GraphState, echo: float = 1.0,
        headings: Flags = (),
    ) -> Features:  # fmt: skip
        """Features (n, width) of the next tokens of `rows`, changing `state`; `Network.play`."""
        found = np.empty((len(rows), self.network.config.width), np.float32)
        if state.waits is not None:
            self._with_blocks(state)
        told = told if told.ndim == 2 else told[:, None]
        for block, places in _waves([int(row) for row in rows]):
            some = [int(rows[place]) % ROWS for place in places]
            flags = [bool(len(headings)) and bool(headings[place]) for place in places]
            features = self._step(state.blocks[block], told[places], some, flags, echo)
            found[places] = features[some].float().cpu().numpy()
        return found

    def _block(self) -> Block:
        c, device = self.network.config, self.device
        inputs = {"told": torch.zeros(ROWS, 1 + 2 * c.echoes, dtype=torch.int64, device=device)}
        backbone = self.network.backbone
        kept: tuple[Tensor, ...]
        if isinstance(backbone, Transformer):
            # One place more than there is: what rows that wait keep is written there.
            shape = (c.layers, ROWS, c.kv_heads, c.context + 1, c.head_width)
            kept = torch.zeros(shape, device=device), torch.zeros(shape, device=device)
            turns = torch.zeros(ROWS, 1, c.head_width // 2, device=device)
            mask = torch.zeros(ROWS, 1, c.context + 1, dtype=torch.bool, device=device)
            slot = torch.full((ROWS,), c.context, device=device)
            inputs |= {"cosine": turns, "sine": turns.clone(), "slot": slot}
            inputs |= {"hidden": mask, "pinned": mask.clone()}
        else:
            assert isinstance(backbone, Recurrent)
            kept = backbone.begin(ROWS).kept
            inputs["goes"] = torch.zeros(ROWS, dtype=torch.bool, device=device)
        none = np.zeros(ROWS, np.int64)
        return Block(none, none.copy(), inputs, kept)

    def _step(
        self, block: Block, told: NDArray[np.int64], rows: list[int], flags: list[bool], echo: float
    ) -> Tensor:
        """Features of all rows of a block, of which these take a token each."""
        heard = np.zeros((ROWS, told.shape[1]), np.int64)
        heard[rows] = told
        self._fill(block, "told", heard)
        if "goes" in block.inputs:
            self._fill(block, "goes", np.isin(np.arange(ROWS), rows))
        else:
            self._tell_places(block, rows, flags)
        if block.replay is None or block.echo != echo:
            block.echo = echo
            block.replay = self._captured(block)
        return block.replay()

    def _tell_places(self, block: Block, rows: list[int], flags: list[bool]) -> None:
        context = self.context
        most = header_told(LARGEST, context)
        for row, flag in zip(rows, flags, strict=True):
            if flag and block.pinned[row] == block.lengths[row] < most:
                block.pinned[row] += 1
        places, pins = block.lengths, block.pinned
        slots = np.where(places < context, places, pins + (places - pins) % (context - pins))
        goes = np.isin(np.arange(ROWS), rows)
        among = np.arange(context + 1)
        is_full = (places >= context)[:, None]
        self._fill(block, "slot", np.where(goes, slots, context))
        self._fill(block, "hidden", (among > places[:, None])[:, None] | (among == context))
        self._fill(block, "pinned", (is_full & (among < pins[:, None]))[:, None])
        cosine, sine = turns_of(torch.from_numpy(places), self.network.config.head_width)
        self._fill(block, "cosine", cosine[:, None].numpy())
        self._fill(block, "sine", sine[:, None].numpy())
        block.lengths[rows] += 1

    def _fill(self, block: Block, name: str, values: NDArray[Any]) -> None:
        block.inputs[name].copy_(torch.from_numpy(np.ascontiguousarray(values)))

    def _captured(self, block: Block) -> Callable[[], Tensor]:
        """A step of a block, captured where that can be."""
        if self.device.type != "cuda":
            return lambda: self._computed(block)
        with self._lock:
            return self._graph(block)

    def _graph(self, block: Block) -> Callable[[], Tensor]:
        # Steps before the one that counts must leave nothing behind.
        before = [each.clone() for each in block.kept]
        side = torch.cuda.Stream(self.device)  # type: ignore[no-untyped-call]
        side.wait_stream(torch.cuda.current_stream(self.device))
        with torch.cuda.stream(side):
            for _ in range(WARM_UPS):
                self._computed(block)
        torch.cuda.current_stream(self.device).wait_stream(side)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, capture_error_mode="thread_local"):
            found = self._computed(block)
        for into, value in zip(block.kept, before, strict=True):
            into.copy_(value)

        def replay() -> Tensor:
            graph.replay()
            return found

        return replay

    def _computed(self, block: Block) -> Tensor:
        """Features of the next place of every row of a block, changing what is kept."""
        told = block.inputs["told"]
        x = self.network.embedded(told if self.network.config.echoes else told[:, 0], block.echo)
        backbone = self.network.backbone
        if isinstance(backbone, Transformer):
            return self._attended(backbone, x, block)
        assert isinstance(backbone, Recurrent)
        goes = block.inputs["goes"]
        for number, layer in enumerate(backbone.layers):
            assert isinstance(layer, RecurrentLayer)
            made, kept = layer.once(x, tuple(each[number] for each in block.kept))
            x = layer.after(x, made)
            for into, value in zip(block.kept, kept, strict=True):
                shape = (ROWS, *[1] * (value.dim() - 1))
                into[number].copy_(torch.where(goes.view(shape), value, into[number]))
        return backbone.norm(x)  # type: ignore[no-any-return]

    def _attended(self, backbone: Transformer, x: Tensor, block: Block) -> Tensor:
        c, told = self.network.config, block.inputs
        far = backbone.cosine[-1:, None], backbone.sine[-1:, None]
        every = torch.arange(ROWS, device=self.device)
        for number, layer in enumerate(backbone.each_layer()):
            keys, values = (each[number] for each in block.kept)
            found = layer.asked(x)
            q, k, v = layer.attend_to(found, told["cosine"], told["sine"])
            keys[every, :, told["slot"]] = k
            values[every, :, told["slot"]] = v
            said = [
                torch.einsum(
                    "rgqw,rgtw->rgqt",
                    (one * c.head_width**-0.5).view(ROWS, c.kv_heads, -1, c.head_width),
                    keys,
                ).reshape(ROWS, c.heads, -1)
                for one in (q, layer.attend_to(found, *far)[0])
            ]
            share = torch.where(told["pinned"], said[1], said[0])
            share = share.masked_fill(told["hidden"], -torch.inf).softmax(-1)
            heard = torch.einsum(
                "rgqt,rgtw->rgqw", share.view(ROWS, c.kv_heads, -1, share.shape[-1]), values
            )
            x = layer.after(x, heard.reshape(ROWS, -1))
        return backbone.norm(x)  # type: ignore[no-any-return]


def _waves(rows: list[int]) -> Iterator[tuple[int, list[int]]]:
    """Which tokens take a step together: of one block, no two of the same row, in their order."""
    came: dict[int, int] = {}
    waves: dict[tuple[int, int], list[int]] = {}
    for place, row in enumerate(rows):
        wave = came[row] = came.get(row, -1) + 1
        waves.setdefault((wave, row // ROWS), []).append(place)
    for wave, block in sorted(waves):
        yield block, waves[wave, block]
