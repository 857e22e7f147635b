"""The token cache of a dataset: made once, checked, made anew when it does not fit."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from woodshed.corpus.dataset import Dataset
from woodshed.corpus.prepare import prepare
from woodshed.errors import UsageError
from woodshed.formats.limits import Limits
from woodshed.recipes.demo import write_demo_folder
from woodshed.tokens.cache import language_of, open_cache, tag_names
from woodshed.tokens.check import check_pieces, grammars
from woodshed.tokens.events_grammar import EventLimits
from woodshed.tokens.limits import extremes_of, measured_limits
from woodshed.tokens.performance import PerformanceLimits


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("music") / "music"
    write_demo_folder(place)
    (place / "blues-in-a.yaml").write_text("feel: shuffle\nform: twelve-bar\n")
    return place


@pytest.fixture
def dataset(folder: Path, tmp_path: Path) -> Dataset:
    prepare(folder, tmp_path / "data")
    return Dataset.open(tmp_path / "data")


@pytest.mark.parametrize("language", ["events", "performance"])
def test_the_cache_holds_what_encoding_gives(dataset: Dataset, language: str) -> None:
    cache = open_cache(dataset, language)
    spoken = language_of(dataset, language)
    assert len(cache) == len(dataset) > 0
    for piece in range(len(dataset)):
        slots = dataset.slots(piece).tolist()
        if language == "events":
            names = tag_names(dataset.tags(piece))
            expected = spoken.encode(dataset.score(piece), slots, names)  # type: ignore[call-arg]
        else:
            expected = spoken.encode(dataset.score(piece), slots)
        assert np.array_equal(cache[piece], expected)
    assert cache.tokens.dtype == np.dtype("<u2")
    assert cache.info["tokens"] == len(cache.tokens)


def test_tags_are_told(dataset: Dataset) -> None:
    cache = open_cache(dataset, "events")
    names = {cache.language.language.names[t] for t in np.unique(cache.tokens)}
    assert {"TAG_feel=shuffle", "TAG_form=twelve-bar"} <= names


def test_a_second_opening_makes_nothing(dataset: Dataset) -> None:
    path = open_cache(dataset, "events").path
    before = {f.name: f.stat().st_mtime_ns for f in path.iterdir()}
    again = open_cache(dataset, "events")
    assert again.rebuilt_because is None
    assert {f.name: f.stat().st_mtime_ns for f in path.iterdir()} == before


@pytest.mark.parametrize("file", ["tokens.bin", "offsets.npy", "cache.json"])
def test_a_damaged_cache_is_made_anew_and_said(dataset: Dataset, file: str) -> None:
    cache = open_cache(dataset, "events")
    expected = np.array(cache.tokens)
    damaged = cache.path / file
    data = damaged.read_bytes()
    damaged.write_bytes(bytes([data[0] ^ 255]) + data[1:])
    again = open_cache(dataset, "events")
    assert again.rebuilt_because is not None
    assert np.array_equal(again.tokens, expected)
    assert open_cache(dataset, "events").rebuilt_because is None


def test_a_cache_of_another_content_is_made_anew(dataset: Dataset) -> None:
    cache = open_cache(dataset, "events")
    info = json.loads((cache.path / "cache.json").read_text())
    (cache.path / "cache.json").write_text(json.dumps(info | {"dataset": "other"}))
    assert open_cache(dataset, "events").rebuilt_because == "it was made for another dataset"


def test_the_bytes_do_not_depend_on_the_workers(folder: Path, tmp_path: Path) -> None:
    found = []
    for workers in (1, 2):
        place = tmp_path / str(workers)
        prepare(folder, place)
        cache = open_cache(Dataset.open(place), "events", Limits(workers=workers))
        found.append((cache.path / "tokens.bin").read_bytes())
    assert found[0] == found[1]


@pytest.mark.parametrize("language", ["events", "performance"])
def test_limits_are_measured_and_kept(dataset: Dataset, language: str) -> None:
    cache = open_cache(dataset, language)
    training = [extremes_of(cache[piece], cache.language) for piece in dataset.split("train")]
    assert cache.limits == measured_limits(training, cache.language)
    assert cache.limits not in (EventLimits(), PerformanceLimits())
    assert open_cache(dataset, language).limits == cache.limits


@pytest.mark.parametrize("language", ["events", "performance"])
def test_training_pieces_are_legal_under_their_own_limits(dataset: Dataset, language: str) -> None:
    cache = open_cache(dataset, language)
    _, limited = grammars(cache.language, cache.limits)
    for piece in dataset.split("train"):
        assert limited.legal(cache[piece]).all()


def test_the_vocabulary_is_what_training_uses(dataset: Dataset) -> None:
    vocabulary = open_cache(dataset, "events").vocabulary()
    used = np.unique(
        np.concatenate([open_cache(dataset, "events")[p] for p in dataset.split("train")])
    )
    assert np.array_equal(vocabulary.ids, used)


def test_an_unknown_language(dataset: Dataset) -> None:
    with pytest.raises(UsageError, match="no language 'latin'; use events or performance"):
        open_cache(dataset, "latin")


@pytest.mark.parametrize("language", ["events", "performance"])
def test_every_piece_comes_back(dataset: Dataset, language: str) -> None:
    rows = list(check_pieces(dataset, language))
    assert all(row["is_exact"] for row in rows)
    assert all(row["grammar_score"] == 1.0 for row in rows if row["notes_kept"])
    assert all(row["most_onset_shift_ms"] < 25 for row in rows)
