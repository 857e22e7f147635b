"""Which pieces a training learns from and is judged by, and where it computes."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tests.training.quick import quick
from woodshed.corpus.dataset import Dataset
from woodshed.errors import UsageError
from woodshed.tokens.cache import TokenCache
from woodshed.training.data import HOLD_OUT_EVERY, chosen, material
from woodshed.training.engine import engine_for


def test_pieces_are_those_of_the_splits(songs: Dataset, events: TokenCache) -> None:
    found = chosen(songs, events, quick())
    assert set(found.learn) <= set(songs.split("train"))
    assert not set(found.learn) & set(found.validate)
    assert not found.held_out
    assert set(found.validate) <= set(songs.split("validation"))


def test_without_validation_pieces_some_are_held_out(
    songs: Dataset, events: TokenCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    splits = {"train": np.arange(len(songs)), "validation": np.arange(0)}
    monkeypatch.setattr(songs, "split", splits.__getitem__)
    found = chosen(songs, events, quick(least_score=0.0))
    assert found.held_out
    assert len(found.validate) == -(-len(songs) // HOLD_OUT_EVERY)
    assert sorted([*found.learn, *found.validate]) == list(range(len(songs)))
    splits["train"] = np.arange(1)
    with pytest.raises(UsageError, match="has 1 piece to learn from and 0 to validate on"):
        chosen(songs, events, quick(least_score=0.0))


def test_notes_are_those_that_are_scored(songs: Dataset, events: TokenCache) -> None:
    vocabulary = events.vocabulary()
    settings = quick(validation_tokens=10**9, transpose="none")
    which = chosen(songs, events, settings)
    told = material(songs, events, which, vocabulary, settings, 64)
    names = np.array(events.language.language.names)
    notes = sum(
        sum(name.startswith(("PITCH_", "DRUM_")) for name in names[events[n]])
        for n in which.validate.tolist()
    )
    assert told.notes == notes
    assert 0.15 < told.notes_per_token < 0.5


@pytest.mark.parametrize(("precision", "in_bf16"), [("float32", False), ("bf16", True)])
def test_the_engine_computes_as_asked(precision: str, in_bf16: bool) -> None:
    with engine_for(quick(precision=precision)) as engine:
        assert (engine.device.type, engine.rank, engine.world) == ("cpu", 0, 1)
        assert engine.leads
        assert not engine.may_halve
        with engine.computing():
            found = torch.nn.functional.linear(torch.ones(2, 3), torch.ones(4, 3))
        assert (found.dtype == torch.bfloat16) is in_bf16
        assert engine.agreed([1.0, 2.0]) == [1.0, 2.0]
