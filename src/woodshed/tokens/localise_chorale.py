"""Prompts in `chorale`, told cell by cell in those a model knows.

Time stays; a pitch becomes the nearest one its voice has, and a rest where it has none.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..errors import UsageError
from . import nearest
from .chorale import PART_NAMES, RESTS, VOICES
from .known import Known, words


def told_chorale(tokens: NDArray[np.int64], known: Known) -> list[int]:
    """The prompt in known tokens. Raises `UsageError` where a voice has nothing to tell it with."""
    first = known.language.first
    pitches = {voice: known.rows(voice) for voice in VOICES}
    rests = {voice: bool(known.rows(rest)) for voice, rest in zip(VOICES, RESTS, strict=True)}
    told: list[int] = []
    for group, value in words(tokens, known.language):
        voice = group.partition("_")[0]
        if voice not in VOICES:
            told.append(first[group] + value)
        elif group in VOICES:
            pitch = known.value(group, value, nearest.nearest_pitch, pitches[group])
            told.append(first[group] + pitch if pitch is not None else _rest(voice, known, rests))
        elif rests[voice]:
            told.append(first[group])
        elif pitches[voice]:
            told.append(_stand_in(voice, pitches[voice], told, known))
        else:
            told.append(_rest(voice, known, rests))
    return told


def _stand_in(voice: str, pitches: list[int], told: list[int], known: Known) -> int:
    """For a rest that a model never saw: what the voice sang last goes on."""
    first = known.language.first[voice]
    before = told[-4] - first if len(told) > 4 else pitches[len(pitches) // 2]
    pitch = first + before
    known.tell([f"{voice}_REST"], [known.language.names[pitch]])
    return pitch


def _rest(voice: str, known: Known, rests: dict[str, bool]) -> int:
    if not rests[voice]:
        name = PART_NAMES[VOICES.index(voice)].lower()
        raise UsageError(f"the model has never heard a {name}; train it on pieces with notes")
    return known.language.first[f"{voice}_REST"]
