"""`woodshed generate`: every knob from the command line, files, seeds, and refusals."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.cli.test_audition import Run
from tests.models.bigram import sample_dataset
from woodshed.errors import UsageError
from woodshed.formats.midi_read import read_midi
from woodshed.models.load import load_model
from woodshed.recipes.generate import generate
from woodshed.recipes.train import train
from woodshed.sampling.provenance import provenance_in
from woodshed.sampling.settings import SamplingSettings


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("generate")
    train(sample_dataset(place), place / "model")
    return place / "model"


@pytest.fixture(scope="module")
def piano(model: Path) -> Path:
    train(model.parent / "data", model.parent / "piano", language="performance")
    return model.parent / "piano"


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str]) -> Any:
    return lambda *arguments: Run(capsys, *map(str, arguments))


def test_one_piece(call: Any, model: Path, tmp_path: Path) -> None:
    run = call("generate", model, "-o", tmp_path / "out.mid", "--bars", 4, "--seed", 7)
    assert run.status == 0, run.err
    assert "seed 7" in run.out.splitlines()
    assert max(map(len, run.out.splitlines())) <= 80
    score = read_midi(tmp_path / "out.mid")
    assert len(score.notes)
    assert score.bar_count <= 4
    said = provenance_in(score)
    assert said is not None
    assert said["settings"]["seed"] == 7
    assert said["settings"]["bars"] == 4
    assert said["family"] == "ngram"
    assert str(model.parent) not in json.dumps(said)


def test_without_a_seed_one_is_drawn_and_said(call: Any, model: Path, tmp_path: Path) -> None:
    said = []
    for name in ("a", "b"):
        run = call("generate", model, "-o", tmp_path / f"{name}.mid", "--notes", 20, "--json")
        said.append(json.loads(run.out))
    assert said[0]["seed"] != said[1]["seed"]
    assert said[0]["pieces"][0]["notes"] == 20
    again = tmp_path / "again.mid"
    call("generate", model, "-o", again, "--notes", 20, "--seed", said[0]["seed"])
    assert again.read_bytes() == (tmp_path / "a.mid").read_bytes()


def test_many_pieces_whatever_the_jobs(call: Any, model: Path, tmp_path: Path) -> None:
    for jobs in (1, 3):
        (tmp_path / str(jobs)).mkdir()
        run = call(
            "generate", model, "-o", tmp_path / str(jobs) / "take.mid", "--count", 5,
            "--jobs", jobs, "--bars", 2, "--seed", 1, "--temperature", 1.0,
        )  # fmt: skip
        assert run.status == 0, run.err
    names = [f"take-{n}.mid" for n in range(1, 6)]
    assert sorted(p.name for p in (tmp_path / "1").iterdir()) == names
    ones, threes = ([(tmp_path / j / n).read_bytes() for n in names] for j in "13")
    assert ones == threes
    assert len(set(ones)) == 5


def test_events_as_json(call: Any, model: Path, tmp_path: Path) -> None:
    out, events = tmp_path / "out.mid", tmp_path / "out.json"
    call("generate", model, "-o", out, "--count", 2, "--bars", 2, "--seed", 3, "--events", events)
    pieces = json.loads(events.read_text())["pieces"]
    assert [piece["file"] for piece in pieces] == ["out-1.mid", "out-2.mid"]
    for piece in pieces:
        score = read_midi(tmp_path / piece["file"])
        assert piece["made"] == provenance_in(score)
        assert len(piece["notes"]) == len(score.notes)
        assert [e["token"] for e in piece["events"]].count("END") == 1
        price = piece["price_of_legality"]
        assert price["tokens"] == len(piece["events"]) - 1
        assert 0 <= price["removed"] < 1
        assert price["bits"] >= 0


def test_standard_output(model: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "woodshed", "generate", str(model), "-o", "-", "--bars", "1"],
        capture_output=True,
        check=True,
    )
    assert done.stdout.startswith(b"MThd")
    assert done.stderr.startswith(b"seed ")
    assert len(read_midi(done.stdout).notes)


def test_a_prompt_goes_on(call: Any, model: Path, tmp_path: Path) -> None:
    phrase = model.parent / "music" / "blues-in-a.mid"
    out = tmp_path / "out.mid"
    asked = ("--prompt", phrase, "--prompt-bars", 2, "--bars", 3, "--seed", 5)
    run = call("generate", model, "-o", out, *asked)
    assert run.status == 0, run.err
    whole = read_midi(out)
    assert 3 <= whole.bar_count <= 5
    said = provenance_in(whole)
    assert said is not None
    assert said["prompt"]["notes"] > 0
    run = call("generate", model, "-o", out, *asked, "--only-new", "--force")
    assert run.status == 0, run.err
    assert read_midi(out).bar_count <= 3


def test_a_header_and_conditions(call: Any, model: Path, tmp_path: Path) -> None:
    out, events = tmp_path / "out.mid", tmp_path / "out.json"
    run = call(
        "generate", model, "-o", out, "--tempo", 100, "--metre", "4/4", "--slots", "bass, drums",
        "--cond", "feel=straight", "--cond-strength", 2, "--bars", 2, "--events", events,
    )  # fmt: skip
    assert run.status == 0, run.err
    assert "note: tempo 100: the nearest the model knows is" in run.err
    told = [e["token"] for e in json.loads(events.read_text())["pieces"][0]["events"]]
    assert [t for t in told if t.startswith(("SLOT", "TAG"))] == [
        "SLOT_bass", "SLOT_drums", "TAG_feel=straight"
    ]  # fmt: skip
    assert {t for t in told if t.startswith("BAR")} == {"BAR_4/4"}


def test_a_performance(call: Any, piano: Path, tmp_path: Path) -> None:
    run = call("generate", piano, "-o", tmp_path / "out.mid", "--seconds", 4, "--json")
    assert run.status == 0, run.err
    (piece,) = json.loads(run.out)["pieces"]
    assert piece["bars"] is None
    assert 3 <= piece["seconds"] <= 8


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (("--top-k", 0), "--top-k 0 makes no sense"),
        (("--count", 0), "--count 0 makes no sense"),
        (("--jobs", 0), "--jobs 0 makes no sense"),
        (("--cond", "mood=blue"), "the model knows no tag 'mood'; it knows feel"),
        (("--only-new",), "--only-new leaves out the prompt, and there is none"),
        (("--prompt-bars", 2), "--prompt-bars 2 needs a prompt"),
        (("--temperature-end", 1), "say how much with --bars"),
        (("--slots", ","), "--slots names nobody"),
    ],
)
def test_what_makes_no_sense(
    call: Any, model: Path, tmp_path: Path, options: tuple[object, ...], sentence: str
) -> None:
    run = call("generate", model, "-o", tmp_path / "out.mid", *options)
    assert (run.status, run.out) == (2, "")
    assert sentence in run.err
    assert list(tmp_path.iterdir()) == []


def test_outputs_are_checked_before_the_work(call: Any, model: Path, tmp_path: Path) -> None:
    taken = tmp_path / "out-2.mid"
    taken.write_bytes(b"mine")
    ask = ("generate", model, "-o", tmp_path / "out.mid", "--count", 2, "--bars", 1)
    run = call(*ask)
    assert run.status == 1
    assert "out-2.mid already exists" in run.err
    assert not (tmp_path / "out-1.mid").exists()
    assert taken.read_bytes() == b"mine"
    assert call(*ask, "--force").status == 0
    run = call("generate", model, "-o", tmp_path / "out.wav")
    assert run.status == 2
    assert "does not end in .mid; generate writes MIDI" in run.err
    run = call("generate", model, "-o", "-", "--count", 2)
    assert "standard output takes one piece, not 2" in run.err
    run = call("generate", model, "-o", "-", "--json")
    assert "both take standard output" in run.err


def test_what_is_no_model_or_no_prompt(call: Any, model: Path, tmp_path: Path) -> None:
    run = call("generate", tmp_path, "-o", tmp_path / "out.mid")
    assert run.status == 1
    assert str(tmp_path) in run.err
    bad = tmp_path / "bad.mid"
    bad.write_bytes(b"no music")
    run = call("generate", model, "-o", tmp_path / "out.mid", "--prompt", bad)
    assert run.status == 1
    assert "bad.mid" in run.err


def test_from_python_nothing_is_written(model: Path) -> None:
    made = generate(model, count=2)
    assert [piece.path for piece in made.pieces] == [None, None]
    for piece in made.pieces:
        assert piece.ended_by == "the model" or piece.ended_by.startswith("its length")
        assert len(read_midi(piece.made.midi).notes) == piece.notes


def test_a_model_that_is_loaded_plays_the_same(model: Path) -> None:
    wanted = SamplingSettings(seed=4, bars=2)
    loaded = load_model(model)
    ways = (generate(loaded, settings=wanted), generate(model, settings=wanted))
    assert len({way.pieces[0].made.midi for way in ways}) == 1
    assert {way.model_hash for way in ways} == {loaded.info.hash}
    with pytest.raises(UsageError, match="2 jobs need 2 copies of a model; give the path"):
        generate(loaded, count=2, jobs=2)
