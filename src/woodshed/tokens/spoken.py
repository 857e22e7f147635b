"""All token languages there are, their limits, and what they have in common."""

from __future__ import annotations

from .chorale import VOICES, Chorale, ChoraleLimits
from .events import Events
from .events_grammar import EventLimits
from .performance import Performance, PerformanceLimits

Spoken = Events | Performance | Chorale
SpokenLimits = EventLimits | PerformanceLimits | ChoraleLimits

LANGUAGES = ("events", "performance", "chorale")

NOTES = ("PITCH", "DRUM", "NOTE_ON", *VOICES)
"""The groups whose tokens each count as a note, in whichever language; in `chorale` a note counts
again at every step it sounds."""
