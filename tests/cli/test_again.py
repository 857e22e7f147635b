"""`woodshed again`: the same bytes, or precisely what differs."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.cli.test_audition import Run
from tests.models.bigram import sample_dataset
from woodshed.formats.midi_read import read_midi
from woodshed.formats.midi_write import write_midi
from woodshed.music.transform import with_tempo
from woodshed.recipes.train import train
from woodshed.sampling.provenance import MARK


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("again")
    data = sample_dataset(place)
    (place / "models").mkdir()
    train(data, place / "models" / "one")
    train(data, place / "other", language="performance")
    return place


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str]) -> Any:
    return lambda *arguments: Run(capsys, *map(str, arguments))


@pytest.fixture
def place(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of one's own, far from any model."""
    monkeypatch.delenv("WOODSHED_MODELS", raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


WAYS: dict[str, tuple[object, ...]] = {
    "bars": ("--bars", 3),
    "notes": ("--notes", 30, "--temperature", 1.2, "--temperature-end", 0.5, "--top-k", 9),
    "free": (),
    "header": ("--bars", 2, "--tempo", 112, "--slots", "bass,drums", "--cond", "feel=shuffle"),
    "knobs": ("--bars", 2, "--grid", "triplet", "--max-streak", 3, "--repetition-penalty", 2),
}


@pytest.mark.parametrize("way", WAYS)
def test_the_same_bytes(call: Any, made: Path, place: Path, way: str) -> None:
    model = made / "models" / "one"
    run = call("generate", model, "-o", "out.mid", "--count", 3, "--seed", 11, *WAYS[way])
    assert run.status == 0, run.err
    for number in (1, 3):
        run = call("again", f"out-{number}.mid", "-o", f"same-{number}.mid", "--model", model)
        assert run.status == 0, run.err
        assert "the same to the byte" in run.out
        assert Path(f"same-{number}.mid").read_bytes() == Path(f"out-{number}.mid").read_bytes()


@pytest.mark.parametrize("only_new", [(), ("--only-new",)])
def test_with_a_prompt(call: Any, made: Path, place: Path, only_new: tuple[str, ...]) -> None:
    model, phrase = made / "models" / "one", made / "music" / "groove.mid"
    run = call("generate", model, "-o", "out.mid", "--prompt", phrase, "--bars", 2, *only_new)
    assert run.status == 0, run.err
    run = call("again", "out.mid", "-o", "same.mid", "--model", model)
    assert run.status == 0, run.err
    assert Path("same.mid").read_bytes() == Path("out.mid").read_bytes()


def test_the_model_is_found_by_its_hash(
    call: Any, made: Path, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    call("generate", made / "models" / "one", "-o", "out.mid", "--bars", 1)
    run = call("again", "out.mid", "-o", "same.mid")
    assert run.status == 1
    assert "which is neither near it nor near here; name its folder with --model" in run.err
    assert not Path("same.mid").exists()

    monkeypatch.setenv("WOODSHED_MODELS", str(made))
    found = json.loads(call("again", "out.mid", "-o", "by-name.mid", "--json").out)
    assert found["is_same"]
    assert found["model"].endswith("one")
    monkeypatch.delenv("WOODSHED_MODELS")

    shutil.copytree(made / "models", place / "models")
    assert call("again", "out.mid", "-o", "here.mid").status == 0
    (place / "deep").mkdir()
    monkeypatch.chdir(place / "deep")
    assert call("again", "../out.mid", "-o", "beside.mid").status == 0
    assert Path("beside.mid").read_bytes() == Path("../out.mid").read_bytes()


def test_another_model_is_refused_with_what_differs(call: Any, made: Path, place: Path) -> None:
    call("generate", made / "models" / "one", "-o", "out.mid", "--bars", 1)
    run = call("again", "out.mid", "-o", "same.mid", "--model", made / "other")
    assert run.status == 1
    assert "is not the model that made this file: model " in run.err
    assert not Path("same.mid").exists()


def test_a_file_that_was_changed(call: Any, made: Path, place: Path) -> None:
    model = made / "models" / "one"
    call("generate", model, "-o", "out.mid", "--bars", 1)
    write_midi(with_tempo(read_midi("out.mid"), 200), "changed.mid")
    run = call("again", "changed.mid", "-o", "same.mid", "--model", model)
    assert run.status == 0, run.err
    assert "changed.mid was changed after it was made; this is how it was" in run.err
    assert Path("same.mid").read_bytes() == Path("out.mid").read_bytes()


def changed(out: str, **values: Any) -> None:
    """Write `out` with other words on how it was made."""
    score = read_midi("out.mid")
    (text,) = (t for t in score.texts if t.text.startswith(MARK))
    said = json.loads(text.text.removeprefix(MARK)) | values
    texts = tuple(t for t in score.texts if t is not text)
    words = type(text)(0, "text", MARK + json.dumps(said))
    write_midi(score.replace(texts=(*texts, words)), out)


def test_what_differs_is_said(call: Any, made: Path, place: Path) -> None:
    model = made / "models" / "one"
    bold = ("--bars", 8, "--temperature", 1.3, "--top-p", 1, "--endings", 1)
    call("generate", model, "-o", "out.mid", "--seed", 1, *bold)
    said = json.loads(
        next(t.text for t in read_midi("out.mid").texts if t.text.startswith(MARK))[len(MARK) :]
    )
    cases: dict[str, tuple[dict[str, Any], str]] = {
        "seed": ({"settings": said["settings"] | {"seed": 2}}, "other music comes out; version"),
        "version": (
            {"settings": said["settings"] | {"seed": 2}, "woodshed": "9.9"},
            "woodshed 9.9 made it and this is",
        ),
        "settings": (
            {"settings": said["settings"] | {"swing": 2}, "woodshed": "9.9"},
            "made by woodshed 9.9, whose settings are not this version's (swing)",
        ),
        "value": ({"settings": said["settings"] | {"top_k": 0}}, "--top-k 0 makes no sense"),
        "tokens": ({"prompt": said["prompt"] | {"tokens": [65000]}}, "is damaged"),
        "empty": ({"prompt": said["prompt"] | {"tokens": []}}, "is damaged"),
        "header": ({"header": {}}, "is damaged"),
    }
    for name, (values, sentence) in cases.items():
        changed(f"{name}.mid", **values)
        run = call("again", f"{name}.mid", "-o", "same.mid", "--model", model)
        assert (run.status, run.out) == (1, ""), name
        assert sentence in run.err, name
        assert not Path("same.mid").exists()


def test_a_stranger_and_what_exists(call: Any, made: Path, place: Path) -> None:
    run = call("again", made / "music" / "groove.mid", "-o", "same.mid")
    assert run.status == 1
    assert "it does not say how it was made" in run.err
    Path("mine.mid").write_bytes(b"mine")
    run = call("again", made / "music" / "groove.mid", "-o", "mine.mid")
    assert "mine.mid already exists" in run.err
    run = call("again", made / "music" / "groove.mid", "-o", "-", "--json")
    assert run.status == 2
    assert "both take standard output" in run.err
