"""A network and an n-gram as one model: shares, vocabularies, refusals. The contract holds, too."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest

from woodshed.errors import UsageError
from woodshed.models.family import Conditions, Model
from woodshed.models.mixed import Mixed
from woodshed.sampling.engine import Start, sample
from woodshed.sampling.settings import SamplingSettings
from woodshed.tokens.vocabulary import Vocabulary


def _names(model: Model) -> list[str]:
    return list(model.info.vocabulary.names)


def _walk(mixed: Mixed, steps: int) -> np.ndarray:
    tokens = [_names(mixed).index("START")]
    state = mixed.start([np.array(tokens, np.uint16)])
    for _ in range(steps):
        tokens.append(int(mixed.log_probabilities(state)[0].argmax()))
        mixed.advance(state, np.array(tokens[-1:]))
    return np.array(tokens, np.uint16)


def _in_ngram(mixed: Mixed, tokens: np.ndarray) -> np.ndarray:
    """The tokens as the n-gram counts them, by their names."""
    at = {name: number for number, name in enumerate(_names(mixed.ngram))}
    names = _names(mixed)
    return np.array([at[names[token]] for token in tokens.tolist()], np.uint16)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_probabilities_are_added(transformer: Model, ngram: Model, share: float) -> None:
    """Those of the n-gram made whole over the tokens that the network knows."""
    mixed = Mixed(transformer, ngram, share)
    tokens = _walk(mixed, 40)
    ours = np.exp(transformer.log_probabilities(transformer.start([tokens]))[0].astype(float))
    told = ngram.log_probabilities(ngram.start([_in_ngram(mixed, tokens)]))[0]
    its = np.exp(told.astype(float)[_in_ngram(mixed, np.arange(len(ours)))])
    said = mixed.log_probabilities(mixed.start([tokens]))[0]
    assert said.dtype == np.float32
    plain = (1 - share) * ours + share * its / its.sum()
    np.testing.assert_allclose(np.exp(said.astype(float)), plain, rtol=1e-4, atol=1e-9)


def test_no_share_is_the_network_alone(transformer: Model, ngram: Model) -> None:
    mixed = Mixed(transformer, ngram, 0.0)
    tokens = _walk(mixed, 30)
    np.testing.assert_array_equal(
        mixed.log_probabilities(mixed.start([tokens])),
        transformer.log_probabilities(transformer.start([tokens])),
    )
    assert mixed.echo == transformer.echo
    assert mixed.info is transformer.info


def test_the_whole_share_is_the_ngram_alone(ngram: Model, ngram_twin: Model) -> None:
    """A stranger that knows the very tokens of the n-gram, so that nothing is left out."""
    mixed = Mixed(ngram_twin, ngram, 1.0)
    starts = [Start(n, np.array([_names(ngram).index("START")], np.uint16)) for n in range(2)]
    settings = SamplingSettings(seed=4, bars=3)
    ways = [[p.tokens.tolist() for p in sample(m, starts, settings)] for m in (mixed, ngram)]
    assert ways[0] == ways[1]
    assert mixed.echo == ngram.echo


@pytest.fixture
def ngram_twin(ngram: Any) -> Any:
    """The n-gram, were it of another family."""
    return dataclasses.replace(ngram, info=dataclasses.replace(ngram.info, family="twin"))


def test_the_echo_is_between_the_two(transformer: Model, ngram: Model) -> None:
    assert (transformer.echo, ngram.echo) == (1.0, 0.5)
    assert Mixed(transformer, ngram, 0.3).echo == pytest.approx(0.85)


def test_tags_turn_both(transformer: Model, ngram: Model) -> None:
    mixed = Mixed(transformer, ngram, 0.5)
    start = [np.array([_names(mixed).index("START")], np.uint16)]
    plain = mixed.log_probabilities(mixed.start(start))
    slow = mixed.log_probabilities(mixed.start(start, Conditions({"feel": "slow"})))
    assert np.abs(plain - slow).max() > 0.01
    with pytest.raises(UsageError, match="no tag 'mood'"):
        mixed.start(start, Conditions({"mood": "blue"}))


def test_an_unlikely_token_stays_possible(transformer: Model, ngram: Model) -> None:
    mixed = Mixed(transformer, ngram, 1.0)
    assert np.isfinite(mixed.log_probabilities(mixed.start([_walk(mixed, 20)]))).all()


def test_what_cannot_be_mixed(transformer: Any, ngram: Any, ngram_performance: Model) -> None:
    for share in (-0.1, 1.5, float("nan")):
        with pytest.raises(UsageError, match=r"--mix .* makes no sense; use 0"):
            Mixed(transformer, ngram, share)
    with pytest.raises(UsageError, match="is an n-gram model itself; leave --mix out"):
        Mixed(ngram, ngram, 0.5)
    with pytest.raises(UsageError, match="this is of the family transformer; name an n-gram"):
        Mixed(transformer, transformer, 0.5)
    with pytest.raises(UsageError, match=r"different languages \(events and performance\)"):
        Mixed(transformer, ngram_performance, 0.5)
    own = transformer.info.vocabulary
    info = dataclasses.replace(ngram.info, vocabulary=Vocabulary(own.language, own.ids[:-3]))
    poorer = dataclasses.replace(ngram, info=info)
    with pytest.raises(UsageError, match="does not know 3 tokens of the transformer's"):
        Mixed(transformer, poorer, 0.5)
