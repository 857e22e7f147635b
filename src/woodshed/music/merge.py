"""Several scores made one, and one score taken apart. Knows nothing of files or models."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Collection, Sequence
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from ..errors import UsageError
from .grid import rescale
from .notes import Bends, Controls, Notes
from .score import Score
from .transform import drum_notes

KICKS_AND_SNARES = (35, 36, 38, 40)
"""Their General MIDI pitches: acoustic and electric, two of each."""

FINEST_TICKS_PER_QUARTER = 32767

Rows = TypeVar("Rows", Notes, Controls, Bends)


def merge(scores: Sequence[Score], percussion: Collection[int] = ()) -> Score:
    """One score with the parts of all `scores`, in order, over the maps of the first.

    Ticks are rescaled to a resolution that holds them all exactly or, where there is none up to
    32767, to the finest among them, with rounding. `percussion` lists the scores (by index) whose
    drum hits give way: one that starts together with a kick or snare of the other scores starts a
    tick later, and ends where it did unless it lasted a single tick. Raises `UsageError` without
    scores or for an index among none.
    """
    if not scores:
        raise UsageError("there is nothing to merge; give at least one score")
    for index in percussion:
        if not 0 <= index < len(scores):
            raise UsageError(
                f"percussion names score {index}, but there are {len(scores)}, counted from 0"
            )
    resolution = math.lcm(*(score.ticks_per_quarter for score in scores))
    if resolution > FINEST_TICKS_PER_QUARTER:
        resolution = max(score.ticks_per_quarter for score in scores)
    scores = [_at_resolution(score, resolution) for score in scores]
    strong = [_strong_beats(s) for index, s in enumerate(scores) if index not in percussion]
    taken = np.concatenate([np.empty(0, np.int64), *strong])
    scores = [
        _give_way(score, taken) if index in percussion else score
        for index, score in enumerate(scores)
    ]
    firsts = np.cumsum([0, *(len(score.parts) for score in scores[:-1])]).tolist()
    numbered = list(zip(scores, firsts, strict=True))
    return scores[0].replace(
        parts=tuple(part for score in scores for part in score.parts),
        notes=Notes.concatenate([_renumbered(s.notes, first) for s, first in numbered]),
        controls=Controls.concatenate([_renumbered(s.controls, first) for s, first in numbered]),
        bends=Bends.concatenate([_renumbered(s.bends, first) for s, first in numbered]),
        texts=tuple(
            dataclasses.replace(text, part=None if text.part is None else text.part + first)
            for score, first in numbered
            for text in score.texts
        ),
        source=None,
    )


def split(score: Score) -> tuple[Score, ...]:
    """One score for each part, with that part's notes, controllers, bends and texts, and all maps.

    Texts that belong to no part (a title, a marker) go with the first, so that `merge` gives back
    the whole.
    """
    return tuple(
        score.replace(
            parts=(part,),
            notes=_alone(score.notes, row),
            controls=_alone(score.controls, row),
            bends=_alone(score.bends, row),
            texts=tuple(
                dataclasses.replace(text, part=None if text.part is None else 0)
                for text in score.texts
                if text.part == row or (text.part is None and row == 0)
            ),
        )
        for row, part in enumerate(score.parts)
    )


def _at_resolution(score: Score, ticks_per_quarter: int) -> Score:
    """`score` in ticks at least as fine as its own, so that nothing collides or vanishes."""
    if ticks_per_quarter == score.ticks_per_quarter:
        return score

    def moved(ticks: NDArray[np.int64] | int) -> NDArray[np.int64]:
        return rescale(ticks, ticks_per_quarter, score.ticks_per_quarter)

    notes = score.notes
    starts = moved(notes.start_ticks)
    return score.replace(
        ticks_per_quarter=ticks_per_quarter,
        notes=notes.replace(start_ticks=starts, duration_ticks=moved(notes.end_ticks) - starts),
        tempos=score.tempos.replace(ticks=moved(score.tempos.ticks)),
        metres=score.metres.replace(ticks=moved(score.metres.ticks)),
        keys=score.keys.replace(ticks=moved(score.keys.ticks)),
        controls=score.controls.replace(ticks=moved(score.controls.ticks)),
        bends=score.bends.replace(ticks=moved(score.bends.ticks)),
        texts=tuple(dataclasses.replace(t, ticks=int(moved(t.ticks))) for t in score.texts),
    )


def _strong_beats(score: Score) -> NDArray[np.int64]:
    """Where the kicks and snares of the score's drum parts start."""
    is_strong = drum_notes(score) & np.isin(score.notes.pitch, KICKS_AND_SNARES)
    return score.notes.start_ticks[is_strong]


def _give_way(score: Score, taken_ticks: NDArray[np.int64]) -> Score:
    notes = score.notes
    late = (drum_notes(score) & np.isin(notes.start_ticks, taken_ticks)).astype(np.int64)
    return score.replace(
        notes=notes.replace(
            start_ticks=notes.start_ticks + late,
            # The end stays, so that a hit does not run into the next one of its pitch.
            duration_ticks=np.maximum(notes.duration_ticks - late, 1),
        )
    )


def _renumbered(rows: Rows, first_part: int) -> Rows:
    return rows.replace(part=rows.part.astype(np.int64) + first_part)


def _alone(rows: Rows, part: int) -> Rows:
    return rows.take(rows.part == part).replace(part=0)
