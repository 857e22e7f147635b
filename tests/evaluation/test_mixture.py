"""The best mixture of two models, against grids and loops."""

from __future__ import annotations

import numpy as np
import pytest

from woodshed.evaluation.mixture import (
    LEVEL_NAMES,
    Contexts,
    best_share,
    mixed_logs,
    share_text,
    shares_by_context,
)
from woodshed.tokens.performance import Performance


def _pair(seed: int, tokens: int = 3000, gap: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return -rng.gamma(1.5, 1.0, tokens), -rng.gamma(1.5, 1.0, tokens) - gap


@pytest.mark.parametrize("gap", [-1.5, -0.5, 0.0, 0.7, 2.0])
def test_the_best_share_is_that_of_a_grid(gap: float) -> None:
    network, ngram = _pair(4, gap=gap)
    grid = np.linspace(0, 1, 2001)
    plain = [np.log((1 - w) * np.exp(network) + w * np.exp(ngram)).mean() for w in grid]
    assert best_share(network, ngram) == pytest.approx(grid[int(np.argmax(plain))], abs=6e-4)


def test_who_is_always_worse_has_no_share() -> None:
    network, _ = _pair(1)
    assert best_share(network, network - 0.5) == 0.0
    assert best_share(network - 0.5, network) == 1.0
    assert best_share(network, np.full_like(network, -5000.0)) == 0.0


@pytest.mark.parametrize(
    ("share", "text"),
    [
        (0.0, "0.00"), (1.0, "1.00"), (0.31, "0.31"), (0.998, "0.998"), (0.0004, "0.0004"),
        (1 - 1e-9, ">0.999999"), (1e-9, "<0.000001"),
    ],
)  # fmt: skip
def test_only_all_and_nothing_are_told_as_such(share: float, text: str) -> None:
    assert share_text(share) == text


def test_mixing_is_adding_probabilities() -> None:
    network, ngram = _pair(2, 50)
    share = np.linspace(0, 1, 50)
    plain = (1 - share) * np.exp(network) + share * np.exp(ngram)
    np.testing.assert_allclose(np.exp(mixed_logs(network, ngram, share)), plain)
    np.testing.assert_allclose(mixed_logs(network, ngram, 0.0), network)
    np.testing.assert_allclose(mixed_logs(network, ngram, 1.0), ngram)


def test_shares_of_contexts_are_those_of_grids() -> None:
    """Of each context by itself, together with what draws it to the share for all."""
    network, ngram = _pair(5)
    rng = np.random.default_rng(6)
    contexts = rng.integers(0, 3, len(network))
    network = network + np.array([1.0, 0.0, -1.0])[contexts]
    start, weight = 0.4, 50.0
    found = shares_by_context(network, ngram, contexts, 4, start, weight)
    grid = np.linspace(0.001, 0.999, 999)
    for context in range(3):
        own = contexts == context
        ours, its = np.exp(network[own]), np.exp(ngram[own])
        told = [
            np.log((1 - w) * ours + w * its).sum()
            + weight * (start * np.log(w) + (1 - start) * np.log(1 - w))
            for w in grid
        ]
        assert found[context] == pytest.approx(grid[int(np.argmax(told))], abs=0.004)
    assert found[3] == start  # never met
    assert found[0] < found[1] < found[2]


def test_with_much_shrinkage_all_share_alike() -> None:
    network, ngram = _pair(7, 300)
    contexts = np.arange(300) % 5
    found = shares_by_context(network, ngram, contexts, 5, 0.3, 1e9)
    np.testing.assert_allclose(found, 0.3, atol=1e-4)


def test_a_context_is_known_before_its_token() -> None:
    """Whatever the tokens from some place on are, and whatever they cost, it stays the same."""
    language = Performance().language
    contexts = Contexts.of(language)
    rng = np.random.default_rng(8)
    tokens = rng.integers(0, len(language), 60).astype(np.uint16)
    network, ngram = _pair(9, 59)
    whole = contexts.of_piece(tokens, language, network, ngram)
    for place in (1, 20, 40):
        other, ours, its = tokens.copy(), network.copy(), ngram.copy()
        other[place + 1 :] = 0
        ours[place:] -= 3
        its[place:] += 1
        changed = contexts.of_piece(other, language, ours, its)
        np.testing.assert_array_equal(changed[: place + 1], whole[: place + 1])
    assert whole.max() < len(contexts)


def test_a_context_says_the_kind_before_and_who_was_better() -> None:
    language = Performance().language
    contexts = Contexts.of(language)
    tokens = np.array([language.id_of["START"]] + [len(language) - 1] * 9, np.uint16)
    level = len(LEVEL_NAMES)
    found = contexts.of_piece(tokens, language, np.full(9, -3.0), np.full(9, -0.5))
    assert found[0] == language.row("START") * level + LEVEL_NAMES.index("alike")
    last = int(language.group_of[-1])
    assert found[1:].tolist() == [last * level + LEVEL_NAMES.index("n-gram much")] * 8
    told = contexts.told(np.full(len(contexts), 0.25), np.bincount(found, minlength=len(contexts)))
    assert [(row["after"], row["better_lately"], row["tokens"]) for row in told] == [
        ("START", "alike", 1),
        (language.groups[last].name, "n-gram much", 8),
    ]
