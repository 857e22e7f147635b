"""Echoes: what came the last time, and the same however a piece is heard."""

from __future__ import annotations

import numpy as np
import pytest

from woodshed.corpus.dataset import Dataset
from woodshed.models.neural.config import ECHO_CLASSES
from woodshed.models.neural.echoes import WAYS, Echoes
from woodshed.tokens.cache import TokenCache, open_cache
from woodshed.tokens.chorale import Chorale
from woodshed.tokens.events import Events
from woodshed.tokens.vocabulary import Vocabulary
from woodshed.training.batches import DEAF, Pieces

SEMITONES = (0, -3, 4)


def local(cache: TokenCache, piece: int, vocabulary: Vocabulary) -> np.ndarray:
    """A piece as the vocabulary counts."""
    return np.searchsorted(vocabulary.ids, cache[piece])


@pytest.fixture(params=["events", "performance", "chorale"])
def heard(request: pytest.FixtureRequest) -> tuple[Echoes, list[np.ndarray]]:
    """Echoes of a language, and a few pieces in it."""
    dataset: Dataset = request.getfixturevalue(
        "chorales" if request.param == "chorale" else "songs"
    )
    cache = open_cache(dataset, request.param)
    vocabulary = cache.vocabulary()
    pieces = [local(cache, n, vocabulary) for n in dataset.split("train").tolist()[:3]]
    return Echoes(vocabulary), pieces


def test_a_piece_is_told_the_same_token_by_token_and_in_company(
    heard: tuple[Echoes, list[np.ndarray]],
) -> None:
    echoes, pieces = heard
    whole = [echoes.of_piece(piece) for piece in pieces]
    state = echoes.begin(len(pieces))
    for at in range(min(map(len, pieces))):
        told = echoes.hear(np.array([p[at] for p in pieces]), range(len(pieces)), state)
        for row, expected in enumerate(whole):
            assert (told[row] == expected[at]).all()
        if at == 50:
            state = state.taken([0, 1, 2])  # a copy goes on as the one it was made of
    assert any((told[:, 2] == ECHO_CLASSES - 1).any() for told in whole), "nothing came again"


def test_what_is_told_came_before(heard: tuple[Echoes, list[np.ndarray]]) -> None:
    echoes, pieces = heard
    for piece in pieces:
        told = echoes.of_piece(piece)
        for way in range(echoes.ways):
            token, sure = told[:, 1 + 2 * way], told[:, 2 + 2 * way]
            assert (token[sure == 0] == echoes.nothing).all()
            assert (token[sure > 0] < echoes.nothing).all()
            for at in np.flatnonzero(sure).tolist():
                assert token[at] in piece[1 : at + 1]


def test_a_phrase_that_comes_again_is_foretold(songs: Dataset, events: TokenCache) -> None:
    vocabulary = events.vocabulary()
    assert isinstance(events.language, Events)
    piece = local(events, int(songs.split("train")[0]), vocabulary)
    bars = np.flatnonzero([vocabulary.names[token].startswith("BAR_") for token in piece])
    head, verse = piece[: bars[0]], piece[bars[0] : bars[8]]
    told = Echoes(vocabulary).of_piece(np.concatenate([head, verse, verse]))
    again = told[len(head) + len(verse) : -1]
    came = np.concatenate([verse, verse])[len(verse) + 1 :]
    right = again[:, 1] == came
    assert right[40:].mean() > 0.9, "velocities alone may differ where they did before"
    once = told[len(head) : len(head) + len(verse) - 1]
    assert (once[:, 1] == verse[1:]).mean() < 0.9


def test_what_is_heard_moves_with_the_key(songs: Dataset, events: TokenCache) -> None:
    vocabulary = events.vocabulary(SEMITONES)
    echoes = Echoes(vocabulary)
    pieces = Pieces(events, songs.split("train"), vocabulary, SEMITONES, echoes)
    batch = pieces.batch(3, 5, range(8), 200)
    plain = Pieces(events, songs.split("train"), vocabulary, SEMITONES).batch(3, 5, range(8), 200)
    assert (batch.tokens[..., 0] == plain.tokens).all()
    assert batch.begins is not None
    compared = 0
    for whole, before, (piece, begin, shift, header) in zip(
        batch.tokens, pieces.before(batch), batch.begins.tolist(), strict=True
    ):
        row, left = whole[header:], int(pieces.lengths[piece]) - begin
        tokens = np.concatenate([before[:-1], row[:left, 0]])
        expected = echoes.of_piece(tokens)[begin:]
        if (row[:, 2::2] > 0).any():  # it is not one of those that are told nothing
            # The memory is small: which of two contexts makes room depends on the key.
            same = (row[: len(expected)] == expected).mean()
            assert same == 1 if shift == 0 else same > 0.9
            compared += shift != 0
    assert compared > 1


def test_some_sequences_are_told_nothing(songs: Dataset, events: TokenCache) -> None:
    vocabulary = events.vocabulary()
    pieces = Pieces(events, songs.split("train"), vocabulary, (0,), Echoes(vocabulary))
    told = pieces.batch(1, 0, range(400), 64).tokens
    deaf = (told[..., 1::2] == len(vocabulary)).all(axis=(1, 2)) & ~told[..., 2::2].any((1, 2))
    assert 0.5 * DEAF < deaf.mean() < 2 * DEAF


def test_every_way_is_a_view_there_is(heard: tuple[Echoes, list[np.ndarray]]) -> None:
    echoes, _ = heard
    assert {len(ways) for ways in WAYS.values()} == {echoes.ways}


def test_voices_that_take_turns_are_told_what_their_own_line_did(chorales: Dataset) -> None:
    """The soprano sings four pitches again and again; the others never do the same twice."""
    cache = open_cache(chorales, "chorale")
    assert isinstance(cache.language, Chorale)
    cells = np.array([[60 + n % 4, 40 + n, 80 - n, 30 + n * n % 41] for n in range(32)])
    tokens = cache.language.told(cells)
    vocabulary = Vocabulary.used(
        cache.language.language, np.bincount(tokens, minlength=len(cache.language.language))
    )
    piece = np.searchsorted(vocabulary.ids, tokens)
    own = WAYS["chorale"].index("own line")
    told = Echoes(vocabulary).of_piece(piece)[:-1]
    soprano = np.arange(4, len(piece) - 2, 4)  # what is told with each bass is of the next soprano
    assert (told[soprano, 1 + 2 * own] == piece[soprano + 1])[8:].all()
    assert (told[soprano, 2 + 2 * own] > 0)[8:].all()
