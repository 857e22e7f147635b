"""Chance that can be counted: a number for each seed, piece, branch and place, and no other state.

So a piece comes out the same alone and in company, in whatever order.
"""

from __future__ import annotations

import secrets

import numpy as np
from numpy.typing import NDArray

Words = NDArray[np.uint64]

_STEP = np.uint64(0x9E3779B97F4A7C15)
_MIX = (np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB))
_SHIFTS = (np.uint64(30), np.uint64(27), np.uint64(31))


def drawn_seed() -> int:
    """A seed from the system, short enough to be read out."""
    return secrets.randbelow(2**32)


def uniforms(
    seed: int, piece: NDArray[np.integer], branch: NDArray[np.integer], first: int, count: int
) -> NDArray[np.float64]:
    """Numbers from 0 up to 1 for `count` places from `first` on: an array (pieces, count).

    `branch` tells ways apart that one piece could go on.
    """
    state = _mixed(np.full(len(piece), seed, np.uint64))
    for part in (piece, branch):
        state = _mixed(state ^ np.asarray(part, np.uint64))
    places = np.arange(first, first + count, dtype=np.uint64)
    mixed = _mixed(state[:, None] ^ _mixed(places)[None, :])
    return np.asarray((mixed >> np.uint64(11)).astype(np.float64) * 2.0**-53)


def _mixed(state: Words) -> Words:
    """One round of splitmix64, whose outputs pass the usual tests of randomness."""
    mixed = state + _STEP
    mixed = (mixed ^ (mixed >> _SHIFTS[0])) * _MIX[0]
    mixed = (mixed ^ (mixed >> _SHIFTS[1])) * _MIX[1]
    return np.asarray(mixed ^ (mixed >> _SHIFTS[2]))
