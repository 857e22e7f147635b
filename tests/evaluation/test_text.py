"""One text for all models: what is simplified for all, what is refused."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest

from woodshed.corpus.dataset import Dataset
from woodshed.errors import UsageError
from woodshed.evaluation.comparable import check_comparable, doubts
from woodshed.evaluation.text import text_for
from woodshed.models.family import Model
from woodshed.models.info import ModelInfo
from woodshed.tokens.cache import TokenCache
from woodshed.tokens.vocabulary import Vocabulary


def _without(info: ModelInfo, tokens: list[int]) -> ModelInfo:
    """The model, were it not to know these tokens of the full table."""
    ids = np.setdiff1d(info.vocabulary.ids, tokens).astype(np.uint16)
    return dataclasses.replace(info, vocabulary=Vocabulary(info.language.language, ids))


def _rare(cache: TokenCache, pieces: np.ndarray, info: ModelInfo) -> tuple[int, list[int]]:
    """A pitch that the fewest of these pieces have, and those pieces."""
    having: dict[int, list[int]] = {}
    names = info.language.language.names
    for number in pieces.tolist():
        for token in np.unique(cache[number]).tolist():
            if names[token].startswith("PITCH_"):
                having.setdefault(token, []).append(number)
    return min(having.items(), key=lambda item: (len(item[1]), item[0]))


def test_a_text_is_the_split(songs: Dataset, events: TokenCache, ngram: Model) -> None:
    text = text_for(songs, events, "test", [ngram.info])
    assert text.numbers.tolist() == songs.split("test").tolist()
    assert text.notes.tolist() == songs.pieces.notes[text.numbers].tolist()
    assert text.seconds.tolist() == songs.pieces.duration_seconds[text.numbers].tolist()
    assert text.groups.tolist() == songs.pieces.duplicate_group[text.numbers].tolist()
    assert text.count == sum(len(events[n]) - 1 for n in text.numbers.tolist())
    strange = 0
    for number, tokens in zip(text.numbers.tolist(), text.tokens, strict=True):
        written = events[number]
        knows = ngram.info.vocabulary.available[written]
        np.testing.assert_array_equal(tokens[knows], written[knows])
        strange += int((~knows).sum())
    assert (text.simplified, text.unknown) == (strange, (strange,))


def test_some_pieces_are_from_all_over(songs: Dataset, events: TokenCache, ngram: Model) -> None:
    every = songs.split("train")
    text = text_for(songs, events, "train", [ngram.info], 4)
    assert text.numbers.tolist() == [every[len(every) * n // 4] for n in range(4)]
    assert text.hash != text_for(songs, events, "train", [ngram.info], 3).hash
    whole = text_for(songs, events, "train", [ngram.info])
    assert whole.hash == text_for(songs, events, "train", [ngram.info], 10**6).hash


def test_all_read_what_all_know(songs: Dataset, events: TokenCache, ngram: Model) -> None:
    """What one does not know the other reads as the one does."""
    pieces = songs.split("train")
    token, having = _rare(events, pieces, ngram.info)
    poorer = _without(ngram.info, [token])
    text = text_for(songs, events, "train", [ngram.info, poorer])
    told = sum(int((events[n] == token).sum()) for n in having)
    assert text.unknown == (0, told)
    assert text.simplified == told > 0
    alone = text_for(songs, events, "train", [poorer])
    assert text.hash == alone.hash != text_for(songs, events, "train", [ngram.info]).hash
    nearest = poorer.vocabulary.ids[poorer.vocabulary.nearest[token]]
    for number, tokens in zip(pieces.tolist(), text.tokens, strict=True):
        written = events[number]
        np.testing.assert_array_equal(tokens, np.where(written == token, nearest, written))


def test_a_text_too_simple_is_refused(songs: Dataset, events: TokenCache, ngram: Model) -> None:
    names = ngram.info.language.language.names
    pitches = [n for n, name in enumerate(names) if name.startswith("PITCH_")][40:60]
    told = r"test pieces are not known to every model \(\d+, [\d,]+ to each\)"
    with pytest.raises(UsageError, match=told):
        text_for(songs, events, "test", [ngram.info, _without(ngram.info, pitches)])


def _empty(songs: Dataset) -> Dataset:
    bare = Dataset(songs.path, songs.info)
    bare.pieces = dataclasses.replace(songs.pieces, split=("train",) * len(songs))
    return bare


def test_an_empty_split_is_said(songs: Dataset, events: TokenCache, ngram: Model) -> None:
    with pytest.raises(UsageError, match=r"the test split of .* is empty; use --split"):
        text_for(_empty(songs), events, "test", [ngram.info])


def test_what_cannot_be_compared(
    songs: Dataset, ngram: Model, ngram_performance: Model, transformer: Model
) -> None:
    a, b = ("a", ngram.info), ("b", transformer.info)
    check_comparable([a, b], songs)
    for models, sentence in (
        ([], "there is no model to compare"),
        ([a, b, a], "a is given twice"),
        ([a, ("c", ngram.info)], "c and a are the same; name each model once"),
        ([a, ("p", ngram_performance.info)], "a is told in events and p in performance"),
        ([("s", _strange(ngram.info))], "s was trained on other data .* add --unseen"),
    ):
        with pytest.raises(UsageError, match=sentence):
            check_comparable(models, songs)
    check_comparable([("s", _strange(ngram.info))], songs, unseen=True)
    assert doubts([a, b], songs) == []
    (said,) = doubts([("s", _strange(ngram.info))], songs)
    assert said.startswith("s was trained on other data")
    begun = dataclasses.replace(transformer.info, settings={"init": "older.model"})
    (said,) = doubts([("t", begun)], songs)
    assert said.startswith("t began as another model (--init)")


def test_other_tags_or_lineups_are_another_reduction(songs: Dataset, ngram: Model) -> None:
    language: Any = ngram.info.language
    tagged = dataclasses.replace(language, tags=("feel=polka",))
    other = dataclasses.replace(ngram.info, language=tagged)
    with pytest.raises(UsageError, match=r"x and .* tell the music differently \(their tags diff"):
        check_comparable([("x", other)], songs)
    lineup = dataclasses.replace(language.lineup, slots=language.lineup.slots[1:])
    other = dataclasses.replace(ngram.info, language=dataclasses.replace(language, lineup=lineup))
    with pytest.raises(UsageError, match=r"\(their lineups"):
        check_comparable([("x", other)], songs)


def _strange(info: ModelInfo) -> ModelInfo:
    return dataclasses.replace(info, data_hash="0" * 64)
