"""Musical time: tempo, metre and key maps; exact ways between ticks, seconds, bars and beats.

Ticks are the only stored unit. Conversions use whole numbers until the last division, so that a
tick survives the way to seconds or bars and back. Knows nothing of notes.

A *beat* here is the metre's own: a quarter in 3/4, an eighth in 6/8.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import BadMusic
from .columns import MAX_TICKS, Columns, check_range, column

DEFAULT_MICROSECONDS_PER_QUARTER = 500_000
"""What the MIDI standard assumes where a file names no tempo: 120 quarters a minute."""

MAX_BARS = 1_000_000
"""A table of more bars than this is refused; the longest piece known has some ten thousand."""

Ticks = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class TempoMap(Columns):
    """How long a quarter lasts, from each tick on. The first row stands at tick 0."""

    ticks: Ticks = column(np.int64)
    microseconds_per_quarter: NDArray[np.int32] = column(np.int32)

    def __post_init__(self) -> None:
        Columns.__post_init__(self)
        _check_starts(self.ticks, "tempo")
        check_range(self.microseconds_per_quarter, 1, 2**24 - 1, "a quarter lasts {} µs")

    @classmethod
    def constant(cls, bpm: float = 120.0) -> TempoMap:
        """One tempo for the whole score, in quarters a minute."""
        return cls(np.array([0]), np.array([microseconds_of(bpm)]))

    @property
    def bpm(self) -> NDArray[np.float64]:
        """Quarters a minute of each row."""
        return 60e6 / self.microseconds_per_quarter

    def seconds(self, ticks: ArrayLike, ticks_per_quarter: int) -> NDArray[np.float64]:
        """When each tick sounds, in seconds from the start."""
        at = np.asarray(ticks, np.int64)
        if len(self) == 1:  # as most music has it, and much quicker
            return np.asarray(
                at * int(self.microseconds_per_quarter[0]) / (ticks_per_quarter * 1e6)
            )
        row = np.searchsorted(self.ticks, at, side="right") - 1
        row = np.maximum(row, 0)  # ticks before the start run on at the first tempo
        elapsed = self._elapsed()[row] + (at - self.ticks[row]) * self._tempo()[row]
        return np.asarray(elapsed / (ticks_per_quarter * 1e6))

    def ticks_at(self, seconds: ArrayLike, ticks_per_quarter: int) -> Ticks:
        """The tick nearest to each moment: the inverse of `seconds`, exact for any real music.

        Beyond some 2**53 µs · ticks (months, at the slowest tempo) seconds no longer tell ticks
        apart.
        """
        wanted = np.asarray(seconds, np.float64) * (ticks_per_quarter * 1e6)
        row = np.maximum(np.searchsorted(self._elapsed(), wanted, side="right") - 1, 0)
        ticks = self.ticks[row] + (wanted - self._elapsed()[row]) / self._tempo()[row]
        return np.rint(ticks).astype(np.int64)

    def _tempo(self) -> Ticks:
        return self.microseconds_per_quarter.astype(np.int64)

    def _elapsed(self) -> Ticks:
        """Time from the start to each row, in µs times ticks a quarter: whole numbers, so exact."""
        spans = np.diff(self.ticks) * self._tempo()[:-1]
        return np.concatenate([np.zeros(1, np.int64), np.cumsum(spans)])


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Bars(Columns):
    """Every bar of a score. A pickup or a bar cut by a new metre is shorter than its metre.

    Where ticks are too coarse for a metre (3/64 at one tick a quarter) a bar may have no tick.
    """

    start_ticks: Ticks = column(np.int64)
    length_ticks: Ticks = column(np.int64)
    numerator: NDArray[np.uint8] = column(np.uint8)
    denominator: NDArray[np.uint8] = column(np.uint8)


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class MetreMap(Columns):
    """The metre from each tick on. The first row stands at tick 0; each row begins a bar."""

    ticks: Ticks = column(np.int64)
    numerator: NDArray[np.uint8] = column(np.uint8)
    denominator: NDArray[np.uint8] = column(np.uint8)

    def __post_init__(self) -> None:
        Columns.__post_init__(self)
        _check_starts(self.ticks, "metre")
        check_range(self.numerator, 1, 255, "a metre has {} beats")
        lowest_bit = self.denominator & -self.denominator.astype(np.int64)
        misfits = self.denominator[(self.denominator == 0) | (self.denominator != lowest_bit)]
        if len(misfits):
            raise BadMusic(
                f"a metre counts halves, quarters, eighths …, not {misfits[0]}ths; "
                "use a power of two up to 128"
            )

    @classmethod
    def constant(cls, numerator: int = 4, denominator: int = 4) -> MetreMap:
        """One metre for the whole score."""
        return cls(np.array([0]), np.array([numerator]), np.array([denominator]))

    def bar(self, ticks: ArrayLike, ticks_per_quarter: int) -> Ticks:
        """The number of the bar each tick lies in, counted from 0."""
        at = np.asarray(ticks, np.int64)
        if len(self) == 1:
            length = int(self.numerator[0]) * 4 * ticks_per_quarter
            return np.asarray(at * int(self.denominator[0]) // length)
        row = np.maximum(np.searchsorted(self.ticks, at, side="right") - 1, 0)
        # A bar is numerator · 4 · ticks_per_quarter / denominator ticks; multiplied out, so exact.
        within = ((at - self.ticks[row]) * self._denominators()[row]) // self._bar(
            ticks_per_quarter
        )[row]
        return np.asarray(self._first_bar(ticks_per_quarter)[row] + within)

    def beat(self, ticks: ArrayLike, ticks_per_quarter: int) -> NDArray[np.float64]:
        """How far into its bar each tick lies, in beats of the metre, counted from 0."""
        at = np.asarray(ticks, np.int64)
        row = np.maximum(np.searchsorted(self.ticks, at, side="right") - 1, 0)
        scaled = (at - self.ticks[row]) * self._denominators()[row]
        return np.asarray((scaled % self._bar(ticks_per_quarter)[row]) / (4.0 * ticks_per_quarter))

    def ticks_at(self, bar: ArrayLike, beat: ArrayLike, ticks_per_quarter: int) -> Ticks:
        """The tick of a beat in a bar, both counted from 0; the inverse of `bar` and `beat`."""
        bars = np.asarray(bar, np.int64)
        row = np.maximum(
            np.searchsorted(self._first_bar(ticks_per_quarter), bars, side="right") - 1, 0
        )
        whole = (bars - self._first_bar(ticks_per_quarter)[row]) * self._bar(ticks_per_quarter)[row]
        scaled = whole + np.asarray(beat, np.float64) * (4 * ticks_per_quarter)
        return np.asarray(
            self.ticks[row] + np.rint(scaled / self._denominators()[row]).astype(np.int64)
        )

    def bar_count(self, end_ticks: int, ticks_per_quarter: int) -> int:
        """How many bars begin before `end_ticks`: at least one, at most `MAX_BARS`."""
        count = int(self.bar(max(int(end_ticks), 1) - 1, ticks_per_quarter)) + 1
        if count > MAX_BARS:
            raise BadMusic(
                f"{count:,} bars are more than the {MAX_BARS:,} a score may have; "
                "its metre or its length is damaged"
            )
        return count

    def bars(self, end_ticks: int, ticks_per_quarter: int) -> Bars:
        """Every bar that begins before `end_ticks`; at least one."""
        number = np.arange(self.bar_count(end_ticks, ticks_per_quarter))
        first = self._first_bar(ticks_per_quarter)
        row = np.searchsorted(first, number, side="right") - 1
        starts = self._line(number, row, ticks_per_quarter)
        following = self._line(number + 1, row, ticks_per_quarter)
        ceiling = np.append(self.ticks[1:], np.iinfo(np.int64).max)[row]
        return Bars(
            starts,
            np.minimum(following, ceiling) - starts,
            self.numerator[row],
            self.denominator[row],
        )

    def _line(self, bar: Ticks, row: NDArray[np.intp], ticks_per_quarter: int) -> Ticks:
        """The first tick that lies in each bar, reckoned in the metre of `row`."""
        offset = (bar - self._first_bar(ticks_per_quarter)[row]) * self._bar(ticks_per_quarter)[row]
        return np.asarray(self.ticks[row] - (-offset // self._denominators()[row]))

    def _denominators(self) -> Ticks:
        return self.denominator.astype(np.int64)

    def _bar(self, ticks_per_quarter: int) -> Ticks:
        """The length of a bar of each row, in ticks times its denominator."""
        return self.numerator.astype(np.int64) * (4 * ticks_per_quarter)

    def _first_bar(self, ticks_per_quarter: int) -> Ticks:
        """The number of the bar that each row begins; a bar cut short counts as one."""
        spans = np.diff(self.ticks) * self._denominators()[:-1]
        counts = -(-spans // self._bar(ticks_per_quarter)[:-1])
        return np.concatenate([np.zeros(1, np.int64), np.cumsum(counts)])


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class KeyMap(Columns):
    """Key signatures: sharps from -7 (flats) to 7, and whether the key is minor. May be empty."""

    ticks: Ticks = column(np.int64)
    sharps: NDArray[np.int8] = column(np.int8)
    minor: NDArray[np.bool_] = column(np.bool_)

    def __post_init__(self) -> None:
        Columns.__post_init__(self)
        _check_rising(self.ticks, "key")
        check_range(self.sharps, -7, 7, "a key has {} sharps (flats count below 0)")


def microseconds_of(bpm: float) -> int:
    """A tempo in quarters a minute as microseconds a quarter, as MIDI stores it."""
    if not 60e6 / (2**24 - 1) <= bpm <= 60e6:
        raise BadMusic(f"{bpm:g} BPM is no tempo MIDI can hold; use 4 to 60,000,000")
    return round(60e6 / bpm)


def _check_starts(ticks: Ticks, what: str) -> None:
    _check_rising(ticks, what)
    if not len(ticks) or ticks[0] != 0:
        found = f"its first row stands at tick {ticks[0]}" if len(ticks) else "it has no rows"
        raise BadMusic(f"a {what} map must begin at tick 0; {found}")


def _check_rising(ticks: Ticks, what: str) -> None:
    check_range(ticks, 0, MAX_TICKS, "a " + what + " stands at tick {}")
    if len(ticks) > 1 and np.any(ticks[1:] <= ticks[:-1]):
        misfit = ticks[1:][ticks[1:] <= ticks[:-1]][0]
        raise BadMusic(f"a {what} at tick {misfit} follows one at the same tick or a later one")
