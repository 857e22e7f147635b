"""Small melodies as tokens, and what a model of them would say of itself."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from woodshed.models.info import ModelInfo
from woodshed.music.lineup import load_lineup
from woodshed.tokens.events import Events
from woodshed.tokens.events_grammar import EventLimits
from woodshed.tokens.performance import Performance, PerformanceLimits
from woodshed.tokens.spoken import Spoken, SpokenLimits
from woodshed.tokens.vocabulary import Vocabulary

EVENTS = Events(load_lineup("band"), ())
PERFORMANCE = Performance()

Tokens = NDArray[np.int64]


def ids(language: Events | Performance, text: str) -> Tokens:
    """The ids of a sentence in the full table."""
    return np.array([language.language.id_of[name] for name in text.split()])


def melody(bars: int, seed: int) -> Tokens:
    """Some bars of `events`, one bass note at the beginning of each and one in the middle."""
    rng = np.random.default_rng(seed)
    names = ["START TEMPO_120 SLOT_bass"]
    for low, high in rng.integers(40, 48, (bars, 2)).tolist():
        names.append(f"BAR_4/4 INST_bass VEL_66 PITCH_{low} DUR_24")
        names.append(f"SHIFT_48 INST_bass VEL_66 PITCH_{high} DUR_24")
    return ids(EVENTS, " ".join([*names, "END"]))


def performed(notes: int, seed: int) -> Tokens:
    """Some notes of `performance`, in chords of two."""
    rng = np.random.default_rng(seed)
    names = ["START VELOCITY_66"]
    for pitch in rng.integers(50, 60, notes // 2).tolist():
        names.append(f"NOTE_ON_{pitch} NOTE_ON_{pitch + 12} SHIFT_250")
        names.append(f"NOTE_OFF_{pitch} SHIFT_50 NOTE_OFF_{pitch + 12} SHIFT_100")
    return ids(PERFORMANCE, " ".join([*names, "END"]))


def info_of(
    language: Spoken,
    pieces: Sequence[Tokens],
    limits: SpokenLimits | None = None,
) -> ModelInfo:
    """A model that knows the tokens of `pieces`."""
    counts = np.bincount(np.concatenate(list(pieces)), minlength=len(language.language))
    fallback = EventLimits() if isinstance(language, Events) else PerformanceLimits()
    return ModelInfo(
        "transformer", language, Vocabulary.used(language.language, counts), limits or fallback,
        "", (), {}, {}, {}, {},
    )  # fmt: skip


def local(info: ModelInfo, tokens: Tokens) -> Tokens:
    """Tokens as the model counts them."""
    return np.searchsorted(info.vocabulary.ids, tokens)
