"""What a pipeline has done: `run.json` beside what it made, and by what inputs are known again.

A file is known by its SHA-256. A folder that says what it holds (a dataset, a model, what was
learnt) is known by that and the sizes of its files; any other folder by the names, sizes and times
of its files, as `prepare` knows them. Knows nothing of commands.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ..corpus.dataset_layout import file_checksum
from ..formats.files import write_whole

STATE = "run.json"
FORMAT, SCHEMA_VERSION = "woodshed run", 1
MISSING = "missing"
SAYING = ("dataset.json", "model.json", "learn.json")
"""Files in which a folder says what it holds."""


@dataclass(frozen=True, slots=True)
class Done:
    """A step that began: how it was called, of what, and what came of it once it was whole."""

    woodshed: str
    values: Mapping[str, Any]
    inputs: Mapping[str, str]
    outputs: Mapping[str, str] = field(default_factory=dict)
    is_whole: bool = False


def mark_of(path: Path) -> str:
    """By what a file or a folder is known again."""
    if path.is_file():
        return f"sha256:{file_checksum(path)}"
    if not path.is_dir():
        return MISSING
    for name in SAYING:
        if (path / name).is_file():
            return f"{name}:{_says(path, name)}"
    told = hashlib.sha256()
    for place, folders, files in os.walk(path):
        folders[:] = sorted(each for each in folders if not each.startswith("."))
        for each in sorted(files):
            file = os.path.join(place, each)
            try:
                status = os.stat(file)
            except OSError:
                continue
            name = os.path.relpath(file, path)
            row = f"{name}\0{status.st_size}\0{status.st_mtime_ns}\n"
            told.update(row.encode("utf-8", "surrogateescape"))
    return f"folder:{told.hexdigest()}"


def _says(path: Path, name: str) -> str:
    text = (path / name).read_bytes()
    told = hashlib.sha256(text)
    try:
        files = list(json.loads(text)["files"])
    except (ValueError, KeyError, TypeError, RecursionError):
        files = []
    for each in sorted(map(str, files)):
        file = path / each
        told.update(f"{each}\0{file.stat().st_size if file.is_file() else MISSING}\n".encode())
    return told.hexdigest()


def read_state(folder: Path) -> dict[str, Done]:
    """What was done, by step; nothing where nothing was, or it cannot be read."""
    try:
        told = json.loads((folder / STATE).read_bytes())
        if (told["format"], told["schema_version"]) != (FORMAT, SCHEMA_VERSION):
            return {}
        return {str(name): Done(**of) for name, of in told["steps"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return {}


def write_state(folder: Path, steps: Mapping[str, Done]) -> None:
    """Write what was done, whole."""
    told = {
        "format": FORMAT,
        "schema_version": SCHEMA_VERSION,
        "steps": {name: asdict(done) for name, done in steps.items()},
    }
    write_whole(folder / STATE, json.dumps(told, indent=1) + "\n", force=True)
