"""Flat columns on disk: the rows of all pieces, one piece after another, one file for each column.

Written piece by piece with little in memory, read by mapping the files into memory. `TABLES` says
which columns there are. Knows nothing of what the rows mean.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from ..errors import BadDataset
from .dataset_layout import AGAIN, TABLES, damaged

FLUSH_BYTES = 2**22
"""How much of all columns together waits in memory."""


class ColumnsWriter:
    """Appends piece after piece to the flat columns in a folder. Use it in a `with` block."""

    def __init__(self, folder: Path) -> None:
        self._files: dict[str, Any] = {}
        self._waiting: dict[str, list[NDArray[Any]]] = {}
        self._waiting_bytes = 0
        self._rows: dict[str, list[int]] = {table: [0] for table in TABLES}
        self._folder = folder
        self._dtypes = {
            f"{table}.{name}": dtype
            for table, layout in TABLES.items()
            for name, dtype in layout.items()
        }
        self._first = {table: f"{table}.{next(iter(layout))}" for table, layout in TABLES.items()}

    def __enter__(self) -> Self:
        for column, dtype in self._dtypes.items():
            path = self._path(column)
            path.parent.mkdir(exist_ok=True)
            file = self._files[column] = path.open("wb")
            _write_header(file, dtype, 0)
            self._waiting[column] = []
        return self

    def add(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Append one piece, its columns by "table.column"."""
        for column, waiting in self._waiting.items():
            values = arrays[column]
            waiting.append(values)
            self._waiting_bytes += values.nbytes
        for table, rows in self._rows.items():
            rows.append(rows[-1] + len(arrays[self._first[table]]))
        if self._waiting_bytes > FLUSH_BYTES:
            self._flush()

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        with contextlib.ExitStack() as files:  # closes all, even where closing one fails
            for file in self._files.values():
                files.callback(file.close)
            if kind is None:
                self._finish()

    def _finish(self) -> None:
        self._flush()
        for column, file in self._files.items():
            file.seek(0)
            _write_header(file, self._dtypes[column], self._rows[column.split(".")[0]][-1])
        for table, rows in self._rows.items():
            with (self._folder / table / "rows.npy").open("wb") as file:
                np.save(file, np.array(rows, "<i8"), allow_pickle=False)

    def _flush(self) -> None:
        for column, waiting in self._waiting.items():
            if waiting:
                self._files[column].write(np.concatenate(waiting).tobytes())
                waiting.clear()
        self._waiting_bytes = 0

    def _path(self, column: str) -> Path:
        table, name = column.split(".")
        return self._folder / table / f"{name}.npy"


def _write_header(file: Any, dtype: np.dtype[Any], length: int) -> None:
    """An .npy header. NumPy pads it, so it is as long for every length."""
    head = {"descr": dtype.str, "fortran_order": False, "shape": (length,)}
    np.lib.format.write_array_header_1_0(file, head)


class FlatColumns:
    """The columns in a folder, mapped into memory as they are asked for.

    Raises `BadDataset` where a file cannot be opened or does not parse, or holds another type than
    it should.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._columns: dict[str, NDArray[Any]] = {}

    def __len__(self) -> int:
        return len(self.rows_of("times")) - 1

    def column(self, table: str, name: str) -> NDArray[Any]:
        """One column of all pieces."""
        return self._mapped(f"{table}/{name}.npy", TABLES[table][name])

    def rows_of(self, table: str) -> NDArray[np.int64]:
        """Where each piece's rows of a table begin, and after them where the last one's end."""
        return self._mapped(f"{table}/rows.npy", np.dtype("<i8"))

    def span(self, table: str, piece: int) -> slice:
        """The rows of one piece. Raises `IndexError` where there is no such piece."""
        if not 0 <= piece < len(self):
            raise IndexError(f"there is no piece {piece}; the dataset has {len(self)}")
        first, after = self.rows_of(table)[piece : piece + 2].tolist()
        length = len(self.column(table, next(iter(TABLES[table]))))
        if not 0 <= first <= after <= length:
            reason = f"the {table} of piece {piece} are said to be rows {first} to {after}; {AGAIN}"
            raise BadDataset(self.folder, reason)
        return slice(first, after)

    def table(self, table: str, piece: int) -> dict[str, NDArray[Any]]:
        """The rows of one piece, column by column."""
        span = self.span(table, piece)
        return {name: self.column(table, name)[span] for name in TABLES[table]}

    def wide_table(self, table: str, piece: int) -> list[NDArray[Any]]:
        """The same, in the order of the columns, its ticks as wide as scores keep them."""
        return [
            values.astype(np.int64) if name in _WIDENED else values
            for name, values in self.table(table, piece).items()
        ]

    def forget(self) -> None:
        """Let go of the maps; what was read of them leaves memory with the last slice."""
        self._columns.clear()

    def _mapped(self, name: str, dtype: np.dtype[Any]) -> NDArray[Any]:
        known = self._columns.get(name)
        if known is None:
            try:
                known = np.load(self.folder / name, mmap_mode="r", allow_pickle=False)
            except (OSError, MemoryError, ValueError, EOFError, SyntaxError) as error:
                raise damaged(self.folder, name, error) from error
            if known.dtype != dtype or known.ndim != 1:
                found = f"{known.ndim} dimensions of {known.dtype}"
                raise BadDataset(self.folder, f"{name} holds {found}, not {dtype}; {AGAIN}")
            # A plain view of the map: slicing a memmap costs several times as much.
            known = self._columns[name] = np.asarray(known)
        return known


_WIDENED = ("ticks", "start_ticks", "duration_ticks")
