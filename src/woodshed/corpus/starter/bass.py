"""The bass: walks, riffs, and a root wherever the chord changes. Refuses to know the others.

From low E to the G three octaves' top strings allow; never a leap of more than an octave.
"""

from __future__ import annotations

import random
from functools import cache
from itertools import pairwise

from .harmony import Chord
from .plan import Bar, Plan
from .rhythm import BAR, BEAT, Hit, Note, hits, table

LOWEST, HIGHEST = 28, 55
OCTAVE = 12
_CENTRE = 37

Drawn = tuple[int, ...]
"""Semitones above the root, one for each hit of a riff."""


def bass_part(plan: Plan) -> list[Note]:
    """All that the bass plays."""
    chance = plan.dice("bass")
    player = _Bassist(plan, chance)
    for bar in plan.played:
        player.play(bar)
    return _within_an_octave(player.notes)


class _Bassist:
    """Goes through the bars and remembers where the hand is."""

    def __init__(self, plan: Plan, chance: random.Random) -> None:
        self.plan, self.chance = plan, chance
        self.notes: list[Note] = []
        self.hand = _CENTRE
        self.walks = plan.feel.name == "shuffle" and (
            plan.form.name == "jazz" or chance.random() < 0.55
        )
        self.walks |= plan.feel.name == "straight" and chance.random() < 0.2
        self.walks |= plan.feel.name == "slow" and chance.random() < 0.35
        rhythms = table("basslines")["riffs"][plan.feel.name]
        self.riffs = [_riff(chance, plan.feel.name, rhythms) for _ in range(3)]
        self.is_two_bars = chance.random() < 0.45
        self.lifts = chance.random()
        self.is_in_two = chance.random() < 0.5

    def play(self, bar: Bar) -> None:
        if bar.hits:
            self._strike(bar)
        elif len(bar.chords) > 1:
            self._walk(bar)
        elif self.walks and self.is_in_two and bar.intensity < 0.36:
            self._in_two(bar)
        elif self._is_walked(bar):
            self._walk(bar)
        else:
            self._riff(bar)

    def _is_walked(self, bar: Bar) -> bool:
        if bar.section.name == "breakdown" and self.plan.feel.family == "triplet":
            return False
        if self.walks:
            return True
        # Who riffs still walks up to the next chorus now and then.
        return bar.fill == 2 and self.chance.random() < 0.5

    def _strike(self, bar: Bar) -> None:
        for hit in bar.hits:
            root = self._root(bar.chord_at(hit.step))
            self._add(bar.start + hit.step, hit.length, root, 0.75 + 0.2 * bar.intensity)

    def _riff(self, bar: Bar) -> None:
        chord = bar.chords[0].chord
        number = bar.place % 2 if self.is_two_bars else 0
        if bar.section.name == "solo":
            number = 2
        rhythm, drawn = self.riffs[number]
        root = self._riff_root(chord)
        last = drawn[-1] if bar.place % 4 != 3 else 7 if chord.kind not in ("dim7", "m7b5") else 6
        for at, (hit, interval) in enumerate(zip(rhythm, drawn, strict=True)):
            if at == len(drawn) - 1:
                interval = last if at else 0
            pitch = root + _fitted(interval, chord)
            pitch += OCTAVE * ((pitch < LOWEST) - (pitch > HIGHEST))
            loud = (0.45 + 0.4 * bar.intensity) * (0.75 + 0.25 * hit.strength)
            length: float = hit.length
            if hit.sign == "g":
                loud, length = 0.12, 2
            elif self.plan.feel.name == "funk":
                length = min(length, 5)
            self._add(bar.start + hit.step, length * 0.92, pitch, loud)

    def _riff_root(self, chord: Chord) -> int:
        tonic = LOWEST + (self.plan.key.tonic - LOWEST) % 12
        root = tonic + (chord.root - self.plan.key.tonic) % 12
        return root - OCTAVE if root - OCTAVE >= LOWEST and root - tonic > 6 else root

    def _walk(self, bar: Bar) -> None:
        ends = [*(change.step for change in bar.chords[1:]), BAR]
        for change, end in zip(bar.chords, ends, strict=True):
            following = self.plan.chord_at(bar.start + end)
            beats = (end - change.step) // BEAT
            pitches = self._way(change.chord, following, beats)
            start = bar.start + change.step
            for beat, pitch in enumerate(pitches):
                at = start + beat * BEAT
                accent = 0.06 * ((change.step // BEAT + beat) % 2)  # two and four lean forward
                loud = 0.42 + 0.4 * bar.intensity + accent
                if self._skips(bar):
                    self._add(at, 7, pitch, loud)
                    off = 8 if self.plan.feel.family == "triplet" else 6
                    self._add(at + off, 3, pitch, loud - 0.22)
                else:
                    self._add(at, 11, pitch, loud)

    def _in_two(self, bar: Bar) -> None:
        """A calm swing: two long notes a bar, the root and its fifth."""
        chord = bar.chords[0].chord
        root = self._root(chord)
        fifth = root + chord.tones[2]
        fifth -= OCTAVE if fifth > _CENTRE + 8 and fifth - OCTAVE >= LOWEST else 0
        loud = 0.42 + 0.4 * bar.intensity
        self._add(bar.start, 22, root, loud)
        if bar.place % 4 == 3 or self.chance.random() < 0.3:
            self._add(bar.start + 2 * BEAT, 11, fifth, loud)
            following = _nearest(self.plan.chord_at(bar.start + BAR).root, fifth, self.chance)
            step = self.chance.choice((-1, 1)) if following > LOWEST else 1
            self._add(bar.start + 3 * BEAT, 11, following + step, loud)
            self.hand = following
        else:
            self._add(bar.start + 2 * BEAT, 22, fifth, loud)

    def _skips(self, bar: Bar) -> bool:
        return self.chance.random() < 0.04 + 0.16 * bar.intensity * self.lifts

    def _way(self, chord: Chord, following: Chord, beats: int) -> list[int]:
        """The root, then notes that lead to the next root; all in reach of one another."""
        root = self._root(chord)
        if beats < 2:
            return [root]
        # The next root is reached for from here, wherever the line goes between.
        target = _nearest(following.root, root, self.chance)
        kind = "stay" if following == chord and self.chance.random() < 0.7 else "go"
        approach = self.chance.choice((-1, 1, -1, 1, 2, -5, 7) if beats > 2 else (-1, 1))
        for _ in range(12):
            drawn = self.chance.choice(_walks(kind))
            middle = [
                target + approach if step is None else root + _fitted(step, chord) for step in drawn
            ]
            line = [root, *(middle if beats == 4 else middle[-(beats - 1) :])]
            whole = [*line, target] if kind == "go" else line
            steps = [abs(b - a) for a, b in pairwise(whole)]
            # A walk seldom stands still, and chord tones bear the third beat.
            sure = beats < 4 or (line[2] - chord.root) % 12 in chord.tones
            if sure and max(steps) <= 9 and 0 not in steps[:-1] and self._in_reach(line):
                return line
        fifth = root + chord.tones[2]
        return [root, fifth if fifth <= HIGHEST else fifth - OCTAVE, *[root] * (beats - 2)]

    @staticmethod
    def _in_reach(line: list[int]) -> bool:
        return min(line) >= LOWEST and max(line) <= HIGHEST

    def _root(self, chord: Chord) -> int:
        return _nearest(chord.root, self.hand, self.chance)

    def _add(self, start: float, length: float, pitch: int, loud: float) -> None:
        self.notes.append(Note(start, length, pitch, loud))
        self.hand = pitch


def _nearest(root: int, hand: int, chance: random.Random) -> int:
    """The root in reach of the hand, rather in the middle of the neck than at its ends."""
    low = LOWEST + (root - LOWEST) % 12
    choices = [pitch for pitch in (low, low + 12, low + 24) if pitch <= HIGHEST - 4]
    swerve = chance.random() * 3
    return min(choices, key=lambda p: abs(p - hand) + 0.45 * abs(p - _CENTRE + swerve))


def _fitted(interval: int, chord: Chord) -> int:
    """An interval of a dominant chord as another kind of chord has it."""
    octave, step = divmod(interval, OCTAVE)
    if chord.is_minor:
        step = {4: 3, 9: 10 if chord.kind != "m6" else 9}.get(step, step)
    if chord.kind in ("dim7", "m7b5"):
        step = {7: 6, 9: 9 if chord.kind == "dim7" else 10, 10: chord.tones[3]}.get(step, step)
    return octave * OCTAVE + step


@cache
def _walks(kind: str) -> tuple[tuple[int | None, ...], ...]:
    return tuple(
        tuple(None if word == "a" else int(word) for word in words.split())
        for words in table("basslines")["walks"][kind]
    )


def _riff(chance: random.Random, feel: str, rhythms: list[str]) -> tuple[tuple[Hit, ...], Drawn]:
    """A riff: one of the rhythms, thinned a little, the root on one and degrees of the blues."""
    whole = hits(chance.choice(rhythms))
    kept = tuple(h for n, h in enumerate(whole) if not n or chance.random() < 0.93)
    if feel == "funk":
        degrees, steps = (0, 12, 10, 7, 5, 3, -2, 0), 1.0
    else:
        degrees, steps = (0, 4, 7, 9, 10, 12, 7, 4), 0.8
    drawn = [0]
    for hit in kept[1:]:
        if not hit.step % (2 * BEAT):  # the third beat wants a tone of the chord
            near = [d for d in (0, 7, 12, 4, 10) if abs(d - drawn[-1]) <= 7]
            drawn.append(chance.choice(near))
        # Eighths come in pairs on one pitch as often as not.
        elif hit.step % BEAT and drawn[-2:-1] != drawn[-1:] and chance.random() < 0.5 * steps:
            drawn.append(drawn[-1])
        else:
            near = [d for d in degrees if 0 < abs(d - drawn[-1]) <= 7]
            drawn.append(chance.choice(near))
            # The blue third slides up into the third.
            if drawn[-1] == 4 and len(drawn) > 2 and chance.random() < 0.5:
                drawn[-2] = 3 if kept[len(drawn) - 2].step % (2 * BEAT) else drawn[-2]
    return kept, tuple(drawn)


def _within_an_octave(notes: list[Note]) -> list[Note]:
    """Bring notes an octave nearer where a leap would be too wide to play.

    Rather the note before a bar's first than that one: a riff sits where it sits.
    """
    fitted: list[Note] = []
    for note in notes:
        if fitted:
            before = fitted[-1]
            leap = note.pitch - before.pitch
            octave = OCTAVE if leap > 0 else -OCTAVE
            if abs(leap) > OCTAVE:
                moved = before.pitch + octave
                two_before = fitted[-2].pitch if len(fitted) > 1 else moved
                if (
                    not note.start % BAR
                    and before.start % BAR
                    and abs(moved - two_before) <= OCTAVE
                ):
                    fitted[-1] = before._replace(pitch=moved)
                else:
                    note = note._replace(pitch=note.pitch - octave)
        fitted.append(note)
    return fitted
