"""The matrices of a network, packed one after another as `tiles` reads them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from .tiles import halved, packed


class Weights:
    """Matrices in one array; `add` says where each begins, counted in numbers."""

    def __init__(self, *, in_half: bool) -> None:
        self.in_half = in_half
        self._parts: list[NDArray[Any]] = []
        self._taken = 0
        self._all: NDArray[Any] | None = None

    def add(self, matrix: Tensor) -> int:
        """Pack one more (outputs, inputs)."""
        assert self._all is None, "all are laid side by side already"
        part = packed(matrix.detach().float().cpu().numpy(), in_half=self.in_half).ravel()
        self._parts.append(part)
        self._taken += len(part)
        return self._taken - len(part)

    @property
    def address(self) -> int:
        """Where the first begins."""
        if self._all is None:
            self._all = np.concatenate(self._parts)
            self._parts = []
        return int(self._all.ctypes.data)


def rounded(matrix: Tensor) -> NDArray[np.float32]:
    """The same numbers as far as bfloat16 tells them apart."""
    bits = halved(matrix.detach().float().cpu().numpy()).astype(np.uint32) << 16
    return np.ascontiguousarray(bits).view(np.float32)
