"""Voices: one row of arrays for each note that sounds, as the synthesiser's loops want them.

A kind of voice (struck, plucked, blown) adds its own columns and arrays. Knows no sound.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..music.compiled import compiled

QUANTUM = 64
"""Frames for which pitch and controllers stand still; loudness moves from one to the next."""

CHUNK = 4096
"""Frames computed at a time, always on the same grid, so that bytes do not depend on blocks."""

QUANTA = CHUNK // QUANTUM

# Columns that every kind of voice has. Times are in frames since the beginning of the music.
TRACK, START, END, FADE, TUNE, GAIN, NOW, LEFT, RIGHT, ALIVE, OWN = range(11)
"""FADE: frames in which a released note falls by a factor e. NOW: its envelope where it stands."""

MOST_VOICES = 320
"""More notes at once than this, and the oldest are let go; twice as many, and new ones wait."""

STEAL_SECONDS = 0.01

Reals = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Prepared:
    """A note ready to sound: its row of columns and its rows of the arrays of its kind."""

    reals: Reals
    arrays: dict[str, NDArray[Any]] = field(default_factory=dict)


_LOADING = threading.Lock()  # loaded ahead by one thread, and wanted by another


class Loop:
    """A loop of the synthesiser that is compiled when first wanted, once in a process."""

    def __init__(self, function: Callable[..., Any], nothing: Callable[[], tuple[Any, ...]]):
        self._function, self._nothing = function, nothing
        self._form: Callable[..., Any] | None = None

    @property
    def form(self) -> Callable[..., Any]:
        """Machine code, or the plain function where there is no numba."""
        if self._form is None:
            with _LOADING:
                form = compiled(self._function, lambda f: f(*self._nothing()))
                self._form = form or self._function
        return self._form


class Voices:
    """All notes of one kind that sound now."""

    def __init__(
        self, loop: Loop, columns: int, rooms: dict[str, tuple[tuple[int, ...], Any]], rate: int
    ):
        self._loop, self._rate = loop, rate
        self._reals = np.zeros((16, columns))
        self._arrays = {
            name: np.zeros((16, *shape), dtype) for name, (shape, dtype) in rooms.items()
        }
        self._free = list(range(15, -1, -1))
        self._live: list[tuple[int, int, int]] = []  # row, track, key; oldest first

    def __len__(self) -> int:
        return len(self._live)

    @property
    def bytes_held(self) -> int:
        """What the arrays take in memory."""
        return self._reals.nbytes + sum(a.nbytes for a in self._arrays.values())

    def start(self, prepared: Prepared, track: int, key: int, start: float, end: float) -> Reals:
        """Let a note begin; the row it got may still be changed."""
        if len(self._live) >= 2 * MOST_VOICES:
            return prepared.reals.copy()
        if len(self._live) >= MOST_VOICES:
            self._let_go(self._live[len(self._live) - MOST_VOICES][0], start, STEAL_SECONDS)
        if not self._free:
            self._grow()
        row = self._free.pop()
        self._live.append((row, track, key))
        for name, values in prepared.arrays.items():
            self._arrays[name][row, : len(values)] = values
        reals: Reals = self._reals[row]
        reals[: len(prepared.reals)] = prepared.reals
        reals[TRACK], reals[START], reals[END], reals[ALIVE] = track, start, end, 1.0
        return reals

    def choke(self, track: int, keys: frozenset[int], at: float, seconds: float) -> None:
        """Let go of a track's notes of these keys that began before."""
        for row, of, key in self._live:
            if of == track and key in keys and self._reals[row, START] < at:
                self._let_go(row, at, seconds)

    def sound(self, ratio: Reals, bus: NDArray[np.float32], first: int) -> set[int]:
        """Add the next chunk of every note to its track's `bus`; gives the tracks that sounded.

        `ratio` (tracks, quanta) is by how much each track is out of tune; `first` the frame.
        """
        if not self._live:
            return set()
        live = np.array([row for row, _, _ in self._live])
        self._loop.form(live, self._reals, *self._arrays.values(), ratio, bus, first)
        sounded = {track for _, track, _ in self._live}
        alive = self._reals[live, ALIVE] > 0
        if not alive.all():
            self._free += live[~alive].tolist()
            self._live = [voice for voice, on in zip(self._live, alive, strict=True) if on]
        return sounded

    def _let_go(self, row: int, at: float, seconds: float) -> None:
        reals = self._reals[row]
        if reals[END] > at or reals[FADE] > seconds * self._rate:
            reals[FADE] = seconds * self._rate
        # A fade that has begun goes on from where it stands: the loops multiply, step by step.
        reals[END] = min(reals[END], max(at, reals[START]))

    def _grow(self) -> None:
        size = len(self._reals)
        self._free += range(2 * size - 1, size - 1, -1)
        self._reals = _doubled(self._reals)
        self._arrays = {name: _doubled(values) for name, values in self._arrays.items()}


def _doubled(values: NDArray[Any]) -> NDArray[Any]:
    return np.concatenate((values, np.zeros_like(values)))
