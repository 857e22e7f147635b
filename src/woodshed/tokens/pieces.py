"""The pieces of a dataset as a token language hears them, and work on each in worker processes.

Only the parent reads what is known of the pieces; a worker gets a piece's number and tags, and maps
the columns of notes. Knows nothing of what is done with a piece.
"""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any, TypeVar

from ..corpus.dataset import Dataset
from ..corpus.tags import Tags
from ..errors import BadDataset, UsageError
from ..formats.contain import Task, Upload, contained
from ..formats.frames import Frame
from ..formats.limits import LARGEST_MB, Limits
from ..music.lineup import Lineup
from ..music.score import Score
from ..music.sustain import hold_sustain
from .chorale import Chorale
from .events import Events
from .performance import Performance
from .spoken import LANGUAGES, Spoken

TOLD_OTHERWISE = ("key", "metre", "tempo")

T = TypeVar("T")


def language_of(dataset: Dataset, name: str) -> Spoken:
    """The language called `name`, for this dataset's lineup and tags."""
    return _language(name, dataset.lineup, _all_tags(dataset) if name == "events" else ())


def _language(name: str, lineup: Lineup, tags: tuple[str, ...]) -> Spoken:
    if name == "events":
        return Events(lineup, tags)
    if name == "performance":
        return Performance()
    if name == "chorale":
        return Chorale()
    *others, last = LANGUAGES
    raise UsageError(f"there is no language {name!r}; use {', '.join(others)} or {last}")


def tag_names(tags: Tags) -> list[str]:
    """The tags of a piece as a language names them: key=value, one for each value.

    What has tokens of its own is no tag beside them: moved to another key, the two would disagree.
    """
    return sorted(
        f"{key}={value}"
        for key, values in tags.items()
        if key not in TOLD_OTHERWISE
        for value in (values if isinstance(values, tuple) else (values,))
    )


def _all_tags(dataset: Dataset) -> tuple[str, ...]:
    distinct = {text: number for number, text in enumerate(dataset.pieces.tags)}
    return tuple(sorted({name for n in distinct.values() for name in tag_names(dataset.tags(n))}))


def heard(score: Score, language: Spoken) -> Score:
    """A piece as it is encoded: for `performance` with the pedal in the lengths of its notes."""
    return hold_sustain(score) if isinstance(language, Performance) else score


def over_pieces(
    dataset: Dataset,
    language: Spoken,
    function: str,
    understand: Callable[[Frame], T],
    settings: dict[str, Any] | None = None,
    limits: Limits | None = None,
    mapped_bytes: int = 0,
) -> Iterator[T]:
    """What `function` ("module:name") makes of every piece, in their order, from worker processes.

    The function finds its piece with `piece_in_worker`, and may map `mapped_bytes` of other files
    into memory beside the dataset. Raises `BadDataset` with the path of the
    first piece that fails.
    """
    limits = limits or Limits()
    # Workers map the columns, and what is mapped counts as memory: it comes on top of the limit.
    mapped_mb = (sum(size for size, _ in dataset.info.files.values()) + mapped_bytes) >> 20
    room = dataclasses.replace(limits, memory_mb=min(limits.memory_mb + mapped_mb, LARGEST_MB))
    task = Task(
        function,
        understand,
        {
            "dataset": os.fspath(dataset.path.resolve()),
            "language": language.language.name,
            "tags": language.tags if isinstance(language, Events) else (),
            **(settings or {}),
        },
    )
    pieces = [
        Upload(path, json.dumps([number, tag_names(dataset.tags(number))]).encode())
        for number, path in enumerate(dataset.pieces.path)
    ]
    for outcome in contained(task, pieces, room):
        if outcome.bad is not None:
            reason = outcome.bad.reason
            if reason == room.memory_reason:
                reason = limits.memory_reason
            raise BadDataset(dataset.path, f"the piece {outcome.path} fails: {reason}")
        yield outcome.unwrap()


@dataclasses.dataclass(frozen=True, slots=True)
class Piece:
    """One piece in a worker: its number in the dataset, its tags, and the language in question."""

    dataset: Dataset
    language: Spoken
    number: int
    tags: tuple[str, ...]

    def score(self) -> Score:
        """The piece as its language hears it."""
        return heard(self.dataset.score(self.number), self.language)

    def slots(self) -> list[int]:
        """The slot of every part."""
        slots: list[int] = self.dataset.slots(self.number).tolist()
        return slots


def piece_in_worker(data: bytes | None, settings: dict[str, Any]) -> Piece:
    """The piece that a function under `over_pieces` was called for."""
    number, tags = json.loads(data or b"")
    dataset, language = _opened(settings["dataset"], settings["language"], tuple(settings["tags"]))
    return Piece(dataset, language, number, tuple(tags))


@lru_cache(maxsize=2)
def _opened(path: str, name: str, tags: tuple[str, ...]) -> tuple[Dataset, Spoken]:
    dataset = Dataset.open(path)
    return dataset, _language(name, dataset.lineup, tags)
