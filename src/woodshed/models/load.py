"""Open a model of any family from its folder. Knows families by name, and nothing of them.

A training may put a better model in the place of the one that is being read. What was read then may
be of both, so it is read again.
"""

from __future__ import annotations

import importlib
import os
from pathlib import Path

from ..errors import BadModel
from .family import Model
from .neural.needed import check_installed
from .store import INFO, read_info

FAMILIES = {
    "ngram": "ngram.model:Ngram",
    "transformer": "neural.model:Neural",
    "mamba": "neural.model:Neural",
    "lstm": "neural.model:Neural",
}
"""Where the class of each family is; each has `load(path, info)`."""

TRIES = 3
"""How often a model is read at most, where others take its place meanwhile."""


def load_model(path: str | os.PathLike[str]) -> Model:
    """The model in a folder, all of it one model even while a training puts better ones there.

    Raises `BadModel` where there is none, or a damaged one, and `WoodshedError` where the libraries
    of its family are not installed.
    """
    for _ in range(TRIES):
        before = _mark(path)
        try:
            model = _load(path)
        except BadModel:
            if _mark(path) == before:
                raise
        else:
            if _mark(path) == before:
                return model
    raise _replaced(path)


def load_copies(path: str | os.PathLike[str], count: int) -> list[Model]:
    """The model in a folder so many times, each with states of its own; see `load_model`."""
    for _ in range(TRIES):
        models = [load_model(path) for _ in range(count)]
        if len({model.info.hash for model in models}) == 1:
            return models
    raise _replaced(path)


def _replaced(path: str | os.PathLike[str]) -> BadModel:
    return BadModel(path, f"it was replaced {TRIES} times while it was read; try again")


def _mark(path: str | os.PathLike[str]) -> tuple[int, ...] | None:
    """What tells a model from another that takes its place; None where there is none."""
    try:
        found = (Path(path) / INFO).stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns


def _load(path: str | os.PathLike[str]) -> Model:
    info = read_info(path)
    if info.family not in FAMILIES:
        raise BadModel(
            path,
            f"its family {info.family!r} is none of this version's ({', '.join(FAMILIES)}); "
            "use the version it was trained with",
        )
    if FAMILIES[info.family].startswith("neural."):
        check_installed(info.family)
    module, _, name = FAMILIES[info.family].partition(":")
    family = getattr(importlib.import_module(f".{module}", __package__), name)
    model: Model = family.load(path, info)
    return model
