"""What can be set when Woodshed learns a folder: which families learn, and what is played then.

Help shows these settings, so this module loads fast.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

from ..errors import UsageError
from ..sampling.settings import MOST_SEED
from ..settings import setting

MOST_PIECES = 100


@dataclass(frozen=True, slots=True)
class LearnSettings:
    """What learns, and what is played then; fields are flags of `woodshed learn`."""

    pieces: int = setting(4, "How many pieces each family makes.")
    bars: int | None = setting(
        None, "Bars of each piece. Without it 16, or 40 seconds in a language without bars."
    )
    seed: int = setting(1, "The seed of the first piece; the second has the next, and so on.")
    families: str = setting(
        "ngram",
        "The families of models that learn: ngram, transformer, mamba or lstm, or several with "
        "commas between them.",
    )
    max_minutes: float = setting(20.0, "Most minutes each family of networks learns.")

    def __post_init__(self) -> None:
        if not 1 <= self.pieces <= MOST_PIECES:
            raise UsageError(f"--pieces {self.pieces} makes no sense; use 1 to {MOST_PIECES}")
        if self.bars is not None and self.bars < 1:
            raise UsageError(f"--bars {self.bars} makes no sense; use 1 or more, or leave it out")
        if not 0 <= self.seed <= MOST_SEED - self.pieces:
            raise UsageError(f"--seed {self.seed} makes no sense; use 0 to {MOST_SEED - 100}")
        if not 0.001 <= self.max_minutes <= 10**6:
            raise UsageError(
                f"--max-minutes {self.max_minutes:g} makes no sense; use 0.001 to 1,000,000"
            )
        _ = self.chosen

    @property
    def chosen(self) -> tuple[str, ...]:
        """The families asked for, each once, the n-gram first."""
        from .train import FAMILIES, one_of  # it brings much along, which help does without

        words = [word.strip() for word in self.families.split(",")]
        for word in words:
            if word not in FAMILIES:
                raise UsageError(
                    f"--families {self.families}: there is no family {word!r}; use "
                    f"{one_of(FAMILIES)}, or several with commas between them"
                )
        return tuple(family for family in FAMILIES if family in words)

    def to_dict(self) -> dict[str, Any]:
        """What is asked, as JSON holds it; families in their order, however they were written.

        How long networks learn is asked where there are some.
        """
        asked = {**dataclasses.asdict(self), "families": ",".join(self.chosen)}
        if not learns_networks(asked["families"]):
            del asked["max_minutes"]
        return asked


def learns_networks(families: str) -> bool:
    """Whether any of these families, as `to_dict` tells them, is a network."""
    return families != "ngram"
