"""The plan of a piece, on which all players agree: key, form, feel, tempo, band, and every bar.

Refuses to know how a plan is made and which notes anybody plays.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

from .feel import Feel
from .form import Changes, Form
from .harmony import Chord, Key
from .rhythm import BAR, Hit

VOICE, CHOIR, LEAD, RHYTHM, PIANO, ORGAN, HARP, BASS, DRUMS = (
    "Lead Vocal",
    "Backing Vocals",
    "Lead Guitar",
    "Rhythm Guitar",
    "Piano",
    "Organ",
    "Harmonica",
    "Bass",
    "Drums",
)


@dataclass(frozen=True, slots=True)
class Player:
    """Somebody in the band: the name of the part, and its General MIDI program."""

    name: str
    program: int


@dataclass(frozen=True, slots=True)
class Section:
    """A stretch of the piece: intro, verse, solo, stop, breakdown, out. Bars count from 0."""

    name: str
    first_bar: int
    bars: int
    intensity: float
    soloist: str | None = None


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar: its place in the section, its chords, how intense it is, and who is to wait.

    `hits` is what the whole band strikes together instead of playing on. `fill` is how large a fill
    the drummer plays at its end, from 0 to 2. `is_tail` is where the last chord dies away.
    """

    number: int
    place: int
    section: Section
    chords: Changes
    intensity: float
    hits: tuple[Hit, ...] = ()
    fill: int = 0
    has_crash: bool = False
    is_tail: bool = False

    @property
    def start(self) -> int:
        """Its first step."""
        return self.number * BAR

    def chord_at(self, step: float) -> Chord:
        """The chord that sounds at a step of the bar."""
        sounding = self.chords[0].chord
        for change in self.chords[1:]:
            if change.step <= step:
                sounding = change.chord
        return sounding


@dataclass(frozen=True, slots=True)
class Plan:
    """All that the players agree on."""

    number: int
    seed: int
    title: str
    key: Key
    form: Form
    feel: Feel
    bpm: int
    mood: str
    band: tuple[Player, ...]
    sections: tuple[Section, ...]
    bars: tuple[Bar, ...]

    def dice(self, who: str) -> random.Random:
        """Chance for one player, who is the same whoever else plays."""
        return random.Random(f"{self.seed}/{self.number}/{who}")

    def has(self, name: str) -> bool:
        """Whether somebody of that name plays."""
        return any(player.name == name for player in self.band)

    @property
    def singer(self) -> str:
        """Who plays the calls: the voice where there is one."""
        return next(name for name in (VOICE, HARP, LEAD) if self.has(name))

    @property
    def played(self) -> tuple[Bar, ...]:
        """The bars in which notes begin."""
        return self.bars[:-1]

    def chord_at(self, step: float) -> Chord:
        """The chord that sounds at a step of the piece; before and after it, the nearest."""
        number = min(max(int(step // BAR), 0), len(self.bars) - 1)
        return self.bars[number].chord_at(step - number * BAR)
