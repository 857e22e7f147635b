"""A small dataset of starter songs, and settings with which a training takes seconds."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
import torch

from woodshed.corpus.dataset import Dataset
from woodshed.corpus.prepare import prepare
from woodshed.corpus.starter import write_starter
from woodshed.corpus.workspace import lock_file
from woodshed.tokens.cache import TokenCache, open_cache

PIECES = 12


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> None:
    """Networks this small are slower on many threads, and wait for each other."""
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def songs(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """Starter songs as a dataset with its tokens, made once for all processes that run tests."""
    place = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        place = place.parent
    return made_once(place / "training")


def made_once(place: Path) -> Dataset:
    """The dataset in a folder, by whichever process comes first; the others wait."""
    with place.with_suffix(".lock").open("a+b") as file:
        while not lock_file(file):
            time.sleep(0.05)
        if not place.is_dir():
            half = place.with_suffix(".half")
            write_starter(half / "starter", PIECES)
            prepare(half / "starter", half / "songs.dataset", "band")
            open_cache(Dataset.open(half / "songs.dataset"), "events")
            half.rename(place)
    return Dataset.open(place / "songs.dataset")


@pytest.fixture(scope="session")
def events(songs: Dataset) -> TokenCache:
    """Their tokens in `events`."""
    return open_cache(songs, "events")
