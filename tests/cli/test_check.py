"""`woodshed check`: round trips over a dataset, from the command line."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli.test_audition import Run
from woodshed.corpus.prepare import prepare
from woodshed.recipes.demo import write_demo_folder


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("check")
    write_demo_folder(place / "music")
    prepare(place / "music", place / "data")
    return place / "data"


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str]) -> Any:
    return lambda *arguments: Run(capsys, *map(str, arguments))


def test_a_table_for_people(call: Any, dataset: Path) -> None:
    run = call("check", dataset)
    assert run.status == 0
    assert "pieces come back exactly from events" in run.out
    assert max(map(len, run.out.splitlines())) <= 80


@pytest.mark.parametrize("language", ["events", "performance"])
def test_figures_for_programs(call: Any, dataset: Path, language: str) -> None:
    rows = json.loads(call("check", dataset, "--language", language, "--json").out)
    assert rows
    assert all(row["is_exact"] for row in rows)
    table = list(
        csv.DictReader(io.StringIO(call("check", dataset, "--language", language, "--csv").out))
    )
    assert [row["path"] for row in table] == [row["path"] for row in rows]


def test_what_makes_no_sense(call: Any, dataset: Path, tmp_path: Path) -> None:
    run = call("check", dataset, "--language", "latin")
    assert (run.status, run.out) == (2, "")
    assert "no language 'latin'" in run.err
    run = call("check", tmp_path / "nowhere")
    assert run.status == 1
    assert "nowhere" in run.err
