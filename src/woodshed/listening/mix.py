"""Levels of a mix: the gain to a loudness, and a limiter that looks ahead and never clips.

Knows blocks of samples. Refuses to know engines and files.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from ..music.compiled import compiled

CEILING_DB = -1.0
"""No peak is higher, those between the samples among them: room for what MP3 and OGG add."""

LOOK_AHEAD_SECONDS = 0.005
RELEASE_SECONDS = 0.15

RESTED_SECONDS = 3.0
"""After so much silence the limiter turns nothing down any more, and rests until it ends."""

PHASES = 4
TAPS = 12
"""Peaks between samples are found by four-fold oversampling with 12 taps each, as in BS.1770."""

Block = NDArray[np.float32]
"""Samples of shape (stems, frames, 2)."""


def decibels(factor: float) -> float:
    """A factor as decibels; minus infinity for 0."""
    return 20 * math.log10(factor) if factor > 0 else -math.inf


def factor(decibels: float) -> float:
    """Decibels as a factor."""
    return float(10 ** (decibels / 20))


def load_kernels() -> None:
    """Load the machine code, which takes half a second, before it is needed."""
    _kernels()


class PeakFinder:
    """The height of every frame, with what rises between the samples; some frames late."""

    delay = TAPS // 2

    def __init__(self) -> None:
        self._taps = _taps()
        self._reach = _reach()
        self._past = np.zeros((TAPS, 2), np.float32)
        self._between = np.zeros(1, np.float32)  # how high it rose behind the frame before

    def find(self, mix: NDArray[np.float32], above: float) -> NDArray[np.float32]:
        """Heights, `delay` frames late. Those surely below `above` may be told as too low."""
        signal = np.concatenate([self._past, mix])
        self._past = signal[len(signal) - TAPS :].copy()
        if not signal.any():
            self._between[0] = 0.0
            return np.zeros(len(mix), np.float32)
        if np.abs(signal).max() * self._reach <= above:
            self._between[0] = 0.0
            return np.asarray(np.abs(signal[TAPS // 2 : TAPS // 2 + len(mix)]).max(axis=1))
        heights = np.empty(len(mix), np.float32)
        _kernels()[0](signal, self._taps, self._reach, np.float32(above), self._between, heights)
        return heights


class Limiter:
    """Turns a mix down where it would rise over the ceiling, early enough to be smooth.

    Every stem gets the gain of the mix, so that stems still sum to it. A stem that alone would
    rise over full scale counts like a peak of the mix. Frames come out later than they go in.
    """

    def __init__(self, sample_rate: int, ceiling_db: float = CEILING_DB) -> None:
        self.ceiling = factor(ceiling_db)
        self.lowest_gain = 1.0
        self._finder = PeakFinder()
        self._span = max(round(sample_rate * LOOK_AHEAD_SECONDS), 2)
        self._release = 1 - math.exp(-1 / (sample_rate * RELEASE_SECONDS))
        self._delay = self._span - 1 + self._finder.delay
        self._late: Block | None = None  # frames that are still to come out
        self._stem_heights = np.zeros(self._finder.delay, np.float32)
        self._to_skip = self._delay
        # Ring buffers of the sliding minimum (values, their times), then of the moving average.
        self._rings = np.ones((3, self._span))
        self._rings[1] = -1.0
        self._cursor = np.array([0.0, 0.0, 0.0, 1.0, float(self._span)])
        self._is_idle = True  # nothing was to be turned down so far
        self._silent_frames = 0
        self._rests_after = round(sample_rate * RESTED_SECONDS)

    def limit(self, stems: Block) -> Block:
        """Take some frames and give as many as are ready."""
        if stems.any():
            self._silent_frames = 0
        elif self._silent_frames >= self._rests_after and not self._to_skip:
            return np.zeros_like(stems)
        else:
            self._silent_frames += stems.shape[1]
        mix = stems.sum(axis=0, dtype=np.float32)
        needed = _needed_gain(self._heights(stems, mix), self.ceiling)
        self._is_idle = self._is_idle and bool((needed == 1.0).all())
        gains = np.ones(len(needed), np.float32)
        if self._is_idle:
            self._cursor[2] += len(needed)  # the time; in the rings stands nothing but 1
        else:
            _kernels()[1](needed, self._rings, self._cursor, self._release, gains)
        waiting = stems if self._late is None else np.concatenate([self._late, stems], axis=1)
        skipped = min(self._to_skip, len(gains))
        self._to_skip -= skipped
        gains = gains[skipped:]
        self._late = waiting[:, len(gains) :].copy()
        if len(gains):
            self.lowest_gain = min(self.lowest_gain, float(gains.min()))
        return np.asarray(waiting[:, : len(gains)] * gains[None, :, None])

    def finish(self) -> Block:
        """The frames that are left."""
        if self._late is None:
            return np.zeros((1, 0, 2), np.float32)
        left = self._late.shape[1]
        silence = np.zeros((len(self._late), self._delay, 2), np.float32)
        return self.limit(silence)[:, :left]

    def _heights(self, stems: Block, mix: NDArray[np.float32]) -> NDArray[np.float32]:
        heights = self._finder.find(mix, self.ceiling)
        if len(stems) == 1:
            return heights
        # Not between the samples: a stem may touch full scale, it must only not be cut off.
        alone = np.abs(stems).max(axis=(0, 2)) * np.float32(self.ceiling)
        alone = np.concatenate([self._stem_heights, alone])
        self._stem_heights = alone[len(mix) :].copy()
        return np.asarray(np.maximum(heights, alone[: len(mix)]))


def _needed_gain(heights: NDArray[np.float32], ceiling: float) -> NDArray[np.float64]:
    return ceiling / np.maximum(heights.astype(np.float64), ceiling)


@functools.cache
def _reach() -> float:
    """How far over the samples it may rise between them, at the most."""
    return float(np.abs(_taps()).sum(axis=1).max())


def quiet_height() -> float:
    """A mix whose samples are no higher never needs the limiter, nor its machine code."""
    return factor(CEILING_DB) / _reach()


def _taps() -> NDArray[np.float32]:
    """Windowed sines that read a signal at a quarter, a half and three quarters of a sample."""
    places = np.arange(TAPS) - (TAPS // 2 - 1)
    rows = []
    for phase in range(1, PHASES):
        distance = places - phase / PHASES
        window = np.cos(np.pi * distance / (TAPS + 1)) ** 2
        row = np.sinc(distance) * window
        rows.append(row / row.sum())
    return np.array(rows, np.float32)


def _find_peaks(
    signal: NDArray[np.float32],
    taps: NDArray[np.float32],
    reach: float,
    above: float,
    before: NDArray[np.float32],
    heights: NDArray[np.float32],
) -> None:
    """The height of each frame: the highest of it and of what lies between it and its neighbours.

    Frames where all samples around are so low that nothing between them can reach `above` are
    told by their samples alone.
    """
    count, width = len(heights), taps.shape[1]
    half = width // 2
    last_between = before[0]
    known_until, is_low = 0, 0  # up to where it is known whether surroundings are low
    for n in range(count):
        here = n + half  # the place of this frame in `signal`
        height = float(max(abs(signal[here, 0]), abs(signal[here, 1])))
        if n == known_until:
            known_until = min(n + 64, count)
            top = np.float32(0.0)
            for i in range(here - half + 1, known_until + width):
                top = max(top, abs(signal[i, 0]), abs(signal[i, 1]))
            is_low = int(top * reach <= above)
        between = np.float32(0.0)
        if is_low == 0:
            for p in range(taps.shape[0]):
                left, right = np.float32(0.0), np.float32(0.0)
                for k in range(width):
                    tap = taps[p, k]
                    left += tap * signal[here - half + 1 + k, 0]
                    right += tap * signal[here - half + 1 + k, 1]
                between = max(between, abs(left), abs(right))
        heights[n] = max(height, float(between), float(last_between))
        last_between = between
    before[0] = last_between


def _smooth_gain(
    needed: NDArray[np.float64],
    rings: NDArray[np.float64],
    cursor: NDArray[np.float64],
    release: float,
    gains: NDArray[np.float32],
) -> None:
    """Gains that are down before each peak and come back slowly after it.

    The least gain needed within the span, released slowly, averaged over the span: all that goes
    into the average at a peak is at most what the peak needs, and so is the average.
    """
    span = rings.shape[1]
    first, count, time = int(cursor[0]), int(cursor[1]), int(cursor[2])
    envelope, total = cursor[3], cursor[4]
    for n in range(len(needed)):
        value = needed[n]
        # rings[0] and [1] hold the candidates for the least value, rising, with their times.
        while count > 0 and rings[0, (first + count - 1) % span] >= value:
            count -= 1
        if count > 0 and rings[1, first] <= time - span:
            first = (first + 1) % span
            count -= 1
        rings[0, (first + count) % span] = value
        rings[1, (first + count) % span] = time
        count += 1
        envelope = min(rings[0, first], envelope + release * (1.0 - envelope))
        place = time % span
        total += envelope - rings[2, place]
        rings[2, place] = envelope
        gains[n] = min(total / span, 1.0)
        time += 1
    cursor[0], cursor[1], cursor[2] = first, count, time
    cursor[3], cursor[4] = envelope, total


@functools.cache
def _kernels() -> tuple[Callable[..., None], Callable[..., None]]:
    def warm_finder(form: Callable[..., None]) -> None:
        signal = np.zeros((TAPS + 1, 2), np.float32)
        form(signal, _taps(), 2.0, np.float32(1.0), *np.zeros((2, 1), np.float32))

    def warm_smoother(form: Callable[..., None]) -> None:
        form(np.ones(1), np.ones((3, 2)), np.ones(5), 0.5, np.zeros(1, np.float32))

    return (
        compiled(_find_peaks, warm_finder) or _find_peaks,
        compiled(_smooth_gain, warm_smoother) or _smooth_gain,
    )
