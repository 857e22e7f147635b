"""The plan that has given parts come at their times, note for note, and others around them.

Others leave given notes room (`given_room`). Knows nothing of chance.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..models.info import ModelInfo
from ..tokens.events import DURATION_STEPS, Events
from ..tokens.events_grammar import REGISTERS, EventLimits
from ..tokens.grammar import State
from .given import Given
from .given_notes import GivenNote, Parts, parts_of
from .given_room import Room
from .header import Forced, HeaderPlan

BODY = ("bar", "cut", "chord", "moved", "note")
IN_BAR, NEXT_INST, AT_ONCE, LOAD = (
    REGISTERS.index(name) for name in ("in_bar", "next_inst", "at_once", "load")
)


class _Words:
    """The tokens of a model that the plan chooses among, by group."""

    def __init__(self, info: ModelInfo, given: Given, parts: Parts) -> None:
        assert isinstance(info.language, Events)
        language, ids = info.language.language, info.vocabulary.ids
        group, value = language.group_of[ids], language.value_of[ids].astype(np.int64)
        self.size = len(ids)

        def of(name: str) -> NDArray[np.int64]:
            return np.flatnonzero(group == language.row(name))

        self.bars, self.cuts, self.chords = of("BAR"), of("CUT"), of("CHORD")
        self.velocities, self.ends = of("VEL"), of("END")
        self.shifts, self.players, self.lengths = of("SHIFT"), of("INST"), of("DUR")
        self.shift_steps = value[self.shifts] + 1
        self.length_steps = DURATION_STEPS[value[self.lengths]]
        self.player_slots = value[self.players]
        self.player_of = dict(zip(self.player_slots.tolist(), self.players.tolist(), strict=True))
        self.shift_of = dict(zip(self.shift_steps.tolist(), self.shifts.tolist(), strict=True))
        longest = max(bar.steps for bar in parts.bars)
        self.is_shift = np.zeros(longest + 1, np.bool_)
        self.is_shift[self.shift_steps[self.shift_steps <= longest]] = True
        names = [slot.name for slot in info.language.lineup.slots]
        added = [names.index(name) for name in given.added]
        self.is_added = np.isin(self.player_slots, added)


@dataclass(slots=True)
class _Place:
    """Where a row stands: its bar (-1 before the first), given notes told, and tokens of the next.

    `heir` is the token that goes on to what is given next, -1 where nothing is to be chosen.
    """

    bar: int = -1
    told: int = 0
    within: int = 0
    heir: int = -1
    is_new_moment: bool = False


class GivenPlan:
    """Forces given parts and their header; see `engine.Plan`. `info` has the limits in force."""

    def __init__(self, info: ModelInfo, given: Given, wanted: Forced, rows: int) -> None:
        parts = parts_of(info, given.tokens)
        assert isinstance(info.limits, EventLimits)
        self.parts, self.given_slots = parts, frozenset(parts.slots)
        self._words, self._room = _Words(info, given, parts), Room(parts, info.limits)
        self._phases = [name for name, _ in info.grammar.phases]
        self._header: HeaderPlan | None = HeaderPlan(info, wanted, (set() for _ in range(rows)))
        self._has_chords = any(bar.chord is not None for bar in parts.bars)
        ends = np.cumsum([bar.steps for bar in parts.bars])
        self._left = (int(ends[-1]) - ends + [bar.steps for bar in parts.bars]).tolist()
        self._rows = [_Place() for _ in range(rows)]

    def restrict(self, state: State, permitted: NDArray[np.bool_]) -> bool:
        """See `engine.Plan`."""
        if self._header is not None and not self._header.restrict(state, permitted):
            self._header = None
        phases = state.phase.tolist()
        registers = state.registers
        for row, place in enumerate(self._rows):
            phase = self._phases[phases[row]]
            place.heir, place.is_new_moment = -1, phase == "moved"
            if phase in ("slots", "tags"):
                self._bar(0, permitted[row])
            elif place.bar >= 0:
                self._restrict(phase, place, registers[row], permitted[row])
        return True

    def redirect(
        self, log_p: NDArray[np.float32], legal: NDArray[np.bool_], permitted: NDArray[np.bool_]
    ) -> None:
        """Read what the model says as what it means for those who are added; after `restrict`.

        Where the model would go past the next given note, nobody added plays before that note: what
        leads there gets the probability. Merely left out is what a given part does not do here, if
        an added player could still have come after it.
        """
        words = self._words
        for row, place in enumerate(self._rows):
            heir = place.heir
            if heir < 0 or not (legal[row, heir] and permitted[row, heir]):
                place.heir = -1
                continue
            own = log_p[row]
            lost = legal[row] & ~permitted[row]
            may_come = words.player_slots[permitted[row, words.players] & words.is_added]
            lost[words.players[words.player_slots < may_come.max(initial=-1)]] = False
            lost[heir] = True
            own[heir] = np.logaddexp.reduce(own[lost].astype(np.float64))

    def ventures(self, tokens: NDArray[np.int64]) -> NDArray[np.bool_]:
        """For each row whether its next token is a shift to a moment of the added players' own."""
        is_shift = np.isin(tokens, self._words.shifts)
        return np.asarray(is_shift & (tokens != self.heirs) & (self.heirs >= 0))

    @property
    def heirs(self) -> NDArray[np.int64]:
        """For each row the token that goes on to what is given next, -1 where there is none."""
        return np.array([place.heir for place in self._rows])

    @property
    def at_own_moment(self) -> NDArray[np.bool_]:
        """For each row whether a moment has begun in which only added players play."""
        return np.array([place.is_new_moment and place.heir < 0 for place in self._rows])

    def added_share(self, log_p: NDArray[np.float32]) -> NDArray[np.float64]:
        """Of who may play at a new moment, how probably an added player comes first."""
        words = self._words
        playing = words.is_added | np.isin(words.player_slots, list(self.given_slots))
        likely = log_p[:, words.players].astype(np.float64)
        shares = np.exp(likely - likely.max(axis=1, keepdims=True)) * playing
        return np.asarray(shares[:, words.is_added].sum(axis=1) / shares.sum(axis=1))

    def take(self, tokens: NDArray[np.int64]) -> None:
        """See `engine.Plan`."""
        if self._header is not None:
            self._header.take(tokens)
        bars = {bar.metre for bar in self.parts.bars}
        for place, token in zip(self._rows, tokens.tolist(), strict=True):
            if token in bars:
                place.bar += 1
            elif place.told < len(self.parts.notes):
                note = self.parts.notes[place.told]
                if place.within:
                    place.within += 1
                    if place.within > len(note.tokens):
                        place.told, place.within = place.told + 1, 0
                        # Another note of the same player is told at once.
                        place.within = int(self._goes_on(place.told, note))
                elif place.bar == note.bar and token == self._words.player_of[note.slot]:
                    place.within = 1

    def keep(self, rows: NDArray[np.integer]) -> GivenPlan:
        """See `engine.Plan`."""
        kept = copy.copy(self)
        kept._header = None if self._header is None else self._header.keep(rows)
        kept._rows = [copy.copy(self._rows[row]) for row in rows.tolist()]
        return kept

    def _goes_on(self, told: int, note: GivenNote) -> bool:
        if told == len(self.parts.notes):
            return False
        after = self.parts.notes[told]
        return (after.bar, after.step, after.slot) == (note.bar, note.step, note.slot)

    def _restrict(
        self, phase: str, place: _Place, registers: NDArray[np.int64], permitted: NDArray[np.bool_]
    ) -> None:
        words = self._words
        if place.within:
            token = self.parts.notes[place.told].tokens[place.within - 1]
            permitted[:] = False
            permitted[token] = True
        elif phase == "pitched":
            self._end_in_time(place, int(registers[IN_BAR]), permitted)
        elif phase in BODY:
            bar = self.parts.bars[place.bar]
            if phase == "bar" and bar.cut is not None:
                permitted[:] = False
                permitted[bar.cut] = True
                return
            permitted[words.cuts] = False
            if self._has_chords and phase in ("bar", "cut"):
                if bar.chord is not None:
                    permitted[:] = False
                    permitted[bar.chord] = True
                    return
                permitted[words.chords] = False
            self._body(phase, place, registers, permitted)

    def _body(
        self, phase: str, place: _Place, registers: NDArray[np.int64], permitted: NDArray[np.bool_]
    ) -> None:
        """What may come between notes: players, shifts, bar lines and the end."""
        words, parts, room = self._words, self.parts, self._room
        step, at_once, load = (int(registers[n]) for n in (IN_BAR, AT_ONCE, LOAD))
        next_note = parts.notes[place.told] if place.told < len(parts.notes) else None
        in_bar = next_note is not None and next_note.bar == place.bar
        to_come = 0
        if in_bar:
            assert next_note is not None
            if next_note.step == step:
                moment = room.moments[int(room.moment_of[place.told])]
                first = int(np.searchsorted(room.moment_of, room.moment_of[place.told]))
                to_come = moment.notes - (place.told - first)
        fits = room.for_another(place.bar, at_once, load, place.told, to_come)
        if phase == "note" and (not fits or int(registers[NEXT_INST]) - 1 in self.given_slots):
            permitted[words.velocities] = False
        may_enter = words.is_added & fits
        if to_come:
            assert next_note is not None
            may_enter &= words.player_slots < next_note.slot
            may_enter |= words.player_slots == next_note.slot
        permitted[words.players] &= may_enter
        if to_come:
            permitted[words.shifts] = False
        else:
            there = room.for_another(place.bar, 0, max(0, load - 1), place.told, 0)
            may_move: Any = there
            if in_bar:
                assert next_note is not None
                left = next_note.step - step - words.shift_steps
                direct = words.is_shift[np.maximum(left, 0)]
                may_move = (left == 0) | ((left > 0) & direct & there)
            permitted[words.shifts] &= may_move
        # Where a bar is full, the rules make of bar line and end the one that has to come.
        if in_bar:
            permitted[words.bars] = False
            permitted[words.ends] = False
            assert next_note is not None
            if to_come:
                place.heir = words.player_of[next_note.slot]
            elif phase != "moved":
                place.heir = words.shift_of[next_note.step - step]
        elif place.bar + 1 < len(parts.bars):
            self._bar(place.bar + 1, permitted)
            place.heir = -1 if phase == "moved" else parts.bars[place.bar + 1].metre
        elif phase != "moved":
            place.heir = int(words.ends[0])

    def _bar(self, number: int, permitted: NDArray[np.bool_]) -> None:
        """Of bar lines only that of one bar."""
        wanted = self.parts.bars[number].metre
        was = bool(permitted[wanted])
        permitted[self._words.bars] = False
        permitted[wanted] = was

    def _end_in_time(self, place: _Place, step: int, permitted: NDArray[np.bool_]) -> None:
        """No added note rings on after the last bar; the shortest may."""
        words = self._words
        too_long = words.length_steps > self._left[place.bar] - step
        too_long[0] = False
        permitted[words.lengths[too_long]] = False
