"""Sections, choirs and doubled strings: in tune in every variant, and as loud left as right."""

from __future__ import annotations

import numpy as np
import pytest

from woodshed.listening import synth
from woodshed.listening.synth_notes import VARIANTS, prepared
from woodshed.listening.synth_sounds import sounds

from . import sounding as s

SECTIONS = (0, 15, 25, 33, 44, 48, 49, 52, 53)
"""What the lineups play, and sounds of several players or strings."""

CENTRED = (20, 48, 49, 50, 52, 61, 62, 80, 89)


@pytest.mark.parametrize("variant", range(VARIANTS))
@pytest.mark.parametrize("number", SECTIONS)
def test_every_variant_is_in_tune(number, variant, monkeypatch):
    def only(sound, pitch, velocity, _variant, rate):
        return prepared(sound, pitch, velocity, variant, rate)

    monkeypatch.setattr(synth, "prepared", only)
    for pitch in range(21 + 2 * variant, 109, 8):
        heard = s.part(s.one_note(number, pitch, 90, 3.0), 0.0, 3.0)
        assert abs(s.cents_off(heard, s.hertz_of(pitch))) < 3.0, pitch


@pytest.mark.parametrize("number", CENTRED)
def test_a_section_is_as_loud_left_as_right(number):
    power = np.zeros(2)
    for pitch in (45, 50, 55, 60, 64, 69, 74):
        power += np.square(s.one_note(number, pitch, 90), dtype=np.float64).sum(axis=0)
    assert abs(10 * np.log10(power[1] / power[0])) < 1.0


def test_a_band_without_places_in_its_score_leans_to_neither_side():
    kit = sounds()
    band = [kit.programs[number] for number in (52, 53, 25, 0, 33, 29, 25, 48)]
    pans = synth._places([*band, None])
    assert abs(pans.sum()) < 0.35
    assert pans[-1] == 0


@pytest.mark.parametrize("key", [35, 36, 41, 45, 50, 60, 64, 86, 87])
def test_a_drum_has_no_constant_in_it(key):
    heard = s.drum(key, 110)
    assert np.abs(heard.mean(axis=0)).max() < 2e-4 * np.abs(heard).max()


def test_a_gunshot_has_no_constant_in_it():
    heard = s.one_note(127, 60, 110, 0.5)
    assert np.abs(heard.mean(axis=0)).max() < 2e-4 * np.abs(heard).max()
