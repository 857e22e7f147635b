"""An ear for the blues: what a listener hears in a file, told without the composer's own modules.

Everything comes from the MIDI file: chords from its markers, sections from its cues, lines from its
parts. The tables here are a second writing-down of the theory, on purpose.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from woodshed.music.score import Score

LETTERS = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
KINDS = {
    "7": {0, 4, 7, 10},
    "9": {0, 4, 7, 10, 2},
    "13": {0, 4, 7, 10, 2, 9},
    "m7": {0, 3, 7, 10},
    "m6": {0, 3, 7, 9},
    "m7b5": {0, 3, 6, 10},
    "dim7": {0, 3, 6, 9},
}
COMPERS = ("Rhythm Guitar", "Organ", "Piano")


@dataclass(frozen=True, slots=True)
class Sound:
    """A chord by ear: when it begins, its root, its tones as pitch classes, its name."""

    ticks: int
    root: int
    classes: frozenset[int]
    name: str


@dataclass(frozen=True, slots=True)
class Line:
    """The notes of one part, in order: times in beats from the start, pitches, velocities."""

    starts: NDArray[np.float64]
    ends: NDArray[np.float64]
    pitches: NDArray[np.int64]
    velocities: NDArray[np.int64]

    def between(self, first: float, last: float) -> Line:
        """The notes that begin from one beat up to another."""
        rows = (self.starts >= first - 0.1) & (self.starts < last - 0.1)
        return Line(self.starts[rows], self.ends[rows], self.pitches[rows], self.velocities[rows])

    def __len__(self) -> int:
        return len(self.starts)


@dataclass(frozen=True, slots=True)
class Chorus:
    """A section by its cue: its name, first bar, and bars."""

    name: str
    first_bar: int
    bars: int


class Heard:
    """A piece as it is heard. A beat is a quarter, or a dotted quarter in 12/8; a bar has four."""

    def __init__(self, score: Score) -> None:
        self.score = score
        self.is_compound = int(score.metres.denominator[0]) == 8
        self.ticks_per_beat = score.ticks_per_quarter * (3 if self.is_compound else 2) // 2
        self.bpm = float(score.tempos.bpm[0]) * score.ticks_per_quarter / self.ticks_per_beat
        self.names = [part.name for part in score.parts]
        self.chords = [
            _sound(text.ticks, text.text) for text in score.texts if text.kind == "marker"
        ]
        self.tonic = (int(score.keys.sharps[0]) * 7 + (9 if score.keys.minor[0] else 0)) % 12
        cues = [text for text in score.texts if text.kind == "cue"]
        bar_ticks = 4 * self.ticks_per_beat
        firsts = [cue.ticks // bar_ticks for cue in cues]
        last = self.chords[-1].ticks // bar_ticks
        self.sections = [
            Chorus(cue.text, first, after - first)
            for cue, first, after in zip(cues, firsts, [*firsts[1:], last], strict=True)
        ]
        self._starts = np.array([chord.ticks for chord in self.chords])

    @property
    def choruses(self) -> list[Chorus]:
        """The sections without the intro."""
        return [section for section in self.sections if section.name != "intro"]

    @property
    def first_answerer(self) -> str:
        """Who answers the voice: the guitar or the harp, whoever plays more in the verses."""
        return max(
            (name for name in ("Lead Guitar", "Harmonica") if name in self.names),
            key=lambda name: len(self.line(name)),
        )

    def line(self, name: str) -> Line:
        """The notes of a part by its name; none where nobody of that name plays."""
        if name not in self.names:
            rows = np.zeros(len(self.score.notes), bool)
        else:
            rows = self.score.notes.part == self.names.index(name)
        notes = self.score.notes.take(rows)
        return Line(
            notes.start_ticks / self.ticks_per_beat,
            notes.end_ticks / self.ticks_per_beat,
            notes.pitch.astype(np.int64),
            notes.velocity.astype(np.int64),
        )

    def chord_at(self, beat: float) -> Sound:
        """The chord at a beat; a little early still counts as on time."""
        tick = (beat + 0.1) * self.ticks_per_beat
        return self.chords[max(int(np.searchsorted(self._starts, tick, side="right")) - 1, 0)]

    def chord_of_bar(self, bar: int) -> Sound:
        """The chord a bar begins with."""
        return self.chord_at(bar * 4)

    def degree(self, bar: int) -> str:
        """The numeral of the chord a bar begins with, without its kind: I, IV, bVI …"""
        return NUMERALS[(self.chord_of_bar(bar).root - self.tonic) % 12]

    def changes(self) -> Iterator[tuple[float, Sound]]:
        """Every moment at which the chord is another than before, in beats, and the new chord."""
        before = None
        for chord in self.chords:
            if before is None or chord.name != before.name:
                yield chord.ticks / self.ticks_per_beat, chord
            before = chord

    def milliseconds(self, beats: NDArray[np.float64]) -> NDArray[np.float64]:
        """How long so many beats last."""
        return np.asarray(beats * 60_000 / self.bpm)


NUMERALS = ("I", "bII", "II", "bIII", "III", "IV", "#IV", "V", "bVI", "VI", "bVII", "VII")


def _sound(ticks: int, name: str) -> Sound:
    found = re.fullmatch(r"([A-G])([b#]?)(m7b5|dim7|m7|m6|7|9|13)", name)
    assert found, name
    letter, sign, kind = found.groups()
    root = (LETTERS[letter] + {"b": -1, "#": 1, "": 0}[sign]) % 12
    return Sound(ticks, root, frozenset((root + step) % 12 for step in KINDS[kind]), name)


def chords_of(line: Line, least: int = 3) -> list[tuple[float, tuple[int, ...]]]:
    """What is struck together: moments and pitches, lowest first, of at least so many notes."""
    struck = []
    at = 0
    while at < len(line):
        after = at + 1
        while after < len(line) and line.starts[after] - line.starts[at] < 0.06:
            after += 1
        if after - at >= least:
            pitches = tuple(sorted(set(line.pitches[at:after].tolist())))
            struck.append((float(line.starts[at]), pitches))
        at = after
    return struck


def overlap(a: Line, b: Line) -> float:
    """Which share of the time that `a` sounds `b` sounds, too."""
    grid = np.arange(0, max(a.ends.max(initial=0), b.ends.max(initial=0)) + 1, 1 / 24)
    sounding = [np.zeros(len(grid), bool) for _ in range(2)]
    for line, heard in zip((a, b), sounding, strict=True):
        for start, end in zip(line.starts, line.ends, strict=True):
            heard[int(start * 24) : int(end * 24)] = True
    return float((sounding[0] & sounding[1]).sum() / max(sounding[0].sum(), 1))
