"""Every program and every drum: it sounds, in tune, without clicks, and dies away."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from woodshed.listening import synth_sounds as table
from woodshed.listening.room import Room
from woodshed.listening.synth_sounds import sounds

from . import sounding as s

GM_DRUMS = range(27, 88)


def test_the_table_has_a_sound_for_every_program_and_drum():
    kit = sounds()
    assert len(kit.programs) == 128
    assert set(kit.drums) == set(GM_DRUMS)
    assert all(isinstance(sound, table.Struck) for sound in kit.drums.values())


@pytest.mark.parametrize("eighth", range(8))
def test_every_program_sounds_and_ends_without_a_click(eighth):
    for number in range(16 * eighth, 16 * eighth + 16):
        heard = s.one_note(number, seconds=0.8)
        assert np.isfinite(heard).all()
        assert s.loudness(s.part(heard, 0.0, 0.8)) > -50, number
        assert np.abs(heard).max() < 1, number
        # It has died away by the end, which comes soon.
        assert np.abs(heard[-200:]).max() < 2e-4, number
        assert 0.8 < len(heard) / s.RATE < 9.0, number
        before = s.roughest(heard, 0.7, 0.795)
        assert s.roughest(heard, 0.795, 0.84) < 1.6 * before + 5e-5, number


@pytest.mark.parametrize("key", [27, 35, 38, 42, 46, 49, 51, 60, 71, 81, 87])
def test_a_drum_dies_away(key):
    heard = s.drum(key)
    assert np.abs(heard[-200:]).max() < 2e-4
    assert len(heard) / s.RATE < 8.2
    early, late = s.part(heard, 0, 0.1), heard[-len(heard) // 4 :]
    assert s.loudness(early) > s.loudness(late) + 20


def test_every_drum_sounds():
    for key in GM_DRUMS:
        heard = s.drum(key)
        assert np.isfinite(heard).all()
        assert 0.003 < np.abs(heard).max() < 1, key


def test_keys_outside_the_kit_sound_all_the_same():
    assert np.abs(s.drum(5)).max() > 0.003
    assert np.abs(s.drum(120)).max() > 0.003


MELODIC = (*range(113), 114)
"""Every program that plays tones: beyond are woodblocks, drums and noises."""


@pytest.mark.parametrize("sixth", range(6))
def test_notes_of_all_programs_are_in_tune_from_a0_to_c8(sixth, monkeypatch):
    """Every program at the ends and at two keys between, others for each: all keys in the end."""
    monkeypatch.setattr(Room, "add", lambda *_: None)
    for number in MELODIC[sixth::6]:
        for pitch in (21, 22 + 7 * number % 43, 65 + 11 * number % 43, 108):
            heard = s.part(s.one_note(number, pitch, 90, 2.0), 0.02, 2.0)
            assert abs(s.tuning_cents(heard, s.hertz_of(pitch))) < 3.0, (number, pitch)


def test_the_measure_of_tuning_finds_what_is_out_of_tune():
    """Waves 5 cents too high: long and short ones, with and without their fundamental."""
    times = np.arange(int(1.98 * s.RATE)) / s.RATE
    for pitch, fall in ((21, 0.0), (60, 0.0), (60, 40.0), (108, 100.0)):
        hertz = s.hertz_of(pitch) * 2 ** (5 / 1200)
        wave = np.exp(-fall * times) * np.sin(2 * np.pi * hertz * times)
        over = np.exp(-fall * times) * np.sin(6 * np.pi * hertz * times)
        for mono in (wave + 0.5 * over, 0.01 * wave + over):
            heard = np.stack((mono, mono), axis=1).astype(np.float32)
            assert s.tuning_cents(heard, s.hertz_of(pitch)) == pytest.approx(5.0, abs=0.7)


@pytest.mark.parametrize("rate", [32000, 48000, 96000])
def test_notes_are_in_tune_at_other_sample_rates(rate):
    for number in (0, 25, 16):
        for pitch in (28, 69, 100):
            music = s.playing([(0.0, 1.5, pitch, 90, 0)], [s.program(number)])
            heard = s.part(s.sound(music, rate), 0.2, 1.5, rate)
            assert abs(s.cents_off(heard, s.hertz_of(pitch), rate)) < 3.0, (number, pitch)


VELOCITIES = (25, 60, 95, 127)


@pytest.mark.parametrize("number", [0, 1, 4, 5, 11, 16, 24, 25, 27, 33, 40, 48, 52, 56, 65, 73, 80])
def test_velocity_makes_a_note_louder_and_brighter(number):
    heard = [s.part(s.one_note(number, 60, v, 0.7), 0.0, 0.6) for v in VELOCITIES]
    loud = [s.loudness(h) for h in heard]
    bright = [s.centroid(h) for h in heard]
    assert all(a + 2 < b for a, b in pairwise(loud)), loud
    assert all(a < b for a, b in pairwise(bright)), bright


@pytest.mark.parametrize("key", [36, 38, 42, 45, 49, 51])
def test_velocity_makes_a_drum_louder_and_brighter(key):
    soft, hard = (s.part(s.drum(key, velocity), 0.0, 0.4) for velocity in (40, 120))
    assert s.loudness(hard) > s.loudness(soft) + 6
    assert s.centroid(hard) > s.centroid(soft) * 1.03


def test_families_are_about_as_loud_as_each_other():
    """At one velocity no program drowns another: within 9 dB of the median, mallets aside."""
    loud = [
        s.loudness(s.part(s.one_note(number, 60, 100, 0.6), 0.0, 0.6))
        for number in (0, 4, 16, 24, 25, 27, 30, 33, 40, 48, 52, 53, 56, 65, 73, 80, 89)
    ]
    assert np.abs(np.array(loud) - np.median(loud)).max() < 9, loud


def test_nothing_aliases():
    """A high saw has no partials but its own."""
    heard = s.part(s.one_note(81, 96, 110, 1.0), 0.3, 1.0)
    loud = np.abs(np.fft.rfft(heard.sum(axis=1) * np.blackman(len(heard))))
    hertz = np.fft.rfftfreq(len(heard), 1 / s.RATE)
    away = np.abs((hertz / s.hertz_of(96) + 0.5) % 1.0 - 0.5) > 0.05
    assert 20 * np.log10(loud[away].max() / loud.max()) < -55
