"""Train a model of any family on a dataset, or on a folder of music, which is prepared first.

Knows nothing of flags, nor of how a family learns.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..corpus.dataset import Dataset
from ..corpus.dataset_layout import INFO
from ..corpus.watch import Watch, unwatched
from ..errors import UsageError
from ..formats.limits import Limits
from ..models.info import ModelInfo
from ..models.store import check_model_place
from ..tokens.cache import open_cache

FAMILIES = ("ngram",)


@dataclass(frozen=True, slots=True)
class Trained:
    """A model, and the dataset it learned from; `prepared` says that it was made on the way."""

    path: str
    dataset: str
    prepared: bool
    info: ModelInfo


def dataset_beside(out: str | os.PathLike[str]) -> Path:
    """Where the dataset of a folder lies that a model at `out` is trained on."""
    place = Path(os.path.abspath(out))
    return place.with_name(f"{place.name}.dataset")


def train(
    source: str | os.PathLike[str],
    out: str | os.PathLike[str],
    family: str = "ngram",
    language: str = "events",
    settings: Any = None,
    *,
    lineup: str = "band",
    limits: Limits | None = None,
    force: bool = False,
    watch: Watch = unwatched,
) -> Trained:
    """Train a model of `family` on the dataset or the folder `source`, into the folder `out`.

    A folder becomes the dataset `OUT.dataset` first, which stays there: the next training goes on
    with it as long as the folder has not changed. `settings` are those of the family. Raises
    `UsageError` for a family there is not, and whatever preparing and training raise.
    """
    if family not in FAMILIES:
        raise UsageError(f"there is no family {family!r}; use {' or '.join(FAMILIES)}")
    check_model_place(out, force=force)
    place, prepared = Path(source), False
    if not (place / INFO).is_file():
        from ..corpus.prepare import prepare

        beside = dataset_beside(out)
        prepare(place, beside, lineup, limits=limits, watch=watch)
        place, prepared = beside, True
    dataset = Dataset.open(place)
    cache = open_cache(dataset, language, limits, watch)
    from ..models.ngram.train import train_ngram

    info = train_ngram(dataset, cache, out, settings, force=force, watch=watch)
    return Trained(os.fspath(out), os.fspath(place), prepared, info)
