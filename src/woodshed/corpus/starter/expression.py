"""Expression: what happens to a tone while it sounds, and how the tempo gives way at the end.

Guitar, harmonica and voice bend into blue tones and let long ones tremble; organ and choir swell.
Refuses to know which notes anybody plays, and why.
"""

from __future__ import annotations

import random

import numpy as np

from ...music.notes import Bends, Controls, Notes
from ...music.time import TempoMap, microseconds_of
from .plan import CHOIR, HARP, LEAD, ORGAN, VOICE, Plan
from .rhythm import BAR, BEAT

MODULATION, EXPRESSION = 1, 11
BEND_MS = 80
SEMITONE = 4096
"""In steps of the wheel, whose range is two semitones unless a controller says else."""

# When a bend is how far below its tone, as shares of its time and of a semitone.
_BEND = ((0.0, 1.0), (0.3, 0.8), (0.55, 0.5), (0.8, 0.2), (1.0, 0.0))
_BENT = (3, 5)
"""The blue third and the fourth, in semitones above the tonic."""

# Shares of a tone's length, and a controller's value from then on.
_TREMBLE = ((0.35, 20), (0.5, 44), (0.7, 64), (1.0, 0))
_SWELL = ((0.0, 84), (0.15, 92), (0.3, 101), (0.45, 110), (0.65, 104), (0.85, 96), (1.0, 100))
_LEVEL = 100

_SLOWER = (0.96, 0.9, 0.82, 0.74)
_SLOWEST = 0.7
"""The tempo in each beat of a ritardando, and while the last chord is held."""

Rows = list[tuple[int, ...]]
Held = tuple[int, int, int]
"""When a tone begins and ends, in ticks, and its pitch."""


class Expression:
    """What all players do with their tones, gathered part by part."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self._bends: Rows = []
        self._controls: Rows = []

    def add(self, who: str, part: int, notes: Notes) -> None:
        """What one player does with these notes, which lie in the order they begin in."""
        if who not in (LEAD, HARP, VOICE, ORGAN, CHOIR):
            return
        chance = self.plan.dice(f"expression of {who}")
        starts, ends = notes.start_ticks.tolist(), notes.end_ticks.tolist()
        tones = list(zip(starts, ends, notes.pitch.tolist(), strict=True))
        if who in (ORGAN, CHOIR):
            self._swell(part, tones, 0.8 if who == CHOIR else 0.5, chance)
        else:
            self._bend(part, tones, chance)
            self._tremble(part, tones, chance)

    @property
    def bends(self) -> Bends:
        """The bends of all parts."""
        ticks, value, part = np.array(self._bends, np.int64).reshape(-1, 3).T
        return Bends(ticks, value.astype(np.int16), part.astype(np.uint16))

    @property
    def controls(self) -> Controls:
        """The controller changes of all parts."""
        ticks, number, value, part = np.array(self._controls, np.int64).reshape(-1, 4).T
        return Controls(
            ticks, number.astype(np.uint8), value.astype(np.uint8), part.astype(np.uint16)
        )

    def _bend(self, part: int, tones: list[Held], chance: random.Random) -> None:
        """Into held blue tones from a semitone below, where no other tone would be bent along."""
        beat = self.plan.feel.ticks_per_beat
        span = BEND_MS * beat * self.plan.bpm / 60_000
        sounding_until = before = 0
        for n, (start, end, pitch) in enumerate(tones):
            following = tones[n + 1][0] if n + 1 < len(tones) else end
            is_alone = sounding_until <= start and following > start + span
            # Who has slid into a tone by a grace note is there already.
            is_slid_into = pitch - before == 1 and start - sounding_until < span
            is_blue = (pitch - self.plan.key.tonic) % 12 in _BENT
            is_long = end - start >= 0.7 * beat
            is_open = is_blue and is_long and is_alone and not is_slid_into
            if is_open and chance.random() < 0.65:
                self._bends += [
                    (round(start + share * span), round(-SEMITONE * below), part)
                    for share, below in _BEND
                ]
            sounding_until, before = max(sounding_until, end), pitch

    def _tremble(self, part: int, tones: list[Held], chance: random.Random) -> None:
        self._shaped(part, MODULATION, _TREMBLE, (tones, 1.5, 0.75), chance)

    def _swell(self, part: int, tones: list[Held], often: float, chance: random.Random) -> None:
        self._controls.append((0, EXPRESSION, _LEVEL, part))
        self._shaped(part, EXPRESSION, _SWELL, (tones, 1.9, often), chance)

    def _shaped(
        self,
        part: int,
        number: int,
        shape: tuple[tuple[float, int], ...],
        long: tuple[list[Held], float, float],
        chance: random.Random,
    ) -> None:
        """A controller's shape over tones of so many beats, so often, one after another."""
        tones, beats, often = long
        least = beats * self.plan.feel.ticks_per_beat
        over = -1
        for start, end, _ in tones:
            if end - start >= least and start >= over:
                over = end
                if chance.random() < often:
                    self._controls += [
                        (round(start + share * (end - start)), number, value, part)
                        for share, value in shape
                    ]


def tempos(plan: Plan) -> TempoMap:
    """One tempo, and where the ending suits it a ritardando over the bar before the last chord."""
    tempo = plan.feel.quarters_per_minute(plan.bpm)
    if not _slows(plan):
        return TempoMap.constant(tempo)
    ending = plan.bars[-2]
    held = ending.start + ending.hits[-1].step
    beat = plan.feel.ticks_per_beat
    first = (held - BAR) // BEAT * beat
    steps = [first + n * beat for n in range(len(_SLOWER) + 1)]
    shares = (1.0, *_SLOWER, _SLOWEST)
    return TempoMap(
        np.array([0, *steps], np.int64),
        np.array([microseconds_of(tempo * share) for share in shares], np.int32),
    )


def _slows(plan: Plan) -> bool:
    """Slow blues mostly do; of the others those that play on into the last chord.

    A band that stops for single strokes needs the tempo to come together on them, unless it is a
    slow one; a funk ends as it went.
    """
    chance = plan.dice("ending")
    if plan.feel.name == "slow":
        return chance.random() < 0.8
    plays_on = plan.bars[-2].hits[-1].step == 0
    return plays_on and plan.feel.name != "funk" and plan.bpm < 160 and chance.random() < 0.8
