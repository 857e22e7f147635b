"""What a track's sound goes through before it is mixed: amplifier, body, chorus, tremolo, place.

One loop takes all tracks that sound, and adds each to its stem, dry and on the way to the room.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .synth_notes import amplitude
from .synth_sounds import Sound
from .synth_voices import CHUNK, QUANTA, QUANTUM, Loop, Reals

FILTERS = 5
DELAY = 4096

LOWEST_HERTZ = 10.0
"""Below this nothing is heard but a push of the membrane: drums lose what is not a wave."""

# Columns of a track: parameters, then states.
(
    STEM, DRIVE, MAKE_UP, CHORUS_STEP, CHORUS_DEPTH, CHORUS_SHARE, TREMOLO_STEP, TREMOLO_DEPTH,
    TREMOLO_TURNS, ROOM, GAIN_NOW, PAN_NOW, AT, BLOCKED_IN, BLOCKED_OUT, STEADY, WEST_IN,
    WEST_OUT, EAST_IN, EAST_OUT, HALVES,
) = range(21)  # fmt: skip
FILTER = HALVES + 18
FILTER_COLUMNS = 9  # five coefficients, two states for each side
COLUMNS = FILTER + FILTERS * FILTER_COLUMNS

# A half-band filter of four all-passes, for twice the frames around the amplifier.
_A0, _A1, _A2, _A3 = 0.07986642623635751, 0.2838293448741099, 0.5453536510711322, 0.8344118914807379


def blend(
    active: Any, tracks: Any, delay: Any, gain: Any, pan: Any, bus: Any, dry: Any, send: Any,
    first: int,
) -> None:  # fmt: skip
    """Add a chunk of every active track's `bus` (tracks, 2, frames) to `dry` and `send`.

    `gain` and `pan` (tracks, quanta) are where the controllers stand. The bus is empty afterwards.
    """
    half = np.empty(2)
    for n in range(len(active)):
        track = active[n]
        r = tracks[track]
        west = bus[track, 0]
        east = bus[track, 1]
        stem = int(r[STEM])
        frames = len(west)

        if r[DRIVE] > 0.0:
            drive = r[DRIVE]
            make_up = r[MAKE_UP]
            for j in range(frames):
                x = 0.5 * (west[j] + east[j])
                # No bass into the amplifier, or it sounds like mud.
                blocked = x - r[BLOCKED_IN] + 0.975 * r[BLOCKED_OUT]
                r[BLOCKED_IN] = x
                r[BLOCKED_OUT] = blocked
                blocked *= drive
                for side in range(2):  # up: one frame becomes two
                    y = blocked
                    for stage in range(2):
                        if side == 0:
                            a = _A0 if stage == 0 else _A2
                        else:
                            a = _A1 if stage == 0 else _A3
                        p = HALVES + 4 * side + 2 * stage
                        z = a * (y - r[p + 1]) + r[p]
                        r[p] = y
                        r[p + 1] = z
                        y = z
                    y += 0.12  # a valve is not symmetrical
                    y = min(max(y, -3.0), 3.0)
                    y = y * (27.0 + y * y) / (27.0 + 9.0 * y * y)
                    half[side] = y
                total = 0.0
                for side in range(2):  # down: the later frame takes the other way
                    y = half[1 - side]
                    for stage in range(2):
                        if side == 0:
                            a = _A0 if stage == 0 else _A2
                        else:
                            a = _A1 if stage == 0 else _A3
                        p = HALVES + 8 + 4 * side + 2 * stage
                        z = a * (y - r[p + 1]) + r[p]
                        r[p] = y
                        r[p + 1] = z
                        y = z
                    total += 0.5 * y
                # The asymmetry leaves a constant, which goes here.
                level = total - r[HALVES + 16] + 0.998 * r[HALVES + 17]
                r[HALVES + 16] = total
                r[HALVES + 17] = level
                west[j] = np.float32(level * make_up)
                east[j] = west[j]

        for k in range(FILTERS):
            p = FILTER + k * FILTER_COLUMNS
            b0 = r[p]
            if b0 == 0.0:
                break
            b1 = r[p + 1]
            b2 = r[p + 2]
            a1 = r[p + 3]
            a2 = r[p + 4]
            s1 = r[p + 5]
            s2 = r[p + 6]
            t1 = r[p + 7]
            t2 = r[p + 8]
            for j in range(frames):
                x = west[j]
                y = b0 * x + s1
                s1 = b1 * x - a1 * y + s2
                s2 = b2 * x - a2 * y
                west[j] = np.float32(y)
                x = east[j]
                y = b0 * x + t1
                t1 = b1 * x - a1 * y + t2
                t2 = b2 * x - a2 * y
                east[j] = np.float32(y)
            r[p + 5] = s1
            r[p + 6] = s2
            r[p + 7] = t1
            r[p + 8] = t2

        steady = r[STEADY]
        last_x = r[WEST_IN]
        last_y = r[WEST_OUT]
        for j in range(frames):
            x = west[j]
            last_y = x - last_x + steady * last_y
            last_x = x
            west[j] = np.float32(last_y)
        r[WEST_IN] = last_x
        r[WEST_OUT] = last_y
        last_x = r[EAST_IN]
        last_y = r[EAST_OUT]
        for j in range(frames):
            x = east[j]
            last_y = x - last_x + steady * last_y
            last_x = x
            east[j] = np.float32(last_y)
        r[EAST_IN] = last_x
        r[EAST_OUT] = last_y

        if r[CHORUS_SHARE] > 0.0:
            mask = DELAY - 1
            at = int(r[AT])
            share = r[CHORUS_SHARE]
            for q in range(frames // QUANTUM):
                turn = r[CHORUS_STEP] * (first + q * QUANTUM)
                swing = math.sin(turn)
                swing_after = math.sin(turn + r[CHORUS_STEP] * QUANTUM)
                for j in range(q * QUANTUM, (q + 1) * QUANTUM):
                    part = (j - q * QUANTUM) / QUANTUM
                    now = r[CHORUS_DEPTH] * (swing + part * (swing_after - swing))
                    middle = 2.0 * r[CHORUS_DEPTH] + 60.0
                    for side in range(2):
                        x = west[j] if side == 0 else east[j]
                        delay[track, side, at & mask] = x
                        back = middle + now if side == 0 else middle - now
                        whole = int(back)
                        f = back - whole
                        y = delay[track, side, (at - whole) & mask]
                        y += f * (delay[track, side, (at - whole - 1) & mask] - y)
                        if side == 0:
                            west[j] = np.float32(x * (1.0 - share) + y * share)
                        else:
                            east[j] = np.float32(x * (1.0 - share) + y * share)
                    at += 1
            r[AT] = at

        to_room = np.float32(r[ROOM])
        for q in range(frames // QUANTUM):
            if r[GAIN_NOW] < 0.0:
                r[GAIN_NOW] = gain[track, q]
                r[PAN_NOW] = pan[track, q]
            angle = (1.0 + r[PAN_NOW]) * math.pi / 4.0
            left = r[GAIN_NOW] * math.sqrt(2.0) * math.cos(angle)
            right = r[GAIN_NOW] * math.sqrt(2.0) * math.sin(angle)
            r[GAIN_NOW] += 0.2 * (gain[track, q] - r[GAIN_NOW])
            r[PAN_NOW] += 0.2 * (pan[track, q] - r[PAN_NOW])
            angle = (1.0 + r[PAN_NOW]) * math.pi / 4.0
            left_step = r[GAIN_NOW] * math.sqrt(2.0) * math.cos(angle) - left
            right_step = r[GAIN_NOW] * math.sqrt(2.0) * math.sin(angle) - right
            if r[TREMOLO_DEPTH] > 0.0:
                turn = r[TREMOLO_STEP] * (first + q * QUANTUM)
                other = r[TREMOLO_TURNS]
                now = math.sin(turn)
                after = math.sin(turn + r[TREMOLO_STEP] * QUANTUM)
                depth = r[TREMOLO_DEPTH]
                end = (left + left_step) * (1.0 + depth * after)
                left *= 1.0 + depth * now
                left_step = end - left
                end = (right + right_step) * (1.0 + depth * after * other)
                right *= 1.0 + depth * now * other
                right_step = end - right
            for j in range(QUANTUM):
                i = q * QUANTUM + j
                part = j / QUANTUM
                x = np.float32(west[i] * (left + part * left_step))
                y = np.float32(east[i] * (right + part * right_step))
                dry[stem, 0, i] += x
                dry[stem, 1, i] += y
                send[stem, 0, i] += x * to_room
                send[stem, 1, i] += y * to_room
        west[:] = np.float32(0.0)
        east[:] = np.float32(0.0)


def _nothing() -> tuple[Any, ...]:
    flat, bus = np.zeros((0, COLUMNS)), np.zeros((0, 2, CHUNK), np.float32)
    curves = np.zeros((0, QUANTA))
    return np.zeros(0, np.int64), flat, bus, curves, curves, bus, bus, bus, 0


BLEND = Loop(blend, _nothing)


def track_row(sound: Sound, stem: int, pan_now: float, rate: int) -> Reals:
    """The columns of a track that plays this sound."""
    row = np.zeros(COLUMNS)
    row[STEM] = stem
    row[ROOM] = amplitude(sound.room)
    row[GAIN_NOW], row[PAN_NOW] = -1.0, pan_now
    row[STEADY] = math.exp(-2.0 * math.pi * LOWEST_HERTZ / rate)
    if sound.drive:
        row[DRIVE] = amplitude(sound.drive)
        row[MAKE_UP] = amplitude(sound.level)
    if sound.chorus:
        speed, milliseconds, share = sound.chorus
        row[CHORUS_STEP] = 2.0 * math.pi * speed / rate
        row[CHORUS_DEPTH] = min(milliseconds * rate / 1000.0, 1200.0)
        row[CHORUS_SHARE] = share
    if sound.tremolo:
        speed, depth, turns = sound.tremolo
        row[TREMOLO_STEP] = 2.0 * math.pi * speed / rate
        row[TREMOLO_DEPTH] = depth
        row[TREMOLO_TURNS] = -1.0 if turns else 1.0
    for n, (kind, hertz, q, decibels) in enumerate(sound.body[:FILTERS]):
        at = FILTER + n * FILTER_COLUMNS
        row[at : at + 5] = _filter(int(kind), hertz, q, decibels, rate)
    return row


def _filter(kind: int, hertz: float, q: float, decibels: float, rate: int) -> Reals:
    """A second-order filter: 0 a peak, 1 a low-pass, 2 a high-pass."""
    w = 2.0 * math.pi * min(hertz, 0.45 * rate) / rate
    alpha, c = math.sin(w) / (2.0 * q), math.cos(w)
    if kind == 0:
        a = amplitude(decibels / 2.0)
        up, down = (1 + alpha * a, -2 * c, 1 - alpha * a), (1 + alpha / a, -2 * c, 1 - alpha / a)
    else:
        edge = 1 - c if kind == 1 else 1 + c
        up = (edge / 2, edge if kind == 1 else -edge, edge / 2)
        down = (1 + alpha, -2 * c, 1 - alpha)
    return np.array((*up, *down[1:])) / down[0]
