"""A network plays by the engine that was asked for, and says what this machine cannot do."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli.test_audition import Run
from woodshed.corpus.prepare import prepare
from woodshed.corpus.starter import write_starter
from woodshed.formats.midi_contained import read_contained
from woodshed.recipes.train import train
from woodshed.sampling.provenance import provenance_in
from woodshed.training.settings import TrainingSettings

torch = pytest.importorskip("torch")

QUICK = TrainingSettings(
    size="tiny", context=48, batch=2, steps=3, validate_every=3, validation_tokens=200,
    monitor_pieces=1, monitor_tokens=16, device="cpu", plain=True,
)  # fmt: skip


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An n-gram model and a network of each family, which have hardly learnt anything."""
    place = tmp_path_factory.mktemp("play")
    write_starter(place / "songs", 8)
    prepare(place / "songs", place / "songs.dataset", "band")
    train(place / "songs.dataset", place / "ngram")
    for family in ("transformer", "mamba", "lstm"):
        train(place / "songs.dataset", place / family, family, settings=QUICK)
    return place


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str]) -> Any:
    return lambda *arguments: Run(capsys, *map(str, arguments))


@pytest.mark.parametrize("family", ["transformer", "mamba", "lstm"])
def test_both_engines_play_the_same_piece_far_beyond_the_context(
    models: Path, call: Any, tmp_path: Path, family: str
) -> None:
    told = []
    for engine in ("compiled", "torch"):
        out = tmp_path / f"{engine}.mid"
        run = call(
            "generate", models / family, "-o", out, "--seed", 5, "--bars", 6, "--engine", engine,
            "--json",
        )  # fmt: skip
        assert run.status == 0, run.err
        told.append(json.loads(run.out))
        assert told[-1]["settings"]["engine"] == engine
    assert told[0]["pieces"][0]["tokens"] > 100
    made = [
        provenance_in(read_contained(tmp_path / f"{engine}.mid"))
        for engine in ("compiled", "torch")
    ]
    assert made[0] is not None
    assert made[1] is not None
    assert made[0]["music"] == made[1]["music"]


def test_halved_weights_are_told_and_made_again(models: Path, call: Any, tmp_path: Path) -> None:
    out = tmp_path / "half.mid"
    run = call(
        "generate", models / "lstm", "-o", out, "--seed", 2, "--bars", 2, "--weights", "bfloat16",
        "--json",
    )  # fmt: skip
    assert run.status == 0, run.err
    settings = json.loads(run.out)["settings"]
    assert (settings["engine"], settings["weights"]) == ("compiled", "bfloat16")
    again = call("again", out, "-o", tmp_path / "again.mid", "--model", models / "lstm")
    assert again.status == 0, again.err
    assert (tmp_path / "again.mid").read_bytes() == out.read_bytes()


def test_a_machine_without_a_gpu_plays_on_its_processor_and_says_so(
    models: Path, call: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    run = call(
        "generate", models / "mamba", "-o", tmp_path / "a.mid", "--bars", 1, "--device", "cuda",
        "--engine", "graphs", "--seed", 1,
    )  # fmt: skip
    assert run.status == 0, run.err
    assert "there is no cuda here; it plays on the CPU" in run.err
    assert "the engine graphs does not run on cpu; compiled plays instead" in run.err


@pytest.mark.parametrize(
    ("family", "flags", "sentence"),
    [
        ("ngram", ("--engine", "torch"), "--engine torch changes nothing: an ngram model is no"),
        ("ngram", ("--weights", "bfloat16"), "--weights bfloat16 changes nothing"),
        ("lstm", ("--engine", "warp"), "--engine cannot be 'warp'; use auto, compiled, graphs"),
        ("lstm", ("--device", "abacus"), "--device cannot be 'abacus'; use cpu, cuda"),
    ],
)
def test_what_makes_no_sense(
    models: Path, call: Any, tmp_path: Path, family: str, flags: tuple[str, ...], sentence: str
) -> None:
    run = call("generate", models / family, "-o", tmp_path / "a.mid", *flags)
    assert run.status == 2
    assert sentence in run.err
    assert not (tmp_path / "a.mid").exists()


def test_a_prompt_longer_than_the_context_is_told(models: Path, call: Any, tmp_path: Path) -> None:
    prompt = next((models / "songs").rglob("*.mid"))
    for family, told in (("transformer", True), ("mamba", False)):
        run = call(
            "generate", models / family, "-o", tmp_path / "a.mid", "--prompt", prompt, "--bars", 1,
            "--seed", 1, "--force",
        )  # fmt: skip
        assert run.status == 0, run.err
        assert ("and this transformer hears 48 at once" in run.err) == told
