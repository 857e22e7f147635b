"""What stands in for a value a model never saw: the nearest to a musician, or nothing.

Each rule takes the values a model knows and the one it does not, as rows of their group's table.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

from ..music.chords import KINDS, TONES
from ..music.lineup import Lineup
from .events import DURATION_STEPS, TEMPOS_BPM

DRUM_FAMILIES = (
    ("kicks", (35, 36)),
    ("snares, side sticks and claps", (37, 38, 39, 40)),
    ("toms", (41, 43, 45, 47, 48, 50)),
    ("hi-hats", (22, 26, 42, 44, 46)),
    ("cymbals", (49, 51, 52, 53, 55, 57, 59)),
)
"""Sounds of General MIDI's drums that can do one another's work; the rest is percussion."""

_THIRDS = frozenset((3, 4, 5))
"""The third of a chord, or the fourth in its place."""

_FAMILY = {pitch: name for name, pitches in DRUM_FAMILIES for pitch in pitches}


def nearest_tempo(known: Iterable[int], tempo: int) -> int | None:
    """By ratio, as tempos are heard."""
    wanted = math.log(TEMPOS_BPM[tempo])
    return min(known, key=lambda row: abs(math.log(TEMPOS_BPM[row]) - wanted), default=None)


def nearest_key(known: Iterable[int], key: int) -> int | None:
    """By fifths between the signatures, then by mode: A minor is next to C, then to E minor."""

    def distance(row: int) -> tuple[int, bool]:
        apart = (_fifths(row) - _fifths(key)) % 12
        return min(apart, 12 - apart), row // 12 != key // 12

    return min(known, key=distance, default=None)


def _fifths(key: int) -> int:
    major_tonic = key if key < 12 else key - 12 + 3
    return 7 * major_tonic % 12


def nearest_chord(known: Iterable[int], chord: int) -> int | None:
    """On the same root, with the same third before a wrong one, and the most tones in common."""
    wanted, root = TONES[KINDS[chord // 12]], chord % 12

    def distance(row: int) -> tuple[bool, int, int]:
        tones = TONES[KINDS[row // 12]]
        is_other_third = (tones & _THIRDS) != (wanted & _THIRDS)
        return is_other_third, len(tones ^ wanted), row

    return min((row for row in known if row % 12 == root), key=distance, default=None)


def nearest_pitch(known: Iterable[int], pitch: int) -> int | None:
    """The same note in the nearest octave; where the model knows none, the nearest semitone."""
    return min(known, key=lambda row: ((row - pitch) % 12 != 0, abs(row - pitch)), default=None)


def nearest_drum(known: Iterable[int], drum: int) -> int | None:
    """The nearest of its family; none where the model knows no other of it."""
    relatives = (row for row in known if _FAMILY.get(row) == _FAMILY.get(drum))
    return nearest_value(relatives, drum)


def nearest_duration(known: Iterable[int], duration: int) -> int | None:
    """By steps."""
    steps = DURATION_STEPS
    return min(known, key=lambda row: abs(int(steps[row] - steps[duration])), default=None)


def nearest_value(known: Iterable[int], value: int) -> int | None:
    """Of velocities, which are evenly spaced."""
    return min(known, key=lambda row: abs(row - value), default=None)


def nearest_slot(known: Iterable[int], slot: int, lineup: Lineup) -> int | None:
    """The slot that takes the rest, or else the nearest instrument; drums only for drums."""
    wanted = lineup.slots[slot]

    def distance(row: int) -> tuple[bool, int]:
        return not lineup.slots[row].rest, abs(lineup.slots[row].playback - wanted.playback)

    alike = [row for row in known if lineup.slots[row].drums == wanted.drums]
    return min(alike, key=distance, default=None)
