"""Settings: their checks, where they come from, and the learning rate they make."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from woodshed.errors import BadFile, UsageError
from woodshed.models.neural.needed import CARE, take_care
from woodshed.training.devices import at_once, place_among
from woodshed.training.settings import BOUNDS, TrainingSettings, changed, rate_at
from woodshed.training.settings_file import read_settings


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"size": "huge"}, "--size cannot be 'huge'; use auto, tiny, small or medium"),
        ({"batch": 0}, "--batch cannot be 0; use 1 to 65,536"),
        ({"batch": 2.5}, "--batch cannot be 2.5; use a whole number"),
        ({"dropout": float("nan")}, "--dropout cannot be nan"),
        ({"learning_rate": "fast"}, "--learning-rate cannot be 'fast'; use a number"),
        ({"transpose": "1,x"}, "--transpose 1,x is no list of semitones"),
        ({"transpose": "12"}, "--transpose 12 is no list of semitones"),
        ({"smoothing_kind": 0.6, "smoothing_value": 0.5}, "leave nothing of the target"),
        ({"adapters": 4}, "--adapters needs a model to adapt; add --init MODEL"),
        ({"steps": 0}, "--steps cannot be 0; use 1 to 1,000,000,000"),
        ({"context": 99_999}, "--context cannot be 99,999; use 8 to 65,536"),
        ({"max_d_model": 10}, "--max-d-model cannot be 10; use 96 to 65,536"),
        ({"transpose": 3}, "--transpose cannot be 3; use a word in quotes"),
        ({"compile": "yes"}, "--compile cannot be 'yes'; use true or false"),
        (
            {"init": "a.model", "size": "tiny"},
            "--size tiny makes a new network, and --init a.model",
        ),
    ],
)
def test_nonsense_gets_a_sentence(values: dict[str, Any], told: str) -> None:
    with pytest.raises(UsageError) as caught:
        TrainingSettings(**values)
    assert told in str(caught.value)


def test_every_number_has_bounds() -> None:
    numbers = {
        name
        for name, field in TrainingSettings.__dataclass_fields__.items()
        if str(field.type) in ("int", "float", "int | None", "float | None")
    }
    assert numbers == set(BOUNDS)


def test_semitones_begin_with_none_and_come_once() -> None:
    assert TrainingSettings(transpose="3, -3,3,0").semitones == (0, 3, -3)
    assert TrainingSettings(transpose="none").semitones == (0,)


def test_the_rate_rises_and_falls() -> None:
    settings = TrainingSettings(warm_up=9, decay="cosine")
    assert [rate_at(step, 0.0, settings) for step in (0, 4, 9)] == pytest.approx([0.1, 0.5, 1.0])
    assert rate_at(500, 0.5, settings) == pytest.approx(0.5)
    assert rate_at(999, 1.0, settings) == pytest.approx(0.01)
    assert rate_at(999, 1.0, TrainingSettings(decay="none")) == 1.0


def test_what_makes_another_training() -> None:
    before = TrainingSettings()
    assert changed(before, TrainingSettings(max_minutes=3, learning_rate=1e-4)) == []
    assert changed(before, TrainingSettings(batch=4, seed=1)) == ["batch", "seed"]


TOML = 'optimiser = "muon"\nbatch = 8\ntranspose = [-1, 1]\n'
YAML = "optimiser: muon\nbatch: 8\ntranspose: [-1, 1]\n"


@pytest.mark.parametrize(("name", "text"), [("a.toml", TOML), ("a.yaml", YAML), ("a.yml", YAML)])
def test_settings_from_a_file(tmp_path: Path, name: str, text: str) -> None:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    assert read_settings(path) == {"optimiser": "muon", "batch": 8, "transpose": "-1,1"}


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("a.toml", "lerning-rate = 1", "no setting 'lerning-rate'; did you mean learning_rate?"),
        ("a.yaml", "xyzzy: 1", "no setting 'xyzzy'; `woodshed train --help` lists them"),
        ("a.toml", "batch = = 3", "it is no TOML"),
        ("a.yaml", "batch: [3", "it is no YAML"),
        ("a.yaml", "- 3", "it holds no table of settings"),
        ("a.json", "{}", "settings are read from .toml, .yaml or .yml"),
    ],
)
def test_a_bad_file_gets_a_sentence(tmp_path: Path, name: str, text: str, told: str) -> None:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    with pytest.raises((UsageError, BadFile)) as caught:
        read_settings(path)
    assert told in str(caught.value)


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(BadFile, match=r"none\.toml: there is no such file of settings"):
        read_settings(tmp_path / "none.toml")


def test_care_for_devices_leaves_what_is_set() -> None:
    environment = {"MIOPEN_FIND_MODE": "3"}
    take_care(environment)
    assert environment == {**CARE, "MIOPEN_FIND_MODE": "3"}


@pytest.mark.parametrize(
    ("kind", "batch", "found"),
    [("mps", 16, (8, 2)), ("mps", 32, (8, 4)), ("mps", 9, (9, 1)), ("cuda", 16, (16, 1))],
)
def test_smaller_batches_where_memory_is_shared(
    kind: str, batch: int, found: tuple[int, int]
) -> None:
    assert at_once(batch, 1, kind) == found


def test_the_place_among_processes() -> None:
    assert place_among({}) == (0, 1, 0)
    assert place_among({"RANK": "3", "WORLD_SIZE": "4", "LOCAL_RANK": "1"}) == (3, 4, 1)
    assert place_among({"RANK": "x", "WORLD_SIZE": "0"}) == (0, 1, 0)


def test_settings_need_no_torch() -> None:
    program = (
        "import sys; import woodshed.cli.train, woodshed.recipes.train; "
        "sys.exit('torch' in sys.modules or 'safetensors' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
