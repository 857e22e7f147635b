"""How well a model foretells a text: the logarithm of every token's probability, in full context.

Knows every family by `log_likelihood` alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ..corpus.watch import Watch, unwatched
from ..models.info import ModelInfo
from ..tokens.language import TokenIds
from .text import Text

TOGETHER = 8
"""Pieces that are scored at once."""


class Foretells(Protocol):
    """What a model must do to be scored."""

    @property
    def info(self) -> ModelInfo:
        """What it says of itself."""

    def log_likelihood(self, pieces: Sequence[TokenIds]) -> list[NDArray[np.float64]]:
        """For each piece the logarithm of every token's probability, 0 for START, without a mask.

        What a model tells itself before a piece's own third token, such as the key, is one more.
        """


def logs_of(
    model: Foretells, text: Text, name: str = "", watch: Watch = unwatched
) -> list[NDArray[np.float64]]:
    """For each piece the logarithm of the probability of every token after START."""
    return list(watch(_each(model, text), len(text), f"{name}, pieces".lstrip(", ")))


def _each(model: Foretells, text: Text) -> Iterator[NDArray[np.float64]]:
    nearest = model.info.vocabulary.nearest
    for first in range(0, len(text), TOGETHER):
        pieces = [nearest[piece] for piece in text.tokens[first : first + TOGETHER]]
        for piece, logs in zip(pieces, model.log_likelihood(pieces), strict=True):
            yield _of_the_text(logs, len(piece))[1:]


def _of_the_text(logs: NDArray[np.float64], length: int) -> NDArray[np.float64]:
    """The logarithms of the tokens of the text; one that was told besides counts with the next."""
    if len(logs) == length:
        return logs
    assert len(logs) == length + 1, "a key at most is told besides"
    if length == 2:
        return np.array([logs[0], logs[1] + logs[2]])
    return np.concatenate([logs[:2], [logs[2] + logs[3]], logs[4:]])
