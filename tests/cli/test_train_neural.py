"""`woodshed train --family transformer` as typed."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.cli.test_audition import Run
from woodshed.corpus.prepare import prepare
from woodshed.corpus.starter import write_starter
from woodshed.models.store import read_info

FAMILY = ("--family", "transformer")
QUICK = (
    *FAMILY, "--max-d-model", 96, "--context", 32, "--batch", 2, "--steps", 4,
    "--validation-tokens", 300, "--monitor-pieces", 1, "--monitor-tokens", 16, "--device", "cpu",
)  # fmt: skip


@pytest.fixture(scope="module")
def songs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("train")
    write_starter(place / "songs", 6)
    prepare(place / "songs", place / "songs.dataset", "band")
    return place


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str]) -> Any:
    return lambda *arguments: Run(capsys, *map(str, arguments))


def test_a_transformer_is_trained_and_plays(songs: Path, call: Any) -> None:
    out = songs / "a.model"
    run = call("train", songs / "songs.dataset", "-o", out, *QUICK)
    assert run.status == 0
    assert "parameters" in run.err
    assert "step 1 of 4" in run.err
    assert f"Next: woodshed generate {out}" in run.out
    assert read_info(out).family == "transformer"
    run = call("generate", out, "-o", songs / "a.mid", "--bars", 2, "--seed", 1)
    assert run.status == 0
    assert (songs / "a.mid").read_bytes()[:4] == b"MThd"
    run = call("train", songs / "songs.dataset", "-o", out, *QUICK)
    assert run.status == 1
    assert "already exists" in run.err
    run = call("train", songs / "songs.dataset", "-o", out, *QUICK, "--resume", "--json")
    assert run.status == 0
    assert json.loads(run.out)["training"]["ended"] == "all 4 steps are done"


def test_settings_from_a_file_go_behind_flags(songs: Path, call: Any, tmp_path: Path) -> None:
    path = tmp_path / "a.toml"
    path.write_text('batch = 3\ncontext = 16\noptimiser = "muon"\n')
    out = songs / "b.model"
    flags = [flag for flag in QUICK if flag not in ("--context", 32)]
    run = call("train", songs / "songs.dataset", "-o", out, *flags, "--settings", path, "--json")
    assert run.status == 0
    told = json.loads(run.out)["settings"]
    assert (told["batch"], told["context"], told["optimiser"]) == (2, 16, "muon")
    path.write_text("bach = 3\n")
    run = call("train", songs / "songs.dataset", "-o", out, *FAMILY, "--settings", path)
    assert run.status == 2
    assert "there is no setting 'bach'; did you mean batch?" in run.err


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        ((*FAMILY, "--min-count", 2), "--min-count is for the family ngram"),
        (
            ("--batch", 2),
            "--batch is for networks; leave it out, or choose --family transformer, mamba or lstm",
        ),
        (("--resume",), "--resume is for networks"),
        (("--family", "mambo"), "there is no family 'mambo'"),
        ((*FAMILY, "--batch", 0), "--batch cannot be 0"),
        ((*FAMILY, "--size", "huge"), "--size cannot be 'huge'"),
        ((*FAMILY, "--init", "nowhere"), "this is no model"),
    ],
)
def test_wrong_use_gets_a_sentence(songs: Path, call: Any, flags: Any, told: str) -> None:
    run = call("train", songs / "songs.dataset", "-o", songs / "c.model", *flags)
    assert run.status in (1, 2)
    assert told in run.err
    assert not (songs / "c.model").exists()


def test_without_torch_it_says_how_to_get_it(songs: Path) -> None:
    program = (
        "import sys; sys.modules['torch'] = None\nfrom woodshed.cli import main\nmain(sys.argv[1:])"
    )
    command = ["train", str(songs / "songs.dataset"), "-o", str(songs / "d.model"), *FAMILY]
    ran = subprocess.run(
        [sys.executable, "-c", program, *command], capture_output=True, text=True, check=False
    )
    assert ran.returncode == 1
    assert "pip install 'woodshed[neural]'" in ran.stderr
    assert "Traceback" not in ran.stderr


def test_many_processes_need_a_dataset(
    songs: Path, call: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    run = call("train", songs / "songs", "-o", songs / "e.model", *QUICK)
    assert run.status == 2
    assert "2 processes cannot make one together" in run.err
