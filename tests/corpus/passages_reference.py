"""Passages read off lists, one by one: slow and obvious, as docs/duplicates.md tells them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from woodshed.corpus.passages import (
    ALL_PARTS,
    DRUM_KINDS,
    MELODIC_RATIOS,
    RHYTHMIC_RATIOS,
    WHOLE_BELOW,
    PassageSettings,
)
from woodshed.music.score import Score

WORD = 2**64


@dataclass(frozen=True)
class Note:
    start: int
    duration: int
    pitch: int
    part: int
    is_drum: bool


@dataclass(frozen=True)
class Line:
    """A line of pitches or, of drums, of sets of drums."""

    values: list[int]
    ticks: list[int]
    part: int
    is_drum: bool


Print = tuple[int, int, int, int, bool]
"""Hash, tick, pitch, part, and whether drums play it."""


def reference_prints(score: Score, settings: PassageSettings) -> list[Print]:
    """All prints but the whole piece's, by rising hash, each where it is first heard."""
    found: dict[int, Print] = {}
    for line in lines(notes_of(score), settings.together):
        for value, at in passages(line, settings):
            pitch = 0 if line.is_drum else line.values[at]
            one = (value, line.ticks[at], pitch, line.part, line.is_drum)
            if value not in found or one[1:3] < found[value][1:3]:
                found[value] = one
    return sorted(found.values())


def notes_of(score: Score) -> list[Note]:
    rows = zip(
        score.notes.start_ticks.tolist(),
        score.notes.duration_ticks.tolist(),
        score.notes.pitch.tolist(),
        score.notes.part.tolist(),
        strict=True,
    )
    return [Note(*row, score.parts[row[3]].is_drum) for row in rows]


def lines(notes: list[Note], together: float) -> Iterator[Line]:
    melodic = [note for note in notes if not note.is_drum]
    parts = sorted({note.part for note in melodic})
    groups = [(part, [note for note in melodic if note.part == part]) for part in parts]
    if len(parts) > 1:
        groups.append((ALL_PARTS, melodic))
    for edge in (max, min):
        for part, group in groups:
            found = chords(group, together)
            values = [edge(note.pitch for note in chord) for chord in found]
            yield Line(values, [chord[0].start for chord in found], part, is_drum=False)
    for wanted in ((0, 1, 2, 3, 4), (0, 1, 2)):
        group = [note for note in notes if note.is_drum and kind(note.pitch) in wanted]
        found = chords(group, together)
        values = [sum({1 << kind(note.pitch) for note in chord}) for chord in found]
        yield Line(values, [chord[0].start for chord in found], ALL_PARTS, is_drum=True)


def kind(pitch: int) -> int:
    known = [number for number, pitches in enumerate(DRUM_KINDS) if pitch in pitches]
    return known[0] if known else len(DRUM_KINDS)


def chords(notes: list[Note], together: float) -> list[list[Note]]:
    found: list[list[Note]] = []
    if not notes:
        return found
    limit = together * (notes[-1].start - notes[0].start) / max(len(notes) - 1, 1)
    for before, note in zip([None, *notes], notes, strict=False):
        gap = 0 if before is None else note.start - before.start
        joins = before is not None and (gap == 0 or (gap <= limit and before.duration >= 2 * gap))
        if joins:
            found[-1].append(note)
        else:
            found.append([note])
    return found


def passages(line: Line, s: PassageSettings) -> Iterator[tuple[int, int]]:
    """The chosen passages of a line, and where they begin."""
    if len(line.values) >= s.long_line:
        size, bounds = (s.hits, RHYTHMIC_RATIOS) if line.is_drum else (s.notes, MELODIC_RATIOS)
        yield from chosen(cut(line, size, bounds), s.window)
    if len(line.values) <= s.short_line:
        yield from chosen(cut(line, s.short_notes, RHYTHMIC_RATIOS), 2)


def cut(line: Line, size: int, bounds: tuple[float, ...]) -> list[tuple[int, int]]:
    found = []
    for at in range(len(line.values) - size + 1):
        values, ticks = line.values[at : at + size], line.ticks[at : at + size]
        if len(set(values)) < (2 if line.is_drum else 3):
            continue
        gaps = [max(b - a, 1) for a, b in pairwise(ticks)]
        classes = [sum(b / a > bound for bound in bounds) for a, b in pairwise(gaps)]
        steps = values if line.is_drum else [b - a + 256 for a, b in pairwise(values)]
        mixed = 0
        for place, step in enumerate(steps):
            word = step * 8 + (classes[place] + 1 if place < len(classes) else 0)
            mixed = splitmix(mixed + word)
        found.append((max(mixed >> 1, WHOLE_BELOW), at))
    return found


def splitmix(value: int) -> int:
    mixed = (value + 0x9E3779B97F4A7C15) % WORD
    mixed = ((mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9) % WORD
    mixed = ((mixed ^ (mixed >> 27)) * 0x94D049BB133111EB) % WORD
    return mixed ^ (mixed >> 31)


def chosen(found: list[tuple[int, int]], window: int) -> Iterator[tuple[int, int]]:
    """Those that are the smallest of `window` neighbours, the last ones of as many as are left."""
    kept = set()
    for left in range(len(found)):
        least = min(value for value, _ in found[left : left + window])
        kept |= {n for n in range(left, min(left + window, len(found))) if found[n][0] == least}
    yield from (found[n] for n in sorted(kept))
