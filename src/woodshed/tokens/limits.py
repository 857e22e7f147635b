"""Limits for generation, measured over pieces: what nearly every real piece keeps to.

Not the wildest moment of the wildest piece: of each piece its extremes are taken, of those a high
quantile, and to that a margin for pieces nobody has seen yet. Every language is measured by what
its grammar counts.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from ..errors import UsageError
from .chorale import SILENT, Chorale, ChoraleLimits
from .events import Events
from .events_grammar import EventLimits
from .performance import MOST_SOUNDING, Performance, PerformanceLimits
from .spoken import Spoken, SpokenLimits

QUANTILE = 0.99
MARGIN = 1.25
SMALL_CORPUS_MARGIN = 4.0
"""Few pieces say little about the next: this, divided by their root, is added to the margin."""

USUALS = tuple(range(1, 33))
"""How many notes at one moment a corpus may call usual."""


@dataclass(frozen=True, slots=True)
class Crowding:
    """How the notes of one piece crowd its moments.

    For each of `USUALS`, `beyond` has the notes beyond it, a mean over moments, and `loads` the
    highest load they pile up.
    """

    at_once: int
    beyond: tuple[float, ...]
    loads: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class EventExtremes:
    """The extremes of one piece: see `EventLimits`."""

    crowding: Crowding
    empty_bars: int
    lead_bars: int


@dataclass(frozen=True, slots=True)
class PerformanceExtremes:
    """The extremes of one piece: see `PerformanceLimits`."""

    crowding: Crowding
    sounding: int
    shifts: int
    lead_shifts: int


@dataclass(frozen=True, slots=True)
class ChoraleExtremes:
    """The extremes of one piece: see `ChoraleLimits`. `cells` counts those that sound."""

    cells: int
    still: int
    rests: int
    lead_rests: int


Extremes = EventExtremes | PerformanceExtremes | ChoraleExtremes


def extremes_of(tokens: NDArray[np.integer], language: Spoken) -> Extremes:
    """The extremes of a piece, by what the grammar of its language counts."""
    if isinstance(language, Events):
        return event_extremes(tokens, language)
    if isinstance(language, Chorale):
        return chorale_extremes(tokens, language)
    return performance_extremes(tokens, language)


def measured_limits(pieces: Iterable[Extremes], language: Spoken) -> SpokenLimits:
    """The limits of a corpus; the defaults where none of its pieces tells a note."""
    pieces = list(pieces)
    if isinstance(language, Chorale):
        chorales = [p for p in pieces if isinstance(p, ChoraleExtremes) and p.cells]
        return chorale_limits(chorales) if chorales else ChoraleLimits()
    telling = [p for p in pieces if not isinstance(p, ChoraleExtremes) and p.crowding.at_once]
    if isinstance(language, Events):
        events = [piece for piece in telling if isinstance(piece, EventExtremes)]
        return event_limits(events) if events else EventLimits()
    performances = [piece for piece in telling if isinstance(piece, PerformanceExtremes)]
    return performance_limits(performances) if performances else PerformanceLimits()


def event_extremes(tokens: NDArray[np.integer], events: Events) -> EventExtremes:
    """The extremes of a piece in `events`."""
    language = events.language
    group = language.group_of[np.asarray(tokens, np.int64)]
    is_bar = group == language.row("BAR")
    is_note = (group == language.row("PITCH")) | (group == language.row("DRUM"))
    bars_before = np.cumsum(is_bar)[is_note]
    return EventExtremes(
        _crowding(is_note, is_bar | (group == language.row("SHIFT"))),
        empty_bars=int(np.diff(bars_before).max(initial=1)),
        lead_bars=int(bars_before[0]) if len(bars_before) else 1,
    )


def event_limits(pieces: Iterable[EventExtremes]) -> EventLimits:
    """The limits that nearly every one of `pieces`, and of pieces like them, keeps to."""
    pieces = _some(pieces)
    usual, load = _usual_and_load([p.crowding for p in pieces])
    return EventLimits(
        at_once=_limit([p.crowding.at_once for p in pieces]),
        usual=usual,
        load=load,
        empty_bars=_limit([p.empty_bars for p in pieces]),
        lead_bars=_limit([p.lead_bars for p in pieces]),
    )


def performance_extremes(
    tokens: NDArray[np.integer], performance: Performance
) -> PerformanceExtremes:
    """The extremes of a piece in `performance`."""
    language = performance.language
    group = language.group_of[np.asarray(tokens, np.int64)]
    begins, is_shift = group == language.row("NOTE_ON"), group == language.row("SHIFT")
    ends = group == language.row("NOTE_OFF")
    sounding = np.cumsum(begins.astype(np.int64) - ends)
    shifts_before = np.cumsum(is_shift)[begins | ends]
    return PerformanceExtremes(
        _crowding(begins, is_shift),
        sounding=int(sounding.max(initial=0)),
        shifts=int(np.diff(shifts_before).max(initial=1)),
        lead_shifts=int(shifts_before[0]) if len(shifts_before) else 1,
    )


def performance_limits(pieces: Iterable[PerformanceExtremes]) -> PerformanceLimits:
    """The limits that nearly every one of `pieces`, and of pieces like them, keeps to."""
    pieces = _some(pieces)
    usual, load = _usual_and_load([p.crowding for p in pieces])
    return PerformanceLimits(
        sounding=min(_limit([p.sounding for p in pieces]), MOST_SOUNDING),
        at_once=_limit([p.crowding.at_once for p in pieces]),
        shifts=_limit([p.shifts for p in pieces]),
        lead_shifts=_limit([p.lead_shifts for p in pieces]),
        usual=usual,
        load=load,
    )


def chorale_extremes(tokens: NDArray[np.integer], chorale: Chorale) -> ChoraleExtremes:
    """The extremes of a piece in `chorale`."""
    cells = chorale.cells(tokens)
    silent = (cells == SILENT).all(axis=1)
    sung = np.flatnonzero(~silent)
    still = np.append(False, (cells[1:] == cells[:-1]).all(axis=1))
    return ChoraleExtremes(
        cells=int((cells != SILENT).sum()),
        still=_longest(still) + 1,
        rests=_longest(silent),
        lead_rests=int(sung[0]) if len(sung) else len(cells),
    )


def chorale_limits(pieces: Iterable[ChoraleExtremes]) -> ChoraleLimits:
    """The limits that nearly every one of `pieces`, and of pieces like them, keeps to."""
    pieces = _some(pieces)
    return ChoraleLimits(
        still=_limit([p.still for p in pieces]),
        rests=_limit([p.rests for p in pieces]),
        lead_rests=_limit([p.lead_rests for p in pieces]),
    )


def _longest(flags: NDArray[np.bool_]) -> int:
    """The longest run of places that are set."""
    place = np.arange(1, len(flags) + 1)
    since = place - np.maximum.accumulate(np.where(flags, 0, place))
    return int(since.max(initial=0))


Kind = TypeVar("Kind")


def _some(pieces: Iterable[Kind]) -> list[Kind]:
    pieces = list(pieces)
    if not pieces:
        raise UsageError("limits are measured over pieces, and there are none; prepare some first")
    return pieces


def _crowding(is_note: NDArray[np.bool_], moves: NDArray[np.bool_]) -> Crowding:
    """How notes crowd the moments of a piece; each of `moves` begins one."""
    at_once = np.bincount(np.cumsum(moves)[is_note], minlength=int(moves.sum()) + 1)
    beyond = [np.maximum(at_once - usual, 0) for usual in USUALS]
    return Crowding(
        at_once=int(at_once.max()),
        beyond=tuple(float(notes.mean()) for notes in beyond),
        loads=tuple(_most_load(notes) for notes in beyond),
    )


def _most_load(beyond: NDArray[np.int64]) -> int:
    """The highest load of a piece: what moments in a row add to it, less one for each."""
    total = np.cumsum(beyond - 1)
    before = np.concatenate([np.zeros(1, np.int64), total[:-1]])
    return int((total - np.minimum.accumulate(before)).max()) + 1


def _usual_and_load(pieces: list[Crowding]) -> tuple[int, int]:
    """The fewest notes that, called usual, let the densest pieces lose load faster than make it."""
    gains = [MARGIN * _high([p.beyond[row] for p in pieces]) for row in range(len(USUALS))]
    row = next((n for n, gain in enumerate(gains) if gain < 1), len(USUALS) - 1)
    return USUALS[row], _limit([p.loads[row] for p in pieces])


def _high(values: list[float] | list[int]) -> float:
    return float(np.quantile(values, QUANTILE, method="higher"))


def _limit(values: list[int]) -> int:
    margin = MARGIN + SMALL_CORPUS_MARGIN / math.sqrt(len(values))
    return max(1, math.ceil(margin * _high(values)))
