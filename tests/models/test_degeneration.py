"""Generated music stays within what real music does; a small form of benchmarks/degeneration.py."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.degeneration import Measures, generated, named, stretches
from woodshed.corpus.dataset import Dataset
from woodshed.models.family import Model
from woodshed.tokens.cache import TokenCache

BARS = 8


@pytest.mark.parametrize("temperature", [0.65, 1.0, 1.3])
def test_most_pieces_lie_where_music_lies(
    ngram: Model, songs: Dataset, events: TokenCache, temperature: float
) -> None:
    names = list(Measures.__dataclass_fields__)

    def table(tokens: list[np.ndarray]) -> np.ndarray:
        found = [m for t in tokens for m in stretches(events.language.decode(t), BARS)]
        return np.array([[getattr(m, name) for name in names] for m in found])

    low, high = np.percentile(table([events[n] for n in range(len(songs))]), (1, 99), axis=0)
    made = generated(ngram, 16, temperature, BARS + 1)
    assert not [name for tokens in made for name in named(tokens, ngram, events)]
    if temperature < 1:  # of so few songs a model is bolder at 1 than a corpus of hundreds makes it
        rows = table(made)
        inside = ((rows >= low - 1e-9) & (rows <= high + 1e-9)).mean(axis=0)
        assert len(rows) == 16
        assert inside.min() >= 0.75, dict(zip(names, inside.tolist(), strict=True))
