"""Passages: what music shares, however transposed, however fast, in whatever order of tracks.

A piece is read as lines: the upper and the lower edge of each part and of all parts together, and
the rhythm of its drums. Every few notes of a line, in relative form (intervals, and whether a note
is much longer, about as long or much shorter than the one before), make a passage; a passage
becomes a number, its hash. Of these hashes a few hundred are kept, chosen by their values alone,
so that two pieces which share music keep the same ones. docs/duplicates.md tells it at length.

Near-duplicates, novelty and the guard against copying use this. Refuses to know files and tokens.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..music.columns import Columns, column
from ..music.compiled import WhenItPays, settled
from ..music.notes import Notes
from ..music.score import Score
from ..music.transform import drum_notes
from ..settings import setting
from .passage_scan import FLAGS_ONLY, MELODIC, cut_passages, draw_lines, scrambled

Ints = NDArray[np.int64]

ALL_PARTS = 65535
"""Stands for a part in prints of a line drawn through all parts together."""

WHOLE_BELOW = 1 << 53
"""The print of a whole piece has a hash below this, so it comes first and is always kept."""

FEWEST_ONSETS = 3
"""With fewer, a piece has no prints: that is no music one could recognise."""

MELODIC_RATIOS = (1 / 2.6, 2.6)
"""Where a gap counts as much shorter or longer than the one before. Pianists stretch what is
written equal by a third, and what is written double by more; 2.6 lies beyond both."""

RHYTHMIC_RATIOS = (1 / 2.6, 1 / 1.42, 1.42, 2.6)
"""The finer scale of drums and of short lines, where rhythm has to say more."""

DRUM_KINDS = (
    (35, 36),
    (37, 38, 39, 40),
    (41, 43, 45, 47, 48, 50),
    (22, 26, 42, 44, 46, 54, 69, 70),
)
"""Drums that stand for one another: kicks, snares, toms, hats. All others are one kind more."""

_ALL_DRUMS = (1 << len(DRUM_KINDS) + 1) - 1
_KIT = 0b111
"""Kicks, snares and toms."""


@dataclass(frozen=True, slots=True)
class PassageSettings:
    """How passages are cut and how many are kept. Prints made with other settings do not meet."""

    notes: int = setting(6, "notes in a passage of a melodic line")
    hits: int = setting(8, "onsets in a passage of a drum line")
    short_notes: int = setting(4, "notes or onsets in a passage of a short line")
    short_line: int = setting(40, "a line of up to this many onsets is cut into short passages")
    long_line: int = setting(24, "a line of at least this many onsets is cut into full passages")
    window: int = setting(2, "of this many neighbouring passages at least one is kept")
    most: int | None = setting(192, "most prints of a piece; None keeps all")
    together: float = setting(0.7, "onsets nearer than this share of a line's mean gap are one")


DEFAULT_SETTINGS = PassageSettings()


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class PassagePrints(Columns):
    """The passages of one piece by rising hash, each once, where it is first heard.

    `bar` counts from 0, `pitch` is the first note's (0 for drums), `part` the row of the score's
    part, or `ALL_PARTS`.
    """

    hash: Ints = column(np.int64)
    start_ticks: NDArray[np.int32] = column(np.int32)
    bar: NDArray[np.int32] = column(np.int32)
    pitch: NDArray[np.uint8] = column(np.uint8)
    part: NDArray[np.uint16] = column(np.uint16)
    is_drum: NDArray[np.bool_] = column(np.bool_)


def passage_prints(score: Score, settings: PassageSettings = DEFAULT_SETTINGS) -> PassagePrints:
    """The passages that stand for `score`; none where it has fewer than `FEWEST_ONSETS`."""
    notes = score.notes
    if len(notes) < FEWEST_ONSETS:
        return PassagePrints.empty()
    is_drum = drum_notes(score)
    draw = _DRAW.after(len(notes)) or draw_lines
    cut = _CUT.after(len(notes)) or cut_passages
    lines, begins = _lines(notes, is_drum, settings.together, draw)
    hashes, at, line = _cut(lines, settings, cut)
    drums = lines.is_drum[line]
    pitch = np.where(drums, 0, lines.value[at])
    columns: list[NDArray[Any]] = [hashes, lines.tick[at], pitch, lines.part[line], drums]
    if np.count_nonzero(begins) >= FEWEST_ONSETS:
        whole = _whole(notes, is_drum, begins)
        columns = [np.append(one, rest) for one, rest in zip(whole, columns, strict=True)]
    kept = _smallest(columns[0], columns[1], columns[2], settings.most)
    hashes, ticks, pitch, part, drums = (values[kept] for values in columns)
    return PassagePrints(
        hashes.astype(np.int64),
        ticks.astype(np.int32),
        score.bar(ticks).astype(np.int32),
        pitch.astype(np.uint8),
        part.astype(np.uint16),
        drums.astype(np.bool_),
    )


@dataclass(frozen=True, slots=True)
class _Lines:
    """Lines one behind another: line n is `value[first[n]:first[n + 1]]`, pitches or drum sets."""

    value: Ints
    tick: Ints
    first: Ints
    part: Ints
    is_drum: NDArray[np.bool_]


def _lines(
    notes: Notes, is_drum: NDArray[np.bool_], together: float, draw: Callable[..., int]
) -> tuple[_Lines, NDArray[np.bool_]]:
    """The lines of a piece, and whether each note begins a chord among all of them.

    Lines are the upper and lower edges of each melodic part, and of all of them where there are
    several; all drums together; and the kicks, snares and toms without the rest.
    """
    values = notes.pitch.astype(np.int64)
    everything = np.arange(len(notes))
    rows, sizes, masks, parts = [everything], [len(notes)], [FLAGS_ONLY], [ALL_PARTS]
    drums = np.flatnonzero(is_drum)
    melodic = np.flatnonzero(~is_drum) if len(drums) else everything
    if len(melodic):
        own = notes.part[melodic]
        counts = np.bincount(own)
        playing = np.flatnonzero(counts)
        rows.append(melodic[np.argsort(own, kind="stable")])
        sizes += counts[playing].tolist()
        parts += playing.tolist()
        if len(playing) > 1:
            rows.append(melodic)
            sizes.append(len(melodic))
            parts.append(ALL_PARTS)
        masks += [MELODIC] * (len(parts) - 1)
    if len(drums):
        sets = values[drums] = _DRUM_SETS[notes.pitch[drums]]
        kit = drums[(sets & _KIT) != 0]
        rows += [drums, kit]
        sizes += [len(drums), len(kit)]
        masks += [_ALL_DRUMS, _KIT]
        parts += [ALL_PARTS, ALL_PARTS]
    row = np.concatenate(rows)
    mask = np.array(masks)
    begins = np.empty(len(row), np.bool_)
    value, tick = np.empty(2 * len(row), np.int64), np.empty(2 * len(row), np.int64)
    first, group = np.empty(2 * len(mask) + 1, np.int64), np.empty(2 * len(mask), np.int64)
    count = draw(
        settled(notes.start_ticks), settled(notes.duration_ticks),
        values, row,
        np.concatenate([[0], np.cumsum(sizes)]), mask, together,
        begins, np.zeros(len(mask), np.bool_), value, tick, first, group,
    )  # fmt: skip
    group = group[:count]
    lines = _Lines(value, tick, first, np.array(parts)[group], mask[group] != MELODIC)
    return lines, begins[: len(notes)]


def _cut(
    lines: _Lines, settings: PassageSettings, cut: Callable[..., int]
) -> tuple[NDArray[np.uint64], Ints, Ints]:
    """The chosen passages of all lines: their hashes, where they begin, and in which line."""
    count = int(lines.first[len(lines.is_drum)])
    cuts, ratios = _cuts(settings)
    room = len(cuts) * count
    hashes, at, line = np.empty(room, np.uint64), np.empty(room, np.int64), np.empty(room, np.int64)
    with np.errstate(over="ignore"):  # numbers go round on purpose, as they do where compiled
        found = cut(
            lines.value, lines.tick, lines.first, lines.is_drum, cuts, ratios,
            np.uint64(WHOLE_BELOW), np.empty(count, np.uint64), np.empty(count, np.int64),
            hashes, at, line,
        )  # fmt: skip
    return hashes[:found], at[:found], line[:found]


@lru_cache(maxsize=4)
def _cuts(settings: PassageSettings) -> tuple[Ints, NDArray[np.float64]]:
    """How long lines and how short ones are cut, as `cut_passages` wants it."""
    s, endless, never = settings, 2**62, np.inf
    short = (0, s.short_line, s.short_notes, s.short_notes, 2)
    melodic = (*MELODIC_RATIOS, never, never)
    return (
        np.array([(s.long_line, endless, s.notes, s.hits, s.window), short]),
        np.array([(melodic, RHYTHMIC_RATIOS), (RHYTHMIC_RATIOS, RHYTHMIC_RATIOS)]),
    )


def _whole(notes: Notes, is_drum: NDArray[np.bool_], begins: NDArray[np.bool_]) -> tuple[Any, ...]:
    """One print for every note of the piece, so that an exact copy is known however short it is."""
    chord = np.cumsum(begins)
    pitch = notes.pitch.astype(np.int64)
    melodic = np.flatnonzero(~is_drum)
    lowest = 0
    if len(melodic):
        lowest = int(pitch[melodic[chord[melodic] == chord[melodic[0]]]].min())
        pitch[melodic] += 256 - lowest
    gaps = np.diff(notes.start_ticks[begins]).clip(1)
    ratio = np.searchsorted(RHYTHMIC_RATIOS, gaps[1:] / gaps[:-1])
    # Each value is scrambled with its place, and the order of a sum does not matter.
    told = np.concatenate([(chord << 10) | pitch, (np.arange(len(ratio)) << 3 | ratio) + (1 << 50)])
    total = scrambled(told.astype(np.uint64)).sum(dtype=np.uint64, keepdims=True)
    print_of_all = scrambled(total)[0] % np.uint64(WHOLE_BELOW)
    return print_of_all, int(notes.start_ticks[0]), lowest, ALL_PARTS, not len(melodic)


def _smallest(
    hashes: NDArray[np.uint64], ticks: Ints, pitch: Ints, most: int | None
) -> NDArray[np.intp]:
    """The rows of the smallest hashes, each where it is first heard, by rising hash."""
    reach = len(hashes) if most is None else 2 * most
    while True:
        rows = np.arange(len(hashes))
        if reach < len(hashes):  # sorting a few is quicker than sorting all
            rows = np.flatnonzero(hashes <= np.partition(hashes, reach)[reach])
        rows = rows[np.lexsort((pitch[rows], ticks[rows], hashes[rows]))]
        ordered = hashes[rows]
        first = np.ones(len(rows), np.bool_)
        first[1:] = ordered[1:] != ordered[:-1]
        kept = rows[first][:most]
        if len(kept) == most or len(rows) == len(hashes):
            return kept
        reach *= 4


def _drum_sets() -> Ints:
    """For each pitch, the bit of its kind of drum."""
    sets = np.full(128, 1 << len(DRUM_KINDS), np.int64)
    for number, pitches in enumerate(DRUM_KINDS):
        sets[list(pitches)] = 1 << number
    return sets


_DRUM_SETS = _drum_sets()


def _draw_nothing(draw: Callable[..., int]) -> Any:
    return _lines(Notes.empty(), np.empty(0, np.bool_), 0.0, draw)


def _cut_nothing(cut: Callable[..., int]) -> Any:
    lines, _ = _draw_nothing(draw_lines)
    return _cut(lines, DEFAULT_SETTINGS, cut)


COMPILE_FROM_NOTES = 40_000
"""Plain Python takes some three seconds for so many; past them, loading the compiled forms pays."""

_DRAW = WhenItPays(draw_lines, _draw_nothing, COMPILE_FROM_NOTES)
_CUT = WhenItPays(cut_passages, _cut_nothing, COMPILE_FROM_NOTES)
