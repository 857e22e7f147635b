"""Which room may import which, and which libraries wait until they are needed."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[2] / "src" / "woodshed"

# Each room may import itself and every room before its own row; rooms on one row ignore each other.
ROWS: tuple[tuple[str, ...], ...] = (
    ("errors",),
    ("settings",),
    ("music",),
    ("formats",),
    ("audio",),
    ("corpus",),
    ("tokens",),
    ("models",),
    ("sampling",),
    ("training",),
    ("listening",),
    ("evaluation",),
    ("recipes",),
    ("cli", "studio"),
)
RANK = {room: rank for rank, row in enumerate(ROWS) for room in row}

# The front door: `woodshed/__init__.py` and `__main__.py` may open every room. No room may import
# them back (that would be a circle), but for the version.
DOOR = ("__init__", "__main__")

HEAVY = frozenset({"numba", "pyarrow", "rich", "sounddevice", "soundfile", "torch"})
# "room/module.py" files that may import a heavy library as soon as they are imported themselves.
HEAVY_AT_TOP = frozenset(
    {
        "models/neural/graphs.py",
        "models/neural/lstm.py",
        "models/neural/mamba.py",
        "models/neural/model.py",
        "models/neural/network.py",
        "models/neural/operations.py",
        "models/neural/players.py",
        "models/neural/quick_threads.py",
        "models/neural/quick_weights.py",
        "models/neural/recurrent.py",
        "models/neural/scan.py",
        "models/neural/scoring.py",
        "models/neural/storage.py",
        "models/neural/tiles.py",
        "models/neural/transformer.py",
        "training/checkpoint.py",
        "training/engine.py",
        "training/grammar_losses.py",
        "training/loop.py",
        "training/losses.py",
        "training/monitor.py",
        "training/objective.py",
        "training/optimiser.py",
        "training/scoring.py",
        "training/start.py",
        "training/train.py",
    }
)


@dataclass(frozen=True, slots=True)
class Import:
    """One imported module by its full name, and whether it is imported with the file itself."""

    module: str
    line: int
    at_top: bool


def imports_of(path: Path, root: Path) -> Iterator[Import]:
    """Give every import in a file; `from . import x` counts as importing the module x."""
    package = ("woodshed", *path.relative_to(root).parent.parts)
    tree = ast.parse(path.read_text(encoding="utf-8"), filename=str(path))
    late = _late_nodes(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(alias.name, node.lineno, node not in late)
        elif isinstance(node, ast.ImportFrom):
            base = list(package[: len(package) - node.level + 1]) if node.level else []
            base += node.module.split(".") if node.module else []
            # `from woodshed import music` names a room, too, so the names count.
            for alias in node.names:
                yield Import(".".join([*base, alias.name]), node.lineno, node not in late)


def _late_nodes(tree: ast.Module) -> set[ast.AST]:
    """Give the nodes that do not run when the file is imported."""
    late: set[ast.AST] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            late.update(ast.walk(node))
        elif isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING"):
            for statement in node.body:
                late.update(ast.walk(statement))
    return late


def complaints(root: Path, heavy_at_top: frozenset[str] = HEAVY_AT_TOP) -> list[str]:
    """Say every breach of the rules in the package at `root`, with its file and line."""
    found = []
    for path in sorted(root.rglob("*.py")):
        name = path.relative_to(root).as_posix()
        room = name.split("/")[0].removesuffix(".py")
        if room not in RANK and room not in DOOR:
            found.append(f"{name}: there is no room called {room!r}")
            continue
        for one in imports_of(path, root):
            reason = _reason_against(one, room, name in heavy_at_top)
            if reason:
                found.append(f"{name}:{one.line}: {reason}")
    return found


def _reason_against(one: Import, room: str, heavy_allowed: bool) -> str | None:
    top, _, rest = one.module.partition(".")
    if top in HEAVY and one.at_top and not heavy_allowed:
        return f"imports {top} at the top; import it inside the function that needs it"
    if top != "woodshed" or room in DOOR or rest == "__version__":
        return None
    other = rest.split(".")[0]
    if other not in RANK:
        # `from woodshed import read_midi` inside a room goes through the front door.
        return f"imports {one.module}, which is not in a room"
    if other != room and RANK[other] >= RANK[room]:
        return f"{room} may not import {other}"
    return None


def test_rooms_import_only_to_their_left() -> None:
    assert complaints(SOURCE) == []


def test_every_room_is_there_to_be_checked() -> None:
    rooms = {path.relative_to(SOURCE).parts[0].removesuffix(".py") for path in SOURCE.rglob("*.py")}
    assert {"errors", "music", "formats", "corpus", "cli"} <= rooms


def test_heavy_allowances_are_still_needed() -> None:
    without = complaints(SOURCE, frozenset())
    assert [name for name in HEAVY_AT_TOP if not any(name in line for line in without)] == []


@pytest.mark.parametrize(
    ("path", "text", "expected"),
    [
        ("music/score.py", "from ..corpus.scan import scan", "music may not import corpus"),
        ("music/score.py", "from .. import cli", "music may not import cli"),
        ("music/score.py", "from woodshed import corpus", "music may not import corpus"),
        ("music/score.py", "import woodshed.formats.midi", "music may not import formats"),
        ("music/deep/x.py", "from ...cli import root", "music may not import cli"),
        ("music/score.py", "def f():\n    import woodshed.cli", "music may not import cli"),
        ("errors.py", "from woodshed.settings import Setting", "errors may not import settings"),
        ("cli/run.py", "from woodshed.studio import app", "cli may not import studio"),
        ("studio/app.py", "from ..cli import root", "studio may not import cli"),
        ("music/score.py", "from woodshed import read_midi", "which is not in a room"),
        ("utils/x.py", "", "there is no room called 'utils'"),
        ("helpers.py", "", "there is no room called 'helpers'"),
        ("corpus/a.py", "import pyarrow.parquet as pq", "imports pyarrow at the top"),
        ("corpus/a.py", "from rich.table import Table", "imports rich at the top"),
        ("corpus/a.py", "class A:\n    import numba", "imports numba at the top"),
        ("__init__.py", "try:\n    import torch\nexcept ImportError:\n    pass", "imports torch"),
    ],
)
def test_a_breach_is_seen(tmp_path: Path, path: str, text: str, expected: str) -> None:
    _write(tmp_path, path, text)
    (complaint,) = complaints(tmp_path)
    assert expected in complaint
    assert complaint.startswith(path)


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("cli/__init__.py", "from ..music import Score\nfrom .console import table"),
        ("formats/midi.py", "from .. import errors\nfrom woodshed.settings import Setting"),
        ("__init__.py", "def __getattr__(name):\n    import woodshed.cli"),
        ("corpus/a.py", "def f():\n    import pyarrow"),
        (
            "corpus/a.py",
            "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import torch",
        ),
        ("formats/midi.py", "from .. import __version__"),
        ("corpus/a.py", "import richer\nimport numpy"),
    ],
)
def test_what_is_allowed_passes(tmp_path: Path, path: str, text: str) -> None:
    _write(tmp_path, path, text)
    assert complaints(tmp_path) == []


def test_an_allowed_heavy_import_passes(tmp_path: Path) -> None:
    _write(tmp_path, "models/net.py", "import torch")
    assert complaints(tmp_path, frozenset({"models/net.py"})) == []


def _write(root: Path, name: str, text: str) -> None:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
