"""What a language does to music: every piece there and back, and what grid and bins changed.

The tokens of a piece must decode to exactly what the language sees of it (`reduce`), tags included.
How far that is from the piece itself is told in figures: notes merged or left out, starts, lengths
and velocities moved, changes of tempo, metre, key and chord and pedal events that are gone.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..music.chords import NO_NUMBER, chord_map
from ..music.grid import rescale
from ..music.notes import SUSTAIN
from ..music.score import Score
from .chorale import Chorale, voices_of
from .events import Events
from .language import TokenIds
from .performance import STEP_MS, Performance
from .pieces import heard
from .spoken import Spoken

TIME_BITS = 47
"""Room for a moment in µs beside its voice, in one whole number that sorts by both."""


@dataclass(frozen=True, slots=True)
class RoundTrip:
    """One piece there and back.

    Each note told is compared with the nearest one of its slot and pitch in the piece, in ms at the
    piece's own tempo; shifts are the middle and the largest one. Drum hits have no length to move.
    Where the pedal is written into the lengths of notes, that is the piece; none of it is dropped.
    """

    is_exact: bool
    tokens: int
    notes: int
    notes_told: int
    notes_merged: int
    notes_left_out: int
    onset_shift_ms: float
    most_onset_shift_ms: float
    length_shift_ms: float
    most_length_shift_ms: float
    velocity_shift: float
    seconds_before: float
    seconds_after: float
    tempo_changes_dropped: int
    metre_changes_dropped: int
    keys_dropped: int
    chords_dropped: int
    pedal_events: int
    pedal_events_dropped: int


def round_trip(
    score: Score,
    slots: Sequence[int | None],
    tags: Iterable[str],
    tokens: TokenIds,
    language: Spoken,
) -> RoundTrip:
    """Compare a piece with the `tokens` that are to tell it."""
    pedal_events = int((score.controls.number == SUSTAIN).sum())
    score = heard(score, language)
    if isinstance(language, Chorale):
        voices = _voices(score, slots, language)
        reduced = language.decode(language.encoded_or_empty(score, slots))
        before, playing = _heard_before(score, voices, language), np.arange(4)
    else:
        reduced = language.reduce(score, slots)
        before = _heard_before(score, slots, language)
        playing = np.unique(before.slot)
    after = _heard_after(score, reduced, playing, language)
    match = _nearest(before, after)
    onsets = np.abs(before.start[match] - after.start) * 1000
    lengths = np.abs((before.end - before.start)[match] - (after.end - after.start)) * 1000
    lengths = lengths[after.has_length]
    velocities = np.abs(before.velocity[match] - after.velocity)
    return RoundTrip(
        is_exact=language.decode(tokens) == reduced and _tags_told(tokens, tags, language),
        tokens=len(tokens),
        notes=len(score.notes),
        notes_told=len(reduced.notes),
        notes_merged=len(before.slot) - len(reduced.notes),
        notes_left_out=len(score.notes) - len(before.slot),
        onset_shift_ms=_middle(onsets),
        most_onset_shift_ms=_rounded(onsets.max(initial=0.0)),
        length_shift_ms=_middle(lengths),
        most_length_shift_ms=_rounded(lengths.max(initial=0.0)),
        velocity_shift=_rounded(velocities.mean() if len(velocities) else 0.0),
        seconds_before=_rounded(score.duration_seconds),
        seconds_after=_rounded(reduced.duration_seconds),
        tempo_changes_dropped=len(score.tempos) - 1,
        metre_changes_dropped=_metres_dropped(score, reduced, language),
        keys_dropped=len(score.keys) - len(reduced.keys),
        chords_dropped=_chord_changes(score) - _chord_changes(reduced),
        pedal_events=pedal_events,
        pedal_events_dropped=int((score.controls.number == SUSTAIN).sum()),
    )


def _voices(score: Score, slots: Sequence[int | None], chorale: Chorale) -> list[int | None]:
    """For each part the voice it is; none for all of them where that cannot be told."""
    found: list[int | None] = [None] * len(score.parts)
    if chorale.refusal(score, slots) is None:
        for voice, part in enumerate(voices_of(score, slots)):
            if part is not None:
                found[part] = voice
    return found


@dataclass(frozen=True, slots=True)
class _Heard:
    """Notes as they sound, in seconds of the piece's own time."""

    start: NDArray[np.float64]
    end: NDArray[np.float64]
    slot: NDArray[np.int64]
    pitch: NDArray[np.int64]
    velocity: NDArray[np.int64]
    has_length: NDArray[np.bool_]

    def moments(self) -> NDArray[np.int64]:
        """Slot, pitch and start in µs in one whole number that sorts as they do."""
        microseconds = np.clip(np.rint(self.start * 1e6), 0, 2**TIME_BITS - 1).astype(np.int64)
        # A bit more than needed: two voices are always further apart than two moments of one.
        return (self.slot << 7 | self.pitch) << (TIME_BITS + 1) | microseconds


def _heard_before(score: Score, slots: Sequence[int | None], language: Spoken) -> _Heard:
    """The notes of a piece that a language tells."""
    if isinstance(language, Performance):  # one player, no drums
        slots = [
            None if part.is_drum or slot is None else 0
            for part, slot in zip(score.parts, slots, strict=True)
        ]
    slot_of = np.array([-1 if slot is None else slot for slot in slots], np.int64)
    slot = slot_of[score.notes.part]
    notes, slot = score.notes.take(slot >= 0), slot[slot >= 0]
    return _Heard(
        score.seconds(notes.start_ticks), score.seconds(notes.end_ticks), slot,
        notes.pitch.astype(np.int64), notes.velocity.astype(np.int64), np.ones(len(slot), bool),
    )  # fmt: skip


def _heard_after(
    score: Score, reduced: Score, playing: NDArray[np.int64], language: Spoken
) -> _Heard:
    """What became of them; the parts of `reduced` are the slots `playing`."""
    notes = reduced.notes

    def seconds(ticks: NDArray[np.int64]) -> NDArray[np.float64]:
        if isinstance(language, Performance):
            return np.asarray(ticks * (STEP_MS / 1000), np.float64)
        return score.seconds(rescale(ticks, score.ticks_per_quarter, reduced.ticks_per_quarter))

    drums = np.array([part.is_drum for part in reduced.parts], bool)
    return _Heard(
        seconds(notes.start_ticks), seconds(notes.end_ticks), playing[notes.part],
        notes.pitch.astype(np.int64), notes.velocity.astype(np.int64), ~drums[notes.part],
    )  # fmt: skip


def _nearest(before: _Heard, after: _Heard) -> NDArray[np.int64]:
    """For each note after, the nearest of its slot and pitch before; of several the longest."""
    moments = before.moments()
    order = np.lexsort((before.end, moments))
    own, wanted = moments[order], after.moments()
    later = np.minimum(np.searchsorted(own, wanted, side="right"), max(len(own) - 1, 0))
    earlier = np.maximum(np.searchsorted(own, wanted, side="right") - 1, 0)
    later = np.searchsorted(own, own[later], side="right") - 1
    is_earlier = np.abs(own[earlier] - wanted) <= np.abs(own[later] - wanted)
    return order[np.where(is_earlier, earlier, later)]


def _metres_dropped(score: Score, reduced: Score, language: Spoken) -> int:
    """Changes of metre after which the language counts otherwise than the piece."""
    metres, told = score.metres, reduced.metres
    if not isinstance(language, Events):
        return len(metres) - 1
    steps = rescale(metres.ticks, reduced.ticks_per_quarter, score.ticks_per_quarter)
    row = np.searchsorted(told.ticks, steps, side="right") - 1
    is_told = (told.numerator[row] == metres.numerator) & (
        told.denominator[row] == metres.denominator
    )
    return int((~is_told[1:]).sum())


def _chord_changes(score: Score) -> int:
    """How often the chord becomes another."""
    number = np.minimum(chord_map(score.texts).numbers(), NO_NUMBER)
    return int(np.count_nonzero(np.diff(number, prepend=NO_NUMBER)))


def _tags_told(tokens: TokenIds, tags: Iterable[str], language: Spoken) -> bool:
    """Whether tokens tell all tags and no others; other languages have none."""
    if not isinstance(language, Events):
        return True
    table = language.language
    of_tags = tokens[table.group_of[tokens] == table.row("TAG")]
    return [language.tags[n] for n in table.value_of[of_tags].tolist()] == sorted(tags)


def _middle(values: NDArray[np.float64]) -> float:
    return _rounded(np.median(values) if len(values) else 0.0)


def _rounded(value: float | np.floating) -> float:
    return round(float(value), 3)
