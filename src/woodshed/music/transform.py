"""Copies of a score in another key, on a grid, cut to some of its bars, or at another tempo.

Each function takes a score and gives a new one. Knows nothing of files or tokens.
"""

from __future__ import annotations

import dataclasses
import math
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from ..errors import UsageError
from .chords import transposed_texts
from .grid import STEPS_PER_QUARTER, check_steps_per_quarter, rescale
from .notes import Bends, Controls, Notes
from .score import Score
from .time import KeyMap, MetreMap, TempoMap

Map = TypeVar("Map", TempoMap, MetreMap, KeyMap)

PARAMETER_NUMBERS = (6, 38, 96, 97, 98, 99, 100, 101)
"""Controllers that say nothing alone: a parameter (say, how far a bend reaches) and its value."""


def drum_notes(score: Score) -> NDArray[np.bool_]:
    """For each note, whether a drum part plays it."""
    return np.array([part.is_drum for part in score.parts], np.bool_)[score.notes.part]


def transpose(score: Score, semitones: int) -> Score:
    """Every melodic note, key signature and chord moved up by `semitones`, or down below 0.

    Drum parts stay. A note that would leave 0 to 127 is folded back by octaves. A new key is spelt
    with the fewest accidentals; where six sharps and six flats tie, the way up takes sharps. Whole
    octaves keep it. Chords are markers that name them (see `chords`).
    """
    moved = score.notes.pitch.astype(np.int64) + semitones
    moved = np.where(moved < 0, moved % 12, moved)
    moved = np.where(moved > 127, 127 - (127 - moved) % 12, moved)
    pitch = np.where(drum_notes(score), score.notes.pitch, moved)
    keys = score.keys
    if semitones % 12:
        # A semitone up is seven fifths up, and twelve fifths lead back to the same key.
        sharps = (keys.sharps.astype(np.int64) + 7 * semitones + 5) % 12 - 5
        if semitones < 0:
            sharps[sharps == 6] = -6
        keys = keys.replace(sharps=sharps)
    return score.replace(
        notes=score.notes.replace(pitch=pitch),
        keys=keys,
        texts=transposed_texts(score.texts, semitones),
    )


def quantise(score: Score, steps_per_quarter: int = STEPS_PER_QUARTER) -> Score:
    """Note starts and ends snapped to the grid, each note at least one step long.

    Notes of one part that come to start together on one pitch become one: the longest and loudest
    of them. Metres, keys and texts are snapped, too, so that a note stays in its bar and a syllable
    with its note. Tempos, controllers and bends stay where they are: they are gestures in time, not
    rhythm.
    """
    check_steps_per_quarter(steps_per_quarter)
    resolution = score.ticks_per_quarter

    def steps(ticks: NDArray[np.int64] | int) -> NDArray[np.int64]:
        return rescale(ticks, steps_per_quarter, resolution)

    def snapped(ticks: NDArray[np.int64] | int) -> NDArray[np.int64]:
        return rescale(steps(ticks), resolution, steps_per_quarter)

    start_steps = steps(score.notes.start_ticks)
    end_steps = np.maximum(steps(score.notes.end_ticks), start_steps + 1)
    starts = rescale(start_steps, resolution, steps_per_quarter)
    ends = rescale(end_steps, resolution, steps_per_quarter)
    notes = score.notes.replace(start_ticks=starts, duration_ticks=ends - starts)
    return score.replace(
        notes=_without_doubles(notes.sorted()),
        metres=_at_rising_ticks(score.metres, snapped(score.metres.ticks)),
        keys=_at_rising_ticks(score.keys, snapped(score.keys.ticks)),
        texts=tuple(dataclasses.replace(t, ticks=int(snapped(t.ticks))) for t in score.texts),
    )


def slice_bars(score: Score, first: int, count: int) -> Score:
    """The `count` bars from bar `first` on (counted from 0), moved to tick 0. All parts are kept.

    Notes that began earlier are left out, notes that go on are shortened. What is in force at the
    cut stands at tick 0: tempo, metre, key, controllers (the sustain pedal among them) and bends.
    Raises `UsageError` for bars the score does not have.
    """
    bars = score.bars()
    if first < 0 or count < 1 or first + count > len(bars):
        raise UsageError(
            f"cannot cut {count} bars from bar {first} (counted from 0): "
            f"the score has {len(bars)}; choose 1 or more of them"
        )
    start = int(bars.start_ticks[first])
    end = int((bars.start_ticks + bars.length_ticks)[first + count - 1])
    notes = score.notes.take((score.notes.start_ticks >= start) & (score.notes.start_ticks < end))
    shortened = np.minimum(notes.end_ticks, end) - notes.start_ticks
    return score.replace(
        notes=notes.replace(start_ticks=notes.start_ticks - start, duration_ticks=shortened),
        tempos=_cut_map(score.tempos, start, end),
        # A metre that begins right after the cut stays: it may be what cuts the last bar short.
        metres=_cut_map(score.metres, start, end + 1),
        keys=_cut_map(score.keys, start, end),
        controls=_cut_controls(score.controls, start, end),
        bends=_cut_bends(score.bends, start, end),
        texts=tuple(
            dataclasses.replace(text, ticks=text.ticks - start)
            for text in score.texts
            if start <= text.ticks < end
        ),
    )


def with_tempo(score: Score, bpm: float) -> Score:
    """The same ticks at one tempo from beginning to end, in quarters a minute."""
    return score.replace(tempos=TempoMap.constant(bpm))


def scale_tempo(score: Score, factor: float) -> Score:
    """Every tempo times `factor`: 2 is twice as fast. Raises `UsageError` beyond MIDI's tempos."""
    if not (math.isfinite(factor) and factor > 0):
        raise UsageError(f"a tempo cannot be multiplied by {factor:g}; use a number above 0")
    quarters = score.tempos.microseconds_per_quarter / factor
    if quarters.min() < 1 or quarters.max() > 2**24 - 1:
        raise UsageError(
            f"times {factor:g}, a tempo of {score.tempos.bpm.min():.4g} to "
            f"{score.tempos.bpm.max():.4g} BPM leaves what MIDI can hold (4 to 60,000,000)"
        )
    tempos = score.tempos.replace(microseconds_per_quarter=np.rint(quarters).astype(np.int64))
    return score.replace(tempos=tempos)


def _without_doubles(notes: Notes) -> Notes:
    """Sorted notes, with those that share start, part and pitch made one."""
    if not len(notes):
        return notes
    is_new = np.ones(len(notes), np.bool_)
    is_new[1:] = (
        (np.diff(notes.start_ticks) != 0)
        | (notes.part[1:] != notes.part[:-1])
        | (notes.pitch[1:] != notes.pitch[:-1])
    )
    rows = np.flatnonzero(is_new)
    return notes.take(rows).replace(
        duration_ticks=np.maximum.reduceat(notes.duration_ticks, rows),
        velocity=np.maximum.reduceat(notes.velocity, rows),
    )


def _at_rising_ticks(table: Map, ticks: NDArray[np.int64]) -> Map:
    """`table` at new ticks; of rows that come to stand on one tick the last holds."""
    is_last = np.append(np.diff(ticks) > 0, True)[: len(ticks)]
    return _moved(table, is_last, ticks[is_last])


def _cut_map(table: Map, start: int, end: int) -> Map:
    in_force = int(np.searchsorted(table.ticks, start, side="right")) - 1
    stop = max(int(np.searchsorted(table.ticks, end)), in_force + 1)
    rows = slice(max(in_force, 0), stop)
    return _moved(table, rows, np.maximum(table.ticks[rows] - start, 0))


def _moved(table: Map, rows: NDArray[np.bool_] | slice, ticks: NDArray[np.int64]) -> Map:
    """Some rows at new ticks, in one go: a map without a row at tick 0 cannot be, even for now."""
    columns = {field.name: getattr(table, field.name)[rows] for field in dataclasses.fields(table)}
    return type(table)(**{**columns, "ticks": ticks})


def _cut_controls(controls: Controls, start: int, end: int) -> Controls:
    earlier = controls.take(controls.ticks < start)
    is_carried = _is_last(earlier.part.astype(np.int64) << 7 | earlier.number)
    # A parameter is spelt by several controllers in a row: their last values alone would mislead.
    is_carried |= np.isin(earlier.number, PARAMETER_NUMBERS)
    carried = earlier.take(is_carried).replace(ticks=0)
    inside = controls.take((controls.ticks >= start) & (controls.ticks < end))
    return Controls.concatenate([carried, inside.replace(ticks=inside.ticks - start)])


def _cut_bends(bends: Bends, start: int, end: int) -> Bends:
    earlier = bends.take(bends.ticks < start)
    carried = earlier.take(_is_last(earlier.part)).replace(ticks=0)
    inside = bends.take((bends.ticks >= start) & (bends.ticks < end))
    return Bends.concatenate([carried, inside.replace(ticks=inside.ticks - start)])


def _is_last(keys: NDArray[np.integer]) -> NDArray[np.bool_]:
    """Whether each row is the last that has its key."""
    is_last = np.zeros(len(keys), np.bool_)
    is_last[len(keys) - 1 - np.unique(keys[::-1], return_index=True)[1]] = True
    return is_last
