"""The tokens of a dataset, made once and mapped into memory: `DATASET/tokens/<language>/`.

A cache belongs to one content of one dataset and one table; anything else, or damage, and it is
made anew, and said. Pieces are encoded in worker processes, in order, so the bytes never depend on
how many. Then limits are measured over the training pieces, and under them every piece is scored.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import secrets
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from ..corpus.dataset import Dataset
from ..corpus.dataset_layout import file_checksum
from ..corpus.watch import Watch, unwatched
from ..errors import CannotWrite, UsageError
from ..formats.files import write_whole
from ..formats.frames import DamagedFrame, Frame
from ..formats.limits import Limits
from .check_settings import LEAST_SCORE
from .chorale import Chorale, ChoraleLimits
from .events import Events
from .events_grammar import EventLimits
from .grammar import Grammar
from .grammar_score import grammar_score
from .grammars import grammars
from .language import TokenIds
from .limits import extremes_of, measured_limits
from .performance import PerformanceLimits
from .pieces import language_of, over_pieces, piece_in_worker
from .spoken import Spoken, SpokenLimits
from .vocabulary import Vocabulary

SCHEMA = 6
"""To be raised when pieces are encoded, limits measured or scores reckoned in another way."""

FOLDER = "tokens"
INFO, TOKENS, OFFSETS, SCORES = "cache.json", "tokens.bin", "offsets.npy", "scores.npy"
ARRAYS = (TOKENS, OFFSETS, SCORES)

T = TypeVar("T")


@dataclass(frozen=True)
class TokenCache:
    """The tokens of every piece of a dataset in one language.

    `rebuilt_because` says why a cache that was there would not do and was made anew.
    """

    path: Path
    info: dict[str, Any]
    language: Spoken
    rebuilt_because: str | None = None

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, piece: int) -> TokenIds:
        """The tokens of one piece, by their ids in the full table."""
        return self.tokens[self.offsets[piece] : self.offsets[piece + 1]]

    @cached_property
    def tokens(self) -> TokenIds:
        """The tokens of all pieces, one after another."""
        if not self.info["tokens"]:
            return np.empty(0, self.info["dtype"])
        return np.memmap(self.path / TOKENS, self.info["dtype"], "r")

    @cached_property
    def offsets(self) -> NDArray[np.int64]:
        """Where each piece begins among the tokens, and where the last one ends."""
        offsets: NDArray[np.int64] = np.load(self.path / OFFSETS, allow_pickle=False)
        return offsets

    @cached_property
    def scores(self) -> NDArray[np.float64]:
        """The grammar score of every piece; a piece without a note has 0."""
        scores: NDArray[np.float64] = np.load(self.path / SCORES, allow_pickle=False)
        return scores

    def stays(self, least_score: float = LEAST_SCORE) -> NDArray[np.bool_]:
        """For every piece, whether its grammar score is high enough to learn from it."""
        return np.asarray(self.scores >= least_score)

    @cached_property
    def grammar_limits(self) -> SpokenLimits:
        """What generated music is held to, measured over the training pieces."""
        return _grammar_limits(self.info, self.language)

    @cached_property
    def grammars(self) -> tuple[Grammar, Grammar]:
        """The grammar of the language without limits, and with those of its corpus."""
        return grammars(self.language, self.grammar_limits)

    def vocabulary(self, semitones: Iterable[int] = ()) -> Vocabulary:
        """The tokens the training pieces use, also transposed by `semitones`."""
        return Vocabulary.used(self.language.language, np.array(self.info["counts"]), semitones)


def open_cache(
    dataset: Dataset, name: str, limits: Limits | None = None, watch: Watch = unwatched
) -> TokenCache:
    """The token cache of `dataset` in the language `name`; made where there is none that fits.

    `limits` are those of the workers that make it. Raises `UsageError` where no piece is to be
    trained on, and `BadDataset` with the path of a piece that cannot be encoded.
    """
    language = language_of(dataset, name)
    place = dataset.path / FOLDER / name
    wanted = {
        "schema": SCHEMA,
        "identity": language.language.identity,
        "dataset": dataset.content_hash,
    }
    info, reason = _check(place, wanted, len(dataset), language)
    if info is not None:
        return TokenCache(place, info, language)
    if not len(dataset.split("train")):
        raise UsageError(
            f"{dataset.path} has {len(dataset):,} pieces but none to train on, over which limits "
            "and vocabulary are measured; prepare it with other --shares or --splits"
        )
    try:
        with _alone(place):
            info, _ = _check(place, wanted, len(dataset), language)
            if info is not None:  # another process has made it meanwhile
                return TokenCache(place, info, language)
            info = _build(dataset, language, place, wanted, limits, watch)
    except OSError as error:
        raise CannotWrite(place, error.strerror or str(error)) from error
    return TokenCache(place, info, language, reason)


def _check(
    place: Path, wanted: dict[str, Any], pieces: int, language: Spoken
) -> tuple[dict[str, Any] | None, str | None]:
    """What the cache at `place` says, or why it will not do; neither where there is none."""
    if not place.exists():
        return None, None
    try:
        info = json.loads((place / INFO).read_text(encoding="utf-8"))
        if not isinstance(info, dict):
            return None, f"{INFO} is no object"
        for key, value in wanted.items():
            if info.get(key) != value:
                return None, f"it was made for another {key}"
        for name in ARRAYS:
            if file_checksum(place / name) != info["checksums"][name]:
                return None, f"{name} is damaged"
        _grammar_limits(info, language)
        if info["pieces"] != pieces:
            return None, f"it holds {info['pieces']} pieces, the dataset {pieces}"
    except (OSError, ValueError, KeyError, TypeError) as error:
        return None, f"it cannot be read ({type(error).__name__}: {error})"
    return info, None


def _grammar_limits(info: dict[str, Any], language: Spoken) -> SpokenLimits:
    limits = info["grammar_limits"]
    if isinstance(language, Events):
        return EventLimits(**limits)
    return ChoraleLimits(**limits) if isinstance(language, Chorale) else PerformanceLimits(**limits)


@contextlib.contextmanager
def _alone(place: Path) -> Iterator[None]:
    """Let one process at a time make the cache at `place`; others wait until it has ended.

    The system takes the lock from a process that is killed. What it had made so far then belongs to
    nobody, and goes.
    """
    place.parent.mkdir(exist_ok=True)
    with (place.parent / f".{place.name}.lock").open("a+b") as file:
        if sys.platform == "win32":
            import msvcrt

            while True:
                with contextlib.suppress(OSError):  # it gives up after ten seconds
                    msvcrt.locking(file.fileno(), msvcrt.LK_LOCK, 1)
                    break
        else:
            import fcntl

            fcntl.flock(file.fileno(), fcntl.LOCK_EX)
        for leftover in place.parent.glob(f".{place.name}.*.part"):
            shutil.rmtree(leftover, ignore_errors=True)
        yield


def _build(
    dataset: Dataset, language: Spoken, place: Path,
    wanted: dict[str, Any], limits: Limits | None, watch: Watch,
) -> dict[str, Any]:  # fmt: skip
    dtype = np.min_scalar_type(len(language.language) - 1).newbyteorder("<")
    training = np.zeros(len(dataset), bool)
    training[dataset.split("train")] = True
    counts = np.zeros(len(language.language), np.int64)
    extremes: list[Any] = []
    offsets = np.zeros(len(dataset) + 1, np.int64)
    temporary = place.with_name(f".{place.name}.{secrets.token_hex(4)}.part")
    temporary.mkdir()
    try:
        encoded = over_pieces(dataset, language, _ENCODE, _tokens, limits=limits)
        with (temporary / TOKENS).open("wb") as file:
            for piece, tokens in enumerate(watch(encoded, len(dataset), "encoding")):
                file.write(tokens.astype(dtype).tobytes())
                offsets[piece + 1] = offsets[piece] + len(tokens)
                if training[piece]:
                    counts += np.bincount(tokens, minlength=len(counts))
                    extremes.append(extremes_of(tokens, language))
        np.save(temporary / OFFSETS, offsets, allow_pickle=False)
        info = wanted | {
            "pieces": len(dataset),
            "tokens": int(offsets[-1]),
            "dtype": dtype.str,
            "counts": counts.tolist(),
            "grammar_limits": dataclasses.asdict(measured_limits(extremes, language)),
        }
        made = TokenCache(temporary, info, language)
        scored = over_cached(dataset, made, _SCORE, _score, limits)
        scores = np.array(list(watch(scored, len(dataset), "scoring")), np.float64)
        np.save(temporary / SCORES, scores, allow_pickle=False)
        info["checksums"] = {name: file_checksum(temporary / name) for name in ARRAYS}
        write_whole(temporary / INFO, json.dumps(info))
        if place.exists():
            shutil.rmtree(place)
        temporary.rename(place)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return info


def encode_in_worker(_name: str, data: bytes | None, settings: dict[str, Any]) -> Frame:
    """What a worker does first: the tokens of a piece."""
    piece = piece_in_worker(data, settings)
    if isinstance(piece.language, Events):
        tokens = piece.language.encode(piece.score(), piece.slots(), piece.tags)
    elif isinstance(piece.language, Chorale):
        tokens = piece.language.encoded_or_empty(piece.score(), piece.slots())
    else:
        tokens = piece.language.encode(piece.score(), piece.slots())
    return Frame({}, {"tokens": tokens})


def score_in_worker(_name: str, data: bytes | None, settings: dict[str, Any]) -> Frame:
    """What a worker does once limits are known: the grammar score of a piece."""
    piece = piece_in_worker(data, settings)
    cache = cache_in_worker(piece.language, settings)
    found = grammar_score(cache[piece.number], cache.language, *cache.grammars)
    return Frame({"score": float(found.score)})


_ENCODE = f"{__name__}:{encode_in_worker.__name__}"
_SCORE = f"{__name__}:{score_in_worker.__name__}"


def _tokens(frame: Frame) -> TokenIds:
    tokens = frame.arrays.get("tokens")
    if tokens is None or tokens.dtype != np.uint16 or tokens.ndim != 1:
        raise DamagedFrame("an answer without tokens")
    return tokens


def _score(frame: Frame) -> float:
    score = frame.head.get("score")
    if not isinstance(score, float) or not 0 <= score <= 1:
        raise DamagedFrame(f"an answer with the score {score!r}")
    return score


def over_cached(
    dataset: Dataset,
    cache: TokenCache,
    function: str,
    understand: Callable[[Frame], T],
    limits: Limits | None = None,
) -> Iterator[T]:
    """As `over_pieces`, for a function that asks for the tokens with `cache_in_worker`."""
    info = {key: cache.info[key] for key in ("tokens", "dtype", "grammar_limits")}
    settings = {"cache": os.fspath(cache.path.resolve()), "info": json.dumps(info)}
    mapped_bytes = cache.tokens.nbytes
    return over_pieces(
        dataset, cache.language, function, understand, settings, limits, mapped_bytes
    )


def cache_in_worker(language: Spoken, settings: dict[str, Any]) -> TokenCache:
    """The cache of a function under `over_cached`, read as it is."""
    return _cache(language, settings["cache"], settings["info"])


@lru_cache(maxsize=1)
def _cache(language: Spoken, path: str, info: str) -> TokenCache:
    return TokenCache(Path(path), json.loads(info), language)
