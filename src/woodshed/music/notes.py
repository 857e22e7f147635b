"""What sounds: notes, controllers and bends as columns. Knows nothing of files or tokens.

All times are in ticks; how long a tick lasts is the score's business.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from .columns import MAX_TICKS, Columns, check_range, column

SUSTAIN = 64
"""The controller of the sustain pedal: down from 64, up below."""


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Notes(Columns):
    """Notes, sorted by start, then part, pitch, duration and velocity.

    `part` is the row of the score's parts. A note lasts at least one tick, its velocity is 1 to
    127.
    """

    start_ticks: NDArray[np.int64] = column(np.int64)
    duration_ticks: NDArray[np.int64] = column(np.int64)
    pitch: NDArray[np.uint8] = column(np.uint8)
    velocity: NDArray[np.uint8] = column(np.uint8)
    part: NDArray[np.uint16] = column(np.uint16)

    def __post_init__(self) -> None:
        # super() without arguments does not work in a slotted dataclass before Python 3.14.
        Columns.__post_init__(self)
        check_range(self.start_ticks, 0, MAX_TICKS, "a note starts at tick {}")
        check_range(self.duration_ticks, 1, MAX_TICKS, "a note lasts {} ticks")
        check_range(self.pitch, 0, 127, "a note has pitch {}")
        check_range(self.velocity, 1, 127, "a note has velocity {}")

    take = Columns.take_as_checked

    @property
    def end_ticks(self) -> NDArray[np.int64]:
        """Where each note ends; the tick itself no longer sounds."""
        return self.start_ticks + self.duration_ticks

    def sorted(self) -> Self:
        """The same notes in the order every score keeps them in."""
        # Start, part and pitch fit one integer: 31 + 16 + 8 bits. Sorting that is several times
        # faster than sorting by five keys, which only true doubles need.
        key = (
            (self.start_ticks << 24)
            | (self.part.astype(np.int64) << 8)
            | self.pitch.astype(np.int64)
        )
        if np.all(key[1:] > key[:-1]):
            return self
        order = np.argsort(key, kind="stable")
        ordered = key[order]
        if np.any(ordered[1:] == ordered[:-1]):
            order = np.lexsort((self.velocity, self.duration_ticks, key))
        return self.take(order)


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Controls(Columns):
    """Controller changes, sorted by time, then part; changes at one moment keep their order."""

    ticks: NDArray[np.int64] = column(np.int64)
    number: NDArray[np.uint8] = column(np.uint8)
    value: NDArray[np.uint8] = column(np.uint8)
    part: NDArray[np.uint16] = column(np.uint16)

    def __post_init__(self) -> None:
        Columns.__post_init__(self)
        check_range(self.ticks, 0, MAX_TICKS, "a controller change stands at tick {}")
        check_range(self.number, 0, 127, "a controller has number {}")
        check_range(self.value, 0, 127, "a controller has value {}")

    take = Columns.take_as_checked

    def sorted(self) -> Self:
        """The same changes in the order every score keeps them in."""
        order = _time_order(self.ticks, self.part)
        return self if order is None else self.take(order)


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Bends(Columns):
    """Pitch bends from -8192 to 8191 (two semitones either way unless a controller says else)."""

    ticks: NDArray[np.int64] = column(np.int64)
    value: NDArray[np.int16] = column(np.int16)
    part: NDArray[np.uint16] = column(np.uint16)

    def __post_init__(self) -> None:
        Columns.__post_init__(self)
        check_range(self.ticks, 0, MAX_TICKS, "a pitch bend stands at tick {}")
        check_range(self.value, -8192, 8191, "a pitch bend has value {}")

    take = Columns.take_as_checked

    def sorted(self) -> Self:
        """The same bends in the order every score keeps them in."""
        order = _time_order(self.ticks, self.part)
        return self if order is None else self.take(order)


def _time_order(ticks: NDArray[np.int64], part: NDArray[np.uint16]) -> NDArray[np.intp] | None:
    """The rows by time, then part; None where they lie so already, as those of a read file do."""
    key = (ticks << 16) | part
    return None if (key[1:] >= key[:-1]).all() else np.argsort(key, kind="stable")
