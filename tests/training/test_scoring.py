"""Bits per note by windows agree with the model's own probabilities, token after token."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.training.quick import quick
from woodshed.corpus.dataset import Dataset
from woodshed.errors import UsageError
from woodshed.models.load import load_model
from woodshed.tokens.cache import TokenCache, open_cache
from woodshed.training.scoring import scored
from woodshed.training.train import train_neural


def test_bits_are_those_of_the_model(songs: Dataset, events: TokenCache, tmp_path: Path) -> None:
    out = tmp_path / "a.model"
    train_neural(songs, events, out, quick(steps=4))
    # Within one context, what windows see is all there was.
    found = scored(out, songs, events, "train", most_tokens=30)
    model = load_model(out)
    piece = model.info.vocabulary.nearest[events[int(songs.split("train")[0])]][:31]
    state = model.start([piece[:1]])
    bits = []
    for token in piece[1:]:
        bits.append(-float(model.log_probabilities(state)[0, token]) / np.log(2))
        model.advance(state, np.array([token]))
    assert found.tokens == len(bits)
    assert found.bits_per_token == pytest.approx(np.mean(bits), rel=1e-4)
    notes = int(model.info.pitched()[piece[1:]].sum())
    assert found.notes == notes
    assert found.bits_per_note == pytest.approx(sum(bits) / notes, rel=1e-4)
    with pytest.raises(UsageError, match="speaks another language"):
        scored(out, songs, open_cache(songs, "performance"))
