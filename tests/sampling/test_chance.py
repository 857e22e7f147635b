"""Chance: even, the same each time, and without a state."""

from __future__ import annotations

import numpy as np

from woodshed.sampling.chance import drawn_seed, uniforms

NOBODY = np.zeros(1, np.int64)


def test_every_place_has_its_own_number() -> None:
    pieces = np.arange(4)
    whole = uniforms(5, pieces, np.zeros(4, np.int64), 0, 100)
    assert whole.shape == (4, 100)
    assert len(np.unique(whole)) == 400
    assert np.array_equal(uniforms(5, pieces[2:3], NOBODY, 30, 10)[0], whole[2, 30:40])
    for other in (uniforms(6, pieces[:1], NOBODY, 0, 100), uniforms(5, NOBODY, NOBODY + 1, 0, 100)):
        assert not np.intersect1d(other, whole).size


def test_numbers_are_even() -> None:
    numbers = uniforms(0, np.arange(100), np.zeros(100, np.int64), 0, 1000)
    assert numbers.min() >= 0
    assert numbers.max() < 1
    shares = np.histogram(numbers, 20, (0, 1))[0] / numbers.size
    assert np.abs(shares - 0.05).max() < 0.003
    neighbours = np.corrcoef(numbers[:, :-1].ravel(), numbers[:, 1:].ravel())[0, 1]
    pieces = np.corrcoef(numbers[:-1].ravel(), numbers[1:].ravel())[0, 1]
    assert abs(neighbours) < 0.01
    assert abs(pieces) < 0.01


def test_large_seeds_are_possible() -> None:
    assert uniforms(2**63 - 1, NOBODY, NOBODY, 0, 1) != uniforms(0, NOBODY, NOBODY, 0, 1)


def test_seeds_are_drawn_anew() -> None:
    seeds = {drawn_seed() for _ in range(20)}
    assert len(seeds) > 15
    assert all(0 <= seed < 2**32 for seed in seeds)
