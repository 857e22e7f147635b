"""What a player does beside notes: chokes, bends, controllers, fast repeats, many at once."""

from __future__ import annotations

import numpy as np
import pytest

from woodshed.listening.playing import Track

from . import sounding as s

OPEN_HAT, CLOSED_HAT, PEDAL_HAT, OPEN_TRIANGLE, MUTE_TRIANGLE = 46, 42, 44, 81, 80


@pytest.mark.parametrize(
    ("ringing", "choking"),
    [(OPEN_HAT, CLOSED_HAT), (OPEN_HAT, PEDAL_HAT), (OPEN_TRIANGLE, MUTE_TRIANGLE)],
)
def test_one_drum_chokes_another(ringing, choking):
    alone = s.sound(s.playing([(0.0, 0.1, ringing, 100, 0)], [s.DRUMS]))
    # So soft that only the choking is heard.
    notes = [(0.0, 0.1, ringing, 100, 0), (0.25, 0.3, choking, 1, 0)]
    choked = s.sound(s.playing(notes, [s.DRUMS]))
    assert s.loudness(s.part(choked, 0.05, 0.24)) == pytest.approx(
        s.loudness(s.part(alone, 0.05, 0.24)), abs=0.1
    )
    after = s.loudness(s.part(choked, 0.45, 0.6)) - s.loudness(s.part(alone, 0.45, 0.6))
    assert after < -12


def test_a_drum_elsewhere_chokes_nothing():
    notes = [(0.0, 0.1, OPEN_HAT, 100, 0), (0.25, 0.3, CLOSED_HAT, 1, 1)]
    heard = s.sound(s.playing(notes, [s.DRUMS, s.DRUMS]))
    alone = s.sound(s.playing(notes[:1], [s.DRUMS]))
    assert s.loudness(s.part(heard, 0.45, 0.6)) == pytest.approx(
        s.loudness(s.part(alone, 0.45, 0.6)), abs=0.5
    )


@pytest.mark.parametrize("number", [0, 25, 16, 56])
@pytest.mark.parametrize("semitones", [-2.0, 0.5, 12.0])
def test_a_bend_moves_the_pitch(number, semitones):
    notes = [(0.0, 2.0, 57, 100, 0)]
    music = s.playing(notes, [s.program(number)], bends=[(0.2, 0, semitones)])
    heard = s.part(s.sound(music), 0.4, 1.9)
    assert abs(s.cents_off(heard, s.hertz_of(57 + semitones))) < 3


def test_a_bend_leaves_other_tracks_alone():
    notes = [(0.0, 2.0, 57, 100, 0), (0.0, 2.0, 69, 100, 1)]
    tracks = [Track(73, False, 0), Track(73, False, 1)]
    heard = s.stems(s.playing(notes, tracks, bends=[(0.0, 0, 2.0)]))
    assert abs(s.cents_off(s.part(heard[0], 0.4, 1.9), s.hertz_of(59))) < 3
    assert abs(s.cents_off(s.part(heard[1], 0.4, 1.9), s.hertz_of(69))) < 3


@pytest.mark.parametrize("number", [7, 11])
def test_volume_and_expression_are_heard(number):
    notes = [(0.0, 2.0, 60, 100, 0)]
    loud = s.sound(s.playing(notes, [s.program(19)], [(0.0, 0, number, 120)]))
    changes = [(0.0, 0, number, 120), (1.0, 0, number, 60)]
    heard = s.sound(s.playing(notes, [s.program(19)], changes))
    # The ranks of an organ beat, so the same moment is compared.
    fallen = s.loudness(s.part(loud, 1.5, 1.95)) - s.loudness(s.part(heard, 1.5, 1.95))
    assert fallen == pytest.approx(40 * np.log10(2), abs=1.5)
    # And without a click.
    assert s.roughest(heard, 0.99, 1.05) < 1.5 * s.roughest(heard, 0.8, 0.99)


def test_pan_is_heard():
    notes = [(0.0, 3.0, 45, 100, 0)]
    controls = [(0.0, 0, 10, 0), (1.0, 0, 10, 64), (2.0, 0, 10, 127)]
    heard = s.sound(s.playing(notes, [s.program(25)], controls))

    def lean(start: float) -> float:
        left, right = (s.loudness(s.part(heard, start, start + 0.45)[:, [k]]) for k in (0, 1))
        return right - left

    assert lean(0.5) < -9
    assert abs(lean(1.5)) < 3
    assert lean(2.5) > 9


def test_tracks_without_pan_stand_apart_and_drums_are_spread():
    heard = s.sound(s.playing([(0.0, 0.3, 41, 100, 0)], [s.DRUMS]))
    other = s.sound(s.playing([(0.0, 0.3, 50, 100, 0)], [s.DRUMS]))

    def lean(sound: s.Sound) -> float:
        return s.loudness(sound[:, 1:]) - s.loudness(sound[:, :1])

    assert lean(heard) > 2
    assert lean(other) < -1
    guitars = s.playing(
        [(0.0, 0.5, 50, 100, 0), (0.0, 0.5, 50, 100, 1)],
        [Track(25, False, 0), Track(25, False, 1)],
    )
    first, second = s.stems(guitars)
    assert lean(first) * lean(second) < 0


def test_the_modulation_wheel_shakes_the_pitch():
    notes = [(0.0, 2.0, 69, 100, 0)]
    still, shaken = (
        s.sound(s.playing(notes, [s.program(0)], [(0.0, 0, 1, value)])) for value in (0, 127)
    )

    def width(heard: s.Sound) -> float:
        """How much of the sound around the fundamental is not the fundamental."""
        mono = s.part(heard, 0.5, 1.9).sum(axis=1)
        loud = np.abs(np.fft.rfft(mono * np.blackman(len(mono)))) ** 2
        hertz = np.fft.rfftfreq(len(mono), 1 / s.RATE)
        near, at = np.abs(hertz - 440) < 40, np.abs(hertz - 440) < 3
        return float(1 - loud[at].sum() / loud[near].sum())

    assert width(still) < 0.02
    assert width(shaken) > 0.2


def test_a_fast_repeat_is_not_the_same_sound_twice():
    notes = [(0.5 * n, 0.5 * n + 0.3, 38, 100, 0) for n in range(4)]
    heard = s.sound(s.playing(notes, [s.DRUMS]))
    first, *others = (s.part(heard, 0.5 * n, 0.5 * n + 0.3) for n in range(4))
    for other in others:
        assert np.abs(other - first).max() > 0.01
        assert s.loudness(other) == pytest.approx(s.loudness(first), abs=2.5)


def test_a_thousand_notes_at_once_are_borne():
    notes = [(0.0, 1.0, 21 + n % 88, 100, 0) for n in range(1000)]
    heard = s.sound(s.playing(notes, [s.program(0)]))
    assert np.isfinite(heard).all()


def test_stems_sound_by_themselves():
    """A stem is the same whether or not others play: rooms and effects are each their own."""
    notes = [(0.0, 1.0, 60, 100, 0), (0.2, 1.0, 40, 100, 1)]
    both = s.stems(s.playing(notes, [Track(30, False, 0), Track(33, False, 1)]))
    alone = s.stems(s.playing(notes[:1], [Track(30, False, 0)]))
    size = min(both.shape[1], alone.shape[1])
    np.testing.assert_allclose(both[0, :size], alone[0, :size], atol=1e-6)
