"""How loud music is to people: integrated loudness by ITU-R BS.1770-4, in LUFS.

Knows samples. Refuses to know where they come from and what is done about their loudness.
"""

from __future__ import annotations

import functools
import math
from array import array
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from ..music.compiled import compiled

HOP_SECONDS = 0.1
BLOCK_HOPS = 4
"""Loudness is taken over blocks of 0.4 s, a new one every 0.1 s."""

OFFSET_LUFS = -0.691
"""What the standard adds, so that a sine of 997 Hz reads its own level."""

ABSOLUTE_GATE_LUFS = -70.0
RELATIVE_GATE_LU = -10.0

QUIETEST = 1e-30
"""Filters that ring below this are stopped: processors are slow with the tiniest numbers."""

Coefficients = NDArray[np.float64]


class Meter:
    """Measures the integrated loudness of stereo as it goes by, block after block."""

    def __init__(self, sample_rate: int) -> None:
        self._weighting = k_weighting(sample_rate)
        self._state = np.zeros((2, 2, 2))  # channel, filter, delay
        self._hop = round(sample_rate * HOP_SECONDS)
        self._open = np.zeros(2)  # energy and frames of the hop that is not full yet
        self._hops = array("d")  # an array and no list: a long piece has many

    def add(self, frames: NDArray[np.float32]) -> None:
        """Listen to more `frames`, of shape (frames, 2)."""
        if not self._state.any() and not frames.any():  # silence after silence
            held = int(self._open[1]) + len(frames)
            energies = np.zeros(held // self._hop)
            if len(energies):
                energies[0], self._open[0] = self._open[0], 0.0
            self._open[1] = held % self._hop
            self._hops.frombytes(energies.tobytes())
            return
        energies = np.empty(len(frames) // self._hop + 1)
        full = _weigher()(
            np.ascontiguousarray(frames, np.float32),
            self._weighting, self._state, self._hop, self._open, energies,
        )  # fmt: skip
        self._hops.frombytes(energies[:full].tobytes())
        self._state[np.abs(self._state) < QUIETEST] = 0.0

    @property
    def hop_power(self) -> NDArray[np.float64]:
        """The mean weighted power of every tenth of a second that is over."""
        return np.array(self._hops) / self._hop

    @property
    def lufs(self) -> float:
        """The integrated loudness so far; minus infinity where nothing is loud enough to count.

        Less than 0.4 s are measured as if silence followed.
        """
        hops = np.array(self._hops)
        if len(hops) < BLOCK_HOPS:
            hops = np.concatenate([hops, self._open[:1], np.zeros(BLOCK_HOPS)])[:BLOCK_HOPS]
        energy = np.convolve(hops, np.ones(BLOCK_HOPS), "valid") / (BLOCK_HOPS * self._hop)
        return gated_lufs(energy)


def gated_lufs(energy: NDArray[np.float64]) -> float:
    """The loudness of blocks of some mean `energy`, without those that are as good as silent."""
    loud = energy[energy > _energy(ABSOLUTE_GATE_LUFS)]
    if len(loud):
        loud = loud[loud > loud.mean() * 10 ** (RELATIVE_GATE_LU / 10)]
    return OFFSET_LUFS + 10 * math.log10(loud.mean()) if len(loud) else -math.inf


def k_weighting(sample_rate: int) -> Coefficients:
    """The two filters of the standard at any sample rate: rows of b0, b1, b2, a1, a2.

    The standard gives numbers for 48 kHz; these are its filters as analogue ones, transformed for
    the rate at hand (at 48 kHz the standard's own numbers come out).
    """
    return np.array([_shelf(sample_rate), _high_pass(sample_rate)])


def _shelf(sample_rate: int) -> list[float]:
    """The head: some 4 dB more above 2 kHz."""
    k = math.tan(math.pi * 1681.974450955533 / sample_rate)
    q = 0.7071752369554196
    high = 10 ** (3.999843853973347 / 20)
    band = high**0.4996667741545416
    a0 = 1 + k / q + k * k
    return [
        (high + band * k / q + k * k) / a0,
        2 * (k * k - high) / a0,
        (high - band * k / q + k * k) / a0,
        2 * (k * k - 1) / a0,
        (1 - k / q + k * k) / a0,
    ]


def _high_pass(sample_rate: int) -> list[float]:
    """The ear's deafness to the lowest tones: a high-pass at 38 Hz."""
    k = math.tan(math.pi * 38.13547087602444 / sample_rate)
    q = 0.5003270373238773
    a0 = 1 + k / q + k * k
    return [1.0, -2.0, 1.0, 2 * (k * k - 1) / a0, (1 - k / q + k * k) / a0]


def _energy(lufs: float) -> float:
    return 10 ** ((lufs - OFFSET_LUFS) / 10)


def _weigh(
    frames: NDArray[np.float32],
    weighting: Coefficients,
    state: NDArray[np.float64],
    hop: int,
    unfinished: NDArray[np.float64],
    energies: NDArray[np.float64],
) -> int:
    """Filter frames and add up their energy, hop by hop; how many hops became full."""
    full = 0
    energy, held = unfinished[0], unfinished[1]
    for n in range(len(frames)):
        for c in range(2):
            x = float(frames[n, c])
            for f in range(2):  # transposed direct form II
                y = weighting[f, 0] * x + state[c, f, 0]
                state[c, f, 0] = weighting[f, 1] * x - weighting[f, 3] * y + state[c, f, 1]
                state[c, f, 1] = weighting[f, 2] * x - weighting[f, 4] * y
                x = y
            energy += x * x
        held += 1
        if held == hop:
            energies[full] = energy
            full += 1
            energy, held = 0.0, 0.0
    unfinished[0], unfinished[1] = energy, held
    return full


@functools.cache
def _weigher() -> Callable[..., int]:
    return compiled(_weigh, _warm_up) or _weigh


def _warm_up(form: Callable[..., int]) -> None:
    meter_state = (np.zeros((2, 2, 2)), 1, np.zeros(2), np.zeros(2))
    form(np.zeros((1, 2), np.float32), np.zeros((2, 5)), *meter_state)
