"""A dataset of starter songs and models of every family trained on it, once for all tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.tokens.chorales import write_chorales
from woodshed.corpus.dataset import Dataset
from woodshed.corpus.prepare import prepare
from woodshed.corpus.starter import write_starter
from woodshed.models.card import card
from woodshed.models.family import Model
from woodshed.models.info import ModelInfo
from woodshed.models.load import load_model
from woodshed.models.mixed import Mixed
from woodshed.models.neural.config import NetworkConfig
from woodshed.models.ngram.settings import NgramSettings
from woodshed.models.ngram.train import train_ngram
from woodshed.models.store import model_folder, seal
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


@pytest.fixture(scope="session")
def transformer_path(
    songs: Dataset, events: TokenCache, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A small Transformer of `events`, as it is before it learns anything."""
    return untrained(songs, events, tmp_path_factory.mktemp("model") / "songs.model")


@pytest.fixture(scope="session")
def transformer(transformer_path: Path) -> Model:
    """It, loaded."""
    return load_model(transformer_path)


@pytest.fixture(scope="session")
def transformer_performance(
    songs: Dataset, performance: TokenCache, tmp_path_factory: pytest.TempPathFactory
) -> Model:
    """A small Transformer of `performance`."""
    path = tmp_path_factory.mktemp("model") / "songs.model"
    return load_model(untrained(songs, performance, path))


@pytest.fixture(scope="session")
def mamba(songs: Dataset, events: TokenCache, tmp_path_factory: pytest.TempPathFactory) -> Model:
    """A small Mamba."""
    path = tmp_path_factory.mktemp("model") / "songs.model"
    return load_model(untrained(songs, events, path, "mamba"))


@pytest.fixture(scope="session")
def lstm(songs: Dataset, events: TokenCache, tmp_path_factory: pytest.TempPathFactory) -> Model:
    """A small LSTM."""
    path = tmp_path_factory.mktemp("model") / "songs.model"
    return load_model(untrained(songs, events, path, "lstm"))


SHAPES = {
    "transformer": {"heads": 4, "kv_heads": 2, "feed_forward": 48},
    "mamba": {"heads": 4, "kv_heads": 0, "feed_forward": 48, "state": 16},
    "lstm": {"heads": 0, "kv_heads": 0, "feed_forward": 0, "state": 48},
}


def untrained(
    songs: Dataset, cache: TokenCache, path: Path, family: str = "transformer"
) -> Path:  # fmt: skip
    """A small network whose context is shorter than what the tests play, stored at `path`."""
    torch = pytest.importorskip("torch")
    from woodshed.models.neural.network import Network
    from woodshed.models.neural.storage import own_of, save_weights

    vocabulary = cache.vocabulary(())
    config = NetworkConfig(
        vocabulary=len(vocabulary), width=32, layers=2, context=47, backbone=family, echoes=3,
        **SHAPES[family],
    )  # fmt: skip
    torch.set_num_threads(1)  # several that wait for each other would make tests slow
    with torch.random.fork_rng():
        torch.manual_seed(11)
        network = Network(config)
        with torch.no_grad():
            for name, weight in network.named_parameters():
                if "embedding" in name:
                    weight.mul_(8)  # so that it has opinions
    info = ModelInfo(
        family, cache.language, vocabulary, cache.grammar_limits, songs.content_hash, (),
        {}, {}, own_of(config, vocabulary), {},
    )  # fmt: skip
    with model_folder(path) as folder:
        save_weights(network, folder)
        seal(folder, info, card(info))
    return path


@pytest.fixture(scope="session")
def chorales(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """Chorales of four tracks as a dataset."""
    place = tmp_path_factory.mktemp("chorales")
    write_chorales(place / "music", PIECES)
    prepare(place / "music", place / "chorales.dataset")
    return Dataset.open(place / "chorales.dataset")


@pytest.fixture(scope="session")
def ngram_chorale(chorales: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Model:
    """An n-gram model of `chorale`."""
    path = tmp_path_factory.mktemp("model") / "chorales.model"
    train_ngram(chorales, open_cache(chorales, "chorale"), path, NgramSettings())
    return load_model(path)


@pytest.fixture(scope="session")
def transformer_chorale(chorales: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Model:
    """A small Transformer of `chorale`."""
    path = tmp_path_factory.mktemp("model") / "chorales.model"
    return load_model(untrained(chorales, open_cache(chorales, "chorale"), path))


@pytest.fixture(scope="session")
def mixed(transformer: Model, ngram: Model) -> Model:
    """The Transformer and the n-gram as one."""
    return Mixed(transformer, ngram, 0.4)


@pytest.fixture(
    scope="session",
    params=[
        "ngram",
        "ngram_performance",
        "ngram_chorale",
        "transformer_chorale",
        "transformer",
        "transformer_performance",
        "mamba",
        "lstm",
        "mixed",
    ],
)
def model(request: pytest.FixtureRequest) -> Model:
    """A model of every family and language; what every model promises holds for each."""
    found: Model = request.getfixturevalue(request.param)
    return found
