"""`woodshed learn`: the whole way from the command line, as words and as JSON."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.cli.test_audition import Run
from tests.samples import write_samples
from woodshed.models.load import load_model


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
    run = call("learn", tmp_path, "-o", tmp_path / "out", "--families", "abacus")
    assert (run.status, run.out) == (2, "")
    assert "there is no family 'abacus'; use ngram, transformer, mamba or lstm" in run.err


SAVING = """
import sys
from woodshed.training import loop
loop.SAVE_SECONDS = 0.0  # a state after every step
from woodshed.cli import main
main(sys.argv[1:])
"""


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs a signal that kills")
def test_killed_while_a_network_learns_it_goes_on(call: Any, tmp_path: Path) -> None:
    write_samples(tmp_path / "songs")
    out, run = tmp_path / "out", tmp_path / "out" / ".transformer.run"
    how = ("--pieces", 1, "--bars", 1, "--families", "transformer")
    ask = ("learn", tmp_path / "songs", "-o", out, *how)
    command = [sys.executable, "-c", SAVING, *map(str, ask)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as first:
        try:
            while not (run / "state-000000002.json").exists():
                assert first.poll() is None, "it ended before it could be killed"
                time.sleep(0.01)
        finally:
            first.kill()
    assert first.returncode == -signal.SIGKILL
    again = call(*ask, "--json")
    assert again.status == 0, again.err
    step = re.search(r"it goes on at step (\d+)", again.err)
    assert step is not None
    assert int(step[1]) >= 2
    assert "begins anew" not in again.err
    (model,) = json.loads(again.out)["models"]
    assert model["trained"]
    assert load_model(model["path"]).info.hash == model["hash"]
    assert not run.exists()
