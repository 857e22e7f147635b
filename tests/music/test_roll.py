"""Piano rolls keep what a roll can keep, say what they cannot, and stay within bounds."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from tests.strategies import scores
from woodshed.errors import BadMusic, UsageError
from woodshed.music.columns import MAX_TICKS
from woodshed.music.notes import Notes
from woodshed.music.roll import MAX_FRAMES, PianoRoll, from_roll, to_roll
from woodshed.music.score import Part, Score
from woodshed.music.time import TempoMap

RATES = st.sampled_from((1, 7, 16, 100, 480))
LEVELS = st.sampled_from((1, 2, 32, 100, 127))

# Ends of what MIDI holds: hours a quarter would only test the bounds, which have their own tests.
MUSICAL = scores().map(lambda score: score.replace(tempos=TempoMap.constant(97)))


def piano(*rows: tuple[int, int, int, int], ticks_per_quarter: int = 480) -> Score:
    """A piano part at 120 quarters a minute, from (start, end, pitch, velocity).

    At 480 ticks a quarter and 16 frames a second a frame is 60 ticks long.
    """
    notes = [(start, end - start, pitch, velocity, 0) for start, end, pitch, velocity in rows]
    return Score(ticks_per_quarter, Notes.from_rows(notes), (Part("Piano"),))


def runs(roll: PianoRoll, pitch: int) -> list[tuple[Any, ...]]:
    """The unbroken runs of one key: first frame, end frame, activation at the beginning."""
    column = [0.0, *roll.activation[:, pitch - 21].tolist(), 0.0]
    firsts = [f for f in range(1, len(column)) if column[f] and not column[f - 1]]
    ends = [f for f in range(1, len(column)) if not column[f] and column[f - 1]]
    return [(a - 1, b - 1, column[a]) for a, b in zip(firsts, ends, strict=True)]


def losses(roll: PianoRoll) -> dict[str, int]:
    return {loss.kind: loss.count for loss in roll.left_out}


def slow_roll(score: Score, fps: int, levels: int, frames: int) -> np.ndarray:
    """Paint note by note: join what begins together or next door, then keep a frame between."""
    notes = score.notes
    strokes: dict[int, list[tuple[int, int, int]]] = {}
    for row in range(len(notes)):
        pitch, velocity = int(notes.pitch[row]), int(notes.velocity[row])
        if score.parts[int(notes.part[row])].is_drum or not 21 <= pitch <= 108:
            continue
        first, end = (
            math.floor(float(score.seconds(ticks[row])) * fps + 0.5)
            for ticks in (notes.start_ticks, notes.end_ticks)
        )
        if first < frames:
            level = math.ceil(Fraction(velocity * levels, 127))
            strokes.setdefault(pitch, []).append((first, min(max(end, first + 1), frames), level))
    painted = {}
    for pitch, struck in strokes.items():
        joined: list[list[int]] = []
        for first, end, level in sorted(struck):
            if joined and first - joined[-1][3] <= 1:
                last = joined[-1]
                joined[-1] = [last[0], max(last[1], end), max(last[2], level), first]
            else:
                joined.append([first, end, level, first])
        for stroke, following in zip(joined, [*joined[1:], None], strict=True):
            end = stroke[1] if following is None else min(stroke[1], following[0] - 1)
            for frame in range(stroke[0], end):
                painted[frame, pitch - 21] = 0.3 + 0.7 * (stroke[2] - 0.5) / levels
    roll = np.zeros((max((frame + 1 for frame, _ in painted), default=0), 88), np.float32)
    for place, activation in painted.items():
        roll[place] = activation
    return roll


@given(MUSICAL, RATES, LEVELS, st.sampled_from((0.5, 3.0, 60.0)))
def test_a_roll_is_what_a_slow_painter_paints(score, fps, levels, max_seconds):
    roll = to_roll(score, fps, levels, max_seconds)
    expected = slow_roll(score, fps, levels, math.floor(max_seconds * fps))
    assert roll.activation.shape == expected.shape
    assert_allclose(roll.activation, expected, rtol=1e-6)
    assert roll.activation.dtype == np.float32


@given(MUSICAL, RATES, LEVELS)
def test_a_roll_survives_the_way_to_a_score_and_back(score, fps, levels):
    roll = to_roll(score, fps, levels)
    again = to_roll(from_roll(roll), fps, levels)
    assert again == roll
    assert again.left_out == ()


@given(MUSICAL)
def test_every_note_is_kept_joined_or_left_out(score):
    roll = to_roll(score, max_seconds=3)
    assert len(from_roll(roll).notes) + sum(losses(roll).values()) == len(score.notes)


@given(st.integers(1, 127), LEVELS)
def test_dynamics_survive_to_half_a_level(velocity, levels):
    back = from_roll(to_roll(piano((0, 480, 60, velocity)), velocity_levels=levels))
    width = math.ceil(127 / levels)
    assert abs(int(back.notes.velocity[0]) - velocity) <= width / 2


def test_dynamics_never_turn_round():
    velocities = range(1, 128)
    score = piano(*((v * 120, v * 120 + 60, 60, v) for v in velocities))
    back = from_roll(to_roll(score)).notes.velocity
    assert len(back) == 127
    assert np.all(np.diff(back.astype(int)) >= 0)
    assert len(np.unique(back)) == 32


def test_frames_by_hand():
    # Half a frame rounds up; a note shorter than a frame keeps one.
    roll = to_roll(piano((0, 960, 60, 127), (90, 240, 21, 1), (149, 150, 108, 64)))
    assert roll.activation.shape == (16, 88)
    assert roll.duration_seconds == 1
    middle = 0.7 / 32 / 2  # from a level's edge to its middle
    assert runs(roll, 60) == [(0, 16, pytest.approx(1 - middle))]
    assert runs(roll, 21) == [(2, 4, pytest.approx(0.3 + middle))]
    assert [run[:2] for run in runs(roll, 108)] == [(2, 3)]
    assert np.count_nonzero(roll.activation) == 19


def test_a_repeated_note_stays_two():
    # One ends where the next begins; one still sounds when the next begins; all of one key.
    score = piano((0, 240, 60, 64), (240, 900, 60, 90), (480, 600, 60, 64))
    roll = to_roll(score)
    assert [run[:2] for run in runs(roll, 60)] == [(0, 3), (4, 7), (8, 10)]
    assert roll.left_out == ()
    assert from_roll(roll).notes.start_ticks.tolist() == [0, 240, 480]
    # A frame of silence is already between these two.
    apart = to_roll(piano((0, 180, 60, 64), (240, 480, 60, 64)))
    assert [run[:2] for run in runs(apart, 60)] == [(0, 3), (4, 8)]


def test_strokes_too_near_for_two_become_one_and_are_told():
    score = piano((0, 60, 60, 30), (60, 120, 60, 90), (0, 600, 60, 10), (0, 60, 61, 10))
    roll = to_roll(score)
    assert losses(roll) == {"joined": 2}
    back = from_roll(roll)
    assert back.notes.end_ticks.tolist() == [600, 60]
    assert abs(int(back.notes.velocity[0]) - 90) <= 2


def test_what_is_left_out_is_told():
    rows = [(0, 60, 20, 64, 0), (0, 60, 109, 64, 0), (0, 60, 36, 64, 1), (960, 1920, 60, 64, 0)]
    score = Score(480, Notes.from_rows(rows), (Part("Piano"), Part("Kit", is_drum=True)))
    assert losses(to_roll(score)) == {"drums": 1, "off the keyboard": 2}
    early = to_roll(score, max_seconds=1)
    assert losses(early) == {"drums": 1, "off the keyboard": 2, "too late": 1}
    assert early.activation.shape == (0, 88)
    # A note that goes on is shortened, not left out.
    assert to_roll(score, max_seconds=1.5).activation.shape == (24, 88)


def test_an_empty_score_is_an_empty_roll():
    roll = to_roll(Score())
    assert roll.activation.shape == (0, 88)
    assert from_roll(roll).notes == Notes.empty()


def test_a_models_roll_is_read_above_the_threshold():
    activation = np.zeros((6, 88), np.float32)
    activation[:, 0] = [0.29, 0.3, 0.9, 0.1, 1.0, 1.0]
    activation[:, 87] = 0.05
    roll = PianoRoll(activation)
    notes = from_roll(roll).notes
    assert notes.start_ticks.tolist() == [60, 240]
    assert notes.end_ticks.tolist() == [180, 360]
    assert notes.pitch.tolist() == [21, 21]
    # The mean of 0.3 and 0.9 is 3/7 of the way from 0.3 to 1: level 14 of 32, velocities 52 to 55.
    assert 52 <= notes.velocity[0] <= 55
    assert 124 <= notes.velocity[1] <= 127
    assert from_roll(roll, 0.95).notes.start_ticks.tolist() == [240]
    quiet = from_roll(roll, 0.05).notes
    assert quiet.pitch.tolist() == [21, 108]
    assert 1 <= quiet.velocity[1] <= 3


@given(st.integers(0, 2**32 - 1), st.floats(0.01, 1))
def test_any_activation_becomes_legal_notes(seed, threshold):
    activation = np.random.default_rng(seed).random((40, 88), np.float32)
    notes = from_roll(PianoRoll(activation), threshold).notes
    assert notes.duration_ticks.sum() == 60 * np.count_nonzero(activation >= np.float32(threshold))


@pytest.mark.parametrize("ticks_per_quarter", [1, 480])
@pytest.mark.parametrize("max_seconds", [None, 1e18, math.inf])
def test_an_endless_score_is_refused_before_its_roll_is_made(ticks_per_quarter, max_seconds):
    endless = piano((0, MAX_TICKS, 60, 64), ticks_per_quarter=ticks_per_quarter)
    endless = endless.replace(tempos=TempoMap.from_rows([(0, 2**24 - 1)]))
    with pytest.raises(UsageError, match=r"frames is longer than 500,000"):
        to_roll(endless, max_seconds=max_seconds)
    assert to_roll(endless).activation.shape == (960, 88)


def test_a_roll_may_have_as_many_frames_as_the_limit():
    score = piano((0, 60 * MAX_FRAMES, 60, 64))
    assert len(to_roll(score, max_seconds=None).activation) == MAX_FRAMES
    with pytest.raises(UsageError, match="500,001 frames"):
        to_roll(piano((0, 60 * (MAX_FRAMES + 1), 60, 64)), max_seconds=None)


@pytest.mark.parametrize(
    ("settings", "value"),
    [
        ({"frames_per_second": 0}, "0 frames"),
        ({"frames_per_second": 481}, "481 frames"),
        ({"velocity_levels": 0}, "0 velocity levels"),
        ({"velocity_levels": 128}, "128 velocity levels"),
        ({"max_seconds": 0}, "0 seconds"),
        ({"max_seconds": -1}, "-1 seconds"),
        ({"max_seconds": math.nan}, "nan seconds"),
    ],
)
def test_settings_that_make_no_roll_are_refused(settings, value):
    with pytest.raises(UsageError, match=value):
        to_roll(Score(), **settings)


@pytest.mark.parametrize("threshold", [0, -0.1, 1.1, math.nan])
def test_thresholds_outside_0_to_1_are_refused(threshold):
    with pytest.raises(UsageError, match=f"threshold of {threshold:g}"):
        from_roll(PianoRoll(np.zeros((1, 88), np.float32)), threshold)


@pytest.mark.parametrize(
    ("activation", "value"),
    [
        (np.zeros((4, 87)), r"\[4, 87\]"),
        (np.zeros(88), r"\[88\]"),
        (np.full((1, 88), 1.5), "1.5"),
        (np.full((1, 88), -0.5), "-0.5"),
        (np.full((1, 88), np.nan), "nan"),
    ],
)
def test_what_is_no_roll_is_refused(activation, value):
    with pytest.raises(BadMusic, match=value):
        PianoRoll(activation)


def test_rolls_are_read_only_and_equal_by_what_they_hold():
    roll = to_roll(piano((0, 60, 60, 64)))
    with pytest.raises(ValueError, match="read-only"):
        roll.activation[0, 0] = 1
    assert roll == PianoRoll(np.array(roll.activation))
    assert roll != PianoRoll(roll.activation, frames_per_second=8)
    assert roll != PianoRoll(roll.activation, velocity_levels=8)
    assert roll != PianoRoll(np.zeros((1, 88), np.float32))
