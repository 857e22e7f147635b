"""Plucked strings: extended Karplus-Strong. Guitars, basses, harps, harpsichords.

A string is a delay line as long as its period, closed over a filter that lets high partials die
sooner, and tuned to a fraction of a frame: what the filters delay is taken off the line. Two
such strings make one note where the parameters say so: the two ways a string swings, or a course.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .synth_struck import LAST
from .synth_voices import (
    ALIVE,
    END,
    FADE,
    GAIN,
    LEFT,
    NOW,
    OWN,
    QUANTA,
    QUANTUM,
    RIGHT,
    START,
    TRACK,
    TUNE,
    Loop,
    Voices,
)

LINE = 4096
"""Frames a string's line has room for: A0 at 96 kHz and then some. A power of two."""

STRINGS = 2

# Columns of a plucked note, then those of each of its strings.
OMEGA, TUNED, PLUCK_FRAMES, WRITTEN, COUNT, LOUDEST, STRING = range(OWN, OWN + 7)
KEEP, SMOOTH, DETUNE, SHARE, WHOLE, SMOOTHED, H0, H1, H2, H3 = range(10)
STRING_COLUMNS = 10
COLUMNS = STRING + STRINGS * STRING_COLUMNS


def pluck(
    live: Any, reals: Any, line: Any, excitation: Any, ratio: Any, bus: Any, first: int
) -> None:
    """Add one chunk of all plucked notes.

    `line` (voices, strings, LINE) is what travels along the strings; `excitation` (voices, LINE)
    the first period, as the finger or the plectrum shapes it.
    """
    out = np.empty(QUANTUM)
    mask = LINE - 1
    for n in range(len(live)):
        v = live[n]
        r = reals[v]
        track = int(r[TRACK])
        start = r[START]
        if first <= start:
            line[v] = 0.0
        for q in range(QUANTA):
            begin = first + q * QUANTUM
            if begin + QUANTUM <= start:
                continue
            skip = int(max(start - begin, 0))
            size = QUANTUM - skip
            t = begin + QUANTUM - start
            pitch = ratio[track, q] * r[TUNE]
            retuned = pitch != r[TUNED]
            r[TUNED] = pitch
            out[:] = 0.0
            written = int(r[WRITTEN])
            for k in range(int(r[COUNT])):
                p = STRING + k * STRING_COLUMNS
                a = r[p + SMOOTH]
                if retuned:
                    # The line, the interpolation and the filter must delay by one period.
                    w = min(r[OMEGA] * pitch * r[p + DETUNE], 1.4)
                    filtered = math.atan2(a * math.sin(w), 1.0 - a * math.cos(w))
                    wanted = 2.0 * math.pi - filtered
                    whole = math.floor(wanted / w - 1.0)
                    d = wanted / w - whole
                    h0 = h1 = h2 = h3 = 0.0
                    for _ in range(4):
                        h0 = -(d - 1.0) * (d - 2.0) * (d - 3.0) / 6.0
                        h1 = d * (d - 2.0) * (d - 3.0) / 2.0
                        h2 = -d * (d - 1.0) * (d - 3.0) / 2.0
                        h3 = d * (d - 1.0) * (d - 2.0) / 6.0
                        up = h1 * math.sin(w) + h2 * math.sin(2.0 * w) + h3 * math.sin(3.0 * w)
                        over = h0 + h1 * math.cos(w) + h2 * math.cos(2.0 * w)
                        over += h3 * math.cos(3.0 * w)
                        d += (wanted - whole * w - math.atan2(up, over)) / w
                    r[p + WHOLE] = whole
                    r[p + H0] = h0
                    r[p + H1] = h1
                    r[p + H2] = h2
                    r[p + H3] = h3
                whole_frames = int(r[p + WHOLE])
                h0 = r[p + H0]
                h1 = r[p + H1]
                h2 = r[p + H2]
                h3 = r[p + H3]
                keep = r[p + KEEP] * (1.0 - a)
                share = r[p + SHARE]
                y = r[p + SMOOTHED]
                string = line[v, k]
                at = written
                plucked = int(r[PLUCK_FRAMES])
                for j in range(size):
                    read = at - whole_frames
                    x = h0 * string[read & mask] + h1 * string[(read - 1) & mask]
                    x += h2 * string[(read - 2) & mask] + h3 * string[(read - 3) & mask]
                    y = keep * x + a * y
                    moved = y
                    if at < plucked:
                        moved += excitation[v, at]
                    string[at & mask] = moved
                    out[j] += share * moved
                    at += 1
                r[p + SMOOTHED] = y
            r[WRITTEN] = written + size

            loudest = 0.0
            now = r[NOW]
            after = 1.0
            if skip or t <= QUANTUM:
                now = 0.0
            released = begin + QUANTUM - r[END]
            if released > 0.0:
                after = now * math.exp(-min(released, size) / r[FADE])
            r[NOW] = after
            step = (after - now) / size
            left = np.float32(r[GAIN] * r[LEFT])
            right = np.float32(r[GAIN] * r[RIGHT])
            place = begin - first + skip
            for j in range(size):
                now += step
                loudest = max(loudest, abs(out[j]))
                heard = np.float32(out[j] * now)
                bus[track, 0, place + j] += heard * left
                bus[track, 1, place + j] += heard * right
            r[LOUDEST] = max(0.8 * r[LOUDEST], loudest)
            if r[LOUDEST] * after * r[GAIN] < LAST and t > 2 * r[PLUCK_FRAMES]:
                r[ALIVE] = 0.0
                break


def _nothing() -> tuple[Any, ...]:
    made = (np.zeros((0, *shape), dtype) for shape, dtype in _ROOMS.values())
    bus = np.zeros((0, 2, QUANTUM), np.float32)
    return (np.zeros(0, np.int64), np.zeros((0, COLUMNS)), *made, np.zeros((0, 0)), bus, 0)


_ROOMS: dict[str, tuple[tuple[int, ...], Any]] = {
    "line": ((STRINGS, LINE), np.float64),
    "excitation": ((LINE,), np.float64),
}

PLUCK = Loop(pluck, _nothing)


def plucked_voices(rate: int) -> Voices:
    """No notes yet."""
    return Voices(PLUCK, COLUMNS, _ROOMS, rate)
