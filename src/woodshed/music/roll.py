"""Piano rolls: a score as frames of equal length, one column for each key, and back.

Knows nothing of models. Pedals are not heard here: pass the score through `hold_sustain` first.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..errors import BadMusic, UsageError
from .grid import rescale
from .notes import Notes
from .score import Part, Repair, Score
from .transform import drum_notes

LOWEST_PITCH = 21
KEYS = 88
"""A piano's keyboard, from A0 to C8."""

FRAMES_PER_SECOND = 16
VELOCITY_LEVELS = 32
MAX_SECONDS = 60.0

THRESHOLD = 0.3
"""A key sounds from this activation on. The softest level begins here: no note is too soft."""

MAX_FRAMES = 500_000
"""A longer roll is refused: this one fills 176 MB and lasts 8.7 hours at 16 frames a second."""

MAX_FRAMES_PER_SECOND = 480
"""A frame of a score made from a roll is at least two ticks long: rounding cannot move it."""

TICKS_PER_QUARTER = 480
TICKS_PER_SECOND = 960  # at 120 quarters a minute


@dataclass(frozen=True, slots=True, eq=False)
class PianoRoll:
    """How strongly each key sounds in each frame: `activation` is float32 [frames, 88], 0 to 1.

    0 is silence; 0.3 to 1 is the range of velocities, in `velocity_levels` equal levels from the
    softest to the loudest, each written as its middle. A model may put anything between 0 and 1
    there. `left_out` says what the roll could not keep of its score; it does not count when rolls
    are compared.
    """

    activation: NDArray[np.float32]
    frames_per_second: int = FRAMES_PER_SECOND
    velocity_levels: int = VELOCITY_LEVELS
    left_out: tuple[Repair, ...] = ()

    def __post_init__(self) -> None:
        _check_settings(self.frames_per_second, self.velocity_levels)
        activation = np.asarray(self.activation, np.float32).view()
        if activation.ndim != 2 or activation.shape[1] != KEYS:
            raise BadMusic(f"a roll has the shape [frames, {KEYS}], not {list(activation.shape)}")
        is_misfit = ~((activation >= 0) & (activation <= 1))  # true of NaN, too
        if is_misfit.any():
            raise BadMusic(f"an activation of {activation[is_misfit][0]:g} is outside 0 to 1")
        activation.flags.writeable = False
        object.__setattr__(self, "activation", activation)

    @property
    def duration_seconds(self) -> float:
        """How long the roll lasts."""
        return len(self.activation) / self.frames_per_second

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, PianoRoll):
            return NotImplemented
        return (
            self.frames_per_second == other.frames_per_second
            and self.velocity_levels == other.velocity_levels
            and np.array_equal(self.activation, other.activation)
        )

    __hash__ = None  # type: ignore[assignment]  # an array inside: equality without a cheap hash


def to_roll(
    score: Score,
    frames_per_second: int = FRAMES_PER_SECOND,
    velocity_levels: int = VELOCITY_LEVELS,
    max_seconds: float | None = MAX_SECONDS,
) -> PianoRoll:
    """All melodic parts of `score` on one keyboard, up to `max_seconds` (None: to the last note).

    Starts and ends go to the nearest frame, and each note keeps at least one. Where a key is struck
    again while it sounds, or in the frame right after, the earlier note ends one frame before, so
    that the two stay two; strokes of a key in the same or in neighbouring frames become one note,
    the longest and loudest of them. Drums, notes off the keyboard and notes after the end are left
    out. Raises `UsageError` for settings out of range and for a roll of more than 500,000 frames.
    """
    _check_settings(frames_per_second, velocity_levels)
    if max_seconds is not None and not max_seconds > 0:
        raise UsageError(f"{max_seconds:g} seconds hold no music; use more, or None for all of it")
    limit = np.inf if max_seconds is None else np.floor(max_seconds * frames_per_second)
    notes = score.notes
    first_frame = _frames(score, notes.start_ticks, frames_per_second)
    is_drum = drum_notes(score)
    is_off = ~is_drum & ((notes.pitch < LOWEST_PITCH) | (notes.pitch >= LOWEST_PITCH + KEYS))
    is_late = ~is_drum & ~is_off & (first_frame >= limit)
    kept = ~(is_drum | is_off | is_late)

    first_frame = first_frame[kept]
    notes = notes.take(kept)
    end_frame = np.maximum(_frames(score, notes.end_ticks, frames_per_second), first_frame + 1)
    end_frame = np.minimum(end_frame, limit).astype(np.int64)
    strokes = _Strokes(
        notes.pitch.astype(np.int64) - LOWEST_PITCH,
        first_frame,
        end_frame,
        _level_of_velocity(notes.velocity, velocity_levels),
    ).apart()
    left_out = (
        Repair("drums", int(is_drum.sum()), "a piano roll has no keys for drums"),
        Repair("off the keyboard", int(is_off.sum()), "a piano plays pitches 21 to 108"),
        Repair("too late", int(is_late.sum()), f"the roll ends after {max_seconds} seconds"),
        Repair(
            "joined",
            len(notes) - len(strokes.key),
            "strokes of a key in the same or in neighbouring frames are one note in a roll",
        ),
    )
    return PianoRoll(
        _activation_of_level(velocity_levels)[strokes.levels()],
        frames_per_second,
        velocity_levels,
        tuple(loss for loss in left_out if loss.count),
    )


def from_roll(roll: PianoRoll, threshold: float = THRESHOLD) -> Score:
    """A score of one piano part: each unbroken run of frames at or above `threshold` is a note.

    Its velocity comes from the mean of its frames: the middle of that level, so at most half a
    level from what was played. The score has 480 ticks a quarter and 120 quarters a minute.
    `to_roll` gives back a roll that came from a score. Raises `UsageError` for a threshold outside
    0 to 1.
    """
    if not 0 < threshold <= 1:
        raise UsageError(f"a threshold of {threshold:g} is outside 0 to 1; the usual one is 0.3")
    by_key = roll.activation.T
    is_active = by_key >= np.float32(threshold)
    edges = np.diff(is_active.astype(np.int8), prepend=0, append=0, axis=1)
    key, first_frame = np.nonzero(edges == 1)
    end_frame = np.nonzero(edges == -1)[1]
    lengths = end_frame - first_frame
    firsts = np.cumsum(lengths) - lengths
    sounding = by_key[is_active].astype(np.float64)
    means = np.add.reduceat(sounding, firsts) / lengths if len(firsts) else sounding
    levels = _level_of_activation(means, roll.velocity_levels)
    starts = rescale(first_frame, TICKS_PER_SECOND, roll.frames_per_second)
    ends = rescale(end_frame, TICKS_PER_SECOND, roll.frames_per_second)
    notes = Notes(
        starts,
        ends - starts,
        (key + LOWEST_PITCH).astype(np.uint8),
        _velocity_of_level(levels, roll.velocity_levels),
        np.zeros(len(starts), np.uint16),
    )
    return Score(TICKS_PER_QUARTER, notes, (Part("Piano"),))


@dataclass(frozen=True, slots=True)
class _Strokes:
    """Keys struck: 0 to 87, from one frame to another, at a level from 1 on."""

    key: NDArray[np.int64]
    first_frame: NDArray[np.int64]
    end_frame: NDArray[np.int64]
    level: NDArray[np.int64]

    def apart(self) -> _Strokes:
        """The same strokes with at least one silent frame between two of one key, in key order."""
        if not len(self.key):
            return self
        order = np.lexsort((self.first_frame, self.key))
        key, first_frame = self.key[order], self.first_frame[order]
        is_new = np.append(True, (np.diff(key) != 0) | (np.diff(first_frame) > 1))
        rows = np.flatnonzero(is_new)
        key, first_frame = key[rows], first_frame[rows]
        end_frame = np.maximum.reduceat(self.end_frame[order], rows)
        # The next stroke begins at least two frames after the last one joined here: one is left.
        room = np.where(key[1:] == key[:-1], first_frame[1:] - 1, end_frame[:-1])
        end_frame[:-1] = np.minimum(end_frame[:-1], room)
        return _Strokes(key, first_frame, end_frame, np.maximum.reduceat(self.level[order], rows))

    def levels(self) -> NDArray[np.int8]:
        """The level of each key in each frame, [frames, 88], 0 where it is silent."""
        frames = int(self.end_frame.max(initial=0))
        if frames > MAX_FRAMES:
            raise UsageError(
                f"a roll of {frames:,} frames is longer than {MAX_FRAMES:,}; "
                "choose fewer seconds or fewer frames a second"
            )
        levels = np.zeros((frames + 1, KEYS), np.int8)
        levels[self.first_frame, self.key] += self.level.astype(np.int8)
        levels[self.end_frame, self.key] -= self.level.astype(np.int8)
        return np.cumsum(levels, axis=0, dtype=np.int8, out=levels)[:-1]


def _frames(score: Score, ticks: NDArray[np.int64], frames_per_second: int) -> NDArray[np.int64]:
    return np.floor(score.seconds(ticks) * frames_per_second + 0.5).astype(np.int64)


def _level_of_velocity(velocity: NDArray[np.uint8], levels: int) -> NDArray[np.int64]:
    """1 to `levels`: 127 velocities in equal steps, so that a level holds 3 or 4 of them at 32."""
    return -(-velocity.astype(np.int64) * levels // 127)


def _velocity_of_level(level: NDArray[np.int64], levels: int) -> NDArray[np.uint8]:
    softest = 127 * (level - 1) // levels + 1
    loudest = 127 * level // levels
    return ((softest + loudest) // 2).astype(np.uint8)


def _activation_of_level(levels: int) -> NDArray[np.float32]:
    """For each level from 0 (silence) to `levels`, the middle of its range above the threshold."""
    middles = THRESHOLD + (1 - THRESHOLD) * (np.arange(1, levels + 1) - 0.5) / levels
    return np.append(0, middles).astype(np.float32)


def _level_of_activation(activation: NDArray[np.float64], levels: int) -> NDArray[np.int64]:
    level = np.floor((activation - THRESHOLD) / (1 - THRESHOLD) * levels).astype(np.int64) + 1
    return np.clip(level, 1, levels)


def _check_settings(frames_per_second: int, velocity_levels: int) -> None:
    if not 1 <= frames_per_second <= MAX_FRAMES_PER_SECOND:
        raise UsageError(
            f"{frames_per_second} frames a second are outside 1 to {MAX_FRAMES_PER_SECOND}"
        )
    if not 1 <= velocity_levels <= 127:
        raise UsageError(f"{velocity_levels} velocity levels are outside 1 to 127")
