"""The whole way in one call: prepare a folder, train on it, play pieces, and show all on a page.

Killed at any moment and called again, it goes on: dataset and model know what is done, pieces are
made anew, the same to the byte. Knows nothing of flags, nor of how a page looks.
"""

from __future__ import annotations

import dataclasses
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..corpus.prepare import PrepareReport, prepare
from ..corpus.watch import Watch, unwatched
from ..errors import UsageError, WoodshedError
from ..formats.files import write_whole
from ..formats.limits import Limits
from ..listening.sound_settings import SoundSettings
from ..models.neural.needed import check_installed
from ..training.settings import EPOCHS
from .learn_page import PagePiece, Section, Story, learn_page
from .learn_place import DATASET, MODELS, Place, State
from .learn_play import Wish, piece_files, planned_wishes, play, sounds_of
from .learn_settings import LearnSettings
from .learn_train import LearntModel, Training
from .learn_warm import Warming

if TYPE_CHECKING:
    from ..models.info import ModelInfo
    from ..training.progress import Report
    from .generate import GeneratedPiece


@dataclass(frozen=True, slots=True)
class LearntPiece:
    """A piece that was made: who plays it, its files, its seed and tags, and how it sounds."""

    family: str
    path: str
    sound: str
    seed: int
    tags: Mapping[str, str]
    bars: int | None
    notes: int
    seconds: float
    loudness_lufs: float


@dataclass(frozen=True, slots=True)
class Learnt:
    """What a folder became; `seconds` is by phase.

    Compiling is once for each installation; elsewhere its seconds are those of loading.
    """

    page: str
    dataset: str
    report: PrepareReport
    models: tuple[LearntModel, ...]
    pieces: tuple[LearntPiece, ...]
    seconds: Mapping[str, float]

    @property
    def model(self) -> str:
        """The folder of the first model."""
        return self.models[0].path

    @property
    def info(self) -> ModelInfo:
        """What the first model says of itself."""
        return self.models[0].info

    @property
    def trained(self) -> bool:
        """Whether this run trained any model."""
        return any(model.trained for model in self.models)


class Clock:
    """Seconds by phase, in the order of the phases."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Time a block; several of one name add up."""
        started = time.monotonic()
        try:
            yield
        finally:
            spent = time.monotonic() - started
            self.seconds[name] = round(self.seconds.get(name, 0.0) + spent, 3)


def learn(
    folder: str | os.PathLike[str],
    out: str | os.PathLike[str],
    settings: LearnSettings | None = None,
    *,
    lineup: str = "band",
    language: str = "events",
    wishes: Sequence[Wish] | None = None,
    story: Story | None = None,
    sound: SoundSettings | None = None,
    limits: Limits | None = None,
    force: bool = False,
    report: Report | None = None,
    watch: Watch = unwatched,
) -> Learnt:
    """Learn the music in `folder`, and write everything about it into the folder `out`.

    There are then `dataset`, a folder for each family's model, `music`, `sound` and `index.html`.
    An `out` of an earlier call with the same settings is brought up to date; `force` begins anew
    and allows other settings. `wishes` say what each piece should be; without them the tags of the
    corpus decide. `report` is told how the training of a neural family goes.
    Raises `UsageError` where `out` holds anything else or lies in `folder`, and whatever preparing,
    training, generating and rendering raise.
    """
    settings = settings or LearnSettings()
    place = Place(out)
    asked = {
        "folder": os.path.abspath(folder), "lineup": lineup, "language": language,
        **settings.to_dict(),
    }  # fmt: skip
    _check_apart(folder, place)
    for family in settings.chosen:
        if family != "ngram":
            check_installed(family)
    place.check(asked, force=force)
    networks = any(family != "ngram" for family in settings.chosen)
    with Warming(language, networks=networks) as warming:
        return finish(
            folder, place, asked, settings, warming, Clock(),
            training={"max_minutes": settings.max_minutes, "epochs": EPOCHS}, wishes=wishes,
            story=story, sound=sound, limits=limits, force=force, report=report, watch=watch,
        )  # fmt: skip


def finish(
    folder: str | os.PathLike[str],
    place: Place,
    asked: Mapping[str, Any],
    settings: LearnSettings,
    warming: Warming,
    clock: Clock,
    *,
    training: Mapping[str, Any],
    wishes: Sequence[Wish] | None,
    story: Story | None,
    sound: SoundSettings | None,
    limits: Limits | None,
    force: bool,
    report: Report | None,
    watch: Watch,
) -> Learnt:
    """The way from a folder to a page in a place that has been checked.

    `training` are settings of the neural families.
    """
    families = settings.chosen
    with clock.phase("prepare"):
        prepared, state = _prepared(folder, place, asked, limits, force, watch)
    if force:
        place.clear(*(MODELS[family] for family in MODELS if family not in families))
    with clock.phase("compile"):
        warming.wait_for("train")
    learn_it = Training(place, asked["language"], training, limits, force, report, watch)
    models = []
    for family in families:
        with clock.phase("train" if family == "ngram" else f"train_{family}"):
            model, state = learn_it.model(family, state)
        models.append(model)
        place.say(state)
    planned = planned_wishes(models[0].info, settings, wishes)
    files = {
        family: [
            piece_files(n, planned, "" if family == families[0] else family)
            for n in range(len(planned))
        ]
        for family in families
    }
    every = [each for family in families for each in files[family]]
    names = tuple(name for each in every for name in each)
    before = state.files
    place.say(dataclasses.replace(state, files=tuple(dict.fromkeys((*names, *before)))))
    with clock.phase("compile"):
        warming.wait_for("generate")
        warming.wait_for("networks")
    made: list[GeneratedPiece] = []
    with clock.phase("generate"):
        for family in families:
            music = [each[0] for each in files[family]]
            made += play(place, family, settings, planned, music, limits, watch)
    with clock.phase("compile"):
        warming.wait_for("render")
    with clock.phase("render"):
        sounds = sounds_of(place, names, sound, watch)
    place.clear(*(name for name in before if name not in names))
    place.say(dataclasses.replace(state, files=names))
    shown = [
        PagePiece(
            name=planned[n % len(planned)].name, file=file, sound=heard,
            seed=settings.seed + n % len(planned), tags=planned[n % len(planned)].tags,
            piece=made[n], engine=sounds[n].engine,
        )
        for n, (file, heard) in enumerate(every)
    ]  # fmt: skip
    sections = [
        Section(model.family, MODELS[model.family], model.info, model.seconds,
                shown[n * len(planned) : (n + 1) * len(planned)])
        for n, model in enumerate(models)
    ]  # fmt: skip
    text = learn_page(sections, folder, place.out, prepared, asked, limits, story)
    write_whole(place.page, text.encode("utf-8", "backslashreplace"), force=True)
    top = Path(place.out)
    pieces = tuple(
        LearntPiece(
            families[n // len(planned)], os.fspath(top / each.file), os.fspath(top / each.sound),
            each.seed, each.tags, each.piece.bars, each.piece.notes, sounds[n].seconds,
            sounds[n].loudness_lufs,
        )
        for n, each in enumerate(shown)
    )  # fmt: skip
    return Learnt(
        os.fspath(top / place.page.name), os.fspath(top / DATASET), prepared, tuple(models),
        pieces, dict(clock.seconds),
    )  # fmt: skip


def _check_apart(folder: str | os.PathLike[str], place: Place) -> None:
    """Refuse to write into the folder that is read: the next run would learn from this one."""
    if place.path.resolve().is_relative_to(Path(folder).resolve()):
        raise UsageError(
            f"{place.out} lies in {folder}, and the next run would learn from what this one plays; "
            "name a place outside with --out"
        )


def _prepared(
    folder: str | os.PathLike[str],
    place: Place,
    asked: Mapping[str, Any],
    limits: Limits | None,
    force: bool,
    watch: Watch,
) -> tuple[PrepareReport, State]:
    """The dataset; a folder that is none leaves nothing of a place that was not there."""
    from .. import __version__

    is_new = not place.path.exists()
    place.prepare()
    before = place.state()
    began = State(__version__, asked, before.files, {} if force else before.models)
    place.say(began)
    if force:
        place.forget_training(*MODELS)  # or one from before would go on, were this run stopped
    try:
        report = prepare(
            folder, place.dataset, asked["lineup"], limits=limits, force=force, watch=watch
        )
    except WoodshedError:
        if is_new:
            place.clear("")
        raise
    return dataclasses.replace(report, dataset=os.fspath(Path(place.out) / DATASET)), began
