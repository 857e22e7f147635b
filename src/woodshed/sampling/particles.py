"""Playing around given parts, and looking ahead: several ways side by side, judged bar by bar.

Each way is weighed by the probability that the model gives to what is forced on it, given notes
above all. At bar lines the ways that fit badly give way to copies of those that fit. So what is
played in a bar is chosen with the given notes in sight that come after it. Knows models by their
protocol only.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..models.family import NO_CONDITIONS, Conditions, Model
from ..models.info import ModelInfo
from ..music.grid import STEPS_PER_QUARTER
from ..tokens.events import TEMPOS_BPM
from ..tokens.grammar import State, machine
from ..tokens.language import TokenIds
from . import knobs, layout
from .chance import uniforms
from .engine import AHEAD, BATCH, Piece, Price, chooser, sample
from .given import Given
from .given_notes import Parts, limits_for, parts_of
from .given_plan import GivenPlan
from .prompt import Opening
from .settings import SamplingSettings
from .tables import tables_of

UNLIKELIEST = -50.0
"""What the model holds all but impossible weighs no less: one note should not decide alone."""


def played(
    model: Model,
    begins: Opening,
    numbers: Sequence[int],
    settings: SamplingSettings,
    conditions: Conditions = NO_CONDITIONS,
) -> list[Piece]:
    """The pieces of these numbers, around given parts where there are some.

    `settings` must have a seed. A piece depends on its number and the seed alone.
    """
    info, given = model.info, begins.given
    if given is None:
        starts, permitted = begins.starts(numbers), begins.permitted(info, settings)
        return sample(model, starts, settings, conditions, permitted, begins.plan_for(info))
    wide = dataclasses.replace(info, limits=limits_for(info, given.tokens))
    parts = parts_of(wide, given.tokens)
    ways = _Ways(model, wide, given, begins, _ending_with(parts, wide, settings), conditions)
    size = max(1, BATCH // given.look_ahead)
    batches = [numbers[at : at + size] for at in range(0, len(numbers), size)]
    return [piece for batch in batches for piece in ways.pieces(batch)]


def _ending_with(parts: Parts, info: ModelInfo, settings: SamplingSettings) -> SamplingSettings:
    """Settings under which music ends with the last given bar.

    Told in time: counted bars would cut given notes short that ring on after them.
    """
    bpm = int(info.vocabulary.names[parts.tempo].removeprefix("TEMPO_"))
    assert bpm in TEMPOS_BPM
    step_ns = round(60e9 / bpm / STEPS_PER_QUARTER)
    steps = sum(bar.steps for bar in parts.bars)
    seconds = (steps - 0.5) * step_ns / 1e9
    return dataclasses.replace(settings, bars=None, notes=None, seconds=seconds, endings=1)


@dataclass(eq=False)
class _Group:
    """Ways that have as many tokens, so that the model hears them as one batch.

    `number` is the piece of each, `way` which of its ways it is, `log_weight` how well it fits.
    """

    state: Any
    plan: GivenPlan
    grammar: State
    counts: NDArray[np.int64]
    recent: NDArray[np.int64]
    prices: NDArray[np.float64]
    number: NDArray[np.int64]
    way: NDArray[np.int64]
    log_weight: NDArray[np.float64]
    said: list[list[int]]

    def __len__(self) -> int:
        return len(self.way)

    def taken(self, model: Model, rows: NDArray[np.int64]) -> _Group:
        """Copies of some rows."""
        at = self.grammar
        grammar = State(at.phase[rows], at.registers[rows], at.sounding[rows])
        return _Group(
            model.fork(self.state, rows), self.plan.keep(rows), grammar,
            self.counts[rows], self.recent[rows], self.prices[rows], self.number[rows],
            self.way[rows], self.log_weight[rows], [list(self.said[row]) for row in rows.tolist()],
        )  # fmt: skip


class _Ways:
    """Pieces around given parts, each by several ways."""

    def __init__(
        self, model: Model, info: ModelInfo, given: Given, begins: Opening,
        settings: SamplingSettings, conditions: Conditions,
    ) -> None:  # fmt: skip
        self.model, self.info, self.given, self.begins = model, info, given, begins
        self.conditions, self.ways = conditions, given.look_ahead
        self.tables = tables_of(info, settings)
        assert settings.seed is not None, "a seed is drawn before"
        self.seed = settings.seed

    def pieces(self, numbers: Sequence[int]) -> list[Piece]:
        """Some pieces to their ends, in the order of their numbers."""
        groups, bar = [self._begin(np.array(numbers))], 0
        while True:
            ways: dict[int, list[_Group]] = {number: [] for number in numbers}
            for group in groups:
                for way in self._played_on(group):
                    ways[int(way.number[0])].append(way)
            for of_one in ways.values():
                of_one.sort(key=lambda way: int(way.way[0]))
            if ways[numbers[0]][0].counts[0, layout.DONE] == layout.ENDED:
                return [_piece(self.begins.told, _best(of_one)) for of_one in ways.values()]
            bar += 1
            groups = [group for of_one in ways.values() for group in self._chosen(bar, of_one)]

    def _begin(self, numbers: NDArray[np.int64]) -> _Group:
        told, tables = self.begins.told, self.tables
        count = len(numbers) * self.ways
        counts = np.zeros((count, layout.COUNTS), np.int64)
        counts[:, layout.STEP_NS] = tables.step_ns
        recent = np.full((count, tables.slots, layout.REMEMBERED + 1), -1)
        recent[:, :, layout.REMEMBERED] = 0
        grammar = self.info.grammar.start(count)
        self.info.grammar.advance(grammar, np.full(count, self.info.vocabulary.ids[told[0]]))
        return _Group(
            self.model.start([told] * count, self.conditions),
            GivenPlan(self.info, self.given, self.begins.wanted, count),
            grammar, counts, recent, np.zeros((count, layout.PRICES)),
            np.repeat(numbers, self.ways), np.tile(np.arange(self.ways), len(numbers)),
            np.zeros(count), [[] for _ in range(count)],
        )  # fmt: skip

    def _played_on(self, group: _Group) -> list[_Group]:
        """Play until every way has begun its next bar, or ended; each is by itself then.

        Without others to compare it with a way needs no stop before its end.
        """
        there: list[_Group] = []
        place = first = int(group.counts[0, layout.PLACE])
        ahead = self._ahead(group, place)
        while True:
            if place - first == AHEAD:
                first, ahead = place, self._ahead(group, place)
            going = group.counts[:, layout.DONE] == 0
            bars = group.counts[:, layout.BARS].copy()
            self._step(group, place, ahead[place - first])
            place += 1
            begun = (group.counts[:, layout.BARS] > bars) & (bars > 0) & (self.ways > 1)
            ended = group.counts[:, layout.DONE] == layout.ENDED
            arrived = np.flatnonzero(going & (begun | ended))
            if not len(arrived):
                continue
            if len(group) == 1:
                return [*there, group]
            there += [group.taken(self.model, np.array([row])) for row in arrived.tolist()]
            group.counts[arrived, layout.DONE] = layout.PUT_ASIDE
            left = np.flatnonzero(group.counts[:, layout.DONE] == 0)
            if not len(left):
                return there
            if 2 * len(left) <= len(group):
                group = group.taken(self.model, left)
                first, ahead = place, self._ahead(group, place)

    def _ahead(self, group: _Group, place: int) -> NDArray[np.float64]:
        """Numbers for the next places of each way."""
        numbers = uniforms(self.seed, group.number, group.way, place, AHEAD)
        return np.ascontiguousarray(numbers.T)

    def _step(self, group: _Group, place: int, chance: NDArray[np.float64]) -> None:
        """One token for each way of a group; END, which counts for nothing, where one is done."""
        tables, run = self.tables, machine()
        count, size = len(group), tables.words.shape[1]
        grammar = (group.grammar.phase, group.grammar.registers, group.grammar.sounding)
        rules = (tables.described, *tables.grammar)
        legal = np.zeros((count, 1, size), np.bool_)
        permitted = np.ones((count, size), np.bool_)
        tokens = np.zeros((count, 1), np.int64)
        nothing, no_flags = np.zeros((count, 0), np.int64), np.zeros((count, 0), np.bool_)
        found, weight, kept = np.zeros(size, np.int64), np.zeros(size), np.zeros(size)
        log_p = np.ascontiguousarray(self.model.log_probabilities(group.state), np.float32)
        run(nothing, *grammar, no_flags, legal, *rules)
        group.plan.restrict(group.grammar, permitted)
        meant = log_p.copy()
        group.plan.redirect(meant, legal[:, 0], permitted)
        going = group.counts[:, layout.DONE] == 0
        before = group.counts.copy()
        chooser()(
            meant, legal, permitted, tables.words, group.counts, group.recent, tables.bounds,
            tables.dials, chance, group.prices, tokens, found, weight, kept,
        )  # fmt: skip
        chosen = tokens[:, 0]
        ventures = np.flatnonzero(going & group.plan.ventures(chosen))
        for row in ventures[~self._succeed(group, ventures, chosen[ventures], place)].tolist():
            group.counts[row] = before[row]
            chosen[row] = group.plan.heirs[row]
            took = (tables.words, group.counts[row], group.recent[row], tables.bounds)
            knobs.take(int(chosen[row]), *took)
        if self.ways > 1:
            fits = fit(log_p, meant, legal[:, 0], permitted, chosen)
            fits[group.plan.at_own_moment | ~going] = 0
            group.log_weight += fits
        no_masks = np.zeros((count, 0, size), np.bool_)
        run(tokens, *grammar, np.zeros((count, 1), np.bool_), no_masks, *rules)
        self.model.advance(group.state, chosen)
        group.plan.take(chosen)
        for said, token in zip(group.said, chosen.tolist(), strict=True):
            said.append(token)

    def _succeed(
        self, group: _Group, rows: NDArray[np.int64], shifts: NDArray[np.int64], place: int
    ) -> NDArray[np.bool_]:
        """Whether it is an added player whom the model means to play where these shifts lead.

        A shift does not say for whom it is. So the model is asked who comes after it, and chance
        decides. Where it is a given part, which does not play there, nobody does.
        """
        if not len(rows):
            return np.empty(0, np.bool_)
        there = self.model.fork(group.state, rows)
        self.model.advance(there, shifts)
        share = group.plan.added_share(self.model.log_probabilities(there))
        heat = float(self.tables.dials[layout.TEMPERATURE])
        if heat == 0:
            return share > 0.5
        odds = np.log(np.maximum(share, 1e-30)) - np.log(np.maximum(1 - share, 1e-30))
        branch = group.way[rows] + self.ways + 1
        chance = uniforms(self.seed, group.number[rows], branch, place, 1)[:, 0]
        return np.asarray(chance < 1 / (1 + np.exp(-odds / heat)))

    def _chosen(self, bar: int, ways: Sequence[_Group]) -> list[_Group]:
        """The ways of a piece to go on with: copies of those that fit, no others."""
        log_weights = np.array([way.log_weight[0] for way in ways])
        weights = np.exp(log_weights - log_weights.max())
        weights /= weights.sum()
        branch = np.array([len(ways)])
        chance = uniforms(self.seed, ways[0].number, branch, bar, 1)[0, 0]
        chosen = systematic(weights, float(chance))
        groups = []
        for parent in np.unique(chosen).tolist():
            heirs = np.flatnonzero(chosen == parent)
            one = np.zeros(len(heirs), np.int64)
            group = ways[parent] if len(heirs) == 1 else ways[parent].taken(self.model, one)
            group.way, group.log_weight = heirs, np.zeros(len(heirs))
            groups.append(group)
        return groups


def fit(
    log_p: NDArray[np.float32], meant: NDArray[np.float32], legal: NDArray[np.bool_],
    permitted: NDArray[np.bool_], chosen: NDArray[np.int64],
) -> NDArray[np.float64]:  # fmt: skip
    """How much likelier each chosen token is to the model than to what chose it, as logarithms.

    `log_p` is what the model says, among legal tokens; `meant` is what was chosen by, among those
    permitted. Of a token that is forced it is just what the model says.
    """
    rows = np.arange(len(chosen))
    likely = np.maximum(log_p.astype(np.float64), UNLIKELIEST)
    whole = np.logaddexp.reduce(np.where(legal, likely, -np.inf), axis=1)
    by = np.maximum(meant.astype(np.float64), UNLIKELIEST)
    part = np.logaddexp.reduce(np.where(legal & permitted, by, -np.inf), axis=1)
    part = np.where(np.isfinite(part), part, by[rows, chosen])
    return np.asarray((likely[rows, chosen] - whole) - (by[rows, chosen] - part))


def systematic(weights: NDArray[np.float64], chance: float) -> NDArray[np.int64]:
    """As many rows as there are weights, each as often as its weight says, to less than one."""
    count = len(weights)
    points = (np.arange(count) + chance) / count
    rows = np.searchsorted(np.cumsum(weights), points, side="right")
    return np.asarray(np.minimum(rows, count - 1), np.int64)


def _best(ways: Sequence[_Group]) -> _Group:
    """The way that fits best; of equals the first."""
    return max(ways, key=lambda way: (float(way.log_weight[0]), -int(way.way[0])))


def _piece(told: TokenIds, way: _Group) -> Piece:
    price = way.prices[0]
    count = len(way.said[0])
    return Piece(
        int(way.number[0]),
        np.concatenate([told, np.array(way.said[0], np.uint16)]),
        len(told),
        Price(
            count,
            float(price[layout.BITS]),
            float(price[layout.REMOVED]) / max(count, 1),
            int(price[layout.STRANDED]),
        ),
    )
