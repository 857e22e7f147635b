"""All token languages there are, their limits, and what they have in common."""

from __future__ import annotations

import numpy as np

from .chorale import SILENT, VOICES, Chorale, ChoraleLimits
from .events import Events
from .events_grammar import EventLimits
from .language import TokenIds
from .performance import Performance, PerformanceLimits

Spoken = Events | Performance | Chorale
SpokenLimits = EventLimits | PerformanceLimits | ChoraleLimits

LANGUAGES = ("events", "performance", "chorale")

NOTES = ("PITCH", "DRUM", "NOTE_ON", *VOICES)
"""The groups whose tokens tell a pitch, in whichever language: a note each, but in `chorale` a
cell, as a note is told again at every step it sounds."""


def note_count(language: Spoken, tokens: TokenIds) -> int:
    """How many notes begin in tokens of the full table; in `chorale` where a voice moves."""
    if isinstance(language, Chorale):
        cells = language.cells(tokens)
        begins = cells != SILENT
        begins[1:] &= cells[1:] != cells[:-1]
        return int(begins.sum())
    table = language.language
    rows = [table.row(name) for name in NOTES if name in table.first]
    return int(np.isin(table.group_of[tokens], rows).sum())
