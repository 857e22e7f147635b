"""How much others may play around given notes so that these stay legal when their time comes.

Crowding is limited by the grammar, at one moment and over several. Knows nothing of plans.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..tokens.events_grammar import EventLimits
from .given_notes import Parts


@dataclass(frozen=True, slots=True)
class _Moment:
    """Given notes that start together: where, how many, and how many moments come after them.

    `most_load` is the highest load under which they and all later ones still are legal.
    """

    bar: int
    step: int
    notes: int
    most_load: int


class Room:
    """How much others may add under some limits, with given notes to come that must be legal."""

    def __init__(self, parts: Parts, limits: EventLimits) -> None:
        self.limits = limits
        places = [(note.bar, note.step) for note in parts.notes]
        self.moments: list[_Moment] = []
        self.moment_of = np.zeros(len(places) + 1, np.int64)
        for number, (bar, step) in enumerate(places):
            if number == 0 or places[number - 1] != (bar, step):
                self.moments.append(_Moment(bar, step, 0, 0))
            last = self.moments[-1]
            self.moments[-1] = _Moment(bar, step, last.notes + 1, 0)
            self.moment_of[number] = len(self.moments) - 1
        self.moment_of[-1] = len(self.moments)
        after: _Moment | None = None
        for number in range(len(self.moments) - 1, -1, -1):
            here = self.moments[number]
            most = limits.load - 1 - self._beyond(here.notes - 1)
            if after is not None:
                leaks = _leaks(here.bar, after)
                most = min(most, after.most_load + leaks - self._beyond(here.notes))
            after = self.moments[number] = _Moment(here.bar, here.step, here.notes, most)

    def for_another(self, bar: int, at_once: int, load: int, told: int, to_come: int) -> bool:
        """Whether one more note fits after `at_once` others of this moment.

        `told` given notes are told, `to_come` more are given for this moment.
        """
        limits = self.limits
        if at_once >= limits.at_once or load >= limits.load:
            return False
        at_once, load = at_once + 1, load + (at_once + 1 > limits.usual)
        if at_once + to_come > limits.at_once:
            return False
        before = self._beyond(at_once)
        if to_come and load + self._beyond(at_once + to_come - 1) - before >= limits.load:
            return False
        load += self._beyond(at_once + to_come) - before
        number = int(self.moment_of[told + to_come])
        if number == len(self.moments):
            return True
        after = self.moments[number]
        return load - _leaks(bar, after) <= after.most_load

    def _beyond(self, notes: int) -> int:
        return max(0, notes - self.limits.usual)


def _leaks(bar: int, to: _Moment) -> int:
    """How many bar lines and shifts there are at least on the way to a later moment."""
    return to.bar - bar + (to.bar == bar or to.step > 0)
