"""The matrices of a network, packed one after another as `tiles` reads them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from .tiles import halved, packed


class Weights:
    """Matrices in one array; `add` says where each begins, counted in numbers. Then `seal` them."""

    def __init__(self, *, in_half: bool) -> None:
        self.in_half = in_half
        self._parts: list[NDArray[Any]] = []
        self._taken = 0
        self._all = np.empty(0)
        self.address = 0
        """Where the first begins, once they are sealed."""

    def add(self, matrix: Tensor) -> int:
        """Pack one more (outputs, inputs)."""
        part = packed(array_of(matrix), in_half=self.in_half).ravel()
        self._parts.append(part)
        self._taken += len(part)
        return self._taken - len(part)

    def seal(self) -> None:
        """Lay all of them side by side, for good: loops take their address."""
        self._all, self._parts = np.concatenate(self._parts), []
        self.address = int(self._all.ctypes.data)


def array_of(numbers: Tensor) -> NDArray[np.float32]:
    """Numbers as loops take them."""
    return np.ascontiguousarray(numbers.detach().float().cpu().numpy())


def rounded(matrix: Tensor) -> NDArray[np.float32]:
    """The same numbers as far as bfloat16 tells them apart."""
    bits = halved(array_of(matrix)).astype(np.uint32) << 16
    return np.ascontiguousarray(bits).view(np.float32)
