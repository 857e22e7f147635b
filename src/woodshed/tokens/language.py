"""A token language is one table: an ordered list of groups and their values.

Ids, names, lookups, the transposition of tokens and the language's identity all follow from it.
Knows nothing of how music is written in a language; `events` and `performance` do.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ..errors import UsageError

TokenIds = NDArray[np.uint16]

Transposes = Literal["pitch", "key", "chord"]

HEADER = ("START", "TEMPO", "KEY", "SLOT", "TAG")
"""Groups that stand before the music and hold for all of it, where a language has them."""


@dataclass(frozen=True, slots=True)
class Group:
    """One kind of token and its values, in the order of their ids.

    `labels` are what the values are called in token names. `transposes` says that values are
    pitches, which move and fold back by octaves, or keys, which go round, or chords, whose roots go
    round and whose kinds stay.
    """

    name: str
    labels: tuple[str, ...]
    transposes: Transposes | None = None

    @classmethod
    def numbers(
        cls, name: str, values: Sequence[int], transposes: Transposes | None = None
    ) -> Group:
        """A group whose values are called by their numbers."""
        return cls(name, tuple(str(v) for v in values), transposes)

    @classmethod
    def single(cls, name: str) -> Group:
        """A group of one token that is called like the group."""
        return cls(name, ("",))

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True)
class Language:
    """A table of groups. Token ids count through the groups in order."""

    name: str
    groups: tuple[Group, ...]

    def __post_init__(self) -> None:
        if len(self) > np.iinfo(np.uint16).max:
            raise UsageError(f"a language of {len(self):,} tokens does not fit; use 65,535 at most")

    def __len__(self) -> int:
        return sum(map(len, self.groups))

    @cached_property
    def first(self) -> dict[str, int]:
        """The first id of each group."""
        sizes = np.cumsum([0, *map(len, self.groups)])
        return {g.name: int(at) for g, at in zip(self.groups, sizes, strict=False)}

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The name of each token: its group and its value."""
        return tuple(
            f"{group.name}_{label}" if label else group.name
            for group in self.groups
            for label in group.labels
        )

    @cached_property
    def id_of(self) -> dict[str, int]:
        """The id of each name."""
        return {name: number for number, name in enumerate(self.names)}

    @cached_property
    def group_of(self) -> NDArray[np.int64]:
        """For each token the row of its group."""
        return np.repeat(np.arange(len(self.groups)), list(map(len, self.groups)))

    @cached_property
    def value_of(self) -> NDArray[np.int64]:
        """For each token its number within its group."""
        return np.concatenate([np.arange(len(g)) for g in self.groups])

    @cached_property
    def in_header(self) -> NDArray[np.bool_]:
        """For each token, whether it stands before the music and holds for all of it."""
        rows = [row for row, group in enumerate(self.groups) if group.name in HEADER]
        return np.asarray(np.isin(self.group_of, rows))

    @cached_property
    def identity(self) -> str:
        """A hash of the whole table: models that share it speak the same language."""
        table = [[g.name, list(g.labels), g.transposes] for g in self.groups]
        return hashlib.sha256(json.dumps([self.name, table]).encode()).hexdigest()

    def row(self, name: str) -> int:
        """The row of the group of that name."""
        return next(row for row, group in enumerate(self.groups) if group.name == name)

    def transposition(self, semitones: Sequence[int]) -> TokenIds:
        """A table `[shift, id] → id`: what every token becomes under each of `semitones`."""
        table = np.tile(np.arange(len(self)), (len(semitones), 1))
        for group in self.groups:
            if group.transposes is None:
                continue
            own = slice(self.first[group.name], self.first[group.name] + len(group))
            for row, shift in enumerate(semitones):
                table[row, own] = self.first[group.name] + _moved(group, shift)
        return table.astype(np.uint16)

    def describe(self) -> str:
        """The layout: a line for each group, with its ids and its first and last name."""
        lines = [f"{self.name}: {len(self)} tokens, identity {self.identity[:12]}", ""]
        for group in self.groups:
            first = self.first[group.name]
            last = first + len(group) - 1
            if not len(group):
                lines.append(f"{'':>15}  {0:>4}  {group.name}: none")
                continue
            names = self.names[first] + (f" … {self.names[last]}" if last > first else "")
            lines.append(f"{first:>5} – {last:<5}  {len(group):>4}  {names}")
        return "\n".join(lines) + "\n"


def _moved(group: Group, semitones: int) -> NDArray[np.int64]:
    values = np.arange(len(group))
    # Twelve major keys by their tonic, then twelve minor ones; twelve roots of each kind of chord.
    if group.transposes in ("key", "chord"):
        return np.asarray(values // 12 * 12 + (values + semitones) % 12)
    moved = values + semitones
    moved = np.where(moved < 0, moved % 12, moved)
    highest = len(group) - 1
    return np.asarray(np.where(moved > highest, highest - (highest - moved) % 12, moved))
