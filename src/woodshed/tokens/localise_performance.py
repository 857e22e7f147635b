"""Prompts in `performance`, told token by token in those a model knows.

Notes keep their order and their waits never vanish, so what was legal stays legal.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from . import nearest
from .known import Known, words


def told_performance(tokens: NDArray[np.int64], known: Known) -> tuple[list[int], int]:
    """The prompt in known tokens, and how many notes were merged into one that sounded."""
    first = known.language.first
    velocities = known.rows("VELOCITY")
    pitches = [n for n in known.rows("NOTE_ON") if velocities and n in known.rows("NOTE_OFF")]
    clock = _Clock(known)
    holders: Counter[int] = Counter()  # how many notes of the prompt a sounding note stands for
    stands_in: dict[int, int | None] = {}
    velocity: int | None = None  # not told yet
    told: list[int] = []
    merged = 0
    for group, value in words(tokens, known.language):
        if group == "SHIFT":
            clock.wait(value + 1)
            continue
        told += clock.told()
        if group == "VELOCITY":
            velocity = known.value(group, value, nearest.nearest_value, velocities)
        elif group == "NOTE_ON":
            pitch = known.value(group, value, nearest.nearest_pitch, pitches)
            stands_in[value] = pitch
            if pitch is None:
                continue
            holders[pitch] += 1
            if holders[pitch] > 1:
                merged += 1
                continue
            if velocity is not None:
                told.append(first["VELOCITY"] + velocity)
                velocity = None
            told.append(first["NOTE_ON"] + pitch)
        elif group == "NOTE_OFF":
            pitch = stands_in.pop(value, None)
            if pitch is not None:
                holders[pitch] -= 1
                if not holders[pitch]:
                    told.append(first["NOTE_OFF"] + pitch)
        else:
            told.append(first[group] + value)
    if velocity is not None:
        known.tell([known.name("VELOCITY", velocity)], [])
    return told + clock.told(), merged


class _Clock:
    """Tells waits in known shifts, and keeps count of how late that makes it."""

    def __init__(self, known: Known) -> None:
        self.known = known
        self.steps = [row + 1 for row in known.rows("SHIFT")]
        self.late = 0
        self.waits: list[int] = []

    def wait(self, steps: int) -> None:
        """Wait, but do not tell yet."""
        self.waits.append(steps)

    def told(self) -> list[int]:
        """The tokens of the wait since the last token that was none."""
        waits, self.waits = self.waits, []
        if not waits:
            return []
        steps = waits
        if self.late or not set(waits) <= set(self.steps):
            steps = _nearest_sum(self.steps, sum(waits) - self.late)
        self.late += sum(steps) - sum(waits)
        if steps != waits:
            self.known.tell(*([self.known.name("SHIFT", n - 1) for n in s] for s in (waits, steps)))
        return [self.known.language.first["SHIFT"] + n - 1 for n in steps]


def _nearest_sum(known: Sequence[int], wanted: int) -> list[int]:
    """Known steps, at least one of them and the longest first, that add up nearest to `wanted`."""
    if not known:
        return []
    steps: list[int] = []
    shortest = min(known)
    while not steps or 2 * wanted >= shortest:
        step = max((n for n in known if n <= wanted), default=shortest)
        steps.append(step)
        wanted -= step
    return steps
