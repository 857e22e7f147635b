"""Limits for generation, measured over pieces: what nearly every real piece keeps to.

Not the wildest moment of the wildest piece: of each piece its extremes are taken, of those a high
quantile, and to that a margin for pieces nobody has seen yet.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..errors import UsageError
from .events import Events
from .events_grammar import EventLimits

QUANTILE = 0.99
MARGIN = 1.25
SMALL_CORPUS_MARGIN = 4.0
"""Few pieces say little about the next: this, divided by their root, is added to the margin."""

RELIEFS = (1, 2, 3, 4, 5, 6, 8, 10, 12, 16, 20, 24, 32)
"""The reliefs a corpus may choose from."""


@dataclass(frozen=True, slots=True)
class EventExtremes:
    """The extremes of one piece: see `EventLimits`. `loads` has one for each of `RELIEFS`."""

    at_once: int
    mean_at_once: float
    empty_bars: int
    loads: tuple[int, ...]


def event_extremes(tokens: NDArray[np.integer], events: Events) -> EventExtremes:
    """The extremes of a piece in `events`."""
    language = events.language
    group = language.group_of[np.asarray(tokens, np.int64)]
    is_bar = group == language.row("BAR")
    is_note = (group == language.row("PITCH")) | (group == language.row("DRUM"))
    moves = is_bar | (group == language.row("SHIFT"))
    moment = np.cumsum(moves)
    at_once = np.bincount(moment[is_note])
    at_once = at_once[at_once > 0]
    notes_before_bar = np.cumsum(is_note)[is_bar]
    return EventExtremes(
        at_once=int(at_once.max(initial=0)),
        mean_at_once=float(at_once.mean()) if len(at_once) else 0.0,
        empty_bars=_longest_run(np.diff(notes_before_bar) == 0) + 1,
        loads=tuple(_most_load(at_once, relief) for relief in RELIEFS),
    )


def event_limits(pieces: Iterable[EventExtremes]) -> EventLimits:
    """The limits that nearly every one of `pieces`, and of pieces like them, keeps to."""
    pieces = list(pieces)
    if not pieces:
        raise UsageError("limits are measured over pieces, and there are none; prepare some first")
    # The densest pieces must get rid of their load as fast as they make it.
    usual = MARGIN * _high([p.mean_at_once for p in pieces])
    row = next((n for n, relief in enumerate(RELIEFS) if relief > usual), len(RELIEFS) - 1)
    return EventLimits(
        at_once=_limit([p.at_once for p in pieces]),
        load=_limit([p.loads[row] for p in pieces]),
        relief=RELIEFS[row],
        empty_bars=_limit([p.empty_bars for p in pieces]),
    )


def _most_load(at_once: NDArray[np.int64], relief: int) -> int:
    """The highest load of a piece; each moment's notes pile up on what relief has left over."""
    if not len(at_once):
        return 0
    total = np.cumsum(at_once - relief)
    before = np.concatenate([np.zeros(1, np.int64), total[:-1]])
    return int((total - np.minimum.accumulate(before)).max()) + relief


def _longest_run(flags: NDArray[np.bool_]) -> int:
    edges = np.flatnonzero(np.diff(np.concatenate([[0], flags.view(np.int8), [0]])))
    return int((edges[1::2] - edges[::2]).max(initial=0))


def _high(values: list[float] | list[int]) -> float:
    return float(np.quantile(values, QUANTILE, method="higher"))


def _limit(values: list[int]) -> int:
    margin = MARGIN + SMALL_CORPUS_MARGIN / math.sqrt(len(values))
    return max(1, math.ceil(margin * _high(values)))
