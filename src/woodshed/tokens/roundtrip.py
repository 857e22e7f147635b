"""What a language does to music: every piece there and back, and what grid and bins changed.

A piece must come back exactly as the language sees it (`reduce`). How far that is from the piece
itself is told in figures: notes merged or left out, starts and lengths moved, velocities rounded.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..music.score import Score
from .events import Events
from .grammar import Grammar
from .grammar_score import grammar_score
from .performance import Performance


@dataclass(frozen=True, slots=True)
class RoundTrip:
    """One piece there and back. Shifts are the middle and the largest one over its notes."""

    is_exact: bool
    tokens: int
    notes: int
    notes_kept: int
    onset_shift_ms: float
    most_onset_shift_ms: float
    velocity_shift: float
    grammar_score: float


def round_trip(
    score: Score,
    slots: Sequence[int | None],
    language: Events | Performance,
    form: Grammar,
    limited: Grammar,
) -> RoundTrip:
    """Encode a piece, decode it, and compare. `form` and `limited` are as for `grammar_score`."""
    tokens = language.encode(score, slots)
    reduced = language.reduce(score, slots)
    shifts, velocity = _moved(score, reduced)
    return RoundTrip(
        is_exact=language.decode(tokens) == reduced,
        tokens=len(tokens),
        notes=len(score.notes),
        notes_kept=len(reduced.notes),
        onset_shift_ms=_rounded(np.median(shifts) if len(shifts) else 0.0),
        most_onset_shift_ms=_rounded(shifts.max(initial=0.0)),
        velocity_shift=_rounded(velocity),
        grammar_score=_rounded(grammar_score(tokens, language, form, limited).score),
    )


def _moved(score: Score, reduced: Score) -> tuple[NDArray[np.float64], float]:
    """How far each kept note's start moved, in ms of the piece's own tempo, and the mean velocity.

    A kept note is compared with the nearest note of its pitch in the piece.
    """
    if not len(reduced.notes):
        return np.empty(0), 0.0
    grid = score.ticks_per_quarter / reduced.ticks_per_quarter
    in_time = reduced.ticks_per_quarter == 50  # performance counts time, events count quarters
    kept_at = (
        reduced.notes.start_ticks / 100
        if in_time
        else score.seconds(np.rint(reduced.notes.start_ticks * grid))
    )
    own_at = score.seconds(score.notes.start_ticks)
    shifts = np.empty(len(reduced.notes))
    velocities = np.empty(len(reduced.notes))
    for pitch in np.unique(reduced.notes.pitch).tolist():
        kept = np.flatnonzero(reduced.notes.pitch == pitch)
        own = np.flatnonzero(score.notes.pitch == pitch)
        after = np.minimum(np.searchsorted(own_at[own], kept_at[kept]), len(own) - 1)
        before = np.maximum(after - 1, 0)
        nearer = np.abs(own_at[own[before]] - kept_at[kept]) < np.abs(
            own_at[own[after]] - kept_at[kept]
        )
        match = own[np.where(nearer, before, after)]
        shifts[kept] = np.abs(own_at[match] - kept_at[kept]) * 1000
        velocities[kept] = np.abs(
            score.notes.velocity[match].astype(np.int64) - reduced.notes.velocity[kept]
        )
    return shifts, float(velocities.mean())


def _rounded(value: float | np.floating) -> float:
    return round(float(value), 3)
