"""Intervals by resampling, against plain loops and against what is known of chance."""

from __future__ import annotations

import numpy as np
import pytest

from woodshed.evaluation import resampling
from woodshed.evaluation.resampling import Interval, ratio, resampled_sums


def _plain_sums(columns: np.ndarray, resamples: int, seed: int) -> list[list[float]]:
    """One piece at a time."""
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(resamples):
        sums = [0.0] * columns.shape[1]
        for piece in rng.integers(0, len(columns), len(columns)).tolist():
            for column in range(columns.shape[1]):
                sums[column] += float(columns[piece, column])
        found.append(sums)
    return found


@pytest.mark.parametrize("at_once", [1, 50, 2**21])
def test_sums_are_those_of_a_plain_loop(at_once: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resampling, "AT_ONCE", at_once)
    columns = np.random.default_rng(3).normal(5, 2, (11, 3))
    found = resampled_sums(columns, 40, seed=9)
    np.testing.assert_allclose(found, _plain_sums(columns, 40, 9), rtol=1e-12)


def test_an_interval_is_as_wide_as_theory_says() -> None:
    """Of a mean of many it is 1.96 standard errors to either side."""
    bits = np.random.default_rng(0).normal(8, 2, 400)
    ones = np.ones(400)
    sums = resampled_sums(np.stack([bits, ones], axis=1))
    found = ratio(bits, ones, sums[:, 0], sums[:, 1])
    error = bits.std() / 20
    assert found.value == pytest.approx(bits.mean())
    assert found.low == pytest.approx(bits.mean() - 1.96 * error, abs=0.02)
    assert found.high == pytest.approx(bits.mean() + 1.96 * error, abs=0.02)


def test_a_pair_is_surer_than_each_of_it() -> None:
    """Hard pieces are hard for both; that one is a little better shows in the difference only."""
    rng = np.random.default_rng(1)
    hard = rng.normal(8, 3, 60)
    better, worse, ones = hard, hard + rng.normal(0.1, 0.05, 60), np.ones(60)
    sums = resampled_sums(np.stack([better, worse, ones], axis=1))
    one = ratio(better, ones, sums[:, 0], sums[:, 2])
    other = ratio(worse, ones, sums[:, 1], sums[:, 2])
    apart = ratio(worse - better, ones, sums[:, 1] - sums[:, 0], sums[:, 2])
    assert one.high is not None
    assert other.low is not None
    assert one.high > other.low
    assert apart.is_above_zero


def test_pieces_without_a_note_are_no_ratio() -> None:
    bits, notes = np.array([4.0, 1.0]), np.array([2.0, 0.0])
    sums = resampled_sums(np.stack([bits, notes], axis=1), 200)
    found = ratio(bits, notes, sums[:, 0], sums[:, 1])
    assert found.value == 2.5
    assert found.low is not None
    assert found.high is not None
    assert 2.0 <= found.low <= found.high < np.inf


def test_one_piece_says_nothing_of_others() -> None:
    one = np.array([3.0])
    sums = resampled_sums(np.stack([one, one], axis=1), 10)
    assert ratio(one, one, sums[:, 0], sums[:, 1]) == Interval(1.0)
    assert not Interval(1.0).is_above_zero
