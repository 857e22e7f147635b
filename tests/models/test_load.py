"""Opening a model while a training puts another one in its place."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from safetensors.torch import load_file, save_file  # noqa: E402

from woodshed.corpus.dataset_layout import file_checksum  # noqa: E402
from woodshed.errors import BadModel  # noqa: E402
from woodshed.models import load, store  # noqa: E402
from woodshed.models.load import TRIES, load_copies, load_model  # noqa: E402
from woodshed.models.neural import storage  # noqa: E402
from woodshed.models.store import INFO  # noqa: E402

WEIGHTS = storage.WEIGHTS


@pytest.fixture
def place(transformer_path: Path, tmp_path: Path) -> Path:
    """A model, and beside it `other`, the same network with other weights."""
    found, other = tmp_path / "a.model", tmp_path / "other"
    shutil.copytree(transformer_path, found)
    shutil.copytree(transformer_path, other)
    weights = {name: 2 * value for name, value in load_file(other / WEIGHTS).items()}
    save_file(weights, other / WEIGHTS)
    told = json.loads((other / INFO).read_text())
    told["files"][WEIGHTS][1] = file_checksum(other / WEIGHTS)
    (other / INFO).write_text(json.dumps(told))
    return found


def swap(place: Path) -> None:
    """What a training does when it has a better model."""
    os.replace(place, place.with_name("old"))
    os.replace(place.with_name("other"), place)
    os.replace(place.with_name("old"), place.with_name("other"))


def around(
    monkeypatch: pytest.MonkeyPatch, where: Any, name: str, act: Callable[[], None], times: int,
    *, after: bool = True,
) -> list[int]:  # fmt: skip
    """Act before or after the first calls of a function; the list counts all of them."""
    real, calls = getattr(where, name), [0]

    def call(*arguments: Any) -> Any:
        calls[0] += 1
        if calls[0] <= times and not after:
            act()
        found = real(*arguments)
        if calls[0] <= times and after:
            act()
        return found

    monkeypatch.setattr(where, name, call)
    return calls


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize(
    ("where", "name"), [(load, "read_info"), (storage, "check_files"), (storage, "read_weights")]
)
def test_a_model_replaced_while_it_is_read_is_one_model(
    place: Path, monkeypatch: pytest.MonkeyPatch, where: Any, name: str, after: bool
) -> None:
    around(monkeypatch, where, name, lambda: swap(place), 1, after=after)
    found: Any = load_model(place)
    monkeypatch.undo()
    assert found.info.hash == load_model(place).info.hash
    there = load_file(place / WEIGHTS)["embedding.weight"]
    assert torch.equal(found.network.state_dict()["embedding.weight"], there)


def test_a_place_that_is_empty_for_a_moment(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where two folders cannot change their names at once."""
    real, away = store.read_info, place.with_name("away")

    def between(path: Any) -> Any:
        monkeypatch.setattr(load, "read_info", real)
        os.replace(place, away)
        try:
            return real(path)
        finally:
            os.replace(place.with_name("other"), place)

    monkeypatch.setattr(load, "read_info", between)
    assert load_model(place).info.family == "transformer"
    assert not place.with_name("other").exists()


def test_one_that_is_always_replaced_is_told(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = around(monkeypatch, storage, "check_files", lambda: swap(place), 99)
    with pytest.raises(BadModel, match=f"replaced {TRIES} times while it was read; try again"):
        load_model(place)
    assert calls == [TRIES]


def test_a_damaged_model_is_read_once(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = (place / WEIGHTS).read_bytes()
    (place / WEIGHTS).write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    calls = around(monkeypatch, storage, "check_files", lambda: None, 0)
    with pytest.raises(BadModel, match="checksum differs"):
        load_model(place)
    assert calls == [1]


def test_copies_are_of_one_model(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    around(monkeypatch, load, "load_model", lambda: swap(place), 1)
    models = load_copies(place, 3)
    monkeypatch.undo()
    assert [model.info.hash for model in models] == [load_model(place).info.hash] * 3
    assert models[0] is not models[1]
