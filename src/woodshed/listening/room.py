"""A touch of room: early reflections and a tail, for each stem by itself.

It is linear, so that the rooms of the stems sum to the room of the mix. Eight delay lines feed
each other through a mirror (Householder) matrix, and walls swallow high frequencies.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .synth_voices import CHUNK, Loop, Reals

LINES = 8

DELAYS_SECONDS = (0.0297, 0.0343, 0.0389, 0.0419, 0.0467, 0.0521, 0.0571, 0.0623)
EARLY_SECONDS = ((0.0091, 0.0163, 0.0251), (0.0113, 0.0187, 0.0229))
EARLY_GAINS = (0.32, 0.25, 0.2)
TAIL_SECONDS = 1.1
"""Until the tail has fallen by 60 decibels, in the middle frequencies."""

DULL_HERTZ = 5200.0
"""Above this the walls swallow much."""

SILENT = 2e-5


def reverberate(
    rooms: Any, lines: Any, before: Any, lows: Any, delays: Any, keeps: Any, early: Any,
    dull: float, send: Any, out: Any, first: int,
) -> None:  # fmt: skip
    """Add the room's answer to `send` (stems, 2, frames) to `out`, for the stems in `rooms`.

    `lines` (stems, LINES, frames) and `before` (stems, 2, frames) are what is under way, `lows`
    (stems, LINES) the filters of the walls.
    """
    mask = lines.shape[2] - 1
    heard = np.empty(LINES)
    for n in range(len(rooms)):
        stem = rooms[n]
        for j in range(send.shape[2]):
            at = first + j
            x = float(send[stem, 0, j])
            y = float(send[stem, 1, j])
            before[stem, 0, at & mask] = x
            before[stem, 1, at & mask] = y
            west = 0.0
            east = 0.0
            for k in range(3):
                other = k % 2  # the middle one comes from the far wall
                west += EARLY_GAINS[k] * before[stem, other, (at - early[0, k]) & mask]
                east += EARLY_GAINS[k] * before[stem, 1 - other, (at - early[1, k]) & mask]
            total = 0.0
            for k in range(LINES):
                low = lines[stem, k, (at - delays[k]) & mask]
                low = lows[stem, k] + dull * (low - lows[stem, k])
                lows[stem, k] = low
                heard[k] = low
                total += low
            mirrored = total * (2.0 / LINES)
            into_west = 0.5 * (x + west)
            into_east = 0.5 * (y + east)
            for k in range(LINES):
                into = into_west if k % 2 == 0 else into_east
                lines[stem, k, at & mask] = into + keeps[k] * (heard[k] - mirrored)
            west += 0.8 * (heard[0] - heard[2] + heard[4] - heard[6])
            east += 0.8 * (heard[1] - heard[3] + heard[5] - heard[7])
            out[stem, 0, j] += np.float32(west)
            out[stem, 1, j] += np.float32(east)


def _nothing() -> tuple[Any, ...]:
    lines, before = np.zeros((0, LINES, 1), np.float32), np.zeros((0, 2, 1), np.float32)
    delays, early = np.ones(LINES, np.int64), np.ones((2, 3), np.int64)
    bus = np.zeros((0, 2, CHUNK), np.float32)
    keeps = np.ones(LINES)
    none = np.zeros(0, np.int64)
    return none, lines, before, keeps[None, :][:0], delays, keeps, early, 0.5, bus, bus, 0


REVERBERATE = Loop(reverberate, _nothing)


class Room:
    """The rooms of all stems, and what still sounds in them."""

    def __init__(self, stems: int, rate: int):
        size = 1 << int(DELAYS_SECONDS[-1] * rate).bit_length()
        self._lines = np.zeros((stems, LINES, size), np.float32)
        self._before = np.zeros((stems, 2, size), np.float32)
        self._lows = np.zeros((stems, LINES))
        self._sounds = np.zeros(stems, np.bool_)
        self._delays = np.array([int(s * rate) | 1 for s in DELAYS_SECONDS])
        self._keeps: Reals = 10.0 ** (-3.0 * self._delays / (TAIL_SECONDS * rate))
        self._early = (np.array(EARLY_SECONDS) * rate).astype(np.int64)
        self._dull = 1.0 - math.exp(-2.0 * math.pi * min(DULL_HERTZ, 0.4 * rate) / rate)

    @property
    def sounds(self) -> bool:
        """Whether anything still sounds in any room."""
        return bool(self._sounds.any())

    def add(self, send: NDArray[np.float32], out: NDArray[np.float32], first: int) -> None:
        """Add the rooms' answer to a chunk of `send` (stems, 2, frames) to `out`."""
        entered = np.abs(send).max(axis=(1, 2), initial=0.0) > 0.0
        rooms = np.flatnonzero(entered | self._sounds)
        if not len(rooms):
            return
        REVERBERATE.form(
            rooms, self._lines, self._before, self._lows, self._delays, self._keeps, self._early,
            self._dull, send, out, first,
        )  # fmt: skip
        self._sounds[rooms] = entered[rooms]
        faint = rooms[~entered[rooms]]
        if len(faint):
            self._sounds[faint] = np.abs(self._lows[faint]).max(axis=1) > SILENT
            for stem in faint[~self._sounds[faint]]:
                self._lines[stem], self._before[stem], self._lows[stem] = 0.0, 0.0, 0.0
