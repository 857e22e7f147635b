"""Checkpoints and the place of a model: whole or not at all."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from woodshed.errors import BadModel, CannotWrite, WoodshedError
from woodshed.training import publish
from woodshed.training.checkpoint import Shelf
from woodshed.training.publish import ModelPlace, exchanged


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    found = Shelf(tmp_path / ".a.model.run")
    found.begin({"family": "transformer"})
    return found


def save(shelf: Shelf, step: int, best: int | None = None) -> None:
    told = {"best_files": {}} if best is None else {"best_files": {str(best): BEST[best]}}
    shelf.save(step, {"x": torch.full((3,), float(step))}, told, [{"step": step}])


BEST: dict[int, str] = {}


def test_a_state_comes_back(shelf: Shelf) -> None:
    assert shelf.newest() is None
    numbers = {
        "float": torch.randn(3, 4),
        "bf16": torch.randn(5).bfloat16(),
        "count": torch.tensor(7.0),
        "whole": torch.arange(4),
    }
    shelf.save(5, numbers, {"seconds": 1.5, "best_files": {}})
    state = shelf.newest()
    assert state is not None
    assert (state.told["step"], state.told["seconds"], state.notes) == (5, 1.5, ())
    assert set(state.tensors) == set(numbers)
    for name, value in numbers.items():
        assert state.tensors[name].dtype == value.dtype
        assert torch.equal(state.tensors[name], value)


def test_the_last_two_stay_and_what_they_speak_of(shelf: Shelf) -> None:
    for best in (1, 2, 3):
        BEST[best] = shelf.save_best(best, {"x": torch.tensor([best])})
        save(shelf, best, best)
    save(shelf, 4, 3)
    assert shelf.steps() == [4, 3]
    names = {path.name for path in shelf.folder.iterdir() if "best" in path.name}
    assert names == {"best-000000003.safetensors"}
    assert shelf.best(3)["x"].item() == 3


def test_what_was_half_written_is_not_there(shelf: Shelf) -> None:
    save(shelf, 1)
    (shelf.folder / "state-000000002.safetensors").write_bytes(b"half")
    (shelf.folder / ".abc.part").write_bytes(b"half")
    assert shelf.steps() == [1]
    save(shelf, 3)
    assert not (shelf.folder / ".abc.part").exists()
    assert not (shelf.folder / "state-000000002.safetensors").exists()


@pytest.mark.parametrize("what", ["data", "told", "best"])
def test_damage_is_seen_and_the_one_before_offered(shelf: Shelf, what: str) -> None:
    BEST[1] = shelf.save_best(1, {"x": torch.tensor([1])})
    save(shelf, 1, 1)
    BEST[2] = shelf.save_best(2, {"x": torch.tensor([2])})
    save(shelf, 2, 2)
    name = {"data": "state-000000002.safetensors", "told": "state-000000002.json",
            "best": "best-000000002.safetensors"}[what]  # fmt: skip
    path = shelf.folder / name
    path.write_bytes(path.read_bytes()[:-3])
    state = shelf.newest()
    assert state is not None
    assert state.told["step"] == 1
    assert "the checkpoint of step 2 is damaged" in state.notes[0]
    for other in shelf.folder.glob("state-*.json"):
        other.write_text("{}")
    with pytest.raises(BadModel, match="no other; --force begins anew"):
        shelf.newest()


def test_no_room_is_said_before(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    save(shelf, 1)
    monkeypatch.setattr("shutil.disk_usage", lambda _: type("Disk", (), {"free": 10})())
    with pytest.raises(CannotWrite, match="there is no space"):
        save(shelf, 2)
    assert shelf.steps() == [1]


def model(folder: Path, number: int) -> None:
    told = {"format": "woodshed model", "files": {"x": [1, ""]}, "number": number}
    (folder / "model.json").write_text(json.dumps(told))
    (folder / "x").write_text(str(number))


@pytest.mark.parametrize("swaps", [True, False])
def test_a_model_takes_the_place_of_the_one_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, swaps: bool
) -> None:
    if not swaps:
        monkeypatch.setattr(publish, "exchanged", lambda *_: False)
    place = ModelPlace(tmp_path / "a.model")
    place.training.mkdir()
    with place.alone():
        for number in (1, 2, 3):
            with place.model() as folder:
                model(folder, number)
            assert (place.out / "x").read_text() == str(number)
        assert sorted(p.name for p in tmp_path.iterdir()) == [
            ".a.model.lock", ".a.model.run", "a.model"
        ]  # fmt: skip
        assert list(place.training.iterdir()) == []
    assert not place.lock.exists()


def test_nothing_but_a_model_is_replaced(tmp_path: Path) -> None:
    place = ModelPlace(tmp_path / "a.model")
    place.training.mkdir()
    place.out.mkdir()
    (place.out / "diary.txt").write_text("mine")
    with pytest.raises(BadModel, match="no part of a model"), place.model() as folder:
        model(folder, 1)
    assert (place.out / "diary.txt").read_text() == "mine"


def test_killed_between_two_renames(tmp_path: Path) -> None:
    place = ModelPlace(tmp_path / "a.model")
    place.replaced.mkdir()
    model(place.replaced, 1)
    with place.alone():
        assert (place.out / "x").read_text() == "1"
    assert not place.replaced.exists()


def test_only_one_writes(tmp_path: Path) -> None:
    place = ModelPlace(tmp_path / "a.model")
    with (
        place.alone(),
        pytest.raises(WoodshedError, match="another training writes"),
        ModelPlace(tmp_path / "a.model").alone(),
    ):
        pass


def test_folders_change_their_names(tmp_path: Path) -> None:
    for name in "ab":
        (tmp_path / name).mkdir()
        (tmp_path / name / "who").write_text(name)
    if exchanged(tmp_path / "a", tmp_path / "b"):
        assert (tmp_path / "a" / "who").read_text() == "b"
        assert (tmp_path / "b" / "who").read_text() == "a"
    else:
        assert (tmp_path / "a" / "who").read_text() == "a"
    assert not exchanged(tmp_path / "a", tmp_path / "nowhere")
