"""Fading states over whole sequences, in chunks of products of matrices, and what comes before it.

On processors the gradients are written out, and rows are taken one at a time, so that a row stays
at hand: a step of a network of five million parameters takes half the time. Knows nothing of
layers.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function
from torch.autograd.function import once_differentiable
from torch.nn import functional

CHUNK = 64
"""Places that hear each other directly; across chunks states are handed on."""


def convolved(x: Tensor, weight: Tensor, bias: Tensor, before: Tensor | None = None) -> Tensor:
    """`silu` of each number's sum, by weights (reach, width), over its last places, and `bias`.

    `x` is (rows, places, width), `before` (rows, reach - 1, width) what came before, else nothing.
    """
    x = x.float()
    if before is None and _is_written_out(x):
        found: Tensor = _Convolved.apply(x, weight, bias)  # type: ignore[no-untyped-call]
        return found
    reach, places = len(weight), x.shape[1]
    if before is None:
        before = x.new_zeros(len(x), reach - 1, x.shape[2])
    padded = torch.cat([before, x], 1)
    total = bias.expand_as(x)
    for at in range(reach):
        total = total + padded[:, at : at + places] * weight[at]
    return functional.silu(total)


def scanned(
    taken: Tensor, fades: Tensor, told: Tensor, asked: Tensor, state: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """What states say at each place (rows, places, heads, head_width), and what they are then.

    `taken` (rows, places, heads, head_width) is taken in, by `told` (rows, places, state); `fades`
    (rows, places, heads) is the logarithm of what stays before that; `asked` (rows, places, state)
    says what is asked. `state` (rows, state, heads x head_width) is what was there before; where
    there was nothing, the state that comes back has no gradient.
    """
    places = taken.shape[1]
    more = -places % CHUNK
    if more:  # where nothing fades and nothing is taken in, nothing changes
        taken = functional.pad(taken, (0, 0, 0, 0, 0, more))
        fades, told, asked = (
            functional.pad(each, (0, 0, 0, more)) for each in (fades, told, asked)
        )
    taken, fades, told, asked = (each.float() for each in (taken, fades, told, asked))
    if state is None and _is_written_out(taken):
        said, last = _Scanned.apply(taken, fades, told, asked)  # type: ignore[no-untyped-call]
    else:
        if state is None:
            state = taken.new_zeros(len(taken), told.shape[-1], taken[0, 0].numel())
        found = _Stretch.of(taken, fades, told, asked, state)
        said, last = found.said(), found.states[-1]
    return said[:, :places], last


def _is_written_out(x: Tensor) -> bool:
    return x.device.type == "cpu" and not torch.compiler.is_compiling()


@dataclass(slots=True)
class _Stretch:
    """Rows of chunks, and what follows from them.

    `taken` (rows, chunks, places, heads, head_width); `b` and `c` (rows, chunks, places, state) are
    what is told and asked; `total` (rows, chunks, places, heads) what has faded in the chunk,
    `stays` (rows, chunks, heads, places, places) what is left of one place at another, `until_end`
    (as `total`) at the end; `states` (rows, state, heads x head_width) what was there before each
    chunk, and at last.
    """

    taken: Tensor
    b: Tensor
    c: Tensor
    total: Tensor
    stays: Tensor
    until_end: Tensor
    states: list[Tensor]

    @classmethod
    def of(
        cls, taken: Tensor, fades: Tensor, told: Tensor, asked: Tensor, state: Tensor
    ) -> _Stretch:
        taken, fades, b, c = (_in_chunks(each) for each in (taken, fades, told, asked))
        # What fades at once leaves small differences between large sums.
        exact = fades.double().cumsum(2)
        by_head, total = exact.transpose(2, 3), exact.float()
        later = torch.full((CHUNK, CHUNK), -math.inf, device=taken.device).triu_(1)
        # Of two places each logarithm is subtracted before anything is raised to it.
        apart = (by_head[..., None] - by_head[..., None, :]).clamp_max(0.0).float()
        stays = (apart + later).exp()
        until_end = (exact[:, :, -1:] - exact).float().exp()
        fresh = b.transpose(-1, -2) @ (taken * until_end[..., None]).flatten(-2)
        whole = _wide(total[:, :, -1].exp(), taken.shape[-1])
        states = [state]
        for chunk in range(taken.shape[1]):
            states.append(states[-1] * whole[:, chunk] + fresh[:, chunk])
        return cls(taken, b, c, total, stays, until_end, states)

    def said(self) -> Tensor:
        """What the states say, of this chunk and of those before it."""
        heard = (self.c @ self.b.transpose(-1, -2))[:, :, None] * self.stays
        new = (heard @ self.taken.transpose(2, 3)).transpose(2, 3)
        return (new + self.old()).flatten(1, 2)

    def old(self) -> Tensor:
        """What they say of the chunks before."""
        said = (self.c @ torch.stack(self.states[:-1], 1)).view_as(self.taken)
        return said * self.total.exp()[..., None]


def _in_chunks(x: Tensor) -> Tensor:
    """Places (rows, places, …) in chunks (rows, chunks, places, …)."""
    return x.reshape(len(x), -1, CHUNK, *x.shape[2:])


def _wide(by_head: Tensor, width: int) -> Tensor:
    """A number for each head (…, heads) as one for each of its columns (…, 1, heads x width)."""
    return by_head.repeat_interleave(width, -1)[..., None, :]


class _Scanned(Function):
    @staticmethod
    def forward(
        ctx: Any, taken: Tensor, fades: Tensor, told: Tensor, asked: Tensor
    ) -> tuple[Tensor, Tensor]:
        rows, _, heads, width = taken.shape
        said, last = torch.empty_like(taken), taken.new_empty(rows, told.shape[-1], heads * width)
        ctx.save_for_backward(taken, fades, told, asked)
        nothing = torch.zeros_like(last[:1])
        for row in range(rows):
            own = slice(row, row + 1)
            found = _Stretch.of(taken[own], fades[own], told[own], asked[own], nothing)
            said[own], last[own] = found.said(), found.states[-1]
        ctx.mark_non_differentiable(last)
        return said, last

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor, _: Tensor) -> tuple[Tensor, ...]:
        saved = ctx.saved_tensors
        found = tuple(torch.empty_like(each) for each in saved)
        state = grad.new_zeros(1, saved[2].shape[-1], grad[0, 0].numel())
        for row in range(len(grad)):
            own = slice(row, row + 1)
            taken, fades, told, asked = (each[own] for each in saved)
            stretch = _Stretch.of(taken, fades, told, asked, state)
            for into, value in zip(found, _slopes(stretch, grad[own]), strict=True):
                into[own] = value
        return found


def _slopes(s: _Stretch, grad: Tensor) -> tuple[Tensor, ...]:
    """The gradients of what is taken, what fades, what is told and asked."""
    grad = _in_chunks(grad)
    by_head, taken = grad.transpose(2, 3), s.taken.transpose(2, 3)
    width = taken.shape[-1]
    # Within a chunk.
    close = s.c @ s.b.transpose(-1, -2)
    heard = close[:, :, None] * s.stays
    of_heard = by_head @ taken.transpose(-1, -2)
    of_taken = (heard.transpose(-1, -2) @ by_head).transpose(2, 3)
    of_close = (of_heard * s.stays).sum(2)
    of_apart = of_heard.mul_(heard)
    of_total = (of_apart.sum(-1) - of_apart.sum(-2)).transpose(2, 3)
    # From the chunks before.
    scaled = (grad * s.total.exp()[..., None]).flatten(-2)
    states = torch.stack(s.states[:-1], 1)
    said = s.c @ states
    of_total += (scaled * said).view_as(grad).sum(-1)
    of_states = s.c.transpose(-1, -2) @ scaled
    of_c = of_close @ s.b + scaled @ states.transpose(-1, -2)
    # Into the chunks after.
    whole = _wide(s.total[:, :, -1].exp(), width)
    of_fresh = torch.empty_like(of_states)
    later = torch.zeros_like(of_states[:, 0])
    for chunk in range(states.shape[1] - 1, -1, -1):
        of_fresh[:, chunk] = later
        later = later * whole[:, chunk] + of_states[:, chunk]
    faded = (of_fresh * states).sum(-2, keepdim=True) * whole
    of_total[:, :, -1] += faded.view(*faded.shape[:2], -1, width).sum(-1)
    left = (s.taken * s.until_end[..., None]).flatten(-2)
    of_b = of_close.transpose(-1, -2) @ s.c + left @ of_fresh.transpose(-1, -2)
    of_left = s.b @ of_fresh
    of_taken += of_left.view_as(grad) * s.until_end[..., None]
    of_end = (of_left * left).view_as(grad).sum(-1)
    of_total -= of_end
    of_total[:, :, -1] += of_end.sum(2)
    of_fades = of_total.flip(2).cumsum(2).flip(2)
    return tuple(each.flatten(1, 2) for each in (of_taken, of_fades, of_b, of_c))


class _Convolved(Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        total = torch.empty_like(x, memory_format=torch.contiguous_format)
        found = torch.empty_like(total)
        reach = len(weight)
        for row in range(len(x)):
            torch.addcmul(bias, x[row], weight[-1], out=total[row])
            for back in range(1, min(reach, x.shape[1])):
                total[row, back:].addcmul_(x[row, :-back], weight[-1 - back])
            torch.ops.aten.silu.out(total[row], out=found[row])
        ctx.save_for_backward(x, weight, total)
        return found

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        x, weight, total = ctx.saved_tensors
        of_x, of_weight = torch.empty_like(total), torch.zeros_like(weight)
        of_bias = torch.zeros_like(weight[0])
        reach = len(weight)
        for row in range(len(x)):
            of_total = torch.ops.aten.silu_backward(grad[row], total[row])
            of_bias += of_total.sum(0)
            of_weight[-1] += (of_total * x[row]).sum(0)
            torch.mul(of_total, weight[-1], out=of_x[row])
            for back in range(1, min(reach, x.shape[1])):
                of_weight[-1 - back] += (of_total[back:] * x[row, :-back]).sum(0)
                of_x[row, :-back].addcmul_(of_total[back:], weight[-1 - back])
        return of_x, of_weight, of_bias
