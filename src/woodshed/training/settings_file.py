"""Settings of a training from a TOML or YAML file. Knows no setting by name."""

from __future__ import annotations

import dataclasses
import difflib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..errors import BadFile, UsageError
from .settings import TrainingSettings

MOST_BYTES = 2**20
"""A longer file holds no settings."""


def read_settings(path: str | os.PathLike[str]) -> dict[str, Any]:
    """The settings a file gives, by the names of the fields.

    Raises `BadFile` for what cannot be read, and `UsageError` for a key there is not, with the
    nearest there is.
    """
    file = Path(path)
    try:
        if file.stat().st_size > MOST_BYTES:
            raise BadFile(path, "it is too long for a file of settings")
        text = file.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise BadFile(path, "there is no such file of settings; check its name") from None
    except OSError as error:
        raise BadFile(path, error.strerror or str(error)) from error
    except UnicodeDecodeError as error:
        raise BadFile(path, "it is no text; settings are TOML or YAML") from error
    values = _parsed(path, text)
    known = {field.name for field in dataclasses.fields(TrainingSettings)}
    return {_known(path, str(key), known): _plain(value) for key, value in values.items()}


def _parsed(path: str | os.PathLike[str], text: str) -> Mapping[str, Any]:
    ending = Path(path).suffix.lower()
    try:
        if ending == ".toml":
            import tomllib

            values: Any = tomllib.loads(text)
        elif ending in (".yaml", ".yml"):
            import yaml

            values = yaml.safe_load(text) or {}
        else:
            raise BadFile(path, "settings are read from .toml, .yaml or .yml; rename it")
    except (ValueError, RecursionError) as error:
        raise BadFile(path, f"it is no {ending[1:].upper()}: {error}") from error
    except Exception as error:
        if type(error).__module__.split(".")[0] != "yaml":
            raise
        raise BadFile(path, f"it is no YAML: {' '.join(str(error).split())}") from error
    if not isinstance(values, dict):
        raise BadFile(path, "it holds no table of settings; write lines such as `batch = 8`")
    return values


def _known(path: str | os.PathLike[str], key: str, known: set[str]) -> str:
    name = key.replace("-", "_")
    if name in known:
        return name
    near = difflib.get_close_matches(name, sorted(known), 1, 0.5)
    advice = f"did you mean {near[0]}?" if near else "`woodshed train --help` lists them"
    raise UsageError(f"{os.fspath(path)}: there is no setting {key!r}; {advice}")


def _plain(value: Any) -> Any:
    """A list of semitones may be written as one."""
    return ",".join(map(str, value)) if isinstance(value, list) else value
