"""What layers do over and over while learning, written for processors without a fused kernel.

Elsewhere PyTorch's own are used. These give the same numbers to rounding, their gradients are
written out, and numbers are moved about less: in a network of five million parameters that is a
fifth of the time. Knows nothing of networks.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function
from torch.autograd.function import once_differentiable
from torch.nn import functional

ROWS_AT_ONCE = 128
"""Queries that attend together; what comes after the last of them is never looked at."""

LONGEST = 1024
"""Beyond so many places the fused kernel is better, as it keeps no table of who heard whom."""


def turned(x: Tensor, cosine: Tensor, sine: Tensor) -> Tensor:
    """Vectors (…, head_width) whose pairs are turned by the angles of their place."""
    cosine, sine = cosine.to(x.dtype), sine.to(x.dtype)
    first, second = x.chunk(2, -1)
    return torch.cat((first * cosine - second * sine, second * cosine + first * sine), -1)


def attention(x: Tensor, cosine: Tensor, sine: Tensor, heads: int, kv_heads: int) -> Tensor:
    """What each place hears of those up to it (rows, places, heads x head_width).

    `x` (rows, places, heads + 2 kv_heads, head_width) are queries, keys and values; `cosine` and
    `sine` (places, 1, head_width / 2) the angles by which the first two are turned.
    """
    if x.device.type == "cpu" and x.shape[1] <= LONGEST and not torch.compiler.is_compiling():
        found: Tensor = _Attention.apply(x, cosine, sine, heads, kv_heads)  # type: ignore[no-untyped-call]
        return found
    both = turned(x[..., : heads + kv_heads, :], cosine, sine).transpose(1, 2)
    return functional.scaled_dot_product_attention(
        both[:, :heads], both[:, heads:], x[..., heads + kv_heads :, :].transpose(1, 2),
        is_causal=True, enable_gqa=heads != kv_heads,
    ).transpose(1, 2).flatten(2)  # fmt: skip


def gated(x: Tensor) -> Tensor:
    """The second half of the numbers, let through as far as the first half says."""
    if x.device.type == "cpu" and not torch.compiler.is_compiling():
        found: Tensor = _Gated.apply(x)  # type: ignore[no-untyped-call]
        return found
    gate, up = x.chunk(2, -1)
    return functional.silu(gate) * up


def added(x: Tensor, more: Tensor, dropout: float) -> Tensor:
    """`x` and `more`, of which a share is dropped by chance."""
    if not dropout:
        return x + more
    if x.device.type == "cpu" and not torch.compiler.is_compiling():
        found: Tensor = _Added.apply(x, more, dropout)  # type: ignore[no-untyped-call]
        return found
    return x + functional.dropout(more, dropout)


def normed(x: Tensor, weight: Tensor, least: float = 1e-6) -> Tensor:
    """Vectors (…, width) brought to one size by their root mean square, then weighted."""
    if x.device.type == "cpu" and not torch.compiler.is_compiling():
        found: Tensor = _Normed.apply(x, weight, least)  # type: ignore[no-untyped-call]
        return found
    return functional.rms_norm(x, weight.shape, weight, least)


class _Attention(Function):
    @staticmethod
    def forward(
        ctx: Any, x: Tensor, cosine: Tensor, sine: Tensor, heads: int, kv_heads: int
    ) -> Tensor:
        rows, places, _, width = x.shape
        cosine, sine = (a.to(x.dtype).transpose(0, 1) for a in (cosine, sine))
        turning = heads + kv_heads
        both = x.new_empty(rows, turning, places, width)
        _turn(x[:, :, :turning].transpose(1, 2), cosine, sine, both)
        q, k = both[:, :heads], both[:, heads:]
        v = x[:, :, turning:].transpose(1, 2).contiguous()
        scale = width**-0.5
        out = x.new_empty(rows, places, heads, width)
        shares = []
        later = torch.full((ROWS_AT_ONCE,) * 2, -math.inf, dtype=x.dtype).triu_(1)
        for row in range(rows):
            for first, last in _blocks(places):
                count = last - first
                some = q[row, :, first:last].reshape(kv_heads, -1, width)
                told = torch.bmm(some, k[row, :, :last].transpose(1, 2)).mul_(scale)
                by_place = told.view(kv_heads, -1, count, last)
                by_place[..., first:].add_(later[:count, :count])
                share = torch.softmax(told, -1)
                heard = torch.bmm(share, v[row, :, :last]).view(heads, count, width)
                out[row, first:last] = heard.transpose(0, 1)
                if ctx.needs_input_grad[0]:
                    shares.append(share)
        ctx.save_for_backward(both, v, cosine, sine, *shares)
        ctx.heads = heads
        return out.flatten(2)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None, None, None]:
        both, v, cosine, sine, *shares = ctx.saved_tensors
        heads = ctx.heads
        rows, turning, places, width = both.shape
        kv_heads = turning - heads
        q, k = both[:, :heads], both[:, heads:]
        scale = width**-0.5
        grad = grad.view(rows, places, heads, width).transpose(1, 2)
        of_both, of_v = torch.zeros_like(both), torch.zeros_like(v)
        of_q, of_k = of_both[:, :heads], of_both[:, heads:]
        waiting = iter(shares)
        for row in range(rows):
            for first, last in _blocks(places):
                share = next(waiting)
                some = q[row, :, first:last].reshape(kv_heads, -1, width)
                g = grad[row, :, first:last].reshape(kv_heads, -1, width)
                of_v[row, :, :last].baddbmm_(share.transpose(1, 2), g)
                told = torch.bmm(g, v[row, :, :last].transpose(1, 2))
                told = torch._softmax_backward_data(told, share, -1, share.dtype)
                of_some = torch.bmm(told, k[row, :, :last]).mul_(scale)
                of_q[row, :, first:last] = of_some.view(heads, last - first, width)
                of_k[row, :, :last].baddbmm_(told.transpose(1, 2), some, alpha=scale)
        of_x = grad.new_empty(rows, places, turning + kv_heads, width)
        _turn(of_both, cosine, -sine, of_x[:, :, :turning].transpose(1, 2))
        of_x[:, :, turning:] = of_v.transpose(1, 2)
        return of_x, None, None, None, None


def _blocks(places: int) -> list[tuple[int, int]]:
    return [(at, min(at + ROWS_AT_ONCE, places)) for at in range(0, places, ROWS_AT_ONCE)]


def _turn(x: Tensor, cosine: Tensor, sine: Tensor, into: Tensor) -> None:
    first, second = x.chunk(2, -1)
    into_first, into_second = into.chunk(2, -1)
    torch.mul(first, cosine, out=into_first).addcmul_(second, sine, value=-1)
    torch.mul(second, cosine, out=into_second).addcmul_(first, sine)


class _Gated(Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        gate, up = x.chunk(2, -1)
        return functional.silu(gate).mul_(up)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        gate, up = x.chunk(2, -1)
        of_x = torch.empty_like(x)
        of_gate, of_up = of_x.chunk(2, -1)
        torch.mul(functional.silu(gate), grad, out=of_up)
        torch.ops.aten.silu_backward.grad_input(grad * up, gate, grad_input=of_gate)
        return of_x


class _Added(Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, more: Tensor, dropout: float) -> Tensor:
        # Eight chances in one number; a share is so many of 256.
        dropped = min(round(dropout * 256), 255)
        chances = torch.empty(-(-more.numel() // 8), dtype=torch.int64).random_(-(2**63), None)
        stays = chances.view(torch.uint8)[: more.numel()].view(more.shape) >= dropped
        kept = stays.to(more.dtype).mul_(256 / (256 - dropped))
        ctx.save_for_backward(kept)
        return torch.addcmul(x, more.to(x.dtype), kept.to(x.dtype))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, None]:
        (kept,) = ctx.saved_tensors
        return grad, grad.to(kept.dtype) * kept, None


class _Normed(Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, least: float) -> Tensor:
        exact = torch.promote_types(x.dtype, torch.float32)
        size: Tensor = torch.linalg.vector_norm(x, dim=-1, keepdim=True, dtype=exact)
        inverse = size.square_().div_(x.shape[-1]).add_(least).rsqrt_().to(x.dtype)
        ctx.save_for_backward(x, weight, inverse)
        found: Tensor = (x * inverse).mul_(weight)
        if torch.is_autocast_enabled("cpu"):
            found = found.to(torch.get_autocast_dtype("cpu"))
        return found

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, None]:
        x, weight, inverse = ctx.saved_tensors
        grad = grad.to(x.dtype)
        evened = x * inverse
        both = grad * evened
        of_weight = both.flatten(0, -2).sum(0)
        along = (both @ weight).div_(x.shape[-1])[..., None]
        of_x = (grad * weight).addcmul_(evened, along, value=-1).mul_(inverse)
        return of_x, of_weight, None
