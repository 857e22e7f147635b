"""When functions are compiled, and what happens where they cannot be compiled or kept."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

import woodshed
from woodshed.music import compiled as module
from woodshed.music.compiled import WhenItPays, settled

Doubling = Callable[[int], int]

PROGRAM = """
import sys
from pathlib import Path
from tests.music.test_compiled import double
from woodshed.music.compiled import compiled

assert "numba" not in sys.modules
form = compiled(double, lambda run: run(1))
print(type(form).__name__, form and form(21))
"""


def double(number: int) -> int:
    return number * 2


def compiled_elsewhere(*folders: Path, **environment: str) -> str:
    """What a fresh process prints that compiles `double`; `folders` come first on its path."""
    root = Path(__file__).parents[2]
    paths = [*folders, Path(woodshed.__file__).parents[1], root]
    found = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env=os.environ | environment | {"PYTHONPATH": os.pathsep.join(map(str, paths))},
        capture_output=True,
        text=True,
        check=True,
    )
    return found.stdout.strip()


def test_a_function_is_compiled_and_kept(tmp_path: Path) -> None:
    answer = compiled_elsewhere(NUMBA_CACHE_DIR=str(tmp_path))
    assert answer == "CPUDispatcher 42"
    assert list(tmp_path.rglob("*double*.nbc"))


def test_without_numba_there_is_none(tmp_path: Path) -> None:
    (tmp_path / "numba.py").write_text("raise ImportError('not made for this Python yet')\n")
    assert compiled_elsewhere(tmp_path) == "NoneType None"


def test_where_nothing_can_be_kept_it_is_compiled_anew() -> None:
    # The only place numba may look for is inside a ZIP file, and there is none.
    answer = compiled_elsewhere(NUMBA_CACHE_LOCATOR_CLASSES="_ZipCacheLocator")
    assert answer == "CPUDispatcher 42"


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Doubling]:
    """What a stand-in for the compiler was asked to compile; numba is not loaded yet."""
    asked: list[Doubling] = []

    def stand_in(function: Doubling, warm_up: Callable[[Doubling], object]) -> Doubling:
        asked.append(function)
        return lambda number: number + number

    monkeypatch.setattr(module, "compiled", stand_in)
    monkeypatch.delitem(sys.modules, "numba", raising=False)
    return asked


def test_it_is_compiled_once_after_enough_work(asked: list[Doubling]) -> None:
    doubling = WhenItPays(double, lambda run: run(1), from_work=100)
    assert [doubling.after(50), doubling.after(50)] == [None, None]
    assert asked == []
    form = doubling.after(1)
    assert form is not None
    assert form(21) == 42
    assert doubling.after(0) is doubling.form is form
    assert asked == [double]


def test_it_pays_at_once_where_numba_is_loaded(
    asked: list[Doubling], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "numba", ModuleType("numba"))
    assert WhenItPays(double, lambda run: run(1), from_work=100).after(0) is not None


def test_without_numba_nobody_asks_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    monkeypatch.setattr(module, "compiled", lambda function, warm_up: asked.append(function))
    doubling = WhenItPays(double, lambda run: run(1), from_work=0)
    assert [doubling.after(1), doubling.after(1), doubling.form] == [None, None, None]
    assert asked == [double]


def test_settled_columns_are_all_of_one_kind() -> None:
    values = np.arange(4)
    crooked = np.frombuffer(b"\0" + values.tobytes(), np.int64, offset=1)
    for column in (values, np.repeat(values, 2)[::2], crooked):
        found = settled(column)
        assert found.tolist() == [0, 1, 2, 3]
        assert found.flags.c_contiguous
        assert found.flags.aligned
        assert not found.flags.writeable
        assert settled(found) is found
    assert values.flags.writeable
