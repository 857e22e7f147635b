"""A dataset of starter songs and models of every family trained on it, once for all tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from woodshed.corpus.dataset import Dataset
from woodshed.corpus.prepare import prepare
from woodshed.corpus.starter import write_starter
from woodshed.models.family import Model
from woodshed.models.load import load_model
from woodshed.models.ngram.settings import NgramSettings
from woodshed.models.ngram.train import train_ngram
from woodshed.tokens.cache import TokenCache, open_cache

PIECES = 24


@pytest.fixture(scope="session")
def songs(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """Starter songs as a dataset."""
    place = tmp_path_factory.mktemp("songs")
    write_starter(place / "starter", PIECES)
    prepare(place / "starter", place / "songs.dataset", "band")
    return Dataset.open(place / "songs.dataset")


@pytest.fixture(scope="session")
def events(songs: Dataset) -> TokenCache:
    """Their tokens in `events`."""
    return open_cache(songs, "events")


@pytest.fixture(scope="session")
def performance(songs: Dataset) -> TokenCache:
    """Their tokens in `performance`."""
    return open_cache(songs, "performance")


@pytest.fixture(scope="session")
def ngram_path(
    songs: Dataset, events: TokenCache, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """An n-gram model of them."""
    path = tmp_path_factory.mktemp("model") / "songs.model"
    train_ngram(songs, events, path, NgramSettings(held_out_tokens=6000))
    return path


@pytest.fixture(scope="session")
def ngram(ngram_path: Path) -> Model:
    """It, loaded."""
    return load_model(ngram_path)


@pytest.fixture(scope="session")
def ngram_performance(
    songs: Dataset, performance: TokenCache, tmp_path_factory: pytest.TempPathFactory
) -> Model:
    """An n-gram model of `performance`."""
    path = tmp_path_factory.mktemp("model") / "songs.model"
    train_ngram(songs, performance, path, NgramSettings(held_out_tokens=2000))
    return load_model(path)


@pytest.fixture(scope="session", params=["ngram", "ngram_performance"])
def model(request: pytest.FixtureRequest) -> Model:
    """A model of every family and language; what every model promises holds for each."""
    found: Model = request.getfixturevalue(request.param)
    return found
