"""Phrases: motives that are made, varied, and sounded over whatever chord they meet.

A phrase knows heights, not pitches: the same motive fits the I and the IV because each tone goes to
the nearest pitch that is good there. Refuses to know who sings and in which bar.
"""

from __future__ import annotations

import random
from bisect import bisect_left
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

from .harmony import Chord, Key
from .rhythm import BEAT, Note, line_rhythm

FLAT_THIRD = 3
WIDEST_LEAP = 9

Sounding = Callable[[float], Chord]
"""Tells the chord at a step of the piece."""


class Tone(NamedTuple):
    """One tone of a phrase: start and length in steps, height in semitones above the tonic."""

    start: int
    length: int
    height: float


Phrase = tuple[Tone, ...]


@dataclass(frozen=True, slots=True)
class Register:
    """Where somebody sings or plays: the tonic's pitch there, and the lowest and highest pitch."""

    tonic: int
    lowest: int
    highest: int


@dataclass(frozen=True, slots=True)
class Manner:
    """How a line is played: which scale, how often it slides into a note, and how legato it is."""

    colour: str
    slide: float
    legato: float
    longest: int = 20


# Scales by the colour of the piece, in semitones above the tonic. Over IV and V a sweet line keeps
# away from the notes that fight with the chord.
_SCALES: dict[str, dict[str, tuple[int, ...]]] = {
    "blue": {"I": (0, 3, 5, 6, 7, 10), "IV": (0, 3, 5, 7, 9, 10), "V": (0, 2, 3, 5, 7, 10)},
    "sweet": {"I": (0, 2, 3, 4, 7, 9), "IV": (0, 2, 3, 5, 7, 9), "V": (0, 2, 5, 7, 9, 11)},
    "mixed": {"I": (0, 2, 3, 4, 5, 7, 9, 10), "IV": (0, 2, 3, 5, 7, 9, 10), "V": (2, 5, 7, 9, 10)},
    "minor": {"I": (0, 2, 3, 5, 7, 10), "IV": (0, 3, 5, 7, 8, 10), "V": (2, 5, 7, 8, 11)},
}
COLOURS = ("blue", "sweet", "mixed")

# The outlines of phrases: heights at even distances, 0 the lowest and 1 the highest of the phrase.
OUTLINES = (
    (1.0, 0.7, 0.35, 0.0),
    (0.6, 1.0, 0.4, 0.0),
    (0.9, 0.9, 0.5, 0.1),
    (0.2, 0.9, 0.6, 0.3),
    (0.0, 0.6, 1.0, 0.5),
    (0.5, 0.5, 0.9, 0.2),
    (1.0, 0.5, 0.9, 0.0),
    (0.3, 0.0, 0.7, 0.4),
    (0.7, 0.2, 0.8, 0.5, 0.0),
)


def make_phrase(
    chance: random.Random,
    beats: str,
    span: tuple[int, int],
    busy: float,
    heights: tuple[float, float],
) -> Phrase:
    """A phrase between two steps and two heights, as busy as asked for (0 to 1)."""
    rhythm = line_rhythm(chance, beats, *span, busy)
    outline = chance.choice(OUTLINES)
    low, high = heights
    stays = 0.12 + 0.3 * chance.random()
    tones: list[Tone] = []
    for n, (start, length) in enumerate(rhythm):
        at = n / max(len(rhythm) - 1, 1) * (len(outline) - 1)
        left = min(int(at), len(outline) - 2)
        share = outline[left] + (outline[left + 1] - outline[left]) * (at - left)
        height = low + (high - low) * share + (chance.random() - 0.5) * 4
        if tones and n < len(rhythm) - 1 and chance.random() < stays:
            height = tones[-1].height
        tones.append(Tone(start, length, height))
    return tuple(tones)


def vary(phrase: Phrase, chance: random.Random, much: float) -> Phrase:
    """The phrase again, not quite: notes split, left out or moved, now and then another height."""
    varied: list[Tone] = []
    for n, tone in enumerate(phrase):
        dice = chance.random()
        inner = 0 < n < len(phrase) - 1
        if inner and dice < 0.25 * much and len(phrase) > 4 and varied:
            before = varied[-1]
            varied[-1] = before._replace(length=tone.start + tone.length - before.start)
        elif inner and dice < 0.5 * much and tone.length >= 8 and tone.length % 2 == 0:
            half = tone.length // 2 if tone.length % 12 else tone.length * 2 // 3
            half -= half % 2
            varied.append(tone._replace(length=half))
            rest = Tone(tone.start + half, tone.length - half, tone.height - 2 * chance.random())
            varied.append(rest)
        elif dice < 0.85 * much:
            varied.append(tone._replace(height=tone.height + (chance.random() - 0.5) * 6))
        else:
            varied.append(tone)
    return tuple(varied)


def raised(phrase: Phrase, by: float) -> Phrase:
    """The phrase higher or lower."""
    return tuple(tone._replace(height=tone.height + by) for tone in phrase)


def ending_on(phrase: Phrase, height: float) -> Phrase:
    """The phrase with its last tone at another height."""
    return (*phrase[:-1], *(tone._replace(height=height) for tone in phrase[-1:]))


def sound(
    phrase: Phrase,
    start: int,
    sounding: Sounding,
    key: Key,
    register: Register,
    manner: Manner,
    loud: float,
    chance: random.Random,
) -> list[Note]:
    """The phrase as notes from step `start` on: long and strong tones lie on the chord."""
    notes: list[Note] = []
    before: int | None = None
    colour = "minor" if key.is_minor else manner.colour
    for n, tone in enumerate(phrase):
        at = start + tone.start
        length = min(tone.length, manner.longest) if n < len(phrase) - 1 else tone.length
        # What is pushed ahead of the beat belongs to the chord it is held over.
        chord = sounding(at + min(length, 2 * BEAT) * 0.5)
        is_strong = length >= BEAT or not at % (2 * BEAT) or n == len(phrase) - 1
        pool = _pool(register, colour, chord, is_strong)
        wanted = register.tonic + tone.height
        if before is not None:
            wanted = min(max(wanted, before - WIDEST_LEAP + 2), before + WIDEST_LEAP - 2)
        pitch = _nearest(pool, wanted)
        arc = 1 - abs(n / len(phrase) - 0.55)
        strength = loud * (0.62 + 0.3 * arc + 0.08 * (not at % BEAT))
        if _slides(pitch, chord, length, chance.random() < manner.slide):
            _slide_into(notes, at, pitch, strength)
        notes.append(
            Note(at, length * (manner.legato if n < len(phrase) - 1 else 0.95), pitch, strength)
        )
        before = pitch
    return notes


def _slides(pitch: int, chord: Chord, length: int, is_drawn: bool) -> bool:
    """Thirds and fifths of the chord are what blues players slide into."""
    return is_drawn and length >= 6 and (pitch - chord.root) % 12 in (4, 7)


def _slide_into(notes: list[Note], at: int, pitch: int, strength: float) -> None:
    """A grace a semitone below, just before the note; the note before makes room for it."""
    if notes:
        before = notes[-1]
        if at - before.start < 5 or at < 2:
            return
        if before.start + before.length > at - 2:
            notes[-1] = before._replace(length=at - 2 - before.start)
    if at >= 2:
        notes.append(Note(at - 2, 2, pitch - 1, strength * 0.7))


@cache
def _pool(register: Register, colour: str, chord: Chord, is_strong: bool) -> tuple[int, ...]:
    """The pitches that are good over a chord: its tones where it matters, else the scale."""
    tonic = register.tonic % 12
    scale = {(tonic + step) % 12 for step in _SCALES[colour][_place(chord)]}
    if is_strong:
        classes = set(chord.pitch_classes)
        if colour in ("blue", "mixed") and chord.numeral == "I" and not chord.is_minor:
            classes.add((tonic + FLAT_THIRD) % 12)
    else:
        # A scale tone a semitone above a chord's own third would sit badly even in passing.
        classes = scale | set(chord.pitch_classes)
        if chord.numeral != "I":
            classes -= {(chord.root + 11) % 12}
    return tuple(
        pitch for pitch in range(register.lowest, register.highest + 1) if pitch % 12 in classes
    )


def _place(chord: Chord) -> str:
    """Whether a chord works as I, IV or V: what the scales are written for."""
    if chord.numeral in ("V", "II", "VI", "bII", "VII"):
        return "V"
    return "IV" if chord.numeral in ("IV", "#IV", "bVI") else "I"


def _nearest(pool: tuple[int, ...], wanted: float) -> int:
    at = bisect_left(pool, wanted)
    if at == 0:
        return pool[0]
    if at == len(pool):
        return pool[-1]
    low, high = pool[at - 1], pool[at]
    return low if wanted - low <= high - wanted else high
