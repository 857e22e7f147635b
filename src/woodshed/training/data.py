"""What a training learns from and is judged by: pieces, the vocabulary, windows to validate on.

Knows nothing of networks.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..corpus.dataset import Dataset
from ..errors import UsageError
from ..models.neural.echoes import Echoes
from ..tokens.cache import TokenCache
from ..tokens.spoken import NOTES
from ..tokens.vocabulary import Vocabulary
from .batches import Pieces, Windows
from .filtering import Filtered, filtered
from .settings import TrainingSettings

FEWEST_HELD_OUT = 3
"""Validation pieces; with fewer, some training pieces are held out to validate on."""
HOLD_OUT_EVERY = 10


@dataclass(frozen=True, slots=True)
class Chosen:
    """The pieces to learn from and to validate on; `held_out` says that they were set apart now."""

    learn: NDArray[np.int64]
    validate: NDArray[np.int64]
    filtered: Filtered
    held_out: bool


def chosen(dataset: Dataset, cache: TokenCache, settings: TrainingSettings) -> Chosen:
    """The pieces of a training. Raises `UsageError` where there are too few to split."""
    good = filtered(dataset, cache, "train", settings.least_score)
    validate = filtered(dataset, cache, "validation", settings.least_score).pieces
    learn = good.pieces
    if len(validate) >= FEWEST_HELD_OUT or (len(validate) and len(learn) < 2 * HOLD_OUT_EVERY):
        return Chosen(learn, validate, good, False)
    if len(learn) < 2:
        raise UsageError(
            f"{dataset.path} has {len(learn)} piece to learn from and {len(validate)} to validate "
            "on, which is too little to split; add pieces, two at least"
        )
    aside = np.arange(len(learn)) % HOLD_OUT_EVERY == 0
    return Chosen(learn[~aside], learn[aside], good, True)


@dataclass(frozen=True, slots=True)
class Material:
    """Pieces to cut sequences from, windows to validate on, and how many notes those have."""

    pieces: Pieces
    windows: Windows
    notes: int
    notes_per_token: float


def material(
    dataset: Dataset,
    cache: TokenCache,
    which: Chosen,
    vocabulary: Vocabulary,
    settings: TrainingSettings,
    context: int,
    echoes: Echoes | None = None,
) -> Material:
    """What the loop takes; with `echoes` every token is told with them."""
    pieces = Pieces(cache, which.learn, vocabulary, settings.semitones, echoes)
    validate = Pieces(cache, which.validate, vocabulary, echoes=echoes)
    windows = validate.windows(context, settings.validation_tokens)
    notes = int(_pitched(vocabulary)[windows.targets[windows.counts]].sum())
    if not notes:
        raise UsageError(
            f"the validation pieces of {dataset.path} have no note in their first "
            f"{settings.validation_tokens:,} tokens; use a larger --validation-tokens"
        )
    per_token = int(dataset.pieces.notes[which.learn].sum()) / max(pieces.total, 1)
    return Material(pieces, windows, notes, per_token)


def _pitched(vocabulary: Vocabulary) -> NDArray[np.bool_]:
    language = vocabulary.language
    names = np.array([group.name for group in language.groups])
    begins = np.isin(names, NOTES)
    return np.asarray(begins[language.group_of[vocabulary.ids]])
