"""What every family promises (`models.family`), held against each of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from woodshed.errors import UsageError
from woodshed.models.family import Conditions, Model
from woodshed.models.mixed import Mixed
from woodshed.sampling.engine import Start, sample
from woodshed.sampling.settings import SamplingSettings


def _start(model: Model) -> np.ndarray:
    return np.flatnonzero(np.array(model.info.vocabulary.names) == "START").astype(np.uint16)


def _walk(model: Model, seed: int, steps: int) -> np.ndarray:
    """Tokens that the model itself finds likely, drawn with a seed."""
    chance = np.random.default_rng(seed)
    tokens = [int(_start(model)[0])]
    state = model.start([np.array(tokens, np.uint16)])
    for _ in range(steps):
        said = model.log_probabilities(state)[0].astype(np.float64)
        share = np.exp(said - said.max()) ** 1.5
        tokens.append(int(chance.choice(len(share), p=share / share.sum())))
        model.advance(state, np.array(tokens[-1:]))
    return np.array(tokens, np.uint16)


def test_probabilities_sum_to_one_everywhere(model: Model) -> None:
    tokens = _walk(model, 1, 80)
    state = model.start([tokens[:1]])
    for token in tokens[1:]:
        said = model.log_probabilities(state)
        assert said.shape == (1, len(model.info.vocabulary))
        assert np.exp(said.astype(np.float64)).sum() == pytest.approx(1, abs=1e-4)
        model.advance(state, np.array([token]))


def test_a_prompt_is_the_same_as_its_tokens_one_by_one(model: Model) -> None:
    """Where the key is told. Else a prompt may say more: the key it seems to be in."""
    tokens = _walk(model, 2, 60)
    is_told = "KEY" in model.info.language.language.first
    at_once = model.start([tokens])
    one_by_one = model.start([tokens[: 1 if is_told else 59]])
    for token in tokens[1 if is_told else 59 :]:
        model.advance(one_by_one, np.array([token]))
    np.testing.assert_array_equal(
        model.log_probabilities(at_once), model.log_probabilities(one_by_one)
    )


def test_a_row_never_depends_on_its_company(model: Model) -> None:
    pieces = [_walk(model, seed, 40) for seed in range(4)]
    together = model.start([piece[:1] for piece in pieces])
    alone = [model.start([piece[:1]]) for piece in pieces]
    for step in range(1, 40):
        said = model.log_probabilities(together)
        for row, state in enumerate(alone):
            np.testing.assert_array_equal(said[row], model.log_probabilities(state)[0])
            model.advance(state, pieces[row][step : step + 1])
        model.advance(together, np.array([piece[step] for piece in pieces]))


def test_a_fork_goes_its_own_way(model: Model) -> None:
    tokens = _walk(model, 5, 50)
    state = model.start([tokens[:30], tokens[:40]])
    before = model.log_probabilities(state).copy()
    forked = model.fork(state, np.array([1, 0, 1]))
    np.testing.assert_array_equal(model.log_probabilities(forked), before[[1, 0, 1]])
    model.advance(forked, np.array([tokens[40], tokens[30], tokens[40]]))
    np.testing.assert_array_equal(model.log_probabilities(state), before)
    again = model.start([tokens[:41], tokens[:31]])
    np.testing.assert_array_equal(
        model.log_probabilities(forked)[:2], model.log_probabilities(again)
    )


def test_no_condition_changes_nothing(model: Model) -> None:
    tokens = _walk(model, 6, 30)
    plain = model.log_probabilities(model.start([tokens]))
    without = model.log_probabilities(model.start([tokens], Conditions({}, 5.0)))
    weightless = Conditions({name: of[0] for name, of in model.info.tags.items()}, 0.0)
    np.testing.assert_array_equal(plain, without)
    np.testing.assert_array_equal(plain, model.log_probabilities(model.start([tokens], weightless)))


def test_unknown_conditions_are_told_what_there_is(model: Model) -> None:
    start = [_start(model)]
    has_tags = "TAG" in model.info.language.language.first
    with pytest.raises(UsageError, match=r"no tag 'mood'; it has: .*" + "feel" * has_tags):
        model.start(start, Conditions({"mood": "blue"}))
    with pytest.raises(UsageError, match=r"feel is never 'polka'.*shuffle" if has_tags else "none"):
        model.start(start, Conditions({"feel": "polka"}))


def test_a_condition_turns_what_comes_next(ngram: Model) -> None:
    """Slow songs have 60 to 84 beats of a quarter and a half; shuffles are anything up to 200."""
    names = ngram.info.vocabulary.names
    slow = [n for n, name in enumerate(names) if name.startswith("TEMPO_") and int(name[6:]) < 130]
    likely = [
        float(np.exp(ngram.log_probabilities(ngram.start([_start(ngram)], told))[0, slow]).sum())
        for told in (Conditions({"feel": "slow"}), Conditions(), Conditions({"feel": "shuffle"}))
    ]
    assert likely[0] > 1.05 * likely[1] > 1.05 * likely[2]


def test_scoring_whole_pieces_says_what_single_steps_say(model: Any) -> None:
    if isinstance(model, Mixed):
        pytest.skip("a mixture is scored by its parts")
    tokens = _walk(model, 8, 120)
    network = getattr(model, "network", None)
    if network is not None and not network.config.is_recurrent:
        # Beyond its context each window begins anew, and playing goes on with what was kept.
        tokens = tokens[: network.config.context + 1]
    whole = model.log_likelihood([tokens])[0]
    state = model.start([tokens[:1]])
    for n, token in enumerate(tokens[1:], 1):
        said = model.log_probabilities(state)[0, token]
        assert whole[n] == pytest.approx(said, abs=2e-3)
        model.advance(state, np.array([token]))


def test_the_echo_of_the_piece_can_be_turned_off(ngram: Model) -> None:
    """What came three times comes again, and less so where the piece does not count."""
    tokens = _walk(ngram, 9, 40)
    again = np.concatenate([tokens, tokens[20:], tokens[20:], tokens[20:30]])
    loud, none = (ngram.start([again], Conditions(echo=echo)) for echo in (1.0, 0.0))
    said = [ngram.log_probabilities(state)[0, tokens[30]] for state in (loud, none)]
    assert said[0] > said[1] + 0.1


def test_a_network_hears_its_echoes_as_much_as_it_is_told(transformer: Model) -> None:
    tokens = _walk(transformer, 9, 40)
    again = np.concatenate([tokens, tokens[20:]])
    said = [
        transformer.log_probabilities(transformer.start([again], Conditions(echo=echo)))[0]
        for echo in (1.0, 0.5, 0.0)
    ]
    far = [np.abs(said[0] - other).max() for other in said]
    assert far[0] == 0 < far[1] < far[2]


def test_a_model_plays_with_the_echo_it_names_unless_told(ngram: Model, transformer: Model) -> None:
    for model in (ngram, transformer):
        start = np.flatnonzero(np.array(model.info.vocabulary.names) == "START")
        begins = [Start(number, start.astype(np.uint16)) for number in range(2)]
        usual, named, none = (
            [
                piece.tokens.tolist()
                for piece in sample(model, begins, SamplingSettings(seed=3, bars=8, echo=echo))
            ]
            for echo in (None, model.echo, 0.0)
        )
        assert usual == named != none
