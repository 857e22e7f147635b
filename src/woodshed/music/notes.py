"""What sounds: notes, controllers and bends as columns. Knows nothing of files or tokens.

All times are in ticks; how long a tick lasts is the score's business.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from ..errors import BadMusic
from .columns import Columns, column

SUSTAIN = 64
"""The controller of the sustain pedal: down from 64, up below."""

MAX_TICKS = 2**31 - 1
"""No score may be longer: at 480 ticks a quarter and 120 BPM that is 26 days."""


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Notes(Columns):
    """Notes, sorted by start, then part, pitch, duration and velocity.

    `part` is the row of the score's parts. A note lasts at least one tick, its velocity is 1 to 127.
    """

    start_ticks: NDArray[np.int64] = column(np.int64)
    duration_ticks: NDArray[np.int64] = column(np.int64)
    pitch: NDArray[np.uint8] = column(np.uint8)
    velocity: NDArray[np.uint8] = column(np.uint8)
    part: NDArray[np.uint16] = column(np.uint16)

    def __post_init__(self) -> None:
        # super() without arguments does not work in a slotted dataclass before Python 3.14.
        Columns.__post_init__(self)
        if not len(self):
            return
        if self.start_ticks.min() < 0:
            raise BadMusic(f"a note starts at tick {self.start_ticks.min()}; the first tick is 0")
        if self.duration_ticks.min() < 1:
            raise BadMusic(
                f"a note lasts {self.duration_ticks.min()} ticks; the shortest note is 1 tick"
            )
        if self.start_ticks.max() > MAX_TICKS or self.duration_ticks.max() > MAX_TICKS:
            raise BadMusic(f"a note lies beyond tick {MAX_TICKS:,}, the longest score there is")
        if self.pitch.max() > 127:
            raise BadMusic(f"pitch {self.pitch.max()} is outside 0 to 127")
        if self.velocity.min() < 1 or self.velocity.max() > 127:
            misfit = self.velocity[(self.velocity < 1) | (self.velocity > 127)][0]
            raise BadMusic(f"velocity {misfit} is outside 1 to 127")

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
        if len(self) and (self.number.max() > 127 or self.value.max() > 127):
            raise BadMusic("a controller's number and value must lie within 0 to 127")
        _check_times(self.ticks, "a controller change")

    def sorted(self) -> Self:
        """The same changes in the order every score keeps them in."""
        return self.take(np.lexsort((self.part, self.ticks)))


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Bends(Columns):
    """Pitch bends from -8192 to 8191 (two semitones either way unless a controller says else)."""

    ticks: NDArray[np.int64] = column(np.int64)
    value: NDArray[np.int16] = column(np.int16)
    part: NDArray[np.uint16] = column(np.uint16)

    def __post_init__(self) -> None:
        Columns.__post_init__(self)
        if len(self) and (self.value.min() < -8192 or self.value.max() > 8191):
            raise BadMusic("a pitch bend must lie within -8192 to 8191")
        _check_times(self.ticks, "a pitch bend")

    def sorted(self) -> Self:
        """The same bends in the order every score keeps them in."""
        return self.take(np.lexsort((self.part, self.ticks)))


def _check_times(ticks: NDArray[np.int64], what: str) -> None:
    if len(ticks) and (ticks.min() < 0 or ticks.max() > MAX_TICKS):
        raise BadMusic(f"{what} lies outside tick 0 to {MAX_TICKS:,}")
