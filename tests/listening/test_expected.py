"""How loud pieces will be by their notes, beside how loud they are; and that the table is fresh."""

from __future__ import annotations

import math

import numpy as np
import pytest

from tests.listening.bands import QUARTER, one_part
from woodshed.corpus.starter import compose, make_plan
from woodshed.listening import expected
from woodshed.listening.expected import KEYS, expected_lufs, measured, note_loudness
from woodshed.listening.loudness import OFFSET_LUFS, Meter
from woodshed.listening.playing import Playing, playing
from woodshed.listening.synth import Synth
from woodshed.listening.synth_sounds import sounds
from woodshed.music.score import Part, Score


def lufs(music: Playing) -> float:
    meter = Meter(44100)
    for block in Synth().blocks(music):
        meter.add(block.sum(axis=0, dtype=np.float32))
    return meter.lufs


def level(power: float) -> float:
    return OFFSET_LUFS + 10 * math.log10(power)


def test_the_table_is_of_the_sounds_as_they_are() -> None:
    """A ninth of it measured anew. `python benchmarks/sound.py loudness` writes it."""
    table = measured()
    for number in range(0, 128, 9):
        key = number % len(KEYS)
        now, _ = note_loudness(number, KEYS[key])
        assert level(table.program_power[number, key]) == pytest.approx(now, abs=0.5), number
    for number in range(27, 88, 9):
        now, _ = note_loudness(None, number)
        assert level(table.drum_power[number]) == pytest.approx(now, abs=0.5), number
    assert (table.drum_power[list(sounds().drums)] > 1e-8).all()
    assert np.isfinite(table.program_fall).all()


@pytest.mark.parametrize("number", range(5))
def test_songs_come_out_as_loud_as_expected(number: int) -> None:
    music = playing(compose(make_plan(7 * number, 1)), bars=16)
    assert expected_lufs(music) == pytest.approx(lufs(music), abs=2.0)


@pytest.mark.parametrize("program", [0, 19, 30, 45, 48, 73, 89])
def test_one_part_comes_out_as_loud_as_expected(program: int) -> None:
    rows = [(n * 240, 220, 48 + 5 * n % 31, 60 + 7 * n % 60, 0) for n in range(60)]
    music = playing(one_part(rows, part=Part("x", program)), programs="file")
    assert expected_lufs(music) == pytest.approx(lufs(music), abs=2.5)


def test_drum_keys_outside_the_kit_count_as_they_sound() -> None:
    """Electronic kits send 22 and 26 for the rim of a hi-hat."""
    rows = [(n * 240, 60, 22, 100, 0) for n in range(24)]
    part = Part("Drums", 0, is_drum=True, channel=9)
    music = playing(one_part(rows, part=part))
    assert expected_lufs(music) == pytest.approx(lufs(music), abs=2.5)


def test_volume_and_silence_count_as_they_do() -> None:
    rows = [(n * QUARTER, QUARTER, 60, 100, 0) for n in range(16)]
    whole = expected_lufs(playing(one_part(rows)))
    softer = expected_lufs(playing(one_part(rows, controls=[(0, 7, 50, 0)])))
    assert whole - softer == pytest.approx(40 * math.log10(2), abs=0.01)
    # A pause of a minute is below the gates.
    late = [(60 * 960 + start, *rest) for start, *rest in rows]
    paused = playing(one_part([*rows, *[(a, b, c, d, e) for a, b, c, d, e in late]]))
    assert expected_lufs(paused) == pytest.approx(whole, abs=0.5)
    assert expected_lufs(playing(Score())) == -math.inf


def test_a_passage_is_expected_by_itself() -> None:
    rows = [(n * QUARTER, QUARTER, 60, 40 if n < 8 else 120, 0) for n in range(16)]
    music = playing(one_part(rows))
    soft, loud = expected_lufs(music, 0.0, 3.5), expected_lufs(music, 4.0, 4.0)
    assert loud - soft == pytest.approx(20 * 1.85 * math.log10(3), abs=1.5)


def test_hours_are_told_at_once() -> None:
    """Every tenth of a second is worked out once, however many notes there are."""
    rows = [(n * QUARTER, QUARTER, 60, 100, 0) for n in range(2 * 3600 * 2)]
    assert np.isfinite(expected_lufs(playing(one_part(rows))))
    assert expected.FALLS[0] == 0.0
