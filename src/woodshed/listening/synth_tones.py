"""Tones that last: one period in a table, read by oscillators. Organs, winds, strings, voices.

A tone has two tables, dark and bright, and goes between them with velocity and time. Several
oscillators, each a little out of tune and drifting, are a section or a choir; noise is breath.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .synth_struck import LAST, SILENT
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

PERIOD = 2048
"""Samples of a table."""

PARTS = 2**32
"""A phase is a whole number of such parts of a sample, so that it wraps around by itself."""

OSCILLATORS = 6

# Columns of a tone. Depths of pitch are in natural logarithms of a ratio, LFO steps in radians.
(
    COUNT, ATTACK, DECAY, SUSTAIN, BRIGHT_START, BRIGHT_LAST, BRIGHT_FRAMES, BRIGHT_NOW, VIBRATO,
    VIBRATO_STEP, VIBRATO_FROM, SHIVER, SCOOP, SCOOP_FRAMES, BREATH, CHIFF, CHIFF_FRAMES,
    BREATH_B, BREATH_A1, BREATH_A2, S1, S2, SEED,
) = range(OWN, OWN + 23)  # fmt: skip
COLUMNS = OWN + 23

# Columns of an oscillator.
PHASE, STEP, WEST, EAST, DRIFT, DRIFT_PHASE, DRIFT_STEP = range(7)


def sing(
    live: Any, reals: Any, oscillators: Any, table: Any, ratio: Any, bus: Any, first: int
) -> None:
    """Add one chunk of all tones.

    `table` (voices, PERIOD + 1, 2) holds the dark table and how much the bright one differs.
    """
    west = np.empty(QUANTUM)
    east = np.empty(QUANTUM)
    for n in range(len(live)):
        v = live[n]
        r = reals[v]
        track = int(r[TRACK])
        start = r[START]
        wave = table[v]
        for q in range(QUANTA):
            begin = first + q * QUANTUM
            if begin + QUANTUM <= start:
                continue
            skip = int(max(start - begin, 0))
            size = QUANTUM - skip
            t = begin + QUANTUM - start
            is_first = t <= QUANTUM

            now = 0.0 if is_first else r[NOW]
            if t < r[ATTACK]:
                rise = t / r[ATTACK]
                after = rise * (2.0 - rise)
            else:
                fallen = math.exp(-(t - r[ATTACK]) / r[DECAY])
                after = r[SUSTAIN] + (1.0 - r[SUSTAIN]) * fallen
            depth = r[VIBRATO]
            if t < 2.0 * r[VIBRATO_FROM]:
                depth *= max(t / r[VIBRATO_FROM] - 1.0, 0.0)
            if r[SHIVER] > 0.0:
                after *= 1.0 + r[SHIVER] * depth * math.sin(r[VIBRATO_STEP] * t)
            released = begin + QUANTUM - r[END]
            if released > 0.0:
                after = now * math.exp(-min(released, size) / r[FADE])
            bright_now = r[BRIGHT_NOW]
            bright = r[BRIGHT_START] - r[BRIGHT_LAST]
            bright = r[BRIGHT_LAST] + bright * math.exp(-t / r[BRIGHT_FRAMES])
            if is_first:
                bright_now = bright
            r[BRIGHT_NOW] = bright
            bright_step = (bright - bright_now) / size

            pitch = ratio[track, q] * r[TUNE]
            scoop = 0.0
            if r[SCOOP] != 0.0:
                scoop = r[SCOOP] * math.exp(-t / r[SCOOP_FRAMES])
            west[:] = 0.0
            east[:] = 0.0
            for k in range(int(r[COUNT])):
                o = oscillators[v, k]
                o[DRIFT_PHASE] += o[DRIFT_STEP] * size
                bend = scoop + o[DRIFT] * math.sin(o[DRIFT_PHASE])
                if depth > 0.0:
                    # Two who stand opposite each other shake in opposite ways.
                    pair = (k + 1) // 2
                    shaken = math.sin(r[VIBRATO_STEP] * t * (1.0 + 0.013 * pair) + 2.1 * pair)
                    bend += depth * (shaken if k % 2 or not k else -shaken)
                step = int(o[STEP] * pitch * math.exp(bend) * PARTS)
                phase = int(o[PHASE])
                mix = bright_now
                to_west = o[WEST]
                to_east = o[EAST]
                for j in range(size):
                    i = phase >> 32
                    f = (phase & (PARTS - 1)) * (1.0 / PARTS)
                    mix += bright_step
                    x = wave[i, 0] + mix * wave[i, 1]
                    x += f * (wave[i + 1, 0] + mix * wave[i + 1, 1] - x)
                    west[j] += to_west * x
                    east[j] += to_east * x
                    phase = (phase + step) & (PERIOD * PARTS - 1)
                o[PHASE] = phase

            if r[BREATH] > 0.0 or r[CHIFF] > 0.0:
                level = r[BREATH]
                if r[CHIFF] > 0.0:
                    level += r[CHIFF] * math.exp(-t / r[CHIFF_FRAMES])
                if level > SILENT:
                    b0 = r[BREATH_B]
                    a1 = r[BREATH_A1]
                    a2 = r[BREATH_A2]
                    s1 = r[S1]
                    s2 = r[S2]
                    seed = int(r[SEED])
                    for j in range(size):
                        seed = (seed * 1664525 + 1013904223) & 0xFFFFFFFF
                        x = seed * (2.0 / 4294967296.0) - 1.0
                        y = b0 * x + s1
                        s1 = s2 - a1 * y
                        s2 = -b0 * x - a2 * y
                        west[j] += level * y
                        east[j] += level * y
                    r[SEED] = seed
                    r[S1] = s1
                    r[S2] = s2

            r[NOW] = after
            step = (after - now) / size
            left = r[GAIN] * r[LEFT]
            right = r[GAIN] * r[RIGHT]
            at = begin - first + skip
            for j in range(size):
                now += step
                bus[track, 0, at + j] += np.float32(west[j] * now * left)
                bus[track, 1, at + j] += np.float32(east[j] * now * right)
            over = released > 0.0 or (r[SUSTAIN] == 0.0 and t > r[ATTACK])
            if over and after * r[GAIN] < LAST:
                r[ALIVE] = 0.0
                break


def _nothing() -> tuple[Any, ...]:
    made = (np.zeros((0, *shape), dtype) for shape, dtype in _ROOMS.values())
    bus = np.zeros((0, 2, QUANTUM), np.float32)
    return (np.zeros(0, np.int64), np.zeros((0, COLUMNS)), *made, np.zeros((0, 0)), bus, 0)


_ROOMS: dict[str, tuple[tuple[int, ...], Any]] = {
    "oscillators": ((OSCILLATORS, 7), np.float64),
    "table": ((PERIOD + 2, 2), np.float32),
}

SING = Loop(sing, _nothing)


def tone_voices(rate: int) -> Voices:
    """No notes yet."""
    return Voices(SING, COLUMNS, _ROOMS, rate)
