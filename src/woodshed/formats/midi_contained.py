"""MIDI files from folders, prompts and uploads, read at arm's length."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import Any

from ..errors import UsageError
from ..music.score import Score
from .contain import Outcome, Task, Upload, contained
from .frames import Frame
from .limits import Limits
from .midi_read import read_midi
from .score_frames import score_from_frame, score_to_frame


def read_contained(
    source: str | os.PathLike[str] | bytes, limits: Limits | None = None, *, name: str = "<bytes>"
) -> Score:
    """Read one MIDI file that someone else made. Raises `BadFile`, whatever the file does."""
    item = Upload(name, source) if isinstance(source, bytes) else os.fspath(source)
    (outcome,) = contained(READ, [item], limits)
    return outcome.unwrap()


def read_many(
    paths: Sequence[str | os.PathLike[str]], limits: Limits | None = None
) -> Iterator[Outcome[Score]]:
    """Read many MIDI files side by side, in order; a bad one is an outcome like any other."""
    if isinstance(paths, (str, bytes, os.PathLike)):
        raise UsageError(f"read_many reads a list of files, not {paths!r}; put it in brackets")
    return contained(READ, [os.fspath(p) for p in paths], limits)


def read_in_worker(name: str, data: bytes | None, _settings: dict[str, Any]) -> Frame:
    """What the worker does."""
    return score_to_frame(read_midi(name if data is None else data))


READ = Task(f"{__name__}:{read_in_worker.__name__}", score_from_frame)
