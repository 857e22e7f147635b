"""The prints of many pieces, left in a temporary file until each is asked for.

A folder may hold a hundred thousand pieces; their prints together need not fit into memory.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from typing import Any, Self

import numpy as np

from ..music.columns import schema
from .passages import PassagePrints

_ROW = np.dtype([(name, dtype) for name, dtype in schema(PassagePrints)])


class PrintsSpool(Sequence[PassagePrints]):
    """Prints in the order they were added. Use it in a `with` block; then the file goes away."""

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile(prefix="woodshed-")  # noqa: SIM115 - closed at exit
        self._firsts = [0]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def add(self, prints: PassagePrints) -> None:
        """Put the prints of one more piece at the end."""
        rows = np.empty(len(prints), _ROW)
        for name in rows.dtype.names or ():
            rows[name] = getattr(prints, name)
        self._file.seek(self._firsts[-1] * _ROW.itemsize)
        self._file.write(rows.tobytes())
        self._firsts.append(self._firsts[-1] + len(rows))

    def __len__(self) -> int:
        return len(self._firsts) - 1

    def __getitem__(self, piece: Any) -> Any:
        if isinstance(piece, slice):
            return [self[n] for n in range(*piece.indices(len(self)))]
        number = range(len(self))[piece]
        first, after = self._firsts[number : number + 2]
        self._file.seek(first * _ROW.itemsize)
        rows = np.frombuffer(self._file.read((after - first) * _ROW.itemsize), _ROW)
        return PassagePrints(
            *(np.ascontiguousarray(rows[name]) for name, _ in schema(PassagePrints))
        )
