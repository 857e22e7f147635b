"""How `events` tells chords: one for each bar, the one that holds where it begins.

A chord is a number of its group, below 0 for none. Chords within a bar are left out.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..music.chords import NO_KIND, NO_NUMBER, ChordMap, chord_map
from ..music.grid import STEPS_PER_QUARTER, rescale
from ..music.score import Score

NOTHING = np.empty(0, np.int64)
NO_CHORDS = ChordMap.empty()


def chords_in_steps(score: Score) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Where the chords begin that the markers name, in steps, and which."""
    if not score.texts:
        return NOTHING, NOTHING
    chords = chord_map(score.texts)
    number = chords.numbers()
    number[number >= NO_NUMBER] = -1
    return rescale(chords.ticks, STEPS_PER_QUARTER, score.ticks_per_quarter), number


def chords_of_bars(score: Score, bar_start: NDArray[np.int64]) -> NDArray[np.int64]:
    """The chord that holds where each bar begins."""
    steps, number = chords_in_steps(score)
    row = np.searchsorted(steps, bar_start, side="right")
    return np.append(-1, number)[row]


def chord_changes(chord: NDArray[np.int64], bar_start: NDArray[np.int64]) -> ChordMap:
    """Rows at the bars where the chord changes; none before the first."""
    new = np.flatnonzero(chord != np.append(-1, chord[:-1]))
    if not len(new):
        return NO_CHORDS
    kind, root = np.divmod(chord[new], 12)
    is_none = kind < 0
    return ChordMap(bar_start[new], np.where(is_none, 0, root), np.where(is_none, NO_KIND, kind))
