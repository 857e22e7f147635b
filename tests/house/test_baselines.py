"""The baselines are what they say: as published code, and as slow counting has it.

`KENLM` are log10 probabilities KenLM gave at commit 4cb443e60b7bf2c0ddf3c745378f76cb59e254e5, built
with `cmake -DKENLM_MAX_ORDER=20`, for `training_pieces()` and `SCORED` as lines of numbers:

    lmplz -o ORDER --discount_fallback --text training.txt --arpa model.arpa
    query -v word model.arpa < scored.txt

Its vocabulary is the twelve tokens of the text, the unknown word (our 12) and the end. In the text
unigrams and bigrams need the fallback, longer n-grams do not. The text ends in a token that comes
once: KenLM counts the very last n-grams of each order by how often they occur, not by what stands
before them, when it estimates discounts, and so both are one.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from benchmarks.baselines import sqlite_counts
from benchmarks.baselines.kneser_ney import KneserNey

VOCABULARY = 13
SCORED = (
    (0, 1, 3, 4, 6, 7, 9, 1, 2, 3, 3, 6, 9, 0, 1),
    (7, 7, 2, 10, 11, 4, 12, 5),
    (1,),
    (2, 3, 4, 5, 6),
)
KENLM = {
    3: (
        (-1.6500436, -0.15701927, -1.3382243, -0.5453564, -0.55616236, -0.5726396, -0.674395,
         -0.6304034, -0.5379157, -0.50787616, -0.87480766, -0.8193687, -0.9010982, -0.656887,
         -0.7811062, -1.2495376),
        (-1.5126028, -1.451, -1.9204789, -1.1094294, -2.4154534, -1.4165447, -2.3846488,
         -1.1155146, -1.1066037),
        (-0.80766034, -1.3553054),
        (-0.6867271, -0.37478903, -0.52717006, -0.7141665, -0.48765302, -1.281123),
    ),
    5: (
        (-1.6500436, -0.15951236, -1.3326973, -0.522262, -0.6080448, -0.6570389, -0.6960666,
         -0.53080934, -0.52504057, -0.6855831, -0.77607757, -0.8419539, -0.36256084, -0.9790633,
         -0.768783, -1.2473913),
        (-1.5126028, -1.4453295, -1.8838568, -1.1094294, -2.4398975, -1.4165447, -2.3846488,
         -1.1155146, -1.1066037),
        (-0.80766034, -1.3797497),
        (-0.6867271, -0.3656834, -0.6722321, -0.69750315, -0.6146737, -1.2844255),
    ),
}  # fmt: skip
AGREEMENT = 1e-6
"""KenLM reckons with 32 bits."""


def training_pieces() -> list[NDArray[np.int64]]:
    """Sixty short pieces by a rule: a walk over eleven tokens, with leaps, and at the end an 11."""
    made = []
    draw = 1
    for number in range(60):
        token, piece = number % 3, []
        for _ in range(5 + 7 * number % 31):
            draw = draw * 1103515245 + 12345 & 0x7FFFFFFF
            token = (token + (1, 1, 1, 2, 2, 3, 3, 5, 8, 0)[(draw >> 16) % 10]) % 11
            piece.append(token)
        made.append(np.array(piece))
    made[-1][-1] = 11
    return made


@pytest.mark.parametrize("order", KENLM)
def test_kneser_ney_agrees_with_kenlm(order: int) -> None:
    model = KneserNey.train(training_pieces(), order, VOCABULARY)
    for piece, published in zip(SCORED, KENLM[order], strict=True):
        log10 = model.log2_probabilities(np.array(piece)) * np.log10(2)
        assert np.abs(log10 - published).max() < AGREEMENT


@pytest.mark.parametrize("ends", [True, False])
@pytest.mark.parametrize("order", [1, 2, 4, 20])
def test_kneser_ney_sums_to_one_and_scores_what_it_predicts(order: int, ends: bool) -> None:
    pieces = training_pieces()
    model = KneserNey.train(pieces[1:], order, VOCABULARY, ends)
    rng = np.random.default_rng(order)
    for piece in (pieces[0], pieces[5], rng.integers(0, VOCABULARY, 25)):
        scored = model.log2_probabilities(piece)
        assert len(scored) == len(piece) + ends
        outcomes = [*piece, VOCABULARY][: len(scored)]
        for place, outcome in enumerate(outcomes):
            distribution = model.distribution(piece[:place])
            assert len(distribution) == VOCABULARY + ends
            assert distribution.min() > 0
            assert distribution.sum() == pytest.approx(1, abs=1e-12)
            assert np.log2(distribution[outcome]) == pytest.approx(scored[place], abs=1e-12)


def test_an_order_beyond_the_longest_piece_makes_no_difference() -> None:
    pieces = [np.array([1, 2, 3]), np.array([1, 2])]
    longest, beyond = (KneserNey.train(pieces, order, 4) for order in (5, 9))
    assert len(longest.orders) == len(beyond.orders) == 5
    assert (longest.distribution(pieces[1]) == beyond.distribution(pieces[1])).all()


def test_kneser_ney_refuses_what_it_cannot_learn() -> None:
    with pytest.raises(ValueError, match="tokens from 1 to 4 do not fit a vocabulary of 4"):
        KneserNey.train([np.array([1, 4])], 2, 4)
    with pytest.raises(ValueError, match="order is 0"):
        KneserNey.train([np.array([1])], 0, 4)
    with pytest.raises(ValueError, match="no token to learn from"):
        KneserNey.train([np.array([], np.int64)], 2, 4)


def test_sqlite_counts_are_those_of_a_counter(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    pieces = [rng.integers(0, 4, length).astype(np.uint16) * 1365 for length in (0, 1, 7, 40, 90)]
    expected = Counter(
        tuple(piece[start : start + length].tolist())
        for piece in pieces
        for length in range(1, 9)
        for start in range(len(piece) - length + 1)
    )
    path = tmp_path / "counts.db"
    sqlite_counts.count_into(path, pieces[:3], batch_tokens=5)
    sqlite_counts.count_into(path, pieces[3:], batch_tokens=50)
    assert {ngram: sqlite_counts.count(path, ngram) for ngram in expected} == expected
    unseen = (1365, 7, 0, 0, 0, 0)
    assert sqlite_counts.count(path, unseen) == 0
    with pytest.raises(ValueError, match="do not fit 12 bits"):
        sqlite_counts.count_into(path, [np.array([4096])])
    assert sqlite_counts.count(path, (0,)) == expected[(0,)]
