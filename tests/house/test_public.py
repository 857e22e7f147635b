"""What `import woodshed` offers, and what it must not load."""

from __future__ import annotations

import ast
import importlib
import inspect
import json
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

import woodshed

HEAVY = ("numba", "numpy", "psutil", "pyarrow", "rich", "sounddevice", "soundfile", "torch", "yaml")


def loaded_by(code: str) -> set[str]:
    """Give the top-level modules a fresh Python holds after running `code`."""
    report = "import json, sys; print(json.dumps(sorted({n.split('.')[0] for n in sys.modules})))"
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\n{report}"], capture_output=True, text=True, check=True
    )
    return set(json.loads(done.stdout.splitlines()[-1]))


def imports_for_type_checkers() -> Iterator[tuple[str, str]]:
    """Give each name under `if TYPE_CHECKING:` in the front door, with its module."""
    assert woodshed.__file__
    tree = ast.parse(Path(woodshed.__file__).read_text(encoding="utf-8"))
    (block,) = (node for node in tree.body if isinstance(node, ast.If))
    assert ast.unparse(block.test) == "TYPE_CHECKING"
    for node in block.body:
        assert isinstance(node, ast.ImportFrom)
        for alias in node.names:
            yield alias.name, f"woodshed.{node.module}"


def test_all_is_sorted_and_without_repeats() -> None:
    assert list(woodshed.__all__) == sorted(set(woodshed.__all__))


def test_type_checkers_and_python_see_the_same_names() -> None:
    """The imports only type checkers follow lead to the very objects users get, and no others."""
    seen = dict(imports_for_type_checkers())
    assert set(seen) == {name for name in woodshed.__all__ if name != "__version__"}
    for name, module in seen.items():
        assert getattr(woodshed, name) is getattr(importlib.import_module(module), name), name


def test_dir_shows_exactly_all() -> None:
    assert dir(woodshed) == list(woodshed.__all__)


def test_every_name_is_loaded_from_a_table_without_leftovers() -> None:
    listed = [name for names in woodshed._ROOMS.values() for name in names]
    assert sorted([*listed, "__version__"]) == list(woodshed.__all__)


@pytest.mark.parametrize("name", woodshed.__all__)
def test_public_name_can_be_had_and_explains_itself(name: str) -> None:
    thing = getattr(woodshed, name)
    if inspect.isclass(thing) or inspect.isfunction(thing):
        text = inspect.getdoc(thing) or ""
        assert text, "has no docstring"
        assert not text.startswith(f"{name}("), "has only the docstring that dataclasses make up"
        assert thing.__name__ == name


def test_unknown_name_is_refused_by_name() -> None:
    name = "no_such_thing"
    with pytest.raises(AttributeError, match=name):
        getattr(woodshed, name)


def test_star_import_brings_all_names() -> None:
    names: dict[str, object] = {}
    exec("from woodshed import *", names)  # noqa: S102 - a star import is not allowed elsewhere
    assert set(woodshed.__all__) <= set(names)


HELP = "from woodshed.cli import root; root.main(['--help'], 'woodshed', standalone_mode=False)"


@pytest.mark.parametrize("code", ["import woodshed", "import woodshed.cli", HELP])
def test_import_stays_light(code: str) -> None:
    assert loaded_by(code) & set(HEAVY) == set()


def test_the_light_import_check_can_fail() -> None:
    assert "yaml" in loaded_by("import yaml")


def test_version_is_the_one_in_pyproject() -> None:
    project = Path(__file__).parents[2] / "pyproject.toml"
    written = tomllib.loads(project.read_text(encoding="utf-8"))["project"]["version"]
    assert woodshed.__version__ == written, "installed from an older state; run `make setup`"
