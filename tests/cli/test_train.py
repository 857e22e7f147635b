"""`woodshed train` as typed: folders and datasets, JSON, what comes next, and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli.test_audition import Run
from woodshed.corpus.starter import write_starter
from woodshed.models.store import read_info


@pytest.fixture(scope="module")
def songs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("train")
    write_starter(place / "songs", 6)
    return place


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str]) -> Any:
    return lambda *arguments: Run(capsys, *map(str, arguments))


def test_a_folder_becomes_a_dataset_and_a_model(songs: Path, call: Any) -> None:
    out = songs / "a.model"
    quick = ("--held-out-tokens", 500)
    run = call("train", songs / "songs", "-o", out, *quick)
    assert run.status == 0
    assert f"Next: woodshed generate {out}" in run.out
    assert (songs / "a.model.dataset" / "dataset.json").is_file()
    assert read_info(out).training["pieces"] > 0

    run = call("train", songs / "a.model.dataset", "-o", out, *quick)
    assert run.status == 1
    assert "already exists" in run.err
    run = call(
        "train", songs / "a.model.dataset", "-o", out, "--force", "--plain", "--json", *quick
    )
    told = json.loads(run.out)
    assert told["settings"]["plain"] is True
    assert told["hash"] == read_info(out).hash


def test_performance_is_told_how_to_go_on(songs: Path, call: Any) -> None:
    run = call(
        "train", songs / "songs", "-o", songs / "p.model", "--language", "performance",
        "--held-out-tokens", 0,
    )  # fmt: skip
    assert run.status == 0
    assert "--seconds 40" in run.out
    assert "--bars" not in run.out


@pytest.mark.parametrize(
    ("arguments", "told", "status"),
    [
        (("--family", "oracle"), "there is no family 'oracle'; use ngram", 2),
        (("--language", "klingon"), "there is no language 'klingon'", 2),
        (("--memory", "plenty"), "--memory plenty is no size", 2),
    ],
)
def test_wrong_wishes(
    songs: Path, call: Any, arguments: tuple[str, str], told: str, status: int
) -> None:
    run = call("train", songs / "songs", "-o", songs / "w.model", *arguments)
    assert run.status == status
    assert told in run.err
    assert not (songs / "w.model").exists()


def test_a_folder_without_music(tmp_path: Path, call: Any) -> None:
    (tmp_path / "empty").mkdir()
    run = call("train", tmp_path / "empty", "-o", tmp_path / "a.model")
    assert run.status == 1
    assert "empty" in run.err
    assert not (tmp_path / "a.model").exists()
