"""A dataset in figures: what became of the files, the splits, the slots, and how pieces behave."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..music.lineup import Lineup
from .survey import NO_SLOT as LEFT_OUT

NO_LICENCE = "unknown"
"""What the licence of a piece is called for which nobody gave one."""

MEASURED = ("most_notes_on_a_step", "longest_rest_quarters", "bars", "notes", "parts")
"""The columns of `Pieces` of which limits are taken."""


@dataclass(frozen=True, slots=True)
class KindCount:
    """How many files, or pieces, are of a kind."""

    kind: str
    count: int


@dataclass(frozen=True, slots=True)
class SplitCount:
    """What one split holds. Pieces that share their music are in one group."""

    split: str
    pieces: int
    groups: int
    bars: int
    notes: int


@dataclass(frozen=True, slots=True)
class SlotCount:
    """What one slot received, by track names alone and with the program fallback."""

    slot: str
    parts: int
    notes_by_name: int
    notes: int


@dataclass(frozen=True, slots=True)
class Quantiles:
    """What half of the training pieces keep to, nine tenths of them, 98 of 100, and all."""

    measure: str
    half: float
    nine_tenths: float
    ninety_eight_percent: float
    most: float


@dataclass(frozen=True, slots=True)
class Summary:
    """The figures of a dataset. `left_out` counts the files that are no pieces, by kind of reason.

    `near_duplicates` are pieces that share their music with another one, in `near_duplicate_groups`
    groups. `with_chords` are pieces whose markers are chords.
    """

    files: int
    pieces: int
    bars: int
    notes: int
    notes_left_out: int
    duration_seconds: float
    left_out: tuple[KindCount, ...]
    near_duplicates: int
    near_duplicate_groups: int
    tagged: int
    with_chords: int
    repaired: int
    splits: tuple[SplitCount, ...]
    slots: tuple[SlotCount, ...]
    licences: tuple[KindCount, ...]


def count_kinds(kinds: Iterable[str]) -> tuple[KindCount, ...]:
    """How often each kind occurs, the most frequent first."""
    counted = sorted(Counter(kinds).items(), key=lambda item: (-item[1], item[0]))
    return tuple(KindCount(kind, count) for kind, count in counted)


def count_slots(
    lineup: Lineup,
    slot: NDArray[Any],
    slot_by_name: NDArray[Any],
    notes: NDArray[Any],
    notes_left_out: int,
) -> tuple[SlotCount, ...]:
    """What each slot received, from three columns with a row for each part."""
    size = len(lineup.slots)
    parts = np.bincount(slot, minlength=size)
    received = np.bincount(slot, notes, minlength=size).astype(np.int64)
    by_name = np.bincount(slot_by_name, notes, minlength=size).astype(np.int64)
    rows = [
        SlotCount(each.name, int(parts[n]), int(by_name[n]), int(received[n]))
        for n, each in enumerate(lineup.slots)
    ]
    nowhere = int(by_name[size:].sum()) + notes_left_out
    if nowhere:
        rows.append(SlotCount(LEFT_OUT, 0, nowhere, notes_left_out))
    return tuple(rows)


def quantiles(measure: str, values: NDArray[Any]) -> Quantiles:
    """How a measure spreads over pieces; each figure is one that a piece really has."""
    if not len(values):
        return Quantiles(measure, 0.0, 0.0, 0.0, 0.0)
    at = np.quantile(values, (0.5, 0.9, 0.98, 1.0), method="higher").tolist()
    return Quantiles(measure, *(float(value) for value in at))
