"""What is struck and rings: modes that die away, and noise. Pianos, mallets, bells and drums.

A mode turns by the same angle and shrinks by the same factor with every frame, so the waves of all
modes over one quantum are a table; a quantum of sound is the table times where the modes stand.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

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

MOST_MODES = 112
NOISES = 2

# Columns of a struck note.
MODES, TUNED, ATTACK, SWEEP, SWEEP_FRAMES, SEED, NOISE = range(OWN, OWN + 7)

# Columns of each noise in it, from NOISE on: a filter of two states, and bursts that die away.
LEVEL, SHORT_FALL, FALL, RISE, BURSTS, SPACING, B0, B1, B2, A1, A2, S1, S2, HEARD = range(14)
NOISE_COLUMNS = 14
COLUMNS = NOISE + NOISES * NOISE_COLUMNS

LANES = 8
"""So many frames of a table are computed one by one, the others side by side."""

SILENT = 1e-5
"""What is fainter than this is not computed, so that no number gets too small to be quick."""

LAST = 3e-5
"""A note fainter than this, 90 decibels below full, is over."""


def ring(
    live: Any, reals: Any, angle: Any, shrink: Any, stand: Any, turn: Any, table: Any, ratio: Any,
    bus: Any, first: int,
) -> None:  # fmt: skip
    """Add one chunk of all struck notes.

    `stand` (voices, modes, 2) is where modes stand in the complex plane, `turn` the same of how
    they go over a quantum, `table` (voices, modes, 2, QUANTUM) how they go on the way.
    """
    out = np.empty(QUANTUM, np.float32)
    for n in range(len(live)):
        v = live[n]
        r = reals[v]
        track = int(r[TRACK])
        start = r[START]
        modes = int(r[MODES])
        for q in range(QUANTA):
            begin = first + q * QUANTUM
            if begin + QUANTUM <= start:
                continue
            skip = int(max(start - begin, 0))
            size = QUANTUM - skip
            t = begin + QUANTUM - start

            pitch = ratio[track, q] * r[TUNE]
            if r[SWEEP] != 0.0:
                swept = r[SWEEP] * math.exp(-(t - size * 0.5) / r[SWEEP_FRAMES])
                if abs(swept) > 1e-4:
                    pitch *= 1.0 + swept
            if abs(pitch - r[TUNED]) > 1e-6:
                r[TUNED] = pitch
                for m in range(modes):
                    if abs(stand[v, m, 0]) + abs(stand[v, m, 1]) < SILENT:
                        continue
                    theta = angle[v, m] * pitch
                    c = math.cos(theta) * shrink[v, m]
                    s = math.sin(theta) * shrink[v, m]
                    x = 1.0 if theta < 2.9 else 0.0
                    y = 0.0
                    real = table[v, m, 0]
                    imaginary = table[v, m, 1]
                    for j in range(LANES):
                        real[j] = x
                        imaginary[j] = y
                        x, y = x * c - y * s, x * s + y * c
                    c = x
                    s = y
                    x = 1.0 if theta < 2.9 else 0.0
                    y = 0.0
                    fc = np.float32(c)
                    fs = np.float32(s)
                    for at in range(0, QUANTUM - LANES, LANES):
                        for j in range(LANES):
                            fx = real[at + j]
                            fy = imaginary[at + j]
                            real[at + LANES + j] = fx * fc - fy * fs
                            imaginary[at + LANES + j] = fx * fs + fy * fc
                    for _ in range(QUANTUM // LANES):
                        x, y = x * c - y * s, x * s + y * c
                    turn[v, m, 0] = x
                    turn[v, m, 1] = y

            out[:] = 0.0
            loudest = 0.0
            for m in range(modes):
                x = stand[v, m, 0]
                y = stand[v, m, 1]
                size_of = abs(x) + abs(y)
                if size_of < SILENT:
                    continue
                loudest = max(loudest, size_of)
                fx = np.float32(x)
                fy = np.float32(y)
                real = table[v, m, 0]
                imaginary = table[v, m, 1]
                for j in range(QUANTUM):
                    out[j] += fx * imaginary[j] + fy * real[j]
                if skip:
                    c = float(real[size])
                    s = float(imaginary[size])
                else:
                    c = turn[v, m, 0]
                    s = turn[v, m, 1]
                stand[v, m, 0] = x * c - y * s
                stand[v, m, 1] = x * s + y * c

            for k in range(NOISES):
                p = NOISE + k * NOISE_COLUMNS
                if r[p + LEVEL] == 0.0:
                    continue
                burst = min(math.floor(t / r[p + SPACING]), r[p + BURSTS] - 1.0)
                since = t - burst * r[p + SPACING]
                fall = r[p + FALL] if burst == r[p + BURSTS] - 1.0 else r[p + SHORT_FALL]
                target = r[p + LEVEL] * math.exp(-since / fall)
                if since < r[p + RISE]:
                    target *= since / r[p + RISE]
                level = r[p + HEARD]
                if skip or t <= QUANTUM:
                    level = 0.0 if r[p + RISE] > 0.0 else r[p + LEVEL]
                r[p + HEARD] = target
                if max(level, target) < SILENT:
                    continue
                loudest = max(loudest, target)
                step = (target - level) / size
                b0 = r[p + B0]
                b1 = r[p + B1]
                b2 = r[p + B2]
                a1 = r[p + A1]
                a2 = r[p + A2]
                s1 = r[p + S1]
                s2 = r[p + S2]
                seed = int(r[SEED])
                for j in range(size):
                    seed = (seed * 1664525 + 1013904223) & 0xFFFFFFFF
                    x = seed * (2.0 / 4294967296.0) - 1.0
                    y = b0 * x + s1
                    s1 = b1 * x - a1 * y + s2
                    s2 = b2 * x - a2 * y
                    level += step
                    out[j] += np.float32(y * level)
                r[SEED] = seed
                r[p + S1] = s1
                r[p + S2] = s2

            now = r[NOW]
            after = 1.0
            if t < r[ATTACK]:
                after = t / r[ATTACK]
            elif skip or t <= QUANTUM:
                now = 1.0
            released = begin + QUANTUM - r[END]
            if released > 0.0:
                after = now * math.exp(-min(released, size) / r[FADE])
            r[NOW] = after
            step = (after - now) / size
            left = np.float32(r[GAIN] * r[LEFT])
            right = np.float32(r[GAIN] * r[RIGHT])
            at = begin - first + skip
            for j in range(size):
                now += step
                heard = out[j] * np.float32(now)
                bus[track, 0, at + j] += heard * left
                bus[track, 1, at + j] += heard * right
            if loudest * after * r[GAIN] < LAST and t > r[ATTACK] + QUANTUM:
                r[ALIVE] = 0.0
                break


def _nothing() -> tuple[Any, ...]:
    made = (np.zeros((0, *shape), dtype) for shape, dtype in _ROOMS.values())
    bus = np.zeros((0, 2, QUANTUM), np.float32)
    return (np.zeros(0, np.int64), np.zeros((0, COLUMNS)), *made, np.zeros((0, 0)), bus, 0)


_ROOMS: dict[str, tuple[tuple[int, ...], Any]] = {
    "angle": ((MOST_MODES,), np.float64),
    "shrink": ((MOST_MODES,), np.float64),
    "stand": ((MOST_MODES, 2), np.float64),
    "turn": ((MOST_MODES, 2), np.float64),
    "table": ((MOST_MODES, 2, QUANTUM), np.float32),
}

RING = Loop(ring, _nothing)


def struck_voices(rate: int) -> Voices:
    """No notes yet."""
    return Voices(RING, COLUMNS, _ROOMS, rate)
