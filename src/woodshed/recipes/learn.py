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
from .learn_page import PagePiece, Story, learn_page
from .learn_place import DATASET, MODEL, Place, State
from .learn_play import Wish, piece_files, planned_wishes, play, sounds_of
from .learn_settings import LearnSettings
from .learn_warm import Warming

if TYPE_CHECKING:
    from ..models.info import ModelInfo


@dataclass(frozen=True, slots=True)
class LearntPiece:
    """A piece that was made: its files, its seed and tags, and how it sounds."""

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
    """What a folder became. `trained` says that this run trained; `seconds` is by phase.

    Compiling is once for each installation; elsewhere its seconds are those of loading.
    """

    page: str
    dataset: str
    model: str
    report: PrepareReport
    info: ModelInfo
    trained: bool
    pieces: tuple[LearntPiece, ...]
    seconds: Mapping[str, float]


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
    watch: Watch = unwatched,
) -> Learnt:
    """Learn the music in `folder`, and write everything about it into the folder `out`.

    There are then `dataset`, `model`, `music`, `sound` and `index.html`. An `out` of an earlier
    call with the same settings is brought up to date; `force` begins anew and allows other
    settings. `wishes` say what each piece should be; without them the tags of the corpus decide.
    Raises `UsageError` where `out` holds anything else or lies in `folder`, and whatever preparing,
    training, generating and rendering raise.
    """
    settings = settings or LearnSettings()
    place = Place(out)
    asked = {
        "folder": os.path.abspath(folder), "lineup": lineup, "language": language,
        **dataclasses.asdict(settings),
    }  # fmt: skip
    _check_apart(folder, place)
    place.check(asked, force=force)
    with Warming(language) as warming:
        return finish(
            folder, place, asked, settings, warming, Clock(), wishes=wishes, story=story,
            sound=sound, limits=limits, force=force, watch=watch,
        )  # fmt: skip


def finish(
    folder: str | os.PathLike[str],
    place: Place,
    asked: Mapping[str, Any],
    settings: LearnSettings,
    warming: Warming,
    clock: Clock,
    *,
    wishes: Sequence[Wish] | None,
    story: Story | None,
    sound: SoundSettings | None,
    limits: Limits | None,
    force: bool,
    watch: Watch,
) -> Learnt:
    """The way from a folder to a page in a place that has been checked."""
    from .. import __version__

    before = place.state()
    with clock.phase("prepare"):
        report, began = _prepared(folder, place, asked, before, limits, force, watch)
    with clock.phase("compile"):
        warming.wait_for("train")
    with clock.phase("train"):
        info, trained = _trained(place, began, asked["language"], limits, force, watch)
    known = {"woodshed": __version__, "hash": info.hash, "data": info.data_hash}
    spent = clock.seconds["train"] if trained else before.model.get("seconds")
    began = dataclasses.replace(began, model={**known, "seconds": spent})
    planned = planned_wishes(info, settings, wishes)
    files = [name for n in range(len(planned)) for name in piece_files(n, planned)]
    kept = tuple(dict.fromkeys((*files, *before.files)))
    place.say(dataclasses.replace(began, files=kept))
    with clock.phase("compile"):
        warming.wait_for("generate")
    with clock.phase("generate"):
        made = list(play(place, settings, planned, files[::2], limits, watch))
    with clock.phase("compile"):
        warming.wait_for("render")
    with clock.phase("render"):
        sounds = sounds_of(place, files, sound, watch)
    place.clear(*(name for name in before.files if name not in files))
    place.say(dataclasses.replace(began, files=tuple(files)))
    shown = [
        PagePiece(
            name=wish.name, file=files[2 * n], sound=files[2 * n + 1], seed=settings.seed + n,
            tags=wish.tags, piece=piece, engine=sounds[n].engine,
        )
        for n, (wish, piece) in enumerate(zip(planned, made, strict=True))
    ]  # fmt: skip
    seconds = dict(clock.seconds)
    text = learn_page(shown, folder, place.out, report, info, spent, story)
    write_whole(place.page, text.encode("utf-8", "backslashreplace"), force=True)
    pieces = tuple(
        LearntPiece(
            os.fspath(Path(place.out) / each.file), os.fspath(Path(place.out) / each.sound),
            each.seed, each.tags, each.piece.bars, each.piece.notes, heard.seconds,
            heard.loudness_lufs,
        )
        for each, heard in zip(shown, sounds, strict=True)
    )  # fmt: skip
    top = Path(place.out)
    return Learnt(
        os.fspath(top / place.page.name), os.fspath(top / DATASET), os.fspath(top / MODEL),
        report, info, trained, pieces, seconds,
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
    before: State,
    limits: Limits | None,
    force: bool,
    watch: Watch,
) -> tuple[PrepareReport, State]:
    """The dataset; a folder that is none leaves nothing of a place that was not there."""
    from .. import __version__

    is_new = not place.path.exists()
    place.prepare()
    model: Mapping[str, Any] = {} if force else before.model
    began = State(__version__, asked, before.files, model)
    place.say(began)
    try:
        report = prepare(
            folder, place.dataset, asked["lineup"], limits=limits, force=force, watch=watch
        )
    except WoodshedError:
        if is_new:
            place.clear("")
        raise
    return dataclasses.replace(report, dataset=os.fspath(Path(place.out) / DATASET)), began


def _trained(
    place: Place, state: State, language: str, limits: Limits | None, force: bool, watch: Watch
) -> tuple[ModelInfo, bool]:
    """The model of the dataset, and whether it had to be trained now."""
    from .. import __version__
    from ..corpus.dataset import Dataset
    from ..models.store import INFO, check_files, read_info
    from .train import train

    data = Dataset.open(place.dataset).content_hash
    if (place.model / INFO).is_file() and not force:
        try:
            info = read_info(place.model)
            wanted = {"woodshed": __version__, "hash": info.hash, "data": data}
            if wanted.items() <= dict(state.model).items():
                check_files(place.model, info)
                return info, False
        except WoodshedError:
            pass  # damaged, or of another version: trained again below
    done = train(place.dataset, place.model, language=language, limits=limits, force=True,
                 watch=watch)  # fmt: skip
    return done.info, True
