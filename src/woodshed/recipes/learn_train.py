"""The models of a place: what is there and of this very data stays, all else is trained.

Knows nothing of what is played afterwards.
"""

from __future__ import annotations

import dataclasses
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..corpus.watch import Watch
from ..errors import WoodshedError
from ..formats.limits import Limits
from ..training.progress import Figures, Silent
from ..training.settings import TrainingSettings
from .learn_place import MODELS, Place, State

if TYPE_CHECKING:
    from ..models.info import ModelInfo
    from ..training.progress import Report


@dataclass(frozen=True, slots=True)
class LearntModel:
    """The model of a family. `trained` says that this run trained it, or the rest of it.

    `seconds` is how long it was trained, now or earlier, where that is known.
    """

    family: str
    path: str
    info: ModelInfo
    trained: bool
    seconds: float | None


@dataclass(frozen=True, slots=True)
class Training:
    """How the models of a place are trained, where they are not there already."""

    place: Place
    language: str
    settings: Mapping[str, Any]
    limits: Limits | None
    force: bool
    report: Report | None
    watch: Watch

    def model(self, family: str, state: State) -> tuple[LearntModel, State]:
        """The model of a family by the dataset, and the state that knows it."""
        from .. import __version__
        from ..corpus.dataset import Dataset

        data = Dataset.open(self.place.dataset).content_hash
        told = dict(state.models.get(family, {}))
        info = None if self.force else self._known(family, told, data)
        trained = info is None
        if info is None:
            started, report = time.monotonic(), Timed(self.report or Silent())
            info = self._trained(family, report)
            spent = round(max(time.monotonic() - started, report.seconds), 3)
            told = {
                "woodshed": __version__, "hash": info.hash, "data": info.data_hash,
                "seconds": spent,
            }  # fmt: skip
        seconds = told.get("seconds")
        path = os.fspath(Path(self.place.out) / MODELS[family])
        model = LearntModel(family, path, info, trained, seconds)
        return model, dataclasses.replace(state, models={**state.models, family: told})

    def _known(self, family: str, told: Mapping[str, Any], data: str) -> ModelInfo | None:
        """The model that is there; None where it is not whole, or not of this data and version."""
        from .. import __version__
        from ..models.store import INFO, check_files, read_info

        place = self.place.model(family)
        if not (place / INFO).is_file():
            return None
        try:
            info = read_info(place)
            wanted = {"woodshed": __version__, "hash": info.hash, "data": data}
            if not wanted.items() <= dict(told).items():
                return None
            check_files(place, info)
        except WoodshedError:
            return None  # damaged, or of another version
        return info

    def _trained(self, family: str, report: Report) -> ModelInfo:
        """A model of the family, trained now; what was there before is replaced.

        Where a network was stopped in just this training it goes on.
        """
        from .train import train

        is_neural = family != "ngram"
        settings = TrainingSettings.from_dict(self.settings) if is_neural else None
        try:
            return train(
                self.place.dataset, self.place.model(family), family, self.language, settings,
                limits=self.limits, force=True, resume=is_neural and not self.force,
                report=report, watch=self.watch,
            ).info  # fmt: skip
        finally:
            if is_neural:
                report.close()


class Timed:
    """A report that also knows how long the training has lasted, with all runs before this."""

    def __init__(self, report: Report) -> None:
        self._report, self.seconds = report, 0.0

    def figures(self, figures: Figures, /) -> None:
        """How far it is."""
        self.seconds = figures.seconds
        self._report.figures(figures)

    def note(self, sentence: str, /) -> None:
        """A sentence."""
        self._report.note(sentence)

    def close(self) -> None:
        """The training has ended."""
        self._report.close()
