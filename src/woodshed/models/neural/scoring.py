"""How likely a network finds whole pieces, token by token, with as much before each as it can hear.

A Transformer hears windows that overlap by half; what carries a state on hears every piece from its
beginning. Pieces are taken side by side, so many at a time that memory stays bounded. Knows nothing
of what tokens mean.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from ...tokens.language import TokenIds
from .config import header_told
from .echoes import Echoes
from .network import Network

WINDOWS = 8
"""Stretches of pieces that are scored side by side."""
STRETCH = 512
"""Places that are heard at once where a state is carried on."""


@torch.inference_mode()
def log_likelihood(
    network: Network, echoes: Echoes | None, pieces: Sequence[TokenIds],
    in_header: NDArray[np.bool_],
) -> list[NDArray[np.float64]]:  # fmt: skip
    """For each piece the logarithm of every token's probability after its first, without a mask.

    `in_header` says of each token whether it stands before the music and holds for all of it.
    """
    if network.config.is_recurrent:
        return _carried_on(network, echoes, pieces)
    return _in_windows(network, echoes, pieces, in_header)


def _carried_on(
    network: Network, echoes: Echoes | None, pieces: Sequence[TokenIds]
) -> list[NDArray[np.float64]]:
    found = [np.zeros(len(piece)) for piece in pieces]
    # Those of about a length side by side, so that few wait for others to end.
    order = sorted(range(len(pieces)), key=lambda number: -len(pieces[number]))
    for some in range(0, len(order), WINDOWS):
        batch = [number for number in order[some : some + WINDOWS] if len(pieces[number]) > 1]
        told = [_told(echoes, pieces[number]) for number in batch]
        state = network.begin(len(batch))
        first = 0
        while batch:
            longest = min(max(map(len, told)) - 1 - first, STRETCH)
            inputs = np.zeros((len(batch), longest, *told[0].shape[1:]), np.int64)
            targets = np.zeros((len(batch), longest), np.int64)
            for row, number in enumerate(batch):
                heard = told[row][first : min(first + longest, len(told[row]) - 1)]
                inputs[row, : len(heard)] = heard
                targets[row, : len(heard)] = pieces[number][first + 1 : first + 1 + len(heard)]
            of_each = _logs(network, network.follow(_tensor(network, inputs), state), targets)
            first += longest
            for row, number in enumerate(batch):
                into = found[number][first + 1 - longest : first + 1]
                into[:] = of_each[row, : len(into)]
            going = [row for row, number in enumerate(batch) if len(pieces[number]) - 1 > first]
            if len(going) < len(batch):
                batch, told = [batch[row] for row in going], [told[row] for row in going]
                state = state.taken(going)
    return found


def _in_windows(
    network: Network, echoes: Echoes | None, pieces: Sequence[TokenIds],
    in_header: NDArray[np.bool_],
) -> list[NDArray[np.float64]]:  # fmt: skip
    """Each window begins with the header of its piece, as it does while learning."""
    context = network.config.context
    found = [np.zeros(len(piece)) for piece in pieces]
    windows = [
        (number, *window)
        for number, piece in enumerate(pieces)
        for window in _windows_of(len(piece), _header(piece, in_header, context), context)
    ]
    told_of: dict[int, NDArray[np.int64]] = {}
    wide = (echoes.columns,) if echoes else ()
    for some in range(0, len(windows), WINDOWS):
        batch = windows[some : some + WINDOWS]
        inputs = np.zeros((len(batch), context, *wide), np.int64)
        targets = np.zeros((len(batch), context), np.int64)
        longest = 1
        for row, (number, header, first, last, _) in enumerate(batch):
            if number not in told_of:  # pieces come in their order
                told_of = {number: _told(echoes, pieces[number])}
            at = np.append(np.arange(header), np.arange(first, last))
            inputs[row, : len(at)] = told_of[number][at]
            targets[row, : len(at)] = pieces[number][at + 1]
            longest = max(longest, len(at))
        features = network(_tensor(network, inputs[:, :longest]))
        of_each = _logs(network, features, targets[:, :longest])
        for row, (number, header, first, last, fresh) in enumerate(batch):
            begin = header + fresh - first
            found[number][fresh + 1 : last + 1] = of_each[row, begin : begin + last - fresh]
    return found


def _windows_of(length: int, header: int, context: int) -> Iterator[tuple[int, int, int, int]]:
    """The windows of a piece: header, first and last place heard, and the first that is new.

    Every place after the first window has half a context before it, at least.
    """
    last = min(context, length - 1)
    yield 0, 0, last, 0
    while last < length - 1:
        fresh = last
        first = max(fresh - context // 2, header)
        last = min(first + context - header, length - 1)
        yield header, first, last, fresh


def _header(piece: TokenIds, in_header: NDArray[np.bool_], context: int) -> int:
    """How many tokens of a piece are told before each window."""
    seen = in_header[piece[:context]]
    return header_told(len(seen) if seen.all() else int(np.argmin(seen)), context)


def _told(echoes: Echoes | None, piece: TokenIds) -> NDArray[np.int64]:
    """A piece as the network takes it."""
    return echoes.of_piece(piece) if echoes else np.asarray(piece, np.int64)


def _logs(network: Network, features: Tensor, targets: NDArray[np.int64]) -> NDArray[np.float64]:
    """The logarithm of how likely each target (rows, places) is, by the features there."""
    logs = functional.log_softmax(network.logits(features), -1)
    chosen = logs.gather(-1, _tensor(network, targets)[..., None])[..., 0]
    return np.asarray(chosen.cpu().double().numpy())


def _tensor(network: Network, numbers: NDArray[np.int64]) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(numbers)).to(network.embedding.weight.device)
