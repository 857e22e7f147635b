"""Call and response: the voice sings its lines, guitar or harp answer, soloists take a chorus.

A verse is AAB: a line, the line again over other chords, and one that answers both. Everybody waits
while another has the word. Refuses to know bass, drums and comping.
"""

from __future__ import annotations

import random

from .melody import (
    COLOURS,
    Manner,
    Phrase,
    Register,
    ending_on,
    make_phrase,
    raised,
    sound,
    vary,
)
from .plan import HARP, LEAD, ORGAN, PIANO, VOICE, Bar, Plan, Section
from .rhythm import BAR, BEAT, Note
from .tune import HOME, busy, write_tune

Lines = dict[str, list[Note]]
"""What each player of melodies plays."""


def lead_parts(plan: Plan) -> Lines:
    """The lines of everybody who sings, answers or solos."""
    chance = plan.dice("tune")
    colour = chance.choice(COLOURS)
    teller = _Teller(plan, colour, chance)
    for section in plan.sections:
        if section.name == "intro":
            teller.intro(section)
        elif section.soloist:
            teller.solo(section)
        else:
            teller.verse(section)
    teller.finish()
    teller.doubled()
    return {name: notes for name, notes in teller.lines.items() if notes}


class _Teller:
    """Goes through the sections and hands out the lines."""

    def __init__(self, plan: Plan, colour: str, chance: random.Random) -> None:
        self.plan, self.chance = plan, chance
        names = [p.name for p in plan.band if p.name in (VOICE, LEAD, HARP, PIANO, ORGAN)]
        self.lines: Lines = {name: [] for name in names}
        self.registers = {name: _register(plan, name, chance) for name in names}
        others = [name for name in names if name != plan.singer]
        # A guitar without company answers itself; where there is a harp, the two take turns.
        self.answerers = [others[0] if others else plan.singer]
        if HARP in others and others[0] != HARP:
            self.answerers.insert(int(2 * chance.random()), HARP)
        self.answerer = self.answerers[0]
        self.manners = {
            name: Manner(
                colour=colour,
                slide={VOICE: 0.3, LEAD: 0.45, HARP: 0.35}.get(name, 0.15),
                legato=0.9 if name in (VOICE, HARP) else 0.82,
            )
            for name in names
        }
        self.tune = write_tune(plan, chance, _heights(self.registers[plan.singer]))
        self.verses = 0

    def intro(self, section: Section) -> None:
        """Somebody opens the door: the answerer plays on to the first line."""
        if section.bars < 2 or self.chance.random() < 0.25:
            return
        first = section.first_bar + section.bars % 2
        for n in range(first, section.first_bar + section.bars - 1, 2):
            lick = vary(self.chance.choice(self.tune.licks), self.chance, 0.3)
            self._say(self.answerer, _within(lick, 0, 80), n * BAR, section.intensity)

    def verse(self, section: Section) -> None:
        """Lines and answers. Each verse varies the tune; later ones lie higher."""
        plan, chance = self.plan, self.chance
        self.answerer = self.answerers[self.verses % len(self.answerers)]
        lift = 0.0 if not self.verses else chance.choice((0, 0, 1, 2)) * section.intensity
        much = 0.1 + 0.25 * min(self.verses, 2)
        a = vary(self.tune.a, chance, much if self.verses else 0)
        calls = plan.form.calls
        for n, place in enumerate(calls):
            at = (section.first_bar + place) * BAR
            is_last = n == len(calls) - 1
            line = vary(self.tune.b, chance, much) if is_last else vary(a, chance, 0.18 * n)
            line = raised(line, lift)
            if is_last:
                high = _heights(self.registers[plan.singer])[1] >= 12 and chance.random() < 0.25
                line = ending_on(line, 12 if high else 0)
            room = HOME + 28 if is_last else HOME - 4
            line = _within(line, -12 if at else 0, room)
            self._say(plan.singer, line, at, section.intensity)
            over = at + max(tone.start + min(tone.length, 20) for tone in line)
            following = calls[n + 1] if not is_last else plan.form.bars
            until = (section.first_bar + following) * BAR - 14
            self._answer(section, over, until, is_last)
        self.verses += 1

    def _answer(self, section: Section, over: int, until: int, is_last: bool) -> None:
        chance = self.chance
        start = -(-over // BEAT) * BEAT
        if -start % BAR <= BEAT and chance.random() < 0.6:
            start += -start % BAR  # so near the bar line, better wait for it
        bars = self.plan.bars[section.first_bar : section.first_bar + section.bars]
        if bars[-1].hits and is_last:
            until = min(until, bars[-1].start)
        if until - start < 2 * BEAT or chance.random() < 0.1:
            return
        if is_last and chance.random() < 0.35 and start <= bars[-2].start and not bars[-2].hits:
            self._descend(bars[-2], section.intensity)
            return
        lick = vary(chance.choice(self.tune.licks), chance, 0.35)
        lick = _within(lick, 0, until - start)
        lick = ending_on(lick, chance.choice((0, 7, 10, 12)))
        self._say(self.answerer, lick, start, section.intensity * 0.95)

    def _descend(self, bar: Bar, intensity: float) -> None:
        """The old turnaround: the tonic above, a chromatic line below, down to the fifth."""
        who = self.answerer
        register = self.registers[who]
        triplet = self.plan.feel.family == "triplet"
        offs = (0, 4, 8) if triplet else (0, 6)
        top = register.tonic + 12
        loud = 0.35 + 0.45 * intensity
        for beat, low in enumerate((-2, -3, -4, -5)):
            for n, off in enumerate(offs):
                pitch = top if n % 2 else top + low
                at = bar.start + beat * BEAT + off
                self.lines[who].append(
                    Note(at, BAR / 12 if triplet else 5.5, pitch, loud * (1 - 0.1 * n))
                )
        self.lines[who].append(Note(bar.start + BAR, BEAT, top - 5, loud))

    def solo(self, section: Section) -> None:
        """A chorus for one: a motive, the motive again, higher and denser, and home."""
        plan, chance = self.plan, self.chance
        who = section.soloist or LEAD
        motive = self.tune.motives[min(int(section.intensity * 3.2), 2)]
        for place in range(0, section.bars, 2):
            at = (section.first_bar + place) * BAR
            progress = place / section.bars
            heat = min(section.intensity * (0.75 + 0.5 * progress), 1.0)
            rate = 2.6 + 3.4 * heat
            room = min(62 + int(28 * heat), 86)
            if place % 4 == 0 or chance.random() < 0.5:
                head = vary(raised(motive, 7 * progress * heat), chance, 0.15 + 0.3 * progress)
                tail = make_phrase(
                    chance,
                    plan.feel.beats,
                    (_end(head), room),
                    busy(plan, rate, 1.0),
                    (1, 8 + 7 * heat),
                )
                phrase = (*head, *tail) if chance.random() < 0.6 + 0.4 * heat else head
            else:
                first = chance.choice((0, 0, 12))
                phrase = make_phrase(
                    chance,
                    plan.feel.beats,
                    (first, room),
                    busy(plan, rate, 1.0),
                    (0 + 3 * heat, 9 + 7 * heat),
                )
            if heat > 0.7 and place % 8 == 4 and chance.random() < 0.6:
                phrase = _riffed(phrase)
            if place >= section.bars - 2:
                phrase = ending_on(_within(phrase, 0, 60), chance.choice((0, 12, 7)))
            self._say(who, _within(phrase, 0, 90), at, heat)

    def _say(self, who: str, phrase: Phrase, at: int, intensity: float) -> None:
        if not phrase:
            return
        notes = sound(
            phrase,
            at,
            self.plan.chord_at,
            self.plan.key,
            self.registers[who],
            self.manners[who],
            0.42 + 0.5 * intensity,
            self.chance,
        )
        last = self.plan.bars[-2]
        if last.hits:  # in the last bar all strike together
            notes = [note for note in notes if note.start < last.start]
        line = self.lines[who]
        while line and notes and line[-1].start >= notes[0].start:
            line.pop()
        if line and notes and line[-1].start + line[-1].length > notes[0].start:
            line[-1] = line[-1]._replace(length=max(notes[0].start - line[-1].start, 1))
        line += notes

    def finish(self) -> None:
        """The last chord: the singer holds the tonic, the answerer strikes with the band."""
        bar = self.plan.bars[-2]
        held = bar.hits[-1]
        loud = 0.5 + 0.45 * bar.intensity
        for who in dict.fromkeys((self.plan.singer, self.answerer)):
            register = self.registers[who]
            line = self.lines[who]
            if line and line[-1].start + line[-1].length > bar.start:
                line[-1] = line[-1]._replace(length=bar.start - line[-1].start)
            if who == VOICE:
                if self.chance.random() < 0.7:
                    line.append(
                        Note(bar.start + held.step, held.length * 0.8, register.tonic, loud)
                    )
                continue
            for hit in bar.hits:
                root = bar.chord_at(hit.step).root
                pitch = register.lowest + (root - register.lowest) % 12
                line.append(Note(bar.start + hit.step, hit.length * 0.95, pitch + 12, loud))

    def doubled(self) -> None:
        """Double stops: where a guitar or piano burns, a long tone gets a chord tone below it."""
        for who in (LEAD, PIANO):
            line = self.lines.get(who, [])
            added = []
            for note in line:
                heat = self.plan.bars[
                    min(int(note.start // BAR), len(self.plan.bars) - 1)
                ].intensity
                if note.length >= 6 and self.chance.random() < 0.3 * heat:
                    tones = self.plan.chord_at(note.start).pitch_classes
                    below = next((n for n in (3, 4, 5) if (note.pitch - n) % 12 in tones), 5)
                    added.append(note._replace(pitch=note.pitch - below))
            line += added


def _register(plan: Plan, name: str, chance: random.Random) -> Register:
    """Where a player's tonic lies: a singer has a tenth and a half, and is high or low."""
    tonic = plan.key.tonic
    if name == VOICE:
        base = chance.choice((45, 48, 53))  # the lowest tonic of a bass, a tenor, an alto
        pitch = base + (tonic - base) % 12
        return (
            Register(pitch, pitch - 5, pitch + 10)
            if pitch > base + 5
            else Register(pitch, pitch - 2, pitch + 13)
        )
    base, below, above = {
        LEAD: (57, 5, 19),
        HARP: (62, 5, 15),
        PIANO: (64, 4, 20),
        ORGAN: (60, 4, 18),
    }[name]
    pitch = base + (tonic - base) % 12
    return Register(pitch, pitch - below, min(pitch + above, 88))


def _heights(register: Register) -> tuple[int, int]:
    return register.lowest - register.tonic + 1, register.highest - register.tonic - 1


def _within(phrase: Phrase, first: int, last: int) -> Phrase:
    """What of a phrase begins and ends between two steps."""
    kept = [tone for tone in phrase if first <= tone.start < last - 3]
    return tuple(tone._replace(length=min(tone.length, last - tone.start)) for tone in kept)


def _end(phrase: Phrase) -> int:
    return phrase[-1].start + phrase[-1].length


def _riffed(phrase: Phrase) -> Phrase:
    """The first beat of a phrase over and over, as players do when the band is hot."""
    cell = [tone for tone in phrase if tone.start < BEAT]
    if len(cell) < 2:
        return phrase
    cell[-1] = cell[-1]._replace(length=BEAT - cell[-1].start)
    return tuple(
        tone._replace(start=tone.start + beat * BEAT) for beat in range(7) for tone in cell
    )
