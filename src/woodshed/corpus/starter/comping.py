"""Comping: guitar, piano, organ and choir hold the chords, voice by voice into the next.

Refuses to know the melody; it keeps to rhythms and registers that leave it room.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

from .harmony import Chord, next_voicing, voicings
from .plan import CHOIR, ORGAN, PIANO, RHYTHM, Bar, Plan
from .rhythm import BAR, BEAT, Hit, Note, hits, table

SPANS = {RHYTHM: (50, 69), PIANO: (53, 74), ORGAN: (52, 72), CHOIR: (57, 74)}
"""From the lowest to the highest pitch of each."""

BOOGIE_SPAN = (40, 52)
BOOGIES = (
    (7, 9, 7, 9),
    (7, 9, 10, 9),
    (7, 7, 9, 9),
    (7, 9, 7, 10),
    (7, 10, 9, 10),
    (7, 9, 10, 10),
)
"""The moving voice of a boogie, one for each beat, in semitones above the root."""

_LEVELS = ("calm", "medium", "hot")


@dataclass(frozen=True, slots=True)
class _Style:
    """How one player comps in this piece: rhythms for each level, and how many voices."""

    rhythms: tuple[tuple[str, ...], ...]
    voices: int
    turn: int
    is_pad: bool
    is_boogie: bool


def comp_part(plan: Plan, who: str) -> list[Note]:
    """All that one of the players holding the chords plays."""
    if who == CHOIR:
        return _choir(plan)
    chance = plan.dice(who)
    style = _style(plan, who, chance)
    boogie = chance.choice(BOOGIES)
    is_second = who != RHYTHM and plan.has(RHYTHM)
    notes: list[Note] = []
    held: tuple[int, ...] | None = None
    sound: Chord | None = None
    for bar in plan.played:
        if _rests(bar, who, plan):
            continue
        if bar.section.soloist == who:
            if who == PIANO and not bar.hits:
                notes += _left_hand(bar, chance)
            continue
        if bar.place == 0 and chance.random() < 0.5:
            held = None  # a chorus may begin elsewhere on the neck
        if style.is_boogie and _is_boogied(bar):
            notes += boogie_bar(bar, boogie, plan)
            continue
        # Two who hold the chords must not both be busy: the keys leave the guitar its room.
        level = max(min(int(bar.intensity * 3), 2) - (is_second and not bar.hits), 0)
        loud = 0.3 + 0.45 * bar.intensity
        for hit in bar.hits or _rhythm(bar, style, level):
            at = bar.start + hit.step
            wanted = plan.chord_at(at + BEAT if hit.sign == "p" else at)
            if wanted != sound or held is None or chance.random() < 0.2:
                held = next_voicing(held, wanted, style.voices, SPANS[who], chance)
                sound = wanted
            if hit.sign == "g":  # only strings can be scratched
                notes += [] if who != RHYTHM else [Note(at, 1.5, pitch, 0.1) for pitch in held[:2]]
                continue
            length = _length(hit.length, hit.sign, style)
            strength = loud * (0.6 + 0.4 * hit.strength)
            notes += [Note(at, length, pitch, strength) for pitch in held]
    return notes


def _is_boogied(bar: Bar) -> bool:
    plain = len(bar.chords) == 1 and bar.chords[0].chord.kind in ("7", "9")
    return plain and not bar.hits and bar.intensity > 0.3


def _rests(bar: Bar, who: str, plan: Plan) -> bool:
    """In a breakdown only one holds the chords."""
    first = next((p.name for p in plan.band if p.name in (PIANO, ORGAN, RHYTHM)), who)
    return bar.section.name == "breakdown" and who != first and not bar.hits


def _rhythm(bar: Bar, style: _Style, level: int) -> tuple[Hit, ...]:
    """What is played in a bar: a pad where chords change, else a pattern, the fourth bar apart.

    Nothing is held over a change of chord: it ends there, and what was long is struck again.
    """
    if style.is_pad and level < 2:
        ends = [*(change.step for change in bar.chords[1:]), BAR]
        return tuple(
            Hit(change.step, end - change.step, 0.8, "x")
            for change, end in zip(bar.chords, ends, strict=True)
        )
    patterns = style.rhythms[level]
    struck = hits(patterns[2 if bar.place % 4 == 3 else (bar.place + style.turn) % 2])
    late = {change.step for change in bar.chords[1:]} - {hit.step for hit in struck}
    if late and level:  # a chord that comes in the middle of the bar wants to be heard
        struck = tuple(sorted([*struck, *(Hit(step, 8, 0.8, "x") for step in late)]))
    for change in bar.chords[1:]:
        step, cut = change.step, []
        for hit in struck:
            over = hit.step + hit.length - step
            if hit.step < step < hit.step + hit.length:
                cut.append(hit._replace(length=step - hit.step))
                if over >= BEAT and not any(step <= other.step < step + 6 for other in struck):
                    cut.append(Hit(step, over, 0.7 * hit.strength, "x"))
            else:
                cut.append(hit)
        struck = tuple(cut)
    return struck


def _length(length: int, sign: str, style: _Style) -> float:
    if sign == "!" or style.is_pad:
        return length * 0.97
    return length * 0.92 if length > BEAT // 2 else min(length, 5) * 0.8


def _style(plan: Plan, who: str, chance: random.Random) -> _Style:
    feel = plan.feel.name
    rhythms = table("grooves")["chords"][feel]
    guitar = who == RHYTHM
    return _Style(
        rhythms=tuple(tuple(_drawn(chance, rhythms[level])) for level in _LEVELS),
        voices=3 if guitar or chance.random() < 0.6 else 4,
        turn=int(chance.random() * 2),
        is_pad=who == ORGAN and feel != "funk" and chance.random() < 0.7,
        is_boogie=guitar
        and not plan.key.is_minor
        and feel in ("shuffle", "straight")
        and plan.form.name != "jazz"
        and chance.random() < 0.5,
    )


def _drawn(chance: random.Random, patterns: list[str]) -> list[str]:
    """Three rhythms, sometimes with a stroke left out, so that no two pieces comp alike."""
    drawn = []
    for pattern in chance.sample(patterns, 3):
        signs = list(pattern)
        strokes = [n for n, sign in enumerate(signs) if sign in "xX"]
        if len(strokes) > 2 and chance.random() < 0.6:
            at = chance.choice(strokes[1:])
            follows = signs[at + 1 : at + 2] == ["-"]
            signs[at] = "-" if follows else "."
        drawn.append("".join(signs))
    return drawn


def boogie_bar(bar: Bar, shape: tuple[int, ...], plan: Plan) -> list[Note]:
    """The root and a voice above it that rocks from the fifth to the sixth and back."""
    low, _ = BOOGIE_SPAN
    root = low + (bar.chords[0].chord.root - low) % 12
    off = 8 if plan.feel.family == "triplet" else 6
    loud = 0.25 + 0.4 * bar.intensity
    notes = []
    for beat, step in enumerate(shape):
        for at, strength, length in ((0, 1.0, off * 0.85), (off, 0.75, (BEAT - off) * 0.85)):
            start = bar.start + beat * BEAT + at
            notes.append(Note(start, length, root, loud * strength))
            notes.append(Note(start, length, root + step, loud * strength))
    return notes


def _left_hand(bar: Bar, chance: random.Random) -> list[Note]:
    """What a pianist's left hand holds while the right one solos: third and seventh, lightly."""
    notes = []
    loud = 0.22 + 0.35 * bar.intensity
    for change in bar.chords:
        chord = change.chord
        pair = min(voicings(chord.root, chord.kind, chord.colour, 2, 47, 62))
        for off in (0, 2 * BEAT) if len(bar.chords) == 1 and chance.random() < 0.5 else (0,):
            at = bar.start + change.step + off
            notes += [Note(at, 10, pitch, loud) for pitch in pair]
    return notes


def _choir(plan: Plan) -> list[Note]:
    """Backing voices: they answer in long chords once the song is under way."""
    chance = plan.dice(CHOIR)
    voices = 2 if chance.random() < 0.4 else 3
    short = chance.random() < 0.35
    notes: list[Note] = []
    held: tuple[int, ...] | None = None
    for bar in plan.played:
        is_sung = bar.section.name in ("verse", "out", "solo") and bar.section.intensity > 0.4
        if not is_sung and not (bar.hits and bar.section.name == "out"):
            continue
        if not bar.hits and bar.place % 4 < 2 and bar.section.name != "solo":
            continue  # the voice has the word
        loud = 0.25 + 0.35 * bar.intensity
        changes = [(hit.step, hit.length) for hit in bar.hits]
        if not changes:
            steps = [change.step for change in bar.chords]
            changes = [
                (step, end - step) for step, end in zip(steps, [*steps[1:], BAR], strict=True)
            ]
        for step, length in changes:
            held = next_voicing(held, bar.chord_at(step), voices, SPANS[CHOIR], chance)
            if short and not bar.hits:
                step, length = step + BEAT, min(BEAT, length - BEAT)
            notes += [Note(bar.start + step, length * 0.95, pitch, loud) for pitch in held]
    return notes
