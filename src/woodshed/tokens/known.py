"""What a model knows of its language, and a tally of what it was brought instead."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ..errors import UsageError
from .language import Language

Nearest = Callable[[Sequence[int], int], int | None]
"""Of the values known, the one to stand in for another; None where none can."""


@dataclass(frozen=True)
class Known:
    """The tokens of a language that a model knows; `changes` counts what became of the others."""

    language: Language
    available: NDArray[np.bool_]
    changes: Counter[tuple[str, str | None]] = field(default_factory=Counter)

    def rows(self, group: str) -> list[int]:
        """The values of a group it knows."""
        row = self.language.row(group)
        found: list[int] = np.flatnonzero(self.available[self.language.group_of == row]).tolist()
        return found

    def needed(self, group: str) -> list[int]:
        """The values of a group no sentence goes without; `UsageError` where there are none."""
        rows = self.rows(group)
        if not rows:
            raise UsageError(
                f"the model has never seen a {group}, so it can tell no music at all; "
                "train it on pieces with notes"
            )
        return rows

    def name(self, group: str, value: int) -> str:
        """What the token of a value is called."""
        return self.language.names[self.language.first[group] + value]

    def tell(self, brought: Sequence[str], became: Sequence[str]) -> None:
        """Count that some tokens became others, or that nothing became of them."""
        told = (" ".join(dict.fromkeys(names)) for names in (brought, became))
        self.changes[next(told), next(told) or None] += 1

    def value(self, group: str, value: int, rule: Nearest, among: Sequence[int]) -> int | None:
        """The value itself where it is `among` the known ones, or what `rule` puts for it."""
        if value in among:
            return value
        found = rule(among, value)
        became = [] if found is None else [self.name(group, found)]
        self.tell([self.name(group, value)], became)
        return found


def words(tokens: NDArray[np.int64], language: Language) -> Iterator[tuple[str, int]]:
    """The group and the value of each token."""
    names = [group.name for group in language.groups]
    groups, values = language.group_of[tokens].tolist(), language.value_of[tokens].tolist()
    return ((names[group], value) for group, value in zip(groups, values, strict=True))
