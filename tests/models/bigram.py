"""A tiny but real family of models: how often each token follows each other one, smoothed.

For tests that need a model of any kind. It obeys the protocol of `woodshed.models.family`.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tests.samples import write_samples
from woodshed.corpus.dataset import Dataset
from woodshed.corpus.prepare import prepare
from woodshed.errors import UsageError
from woodshed.models.family import NO_CONDITIONS, Conditions, LogProbabilities
from woodshed.models.info import ModelInfo
from woodshed.tokens.cache import open_cache
from woodshed.tokens.language import TokenIds

SMOOTHING = 0.02


@dataclass(eq=False)
class Places:
    """The last token of each row."""

    last: NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Bigram:
    """Counts of pairs, as logarithms of probabilities: an array (before, after)."""

    info: ModelInfo
    table: NDArray[np.float32]
    echo = None

    def start(self, prompts: Sequence[TokenIds], conditions: Conditions = NO_CONDITIONS) -> Places:
        for name, value in conditions.tags.items():
            if value not in self.info.tags.get(name, ()):
                raise UsageError(f"no tag {name}={value}")
        return Places(np.array([int(prompt[-1]) for prompt in prompts]))

    def log_probabilities(self, state: Places) -> LogProbabilities:
        return self.table[state.last]

    def advance(self, state: Places, tokens: NDArray[np.integer]) -> None:
        state.last[:] = tokens

    def fork(self, state: Places, rows: NDArray[np.integer]) -> Places:
        return Places(state.last[rows])


def bigram_of(dataset: Path, language: str = "events", smoothing: float = SMOOTHING) -> Bigram:
    """The model of the training pieces of a dataset."""
    opened = Dataset.open(dataset)
    cache = open_cache(opened, language)
    vocabulary = cache.vocabulary()
    size = len(vocabulary)
    local = np.full(len(vocabulary.language), -1)
    local[vocabulary.ids] = np.arange(size)
    counts = np.full((size, size), smoothing)
    for piece in opened.split("train").tolist():
        tokens = local[cache[piece].astype(np.int64)]
        np.add.at(counts, (tokens[:-1], tokens[1:]), 1)
    table = np.log(counts / counts.sum(axis=1, keepdims=True)).astype(np.float32)
    info = ModelInfo(
        "bigram", cache.language, vocabulary, cache.grammar_limits, opened.content_hash,
        (), {"smoothing": smoothing}, {}, {}, {},
    )  # fmt: skip
    return Bigram(info, table)


def sample_dataset(place: Path, **options: Any) -> Path:
    """The dataset of the small sample folder, all of it to train on."""
    write_samples(place / "music")
    tags = {"blues-in-a.mid": {"feel": "shuffle"}, "groove.mid": {"feel": "straight"}}
    (place / "music" / "tags.json").write_text(json.dumps(tags))
    prepare(place / "music", place / "data", shares=(1, 0, 0), **options)
    return place / "data"
