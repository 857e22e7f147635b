"""What can be set when Woodshed learns a folder: how much it plays afterwards, and from which seed.

Help shows these settings, so this module loads fast.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..errors import UsageError
from ..sampling.settings import MOST_SEED
from ..settings import setting

MOST_PIECES = 100


@dataclass(frozen=True, slots=True)
class LearnSettings:
    """What is played once a model has learnt; fields are flags of `woodshed learn`."""

    pieces: int = setting(4, "How many pieces are made.")
    bars: int | None = setting(
        None, "Bars of each piece. Without it 16, or 40 seconds in a language without bars."
    )
    seed: int = setting(1, "The seed of the first piece; the second has the next, and so on.")

    def __post_init__(self) -> None:
        if not 1 <= self.pieces <= MOST_PIECES:
            raise UsageError(f"--pieces {self.pieces} makes no sense; use 1 to {MOST_PIECES}")
        if self.bars is not None and self.bars < 1:
            raise UsageError(f"--bars {self.bars} makes no sense; use 1 or more, or leave it out")
        if not 0 <= self.seed <= MOST_SEED - self.pieces:
            raise UsageError(f"--seed {self.seed} makes no sense; use 0 to {MOST_SEED - 100}")
