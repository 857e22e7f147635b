"""The drums: a groove for each chorus, ghosts, fills on the way to a change, crashes after it.

Refuses to know harmony.
"""

from __future__ import annotations

import random
from functools import cache

from .plan import Bar, Plan
from .rhythm import BAR, BEAT, Note, hits, table

KICK, SIDE_STICK, SNARE, HAT, PEDAL, OPEN_HAT = 36, 37, 38, 42, 44, 46
CRASH, OTHER_CRASH, RIDE, RIDE_BELL = 49, 57, 51, 53
TOMS = (50, 48, 45, 43, 41)

Groove = tuple[tuple[int, int, float], ...]
"""Step within the bar, drum and loudness."""


def drum_part(plan: Plan) -> list[Note]:
    """All that the drummer plays."""
    chance = plan.dice("drums")
    patterns = table("grooves")["drums"][plan.feel.name]
    kicks = chance.sample(patterns["kick"], 3)
    snares = chance.sample(patterns["snare"], 2)
    calm, hot = chance.choice(patterns["calm"]), chance.choice(patterns["hot"])
    stick = chance.random() < 0.4
    ride_from = 0.45 + 0.35 * chance.random()
    notes: list[Note] = []
    for bar in plan.played:
        if bar.hits:
            _strike(notes, bar, chance)
            continue
        level = bar.intensity
        cymbal = RIDE if level > ride_from or bar.section.name == "solo" else HAT
        kick = kicks[2] if bar.place % 4 == 3 else kicks[level > 0.5]
        groove = _groove(
            cymbal,
            hot if level > 0.6 else calm,
            kick,
            snares[level > 0.55],
            SIDE_STICK if stick and level < 0.35 else SNARE,
        )
        fill, from_step = _fill(bar, plan, chance)
        loud = 0.45 + 0.5 * level
        start = bar.start
        notes += [
            Note(start + step, 3, drum, strength * loud)
            for step, drum, strength in groove
            if step < from_step and (strength > 0.35 or chance.random() < 0.35 + level)
        ]
        if cymbal == RIDE and from_step > 40:
            notes += [Note(start + step, 3, PEDAL, 0.5 * loud) for step in (BEAT, 3 * BEAT)]
        notes += [Note(start + step, 3, drum, strength * loud) for step, drum, strength in fill]
        if bar.has_crash:
            notes.append(Note(start, BEAT, chance.choice((CRASH, CRASH, OTHER_CRASH)), loud + 0.1))
        if plan.feel.family == "even" and level > 0.5 and chance.random() < 0.3 and not fill:
            notes.append(Note(start + BAR - 6, 6, OPEN_HAT, 0.7 * loud))
    return notes


@cache
def _groove(cymbal: int, ride: str, kick: str, snare: str, backbeat: int) -> Groove:
    """One bar of all limbs. Ghosts stay on the snare, and a cymbal gives way to nobody."""
    limbs = [(h.step, cymbal, 0.8 * h.strength) for h in hits(ride)]
    limbs += [(h.step, KICK, 0.95 * h.strength) for h in hits(kick)]
    limbs += [(h.step, backbeat if h.sign == "X" else SNARE, h.strength) for h in hits(snare)]
    return tuple(sorted(limbs))


def _fill(bar: Bar, plan: Plan, chance: random.Random) -> tuple[Groove, int]:
    """A fill at the end of the bar, and the step it begins at; none is () and the bar's end."""
    if not bar.fill:
        return (), BAR
    shapes = table("grooves")["fills"][plan.feel.family]
    struck = hits(chance.choice(shapes if bar.fill == 2 else shapes[:4]))
    turns = sorted(chance.random() * 5 for _ in struck)
    drums = [SNARE if turn < 1.6 else TOMS[int(turn)] for turn in turns]
    if chance.random() < 0.25:
        drums = [SNARE] * len(drums)
    fill = tuple(
        (h.step, drum, (0.7 + 0.3 * n / len(struck)) * h.strength)
        for n, (h, drum) in enumerate(zip(struck, drums, strict=True))
    )
    kick = ((struck[0].step, KICK, 0.8),) if chance.random() < 0.6 else ()
    return fill + kick, struck[0].step


def _strike(notes: list[Note], bar: Bar, chance: random.Random) -> None:
    loud = 0.6 + 0.4 * bar.intensity
    for hit in bar.hits:
        at = bar.start + hit.step
        notes.append(Note(at, 3, KICK, loud))
        notes.append(Note(at, 3, SNARE, 0.9 * loud))
        if hit.sign == "!":
            notes.append(Note(at, 2 * BEAT, CRASH, loud))
            # The last chord dies away under a roll on the ride.
            roll = range(int(4 + 8 * chance.random()))
            notes += [Note(at + 6 + 4 * n, 4, RIDE, 0.5 * loud * 0.9**n) for n in roll]
        elif bar.section.name == "stop" and bar.place == 0 and not hit.step:
            notes.append(Note(at, BEAT, CRASH, loud))
    if bar.hits[-1].sign != "!" and bar.intensity > 0.25:
        quiet = [step for step in range(0, BAR, BEAT) if step > bar.hits[-1].step]
        notes += [Note(bar.start + step, 3, PEDAL, 0.3 * loud) for step in quiet]
