"""What every family of models can do: stand somewhere in each of a batch, and say what comes next.

Whatever samples, scores or compares models knows them by this alone. Tokens are counted as the
model's vocabulary counts them. Knows nothing of how a family learns, nor of what is sampled.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ..tokens.language import TokenIds
from .info import ModelInfo

LogProbabilities = NDArray[np.float32]
"""(pieces, vocabulary): the natural logarithm of each next token's probability, without a mask."""


@dataclass(frozen=True, slots=True)
class Conditions:
    """Tags that the music should have, and how much they weigh: 0 is not at all.

    A tag is a name and one of the values that the corpus has for it. `echo` is how much the piece
    at hand counts beside the corpus, 1 as learnt; models that do not tell the two apart pass it
    over.
    """

    tags: Mapping[str, str] = field(default_factory=dict)
    strength: float = 1.0
    echo: float = 1.0

    def __bool__(self) -> bool:
        return bool(self.tags) and self.strength > 0


NO_CONDITIONS = Conditions()


class Model(Protocol):
    """A trained model. States belong to the model that made them; only it looks inside.

    A row of a batch never depends on the others: its logarithms are the same to the bit alone and
    in company.
    """

    @property
    def info(self) -> ModelInfo:
        """What it was trained on, and the tokens it knows."""

    @property
    def echo(self) -> float | None:
        """What the piece at hand counts while playing unless told; None where it always counts."""

    def start(self, prompts: Sequence[TokenIds], conditions: Conditions = NO_CONDITIONS) -> Any:
        """The state after a prompt in each row; a prompt has one token at least, START.

        It may say more than its tokens one by one: a piece that tells no key still is in one.

        Raises `UsageError` for conditions the corpus has no tag for.
        """

    def log_probabilities(self, state: Any) -> LogProbabilities:
        """What comes next in each row; every row's probabilities sum to one.

        The array is the caller's, to change as it likes.
        """

    def advance(self, state: Any, tokens: NDArray[np.integer]) -> None:
        """Take one token in each row, changing `state`."""

    def fork(self, state: Any, rows: NDArray[np.integer]) -> Any:
        """A new state whose rows are copies of `rows`, any of them several times or never."""
