"""`woodshed generate --with`: given parts from the command line, made again, and refusals."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.cli.test_audition import Run
from tests.models.bigram import sample_dataset
from woodshed.errors import BadFile
from woodshed.formats.midi_read import read_midi
from woodshed.formats.midi_write import midi_bytes
from woodshed.music.score import Score, Text
from woodshed.recipes.again import again
from woodshed.recipes.generate import generate
from woodshed.recipes.train import train
from woodshed.sampling.provenance import MARK, provenance_in
from woodshed.sampling.settings import SamplingSettings


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("accompaniment")
    train(sample_dataset(place), place / "model")
    return place / "model"


@pytest.fixture(scope="module")
def kit(model: Path) -> Path:
    """The drums of the blues alone."""
    score = read_midi(model.parent / "music" / "blues-in-a.mid")
    drums = [part.is_drum for part in score.parts].index(True)
    alone = score.replace(notes=score.notes.take(score.notes.part == drums), texts=())
    path = model.parent / "kit.mid"
    path.write_bytes(midi_bytes(alone))
    return path


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str]) -> Any:
    return lambda *arguments: Run(capsys, *map(str, arguments))


def _hits(score: Score) -> list[tuple[float, int]]:
    drums = np.array([part.is_drum for part in score.parts])
    notes = score.notes.take(drums[score.notes.part])
    starts = (notes.start_ticks / score.ticks_per_quarter).round(2)
    return sorted(zip(starts.tolist(), notes.pitch.tolist(), strict=True))


@pytest.mark.parametrize("look_ahead", [None, 1])
def test_a_bass_for_drums_and_again(
    call: Any, model: Path, kit: Path, tmp_path: Path, look_ahead: int | None
) -> None:
    out = tmp_path / "out.mid"
    options = [] if look_ahead is None else ["--look-ahead", look_ahead]
    run = call(
        "generate", model, "-o", out, "--with", kit, "--add", "bass, guitar", "--seed", 3, *options
    )
    assert run.status == 0, run.err
    score = read_midi(out)
    assert [part.name for part in score.parts] == ["guitar", "bass", "drums"]
    assert _hits(score) == _hits(read_midi(kit))
    said = provenance_in(score)
    assert said is not None
    assert said["given"]["added"] == ["guitar", "bass"]
    assert said["given"]["notes"] == len(read_midi(kit).notes)
    assert str(kit.parent) not in json.dumps(said)
    assert again(out, model=model).is_same


def test_count_and_jobs_change_nothing(model: Path, kit: Path) -> None:
    settings: dict[str, Any] = {"given": kit, "add": ["bass"], "look_ahead": 3}
    seeded = SamplingSettings(seed=9, bars=4)
    five = generate(model, None, seeded, count=5, **settings)
    side_by_side = generate(model, None, seeded, count=5, jobs=2, **settings)
    assert [p.made.midi for p in five.pieces] == [p.made.midi for p in side_by_side.pieces]
    assert len({p.made.midi for p in five.pieces}) == 5
    assert {p.bars for p in five.pieces} == {4}
    assert {p.ended_by for p in five.pieces} == {"the given parts"}


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--with", "KIT"], "nobody is asked to play around the given parts; name some of"),
        (["--with", "KIT", "--add", "drums"], "drums is given and asked for with --add"),
        (["--with", "KIT", "--add", "lute"], "the model knows no player 'lute'; it knows"),
        (["--add", "bass"], "--add bass needs parts to play around; name their file with --with"),
        (["--look-ahead", "4"], "--look-ahead 4 looks at given parts"),
        (["--with", "KIT", "--add", "bass", "--prompt", "KIT"], "choose one"),
        (["--with", "KIT", "--add", "bass", "--seconds", "9"], "--seconds 9: given parts say how"),
        (["--with", "KIT", "--add", "bass", "--notes", "9"], "--notes 9: given parts say how long"),
        (["--with", "KIT", "--add", "bass", "--bars", "99"], "the given parts have 12 bars"),
        (["--with", "KIT", "--add", "bass", "--tempo", "99"], "leave out --tempo"),
        (["--with", "none.mid", "--add", "bass"], "none.mid"),
    ],
)
def test_refusals(
    call: Any, model: Path, kit: Path, tmp_path: Path, options: list[str], sentence: str
) -> None:
    options = [str(kit) if option == "KIT" else option for option in options]
    run = call("generate", model, "-o", tmp_path / "out.mid", *options)
    assert run.status in (1, 2)
    assert sentence in " ".join(run.err.split())
    assert not (tmp_path / "out.mid").exists()


@pytest.mark.parametrize(
    "damage",
    [
        {"tokens": []},
        {"tokens": [0, 0, 0]},
        {"added": ["lute"]},
        {"added": ["drums"]},
        {"look_ahead": 0},
        {"look_ahead": "six"},
        {"tokens": 5},
    ],
)
def test_damaged_provenance_is_an_error(
    model: Path, kit: Path, tmp_path: Path, damage: dict[str, Any]
) -> None:
    made = generate(model, None, given=kit, add=["bass"], look_ahead=1).pieces[0].made
    told = {**made.provenance, "given": {**made.provenance["given"], **damage}}
    text = Text(0, "text", MARK + json.dumps(told))
    file = tmp_path / "damaged.mid"
    file.write_bytes(midi_bytes(made.score.replace(texts=(text,))))
    with pytest.raises(BadFile, match="damaged"):
        again(file, model=model)
