"""Given parts note by note and bar by bar, as their tokens tell them, and the limits they need.

Knows nothing of requests, nor of what is played around them.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np

from ..models.info import ModelInfo
from ..tokens.events import METRE_STEPS, Events
from ..tokens.events_grammar import EventLimits
from ..tokens.language import TokenIds
from ..tokens.limits import event_extremes

SPARE_AT_ONCE, SPARE_LOAD = 4, 16
"""What others may add to given parts that alone are beyond what the corpus does."""


@dataclass(frozen=True, slots=True)
class GivenNote:
    """A note that must come: its bar (from 0), the step in it, its slot, and its tokens."""

    bar: int
    step: int
    slot: int
    tokens: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class GivenBar:
    """A bar that must come: how long it is, and its tokens; None for no CUT, and for no CHORD."""

    steps: int
    metre: int
    cut: int | None
    chord: int | None


@dataclass(frozen=True)
class Parts:
    """What given tokens say, note by note and bar by bar. Notes stand in the order they are told.

    Everything but bars, steps and slots are tokens as the model counts them.
    """

    tempo: int
    key: int | None
    slots: tuple[int, ...]
    bars: tuple[GivenBar, ...]
    notes: tuple[GivenNote, ...]


def parts_of(info: ModelInfo, tokens: TokenIds) -> Parts:
    """What given tokens say, note by note and bar by bar."""
    language = info.language.language
    told = info.vocabulary.globalise(tokens)
    bars: list[GivenBar] = []
    notes: list[GivenNote] = []
    head: dict[str, int] = {}
    slots: list[int] = []
    note: list[int] = []
    step = slot = 0
    for local, token in zip(tokens.tolist(), told.tolist(), strict=True):
        group = language.groups[language.group_of[token]].name
        value = int(language.value_of[token])
        if group in ("TEMPO", "KEY"):
            head[group] = local
        elif group == "SLOT":
            slots.append(value)
        elif group == "BAR":
            bars.append(GivenBar(int(METRE_STEPS[value]), local, None, None))
            step = 0
        elif group == "CUT":
            bars[-1] = dataclasses.replace(bars[-1], cut=local, steps=value + 1)
        elif group == "CHORD":
            bars[-1] = dataclasses.replace(bars[-1], chord=local)
        elif group == "SHIFT":
            step += value + 1
        elif group == "INST":
            slot = value
        elif group in ("VEL", "PITCH", "DRUM", "DUR"):
            note.append(local)
            if group in ("DRUM", "DUR"):
                notes.append(GivenNote(len(bars) - 1, step, slot, tuple(note)))
                note = []
    return Parts(head["TEMPO"], head.get("KEY"), tuple(slots), tuple(bars), tuple(notes))


def limits_for(info: ModelInfo, tokens: TokenIds) -> EventLimits:
    """The limits of a model, widened where given parts alone are beyond them."""
    limits, language = info.limits, info.language
    assert isinstance(limits, EventLimits)
    assert isinstance(language, Events)
    told = info.vocabulary.globalise(tokens)
    extremes = event_extremes(told, language)
    group = language.language.group_of[told]
    notes = np.flatnonzero(info.pitched()[tokens])
    rests = int((group[notes[-1] :] == language.language.row("BAR")).sum())
    at_once, load = extremes.crowding.at_once, extremes.crowding.loads[limits.usual - 1]
    return dataclasses.replace(
        limits,
        at_once=limits.at_once if at_once <= limits.at_once else at_once + SPARE_AT_ONCE,
        load=limits.load if load <= limits.load else load + SPARE_LOAD,
        empty_bars=max(limits.empty_bars, extremes.empty_bars, rests),
        lead_bars=max(limits.lead_bars, extremes.lead_bars),
    )
