"""Prompts told with the tokens a model knows, as near to what they say as these allow.

Done to the music, not token by token, so that what comes out is a sentence again: time stays, bars
are told in metres the model knows, notes that become the same are one. `nearest` has the rules.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .chorale import Chorale
from .known import Known
from .language import TokenIds
from .localise_chorale import told_chorale
from .localise_events import told_events
from .localise_performance import told_performance
from .performance import Performance
from .spoken import Spoken


@dataclass(frozen=True, slots=True)
class Change:
    """Tokens of a prompt that became others (None: were left out), and how often."""

    brought: str
    became: str | None
    count: int


@dataclass(frozen=True, slots=True)
class Localised:
    """A prompt in tokens a model knows, and all that was changed for that.

    `merged` counts notes that came to be the same as another: player, moment and pitch.
    """

    tokens: TokenIds
    changes: tuple[Change, ...] = ()
    merged: int = 0


def localised(
    tokens: NDArray[np.integer], language: Spoken, available: NDArray[np.bool_]
) -> Localised:
    """A legal prompt, whole or broken off, told with the tokens `available`.

    What is all known stays exactly as it is; else a note the prompt broke off in is left out, too.
    Raises `UsageError` where the model knows nobody who could play any of it.
    """
    ids = np.asarray(tokens, np.int64)
    if available[ids].all():
        return Localised(ids.astype(np.uint16))
    known = Known(language.language, available)
    if isinstance(language, Performance):
        told, merged = told_performance(ids, known)
    elif isinstance(language, Chorale):
        told, merged = told_chorale(ids, known), 0
    else:
        told, merged = told_events(ids, known, language)
    changes = tuple(Change(*names, count) for names, count in known.changes.items())
    return Localised(np.array(told, np.uint16), changes, merged)
