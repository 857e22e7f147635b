"""Tables as arrays: equally long, typed, read-only columns that are changed only by copying.

Knows nothing of what the columns mean; `Notes`, `Controls` and the maps say that.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import DTypeLike, NDArray

from ..errors import BadMusic

MAX_TICKS = 2**31 - 1
"""No score may be longer: at 480 ticks a quarter and 120 BPM that is 26 days."""

Schema = tuple[tuple[str, np.dtype[Any]], ...]

_SCHEMAS: dict[type, Schema] = {}


def column(dtype: DTypeLike) -> Any:
    """Declare one column of a table, stored as `dtype`."""
    return dataclasses.field(metadata={"dtype": np.dtype(dtype)})


def schema(table: type[Columns]) -> Schema:
    """The names and types of a table's columns, in order."""
    known = _SCHEMAS.get(table)
    if known is None:
        fields = dataclasses.fields(table)
        known = _SCHEMAS[table] = tuple((field.name, field.metadata["dtype"]) for field in fields)
    return known


@dataclasses.dataclass(frozen=True, slots=True, eq=False, repr=False)
class Columns:
    """A table of equally long columns. Subclasses declare the columns as dataclass fields.

    Arrays of the right type are taken as they are, not copied: who made them must not write to
    them any more.
    """

    def __post_init__(self) -> None:
        length = None
        for name, dtype in schema(type(self)):
            values = getattr(self, name)
            if type(values) is not np.ndarray or values.dtype != dtype or values.ndim != 1:
                values = _as_column(values, dtype, f"{type(self).__name__}.{name}")
            if values.flags.writeable:
                values = values.view()
                values.flags.writeable = False
            if length is None:
                length = len(values)
            elif len(values) != length:
                raise BadMusic(
                    f"{type(self).__name__}.{name} has {len(values)} values where the other "
                    f"columns have {length}; give one value for each row"
                )
            object.__setattr__(self, name, values)

    @classmethod
    def empty(cls) -> Self:
        """A table without rows."""
        return cls(*(np.empty(0, dtype) for _, dtype in schema(cls)))

    @classmethod
    def concatenate(cls, tables: list[Self]) -> Self:
        """The rows of all `tables`, one after another, in the order given."""
        if not tables:
            return cls.empty()
        return cls(*(np.concatenate([getattr(t, name) for t in tables]) for name, _ in schema(cls)))

    @classmethod
    def from_rows(cls, rows: Iterable[Sequence[int]]) -> Self:
        """A table from rows of plain numbers, in the order of the columns."""
        columns = list(zip(*rows, strict=True)) or [() for _ in schema(cls)]
        return cls(*(np.array(column, np.int64) for column in columns))

    def take(self, rows: NDArray[Any] | slice) -> Self:
        """The chosen rows: a boolean mask, row numbers, or a slice."""
        return type(self)(*(getattr(self, name)[rows] for name, _ in schema(type(self))))

    def take_as_checked(self, rows: NDArray[Any] | slice) -> Self:
        """The same without checking again: for tables where every row stands for itself."""
        taken = object.__new__(type(self))
        for name, _ in schema(type(self)):
            values = getattr(self, name)[rows]
            values.flags.writeable = False
            object.__setattr__(taken, name, values)
        return taken

    def replace(self, **columns: Any) -> Self:
        """A copy with some columns replaced; single numbers are repeated for every row."""
        full = {
            name: np.full(len(self), value) if np.ndim(value) == 0 else value
            for name, value in columns.items()
        }
        return dataclasses.replace(self, **full)

    def __len__(self) -> int:
        return len(getattr(self, schema(type(self))[0][0]))

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return all(
            np.array_equal(getattr(self, name), getattr(other, name))
            for name, _ in schema(type(self))
        )

    __hash__ = None  # type: ignore[assignment]  # arrays inside: no cheap hash

    def __repr__(self) -> str:
        columns = ", ".join(
            f"{name}={np.array2string(getattr(self, name), threshold=6, edgeitems=2)}"
            for name, _ in schema(type(self))
        )
        return f"{type(self).__name__}({len(self)} rows: {columns})"


def runs(values: NDArray[Any]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Where runs of one value begin, and how long each is."""
    new = np.ones(len(values), np.bool_)
    np.not_equal(values[1:], values[:-1], out=new[1:])
    (firsts,) = new.nonzero()
    sizes = np.empty(len(firsts), np.intp)
    np.subtract(firsts[1:], firsts[:-1], out=sizes[:-1])
    sizes[-1:] = len(values) - firsts[-1:]
    return firsts, sizes


def check_range(values: NDArray[Any], low: int, high: int, what: str) -> None:
    """Refuse values outside `low` to `high`, naming the first; `what` is {} in a sentence."""
    if not len(values):
        return
    # The ufuncs themselves: `min` and `max` take twice as long on the short columns of most files.
    may_be_lower = low > 0 or values.dtype.kind != "u"
    if (may_be_lower and np.minimum.reduce(values) < low) or np.maximum.reduce(values) > high:
        misfit = values[(values < low) | (values > high)][0]
        raise BadMusic(f"{what.format(misfit)}; it must lie within {low:,} to {high:,}")


def _as_column(values: Any, dtype: np.dtype[Any], what: str) -> NDArray[Any]:
    array = np.asarray(values)
    if array.ndim != 1:
        raise BadMusic(
            f"{what} must be a flat list of numbers, not an array of shape {array.shape}"
        )
    if array.dtype != dtype:
        if array.dtype.kind not in "iub" and len(array):
            raise BadMusic(f"{what} must hold whole numbers, not {array.dtype}")
        narrowed = array.astype(dtype)
        if not np.array_equal(narrowed, array):
            misfit = array[narrowed != array][0]
            raise BadMusic(f"{what} cannot hold {misfit}; it stores {dtype.name}")
        array = narrowed
    return array
