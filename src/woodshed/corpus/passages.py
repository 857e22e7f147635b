"""Passages: what music shares, however transposed, however fast, in whatever order of tracks.

A piece is read as lines: the upper and the lower edge of each part and of all parts together, and
the rhythm of its drums. Every few notes of a line, in relative form (intervals, and whether a note
is much longer, about as long or much shorter than the one before), make a passage; a passage
becomes a number, its hash. Of these hashes a few hundred are kept, chosen by their values alone,
so that two pieces which share music keep the same ones. docs/duplicates.md tells it at length.

Near-duplicates, novelty and the guard against copying use this. Refuses to know files and tokens.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..errors import UsageError
from ..music.columns import Columns, column
from ..music.notes import Notes
from ..music.score import Score
from ..music.transform import drum_notes
from ..settings import setting

Ints = NDArray[np.int64]
Hashes = NDArray[np.uint64]

ALL_PARTS = 65535
"""Stands for a part in prints of a line drawn through all parts together."""

WHOLE_BELOW = 1 << 53
"""The print of a whole piece has a hash below this, so it comes first and is always kept."""

_PIECE_BITS = 24
_HASH_SHIFT = np.uint64(63 - (64 - _PIECE_BITS))
WHOLE_HASH = np.uint64(WHOLE_BELOW - 1) >> _HASH_SHIFT
"""The largest hash of a whole piece, as an index has it."""
NO_HASH = np.uint64(2**64 - 1)
"""No passage has it."""
PIECE_MASK = np.uint64((1 << _PIECE_BITS) - 1)

FEWEST_ONSETS = 3
"""With fewer, a piece has no prints: that is no music one could recognise."""

MELODIC_RATIOS = np.log2([1 / 2.6, 2.6])
"""Where a gap counts as much shorter or longer than the one before. Pianists stretch what is
written equal by a third, and what is written double by more; 2.6 lies beyond both."""

RHYTHMIC_RATIOS = np.log2([1 / 2.6, 1 / 1.42, 1.42, 2.6])
"""The finer scale of drums and of short lines, where rhythm has to say more."""

DRUM_KINDS = (
    (35, 36),
    (37, 38, 39, 40),
    (41, 43, 45, 47, 48, 50),
    (22, 26, 42, 44, 46, 54, 69, 70),
)
"""Drums that stand for one another: kicks, snares, toms, hats. All others are one kind more."""


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


@dataclass(frozen=True, slots=True)
class _Rows:
    """Onsets of lines, one line after another, or the passages that begin there.

    `value` is a pitch or, where drums play, the set of drums that sound; in passages, the hash.
    """

    value: NDArray[np.integer]
    ticks: Ints
    line: Ints
    part: Ints
    pitch: Ints
    is_drum: NDArray[np.bool_]

    def take(self, rows: NDArray[np.integer]) -> _Rows:
        return _Rows(*(getattr(self, name)[rows] for name in self.__slots__))


def passage_prints(score: Score, settings: PassageSettings = DEFAULT_SETTINGS) -> PassagePrints:
    """The passages that stand for `score`; none where it has fewer than `FEWEST_ONSETS`."""
    notes = score.notes
    if not len(notes):
        return PassagePrints.empty()
    is_drum = drum_notes(score)
    found = [_whole(score, is_drum, settings)]
    for lines, length, ratios in (
        (_melodic_lines(score, ~is_drum, settings), settings.notes, MELODIC_RATIOS),
        (_drum_lines(score, is_drum, settings), settings.hits, RHYTHMIC_RATIOS),
    ):
        sizes = _sizes(lines.line)
        full = lines.take(np.flatnonzero(sizes >= settings.long_line))
        short = lines.take(np.flatnonzero(sizes <= settings.short_line))
        found.append(_winnowed(_cut(full, length, ratios), settings.window))
        found.append(_winnowed(_cut(short, settings.short_notes, RHYTHMIC_RATIOS), 2))
    hashes, ticks, _, part, pitch, drums = (
        np.concatenate([getattr(rows, name) for rows in found]) for name in _Rows.__slots__
    )
    order = np.lexsort((pitch, ticks, hashes))
    first = np.ones(len(order), np.bool_)
    first[1:] = hashes[order[1:]] != hashes[order[:-1]]
    kept = order[first][: settings.most]
    return PassagePrints(
        hashes[kept].astype(np.int64),
        ticks[kept].astype(np.int32),
        score.bar(ticks[kept]).astype(np.int32),
        pitch[kept].astype(np.uint8),
        part[kept].astype(np.uint16),
        drums[kept],
    )


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class PassageHits(Columns):
    """Where passages asked for are found: `row` of the prints asked with, and the piece."""

    row: NDArray[np.int32] = column(np.int32)
    piece: NDArray[np.int32] = column(np.int32)


@dataclass(frozen=True, slots=True, eq=False)
class PassageIndex:
    """Which pieces have which passages: eight bytes a print, sorted, so that it can be mapped.

    `keys` holds the upper 40 bits of a print's hash above the number of its piece. Where in the
    piece it stands, its own prints say (`shared_rows`). Among millions of prints a few share 40
    bits by chance; `shared_rows` tells them apart.
    """

    keys: Hashes
    piece_count: int

    @classmethod
    def of(cls, prints: Iterable[PassagePrints]) -> PassageIndex:
        """The index of pieces, numbered as they come."""
        keys = np.empty(1024, np.uint64)
        used = count = 0
        for count, piece in enumerate(prints, 1):
            end = used + len(piece)
            if end > len(keys):
                keys.resize(end + end // 4, refcheck=False)
            keys[used:end] = _upper(piece.hash) << np.uint64(_PIECE_BITS) | np.uint64(count - 1)
            used = end
        if count > 1 << _PIECE_BITS:
            raise UsageError(
                f"{count:,} pieces are more than one index holds; "
                f"make several of at most {1 << _PIECE_BITS:,} each"
            )
        keys.resize(used, refcheck=False)
        keys.sort()
        return cls(keys, count)

    def entries(self, low: int, high: int) -> tuple[Hashes, NDArray[np.int32]]:
        """The upper 40 bits of the hash, and the piece, of some prints in the index's order."""
        keys = self.keys[low:high]
        return keys >> np.uint64(_PIECE_BITS), (keys & PIECE_MASK).astype(np.int32)

    def matches(self, prints: PassagePrints, most: int | None = None) -> PassageHits:
        """Every piece that has one of the passages; those in more than `most` pieces left out."""
        first, last = self._ranges(prints.hash)
        sizes = last - first
        if most is not None:
            sizes = np.where(sizes > most, 0, sizes)
        rows = np.repeat(np.arange(len(prints)), sizes)
        skipped = np.cumsum(sizes) - sizes
        at = np.arange(len(rows)) + np.repeat(first - skipped, sizes)
        return PassageHits(rows.astype(np.int32), (self.keys[at] & PIECE_MASK).astype(np.int32))

    def counts(self, prints: PassagePrints) -> NDArray[np.int64]:
        """For each passage, how many pieces have it."""
        first, last = self._ranges(prints.hash)
        return last - first

    def _ranges(self, hashes: Ints) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        wanted = _upper(hashes) << np.uint64(_PIECE_BITS)
        first = np.searchsorted(self.keys, wanted)
        return first, np.searchsorted(self.keys, wanted | PIECE_MASK, side="right")


def shared_rows(a: PassagePrints, b: PassagePrints) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """The rows of `a` and of `b` that are the same passage, by rising hash."""
    if not len(a) or not len(b):
        return np.empty(0, np.intp), np.empty(0, np.intp)
    at = np.minimum(np.searchsorted(b.hash, a.hash), len(b) - 1)
    rows = np.flatnonzero(b.hash[at] == a.hash)
    return rows, at[rows]


def _upper(hashes: Ints) -> Hashes:
    return hashes.astype(np.uint64) >> _HASH_SHIFT


def _melodic_lines(
    score: Score,
    chosen: NDArray[np.bool_],
    settings: PassageSettings,
) -> _Rows:
    """The upper and lower edges of each melodic part, and of all of them where there are several.

    Onsets within a few hundredths of a second are one chord, so that a spread chord is no tune.
    """
    together = np.flatnonzero(chosen)
    part = score.notes.part[together].astype(np.int64)
    by_part = np.argsort(part, kind="stable")
    rows, part = together[by_part], part[by_part]
    if len(part) and part[0] != part[-1]:
        rows = np.concatenate([rows, together])
        part = np.concatenate([part, np.full(len(part), ALL_PARTS)])
    at = _chords(score.notes, rows, part, settings.together)
    if not len(at):
        return _no_rows()
    pitch = score.notes.pitch[rows].astype(np.int64)
    edges = np.concatenate([np.maximum.reduceat(pitch, at), np.minimum.reduceat(pitch, at)])
    ticks, part = np.tile(score.notes.start_ticks[rows][at], 2), np.tile(part[at], 2)
    line = part + np.repeat([0, ALL_PARTS + 1], len(at))
    return _Rows(edges, ticks, line, part, edges, np.zeros(len(edges), np.bool_))


def _drum_lines(
    score: Score,
    chosen: NDArray[np.bool_],
    settings: PassageSettings,
) -> _Rows:
    """All drums together, and the kicks, snares and toms without the rest."""
    sets = _drum_sets()[score.notes.pitch]
    values, ticks, lines = [], [], []
    for number, wanted in enumerate((0b11111, 0b00111)):
        rows = np.flatnonzero(chosen & (sets & wanted != 0))
        at_ticks = score.notes.start_ticks[rows]
        at = _chords(score.notes, rows, np.zeros(len(rows), np.int64), settings.together)
        if len(at):
            values.append(np.bitwise_or.reduceat(sets[rows] & wanted, at))
            ticks.append(at_ticks[at])
            lines.append(np.full(len(at), number))
    if not values:
        return _no_rows()
    line = np.concatenate(lines)
    nothing = np.zeros(len(line), np.int64)
    return _Rows(
        np.concatenate(values),
        np.concatenate(ticks),
        line,
        nothing + ALL_PARTS,
        nothing,
        np.ones(len(line), np.bool_),
    )


def _whole(
    score: Score,
    is_drum: NDArray[np.bool_],
    settings: PassageSettings,
) -> _Rows:
    """One print for every note of the piece, so that an exact copy is known however short it is."""
    notes = score.notes
    at = _chords(notes, np.arange(len(notes)), np.zeros(len(notes), np.int64), settings.together)
    if len(at) < FEWEST_ONSETS:
        return _no_rows()
    chord = np.repeat(np.arange(len(at)), np.diff(at, append=len(notes)))
    order = np.lexsort((notes.pitch, is_drum, chord))
    pitch, drum = notes.pitch[order].astype(np.int64), is_drum[order]
    melodic = pitch[~drum]
    if len(melodic):
        pitch = np.where(drum, pitch, pitch - melodic[0] + 256)
    ratio = _ratios(notes.start_ticks[at], RHYTHMIC_RATIOS)
    content = np.concatenate([pitch, chord[order], ratio, [len(pitch)]]).astype(np.uint64)
    # Every value is scrambled together with its place; the order of a sum does not matter.
    places = np.arange(len(content), dtype=np.uint64)
    total = _scrambled(content + (places << np.uint64(20))).sum(dtype=np.uint64, keepdims=True)
    first = notes.start_ticks[:1]
    return _Rows(
        _scrambled(total) % np.uint64(WHOLE_BELOW),
        first,
        np.zeros(1, np.int64),
        np.full(1, ALL_PARTS),
        melodic[:1] if len(melodic) else np.zeros(1, np.int64),
        np.array([not len(melodic)]),
    )


def _chords(notes: Notes, rows: NDArray[np.intp], line: Ints, together: float) -> NDArray[np.intp]:
    """Where something new sounds in `rows` of `notes`: a later onset, or another line.

    A chord is spread by no more than a share of the line's mean gap, which does not depend on
    tempo, and its notes go on sounding together: a run does not.
    """
    starts = np.flatnonzero(np.diff(line, prepend=-1))
    if not len(starts):
        return starts
    ticks = notes.start_ticks[rows]
    sizes = np.diff(starts, append=len(line))
    spans = ticks[starts + sizes - 1] - ticks[starts]
    limits = np.repeat(together * spans / np.maximum(sizes - 1, 1), sizes)
    gaps = np.diff(ticks)
    lasting = notes.duration_ticks[rows][:-1] >= 2 * gaps
    new = np.ones(len(ticks), np.bool_)
    new[1:] = (line[1:] != line[:-1]) | (gaps > 0) & ((gaps > limits[1:]) | ~lasting)
    return np.flatnonzero(new)


def _sizes(line: Ints) -> Ints:
    """For each onset, how many its line has."""
    starts = np.flatnonzero(np.diff(line, prepend=-1))
    sizes = np.diff(starts, append=len(line))
    return np.repeat(sizes, sizes)


def _ratios(ticks: Ints, bounds: NDArray[np.float64]) -> Ints:
    """The class of each gap between onsets, beside the gap before: from much shorter to longer."""
    gaps = np.diff(ticks).clip(1)
    return np.asarray(np.searchsorted(bounds, np.log2(gaps[1:] / gaps[:-1])))


def _cut(lines: _Rows, length: int, bounds: NDArray[np.float64]) -> _Rows:
    """Every passage of `length` onsets that says something: it has three values or, of drums, two.

    What is left out are repeated notes, drones and trills, which all music shares.
    """
    count = len(lines.value) - length + 1
    if count < 1:
        return _no_rows()
    value, is_drum = lines.value, bool(lines.is_drum[0])
    step = value if is_drum else np.diff(value) + 256
    ratio = _ratios(lines.ticks, bounds)
    hashes = np.zeros(count, np.uint64)
    second = np.full(count, -1)
    varied = np.zeros(count, np.bool_)
    for k in range(length if is_drum else length - 1):
        word = step[k : k + count] * 8
        if k < length - 2:
            word = word + ratio[k : k + count] + 1
        hashes = _scrambled(hashes + word.astype(np.uint64))
    for k in range(1, length):
        other = value[k : k + count] != value[:count]
        varied |= other & (second >= 0) & (value[k : k + count] != second)
        second = np.where(other & (second < 0), value[k : k + count], second)
    told = (second >= 0) if is_drum else varied
    whole = lines.line[:count] == lines.line[length - 1 :]
    at = np.flatnonzero(whole & told)
    low = np.uint64(WHOLE_BELOW)
    # In the lower half, so that it is the same number with a sign; above the whole pieces' range.
    value = np.maximum(hashes[at] >> np.uint64(1), low)
    rows = lines.take(at)
    return _Rows(value, rows.ticks, rows.line, rows.part, rows.pitch, rows.is_drum)


def _winnowed(passages: _Rows, window: int) -> _Rows:
    """The smallest hash of any `window` neighbours in a line: a choice that only content makes."""
    value, line = passages.value, passages.line
    count = len(value)
    least = value.copy()
    for k in range(1, min(window, count)):
        neighbour = np.where(line[k:] == line[:-k], value[k:], value[:-k])
        least[:-k] = np.minimum(least[:-k], neighbour)
    kept = value == least
    for k in range(1, min(window, count)):
        kept[k:] |= value[k:] == least[:-k]
    return passages.take(np.flatnonzero(kept))


def _scrambled(values: Hashes) -> Hashes:
    """Each number turned into one that looks random, the same on every machine (splitmix64)."""
    mixed = (values + np.uint64(0x9E3779B97F4A7C15)).astype(np.uint64)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return mixed ^ (mixed >> np.uint64(31))


def _drum_sets() -> Ints:
    """For each pitch, the bit of its kind of drum."""
    sets = np.full(128, 1 << len(DRUM_KINDS), np.int64)
    for number, pitches in enumerate(DRUM_KINDS):
        sets[list(pitches)] = 1 << number
    return sets


def _no_rows() -> _Rows:
    none = np.empty(0, np.int64)
    return _Rows(none.astype(np.uint64), none, none, none, none, np.empty(0, np.bool_))
