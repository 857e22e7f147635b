"""The language `performance`: notes on and off in real time, the classic 388 tokens.

    (NOTE_ON | NOTE_OFF | SHIFT | VELOCITY)…   between START and END, whose ids come after the 388

A SHIFT waits 10 ms to 1 s; a longer rest is several, the full ones first. A VELOCITY holds for the
notes that follow it. One player, no drums, no bars: made for piano. The pedal is not told; make it
notes first with `hold_sustain`. Run this module to see the table.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from ..errors import BadMusic, UsageError
from ..music.notes import Notes
from ..music.score import Part, Score
from ..music.time import TempoMap
from ..settings import setting
from .grammar import Effect, EffectRule, Grammar, Guard, GuardRule
from .language import Group, Language, TokenIds

STEP_MS = 10
STEPS_PER_SECOND = 1000 // STEP_MS
LONGEST_SHIFT_STEPS = 100
VELOCITIES = np.arange(32) * 4 + 2
TICKS_PER_QUARTER = 50
"""At 120 quarters a minute a tick is a step of 10 ms."""

MOST_SOUNDING = 127
"""One pitch always stays silent, so that after a VELOCITY there is a note to begin."""

LONGEST_HOURS = 24

REGISTERS = ("sounding", "shifts", "at_once", "load", "has_velocity")


@dataclass(frozen=True, slots=True)
class PerformanceLimits:
    """How far generated performances may go, in the measure of their corpus (see `limits`).

    Every note beyond the usual between two shifts adds one to the load, and every shift takes one
    from it.
    """

    sounding: int = setting(60, "Most notes that sound together, 127 at most.")
    at_once: int = setting(16, "Most notes that start between two shifts.")
    shifts: int = setting(12, "Most shifts in a row, nobody beginning or ending a note.")
    lead_shifts: int = setting(12, "Most shifts before the first note.")
    usual: int = setting(4, "Notes between two shifts that add nothing to the load.")
    load: int = setting(60, "Most load: notes beyond the usual, less one for each shift.")

    def __post_init__(self) -> None:
        if not 1 <= self.sounding <= MOST_SOUNDING:
            raise UsageError(
                f"{self.sounding} notes cannot sound at once; use 1 to {MOST_SOUNDING}"
            )


@dataclass(frozen=True)
class Performance:
    """The language; there is only one."""

    @cached_property
    def language(self) -> Language:
        """The table."""
        return Language(
            "performance",
            (
                Group.numbers("NOTE_ON", range(128), "pitch"),
                Group.numbers("NOTE_OFF", range(128), "pitch"),
                Group.numbers("SHIFT", range(STEP_MS, 1000 + STEP_MS, STEP_MS)),
                Group.numbers("VELOCITY", VELOCITIES.tolist()),
                Group.single("START"),
                Group.single("END"),
            ),
        )

    def reduce(self, score: Score, slots: Sequence[int | None] | None = None) -> Score:
        """The score as this language sees it: one piano part in steps of 10 ms."""
        return _score(*_reduced(score, slots))

    def encode(self, score: Score, slots: Sequence[int | None] | None = None) -> TokenIds:
        """The tokens of a score. Drum parts, and parts whose slot is None, are left out.

        Raises `BadMusic` where it lasts so long that rests alone would fill the memory.
        """
        rows = _reduced(score, slots)
        hours = int(rows[1].max(initial=0)) / (3600 * STEPS_PER_SECOND)
        if hours > LONGEST_HOURS:
            raise BadMusic(
                f"it lasts {hours:,.0f} hours, and every second of a rest is a token; "
                f"cut it to {LONGEST_HOURS} hours or less"
            )
        return _write(*rows, self.language)

    def decode(self, tokens: NDArray[np.integer]) -> Score:
        """The score that tokens tell. A note-off without a note is passed over.

        A note struck again while it sounds begins anew; one that never ends lasts to the end.
        """
        return _score(*_read(np.asarray(tokens, np.int64), self.language))

    def grammar(self, limits: PerformanceLimits | None = None) -> Grammar:
        """What may follow what, under `limits`."""
        limits = limits or PerformanceLimits()
        play = {
            "NOTE_ON": "play", "NOTE_OFF": "play", "SHIFT": "play", "VELOCITY": "velocity",
            "END": "end",
        }  # fmt: skip
        return Grammar(
            self.language,
            REGISTERS,
            (
                ("begin", {"START": "play"}),
                ("play", play),
                ("velocity", {"NOTE_ON": "play"}),
                ("end", {"END": "end"}),
            ),
            guards=(
                GuardRule("NOTE_ON", Guard.SILENT),
                GuardRule("NOTE_ON", Guard.EQUALS, "has_velocity", n=1),
                *(
                    GuardRule(group, Guard.BELOW, counter, n=limit)
                    for group in ("NOTE_ON", "VELOCITY")
                    for counter, limit in (
                        ("sounding", limits.sounding),
                        ("at_once", limits.at_once),
                        ("load", limits.load),
                    )
                ),
                GuardRule("NOTE_OFF", Guard.SOUNDS),
                GuardRule("SHIFT", Guard.BELOW, "shifts", n=limits.shifts),
                GuardRule("END", Guard.EQUALS, "sounding", n=0),
            ),
            effects=(
                EffectRule("START", Effect.SET, "shifts", limits.shifts - limits.lead_shifts),
                EffectRule("NOTE_ON", Effect.START),
                EffectRule("NOTE_ON", Effect.ADD, "sounding", 1),
                EffectRule("NOTE_ON", Effect.ADD, "at_once", 1),
                EffectRule("NOTE_ON", Effect.BEYOND, "load", limits.usual, "at_once"),
                EffectRule("NOTE_ON", Effect.SET, "shifts", 0),
                EffectRule("NOTE_OFF", Effect.STOP),
                EffectRule("NOTE_OFF", Effect.ADD, "sounding", -1),
                EffectRule("NOTE_OFF", Effect.SET, "shifts", 0),
                EffectRule("SHIFT", Effect.ADD, "shifts", 1),
                EffectRule("SHIFT", Effect.SET, "at_once", 0),
                EffectRule("SHIFT", Effect.LEAK, "load", 1),
                EffectRule("VELOCITY", Effect.SET, "has_velocity", 1),
            ),
        )


Rows = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]
"""Start and end in steps, pitch, and velocity bin of each note, in order of start and pitch."""


def _reduced(score: Score, slots: Sequence[int | None] | None) -> Rows:
    heard = np.array(
        [
            not p.is_drum and (slots is None or slots[n] is not None)
            for n, p in enumerate(score.parts)
        ],
        np.bool_,
    )
    notes = score.notes.take(heard[score.notes.part]) if len(score.notes) else score.notes
    start = np.rint(score.seconds(notes.start_ticks) * STEPS_PER_SECOND).astype(np.int64)
    end = np.rint(score.seconds(notes.end_ticks) * STEPS_PER_SECOND).astype(np.int64)
    end = np.maximum(end, start + 1)
    pitch = notes.pitch.astype(np.int64)
    velocity = notes.velocity.astype(np.int64) >> 2
    # Doubled notes become one, the longest and loudest; others give way to the next of their pitch.
    order = np.lexsort((start, pitch))
    start, end, pitch, velocity = start[order], end[order], pitch[order], velocity[order]
    new = np.ones(len(start), bool)
    new[1:] = (start[1:] != start[:-1]) | (pitch[1:] != pitch[:-1])
    firsts = np.flatnonzero(new)
    if len(firsts):
        end = np.maximum.reduceat(end, firsts)
        velocity = np.maximum.reduceat(velocity, firsts)
        start, pitch = start[firsts], pitch[firsts]
        again = pitch[1:] == pitch[:-1]
        end[:-1][again] = np.minimum(end[:-1][again], start[1:][again])
    order = np.lexsort((pitch, start))
    return start[order], end[order], pitch[order], velocity[order]


def _write(
    start: NDArray[np.int64], end: NDArray[np.int64], pitch: NDArray[np.int64],
    velocity: NDArray[np.int64], language: Language,
) -> TokenIds:  # fmt: skip
    first = language.first
    count = len(start)
    when = np.concatenate([end, start])
    starts = np.repeat([0, 1], count)  # at one moment notes end before others begin
    order = np.lexsort((np.concatenate([pitch, pitch]), starts, when))
    when, starts = when[order], starts[order].astype(bool)
    note = order % count if count else order

    wait = np.diff(when, prepend=0)
    full = np.maximum(wait - 1, 0) // LONGEST_SHIFT_STEPS
    rest = wait - full * LONGEST_SHIFT_STEPS
    bins = velocity[note]
    struck = np.flatnonzero(starts)
    louder = np.zeros(len(when), bool)
    louder[struck] = np.diff(bins[struck], prepend=-1) != 0
    size = full + (rest > 0) + louder + 1
    last = np.cumsum(size)  # START stands at 0, so these are the places of the note tokens
    tokens = np.full(2 + (int(last[-1]) if count else 0), first["SHIFT"] + LONGEST_SHIFT_STEPS - 1)
    tokens[0], tokens[-1] = first["START"], first["END"]
    group = np.where(starts, first["NOTE_ON"], first["NOTE_OFF"])
    tokens[last] = group + pitch[note]
    tokens[last[louder] - 1] = first["VELOCITY"] + bins[louder]
    waits = rest > 0
    tokens[last[waits] - 1 - louder[waits]] = first["SHIFT"] + rest[waits] - 1
    return tokens.astype(np.uint16)


def _read(tokens: NDArray[np.int64], language: Language) -> Rows:
    group, value = language.group_of[tokens], language.value_of[tokens]
    now = np.cumsum(np.where(group == language.row("SHIFT"), value + 1, 0))
    loudness = np.where(group == language.row("VELOCITY"), np.arange(len(tokens)), -1)
    loudness = np.maximum.accumulate(loudness)
    is_on, is_off = group == language.row("NOTE_ON"), group == language.row("NOTE_OFF")
    rows = np.flatnonzero(is_on | is_off)
    if not len(rows):
        return rows, rows, rows, rows
    # By pitch, in order: each note ends at the next event of its pitch, whichever kind that is.
    rows = rows[np.argsort(value[rows], kind="stable")]
    following = np.append(rows[1:], -1)
    has_end = np.append(value[rows[1:]] == value[rows[:-1]], False)
    end = np.where(has_end, now[following], now[-1])
    on = is_on[rows]
    rows, end = rows[on], end[on]
    start = now[rows]
    velocity = np.where(loudness[rows] >= 0, value[loudness[rows]], 16)
    order = np.lexsort((value[rows], start))
    rows = rows[order]
    return start[order], np.maximum(end[order], start[order] + 1), value[rows], velocity[order]


def _score(
    start: NDArray[np.int64], end: NDArray[np.int64], pitch: NDArray[np.int64],
    velocity: NDArray[np.int64],
) -> Score:  # fmt: skip
    return Score(
        ticks_per_quarter=TICKS_PER_QUARTER,
        notes=Notes(
            start,
            end - start,
            pitch.astype(np.uint8),
            VELOCITIES[velocity].astype(np.uint8),
            np.zeros(len(start), np.uint16),
        ),
        parts=(Part("Piano"),) if len(start) else (),
        tempos=TempoMap.constant(120),
    )


if __name__ == "__main__":
    print(Performance().language.describe())
