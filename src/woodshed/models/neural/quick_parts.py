"""What compiled networks share: norms, exponentials, gates and sums whose order never changes.

Plain loops that numba compiles to vectors. Sums go through `LINES` partial sums, so that they are
the same on every processor. Knows nothing of any backbone.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ...music.compiled import kernel
from .tiles import PANEL, as_float, filled_up, over, product

LINES = 16
"""Partial sums of a sum."""
LEAST = 1e-6
"""What a norm adds to the mean of the squares, as in `operations.normed`."""

_ONE, _HALF, _NONE = np.float32(1), np.float32(0.5), np.float32(0)
_LOWEST, _HIGHEST = np.float32(-87), np.float32(88)
_PER_E = np.float32(1 / math.log(2))
_LN2_HIGH, _LN2_LOW = np.float32(0.693359375), np.float32(-2.12194440e-4)
_C2, _C3, _C4, _C5, _C6, _C7 = (
    np.float32(c)
    for c in (0.5, 1.6666665e-1, 4.1665796e-2, 8.3334519e-3, 1.3981999e-3, 1.987569e-4)
)


@kernel
def exponential(x: Any) -> Any:
    """The power of e, to rounding; as that of -87 below and that of 88 above."""
    x = min(max(x, _LOWEST), _HIGHEST)
    twos = np.floor(x * _PER_E + _HALF)
    r = x - twos * _LN2_HIGH - twos * _LN2_LOW
    p = (((((_C7 * r + _C6) * r + _C5) * r + _C4) * r + _C3) * r + _C2) * (r * r) + r + _ONE
    return p * as_float((np.int32(twos) + np.int32(127)) << np.int32(23))


@kernel
def logistic(x: Any) -> Any:
    """1 / (1 + e^-x)."""
    return over(_ONE, _ONE + exponential(-x))


@kernel
def summed(x: Any, count: int, lines: Any) -> Any:
    """The sum of the first numbers."""
    for line in range(LINES):
        lines[line] = _NONE
    whole = count // LINES * LINES
    for at in range(0, whole, LINES):
        for line in range(LINES):
            lines[line] += x[at + line]
    for at in range(whole, count):
        lines[at - whole] += x[at]
    total = _NONE
    for line in range(LINES):
        total += lines[line]
    return total


@kernel
def softened(x: Any, count: int, lines: Any) -> Any:
    """Make numbers powers of e, the largest of them 1; their sum, and how much was taken away."""
    for line in range(LINES):
        lines[line] = x[0]
    whole = count // LINES * LINES
    for at in range(0, whole, LINES):
        for line in range(LINES):
            lines[line] = max(lines[line], x[at + line])
    for at in range(whole, count):
        lines[0] = max(lines[0], x[at])
    most = lines[0]
    for line in range(1, LINES):
        most = max(most, lines[line])
    for at in range(count):
        x[at] = exponential(x[at] - most)
    return summed(x, count, lines), most


@kernel
def normed(x: Any, weight: Any, width: int, out: Any, lines: Any) -> None:
    """The first numbers of a row at one size, each weighted."""
    for n in range(width):
        out[n] = x[n] * x[n]
    mean = summed(out, width, lines) / np.float32(width)
    scale = _ONE / np.sqrt(mean + np.float32(LEAST))
    for n in range(width):
        out[n] = x[n] * scale * weight[n]


@kernel
def gated(x: Any, count: int, out: Any) -> None:
    """The second half of the numbers, let through as far as the first half says."""
    up = x[count:]
    for n in range(count):
        out[n] = x[n] * logistic(x[n]) * up[n]


@kernel
def log_shares(x: Any, count: int, out: Any, lines: Any) -> None:
    """The logarithm of each number's share, of the powers of e."""
    for n in range(count):
        out[n] = x[n]
    total, most = softened(out, count, lines)
    less = most + np.float32(math.log(total))
    for n in range(count):
        out[n] = x[n] - less


@kernel
def all_normed(x: Any, weight: Any, count: int, out: Any, lines: Any) -> None:
    """The first rows of `x`, normed."""
    for i in range(count):
        normed(x[i], weight, len(weight), out[i], lines)


@kernel
def multiplied(x: Any, width: int, count: int, w: int, is_half: bool, out: Any) -> None:
    """The first rows of `x`, of so many numbers, times the matrix at address `w`."""
    wide = out.shape[1]
    product(
        x.ctypes.data, x.shape[1], count, w, wide // PANEL, width, is_half, out.ctypes.data, wide
    )


@kernel
def add(x: Any, more: Any, count: int) -> None:
    """Add `more` to the first rows of `x`."""
    for i in range(count):
        a, b = x[i], more[i]
        for n in range(len(a)):
            a[n] += b[n]


@kernel
def fed(
    x: Any, weight: Any, count: int, feed: int, w_in: int, w_out: int, is_half: bool, normal: Any,
    lines: Any,
) -> None:  # fmt: skip
    """Add to the first rows of `x` what a gated feed-forward network makes of them."""
    width = x.shape[1]
    asked, let = (
        np.empty((count, filled_up(2 * feed)), np.float32), np.empty((count, feed), np.float32)
    )  # fmt: skip
    more = np.empty((count, filled_up(width)), np.float32)
    all_normed(x, weight, count, normal, lines)
    multiplied(normal, width, count, w_in, is_half, asked)
    for i in range(count):
        gated(asked[i], feed, let[i])
    multiplied(let, feed, count, w_out, is_half, more)
    add(x, more, count)
