"""Chords: their names, tones and voicings, and the way from one voicing to the next.

A pitch class is 0 to 11 from C. Refuses to know bars and players.
"""

from __future__ import annotations

import random
import re
from dataclasses import dataclass
from functools import cache, lru_cache

from ..key import MAJOR_NAMES, MAJOR_SHARPS, MINOR_NAMES

LETTERS = "CDEFGAB"
NATURAL = (0, 2, 4, 5, 7, 9, 11)
NUMERALS = {"I": 0, "II": 1, "III": 2, "IV": 3, "V": 4, "VI": 5, "VII": 6}
_CHORD = re.compile(r"([b#]?)(VII|VI|IV|V|III|II|I)(m7b5|dim7|m7|m6|7|9|13)")

TONES = {
    "7": (0, 4, 7, 10),
    "9": (0, 4, 7, 10),
    "13": (0, 4, 7, 10),
    "m7": (0, 3, 7, 10),
    "m6": (0, 3, 7, 9),
    "m7b5": (0, 3, 6, 10),
    "dim7": (0, 3, 6, 9),
}
"""The tones of each kind of chord, in semitones above its root."""

# What hands hold, lowest first: shells, triads in all positions, rootless ninths and thirteenths.
_SHAPES = {
    "7": ("4 10", "10 16", "4 7 10", "4 7 12", "7 12 16", "4 10 12", "10 16 19", "10 14 16",
          "10 16 21", "4 10 14", "7 10 16", "4 7 10 14", "4 7 10 12", "7 10 12 16", "10 12 16 19",
          "10 14 16 19", "10 14 16 21", "7 10 16 21", "7 10 14 16"),
    "m7": ("3 10", "10 15", "3 7 10", "3 7 12", "7 12 15", "3 10 12", "10 15 19", "7 10 15",
           "3 10 14", "3 7 10 14", "3 7 10 12", "7 10 12 15", "10 12 15 19", "10 14 15 19",
           "7 10 15 17"),
    "m6": ("3 9", "9 15", "3 7 9", "3 7 12", "7 12 15", "9 15 19", "7 9 15", "3 7 9 14",
           "3 7 9 12", "7 9 12 15", "9 12 15 19"),
    "m7b5": ("3 10", "10 15", "3 6 10", "6 10 15", "10 15 18", "6 12 15", "3 6 10 12",
             "6 10 12 15", "10 12 15 18"),
    "dim7": ("3 9", "9 15", "3 6 9", "6 9 12", "9 12 15", "3 6 9 12", "6 9 12 15", "9 12 15 18"),
}  # fmt: skip
_SHAPES["9"] = _SHAPES["13"] = _SHAPES["7"]

# What hands hold where neither the colour nor the tone above it is in reach.
_OPEN = {
    "7": ("7 16", "4 12", "4 7 12 16", "7 12 16 19"),
    "m7": ("7 10", "7 12", "7 10 12", "7 10 12 19", "7 12 17 19"),
    "m6": ("9 12", "7 12", "7 9 12", "7 9 12 19"),
}
_OPEN["9"] = _OPEN["13"] = _OPEN["7"]

COLOURS = {
    "7": ("", "", "9", "9", "13"),
    "9": ("9",),
    "13": ("13",),
    "m7": ("", "", "9", "11"),
    "m6": ("", "9"),
}
"""What a chord may be coloured with beyond its own tones: one colour for the whole band."""

_COLOUR_TONES = {"": (), "9": (2,), "13": (2, 9), "11": (5,)}
_LOW_TONE = 50
"""Where a tone that rubs against the colour may lie: from here an octave up, and below."""


@dataclass(frozen=True, slots=True)
class Key:
    """The key of a piece: the tonic's pitch class, and whether it is minor."""

    tonic: int
    is_minor: bool

    @property
    def name(self) -> str:
        """Such as "E major"."""
        names = MINOR_NAMES if self.is_minor else MAJOR_NAMES
        return f"{names[self.tonic]} {'minor' if self.is_minor else 'major'}"

    @property
    def sharps(self) -> int:
        """The key signature, flats below 0."""
        return MAJOR_SHARPS[(self.tonic + 3) % 12 if self.is_minor else self.tonic]


@dataclass(frozen=True, slots=True)
class Chord:
    """A chord: its name such as "E7", the numeral it has in its key, root, and kind.

    `colour` is the tone that all who hold it may add: "9", "11", "13", or "" for none.
    """

    name: str
    numeral: str
    root: int
    kind: str
    colour: str = ""

    @property
    def tones(self) -> tuple[int, ...]:
        """Semitones above the root."""
        return TONES[self.kind]

    @property
    def is_minor(self) -> bool:
        """Whether its third is minor."""
        return TONES[self.kind][1] == 3

    @property
    def pitch_classes(self) -> frozenset[int]:
        """The pitch classes of its tones."""
        return _pitch_classes(self.root, self.kind)


@cache
def _pitch_classes(root: int, kind: str) -> frozenset[int]:
    return frozenset((root + tone) % 12 for tone in TONES[kind])


@cache
def chord(roman: str, key: Key) -> Chord:
    """The chord such as "bVI7" or "IIm7" in a key, spelled as that key spells it."""
    found = _CHORD.fullmatch(roman)
    assert found, f"{roman!r} is no chord"
    sign, numeral, kind = found.groups()
    degree = NUMERALS[numeral]
    # Numerals count in major; a minor blues has its flat sixth written out.
    root = (key.tonic + NATURAL[degree] + {"b": -1, "#": 1, "": 0}[sign]) % 12
    tonic_letter = LETTERS.index(key.name[0])
    letter = (tonic_letter + degree) % 7
    bend = (root - NATURAL[letter] + 6) % 12 - 6
    if abs(bend) > 1:  # B double flat is A to whoever reads it on stage
        names = MAJOR_NAMES if key.sharps < 0 else MINOR_NAMES
        spelled = names[root]
    else:
        spelled = LETTERS[letter] + {-1: "b", 0: "", 1: "#"}[bend]
    return Chord(spelled + kind, sign + numeral, root, kind)


@cache
def voicings(
    root: int, kind: str, colour: str, voices: int, low: int, high: int
) -> tuple[tuple[int, ...], ...]:
    """Every voicing of so many voices that lies within `low` to `high`, lowest first.

    No two voicings of one chord and colour hold a semitone against each other, in whatever hands:
    a colour lies above each tone a semitone higher in name (the thirteenth above the seventh), a
    major seventh away.
    """
    tones = {*TONES[kind], *_COLOUR_TONES[colour]}
    rubbed = next((tone + 1 for tone in _COLOUR_TONES[colour] if tone + 1 in tones), None)
    top = 127 if rubbed is None else _LOW_TONE + (root + rubbed - _LOW_TONE) % 12
    found = set()
    for shape in (*_SHAPES[kind], *(_OPEN[kind] if rubbed is not None else ())):
        steps = [int(word) for word in shape.split()]
        if len(steps) != voices or not {step % 12 for step in steps} <= tones:
            continue
        for octave in range(-2, 10):
            pitches = tuple(12 * octave + root + step for step in steps)
            if low <= pitches[0] and pitches[-1] <= high and _apart(pitches, top, rubbed is None):
                found.add(pitches)
    assert found, f"no {kind} ({colour}) on {root} with {voices} voices from {low} to {high}"
    return tuple(sorted(found))


def _apart(pitches: tuple[int, ...], top: int, is_free: bool) -> bool:
    """Whether what is named as `top` is lies no higher, and the colour below it above it."""
    return is_free or not any(
        (pitch % 12 == top % 12 and pitch > top) or (pitch % 12 == (top - 1) % 12 and pitch < top)
        for pitch in pitches
    )


def next_voicing(
    before: tuple[int, ...] | None,
    sound: Chord,
    voices: int,
    span: tuple[int, int],
    chance: random.Random,
) -> tuple[int, ...]:
    """The voicing whose voices have the shortest way from `before`; now and then the next best."""
    if before is None or len(before) != voices:
        choices = voicings(sound.root, sound.kind, sound.colour, voices, *span)
        return choices[int(len(choices) * (0.2 + 0.6 * chance.random()))]
    near = _nearest(before, sound.root, sound.kind, sound.colour, span)
    return near[int(len(near) * chance.random() ** 1.5)]


@lru_cache(maxsize=50_000)
def _nearest(
    before: tuple[int, ...], root: int, kind: str, colour: str, span: tuple[int, int]
) -> tuple[tuple[int, ...], ...]:
    """Up to three voicings that are near, the nearest first."""
    near = voicings(root, kind, colour, len(before), *span)
    ways = sorted((_way(before, v), v) for v in near)
    return tuple(voicing for way, voicing in ways[:3] if way <= ways[0][0] + len(before))


def _way(before: tuple[int, ...], after: tuple[int, ...]) -> int:
    """How far the voices go, one long way counting more than two short ones."""
    steps = [abs(a - b) for a, b in zip(before, after, strict=True)]
    return sum(steps) + max(steps)
