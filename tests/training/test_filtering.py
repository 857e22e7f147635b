"""Which pieces are learned from: those whose grammar score is high enough, the others listed."""

from __future__ import annotations

import shutil

import numpy as np
import pytest

from woodshed.corpus.dataset import Dataset
from woodshed.errors import UsageError
from woodshed.tokens.cache import TokenCache, open_cache
from woodshed.training.filtering import filtered


@pytest.fixture(scope="module")
def scored(
    songs: Dataset, events: TokenCache, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Dataset, TokenCache]:
    """Starter songs, three of whose training pieces have low scores."""
    place = tmp_path_factory.mktemp("scored") / "songs.dataset"
    shutil.copytree(songs.path, place)
    dataset = Dataset.open(place)
    cache = open_cache(dataset, "events")
    scores = cache.scores.copy()
    scores[dataset.split("train")[[1, 4, 5]]] = [0.85, 0.2, 0.9]
    np.save(cache.path / "scores.npy", scores, allow_pickle=False)
    return dataset, TokenCache(cache.path, cache.info, cache.language)


def test_pieces_below_the_least_score_are_left_out_and_listed(
    scored: tuple[Dataset, TokenCache],
) -> None:
    dataset, cache = scored
    train = dataset.split("train")
    found = filtered(dataset, cache, "train", 0.9)
    assert found.pieces.tolist() == np.delete(train, [1, 4]).tolist()
    assert [(out.path, out.score) for out in found.left_out] == [
        (dataset.pieces.path[train[4]], 0.2), (dataset.pieces.path[train[1]], 0.85)
    ]  # fmt: skip
    assert found.told is not None
    assert found.told.startswith(f"2 of {len(train)} pieces left out")
    assert f"{dataset.pieces.path[train[4]]} (0.20)" in found.told
    assert found.to_list()[0] == {"path": dataset.pieces.path[train[4]], "score": 0.2}


def test_nothing_is_told_where_all_stay(scored: tuple[Dataset, TokenCache]) -> None:
    dataset, cache = scored
    found = filtered(dataset, cache, "train", 0.0)
    assert found.pieces.tolist() == dataset.split("train").tolist()
    assert found.told is None
    assert filtered(dataset, cache, "validation", 0.9).told is None


def test_where_none_is_good_enough_the_best_is_told(scored: tuple[Dataset, TokenCache]) -> None:
    dataset, cache = scored
    low = TokenCache(cache.path, cache.info, cache.language)
    low.__dict__["scores"] = np.where(cache.scores > 0.5, 0.7, cache.scores)
    with pytest.raises(UsageError, match=r"the best has 0\.70\); lower --least-score"):
        filtered(dataset, low, "train", 0.9)
    assert not len(filtered(dataset, low, "validation", 0.9).pieces)
