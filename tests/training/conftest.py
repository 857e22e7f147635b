"""A small dataset of starter songs, and settings with which a training takes seconds."""

from __future__ import annotations

import pytest
import torch

from woodshed.corpus.dataset import Dataset
from woodshed.corpus.prepare import prepare
from woodshed.corpus.starter import write_starter
from woodshed.tokens.cache import TokenCache, open_cache

PIECES = 12


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> None:
    """Networks this small are slower on many threads, and wait for each other."""
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def songs(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """Starter songs as a dataset."""
    place = tmp_path_factory.mktemp("training")
    write_starter(place / "starter", PIECES)
    prepare(place / "starter", place / "songs.dataset", "band")
    return Dataset.open(place / "songs.dataset")


@pytest.fixture(scope="session")
def events(songs: Dataset) -> TokenCache:
    """Their tokens in `events`."""
    return open_cache(songs, "events")
