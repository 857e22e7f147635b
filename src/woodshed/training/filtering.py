"""Which pieces are fit to be learned from, and which are left out, with their scores.

Scores are those of the token cache, where every piece has been held against the grammar under the
limits of its corpus. Texture, such as two clear voices, is judged before, when a dataset is
prepared. Knows nothing of training.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ..corpus.dataset import Dataset
from ..errors import UsageError
from ..tokens.cache import TokenCache

NAMED = 3
"""So many of the pieces left out are named in a sentence; all are listed in the model."""


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A piece that is not learned from: its path in the dataset, and its grammar score."""

    path: str
    score: float


@dataclass(frozen=True, slots=True)
class Filtered:
    """The numbers of the pieces of a split that stay, and those left out, worst first."""

    pieces: NDArray[np.int64]
    left_out: tuple[LeftOut, ...]
    least_score: float

    @property
    def told(self) -> str | None:
        """A sentence about what is left out; None where nothing is."""
        if not self.left_out:
            return None
        total = len(self.pieces) + len(self.left_out)
        names = ", ".join(f"{each.path} ({each.score:.2f})" for each in self.left_out[:NAMED])
        more = ", …" if len(self.left_out) > NAMED else ""
        return (
            f"{len(self.left_out):,} of {total:,} pieces left out, their grammar score is below "
            f"{self.least_score:g}: {names}{more}"
        )

    def to_list(self) -> list[dict[str, Any]]:
        """All that is left out, as JSON holds it."""
        return [{"path": each.path, "score": round(each.score, 4)} for each in self.left_out]


def filtered(
    dataset: Dataset,
    cache: TokenCache,
    split: Literal["train", "validation", "test"],
    least_score: float,
) -> Filtered:
    """The pieces of a split whose grammar score is not below `least_score`.

    Raises `UsageError` where pieces to train on are asked for and none is good enough.
    """
    pieces = dataset.split(split)
    stays = cache.stays(least_score)[pieces]
    out = sorted(
        (float(cache.scores[n]), str(dataset.pieces.path[n])) for n in pieces[~stays].tolist()
    )
    if split == "train" and not stays.any():
        best = f"the best has {out[-1][0]:.2f}" if out else "there is none"
        raise UsageError(
            f"{dataset.path} has no training piece whose grammar score is {least_score:g} or more "
            f"({best}); lower --least-score, or look at them with `woodshed check`"
        )
    return Filtered(pieces[stays], tuple(LeftOut(p, s) for s, p in out), least_score)
