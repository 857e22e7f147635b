"""Round trips over a whole dataset, piece by piece."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

from ..corpus.dataset import Dataset
from .cache import open_cache
from .events import Events
from .events_grammar import EventLimits, events_grammar
from .grammar import Grammar
from .performance import MOST_SOUNDING, Performance, PerformanceLimits
from .roundtrip import round_trip


def check_pieces(dataset: Dataset, language: str) -> Iterator[dict[str, Any]]:
    """For each piece its path, quality, and what `round_trip` finds."""
    cache = open_cache(dataset, language)
    form, limited = grammars(cache.language, cache.limits)
    for number, path in enumerate(dataset.pieces.path):
        trip = round_trip(
            dataset.score(number), dataset.slots(number).tolist(), cache.language, form, limited
        )
        quality = round(float(dataset.pieces.quality[number]), 3)
        yield {"path": path, "quality": quality, **dataclasses.asdict(trip)}


def grammars(
    language: Events | Performance, limits: EventLimits | PerformanceLimits
) -> tuple[Grammar, Grammar]:
    """The grammar of a language without limits, and with those of its corpus."""
    if isinstance(language, Events):
        assert isinstance(limits, EventLimits)
        endless = EventLimits(at_once=2**31, load=2**31, empty_bars=2**31, lead_bars=2**31)
        return events_grammar(language, endless), events_grammar(language, limits)
    assert isinstance(limits, PerformanceLimits)
    endless_performance = PerformanceLimits(
        sounding=MOST_SOUNDING, at_once=2**31, shifts=2**31, lead_shifts=2**31, load=2**31
    )
    return language.grammar(endless_performance), language.grammar(limits)
