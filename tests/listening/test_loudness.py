"""Loudness against the figures the standard and the EBU's test signals (Tech 3341) give."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from woodshed.listening.loudness import Meter, gated_lufs, k_weighting


def tone(dbfs: float, seconds: float, rate: int = 48000, hertz: float = 997) -> NDArray[np.float32]:
    wave = 10 ** (dbfs / 20) * np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate)
    return np.repeat(wave[:, None], 2, axis=1).astype(np.float32)


def lufs(*pieces: NDArray[np.float32], rate: int = 48000, block: int = 4096) -> float:
    meter = Meter(rate)
    signal = np.concatenate(pieces)
    for first in range(0, len(signal), block):
        meter.add(signal[first : first + block])
    return meter.lufs


def test_the_filters_are_those_of_the_standard_at_48_khz() -> None:
    expected = [
        [
            1.53512485958697,
            -2.69169618940638,
            1.19839281085285,
            -1.69065929318241,
            0.73248077421585,
        ],
        [1.0, -2.0, 1.0, -1.99004745483398, 0.99007225036621],
    ]
    assert k_weighting(48000) == pytest.approx(np.array(expected), abs=1e-8)


@pytest.mark.parametrize("rate", [44100, 48000])
@pytest.mark.parametrize("dbfs", [-23.0, -33.0])
def test_a_sine_reads_its_own_level(rate: int, dbfs: float) -> None:
    assert lufs(tone(dbfs, 20, rate), rate=rate) == pytest.approx(dbfs, abs=0.02)


def test_a_full_scale_sine_in_one_channel_is_three_below() -> None:
    signal = tone(0.0, 5)
    signal[:, 1] = 0
    assert lufs(signal) == pytest.approx(-3.01, abs=0.02)


@pytest.mark.parametrize(
    "levels",
    [
        [(-36, 10), (-23, 60), (-36, 10)],
        [(-72, 10), (-36, 10), (-23, 60), (-36, 10), (-72, 10)],
        [(-26, 20), (-20, 20.1), (-26, 20)],
    ],
    ids=["case 3", "case 4", "case 5"],
)
def test_quiet_passages_do_not_count(levels: list[tuple[float, float]]) -> None:
    signal = [tone(level, seconds, hertz=1000) for level, seconds in levels]
    assert lufs(*signal) == pytest.approx(-23.0, abs=0.1)


def test_bass_counts_less_and_treble_more() -> None:
    low, middle, high = (lufs(tone(-20, 3, hertz=hertz)) for hertz in (40, 997, 8000))
    assert low < middle - 4
    assert high == pytest.approx(middle + 3.3, abs=0.3)


def test_blocks_make_no_difference() -> None:
    noise = np.random.default_rng(5).normal(0, 0.1, (50_001, 2)).astype(np.float32)
    assert lufs(noise, block=37) == pytest.approx(lufs(noise, block=50_001), abs=1e-9)


def test_silence_has_no_loudness() -> None:
    assert lufs(np.zeros((48000, 2), np.float32)) == -math.inf
    assert lufs(np.zeros((0, 2), np.float32)) == -math.inf


def test_what_is_short_is_measured_as_if_silence_followed() -> None:
    short = lufs(tone(-20, 0.1))
    assert short == pytest.approx(-20 + 10 * math.log10(1 / 4), abs=0.3)


def test_gates_on_numbers_worked_by_hand() -> None:
    # -20, -25 and -31 LUFS: the mean of the first four is -24.5, so -31 counts, and -36 does not.
    energy = 10 ** ((np.array([-20.0, -25.0, -31.0, -36.0, -80.0]) + 0.691) / 10)
    kept = energy[:3].mean()
    assert gated_lufs(energy) == pytest.approx(-0.691 + 10 * math.log10(kept))
