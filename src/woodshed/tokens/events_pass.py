"""A score to tokens of `events` in one pass over its notes: what numba compiles.

It says exactly what `events` says with arrays, several times as fast. It tells bars only as their
metre has them; music with a bar that must be told by another metre, or in pieces, it hands back.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..music.grid import STEPS_PER_QUARTER
from ..music.time import MAX_BARS

FIRST_OF = (
    "START", "TEMPO", "KEY", "SLOT", "BAR", "CUT", "CHORD", "SHIFT", "INST", "VEL", "PITCH", "DRUM",
    "DUR", "END",
)  # fmt: skip
"""The groups whose first ids the pass is given, in this order."""

MOST_TEMPOS = 64
"""The pass compares each tempo with each, so it must not be given more."""

# The compiler takes plain numbers as they are.
_START, _TEMPO, _KEY, _SLOT, _BAR, _CUT, _CHORD = range(7)
_SHIFT, _INST, _VEL, _PITCH, _DRUM, _DUR, _END = range(7, 14)
_STEPS = STEPS_PER_QUARTER
_MAX_BARS = MAX_BARS
_NEVER = 2**62


def one_pass(
    start: Any, duration: Any, pitch: Any, velocity: Any, part: Any,
    tempo_ticks: Any, microseconds: Any, metre_ticks: Any, numerators: Any, denominators: Any,
    ticks_per_quarter: int, key: int, slot_of: Any, tags: Any, chord_steps: Any, chords: Any,
    drums: Any, first: Any, tempo_bounds: Any, metre_of: Any, metre_steps: Any, duration_bin: Any,
) -> Any:  # fmt: skip
    """The tokens of a score; none at all where the slower form must tell it, or refuse it.

    `key` is below 0 for none; `slot_of` is the slot of each part, below 0 for one left out; `tags`
    are tokens; `chords` are numbers of their group, below 0 for none. `first` are the first ids of
    the groups in `FIRST_OF`, the rest tables of `events`; `metre_of`, by numerator and denominator,
    is below 0 where there is none.
    """
    # One long function on purpose: numba compiles it once, and notes are gone through twice only.
    nothing = np.empty(0, np.uint16)
    for slot in slot_of:
        if slot >= len(drums):  # nothing here may be read that is not there
            return nothing
    step = np.empty(len(start), np.int64)
    # Slot, pitch, velocity and duration in one number, so that notes of a moment sort by it.
    note = np.empty(len(start), np.int64)
    plays = np.zeros(len(drums), np.bool_)
    twice = 2 * ticks_per_quarter
    longest = len(duration_bin) - 1
    notes = 0
    last_start = -1
    here = 0
    last_end = 0
    score_end = 1
    for row in range(len(start)):
        end = int(start[row]) + int(duration[row])
        score_end = max(score_end, end)
        slot = int(slot_of[part[row]])
        if slot < 0:
            continue
        last_end = max(last_end, end)
        # Rounded as `grid.rescale` does. Dividing as floats is faster, and below 2**53 it never
        # reaches the next whole number by rounding; 48 times the longest score is below 2**38.
        tick = int(start[row])
        if tick != last_start:
            last_start = tick
            here = int((2 * _STEPS * tick + ticks_per_quarter) / twice)
        length = int((2 * _STEPS * end + ticks_per_quarter) / twice) - here
        length = min(max(length, 1), longest)
        plays[slot] = True
        step[notes] = here
        note[notes] = (
            (slot << 20)
            | (int(pitch[row]) << 13)
            | ((int(velocity[row]) >> 2) << 8)
            | int(duration_bin[length])
        )
        notes += 1

    # Where too many bars would be counted, the slower form says so.
    reach = max(here, (2 * _STEPS * last_end + ticks_per_quarter) // twice - 1)
    beyond = -(-(reach + 1) * ticks_per_quarter // _STEPS)
    bars = 1
    for row in range(len(metre_ticks)):
        at = int(metre_ticks[row])
        if at > beyond:
            break
        whole = int(numerators[row]) * 4 * ticks_per_quarter
        denominator = int(denominators[row])
        if row + 1 < len(metre_ticks) and metre_ticks[row + 1] <= beyond:
            bars -= (at - int(metre_ticks[row + 1])) * denominator // whole
        else:
            bars += (beyond - at) * denominator // whole
    if bars > _MAX_BARS:
        return nothing

    # Notes come sorted by start, part and pitch; only within a moment is there something to do.
    moment = 0
    while moment < notes:
        until = moment + 1
        while until < notes and step[until] == step[moment]:
            until += 1
        gap = 1
        while gap * 9 < until - moment:
            gap = 3 * gap + 1
        while gap > 0:
            for row in range(moment + gap, until):
                moved = note[row]
                to = row - gap
                while to >= moment and note[to] > moved:
                    note[to + gap] = note[to]
                    to -= gap
                note[to + gap] = moved
            gap //= 3
        moment = until

    # The tempo that holds for most ticks; of two that hold as long, the faster.
    tempo = int(microseconds[0])
    longest_held = -1
    for one in range(len(tempo_ticks)):
        held = 0
        for row in range(len(tempo_ticks)):
            if microseconds[row] == microseconds[one]:
                until = score_end
                if row + 1 < len(tempo_ticks):
                    until = min(int(tempo_ticks[row + 1]), score_end)
                held += max(until - int(tempo_ticks[row]), 0)
        if held > longest_held or (held == longest_held and microseconds[one] < tempo):
            longest_held = held
            tempo = int(microseconds[one])

    tokens = np.empty(4 + len(drums) + len(tags) + 3 * bars + 5 * notes, np.uint16)
    tokens[0] = first[_START]
    tokens[1] = first[_TEMPO]
    for bound in tempo_bounds:
        if tempo < bound:
            tokens[1] += 1
    at = 2
    if key >= 0:
        tokens[at] = first[_KEY] + key
        at += 1
    for slot in range(len(drums)):
        if plays[slot]:
            tokens[at] = first[_SLOT] + slot
            at += 1
    for token in tags:
        tokens[at] = token
        at += 1

    row = 0
    chord = -1
    next_chord = 0
    for metre_row in range(len(metre_ticks)):
        numerator = int(numerators[metre_row])
        denominator = int(denominators[metre_row])
        metre = -1
        if numerator < metre_of.shape[0] and denominator < metre_of.shape[1]:
            metre = metre_of[numerator, denominator]
        # Bar lines in ticks times the denominator are whole numbers, so each is rounded only once.
        line = int(metre_ticks[metre_row]) * denominator
        whole = numerator * 4 * ticks_per_quarter
        half = ticks_per_quarter * denominator
        next_line = _NEVER
        next_step = _NEVER
        if metre_row + 1 < len(metre_ticks):
            tick = int(metre_ticks[metre_row + 1])
            next_line = tick * denominator
            next_step = (2 * _STEPS * tick + ticks_per_quarter) // twice
        bar_start = (2 * _STEPS * line + half) // (2 * half)
        while line < next_line:
            line += whole
            bar_end = min((2 * _STEPS * line + half) // (2 * half), next_step)
            if bar_end == bar_start:  # rounds to no step at all
                continue
            if metre < 0 or bar_end - bar_start > metre_steps[metre]:
                return nothing
            tokens[at] = first[_BAR] + metre
            at += 1
            # Nobody hears where the last bar ends.
            if here >= bar_end and bar_end - bar_start < metre_steps[metre]:
                tokens[at] = first[_CUT] + bar_end - bar_start - 1
                at += 1
            while next_chord < len(chords) and chord_steps[next_chord] <= bar_start:
                chord = chords[next_chord]
                next_chord += 1
            if chord >= 0:
                tokens[at] = first[_CHORD] + chord
                at += 1
            now = bar_start
            player = -1
            while row < notes and step[row] < bar_end:
                if step[row] > now:
                    tokens[at] = first[_SHIFT] + step[row] - now - 1
                    at += 1
                    now = step[row]
                    player = -1
                slot = note[row] >> 20
                if slot != player:
                    tokens[at] = first[_INST] + slot
                    at += 1
                    player = slot
                # Doubled notes stand side by side and become the longest and loudest.
                same = note[row] >> 13
                length = note[row] & 255
                while row + 1 < notes and step[row + 1] == now and note[row + 1] >> 13 == same:
                    row += 1
                    length = max(length, note[row] & 255)
                tokens[at] = first[_VEL] + ((note[row] >> 8) & 31)
                if drums[slot]:
                    tokens[at + 1] = first[_DRUM] + (same & 127)
                    at += 2
                else:
                    tokens[at + 1] = first[_PITCH] + (same & 127)
                    tokens[at + 2] = first[_DUR] + length
                    at += 3
                row += 1
            if here < bar_end:
                tokens[at] = first[_END]
                return tokens[: at + 1].copy()
            bar_start = bar_end
    return nothing
