"""How fast a model plays, here and now: tokens a second, alone and several pieces side by side."""

from __future__ import annotations

import os
import platform
import sys
import time
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from ..models.family import Model
from ..sampling.engine import Start, sample
from ..sampling.settings import SamplingSettings

ROWS = 16
NOTES_ALONE, NOTES_OF_EACH = 96, 24
WARM_UP = 2


@dataclass(frozen=True, slots=True)
class Speed:
    """Tokens a second of one piece, and of all of several pieces together; of how many tokens."""

    alone: float
    together: float
    tokens_alone: int
    tokens_together: int


@dataclass(frozen=True, slots=True)
class Conditions:
    """Under what speeds were measured."""

    pieces_together: int
    notes_alone: int
    notes_of_each_together: int
    threads: int
    processors: int
    machine: str

    def to_dict(self) -> dict[str, Any]:
        """As JSON tells it."""
        return asdict(self)


def conditions() -> Conditions:
    """What holds for speeds measured in this process."""
    torch = sys.modules.get("torch")
    threads = 1 if torch is None else int(torch.get_num_threads())
    return Conditions(
        ROWS, NOTES_ALONE, NOTES_OF_EACH, threads, os.cpu_count() or 1, platform.machine()
    )


def speed_of(model: Model) -> Speed:
    """The speed of a model with the usual settings, once whatever is compiled is compiled."""
    alone = _timed(model, 1, NOTES_ALONE)
    together = _timed(model, ROWS, NOTES_OF_EACH)
    return Speed(alone[0], together[0], alone[1], together[1])


def _timed(model: Model, rows: int, notes: int) -> tuple[float, int]:
    names = np.array(model.info.vocabulary.names)
    start = np.flatnonzero(names == "START").astype(np.uint16)
    starts = [Start(number, start) for number in range(1, rows + 1)]
    sample(model, starts, SamplingSettings(seed=1, notes=WARM_UP))
    began = time.perf_counter()
    made = sample(model, starts, SamplingSettings(seed=1, notes=notes))
    seconds = time.perf_counter() - began
    tokens = sum(piece.price.tokens for piece in made)
    return tokens / max(seconds, 1e-9), tokens
