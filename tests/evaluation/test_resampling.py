"""Intervals by resampling, against plain loops and against what is known of chance."""

from __future__ import annotations

import numpy as np
import pytest

from woodshed.evaluation import resampling
from woodshed.evaluation.resampling import (
    FEWEST_GROUPS,
    MOST_BY_CHANCE,
    Interval,
    by_chance,
    by_group,
    ratio,
    resampled_sums,
)


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
    assert apart.low is not None
    assert apart.low > 0


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


def test_groups_are_summed() -> None:
    columns = np.arange(10.0).reshape(5, 2)
    found = by_group(columns, np.array([7, 3, 7, 9, 3]))
    assert found.tolist() == [[10, 12], [4, 6], [6, 7]]


def test_pieces_that_are_copies_make_nothing_surer() -> None:
    """Each piece ten times over is as wide as each piece once."""
    bits = np.random.default_rng(2).normal(8, 2, (12, 1))
    columns = np.concatenate([bits, np.ones((12, 1))], axis=1)
    copies = np.concatenate([columns] * 10)
    grouped = by_group(copies, np.tile(np.arange(12), 10))
    found = [
        ratio(own[:, 0], own[:, 1], *resampled_sums(own).T) for own in (columns, grouped, copies)
    ]
    wide = [one.high - one.low for one in found if one.high is not None and one.low is not None]
    assert wide[1] == pytest.approx(wide[0])
    assert wide[2] < 0.5 * wide[0]


def test_few_groups_say_nothing_of_chance() -> None:
    apart = np.stack([np.zeros(FEWEST_GROUPS), np.ones(FEWEST_GROUPS)], axis=1)
    assert by_chance(apart[1:]) is None
    assert by_chance(apart[:, :1]) is None
    found = by_chance(apart)
    assert found is not None
    assert found[0, 1] == found[1, 0] == 2 / 2**FEWEST_GROUPS


def test_chance_is_that_of_a_plain_loop() -> None:
    """Of two rows in twelve groups, each way of swapping counted by itself."""
    bits = np.random.default_rng(5).normal(8, 1, (12, 2)) + np.array([0.0, 0.4])
    apart = bits[:, 0] - bits[:, 1]
    as_far = 0
    for way in range(2**12):
        swapped = sum(d if way >> n & 1 else -d for n, d in enumerate(apart.tolist()))
        as_far += abs(swapped) >= abs(apart.sum()) - 1e-9
    drawn = by_chance(bits, resamples=4000)
    every = by_chance(bits, resamples=2**12)
    assert drawn is not None
    assert every is not None
    assert every[0, 1] == as_far / 2**12
    assert drawn[0, 1] == pytest.approx(every[0, 1], abs=0.03)


@pytest.mark.parametrize(("groups", "rows"), [(10, 2), (10, 4), (40, 2), (40, 4)])
def test_equal_models_are_seldom_called_different(groups: int, rows: int) -> None:
    """The best of equal ones is called better than any other in a twentieth of draws at most."""
    rng = np.random.default_rng(groups + rows)
    draws, called = 400, 0
    for _ in range(draws):
        hard = rng.gamma(4, 100, (groups, 1))
        bits = hard * (1 + rng.normal(0, 0.05, (groups, rows)))
        found = by_chance(bits, resamples=1024)
        assert found is not None
        best = int(bits.sum(axis=0).argmin())
        called += bool((np.delete(found[best], best) <= MOST_BY_CHANCE).any())
    assert called <= draws * MOST_BY_CHANCE + 3 * np.sqrt(draws * 0.05 * 0.95)


def test_what_is_better_everywhere_is_surely_better() -> None:
    """And rows that are the same are not told apart."""
    rng = np.random.default_rng(9)
    hard = rng.normal(8, 3, (40, 1))
    better = hard + rng.normal(0, 0.05, (40, 1))
    found = by_chance(np.concatenate([better, better, hard + 0.1], axis=1))
    assert found is not None
    assert found[0, 1] == 1
    assert max(found[0, 2], found[1, 2]) <= MOST_BY_CHANCE
