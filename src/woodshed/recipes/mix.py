"""Find and load the two models of a mixture: a network, and the n-gram model beside it.

Knows nothing of what is played with them.
"""

from __future__ import annotations

import os
from pathlib import Path

from ..errors import UsageError
from ..models.family import Model
from ..models.load import load_copies
from ..models.mixed import Mixed, check_mix
from ..models.store import INFO, read_info
from .learn_place import MODELS, STATE

Folder = str | os.PathLike[str]


def ngram_beside(model: Folder) -> Path | None:
    """The n-gram model in the folder of `woodshed learn` that a model lies in; None elsewhere."""
    place = Path(os.path.abspath(model))
    found = place.with_name(MODELS["ngram"])
    is_learnt = (place.parent / STATE).is_file() and (found / INFO).is_file()
    return found if is_learnt and found != place else None


def mixed_copies(model: Folder, mix_with: Folder | None, mix: float, jobs: int) -> list[Model]:
    """The mixture of two models, so many times; without `mix_with`, of the n-gram model beside.

    Raises `UsageError` where there is none, or the two cannot be mixed.
    """
    check_mix(mix)
    if read_info(model).family != "ngram" and mix_with is None:
        mix_with = ngram_beside(model)
        if mix_with is None:
            raise UsageError(
                f"--mix {mix:g} needs an n-gram model, and there is none beside "
                f"{os.fspath(model)}; name one of the same dataset with --mix-with, or train it "
                "with --family ngram"
            )
    networks = load_copies(model, jobs)
    ngrams = networks if mix_with is None else load_copies(mix_with, jobs)
    return [Mixed(network, ngram, mix) for network, ngram in zip(networks, ngrams, strict=True)]
