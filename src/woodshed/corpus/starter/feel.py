"""Feels: where the notes of a beat fall, and how people play them: a little early, late, uneven.

Steps become ticks here, and loudness velocities. Refuses to know keys and chords.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from ...music.notes import Notes
from .rhythm import BEAT, Note, table

TICKS_PER_QUARTER = 480
LATEST_MS = 14.0
"""No note strays farther from its place than this, however human the player."""


@dataclass(frozen=True, slots=True)
class Feel:
    """A feel: its tempos in beats a minute, metre, and whether beats divide in three or four."""

    name: str
    slowest_bpm: int
    fastest_bpm: int
    metre: tuple[int, int]
    family: str
    weight: int

    @property
    def ticks_per_beat(self) -> int:
        """A beat is a quarter, or in 12/8 a dotted quarter."""
        return TICKS_PER_QUARTER * (3 if self.metre[1] == 8 else 2) // 2

    @property
    def beats(self) -> str:
        """How the beats of a melody divide: a name in `rhythm.BEATS`."""
        return "slow" if self.name == "slow" else self.family

    def quarters_per_minute(self, bpm: float) -> float:
        """The tempo as MIDI counts it."""
        return bpm * self.ticks_per_beat / TICKS_PER_QUARTER

    def swing(self, bpm: float) -> float:
        """Which share of the beat its first half takes. The faster a shuffle, the evener."""
        if self.name == "shuffle":
            return float(np.interp(bpm, (84, 120, 160, 200), (0.675, 0.665, 0.635, 0.6)))
        return 2 / 3 if self.family == "triplet" else 0.5


@cache
def feels() -> dict[str, Feel]:
    """All feels by their names."""
    return {
        name: Feel(
            name=name,
            slowest_bpm=entry["bpm"][0],
            fastest_bpm=entry["bpm"][1],
            metre=(entry["metre"][0], entry["metre"][1]),
            family=entry["family"],
            weight=entry["weight"],
        )
        for name, entry in table("grooves")["feel"].items()
    }


@dataclass(frozen=True, slots=True)
class Touch:
    """How one player plays: behind the beat (ahead below 0), how unevenly, how loud and lively.

    `floor` and `reach` are the velocity of the softest note and what the loudest has more. Who can
    play only one note at a time ends each before the next.
    """

    late_ms: float
    loose_ms: float
    floor: int
    reach: int
    velocity_spread: int = 7
    one_at_a_time: bool = False


def play(
    notes: list[Note], feel: Feel, bpm: float, touch: Touch, part: int, chance: np.random.Generator
) -> Notes:
    """Notes as a person plays them: swung, not quite on the grid, no two quite equally loud.

    Where one pitch is struck again, the earlier note ends before it.
    """
    rows = np.fromiter(chain.from_iterable(sorted(notes)), np.float64, 4 * len(notes))
    rows = rows.reshape(-1, 4)
    start_steps, length_steps, pitch, loudness = rows.T
    starts = in_ticks(start_steps, feel, bpm)
    ends = in_ticks(start_steps + length_steps, feel, bpm)
    ticks_per_ms = feel.ticks_per_beat * bpm / 60_000
    # Notes of one chord leave the hand together: one deviation for each moment.
    moment = np.cumsum(np.diff(start_steps, prepend=-1.0) > 0) - 1
    # The sum of three even draws is near enough to normal, and it is bounded and the same anywhere.
    drift = (chance.random((3, len(rows))).sum(0) - 1.5)[moment] * touch.loose_ms
    drift = np.clip(drift + touch.late_ms, -LATEST_MS, LATEST_MS) * ticks_per_ms
    uneven = chance.random((2, len(rows))).sum(0) - 1
    velocity = touch.floor + touch.reach * loudness + touch.velocity_spread * uneven
    start = np.maximum(np.rint(starts + drift), 0).astype(np.int64)
    end = np.maximum(np.rint(ends + drift), start + 1).astype(np.int64)
    if touch.one_at_a_time:
        end[:-1] = np.maximum(np.minimum(end[:-1], start[1:]), start[:-1] + 1)
    pitches = pitch.astype(np.uint8)
    start, end, kept = _apart(start, end, pitches)
    return Notes(
        start[kept],
        (end - start)[kept],
        pitches[kept],
        np.clip(np.rint(velocity[kept]), 1, 127).astype(np.uint8),
        np.full(int(kept.sum()), part, np.uint16),
    )


def in_ticks(steps: NDArray[np.float64], feel: Feel, bpm: float) -> NDArray[np.float64]:
    """Where steps fall in ticks, unevenly where the feel swings."""
    beat, within = np.divmod(steps, BEAT)
    if feel.family == "triplet":
        first = BEAT * feel.swing(bpm)
        within = np.where(
            within <= 8, within * (first / 8), first + (within - 8) * ((BEAT - first) / 4)
        )
    elif feel.name == "funk":
        # Sixteenths lean back a little: the second and fourth of a beat come late.
        odd = 1 - np.abs(np.mod(within, 6) - 3) / 3
        within = within + 0.3 * odd
    return np.asarray((beat + within / BEAT) * feel.ticks_per_beat)


def _apart(
    start: NDArray[np.int64], end: NDArray[np.int64], pitch: NDArray[np.uint8]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.bool_]]:
    """End each note before its pitch sounds again, and leave out what is struck twice at once."""
    order = np.lexsort((start, pitch))
    following = np.full(len(start), 2**31 - 1, np.int64)
    same = pitch[order][1:] == pitch[order][:-1]
    following[order[:-1][same]] = start[order[1:][same]]
    return start, np.minimum(end, following), following > start
