"""The grammar of `events`: its phases, and the limits a corpus sets it.

Nothing here is about one style of music: whatever is a matter of degree is a limit, and limits are
measured (`limits`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..settings import setting
from .events import METRE_STEPS, Events
from .grammar import Effect, EffectRule, Grammar, Guard, GuardRule

REGISTERS = (
    "tempo", "next_slot", "next_tag", "slots", "bar_steps", "in_bar", "next_inst", "next_pitch",
    "top_pitch", "drums", "at_once", "load", "empty_bars",
)  # fmt: skip

BODY = {"SHIFT": "moved", "INST": "player", "BAR": "bar", "END": "end"}
PHASES: tuple[tuple[str, dict[str, str]], ...] = (
    ("begin", {"START": "start"}),
    ("start", {"TEMPO": "tempo"}),
    ("tempo", {"KEY": "key", "SLOT": "slots"}),
    ("key", {"SLOT": "slots"}),
    ("slots", {"SLOT": "slots", "TAG": "tags", "BAR": "bar"}),
    ("tags", {"TAG": "tags", "BAR": "bar"}),
    ("bar", {"CUT": "cut", "CHORD": "chord", **BODY}),
    ("cut", {"CHORD": "chord", **BODY}),
    ("chord", BODY),
    ("moved", {"INST": "player"}),
    ("player", {"VEL": "struck"}),
    ("struck", {"PITCH": "pitched", "DRUM": "note"}),
    ("pitched", {"DUR": "note"}),
    ("note", {"VEL": "struck", **BODY}),
    ("end", {"END": "end"}),
)
ESCAPES = {
    "begin": "START", "start": "TEMPO", "tempo": "SLOT", "key": "SLOT", "slots": "BAR",
    "tags": "BAR", "bar": "INST", "cut": "INST", "chord": "INST", "moved": "INST",
    "player": "VEL", "struck": "PITCH or DRUM", "pitched": "DUR", "note": "BAR", "end": "END",
}  # fmt: skip
"""What each phase can always go on with, whatever the counters say."""


@dataclass(frozen=True, slots=True)
class EventLimits:
    """How far generated music may go, in the measure of its corpus.

    Every note beyond the usual at its moment adds one to the load, and every moment takes one from
    it: a crowded moment is nothing unusual, crowded moments one after another are a collapse.
    """

    at_once: int = setting(20, "Most notes that start at one moment.")
    usual: int = setting(4, "Notes at one moment that add nothing to the load.")
    load: int = setting(40, "Most load: notes beyond the usual, less one for each moment.")
    empty_bars: int = setting(8, "Most bars in a row between one note's start and the next.")
    lead_bars: int = setting(8, "Most bars up to the start of the first note.")


def events_grammar(
    events: Events, limits: EventLimits | None = None, available: NDArray[np.bool_] | None = None
) -> Grammar:
    """The grammar of `events` under `limits`, for a vocabulary of the tokens `available`."""
    limits = limits or EventLimits()
    language = events.language
    available = np.ones(len(language), bool) if available is None else available

    def highest(group: str) -> int:
        first = language.first[group]
        return int(np.flatnonzero(available[first : first + 128]).max(initial=-1)) + 1

    drums = [slot.drums for slot in events.lineup.slots]
    tops = [highest("DRUM" if is_drum else "PITCH") for is_drum in drums]
    return Grammar(
        language,
        REGISTERS,
        PHASES,
        guards=(
            GuardRule("SLOT", Guard.RISES, "next_slot"),
            GuardRule("TAG", Guard.RISES, "next_tag"),
            GuardRule("CUT", Guard.FITS, "in_bar", "bar_steps"),
            GuardRule("SHIFT", Guard.FITS, "in_bar", "bar_steps"),
            GuardRule("INST", Guard.RISES, "next_inst"),
            GuardRule("INST", Guard.AMONG, "slots"),
            *(
                GuardRule(group, Guard.BELOW, counter, n=limit)
                for group in ("INST", "VEL")
                for counter, limit in (("at_once", limits.at_once), ("load", limits.load))
            ),
            GuardRule("VEL", Guard.LESS, "next_pitch", "top_pitch"),
            GuardRule("PITCH", Guard.RISES, "next_pitch"),
            GuardRule("PITCH", Guard.EQUALS, "drums", n=0),
            GuardRule("DRUM", Guard.RISES, "next_pitch"),
            GuardRule("DRUM", Guard.EQUALS, "drums", n=1),
            GuardRule("BAR", Guard.BELOW, "empty_bars", n=limits.empty_bars),
        ),
        effects=(
            EffectRule("START", Effect.SET, "empty_bars", limits.empty_bars - limits.lead_bars),
            EffectRule("SLOT", Effect.JOIN, "slots"),
            EffectRule("SLOT", Effect.VALUE, "next_slot", 1),
            EffectRule("TAG", Effect.VALUE, "next_tag", 1),
            EffectRule("BAR", Effect.LOOK_UP, "bar_steps", 0),
            EffectRule("BAR", Effect.SET, "in_bar", 0),
            EffectRule("BAR", Effect.ADD, "empty_bars", 1),
            EffectRule("CUT", Effect.VALUE, "bar_steps", 1),
            EffectRule("SHIFT", Effect.ADD_VALUE, "in_bar", 1),
            *(
                rule
                for group in ("BAR", "SHIFT")
                for rule in (
                    EffectRule(group, Effect.SET, "next_inst", 0),
                    EffectRule(group, Effect.SET, "at_once", 0),
                    EffectRule(group, Effect.LEAK, "load", 1),
                )
            ),
            EffectRule("INST", Effect.VALUE, "next_inst", 1),
            EffectRule("INST", Effect.SET, "next_pitch", 0),
            EffectRule("INST", Effect.LOOK_UP, "top_pitch", 1),
            EffectRule("INST", Effect.LOOK_UP, "drums", 2),
            *(
                rule
                for group in ("PITCH", "DRUM")
                for rule in (
                    EffectRule(group, Effect.VALUE, "next_pitch", 1),
                    EffectRule(group, Effect.ADD, "at_once", 1),
                    EffectRule(group, Effect.BEYOND, "load", limits.usual, "at_once"),
                    EffectRule(group, Effect.SET, "empty_bars", 0),
                )
            ),
        ),
        tables=(
            tuple(METRE_STEPS.tolist()),
            tuple(tops),
            tuple(int(is_drum) for is_drum in drums),
        ),
    )
