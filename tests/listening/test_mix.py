"""The limiter never clips, stays out of the way, and leaves stems a sum."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from woodshed.listening.mix import CEILING_DB, Limiter, PeakFinder, decibels, factor

RATE = 44100
CEILING = factor(CEILING_DB)


def limited(signal: NDArray[np.float32], block: int = 1000) -> NDArray[np.float32]:
    limiter = Limiter(RATE)
    steps = range(0, signal.shape[1], block)
    return np.concatenate(
        [*(limiter.limit(signal[:, n : n + block]) for n in steps), limiter.finish()], axis=1
    )


def noise(frames: int, level: float, stems: int = 1, seed: int = 3) -> NDArray[np.float32]:
    return np.random.default_rng(seed).normal(0, level, (stems, frames, 2)).astype(np.float32)


@given(
    frames=st.integers(1, 3000),
    block=st.integers(1, 4000),
    level=st.sampled_from([0.01, 0.5, 3.0, 50.0]),
    stems=st.integers(1, 3),
    seed=st.integers(0, 99),
)
def test_no_sample_is_over_the_ceiling(
    frames: int, block: int, level: float, stems: int, seed: int
) -> None:
    out = limited(noise(frames, level, stems, seed), block)
    assert out.shape == (stems, frames, 2)
    assert np.abs(out.sum(axis=0)).max(initial=0.0) <= CEILING * 1.00001
    assert np.abs(out).max(initial=0.0) <= 1.00001


def test_nothing_happens_to_what_is_low_enough() -> None:
    signal = noise(20_000, 0.1)
    assert np.array_equal(limited(signal), signal)


def test_blocks_make_no_difference() -> None:
    signal = noise(9000, 1.0)
    assert limited(signal, 9000) == pytest.approx(limited(signal, 113), abs=1e-6)


def test_gain_is_down_before_a_peak_and_comes_back_without_a_jump() -> None:
    signal = np.full((1, RATE, 2), 0.5, np.float32)
    signal[:, 20_000] = 4.0
    gain = limited(signal)[0, :, 0] / signal[0, :, 0]
    assert gain[20_000] == pytest.approx(CEILING / 4, rel=1e-3)
    assert gain[19_000] == 1.0
    assert np.abs(np.diff(gain)).max() < 0.01
    assert gain[20_000 + RATE // 2] > 0.95


def test_stems_still_sum_to_the_limited_mix() -> None:
    stems = noise(20_000, 0.2, stems=3)
    stems[:, 7000:7010] *= 1.5
    mix = stems.sum(axis=0, keepdims=True)
    assert limited(stems).sum(axis=0) == pytest.approx(limited(mix)[0], abs=1e-5)


def test_a_stem_that_would_clip_alone_counts() -> None:
    """Two stems that cancel: the mix is silent, yet neither file may be cut off."""
    one = noise(5000, 0.8)
    out = limited(np.concatenate([one, -one]))
    assert np.abs(out).max() <= 1.0
    assert np.abs(out[0]).max() > 0.9


def test_peaks_between_samples_are_seen() -> None:
    """A quarter of the sample rate, caught at 45 degrees: samples say 0.707, the wave is 1."""
    wave = np.sin(np.pi / 2 * np.arange(2000) + np.pi / 4)
    wave *= np.hanning(2000)
    heights = PeakFinder().find(np.repeat(wave[:, None], 2, axis=1).astype(np.float32), 0.0)
    assert np.abs(wave).max() < 0.71
    assert heights.max() == pytest.approx(1.0, abs=0.03)


def test_peaks_between_samples_are_limited() -> None:
    wave = (2 * np.sin(np.pi / 2 * np.arange(8000) + np.pi / 4)).astype(np.float32)
    out = limited(np.repeat(wave[None, :, None], 2, axis=2))
    heights = PeakFinder().find(out[0, 1000:-1000], 0.0)
    assert heights[50:-50].max() <= CEILING * 1.01


def test_shortcuts_do_not_change_what_is_found() -> None:
    signal = noise(5000, 0.2)[0]
    signal[2000:2100] *= 4
    thorough, quick = PeakFinder().find(signal, 0.0), PeakFinder().find(signal, CEILING)
    high = thorough > CEILING
    assert high.any()
    assert np.array_equal(thorough[high], quick[high])


def test_decibels_and_back() -> None:
    assert decibels(factor(-6.0)) == pytest.approx(-6.0)
    assert decibels(0.0) == -np.inf
