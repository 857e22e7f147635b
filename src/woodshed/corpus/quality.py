"""How good a piece is to learn from: a score from 0 to 1, its parts, and why it is refused.

A refusal is a sentence with the value and the threshold it broke. Every threshold is a setting;
docs/quality.md defines the parts in plain words. Knows nothing of files.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from ..music.columns import runs
from ..music.grid import STEPS_PER_QUARTER
from ..music.score import Score
from ..music.transform import drum_notes
from .quality_settings import DEFAULT_QUALITY, QualitySettings

__all__ = ["PARTS", "Quality", "QualitySettings", "judge", "two_voices_share"]

PIANO_PITCHES = (21, 108)
DRUM_PITCHES = (22, 87)
"""The drums of General MIDI Level 2, and below them the hi-hat rims of electronic kits."""

BREATH_SECONDS = 2.0
"""Silence up to this long is phrasing, not absence."""

DRONE_SECONDS = 20.0
"""No note up to this long is taken to be stuck, however short the piece."""

PLENTY_OF_MOMENTS = 32
PLENTY_OF_SECONDS = 1.0
PLENTY_OF_NOTES_PER_SECOND = 0.5
PLENTY_OF_BITS = 2.0
"""The entropy of four pitches used equally; a kit's kick, snare and hat have some 1.5 bits."""

ON_GRID_STEPS = 0.1
CHANCE_ON_GRID = 2 * ON_GRID_STEPS
"""What a player who does not think of the grid hits of it."""

PERFORMED_BELOW = (1 + CHANCE_ON_GRID) / 2

LEGATO_SECONDS = 0.05
"""How long a played note may still sound under the next one of its voice."""


@dataclass(frozen=True, slots=True)
class Quality:
    """What a piece is worth: `score` is the geometric mean of the seven parts, all 0 to 1.

    `rejected_because` is a sentence and `rejected_by` the name of the setting whose threshold was
    broken; both are None where the piece may stay.
    """

    score: float
    density: float
    silence: float
    range: float
    length: float
    variety: float
    alignment: float
    stuck: float
    is_performed: bool
    rejected_because: str | None
    rejected_by: str | None


PARTS = ("density", "silence", "range", "length", "variety", "alignment", "stuck")


def judge(score: Score, settings: QualitySettings = DEFAULT_QUALITY) -> Quality:
    """Measure a piece and hold it against `settings`. Pure: the same score, the same verdict.

    Of several thresholds a piece breaks, the first in the order of the checks is named.
    """
    if not len(score.notes):
        nothing = dict.fromkeys(PARTS, 0.0)
        return _verdict(nothing, 0.0, False, ("least_notes", "there are no notes in it"))
    found = _measure(score)
    parts = _parts(found, settings)
    mean = math.prod(parts.values()) ** (1 / len(parts))
    fault = next(_faults(found, settings), None) or _too_many_voices(score, settings)
    if fault is None and mean < settings.least_quality:
        worst = min(parts, key=lambda name: parts[name])
        fault = (
            "least_quality",
            f"quality {mean:.2f}, lower than the {settings.least_quality:g} a piece needs; "
            f"its {worst} is worst, {parts[worst]:.2f}",
        )
    return _verdict(parts, mean, found.on_grid_share < PERFORMED_BELOW, fault)


def _verdict(
    parts: dict[str, float], mean: float, is_performed: bool, fault: tuple[str, str] | None
) -> Quality:
    rule, sentence = fault or (None, None)
    return Quality(
        score=round(mean, 4),
        **{name: round(part, 4) for name, part in parts.items()},
        is_performed=is_performed,
        rejected_because=sentence,
        rejected_by=rule,
    )


@dataclass(frozen=True, slots=True)
class _Measures:
    """What the parts and the thresholds are reckoned from."""

    notes: int
    moments: int
    bars: int
    seconds: float
    notes_per_second: float
    busiest_second: int
    most_together: int
    longest_silence_seconds: float
    silent_share: float
    longest_note_seconds: float
    longest_note_pitch: int
    main_pitch: int
    main_pitch_notes: int
    pitch_bits: float
    out_of_range_share: float
    on_grid_share: float


def _measure(score: Score) -> _Measures:
    notes = score.notes
    count = len(notes)
    starts = score.seconds(notes.start_ticks)
    ends = score.seconds(notes.end_ticks)
    sounded_until = np.maximum.accumulate(ends)
    seconds = float(sounded_until[-1])
    silences = starts.copy()
    silences[1:] -= sounded_until[:-1]
    longest_silence = max(float(silences.max()), 0.0)
    silent = float(np.maximum(silences - BREATH_SECONDS, 0).sum())

    is_drum = drum_notes(score)
    lengths = np.where(is_drum, 0.0, ends - starts)
    longest = int(lengths.argmax())

    pitch = notes.pitch.astype(np.int64)
    uses = np.bincount(pitch + 128 * is_drum, minlength=256)
    shares = uses[uses > 0] / count
    main = int(uses.argmax())
    beyond = count - uses[_IN_RANGE].sum()

    moments, together = runs(notes.start_ticks)
    return _Measures(
        notes=count,
        moments=len(moments),
        bars=score.bar_count,
        seconds=seconds,
        notes_per_second=count / max(seconds - silent, 1e-9),
        busiest_second=int(runs(starts.astype(np.int64))[1].max()),
        most_together=int(together.max()),
        longest_silence_seconds=longest_silence,
        silent_share=silent / seconds,
        longest_note_seconds=float(lengths[longest]),
        longest_note_pitch=int(pitch[longest]),
        main_pitch=main % 128,
        main_pitch_notes=int(uses[main]),
        pitch_bits=max(-float(shares @ np.log2(shares)), 0.0),
        out_of_range_share=float(beyond) / count,
        on_grid_share=_on_grid(notes.start_ticks[moments], score.ticks_per_quarter),
    )


_IN_RANGE = np.zeros(256, np.bool_)
_IN_RANGE[PIANO_PITCHES[0] : PIANO_PITCHES[1] + 1] = True
_IN_RANGE[128 + DRUM_PITCHES[0] : 128 + DRUM_PITCHES[1] + 1] = True


def _on_grid(onset_ticks: NDArray[np.int64], ticks_per_quarter: int) -> float:
    """The share of onsets on the grid of 24 steps a quarter, moved as a whole to fit best.

    On it means within a tenth of a step, or half a tick where ticks are coarser.
    """
    # Positions between two steps, in ticks over 24 – whole numbers from 0 to ticks_per_quarter.
    within = np.bincount(
        (onset_ticks * STEPS_PER_QUARTER) % ticks_per_quarter, minlength=ticks_per_quarter
    )
    # The circular mean is where the onsets lie on the whole: files often begin a little off.
    east, north = _circle(ticks_per_quarter) @ within.astype(np.float64)
    offset = math.atan2(north, east) / (2 * np.pi)
    positions = np.arange(ticks_per_quarter) / ticks_per_quarter - offset
    tolerance = max(ON_GRID_STEPS, STEPS_PER_QUARTER / (2 * ticks_per_quarter))
    near = np.abs(positions - np.rint(positions)) <= tolerance + 1e-9
    return float(within[near].sum() / len(onset_ticks))


@lru_cache(maxsize=16)
def _circle(points: int) -> NDArray[np.float64]:
    angles = 2 * np.pi * np.arange(points) / points
    return np.stack([np.cos(angles), np.sin(angles)])


def _parts(found: _Measures, settings: QualitySettings) -> dict[str, float]:
    sparse = found.notes_per_second / PLENTY_OF_NOTES_PER_SECOND
    hit = abs(found.on_grid_share - PERFORMED_BELOW) / (1 - PERFORMED_BELOW)
    return {
        "density": _clip(sparse) * _falling(found.busiest_second, settings.most_notes_per_second),
        "silence": 1 - _clip(found.silent_share),
        "range": 1 - _clip(found.out_of_range_share / max(settings.most_out_of_range, 1e-9)),
        "length": _clip(found.moments / PLENTY_OF_MOMENTS)
        * _clip(found.seconds / PLENTY_OF_SECONDS)
        * _falling(found.seconds, settings.longest_seconds),
        "variety": _clip(found.pitch_bits / PLENTY_OF_BITS),
        # Plainly on the grid and plainly played are both 1; halfway between, half.
        "alignment": 0.5 + 0.5 * _clip(hit),
        "stuck": _falling(found.longest_note_seconds, settings.longest_note_seconds, 1 / 3),
    }


def _faults(found: _Measures, settings: QualitySettings) -> Iterator[tuple[str, str]]:
    """Each threshold that is broken: the setting, and the sentence that says so."""
    s = settings
    if found.notes < s.least_notes:
        yield "least_notes", f"{_count(found.notes)}, fewer than the {s.least_notes} a piece needs"
    if found.bars < s.least_bars:
        bars = f"{found.bars:,} bar" + ("s" if found.bars > 1 else "")
        yield "least_bars", f"{bars}, fewer than the {s.least_bars} a piece needs"
    if found.main_pitch_notes > s.most_on_one_pitch * found.notes:
        yield (
            "most_on_one_pitch",
            f"{found.main_pitch_notes:,} of {_count(found.notes)} are on pitch {found.main_pitch}, "
            f"more than the {s.most_on_one_pitch:.0%} a piece may have on one",
        )
    if found.most_together > s.most_notes_together:
        yield (
            "most_notes_together",
            f"{_count(found.most_together)} start at one moment, more than the "
            f"{s.most_notes_together} that may",
        )
    if found.busiest_second > s.most_notes_per_second:
        yield (
            "most_notes_per_second",
            f"{_count(found.busiest_second)} start within one second, more than the "
            f"{s.most_notes_per_second} that may",
        )
    note = (
        f"a note on pitch {found.longest_note_pitch} sounds for {found.longest_note_seconds:,.0f} s"
    )
    if found.longest_note_seconds > s.longest_note_seconds:
        yield "longest_note_seconds", f"{note}, longer than {s.longest_note_seconds:g} s: stuck"
    if found.longest_note_seconds > max(DRONE_SECONDS, s.longest_note_share * found.seconds):
        yield (
            "longest_note_share",
            f"{note} of the {found.seconds:,.0f} s the piece lasts, more than "
            f"{s.longest_note_share:.0%}: stuck",
        )
    if found.longest_silence_seconds > s.longest_silence_seconds:
        yield (
            "longest_silence_seconds",
            f"{found.longest_silence_seconds:,.0f} s of silence, longer than the "
            f"{s.longest_silence_seconds:g} s a piece may have",
        )
    if found.seconds > s.longest_seconds:
        yield (
            "longest_seconds",
            f"it lasts {found.seconds:,.0f} s, longer than the {s.longest_seconds:g} s a piece may",
        )
    if found.notes_per_second < s.least_notes_per_second:
        yield (
            "least_notes_per_second",
            f"{found.notes_per_second:.2g} notes a second, fewer than the "
            f"{s.least_notes_per_second:g} a piece needs",
        )
    if found.out_of_range_share > s.most_out_of_range:
        yield (
            "most_out_of_range",
            f"{found.out_of_range_share:.0%} of the notes lie beyond a piano's range or a drum "
            f"kit's, more than the {s.most_out_of_range:.0%} that may",
        )


def _too_many_voices(score: Score, settings: QualitySettings) -> tuple[str, str] | None:
    if not settings.least_two_voices:
        return None
    share = two_voices_share(score)
    if share >= settings.least_two_voices:
        return None
    # Rounded down: 90% must not be fewer than 90%.
    return (
        "least_two_voices",
        f"{math.floor(100 * share)}% of the music has no more than two notes at once, less than "
        f"the {settings.least_two_voices:.0%} a piece in two voices needs",
    )


def two_voices_share(score: Score) -> float:
    """The share of the time in which notes sound that has one or two of them, drums aside.

    A note's last 50 ms, half of it at most, do not count: played notes overlap the next of their
    voice. 0 where nothing but drums sounds.
    """
    notes = score.notes.take(~drum_notes(score))
    starts, ends = score.seconds(notes.start_ticks), score.seconds(notes.end_ticks)
    ends = np.maximum(ends - LEGATO_SECONDS, (starts + ends) / 2)
    when = np.concatenate([starts, ends])
    order = np.argsort(when, kind="stable")
    sounding = np.cumsum(np.repeat([1, -1], len(notes))[order])[:-1]
    lasts = np.diff(when[order])
    total = float(lasts[sounding > 0].sum())
    return float(lasts[(sounding > 0) & (sounding <= 2)].sum()) / total if total else 0.0


def _count(notes: int) -> str:
    return f"{notes:,} note" + ("s" if notes != 1 else "")


def _clip(value: float) -> float:
    return min(max(value, 0.0), 1.0)


def _falling(value: float, limit: float, fine: float = 0.5) -> float:
    """1 up to the share `fine` of a limit, then falling to 0 at the limit itself."""
    return _clip((limit - value) / (limit * (1 - fine)))
