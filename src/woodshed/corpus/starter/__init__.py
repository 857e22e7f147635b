"""The starter corpus: blues that Woodshed composes itself, from rules and a seed.

Refuses to know tokens and models. docs/starter.md tells how the music is made.
"""

from __future__ import annotations

from .arrange import make_plan
from .piece import compose
from .plan import Plan
from .write import StarterSummary, write_starter

__all__ = ["Plan", "StarterSummary", "compose", "make_plan", "write_starter"]
