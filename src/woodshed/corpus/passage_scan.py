"""The two loops behind passages: lines out of notes, and passages out of lines.

Both run as plain Python or, once a process has seen enough music, compiled by numba. They know
numbers only; what they mean, and which prints of a piece are kept, is `passages`' business.
"""

from __future__ import annotations

from typing import Any

import numpy as np

# Constants of splitmix64, which turns each number into one that looks random.
_STEP = np.uint64(0x9E3779B97F4A7C15)
_FIRST, _SECOND = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
_30, _27, _31, _1 = np.uint64(30), np.uint64(27), np.uint64(31), np.uint64(1)

FLAGS_ONLY = -1
"""The mask of a group of which only the chords are wanted, not its lines."""

MELODIC = 0
"""The mask of a group of melodic notes; any above is the set of drums that count."""


def draw_lines(
    ticks: Any, durations: Any, values: Any, rows: Any, firsts: Any, masks: Any, together: Any,
    is_new: Any, spread: Any, line_value: Any, line_tick: Any, line_first: Any, line_group: Any,
) -> int:  # fmt: skip
    """Draw the lines of each group of notes: both edges of melodic ones, what sounds of drums.

    A group is `rows[firsts[g]:firsts[g + 1]]`, in time; `values` are pitches, or bits of drums.
    Fills `is_new` (by place in `rows`: a chord begins), the lines one behind another, and gives
    how many lines there are. The lower edge is left out where it is the upper one.

    Notes are one chord where they are spread by no more than a share of the line's mean gap, which
    does not depend on tempo, and go on sounding together: a run does not.
    """
    lines = 0
    at = 0
    for edge in range(2):
        for group in range(len(masks)):
            mask = masks[group]
            first = firsts[group]
            stop = firsts[group + 1]
            if first == stop or (edge == 1 and (mask != MELODIC or not spread[group])):
                continue
            if edge == 0:
                span = ticks[rows[stop - 1]] - ticks[rows[first]]
                limit = together * span / max(stop - first - 1, 1)
                is_new[first] = True
                for place in range(first + 1, stop):
                    before = rows[place - 1]
                    gap = ticks[rows[place]] - ticks[before]
                    is_new[place] = gap > 0 and (gap > limit or durations[before] < 2 * gap)
                if mask == FLAGS_ONLY:
                    continue
            line_first[lines] = at
            line_group[lines] = group
            lines += 1
            for place in range(first, stop):
                value = values[rows[place]]
                if mask > 0:
                    value = value & mask
                if is_new[place]:
                    line_value[at] = value
                    line_tick[at] = ticks[rows[place]]
                    at += 1
                elif mask > 0:
                    line_value[at - 1] |= value
                elif edge == 0:
                    if value != line_value[at - 1]:
                        spread[group] = True
                    line_value[at - 1] = max(line_value[at - 1], value)
                else:
                    line_value[at - 1] = min(line_value[at - 1], value)
    line_first[lines] = at
    return lines


def cut_passages(
    value: Any, tick: Any, first_of: Any, is_drum: Any, cuts: Any, ratios: Any, smallest: Any,
    own_hash: Any, own_at: Any, found_hash: Any, found_at: Any, found_line: Any,
) -> int:  # fmt: skip
    """Cut lines into passages, choose among neighbours, and give how many were chosen.

    A row of `cuts` says: fewest and most onsets of a line, onsets in a passage of a melodic line
    and of a drum line, and of how many neighbours the smallest hash is chosen. Its row of `ratios`
    bounds the classes of gaps beside the gaps before. `own_hash` and `own_at` are room to work in.
    """
    found = 0
    for cut in range(len(cuts)):
        fewest, most, melodic_size, drum_size, window = cuts[cut]
        for line in range(len(is_drum)):
            first = first_of[line]
            stop = first_of[line + 1]
            if stop - first < fewest or stop - first > most:
                continue
            drums = is_drum[line]
            size = drum_size if drums else melodic_size
            bounds = ratios[cut, 1 if drums else 0]
            own = 0
            for at in range(first, stop - size + 1):
                # What says nothing is left out: repeated notes, drones and trills.
                start = value[at]
                second = start
                told = False
                for k in range(at + 1, at + size):
                    if value[k] != start:
                        if drums or (second != start and second != value[k]):
                            told = True
                            break
                        second = value[k]
                if not told:
                    continue
                mixed = np.uint64(0)
                for k in range(at, at + size if drums else at + size - 1):
                    word = value[k] * 8 if drums else (value[k + 1] - value[k] + 256) * 8
                    if k < at + size - 2:
                        gap = max(tick[k + 1] - tick[k], 1)
                        ratio = max(tick[k + 2] - tick[k + 1], 1) / gap
                        word += 1
                        for bound in bounds:
                            if ratio > bound:
                                word += 1
                    mixed = mixed + np.uint64(word) + _STEP
                    mixed = (mixed ^ (mixed >> _30)) * _FIRST
                    mixed = (mixed ^ (mixed >> _27)) * _SECOND
                    mixed = mixed ^ (mixed >> _31)
                # In the lower half, so that it is the same number with a sign.
                own_hash[own] = max(mixed >> _1, smallest)
                own_at[own] = at
                own += 1
            # A passage is chosen where it is the smallest of some window it stands in: a choice
            # that only content makes.
            for n in range(own):
                chosen = False
                for left in range(max(n - window + 1, 0), n + 1):
                    least = own_hash[n]
                    for k in range(left, min(left + window, own)):
                        least = min(least, own_hash[k])
                    if least == own_hash[n]:
                        chosen = True
                        break
                if chosen:
                    found_hash[found] = own_hash[n]
                    found_at[found] = own_at[n]
                    found_line[found] = line
                    found += 1
    return found


def scrambled(values: Any) -> Any:
    """Each number of an array turned into one that looks random, the same on every machine."""
    mixed = (values + _STEP).astype(np.uint64)
    mixed = (mixed ^ (mixed >> _30)) * _FIRST
    mixed = (mixed ^ (mixed >> _27)) * _SECOND
    return mixed ^ (mixed >> _31)
