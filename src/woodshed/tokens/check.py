"""A dataset through a language and back: the tokens a model will learn from, and what they lose.

The tokens are those of the cache. Every piece is compared in a worker process.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..corpus.crossing import believe
from ..corpus.dataset import Dataset
from ..corpus.watch import Watch, unwatched
from ..formats.frames import Frame
from ..formats.limits import Limits
from .cache import TokenCache, cache_in_worker, open_cache, over_cached
from .check_settings import CheckSettings
from .pieces import piece_in_worker
from .roundtrip import RoundTrip, round_trip

SEMITONES = (-5, -3, -1, 1, 3, 5)
"""The transpositions that training uses unless it is told others."""


@dataclass(frozen=True, slots=True)
class PieceCheck:
    """What became of one piece. `stays` says whether its grammar score is high enough."""

    path: str
    split: str
    quality: float
    grammar_score: float
    stays: bool
    trip: RoundTrip


@dataclass(frozen=True, slots=True)
class TokensUsed:
    """Of one group of tokens, how many the training pieces use, and how many also transposed."""

    group: str
    tokens: int
    used: int
    used_transposed: int


@dataclass(frozen=True, slots=True)
class CheckReport:
    """What a language does to a dataset, and what the pieces to train on use of it.

    `cache` is the folder of the tokens. `rebuilt_because` says why those that were there would not
    do and were made anew.
    """

    dataset: str
    language: str
    cache: str
    rebuilt_because: str | None
    grammar_limits: Mapping[str, int]
    least_score: float
    semitones: tuple[int, ...]
    vocabulary: tuple[TokensUsed, ...]
    pieces: tuple[PieceCheck, ...]

    @property
    def broken(self) -> tuple[PieceCheck, ...]:
        """Pieces that do not come back exactly, which must not happen."""
        return tuple(piece for piece in self.pieces if not piece.trip.is_exact)

    @property
    def empty(self) -> tuple[PieceCheck, ...]:
        """Pieces that have no note in this language."""
        return tuple(piece for piece in self.pieces if not piece.trip.notes_told)

    @property
    def left_out(self) -> tuple[PieceCheck, ...]:
        """Pieces that are left out of training, as their grammar score is too low."""
        return tuple(piece for piece in self.pieces if not piece.stays)

    @property
    def totals(self) -> dict[str, float]:
        """The figures of all pieces together: sums, largest values, and middles over pieces."""
        return {
            field.name: _TOTAL.get(field.name, sum)(
                [getattr(piece.trip, field.name) for piece in self.pieces]
            )
            for field in dataclasses.fields(RoundTrip)
        }


def _middle(values: Sequence[float]) -> float:
    return round(float(np.median(values)), 3)


def _sum(values: Sequence[float]) -> float:
    return round(sum(values), 3)


_TOTAL: dict[str, Any] = {
    "onset_shift_ms": _middle,
    "most_onset_shift_ms": max,
    "length_shift_ms": _middle,
    "most_length_shift_ms": max,
    "velocity_shift": _middle,
    "seconds_before": _sum,
    "seconds_after": _sum,
}


def check(
    dataset: str | os.PathLike[str],
    language: str = "events",
    *,
    settings: CheckSettings | None = None,
    semitones: Sequence[int] = SEMITONES,
    limits: Limits | None = None,
    watch: Watch = unwatched,
) -> CheckReport:
    """Take every piece of a dataset there and back in a token language.

    Every byte of the dataset is compared with its checksum first. `semitones` are the
    transpositions that the report on the vocabulary counts in. Raises `BadDataset` where the
    dataset is damaged, and `UsageError` where there is no such language, or no piece to train on.
    """
    opened = Dataset.open(Path(dataset), verify=True)
    cache = open_cache(opened, language, limits, watch)
    least_score = (settings or CheckSettings()).least_score
    known = zip(
        opened.pieces.path, opened.pieces.split, opened.pieces.quality.tolist(),
        cache.scores.tolist(), cache.stays(least_score).tolist(),
        watch(trips(opened, cache, limits), len(opened), "checking"), strict=True,
    )  # fmt: skip
    plain, transposed = cache.vocabulary().report(), cache.vocabulary(semitones).report()
    return CheckReport(
        dataset=os.fspath(dataset),
        language=language,
        cache=os.fspath(cache.path),
        rebuilt_because=cache.rebuilt_because,
        grammar_limits=dataclasses.asdict(cache.grammar_limits),
        least_score=least_score,
        semitones=tuple(semitones),
        vocabulary=tuple(
            TokensUsed(group, whole, used, transposed[group][0])
            for group, (used, whole) in plain.items()
        ),
        pieces=tuple(
            PieceCheck(path, split, round(quality, 3), round(score, 3), stays, trip)
            for path, split, quality, score, stays, trip in known
        ),
    )


def trips(dataset: Dataset, cache: TokenCache, limits: Limits | None = None) -> Iterator[RoundTrip]:
    """Every piece compared with its tokens in the cache."""
    return over_cached(dataset, cache, _CHECK, _understand, limits)


def check_in_worker(_name: str, data: bytes | None, settings: dict[str, Any]) -> Frame:
    """What a worker does: compare the cached tokens of a piece with the piece."""
    piece = piece_in_worker(data, settings)
    cache = cache_in_worker(piece.language, settings)
    trip = round_trip(
        piece.dataset.score(piece.number), piece.slots(), piece.tags, cache[piece.number],
        piece.language,
    )  # fmt: skip
    return Frame(dataclasses.asdict(trip))


_CHECK = f"{__name__}:{check_in_worker.__name__}"


def _understand(frame: Frame) -> RoundTrip:
    return believe(RoundTrip, frame.head)
