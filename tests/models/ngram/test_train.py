"""Training: shards add up, a killed build goes on, and bad wishes get sentences."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from woodshed.corpus.dataset import Dataset
from woodshed.errors import OutputExists, UsageError
from woodshed.models.family import Model
from woodshed.models.load import load_model
from woodshed.models.ngram.model import Ngram
from woodshed.models.ngram.settings import NgramSettings, memory_bytes
from woodshed.models.ngram.train import local, train_ngram
from woodshed.tokens.cache import TokenCache

QUICK = NgramSettings(held_out_tokens=3000)


def _bits(model: Model, pieces: list[np.ndarray]) -> float:
    assert isinstance(model, Ngram)
    return -sum(float(log.sum()) for log in model.log_likelihood(pieces)) / np.log(2)


def test_shards_add_up(songs: Dataset, events: TokenCache, tmp_path: Path) -> None:
    """A limit far below the data makes shards, and they say what one index says."""
    whole = train_ngram(songs, events, tmp_path / "whole", QUICK)
    settings = NgramSettings(held_out_tokens=3000, memory="1MB")
    sharded = train_ngram(songs, events, tmp_path / "sharded", settings)
    assert whole.training["shards"] == 1
    assert sharded.training["shards"] >= 3
    models = [load_model(tmp_path / name) for name in ("whole", "sharded")]
    pieces = [local(events[n], whole.vocabulary) for n in songs.split("test")]
    a, b = (_bits(model, pieces) for model in models)
    assert a == pytest.approx(b, rel=0.01)
    # Where every context is rare enough to be counted whole, they agree to rounding.
    start = pieces[0][:1]
    said = [model.log_probabilities(model.start([start])) for model in models]
    np.testing.assert_allclose(said[0], said[1], atol=2e-2)


def test_a_killed_build_goes_on_where_it_was(
    songs: Dataset, events: TokenCache, tmp_path: Path
) -> None:
    command = [
        sys.executable, "-m", "woodshed", "train", os.fspath(songs.path), "-o",
        os.fspath(tmp_path / "killed"), "--memory", "1MB", "--held-out-tokens", "0",
    ]  # fmt: skip
    progress = tmp_path / ".killed.train" / "progress.json"
    running = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while not progress.exists() and running.poll() is None and time.monotonic() < deadline:
        time.sleep(0.002)
    running.send_signal(signal.SIGKILL)
    running.wait()
    assert not (tmp_path / "killed").exists()
    begun = progress.read_text()
    with (progress.parent / "before.i32").open("ab") as file:
        file.write(b"torn off in the middle")
    settings = NgramSettings(held_out_tokens=0, memory="1MB")
    seen: list[str] = []

    def watch(items, total, what):
        for item in items:
            seen.append(progress.read_text() if progress.exists() else "")
            yield item

    resumed = train_ngram(songs, events, tmp_path / "killed", settings, watch=watch)
    assert begun in seen  # it was there before anything was added
    fresh = train_ngram(songs, events, tmp_path / "fresh", settings)
    assert resumed.hash == fresh.hash
    assert not progress.parent.exists()


def test_the_same_data_makes_the_same_model(
    songs: Dataset, events: TokenCache, tmp_path: Path
) -> None:
    first, second = (train_ngram(songs, events, tmp_path / name, QUICK) for name in "ab")
    assert first.hash == second.hash
    assert {p.name: p.read_bytes() for p in (tmp_path / "a").iterdir()} == {
        p.name: p.read_bytes() for p in (tmp_path / "b").iterdir()
    }


def test_learning_weights_helps_and_every_view_is_heard(
    songs: Dataset, events: TokenCache, tmp_path: Path
) -> None:
    found = []
    for n, settings in enumerate(
        (QUICK, NgramSettings(held_out_tokens=0), NgramSettings(plain=True))
    ):
        train_ngram(songs, events, tmp_path / str(n), settings)
        model = load_model(tmp_path / str(n))
        pieces = [local(events[n], model.info.vocabulary) for n in songs.split("test")]
        found.append(_bits(model, pieces))
    learnt, unlearnt, plain = found
    assert learnt < 0.97 * unlearnt
    assert learnt < 0.85 * plain


def test_a_rare_context_says_nothing(songs: Dataset, events: TokenCache, tmp_path: Path) -> None:
    settings = NgramSettings(held_out_tokens=3000, min_count=50)
    train_ngram(songs, events, tmp_path / "few", settings)
    train_ngram(songs, events, tmp_path / "all", QUICK)
    few, every = (load_model(tmp_path / name) for name in ("few", "all"))
    assert isinstance(few, Ngram)
    pieces = [local(events[n], few.info.vocabulary) for n in songs.split("test")]
    assert _bits(few, pieces) > _bits(every, pieces)


def test_nothing_is_replaced_unasked(songs: Dataset, events: TokenCache, tmp_path: Path) -> None:
    train_ngram(songs, events, tmp_path / "a", QUICK)
    with pytest.raises(OutputExists, match="already exists"):
        train_ngram(songs, events, tmp_path / "a", QUICK)
    train_ngram(songs, events, tmp_path / "a", QUICK, force=True)


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        (NgramSettings(memory="lots"), "--memory lots is no size"),
        (NgramSettings(memory="10KB"), "--memory 10KB is no size"),
        (NgramSettings(min_count=0), "--min-count 0 is too little"),
        (NgramSettings(held_out_tokens=-1), "--held-out-tokens -1 is too little"),
    ],
)
def test_bad_wishes_get_a_sentence(
    songs: Dataset, events: TokenCache, tmp_path: Path, settings: NgramSettings, told: str
) -> None:
    with pytest.raises(UsageError, match=told):
        train_ngram(songs, events, tmp_path / "a", settings)
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("text", "size"), [("1GB", 2**30), ("500mb", 500 * 2**20), ("1.5 GiB", 3 * 2**29)]
)
def test_sizes_are_read(text: str, size: int) -> None:
    assert memory_bytes(text) == size
