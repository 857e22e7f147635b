"""`woodshed learn`: the whole way from the command line, as words and as JSON."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli.test_audition import Run
from tests.samples import write_samples


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str]) -> Any:
    return lambda *arguments: Run(capsys, *map(str, arguments))


def test_learn(call: Any, tmp_path: Path) -> None:
    write_samples(tmp_path / "songs")
    ask = ("learn", tmp_path / "songs", "-o", tmp_path / "out", "--pieces", 1, "--bars", 1)
    run = call(*ask)
    assert run.status == 0, run.err
    lines = run.out.splitlines()
    assert lines[0].startswith("5 pieces of 6 files, 1,049 notes; ")
    assert lines[1] == "left out: 1 (unreadable)"
    assert lines[-1] == f"To hear and see it, open {tmp_path}/out/index.html in a browser."
    assert lines[-2].startswith("Seconds: prepare ")
    run = call(*ask, "--json")
    told = json.loads(run.out)
    assert told["page"] == f"{tmp_path}/out/index.html"
    assert not told["trained"]
    assert told["learnt_from"] == 5
    assert [Path(each["path"]).name for each in told["left_out"]] == ["not-music.mid"]
    assert told["pieces"][0]["seed"] == 1
    assert told["pieces"][0]["notes"] > 0
    assert [model["family"] for model in told["models"]] == ["ngram"]
    run = call(*ask[:-1], 2)
    assert run.status == 1
    assert "bars was 1 and is 2" in run.err


def test_without_music(call: Any, tmp_path: Path) -> None:
    (tmp_path / "songs").mkdir()
    run = call("learn", tmp_path / "songs", "-o", tmp_path / "out", "--json")
    assert run.status == 1
    assert json.loads(run.out)["error"]["kind"] == "BadFolder"
    assert not (tmp_path / "out").exists()


def test_wrong_usage(call: Any, tmp_path: Path) -> None:
    run = call("learn", tmp_path, "-o", tmp_path / "out", "--pieces", 0)
    assert (run.status, run.out) == (2, "")
    assert "--pieces 0 makes no sense" in run.err
    run = call("learn", tmp_path, "-o", tmp_path / "out", "--families", "lstm")
    assert (run.status, run.out) == (2, "")
    assert "there is no family 'lstm'; use ngram or transformer" in run.err
