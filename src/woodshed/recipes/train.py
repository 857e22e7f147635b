"""Train a model of any family on a dataset, or on a folder of music, which is prepared first.

Knows nothing of flags, nor of how a family learns.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..corpus.dataset import Dataset
from ..corpus.dataset_layout import INFO
from ..corpus.watch import Watch, unwatched
from ..errors import UsageError
from ..formats.limits import Limits
from ..models.info import ModelInfo
from ..models.neural.config import BACKBONES
from ..models.neural.needed import check_installed
from ..models.store import check_model_place
from ..tokens.cache import open_cache
from ..training.devices import place_among
from ..training.progress import Report
from ..training.publish import ModelPlace, check_place

FAMILIES = ("ngram", *BACKBONES)


def one_of(words: Sequence[str]) -> str:
    """Words in a sentence: `ngram, mamba or lstm`."""
    return f"{', '.join(words[:-1])} or {words[-1]}"


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
    resume: bool = False,
    report: Report | None = None,
    watch: Watch = unwatched,
) -> Trained:
    """Train a model of `family` on the dataset or the folder `source`, into the folder `out`.

    A folder becomes the dataset `OUT.dataset` first, which stays there: the next training goes on
    with it as long as the folder has not changed. `settings` are those of the family. `resume` goes
    on with a training of a neural family that was stopped, and `report` is told how it goes; n-gram
    trainings go on by themselves. Raises `UsageError` for a family there is not, and whatever
    preparing and training raise.
    """
    if family not in FAMILIES:
        raise UsageError(f"there is no family {family!r}; use {one_of(FAMILIES)}")
    is_neural = family != "ngram"
    if is_neural:
        check_place(ModelPlace(out), force=force, resume=resume)
        _check_neural(source, family)
    else:
        check_model_place(out, force=force)
    place, prepared = Path(source), False
    if not (place / INFO).is_file():
        from ..corpus.prepare import prepare

        beside = dataset_beside(out)
        prepare(place, beside, lineup, limits=limits, watch=watch)
        place, prepared = beside, True
    dataset = Dataset.open(place)
    cache = open_cache(dataset, language, limits, watch)
    if is_neural:
        from ..training.train import train_neural

        info = train_neural(
            dataset, cache, out, settings,
            family=family, force=force, resume=resume, report=report,
        )  # fmt: skip
    else:
        from ..models.ngram.train import train_ngram

        info = train_ngram(dataset, cache, out, settings, force=force, watch=watch)
    return Trained(os.fspath(out), os.fspath(place), prepared, info)


def _check_neural(source: str | os.PathLike[str], family: str) -> None:
    """Refuse, before the work, what cannot become a neural model here."""
    check_installed(family)
    _, processes, _ = place_among()
    if processes > 1 and not (Path(source) / INFO).is_file():
        raise UsageError(
            f"{os.fspath(source)} is no dataset, and {processes} processes cannot make one "
            "together; make it first with `woodshed prepare`"
        )
