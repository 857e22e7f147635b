"""Open a model of any family from its folder. Knows families by name, and nothing of them."""

from __future__ import annotations

import importlib
import os

from ..errors import BadModel
from .family import Model
from .neural.needed import check_installed
from .store import read_info

FAMILIES = {"ngram": "ngram.model:Ngram", "transformer": "neural.model:Neural"}
"""Where the class of each family is; each has `load(path, info)`."""


def load_model(path: str | os.PathLike[str]) -> Model:
    """The model in a folder. Raises `BadModel` where there is none, or a damaged one.

    Raises `WoodshedError` where the libraries of its family are not installed.
    """
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
