"""How loud a piece will be, told by its notes alone: nothing is played.

Every sound was measured once (loudness.toml): how loud a note is, and how fast it falls. Notes add
up by their power, and the power of a piece goes through the gates that its loudness is measured
with. Knows the built-in synthesiser's sounds only.
"""

from __future__ import annotations

import math
import tomllib
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from .loudness import BLOCK_HOPS, HOP_SECONDS, OFFSET_LUFS, Meter, gated_lufs
from .synth import OTHER_DRUM, Synth
from .synth_controls import EXPRESSION, USUAL_EXPRESSION, USUAL_VOLUME, VOLUME, Events
from .synth_sounds import Tone, sounds

if TYPE_CHECKING:
    from .playing import Playing

KEYS = (36, 52, 68, 84)
"""The keys whose notes were measured; levels between are interpolated."""

VELOCITY = 100
"""How hard they were struck."""

FALLS = (0.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0)
"""Decibels a second: each note falls as the nearest of these."""

LAST_SECONDS = 0.05
"""How long a note is heard after its end, about."""

RINGING_LU = 1.2
"""What rooms, and strings that ring on while others begin, add to a piece: measured on 87 files."""

FAINT_DB = 40.0
"""A note that has fallen by so much adds nothing."""

NOTE_SECONDS = 1.0
MEASURED_RATE = 44100

Reals = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Measured:
    """Power and fall (dB a second) of notes: of programs (128, keys), of drums (128,)."""

    program_power: Reals
    program_fall: Reals
    drum_power: Reals
    drum_fall: Reals


@lru_cache(maxsize=1)
def measured() -> Measured:
    """What was measured, read on first use. Drum keys outside the kit sound like another."""
    table = tomllib.loads((resources.files(__package__) / "loudness.toml").read_text("utf-8"))
    programs = np.array([table["programs"][str(n)] for n in range(128)], np.float64)
    drums = np.full((128, 2), table["drums"][str(OTHER_DRUM)])
    for key, row in table["drums"].items():
        drums[int(key)] = row
    return Measured(_power(programs[:, 0]), programs[:, 1], _power(drums[:, 0]), drums[:, 1])


def expected_lufs(playing: Playing, begin: float = 0.0, seconds: float = math.inf) -> float:
    """The integrated loudness of a piece, or of some seconds of it, before any gain.

    Minus infinity where there are no notes.
    """
    if not len(playing.start_seconds):
        return -math.inf
    hops = _hop_power(playing)
    first = int(begin / HOP_SECONDS)
    hops = hops[first : first + math.ceil(min(seconds, playing.seconds + 1) / HOP_SECONDS)]
    hops = np.pad(hops, (0, max(BLOCK_HOPS - len(hops), 0)))
    power = np.convolve(hops, np.full(BLOCK_HOPS, 1.0 / BLOCK_HOPS), "valid")
    return gated_lufs(power) + RINGING_LU


def note_loudness(program: int | None, key: int) -> tuple[float, float]:
    """How loud a note of a program, or of a drum key, is, and its fall: played and measured."""
    from .playing import Playing, Track

    none, ones = np.zeros(0), np.ones(1, np.uint8)
    music = Playing(
        stems=("one",),
        tracks=(Track(program or 0, program is None, 0),),
        start_seconds=np.zeros(1),
        end_seconds=np.full(1, NOTE_SECONDS),
        pitch=ones * key,
        velocity=ones * VELOCITY,
        track=np.zeros(1, np.uint16),
        control_seconds=none,
        control_track=none.astype(np.uint16),
        control_number=none.astype(np.uint8),
        control_value=none.astype(np.uint8),
        bend_seconds=none,
        bend_track=none.astype(np.uint16),
        bend_semitones=none,
        seconds=NOTE_SECONDS,
    )
    meter = Meter(MEASURED_RATE)
    for block in Synth().blocks(music, MEASURED_RATE):
        meter.add(block[0])
    hops = meter.hop_power[: round(NOTE_SECONDS / HOP_SECONDS)] + 1e-14
    after = np.arange(len(hops)) * HOP_SECONDS
    top = int(hops[:8].argmax())
    heard = (after >= after[top]) & (hops > hops[top] * 10.0 ** (-FAINT_DB / 10.0))
    fall = FALLS[-1]
    if heard.sum() > 2:
        fall = max(-10.0 * float(np.polyfit(after[heard], np.log10(hops[heard]), 1)[0]), 0.0)
    if program is not None and isinstance(sounds().programs[program], Tone):
        fall = 0.0 if fall < FALLS[2] else fall
    shape = 10.0 ** (-min(fall, FALLS[-1]) * after / 10.0)
    level = OFFSET_LUFS + 10.0 * math.log10(float(hops.sum() / shape.sum()))
    return level, min(fall, FALLS[-1])


def _hop_power(playing: Playing) -> Reals:
    """The mean power of every tenth of a second."""
    power, fall = _notes(playing)
    count = int(playing.seconds / HOP_SECONDS) + 12
    total = np.zeros(count)
    starts = playing.start_seconds / HOP_SECONDS
    ends = (playing.end_seconds + LAST_SECONDS) / HOP_SECONDS
    is_drum = np.array([track.is_drum for track in playing.tracks])[playing.track]
    ends = np.where(is_drum, count, np.minimum(ends, count))
    kinds = np.abs(np.array(FALLS)[None, :] ** 0.5 - fall[:, None] ** 0.5).argmin(axis=1)
    for kind, decibels in enumerate(FALLS):
        of = kinds == kind
        if not of.any():
            continue
        shrink = 10.0 ** (-decibels * HOP_SECONDS / 10.0)
        left = power[of] * shrink ** (ends[of] - starts[of])
        begun = _spread(starts[of], power[of], count) - _spread(ends[of], left, count)
        if decibels == 0.0:
            total += np.cumsum(begun)
        else:
            heard = min(int(FAINT_DB / decibels / HOP_SECONDS) + 2, count)
            total += np.convolve(begun, shrink ** np.arange(heard))[:count]
    return np.maximum(total, 0.0)


def _spread(at: Reals, power: Reals, count: int) -> Reals:
    """What begins within a hop sounds for the rest of it, and wholly from the next one on."""
    whole = np.minimum(at.astype(np.int64), count)
    part = at - whole
    now = np.bincount(whole, power * (1.0 - part), count + 2)
    return np.asarray((now + np.bincount(whole + 1, power * part, count + 2))[:count])


def _notes(playing: Playing) -> tuple[Reals, Reals]:
    """Power and fall of every note, volume and expression of its track counted in."""
    known, kit = measured(), sounds()
    power, fall = np.zeros((2, len(playing.start_seconds)))
    volume, expression = (
        Events(
            playing.control_seconds[is_it],
            playing.control_track[is_it],
            playing.control_value[is_it].astype(np.float64),
            len(playing.tracks),
        )
        for number in (VOLUME, EXPRESSION)
        for is_it in (playing.control_number == number,)
    )
    for number, track in enumerate(playing.tracks):
        of = playing.track == number
        pitch = playing.pitch[of]
        if track.is_drum:
            level, falls, touch = known.drum_power[pitch], known.drum_fall[pitch], 1.5
        else:
            levels = known.program_power[track.program]
            level = np.exp(np.interp(pitch, KEYS, np.log(levels)))
            falls = np.interp(pitch, KEYS, known.program_fall[track.program])
            touch = kit.programs[track.program].touch
        seconds = playing.start_seconds[of]
        gain = volume.at(number, seconds, USUAL_VOLUME) / USUAL_VOLUME
        gain = gain * expression.at(number, seconds, USUAL_EXPRESSION) / USUAL_EXPRESSION
        force = playing.velocity[of] / VELOCITY
        power[of] = level * force ** (2.0 * touch) * gain**4
        fall[of] = falls
    return power, fall


def _power(lufs: Reals) -> Reals:
    return np.asarray(10.0 ** ((lufs - OFFSET_LUFS) / 10.0))
