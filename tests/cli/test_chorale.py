"""`--language chorale` as typed: four-part pieces from files to new ones, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.cli.test_audition import Run
from tests.samples import write_samples
from tests.tokens.chorales import CHORALE, progression, score_of, write_chorales
from woodshed.corpus.dataset import Dataset
from woodshed.formats.midi_read import read_midi
from woodshed.formats.midi_write import write_midi
from woodshed.models.load import load_model


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("chorale")
    write_chorales(folder / "music", 8)
    write_midi(score_of(progression(99)), folder / "prompt.mid")
    write_samples(folder / "others")
    return folder


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str]) -> Any:
    return lambda *arguments: Run(capsys, *map(str, arguments))


@pytest.fixture
def model(place: Path, call: Any) -> Path:
    if not (place / "model").exists():
        run = call("prepare", place / "music", "-o", place / "data", "--shares", "80/10/10")
        assert run.status == 0, run.err
        run = call("train", place / "data", "-o", place / "model", "--language", "chorale")
        assert run.status == 0, run.err
        assert "--bars" in run.out
    return place / "model"


def test_check_says_that_every_piece_comes_back(call: Any, place: Path, model: Path) -> None:
    run = call("check", place / "data", "--language", "chorale")
    assert run.status == 0, run.err
    assert "8 of 8 pieces come back exactly from chorale" in run.out


def test_a_piece_has_the_bars_asked_for(call: Any, model: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.mid"
    run = call("generate", model, "-o", out, "--bars", 3, "--seed", 5, "--json")
    assert run.status == 0, run.err
    (piece,) = json.loads(run.out)["pieces"]
    assert piece["bars"] == 3
    score = read_midi(out)
    assert piece["notes"] == len(score.notes)
    assert [part.name for part in score.parts] == ["Soprano", "Alto", "Tenor", "Bass"]
    tokens = CHORALE.encode(score)
    assert len(CHORALE.cells(tokens)) == 48
    assert load_model(model).info.grammar.legal(tokens).all()

    same = tmp_path / "same.mid"
    run = call("again", out, "-o", same, "--model", model)
    assert run.status == 0, run.err
    assert same.read_bytes() == out.read_bytes()


@pytest.mark.parametrize("temperature", [0, 1])
def test_seconds_and_notes_end_a_piece(
    call: Any, model: Path, tmp_path: Path, temperature: int
) -> None:
    out = tmp_path / "out.mid"
    knobs = ("--seed", 2, "--temperature", temperature, "--force")
    run = call("generate", model, "-o", out, "--seconds", 6, *knobs)
    assert run.status == 0, run.err
    assert len(CHORALE.cells(CHORALE.encode(read_midi(out)))) == 32  # 187.5 ms each
    run = call("generate", model, "-o", out, "--notes", 20, *knobs, "--json")
    assert run.status == 0, run.err
    (piece,) = json.loads(run.out)["pieces"]
    assert piece["notes"] == len(read_midi(out).notes)
    assert 20 <= piece["notes"] <= 23  # the step is sung to its end


def test_without_an_end_the_model_finds_one(call: Any, model: Path, tmp_path: Path) -> None:
    run = call("generate", model, "-o", tmp_path / "out.mid", "--count", 3, "--seed", 3)
    assert run.status == 0, run.err


def test_a_prompt_goes_on(call: Any, place: Path, model: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.mid"
    prompt = ("--prompt", place / "prompt.mid", "--bars", 2, "--seed", 4, "--force")
    run = call("generate", model, "-o", out, *prompt)
    assert run.status == 0, run.err
    whole = CHORALE.cells(CHORALE.encode(read_midi(out)))
    assert len(whole) == len(progression(99)) + 32
    run = call(
        "generate", model, "-o", out, *prompt, "--only-new", "--events", tmp_path / "all.json"
    )
    assert run.status == 0, run.err
    assert np.array_equal(CHORALE.cells(CHORALE.encode(read_midi(out))), whole[-32:])
    (piece,) = json.loads((tmp_path / "all.json").read_text())["pieces"]
    told = piece["events"]
    assert told[-2]["bar"] == len(whole) // 16
    assert told[1] == {"token": told[1]["token"], "bar": 1, "step": 0, "prompt": True}


@pytest.mark.parametrize("only_new", [False, True])
def test_a_prompt_that_ends_within_a_bar_is_held(
    call: Any, model: Path, tmp_path: Path, only_new: bool
) -> None:
    """To the bar line, where new music begins; its notes are not counted."""
    cells, out = progression(99)[:20], tmp_path / "out.mid"
    write_midi(score_of(cells), tmp_path / "short.mid")
    run = call(
        "generate", model, "-o", out, "--prompt", tmp_path / "short.mid", "--bars", 2, "--seed", 4,
        "--json", *(["--only-new"] if only_new else []),
    )  # fmt: skip
    assert run.status == 0, run.err
    assert "its last chord is held for 12 more, to the bar line" in " ".join(run.err.split())
    score = read_midi(out)
    whole = CHORALE.cells(CHORALE.encode(score))
    (piece,) = json.loads(run.out)["pieces"]
    assert piece["bars"] == 2
    if only_new:
        assert len(whole) == 32
        assert piece["notes"] == len(score.notes)
    else:
        assert len(whole) == 32 + 32
        assert np.array_equal(whole[:32], np.concatenate([cells, np.tile(cells[-1], (12, 1))]))
        assert piece["notes"] == len(score.notes) - len(score_of(cells).notes)


def test_compare_counts_the_notes_that_begin(call: Any, place: Path, model: Path) -> None:
    """And not the cells that hold them."""
    run = call(
        "compare", model, "--on", place / "data", "--no-speed", "--json",
        *("--split", "validation"),
    )  # fmt: skip
    assert run.status == 0, run.err
    told, data = json.loads(run.out), Dataset.open(place / "data")
    assert told["notes"] == int(data.pieces.notes[data.split("validation")].sum())
    assert told["tokens"] > 2 * told["notes"]


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (("--tempo", 90), "the model's language chorale tells no tempo, key, metre, players"),
        (("--grid", "straight"), "chorale starts every note on a sixteenth; leave it out"),
        (("--max-streak", 3), "chorale has four voices that take turns; leave it out"),
        (("--max-notes-per-step", 3), "chorale has four voices that take turns; leave it out"),
        (("--max-silence-bars", 3), "chorale keeps to the rests of its corpus; leave it out"),
        (("--drum-bonus", 1), "chorale has no drums; leave it out"),
        (("--repetition-penalty", 2), "chorale holds a note by telling its pitch again"),
        (("--cond", "mood=blue"), "the model's corpus has no tags; leave it out"),
    ],
)
def test_what_makes_no_sense(
    call: Any, model: Path, tmp_path: Path, options: tuple[object, ...], sentence: str
) -> None:
    run = call("generate", model, "-o", tmp_path / "out.mid", *options)
    assert run.status == 2
    assert sentence in " ".join(run.err.split())


def test_other_music_is_no_prompt_and_nothing_is_played_around_it(
    call: Any, place: Path, model: Path, tmp_path: Path
) -> None:
    other = next((place / "others").glob("*.mid"))
    run = call("generate", model, "-o", tmp_path / "out.mid", "--prompt", other)
    assert run.status == 2
    assert "the model goes on from four voices, and the prompt cannot be one" in " ".join(
        run.err.split()
    )
    given = ("--with", place / "prompt.mid", "--add", "bass")
    run = call("generate", model, "-o", tmp_path / "out.mid", *given)
    assert run.status == 2
    assert "chorale has the same four voices, so nothing can be played" in " ".join(run.err.split())


def test_pieces_that_are_not_in_four_voices_are_counted(call: Any, place: Path) -> None:
    data = place / "others.data"
    assert call("prepare", place / "others", "-o", data, "--shares", "100/0/0").status == 0
    run = call("check", data, "--language", "chorale")
    assert run.status == 1
    assert "chorale tells four voices, each a part of its own: " in " ".join(run.out.split())
    assert "has a note in chorale, which tells four voices" in " ".join(run.err.split())
    run = call("train", data, "-o", place / "none", "--language", "chorale")
    assert run.status == 2
    assert "no training piece whose grammar score is high enough" in " ".join(run.err.split())
