"""Scoring a text says what playing it token by token says."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from woodshed.corpus.dataset import Dataset
from woodshed.evaluation import scores
from woodshed.evaluation.scores import logs_of
from woodshed.evaluation.text import text_for
from woodshed.tokens.cache import TokenCache


@pytest.mark.parametrize("family", ["ngram", "transformer"])
def test_every_token_is_foretold_from_all_before(
    family: str, songs: Dataset, events: TokenCache, request: pytest.FixtureRequest
) -> None:
    model: Any = request.getfixturevalue(family)
    text = text_for(songs, events, "test", [model.info], 2)
    logs = logs_of(model, text)
    for piece, told in zip(text.tokens, logs, strict=True):
        local = model.info.vocabulary.nearest[piece]
        assert len(told) == len(piece) - 1
        state = model.start([local[:1]])
        for place in range(1, 45):  # as far as this network sees; it is rounded while playing
            said = model.log_probabilities(state)[0, local[place]]
            assert told[place - 1] == pytest.approx(said, abs=0.05)
            model.advance(state, local[place : place + 1])


def test_pieces_in_any_company_are_the_same(
    songs: Dataset, events: TokenCache, ngram: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = text_for(songs, events, "train", [ngram.info], 5)
    together = logs_of(ngram, text)
    monkeypatch.setattr(scores, "TOGETHER", 2)
    for one, other in zip(together, logs_of(ngram, text), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("length", [2, 3, 6])
def test_what_is_told_besides_is_paid_for(length: int) -> None:
    """A key that a piece does not tell costs what it costs, with the token after it."""
    logs = -np.arange(length + 1.0)
    folded = scores._of_the_text(logs, length)
    assert len(folded) == length
    assert folded.sum() == logs.sum()
    np.testing.assert_array_equal(scores._of_the_text(logs, length + 1), logs)
    if length > 2:
        np.testing.assert_array_equal(folded[:3], [0, -1, -5])
