"""What is to sound, in seconds: a score with its pedals, bends and slots worked out for an engine.

Knows lineups and scores. Refuses to know how anything sounds, and files.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from ..errors import UsageError
from ..music.lineup import Lineup, load_lineup
from ..music.notes import Controls
from ..music.score import DRUM_CHANNEL, Part, Score
from ..music.sustain import hold_sustain
from ..music.transform import slice_bars

Programs = Literal["slots", "file"]
"""Which sounds: those of the lineup's slots, or those the file itself asks for."""

MODULATION, VOLUME, PAN, EXPRESSION = 1, 7, 10, 11
OBEYED = (MODULATION, VOLUME, PAN, EXPRESSION)

DATA_ENTRY, DATA_ENTRY_FINE = 6, 38
UNREGISTERED = (98, 99)
REGISTERED_FINE, REGISTERED = 100, 101
RESET_CONTROLLERS = 121
RESET = {MODULATION: 0, EXPRESSION: 127}

BEND_RANGE_SEMITONES = 2.0
"""How far a bend reaches where the file says nothing: two semitones either way."""

TICK_BITS = 32

REST = "rest"
"""The stem of parts that have no slot in the lineup: they are heard all the same."""


@dataclass(frozen=True, slots=True)
class Track:
    """One part that plays: its General MIDI program, of drums the kit, and the row of its stem."""

    program: int
    is_drum: bool
    stem: int


@dataclass(frozen=True, slots=True, eq=False)
class Playing:
    """Notes and gestures in seconds, ready for an engine.

    Notes are sorted by start and end where the sustain pedal lets them. Controls and bends are
    sorted by time; of controls there are only modulation (1), volume (7), pan (10) and expression
    (11). `track` columns are rows of `tracks`. `seconds` is where the last note ends, also of those
    that are muted, so that every solo is as long as the mix.
    """

    stems: tuple[str, ...]
    tracks: tuple[Track, ...]
    start_seconds: NDArray[np.float64]
    end_seconds: NDArray[np.float64]
    pitch: NDArray[np.uint8]
    velocity: NDArray[np.uint8]
    track: NDArray[np.uint16]
    control_seconds: NDArray[np.float64]
    control_track: NDArray[np.uint16]
    control_number: NDArray[np.uint8]
    control_value: NDArray[np.uint8]
    bend_seconds: NDArray[np.float64]
    bend_track: NDArray[np.uint16]
    bend_semitones: NDArray[np.float64]
    seconds: float


def playing(
    score: Score,
    lineup: str | os.PathLike[str] | Lineup = "band",
    programs: Programs = "slots",
    solo: Collection[str] = (),
    mute: Collection[str] = (),
    start_bar: int | None = None,
    bars: int | None = None,
) -> Playing:
    """Work out what sounds when: some slots, some bars, each part with its sound.

    `start_bar` counts from 0. With "slots" every part plays the program of its slot, with "file"
    its own. Raises `UsageError` for slots that do not play in this piece, and for bars it does not
    have.
    """
    if programs not in get_args(Programs):
        raise UsageError(
            f"programs {programs!r} is not known; use {' or '.join(get_args(Programs))}"
        )
    band = lineup if isinstance(lineup, Lineup) else load_lineup(lineup)
    parts, stems = _cast(score, band, programs)
    heard = _heard(stems, band, solo, mute)
    excerpt, silence = _excerpt(hold_sustain(score), start_bar, bars)

    notes = excerpt.notes
    ends = excerpt.seconds(notes.end_ticks)
    seconds = float(ends.max()) if len(notes) else silence
    plays = np.bincount(notes.part, minlength=len(score.parts)) > 0
    in_piece = [stems[row] for row in sorted({parts[n].stem for n in np.flatnonzero(plays)})]
    if in_piece and solo and not set(solo) & set(in_piece):
        raise UsageError(
            f"{' and '.join(solo)} cannot be heard alone: {_what(start_bar, bars)} has only "
            f"{', '.join(in_piece)}"
        )
    rows = [n for n, part in enumerate(parts) if plays[n] and stems[part.stem] in heard]
    used = sorted({parts[n].stem for n in rows})
    tracks = tuple(dataclasses.replace(parts[n], stem=used.index(parts[n].stem)) for n in rows)
    track_of = np.full(len(score.parts), len(rows), np.uint16)  # len(rows): not heard
    track_of[rows] = np.arange(len(rows))

    def kept(part: NDArray[np.uint16]) -> NDArray[np.bool_]:
        return np.asarray(track_of[part] < len(rows))

    sounding = kept(notes.part)
    controls = _obeyed(excerpt.controls)
    controls = controls.take(kept(controls.part))
    bend_ticks, bend_part, bend_semitones = _bends(excerpt)
    bends = kept(bend_part)
    return Playing(
        stems=tuple(stems[n] for n in used),
        tracks=tracks,
        start_seconds=excerpt.seconds(notes.start_ticks[sounding]),
        end_seconds=ends[sounding],
        pitch=notes.pitch[sounding],
        velocity=notes.velocity[sounding],
        track=track_of[notes.part[sounding]],
        control_seconds=excerpt.seconds(controls.ticks),
        control_track=track_of[controls.part],
        control_number=controls.number,
        control_value=controls.value,
        bend_seconds=excerpt.seconds(bend_ticks[bends]),
        bend_track=track_of[bend_part[bends]],
        bend_semitones=bend_semitones[bends],
        seconds=seconds,
    )


def stem_names(band: Lineup) -> list[str]:
    """The stems a lineup can have: its slots in order, and the rest."""
    names = [slot.name for slot in band.slots]
    return names if REST in names else [*names, REST]


def _cast(score: Score, band: Lineup, programs: Programs) -> tuple[list[Track], list[str]]:
    """A track for every part of the score, and the stems: the lineup's slots, then the rest.

    Only parts with notes are placed: a part without any is nobody's first voice.
    """
    stems = stem_names(band)
    tracks = [_own(part, stems.index(REST)) for part in score.parts]
    with_notes = [int(n) for n in np.unique(score.notes.part)]
    placements = band.place([score.parts[n] for n in with_notes])
    for n, placement in zip(with_notes, placements, strict=True):
        if placement.slot is None:
            continue
        slot = band.slots[placement.slot]
        tracks[n] = (
            Track(slot.playback, slot.drums, placement.slot)
            if programs == "slots"
            else dataclasses.replace(tracks[n], stem=placement.slot)
        )
    return tracks, stems


def _what(start_bar: int | None, bars: int | None) -> str:
    return "the piece" if start_bar is None and bars is None else "this passage"


def _own(part: Part, stem: int) -> Track:
    """The sound a part asks for itself."""
    return Track(part.program, part.is_drum or part.channel == DRUM_CHANNEL, stem)


def _heard(
    stems: Sequence[str], band: Lineup, solo: Collection[str], mute: Collection[str]
) -> set[str]:
    """The stems that are heard. A name that is no slot's is refused."""
    for name in (*solo, *mute):
        if name not in stems:
            raise UsageError(
                f"there is no slot {name!r} in the lineup {band.name}; it has {', '.join(stems)}"
            )
    heard = set(solo or stems) - set(mute)
    if not heard:
        both = " and ".join(solo) or "everything"
        raise UsageError(f"{both} is to be heard alone and muted at once; drop --solo or --mute")
    return heard


def _excerpt(score: Score, start_bar: int | None, bars: int | None) -> tuple[Score, float]:
    """The bars wanted, and how long they last if nothing sounds in them."""
    if start_bar is None and bars is None:
        return score, _length_seconds(score)
    count, first = score.bar_count, start_bar or 0
    if bars is not None and bars < 1:
        raise UsageError(f"{bars} bars cannot be played; ask for 1 or more")
    if not 0 <= first < count:
        raise UsageError(
            f"there is no bar {first + 1}: the piece has {count}; begin with one from 1 to {count}"
        )
    kept = min(bars or count, count - first)
    lines = score.bars()
    begin = lines.start_ticks[first]
    end = (lines.start_ticks + lines.length_ticks)[first + kept - 1]
    silence = np.diff(score.seconds([begin, end]))[0]
    return slice_bars(score, first, kept), float(silence)


def _length_seconds(score: Score) -> float:
    """How long a score lasts, by the last thing it says, whether or not it sounds."""
    last = [score.end_ticks, *(text.ticks for text in score.texts)]
    for rows in (score.tempos, score.metres, score.keys, score.controls, score.bends):
        last += [int(rows.ticks[-1])] if len(rows) else []
    return float(score.seconds(max(last)))


def _obeyed(controls: Controls) -> Controls:
    """The controllers an engine obeys; a reset of all of them is written out."""
    resets = controls.take(controls.number == RESET_CONTROLLERS)
    spelt = [resets.replace(number=number, value=value) for number, value in RESET.items()]
    return Controls.concatenate([controls.take(np.isin(controls.number, OBEYED)), *spelt]).sorted()


def _bends(score: Score) -> tuple[NDArray[np.int64], NDArray[np.uint16], NDArray[np.float64]]:
    """Every bend in semitones, by tick and part, sorted by tick; a reset stands as a bend of 0."""
    resets = score.controls.take(score.controls.number == RESET_CONTROLLERS)
    ticks = np.concatenate([score.bends.ticks, resets.ticks])
    part = np.concatenate([score.bends.part, resets.part])
    turns = np.concatenate([score.bends.value / 8192.0, np.zeros(len(resets))])
    reach = np.full(len(ticks), BEND_RANGE_SEMITONES)
    if ranges := list(_ranges(score.controls)):
        set_part, set_ticks, semitones = map(np.array, zip(*ranges, strict=True))
        by_part = np.lexsort((set_ticks, set_part))
        moments = (set_part << TICK_BITS | set_ticks)[by_part]
        row = np.searchsorted(moments, part.astype(np.int64) << TICK_BITS | ticks, "right") - 1
        is_set = (row >= 0) & (set_part[by_part][row] == part)
        reach[is_set] = semitones[by_part][row[is_set]]
    order = np.argsort(ticks, kind="stable")
    return ticks[order], part[order], (turns * reach)[order]


def _ranges(controls: Controls) -> Iterator[tuple[int, int, float]]:
    """Part, tick and semitones wherever a part sets the range of its bends, in order of time."""
    spelling = controls.take(
        np.isin(
            controls.number,
            (DATA_ENTRY, DATA_ENTRY_FINE, *UNREGISTERED, REGISTERED_FINE, REGISTERED),
        )
    )
    chosen: dict[int, tuple[int, int]] = {}  # the parameter each part is spelling out
    reach: dict[int, tuple[int, int]] = {}  # semitones and cents
    for ticks, number, value, part in zip(
        spelling.ticks.tolist(),
        spelling.number.tolist(),
        spelling.value.tolist(),
        spelling.part.tolist(),
        strict=True,
    ):
        coarse, fine = chosen.get(part, (127, 127))
        if number == REGISTERED:
            chosen[part] = (value, fine)
        elif number == REGISTERED_FINE:
            chosen[part] = (coarse, value)
        elif number in UNREGISTERED:
            chosen[part] = (127, 127)
        elif (coarse, fine) == (0, 0):
            semitones, cents = reach.get(part, (int(BEND_RANGE_SEMITONES), 0))
            now = (value, cents) if number == DATA_ENTRY else (semitones, value)
            if now != (semitones, cents):
                reach[part] = now
                yield part, ticks, min(now[0] + now[1] / 100.0, 96.0)
