"""The two grammars of a language: its form alone, and its form under the limits of a corpus."""

from __future__ import annotations

from .chorale import Chorale, ChoraleLimits
from .events import Events
from .events_grammar import EventLimits, events_grammar
from .grammar import Grammar
from .performance import MOST_SOUNDING, PerformanceLimits
from .spoken import Spoken, SpokenLimits


def grammars(language: Spoken, limits: SpokenLimits) -> tuple[Grammar, Grammar]:
    """The grammar of a language without limits, and with those of its corpus."""
    if isinstance(language, Events):
        assert isinstance(limits, EventLimits)
        endless = EventLimits(at_once=2**31, load=2**31, empty_bars=2**31, lead_bars=2**31)
        return events_grammar(language, endless), events_grammar(language, limits)
    if isinstance(language, Chorale):
        assert isinstance(limits, ChoraleLimits)
        endless_chorale = ChoraleLimits(still=2**31, rests=2**31, lead_rests=2**31)
        return language.grammar(endless_chorale), language.grammar(limits)
    assert isinstance(limits, PerformanceLimits)
    endless_performance = PerformanceLimits(
        sounding=MOST_SOUNDING, at_once=2**31, shifts=2**31, lead_shifts=2**31, load=2**31
    )
    return language.grammar(endless_performance), language.grammar(limits)
