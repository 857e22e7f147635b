"""What may follow what: one machine of small tables that masks and validates every language.

A grammar is a table of phases (which kind of token leads where), guards and effects. Guards look at
counters and at the set of sounding notes and forbid tokens; effects keep those up to date. A token
is legal if its phase and all its guards allow it. Each phase has a kind of token that no guard
touches, so there is always a way on; tests walk into every phase with every counter at its bounds.

The machine is written once as plain functions over arrays of sequences. numba compiles them, so
that loops in numba or PyTorch never run Python for a token; without numba they run as they are.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import IntEnum
from functools import cache, cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..music.compiled import compiled
from .language import Language

Mask = NDArray[np.bool_]


class Guard(IntEnum):
    """When a token of some value v is allowed, given registers a and b and a number n."""

    RISES = 0  # v >= a
    FITS = 1  # a + v + 1 < b
    BELOW = 2  # a < n
    EQUALS = 3  # a == n
    LESS = 4  # a < b
    AMONG = 5  # bit v of a is set
    SOUNDS = 6  # note v sounds
    SILENT = 7  # note v does not sound
    MOVES = 8  # a < n, or v != b


class Effect(IntEnum):
    """What a token of value v does to register a, given a register b and a number n."""

    STILL = -1  # a = a + 1 if v + n == b, else 0; before all other effects of its token
    SET = 0  # a = n
    VALUE = 1  # a = v + n
    ADD = 2  # a = a + n
    ADD_VALUE = 3  # a = a + v + n
    LOOK_UP = 4  # a = row v of table n
    JOIN = 5  # set bit v of a
    LEAK = 6  # a = max(0, a - n)
    START = 7  # note v begins to sound
    STOP = 8  # note v ends
    BEYOND = 9  # a = a + 1 if b > n; after all other effects of its token


@dataclass(frozen=True, slots=True)
class GuardRule:
    """A guard on the tokens of one group: on register `a`, and register `b` or the number `n`."""

    group: str
    guard: Guard
    a: str = ""
    b: str = ""
    n: int = 0


@dataclass(frozen=True, slots=True)
class EffectRule:
    """An effect of the tokens of one group on register `a`, by register `b` or the number `n`."""

    group: str
    effect: Effect
    a: str = ""
    n: int = 0
    b: str = ""


@dataclass(frozen=True)
class Grammar:
    """The rules of one language, ready to run.

    `phases` says for each phase which groups may come, and to which phase each leads. Phase 0 is
    where a sequence begins.
    """

    language: Language
    registers: tuple[str, ...]
    phases: tuple[tuple[str, dict[str, str]], ...]
    guards: tuple[GuardRule, ...]
    effects: tuple[EffectRule, ...]
    tables: tuple[tuple[int, ...], ...] = ()

    @cached_property
    def _phase_names(self) -> tuple[str, ...]:
        return tuple(name for name, _ in self.phases)

    @cached_property
    def tables_for_machine(self) -> tuple[NDArray[np.int64], ...]:
        """Everything the machine needs, as arrays: pass them on to the compiled functions."""
        language = self.language
        rows = {g.name: row for row, g in enumerate(language.groups)}
        names = self._phase_names
        follow = np.full((len(names), len(rows)), -1)
        home = np.full(len(rows), -1)
        for number, (_, leads) in enumerate(self.phases):
            for group, phase in leads.items():
                follow[number, rows[group]] = names.index(phase)
                home[rows[group]] = names.index(phase)
        register = {name: row for row, name in enumerate(self.registers)} | {"": 0}
        guards = [(rows[r.group], r.guard, register[r.a], register[r.b], r.n) for r in self.guards]
        effects = [
            (rows[r.group], r.effect, register[r.a], register[r.b], r.n) for r in self.effects
        ]
        widest = max([1, *map(len, self.tables)])
        look_up = np.zeros((max(len(self.tables), 1), widest), np.int64)
        for number, table in enumerate(self.tables):
            look_up[number, : len(table)] = table
        return (
            np.array([language.group_of, language.value_of]),
            follow,
            home,
            _by_group(guards, len(rows)),
            _by_group(effects, len(rows)),
            look_up,
        )

    def start(self, batch: int = 1) -> State:
        """The state of `batch` sequences that have no tokens yet."""
        registers = np.zeros((batch, len(self.registers)), np.int64)
        return State(np.zeros(batch, np.int64), registers, np.zeros((batch, 128), np.bool_))

    def advance(self, state: State, tokens: NDArray[np.integer]) -> Mask:
        """Take one token in each sequence, changing `state`; which of them were legal."""
        return self._run(state, np.asarray(tokens)[:, None], masks=False)[0][:, 0]

    def masks(self, state: State) -> Mask:
        """For each sequence, which tokens may come next: an array (batch, tokens)."""
        return self._run(state, np.empty((len(state.phase), 0)), masks=True)[1][:, 0]

    def legal(self, tokens: NDArray[np.integer]) -> Mask:
        """For each token of a sequence, whether it was legal where it stands.

        After an illegal token the grammar goes on as if it had been legal.
        """
        legal: Mask = self._run(self.start(), np.asarray(tokens)[None, :], masks=False)[0][0]
        return legal

    def masks_along(self, tokens: NDArray[np.integer]) -> Mask:
        """For each place of the sequences (batch, length), what may stand there."""
        batch = np.asarray(tokens)
        return self._run(self.start(len(batch)), batch, masks=True)[1][:, :-1]

    def _run(self, state: State, tokens: NDArray[Any], *, masks: bool) -> tuple[Mask, Mask]:
        batch, length = tokens.shape
        legal = np.zeros((batch, length), np.bool_)
        places = length + 1 if masks else 0
        allowed = np.zeros((batch, places, len(self.language)), np.bool_)
        machine()(
            tokens.astype(np.int64), state.phase, state.registers, state.sounding, legal, allowed,
            *self.tables_for_machine,
        )  # fmt: skip
        return legal, allowed


@dataclass(frozen=True, slots=True)
class State:
    """Where sequences stand: their phase, their registers, and the notes that sound in each."""

    phase: NDArray[np.int64]
    registers: NDArray[np.int64]
    sounding: Mask


def _by_group(rules: Sequence[tuple[int, ...]], groups: int) -> NDArray[np.int64]:
    """Rules sorted by group. Row g holds in its first two cells where the rules of group g lie."""
    table = np.array(sorted(rules), np.int64).reshape(-1, 5)
    index = np.zeros((groups, 5), np.int64)
    index[:, 0] = np.searchsorted(table[:, 0], np.arange(groups)) + groups
    index[:, 1] = np.searchsorted(table[:, 0], np.arange(groups), side="right") + groups
    return np.concatenate([index, table])


@cache
def machine() -> Callable[..., None]:
    """The machine as machine code where numba is there; loops compiled by numba may call it."""
    return compiled(_run, _run_nothing) or _run


def _run_nothing(form: Callable[..., None]) -> None:
    ids, registers = np.zeros((1, 0), np.int64), np.zeros((1, 1), np.int64)
    flags = np.zeros((1, 0), np.bool_)
    form(
        ids, registers[0], registers, flags, flags, np.zeros((1, 0, 0), np.bool_),
        np.zeros((2, 0), np.int64), registers, registers[0], ids, ids, ids,
    )  # fmt: skip


def _run(
    tokens: Any, phase: Any, registers: Any, sounding: Any, legal: Any, allowed: Any,
    described: Any, follow: Any, home: Any, guards: Any, effects: Any, look_up: Any,
) -> None:  # fmt: skip
    """Run every sequence over its tokens: note which are legal, and all that would have been.

    `tokens` (batch, length) may have no length: then only `allowed` (batch, length + 1 or 0, ids)
    is filled. One long function on purpose: it compiles once, and runs uncompiled, too.
    """
    batch, length = tokens.shape
    places = allowed.shape[1]
    ids = described.shape[1]
    for b in range(batch):
        for place in range(max(length, places)):
            token = tokens[b, place] if place < length else -1
            if place < places:
                first, last = 0, ids
            else:
                first, last = token, token + 1
            for candidate in range(first, last):
                group = described[0, candidate]
                value = described[1, candidate]
                ok = follow[phase[b], group] >= 0
                if ok:
                    for row in range(guards[group, 0], guards[group, 1]):
                        kind = guards[row, 1]
                        a = registers[b, guards[row, 2]]
                        other = registers[b, guards[row, 3]]
                        n = guards[row, 4]
                        if kind == 0:
                            ok = value >= a
                        elif kind == 1:
                            ok = a + value + 1 < other
                        elif kind == 2:
                            ok = a < n
                        elif kind == 3:
                            ok = a == n
                        elif kind == 4:
                            ok = a < other
                        elif kind == 5:
                            ok = (a >> value) & 1 == 1
                        elif kind == 6:
                            ok = sounding[b, value]
                        elif kind == 7:
                            ok = not sounding[b, value]
                        else:
                            ok = a < n or value != other
                        if not ok:
                            break
                if place < places:
                    allowed[b, place, candidate] = ok
                if candidate == token:
                    legal[b, place] = ok
            if token < 0:
                continue
            group = described[0, token]
            value = described[1, token]
            if follow[phase[b], group] >= 0:
                phase[b] = follow[phase[b], group]
            else:
                phase[b] = home[group]
            for row in range(effects[group, 0], effects[group, 1]):
                kind = effects[row, 1]
                a = effects[row, 2]
                n = effects[row, 4]
                if kind == 0:
                    registers[b, a] = n
                elif kind == 1:
                    registers[b, a] = value + n
                elif kind == 2:
                    registers[b, a] += n
                elif kind == 3:
                    registers[b, a] += value + n
                elif kind == 4:
                    registers[b, a] = look_up[n, value]
                elif kind == 5:
                    registers[b, a] |= 1 << value
                elif kind == 6:
                    registers[b, a] = max(0, registers[b, a] - n)
                elif kind == 7:
                    sounding[b, value] = True
                elif kind == 8:
                    sounding[b, value] = False
                elif kind == -1:
                    is_still = value + n == registers[b, effects[row, 3]]
                    registers[b, a] = registers[b, a] + 1 if is_still else 0
                elif registers[b, effects[row, 3]] > n:
                    registers[b, a] += 1
