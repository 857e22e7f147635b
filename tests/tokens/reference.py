"""The grammars and reductions again, slow and obvious: token by token, note by note.

Written from the descriptions in the modules, not from their code; the fast forms are tested against
it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from fractions import Fraction

from tests.tokens.charts import chart
from woodshed.music.score import Score
from woodshed.tokens.chorale import Chorale, ChoraleLimits
from woodshed.tokens.events import Events
from woodshed.tokens.events_grammar import EventLimits
from woodshed.tokens.performance import PerformanceLimits


class SlowEvents:
    """One sequence of `events`, checked with plain conditions."""

    def __init__(self, events: Events, limits: EventLimits) -> None:
        self.events, self.limits = events, limits
        self.before = ""
        self.slots: set[int] = set()
        self.last_slot = self.last_tag = self.player = self.pitch = -1
        self.bar_steps = self.in_bar = self.at_once = self.load = self.empty_bars = 0
        self.has_begun = False

    def _split(self, token: int) -> tuple[str, int]:
        name = self.events.language.names[token].partition("_")[0]
        return name, token - self.events.language.first[name]

    @property
    def _drums(self) -> bool:
        return self.events.lineup.slots[self.player].drums

    @property
    def _crowded(self) -> bool:
        return self.at_once >= self.limits.at_once or self.load >= self.limits.load

    def allows(self, token: int) -> bool:
        """Whether `token` may come now."""
        kind, value = self._split(token)
        may_follow = {
            "": ["START"],
            "START": ["TEMPO"],
            "TEMPO": ["KEY", "SLOT"],
            "KEY": ["SLOT"],
            "SLOT": ["SLOT", "TAG", "BAR"],
            "TAG": ["TAG", "BAR"],
            "BAR": ["CUT", "CHORD", "SHIFT", "INST", "BAR", "END"],
            "CUT": ["CHORD", "SHIFT", "INST", "BAR", "END"],
            "CHORD": ["SHIFT", "INST", "BAR", "END"],
            "SHIFT": ["INST"],
            "INST": ["VEL"],
            "VEL": ["DRUM" if self.player >= 0 and self._drums else "PITCH"],
            "PITCH": ["DUR"],
            "DUR": ["VEL", "SHIFT", "INST", "BAR", "END"],
            "DRUM": ["VEL", "SHIFT", "INST", "BAR", "END"],
            "END": ["END"],
        }
        if kind not in may_follow[self.before]:
            return False
        if kind == "SLOT":
            return value > self.last_slot
        if kind == "TAG":
            return value > self.last_tag
        if kind in ("CUT", "SHIFT"):
            return self.in_bar + value + 1 < self.bar_steps
        if kind == "INST":
            return value in self.slots and value > self.player and not self._crowded
        if kind == "VEL":
            return self.pitch < 127 and not self._crowded
        if kind in ("PITCH", "DRUM"):
            return value > self.pitch
        if kind == "BAR":
            most = self.limits.empty_bars if self.has_begun else self.limits.lead_bars
            return self.empty_bars < most
        return True

    def take(self, token: int) -> None:
        """Go on by one token that is allowed."""
        kind, value = self._split(token)
        self.before = kind
        if kind == "SLOT":
            self.slots.add(value)
            self.last_slot = value
        elif kind == "TAG":
            self.last_tag = value
        elif kind == "BAR":
            numerator, denominator = map(int, self.events.language.names[token][4:].split("/"))
            self.bar_steps = numerator * 96 // denominator
            self.in_bar = 0
            self.empty_bars += 1
        elif kind == "CUT":
            self.bar_steps = value + 1
        elif kind == "SHIFT":
            self.in_bar += value + 1
        elif kind == "INST":
            self.player, self.pitch = value, -1
        elif kind in ("PITCH", "DRUM"):
            self.pitch = value
            self.at_once += 1
            self.load += self.at_once > self.limits.usual
            self.empty_bars = 0
            self.has_begun = True
        if kind in ("BAR", "SHIFT"):
            self.player = -1
            self.at_once = 0
            self.load = max(0, self.load - 1)


class SlowPerformance:
    """One sequence of `performance`, checked with plain conditions."""

    def __init__(self, limits: PerformanceLimits) -> None:
        self.limits = limits
        self.started = self.ended = False
        self.has_velocity = self.after_velocity = self.has_begun = False
        self.sounding: set[int] = set()
        self.at_once = self.shifts = self.load = 0

    def allows(self, token: int) -> bool:
        """Whether `token` may come now."""
        if self.ended:
            return token == 389
        if not self.started:
            return token == 388
        full = (
            len(self.sounding) >= self.limits.sounding
            or self.at_once >= self.limits.at_once
            or self.load >= self.limits.load
        )
        if token < 128:
            return token not in self.sounding and self.has_velocity and not full
        if self.after_velocity:
            return False
        if token < 256:
            return token - 128 in self.sounding
        if token < 356:
            most = self.limits.shifts if self.has_begun else self.limits.lead_shifts
            return self.shifts < most
        if token < 388:
            return not full
        return token == 389 and not self.sounding

    def take(self, token: int) -> None:
        """Go on by one token that is allowed."""
        self.after_velocity = 356 <= token < 388
        if token < 128:
            self.sounding.add(token)
            self.at_once += 1
            self.load += self.at_once > self.limits.usual
            self.shifts = 0
            self.has_begun = True
        elif token < 256:
            self.sounding.remove(token - 128)
            self.shifts = 0
        elif token < 356:
            self.shifts += 1
            self.at_once = 0
            self.load = max(0, self.load - 1)
        elif token < 388:
            self.has_velocity = True
        elif token == 388:
            self.started = True
        else:
            self.ended = True


class SlowChorale:
    """One sequence of `chorale`, checked with plain conditions."""

    def __init__(self, limits: ChoraleLimits) -> None:
        self.limits = limits
        self.said: list[str] = []

    def _name(self, token: int) -> str:
        return Chorale().language.names[token]

    def allows(self, token: int) -> bool:
        """Whether `token` may come now."""
        name = self._name(token)
        if not self.said or self.said[-1] == "END":
            return name == ("END" if self.said else "START")
        cells = self.said[1:]
        voice = len(cells) % 4
        if name == "END":
            return voice == 0
        if name == "START" or name[0] != "SATB"[voice]:
            return False
        if name.endswith("REST"):
            most = self.limits.rests if any(map(_sounds, cells)) else self.limits.lead_rests
            return _how_many(cells, lambda n: not _sounds(cells[n])) < 4 * most
        still = _how_many(cells, lambda n: n >= 4 and cells[n] == cells[n - 4])
        return still < 4 * self.limits.still or name != cells[-4]

    def take(self, token: int) -> None:
        """Go on by one token that is allowed."""
        self.said.append(self._name(token))


def _sounds(cell: str) -> bool:
    return not cell.endswith("REST")


def _how_many(cells: list[str], is_so: Callable[[int], bool]) -> int:
    """How many of the last cells in a row are so."""
    count = 0
    while count < len(cells) and is_so(len(cells) - 1 - count):
        count += 1
    return count


def chorale_cells(score: Score, voices: Sequence[int | None]) -> list[list[int | None]]:
    """What each voice sings at every sixteenth: of its notes the one that began last is heard,
    of several at once the highest, and until it ends.
    """

    def grid(ticks: int) -> int:
        return int(Fraction(4 * ticks, score.ticks_per_quarter) + Fraction(1, 2))

    notes = score.notes
    columns = (notes.start_ticks, notes.end_ticks, notes.pitch, notes.part)
    told = [
        (grid(start), max(grid(end), grid(start) + 1), pitch, voices.index(part))
        for start, end, pitch, part in zip(*(c.tolist() for c in columns), strict=True)
        if part in voices
    ]
    steps: list[list[int | None]] = []
    for step in range(max((end for _, end, _, _ in told), default=0)):
        steps.append([])
        for voice in range(4):
            begun = [note for note in told if note[3] == voice and note[0] <= step]
            last = max(begun, key=lambda note: (note[0], note[2]), default=None)
            longest = max(
                (
                    end
                    for start, end, pitch, _ in begun
                    if last and (start, pitch) == last[0::2][:2]
                ),
                default=0,
            )
            steps[-1].append(last[2] if last and step < longest else None)
    while steps and steps[-1] == [None] * 4:  # a long note that gave way to a short one
        steps.pop()
    return steps


Told = list[tuple[int, int, int, int, int]]


def event_notes(score: Score, slots: Sequence[int | None], drums: Sequence[bool]) -> Told:
    """Notes as `events` sees them: (step, slot, pitch, velocity, length in steps), sorted."""
    found: dict[tuple[int, int, int], list[tuple[int, int]]] = defaultdict(list)
    lengths = [*range(1, 48)]
    for first, step in ((48, 2), (96, 4), (192, 8), (384, 16)):
        lengths += range(first, 2 * first, step)
    n = score.notes
    for start, end, pitch, velocity, part in zip(
        n.start_ticks.tolist(), n.end_ticks.tolist(), n.pitch.tolist(), n.velocity.tolist(),
        n.part.tolist(), strict=True,
    ):  # fmt: skip
        slot = slots[part]
        if slot is None:
            continue
        step, stop = (_half_up(Fraction(t * 24, score.ticks_per_quarter)) for t in (start, end))
        length = min(lengths, key=lambda known: (abs(known - max(stop - step, 1)), known))
        found[step, slot, pitch].append((velocity // 4 * 4 + 2, length))
    return [
        (step, slot, pitch, max(v for v, _ in all_), 6 if drums[slot] else max(d for _, d in all_))
        for (step, slot, pitch), all_ in sorted(found.items())
    ]


def event_chords(score: Score, bar_steps: Sequence[int]) -> list[tuple[int, str]]:
    """The chords as `events` sees them: a step and a name where a bar has another than the last."""
    holds = [
        (_half_up(Fraction(ticks * 24, score.ticks_per_quarter)), name)
        for ticks, name in chart(score)
    ]
    told: list[tuple[int, str]] = []
    before = "N.C."
    for bar in bar_steps:
        now = next((name for step, name in reversed(holds) if step <= bar), "N.C.")
        if now != before:
            told.append((bar, now))
        before = now
    return told


def _half_up(value: Fraction) -> int:
    return int((value + Fraction(1, 2)) // 1)
