"""Models to play: pairs of tokens counted over the small sample folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.models.bigram import Bigram, bigram_of, sample_dataset


@pytest.fixture(scope="session")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return sample_dataset(tmp_path_factory.mktemp("sampling"))


@pytest.fixture(scope="session")
def band(dataset: Path) -> Bigram:
    """A model in `events`."""
    return bigram_of(dataset)


@pytest.fixture(scope="session")
def piano(dataset: Path) -> Bigram:
    """A model in `performance`."""
    return bigram_of(dataset, "performance")
