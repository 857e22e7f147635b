"""The loop that plays a model: masks, rules and choice for a batch of pieces, one token at a time.

Every token is legal by the model's grammar, whatever the model thinks and the settings say. A
piece depends on its own number, its prompt and the seed alone, not on the batch it is sampled in.
Knows models by their protocol only.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ..models.family import NO_CONDITIONS, Conditions, Model
from ..music.compiled import compiled
from ..tokens.grammar import State, machine
from ..tokens.language import TokenIds
from . import knobs, layout
from .chance import uniforms
from .settings import SamplingSettings
from .tables import Tables, tables_of

BATCH = 32
"""Most pieces that are sampled side by side."""

AHEAD = 256
"""How many numbers are drawn at once for each piece."""


class Plan(Protocol):
    """Something that knows what must come: a header that was asked for, parts that are given.

    Rows are the pieces of a batch that still go on. A plan gives way where the grammar allows none
    of what it wants.
    """

    def restrict(self, state: State, permitted: NDArray[np.bool_]) -> bool:
        """Take from `permitted` (rows, vocabulary) what may not come next; one left is forced.

        `state` is the grammar's. False says that this plan has nothing more to say, ever.
        """

    def take(self, tokens: NDArray[np.int64]) -> None:
        """Hear which token each row got."""

    def keep(self, rows: NDArray[np.integer]) -> Plan:
        """A plan for these rows, any of them several times or never; this one goes on as it is."""


@dataclass(frozen=True, slots=True)
class Start:
    """Where a piece begins: its number, and what it goes on from, counted as the model counts.

    `told` are the tokens before its first new one, START at least; `opens` more that are forced
    and count as new: the first bar line after a prompt.
    """

    number: int
    told: TokenIds
    opens: TokenIds = field(default_factory=lambda: np.empty(0, np.uint16))


@dataclass(frozen=True, slots=True)
class Price:
    """What legality cost: the model's probability that the grammar took away.

    `bits` sums -log2 of what was left, over tokens; `removed` is the mean share taken from one;
    `stranded` counts tokens where nothing was left, and chance alone chose among the legal ones.
    """

    tokens: int
    bits: float
    removed: float
    stranded: int


@dataclass(frozen=True, slots=True)
class Piece:
    """What was sampled: all tokens, counted as the model counts, and where the new ones begin."""

    number: int
    tokens: TokenIds
    new_from: int
    price: Price


@cache
def chooser() -> Callable[..., int]:
    """`knobs.choose` as machine code where numba is there, else as it is."""
    try:
        from numba.extending import register_jitable
    except (ImportError, OSError):
        return knobs.choose
    for rule in knobs.RULES:
        register_jitable(rule)
    return compiled(knobs.choose, _choose_nothing) or knobs.choose


def _choose_nothing(form: Callable[..., int]) -> None:
    flags, ids = np.zeros((0, 1, 0), np.bool_), np.zeros((0, 1), np.int64)
    numbers, none = np.zeros((0, 1)), np.zeros(0)
    form(
        np.zeros((0, 0), np.float32), flags, flags[:, 0], ids, ids, flags.astype(np.int64),
        ids[:, 0], none, none, numbers, ids, ids[:, 0], none, none,
    )  # fmt: skip


def sample(
    model: Model,
    starts: Sequence[Start],
    settings: SamplingSettings,
    conditions: Conditions = NO_CONDITIONS,
    permitted: NDArray[np.bool_] | None = None,
    plan_for: Callable[[Sequence[Start]], Plan] | None = None,
) -> list[Piece]:
    """Play a piece from each start.

    `permitted` says for each token of the vocabulary whether it may come at all; `plan_for` gives
    the plan of some starts. `settings` must have a seed. Raises `UsageError` for settings or
    conditions that this model can do nothing with.
    """
    assert settings.seed is not None, "a seed is drawn before"
    tables = tables_of(model.info, settings)
    echo = model.echo if settings.echo is None else settings.echo
    conditions = replace(conditions, echo=1.0 if echo is None else echo)
    allowed = np.ones(tables.words.shape[1], np.bool_) if permitted is None else permitted
    found: list[Piece] = []
    for first in range(0, len(starts), BATCH):
        some = starts[first : first + BATCH]
        plan = None if plan_for is None else plan_for(some)
        run = _Run.begin(model, tables, some, conditions, allowed, plan, settings.seed)
        found += run.pieces(settings.endings)
    return found


@dataclass(eq=False)
class _Rows:
    """What is known of each piece in a batch, apart from its model's state."""

    starts: list[Start]
    branch: NDArray[np.int64]
    grammar: State
    counts: NDArray[np.int64]
    recent: NDArray[np.int64]
    prices: NDArray[np.float64]
    said: list[list[int]]

    def __len__(self) -> int:
        return len(self.starts)

    def taken(self, rows: NDArray[np.integer]) -> _Rows:
        """Copies of some rows."""
        grammar = State(
            *(getattr(self.grammar, f)[rows] for f in ("phase", "registers", "sounding"))
        )
        chosen = rows.tolist()
        return _Rows(
            [self.starts[row] for row in chosen], self.branch[rows], grammar, self.counts[rows],
            self.recent[rows], self.prices[rows], [list(self.said[row]) for row in chosen],
        )  # fmt: skip


class _Run:
    """One batch on its way."""

    def __init__(
        self, model: Model, tables: Tables, rows: _Rows, state: Any,
        allowed: NDArray[np.bool_], plan: Plan | None, seed: int,
    ) -> None:  # fmt: skip
        self.model, self.tables, self.rows, self.state = model, tables, rows, state
        self.allowed, self.plan, self.seed = allowed, plan, seed
        self.new: list[list[int]] = []
        self.ready: dict[int, Piece] = {}
        self.endings: list[tuple[float, int, Piece]] = []
        self.waiting: list[tuple[_Rows, Any, Plan | None]] = []

    @classmethod
    def begin(
        cls, model: Model, tables: Tables, starts: Sequence[Start], conditions: Conditions,
        allowed: NDArray[np.bool_], plan: Plan | None, seed: int,
    ) -> _Run:  # fmt: skip
        """The batch after its prompts."""
        batch = len(starts)
        counts = np.zeros((batch, layout.COUNTS), np.int64)
        counts[:, layout.STEP_NS] = tables.step_ns
        counts[:, layout.BAR_STEPS] = tables.bar_steps
        recent = np.full((batch, tables.slots, layout.REMEMBERED + 1), -1)
        recent[:, :, layout.REMEMBERED] = 0
        rows = _Rows(
            list(starts), np.zeros(batch, np.int64), model.info.grammar.start(batch), counts,
            recent, np.zeros((batch, layout.PRICES)), [[] for _ in starts],
        )  # fmt: skip
        open_ended = np.full(layout.BOUNDS, layout.NONE)
        open_ended[layout.STOPS] = 0
        for row, start in enumerate(starts):
            for bounds, tokens in ((open_ended, start.told), (tables.bounds, start.opens)):
                for token in tokens.tolist():
                    knobs.take(token, tables.words, counts[row], recent[row], bounds)
                if bounds is open_ended:
                    fresh = ["PLACE", "BARS", "NOTES", "OVER", "LAST", "DONE"]
                    counts[row, [getattr(layout, name) for name in fresh]] = 0
                    # What is left of the prompt's last bar is not new time.
                    left = counts[row, layout.BAR_STEPS] - counts[row, layout.IN_BAR]
                    counts[row, layout.ELAPSED] = -left if len(start.opens) else 0
        prompts = [np.concatenate([start.told, start.opens]) for start in starts]
        for row, prompt in enumerate(prompts):
            one = State(*(a[row : row + 1] for a in _arrays(rows.grammar)))
            _advance(tables, one, prompt[None, :].astype(np.int64))
        state = model.start(prompts, conditions)
        return cls(model, tables, rows, state, allowed, plan, seed)

    def pieces(self, endings: int) -> list[Piece]:
        """Every piece to its end, in the order of the starts."""
        numbers = [start.number for start in self.rows.starts]
        self._go()
        for rows, state, plan in self.waiting:
            self.ready[rows.starts[0].number] = self._best_ending(rows, state, plan, endings)
        return [self.ready[number] for number in numbers]

    def _best_ending(self, rows: _Rows, state: Any, plan: Plan | None, endings: int) -> Piece:
        """Of several ways through the last bar the one after which the model most wants to end."""
        same = np.zeros(endings, np.int64)
        branches = rows.taken(same)
        branches.branch = np.arange(endings)
        branches.counts[:, layout.DONE] = 0
        bounds = self.tables.bounds.copy()
        bounds[layout.STOPS] = 0
        tables = Tables(**{**vars(self.tables), "bounds": bounds})
        run = _Run(
            self.model, tables, branches, self.model.fork(state, same), self.allowed,
            None if plan is None else plan.keep(same), self.seed,
        )  # fmt: skip
        run._go()
        best = max(run.endings, key=lambda way: (way[0], -way[1]))
        return best[2]

    def _go(self) -> None:
        """Go on until every piece has ended or waits where its last bar begins."""
        self._sort_out()
        while len(self.rows):
            self._play()
            self._sort_out()

    def _play(self) -> None:
        """Sample until half the pieces are done."""
        rows, tables, model, state = self.rows, self.tables, self.model, self.state
        batch, size = len(rows), tables.words.shape[1]
        choose, run = chooser(), machine()
        legal = np.zeros((batch, 1, size), np.bool_)
        permitted = np.repeat(self.allowed[None, :], batch, axis=0)
        tokens = np.zeros((batch, 1), np.int64)
        column = tokens[:, 0]
        nothing, one_flag = np.zeros((batch, 0), np.int64), np.zeros((batch, 1), np.bool_)
        no_flags, no_masks = np.zeros((batch, 0), np.bool_), np.zeros((batch, 0, size), np.bool_)
        grammar = (*_arrays(rows.grammar),)
        rules = (tables.described, *tables.grammar)
        found, weight, kept = np.zeros(size, np.int64), np.zeros(size), np.zeros(size)
        place = first = len(rows.said[0])
        numbers = np.array([start.number for start in rows.starts])
        going = batch
        while 2 * going > batch:
            before = going
            if (place - first) % AHEAD == 0:
                ahead = np.ascontiguousarray(
                    uniforms(self.seed, numbers, rows.branch, place, AHEAD).T
                )
            log_p = np.ascontiguousarray(model.log_probabilities(state), np.float32)
            run(nothing, *grammar, no_flags, legal, *rules)
            if self.plan is not None:
                permitted[:] = self.allowed
                if not self.plan.restrict(rows.grammar, permitted):
                    self.plan = None
            going = choose(
                log_p, legal, permitted, tables.words, rows.counts, rows.recent, tables.bounds,
                tables.dials, ahead[(place - first) % AHEAD], rows.prices, tokens, found, weight,
                kept,
            )  # fmt: skip
            run(tokens, *grammar, one_flag, no_masks, *rules)
            model.advance(state, column)
            if self.plan is not None:
                self.plan.take(column)
            self.new.append(column.tolist())
            place += 1
            if going < before:
                self._put_aside()

    def _put_aside(self) -> None:
        """Keep pieces that stand where their last bar begins, before anything else happens."""
        rows = self.rows
        done = rows.counts[:, layout.DONE]
        for row in np.flatnonzero(done == layout.AT_THE_ENDING).tolist():
            self._write_down()
            this = np.array([row])
            plan = None if self.plan is None else self.plan.keep(this)
            self.waiting.append((rows.taken(this), self.model.fork(self.state, this), plan))
            done[row] = layout.PUT_ASIDE

    def _write_down(self) -> None:
        """Hand each piece the tokens it got."""
        for row, tokens in enumerate(zip(*self.new, strict=True)):
            self.rows.said[row] += tokens
        self.new = []

    def _sort_out(self) -> None:
        """Put away pieces that are done, and go on with the others alone."""
        self._write_down()
        self._put_aside()
        rows = self.rows
        done = rows.counts[:, layout.DONE]
        for row in np.flatnonzero(done == layout.ENDED).tolist():
            piece = _piece(rows, row)
            self.ready[piece.number] = piece
            gladly = float(rows.prices[row, layout.END_LOG_P])
            self.endings.append((gladly, int(rows.branch[row]), piece))
        left = np.flatnonzero(done == 0)
        if len(left) < len(rows):
            self.rows = rows.taken(left)
            if len(left):
                self.state = self.model.fork(self.state, left)
                self.plan = None if self.plan is None else self.plan.keep(left)


def _piece(rows: _Rows, row: int) -> Piece:
    start, price = rows.starts[row], rows.prices[row]
    # Beside others that went on, a piece that is done was given END after END.
    count = int(rows.counts[row, layout.PLACE]) - len(start.opens)
    new = np.array(rows.said[row][:count], np.uint16)
    return Piece(
        start.number,
        np.concatenate([start.told, start.opens, new]),
        len(start.told),
        Price(
            count,
            float(price[layout.BITS]),
            float(price[layout.REMOVED]) / max(count, 1),
            int(price[layout.STRANDED]),
        ),
    )


def _arrays(state: State) -> tuple[Any, Any, Any]:
    return state.phase, state.registers, state.sounding


def _advance(tables: Tables, state: State, tokens: NDArray[np.int64]) -> None:
    """Take tokens in one row each, changing `state`."""
    legal = np.zeros(tokens.shape, np.bool_)
    masks = np.zeros((len(tokens), 0, tables.words.shape[1]), np.bool_)
    machine()(
        tokens, *_arrays(state), legal, masks, tables.described, *tables.grammar
    )  # fmt: skip
