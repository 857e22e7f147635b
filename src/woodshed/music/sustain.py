"""The sustain pedal, written into the lengths of the notes it holds."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from .notes import SUSTAIN
from .score import Score

DOWN_FROM = 64

TICK_BITS = 34
PITCH_BITS = 8


def hold_sustain(score: Score) -> Score:
    """Notes as long as the sustain pedal makes them sound; the pedal itself is gone from the copy.

    A note released while the pedal of its part is down lasts until the pedal comes up, or the same
    pitch of that part starts again, or, if neither happens, to the end of the score. A pedal that
    moves on the very tick of a release moves first: pressed there it holds the note, lifted there
    it does not.
    """
    is_pedal = score.controls.number == SUSTAIN
    if not is_pedal.any():
        return score
    notes, pedal = score.notes, score.controls.take(is_pedal)
    moves = _moments(pedal.part, 0, pedal.ticks)
    order = np.argsort(moves, kind="stable")
    moves, is_down = moves[order], pedal.value[order] >= DOWN_FROM

    released = _moments(notes.part, 0, notes.end_ticks)
    row = np.searchsorted(moves, released, side="right") - 1
    is_held = (row >= 0) & _same_voice(moves[row], released) & is_down[row]
    comes_up = _next_ticks(moves[~is_down], released, "right", score.end_ticks)
    starts_again = _next_ticks(
        np.sort(_moments(notes.part, notes.pitch, notes.start_ticks)),
        _moments(notes.part, notes.pitch, notes.end_ticks),
        "left",
        np.iinfo(np.int64).max,
    )
    ends = np.where(is_held, np.minimum(comes_up, starts_again), notes.end_ticks)
    return score.replace(
        notes=notes.replace(duration_ticks=ends - notes.start_ticks),
        controls=score.controls.take(~is_pedal),
    )


def _moments(
    part: NDArray[np.uint16], pitch: NDArray[np.uint8] | int, ticks: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Part, pitch and tick in one whole number that sorts as they do, in 16 + 8 + 34 bits."""
    voice = part.astype(np.int64) << PITCH_BITS | pitch
    return np.asarray(voice << TICK_BITS | ticks)


def _same_voice(first: NDArray[np.int64], second: NDArray[np.int64]) -> NDArray[np.bool_]:
    return np.asarray(first >> TICK_BITS == second >> TICK_BITS)


def _next_ticks(
    moments: NDArray[np.int64],
    after: NDArray[np.int64],
    side: Literal["left", "right"],
    otherwise: int,
) -> NDArray[np.int64]:
    """The tick of the first of the sorted `moments` that follows each of `after` in its own voice.

    "left" lets it stand on the same tick, "right" does not.
    """
    following = np.append(moments, -1)[np.searchsorted(moments, after, side)]  # -1: no voice's
    ticks = following & ((1 << TICK_BITS) - 1)
    return np.where(_same_voice(following, after), ticks, otherwise)
