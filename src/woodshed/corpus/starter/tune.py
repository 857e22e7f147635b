"""The tune of a piece: the lines that are sung, the licks that answer, the motives of the solos.

Everything that comes back in a piece is written here once. Refuses to know who plays it and where.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

from .melody import Phrase, Tone, ending_on, make_phrase
from .plan import Plan
from .rhythm import BAR, BEAT

HOME = 2 * BAR
"""Where a last line comes home: on one of the turnaround, two bars after it began."""


@dataclass(frozen=True, slots=True)
class Tune:
    """The lines A and B of the verse, the licks that answer them, and what solos are made of.

    `motives` grow busier from the first to the last.
    """

    a: Phrase
    b: Phrase
    licks: tuple[Phrase, ...]
    motives: tuple[Phrase, ...]


def write_tune(plan: Plan, chance: random.Random, heights: tuple[int, int]) -> Tune:
    """A tune for a singer who reaches so far below and above the tonic."""
    beats = plan.feel.beats
    off = 6 if beats == "even" else 4
    low, high = heights
    rate = 2.3 if beats == "slow" else 3.2
    first = chance.choice((-12, -off, 0, 0, off, 12, 12 + off))
    last = chance.choice((66, 72, 78, 84))
    # Half of a singer's range is plenty for a line; which half is the line's character.
    bottom = low + (high - low) * 0.35 * chance.random()
    top = high - (high - low) * 0.25 * chance.random()
    a = make_phrase(chance, beats, (first, last), busy(plan, rate, 0.9), (bottom, top))
    a = ending_on(a, chance.choice((0, 7, 4, 0)))
    b = make_phrase(chance, beats, (first, last), busy(plan, rate * 1.1, 0.9), (bottom, top))
    if chance.random() < 0.5:  # B begins as A did
        half = BAR - BEAT
        b = _cut(a, half) + tuple(tone for tone in b if tone.start >= half)
    home = chance.choice((0, 0, 12 if high > 11 else 0))
    if chance.random() < 0.65:
        b = (*_cut(b, HOME - off), Tone(HOME, chance.choice((12, 18, 24)), home))
    return Tune(
        a=_held(a, chance),
        b=_held(ending_on(b, home), chance),
        licks=tuple(_lick(plan, chance, off) for _ in range(4)),
        motives=tuple(
            make_phrase(
                chance, beats, (0, chance.choice((30, 36, 42))), busy(plan, rate, 1), (0, 9)
            )
            for rate in (2.6, 3.6, 5.0)
        ),
    )


def busy(plan: Plan, notes_per_second: float, most: float) -> float:
    """How busy a line must be to have so many notes a second at this tempo."""
    per_beat = notes_per_second * 60 / plan.bpm
    return min(max((per_beat - 0.4) / 3, 0.2), most)


def _lick(plan: Plan, chance: random.Random, off: int) -> Phrase:
    span = chance.choice((0, off, 12)), chance.choice((66, 72, 78, 84))
    heights = chance.choice((-3, 0, 2)), chance.choice((9, 12, 14))
    lick = make_phrase(chance, plan.feel.beats, span, busy(plan, 3.8, 1.0), heights)
    return _held(lick, chance)


def _cut(phrase: Phrase, last: int) -> Phrase:
    kept = [tone for tone in phrase if tone.start < last]
    return tuple(tone._replace(length=min(tone.length, last - tone.start)) for tone in kept)


def _held(phrase: Phrase, chance: random.Random) -> Phrase:
    """The phrase with a last tone that is not over before it is heard."""
    last = phrase[-1]
    length = max(last.length, chance.choice((10, 14, 20)))
    return (*phrase[:-1], last._replace(length=length))
