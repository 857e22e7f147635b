"""What `check` may be told, in a module of its own: help shows it, and help must come fast."""

from __future__ import annotations

from dataclasses import dataclass

from ..errors import UsageError
from ..settings import setting

LEAST_SCORE = 0.9


@dataclass(frozen=True, slots=True)
class CheckSettings:
    """Which pieces are fit to be learned from."""

    least_score: float = setting(
        LEAST_SCORE, "Lowest grammar score a piece may have to be learned from, from 0 to 1."
    )

    def __post_init__(self) -> None:
        if not 0 <= self.least_score <= 1:
            raise UsageError(f"--least-score {self.least_score:g} makes no sense; use 0 to 1")
