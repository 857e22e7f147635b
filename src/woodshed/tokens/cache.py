"""The tokens of a dataset, made once and mapped into memory: `DATASET/tokens/<language>/`.

A cache belongs to one content of one dataset and one table; anything else, or damage, and it is
made anew, and said. Pieces are encoded in worker processes, in order, so the bytes never depend on
how many.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import secrets
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..corpus.dataset import Dataset
from ..errors import CannotWrite, UsageError
from ..formats.contain import Task, contained
from ..formats.files import write_whole
from ..formats.frames import DamagedFrame, Frame
from ..formats.limits import Limits
from .events import Events
from .events_grammar import EventLimits
from .language import TokenIds
from .limits import extremes_of, measured_limits
from .performance import Performance, PerformanceLimits
from .vocabulary import Vocabulary

SCHEMA = 3
FOLDER, INFO, TOKENS, OFFSETS = "tokens", "cache.json", "tokens.bin", "offsets.npy"
PIECES_EACH = 64
LANGUAGES = ("events", "performance")


def language_of(dataset: Dataset, name: str) -> Events | Performance:
    """The language called `name`, for this dataset's lineup and tags."""
    if name == "events":
        return Events(dataset.lineup, _all_tags(dataset))
    if name == "performance":
        return Performance()
    raise UsageError(f"there is no language {name!r}; use {' or '.join(LANGUAGES)}")


def tag_names(tags: dict[str, Any] | Any) -> list[str]:
    """The tags of a piece as a language names them: key=value, one for each value."""
    return sorted(
        f"{key}={value}"
        for key, values in tags.items()
        for value in (values if isinstance(values, tuple) else (values,))
    )


def _all_tags(dataset: Dataset) -> tuple[str, ...]:
    distinct = {text: number for number, text in enumerate(dataset.pieces.tags)}
    return tuple(sorted({name for n in distinct.values() for name in tag_names(dataset.tags(n))}))


@dataclass(frozen=True)
class TokenCache:
    """The tokens of every piece of a dataset in one language."""

    path: Path
    info: dict[str, Any]
    language: Events | Performance
    rebuilt_because: str | None = None

    def __len__(self) -> int:
        return len(self._offsets) - 1

    def __getitem__(self, piece: int) -> TokenIds:
        """The tokens of one piece, by their ids in the full table."""
        return self.tokens[self._offsets[piece] : self._offsets[piece + 1]]

    @cached_property
    def tokens(self) -> TokenIds:
        """The tokens of all pieces, one after another."""
        if not self.info["tokens"]:
            return np.empty(0, self.info["dtype"])
        return np.memmap(self.path / TOKENS, self.info["dtype"], "r")

    @cached_property
    def _offsets(self) -> NDArray[np.int64]:
        offsets: NDArray[np.int64] = np.load(self.path / OFFSETS, allow_pickle=False)
        return offsets

    @cached_property
    def limits(self) -> EventLimits | PerformanceLimits:
        """What generated music is held to, measured over the training pieces."""
        kind = EventLimits if isinstance(self.language, Events) else PerformanceLimits
        return kind(**self.info["limits"])

    def vocabulary(self, semitones: Iterable[int] = ()) -> Vocabulary:
        """The tokens the training pieces use, also transposed by `semitones`."""
        return Vocabulary.used(self.language.language, np.array(self.info["counts"]), semitones)


def open_cache(dataset: Dataset, name: str, limits: Limits | None = None) -> TokenCache:
    """The token cache of `dataset` in the language `name`; made where there is none that fits."""
    language = language_of(dataset, name)
    place = dataset.path / FOLDER / name
    wanted = {
        "schema": SCHEMA,
        "identity": language.language.identity,
        "dataset": dataset.content_hash,
    }
    reason = None
    if place.exists():
        info, reason = _check(place, wanted, len(dataset))
        if info is not None:
            return TokenCache(place, info, language)
    info = _build(dataset, name, language, place, wanted, limits)
    return TokenCache(place, info, language, reason)


def _check(
    place: Path, wanted: dict[str, Any], pieces: int
) -> tuple[dict[str, Any] | None, str | None]:
    """What the cache at `place` says, or why it will not do."""
    try:
        info = json.loads((place / INFO).read_text(encoding="utf-8"))
        if not isinstance(info, dict):
            return None, f"{INFO} is no object"
        for key, value in wanted.items():
            if info.get(key) != value:
                return None, f"it was made for another {key}"
        for name in (TOKENS, OFFSETS):
            if _checksum(place / name) != info["checksums"][name]:
                return None, f"{name} is damaged"
        if info["pieces"] != pieces:
            return None, f"it holds {info['pieces']} pieces, the dataset {pieces}"
    except (OSError, ValueError, KeyError, TypeError) as error:
        return None, f"it cannot be read ({type(error).__name__}: {error})"
    return info, None


def _checksum(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _build(
    dataset: Dataset, name: str, language: Events | Performance, place: Path,
    wanted: dict[str, Any], limits: Limits | None,
) -> dict[str, Any]:  # fmt: skip
    training = np.zeros(len(dataset), bool)
    training[dataset.split("train")] = True
    dtype = np.min_scalar_type(len(language.language) - 1).newbyteorder("<")
    counts = np.zeros(len(language.language), np.int64)
    extremes: list[Any] = []
    sizes: list[NDArray[np.int64]] = []
    starts = range(0, len(dataset), PIECES_EACH)
    task = Task(
        f"{__name__}:{encode_in_worker.__name__}", _understand,
        {"dataset": os.fspath(dataset.path.resolve()), "language": name},
    )  # fmt: skip
    temporary = place.with_name(f".{place.name}.{secrets.token_hex(4)}.part")
    temporary.mkdir(parents=True)
    try:
        with (temporary / TOKENS).open("wb") as file:
            for first, outcome in zip(
                starts, contained(task, [str(s) for s in starts], limits), strict=True
            ):
                tokens, own_sizes = outcome.unwrap()
                file.write(tokens.astype(dtype).tobytes())
                sizes.append(own_sizes)
                ends = np.cumsum(own_sizes)
                for number, end in enumerate(ends.tolist()):
                    if training[first + number]:
                        own = tokens[end - own_sizes[number] : end]
                        counts += np.bincount(own, minlength=len(counts))
                        extremes.append(extremes_of(own, language))
        offsets = np.concatenate([np.zeros(1, np.int64), np.cumsum(np.concatenate(sizes))])
        np.save(temporary / OFFSETS, offsets, allow_pickle=False)
        info = wanted | {
            "pieces": len(dataset),
            "tokens": int(offsets[-1]),
            "dtype": dtype.str,
            "counts": counts.tolist(),
            "limits": dataclasses.asdict(measured_limits(extremes, language)),
            "checksums": {n: _checksum(temporary / n) for n in (TOKENS, OFFSETS)},
        }
        write_whole(temporary / INFO, json.dumps(info))
        if place.exists():
            shutil.rmtree(place)
        temporary.rename(place)
    except OSError as error:
        raise CannotWrite(place, error.strerror or str(error)) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return info


@lru_cache(maxsize=2)
def _opened(path: str, name: str) -> tuple[Dataset, Events | Performance]:
    dataset = Dataset.open(path)
    return dataset, language_of(dataset, name)


def encode_in_worker(name: str, _data: bytes | None, settings: dict[str, Any]) -> Frame:
    """What the worker does: encode the pieces from number `name` on."""
    dataset, language = _opened(settings["dataset"], settings["language"])
    first = int(name)
    encoded = []
    for piece in range(first, min(first + PIECES_EACH, len(dataset))):
        score, slots = dataset.score(piece), dataset.slots(piece).tolist()
        if isinstance(language, Events):
            encoded.append(language.encode(score, slots, tag_names(dataset.tags(piece))))
        else:
            encoded.append(language.encode(score, slots))
    sizes = np.array([len(tokens) for tokens in encoded], np.int64)
    return Frame({}, {"tokens": np.concatenate(encoded), "sizes": sizes})


def _understand(frame: Frame) -> tuple[TokenIds, NDArray[np.int64]]:
    try:
        tokens, sizes = frame.arrays["tokens"], frame.arrays["sizes"]
    except KeyError as error:
        raise DamagedFrame(f"an answer without {error}") from error
    if tokens.dtype != np.uint16 or sizes.dtype != np.int64 or sizes.sum() != len(tokens):
        raise DamagedFrame("sizes that do not add up")
    return tokens, sizes
