"""The text that models are compared on: pieces of a split, read by all of them the same way.

A model reads a token that it does not know as the nearest it knows, which makes a simpler text, and
bits of different texts say nothing about each other. So what is not known to all is read by all as
the nearest that is. Knows nothing of how well anything is foretold.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..corpus.dataset import Dataset
from ..corpus.splits import Split
from ..errors import UsageError
from ..models.info import ModelInfo
from ..tokens.cache import TokenCache
from ..tokens.language import TokenIds
from ..tokens.spoken import note_count
from ..tokens.vocabulary import Vocabulary

MOST_SIMPLIFIED = 0.01
"""With a larger share of the tokens read as others, the text is not the split any more."""


@dataclass(frozen=True, slots=True, eq=False)
class Text:
    """Pieces by their numbers, and of each its tokens in the full table, notes, and seconds.

    `groups` tells for each piece with which others it shares its music: they have one number.
    `unknown` is how many tokens of the pieces each model does not know, `simplified` how many are
    not as they were written, as one of the models does not know them.
    """

    numbers: NDArray[np.int64]
    tokens: tuple[TokenIds, ...]
    notes: NDArray[np.int64]
    seconds: NDArray[np.float64]
    groups: NDArray[np.int32]
    unknown: tuple[int, ...]
    simplified: int

    def __len__(self) -> int:
        return len(self.tokens)

    @property
    def count(self) -> int:
        """How many tokens are foretold: all but START."""
        return sum(len(piece) - 1 for piece in self.tokens)

    @property
    def group_count(self) -> int:
        """How many groups of pieces that share their music."""
        return len(np.unique(self.groups))

    @property
    def hash(self) -> str:
        """What tells this text from others, as their figures cannot be compared."""
        told = hashlib.sha256()
        for piece in self.tokens:
            told.update(len(piece).to_bytes(8, "little") + piece.astype("<u2").tobytes())
        return told.hexdigest()


def text_for(
    dataset: Dataset,
    cache: TokenCache,
    split: Split,
    infos: Sequence[ModelInfo],
    most: int | None = None,
) -> Text:
    """The text of a split for these models, of `most` pieces at most, from all over the split.

    Raises `UsageError` where there is no note, or too much that not every model knows.
    """
    numbers = dataset.split(split)
    if not len(numbers):
        raise UsageError(
            f"the {split} split of {dataset.path} is empty; use --split with one that has pieces, "
            "or prepare the folder with other --shares"
        )
    if most is not None and most < len(numbers):
        numbers = numbers[np.arange(most) * len(numbers) // most]
    language = cache.language.language
    knows = np.stack([info.vocabulary.available for info in infos])
    known = Vocabulary(language, np.flatnonzero(knows.all(axis=0)).astype(np.uint16))
    reading = known.ids[known.nearest]
    unknown = np.zeros(len(infos), np.int64)
    tokens: list[TokenIds] = []
    simplified = 0
    for number in numbers.tolist():
        written = np.asarray(cache[number])
        unknown += np.count_nonzero(~knows[:, written], axis=1)
        tokens.append(reading[written])
        simplified += int(np.count_nonzero(tokens[-1] != written))
    notes = np.array([note_count(cache.language, piece) for piece in tokens], np.int64)
    if not notes.sum():
        raise UsageError(
            f"the {split} split of {dataset.path} has no note in {language.name}; compare on "
            "another dataset"
        )
    count = sum(map(len, tokens))
    if simplified > MOST_SIMPLIFIED * count:
        raise UsageError(
            f"{simplified:,} of {count:,} tokens of the {split} pieces are not known to every "
            f"model ({', '.join(f'{n:,}' for n in unknown.tolist())} to each), and what they would "
            "be scored on is another, simpler text; train the models on this dataset"
        )
    return Text(
        numbers, tuple(tokens), notes, dataset.pieces.duration_seconds[numbers],
        dataset.pieces.duplicate_group[numbers], tuple(unknown.tolist()), simplified,
    )  # fmt: skip
