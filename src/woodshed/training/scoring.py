"""How well a stored network foretells the pieces of a split, in bits per note.

Every token is scored once, after half a context at least, without a mask. What the model does not
know is scored as the nearest it knows. Knows nothing of how a network is trained.
"""

from __future__ import annotations

import math
import os
from dataclasses import dataclass

import torch

from ..corpus.dataset import Dataset
from ..corpus.splits import Split
from ..errors import UsageError
from ..models.neural.echoes import Echoes
from ..models.neural.storage import load_network
from ..models.store import read_info
from ..tokens.cache import TokenCache
from .batches import Pieces
from .engine import Engine
from .objective import surprise_of

ROWS = 16


@dataclass(frozen=True, slots=True)
class Scored:
    """Bits per note and per token, and of how many of each."""

    bits_per_note: float
    bits_per_token: float
    notes: int
    tokens: int


def scored(
    path: str | os.PathLike[str], dataset: Dataset, cache: TokenCache, split: Split = "test",
    most_tokens: int = 10**9,
) -> Scored:  # fmt: skip
    """Score the model at `path` on a split, on the CPU in 32 bits.

    Raises `UsageError` for a model of another language, or a split without notes.
    """
    info = read_info(path)
    if info.language.language.identity != cache.language.language.identity:
        raise UsageError(
            f"{os.fspath(path)} speaks another language than {dataset.path}, with its lineup and "
            "tags; score it on the dataset it was made for"
        )
    network = load_network(path, info)
    echoes = Echoes(info.vocabulary) if network.config.echoes else None
    pieces = Pieces(cache, dataset.split(split), info.vocabulary, echoes=echoes)
    windows = pieces.windows(network.config.context, most_tokens)
    told = windows.targets[windows.counts]
    notes = int(info.pitched()[told].sum())
    if not notes:
        raise UsageError(f"the {split} split of {dataset.path} has no note to score")
    engine = Engine(torch.device("cpu"), in_bf16=False)
    bits = surprise_of(network, windows.batches(ROWS), engine) / math.log(2)
    return Scored(bits / notes, bits / len(told), notes, len(told))
