"""Limits: measured over pieces as grammars count, so that music is legal and collapses are not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.tokens.test_events import EVENTS, slots_of
from woodshed.corpus.folder import list_midi
from woodshed.errors import UsageError
from woodshed.formats.midi_contained import read_many
from woodshed.tokens.events import Events
from woodshed.tokens.events_grammar import EventLimits, events_grammar
from woodshed.tokens.grammars import grammars
from woodshed.tokens.language import Language, TokenIds
from woodshed.tokens.limits import (
    EventExtremes,
    event_extremes,
    event_limits,
    extremes_of,
    measured_limits,
    performance_extremes,
    performance_limits,
)
from woodshed.tokens.performance import Performance, PerformanceLimits

PERFORMANCE = Performance()


def ids(language: Language, *names: str) -> TokenIds:
    return np.array([language.id_of[name] for name in names], np.uint16)


def chord(notes: int, shift: str = "SHIFT_250") -> list[str]:
    """So many notes begun together, and ended together a moment later."""
    pitches = range(40, 40 + notes)
    return [*(f"NOTE_ON_{p}" for p in pitches), shift, *(f"NOTE_OFF_{p}" for p in pitches)]


def performed(*chords: int, rest: int = 1) -> TokenIds:
    """Chords of so many notes, each followed by a rest of so many shifts."""
    names = [name for notes in chords for name in chord(notes) + ["SHIFT_1000"] * rest]
    return ids(PERFORMANCE.language, "START", "VELOCITY_66", *names, "END")


def test_the_extremes_of_a_performance() -> None:
    names = (
        "START SHIFT_1000 SHIFT_10 VELOCITY_66 NOTE_ON_60 NOTE_ON_64 SHIFT_10 NOTE_ON_67 "
        "SHIFT_1000 SHIFT_1000 SHIFT_500 NOTE_OFF_60 NOTE_OFF_64 NOTE_OFF_67 SHIFT_10 NOTE_ON_60 "
        "SHIFT_10 NOTE_OFF_60 END"
    )
    found = performance_extremes(ids(PERFORMANCE.language, *names.split()), PERFORMANCE)
    assert (found.sounding, found.shifts, found.crowding.at_once) == (3, 3, 2)
    assert found.lead_shifts == 2


def test_the_extremes_of_events() -> None:
    note = "INST_other VEL_66 PITCH_60 DUR_6"
    names = (
        f"START TEMPO_120 SLOT_other BAR_4/4 BAR_4/4 BAR_4/4 {note} VEL_66 PITCH_64 DUR_6 SHIFT_6 "
        f"{note} BAR_4/4 BAR_4/4 {note} BAR_4/4 {note} END"
    )
    found = extremes_of(ids(EVENTS.language, *names.split()), EVENTS)
    assert isinstance(found, EventExtremes)
    assert (found.lead_bars, found.empty_bars, found.crowding.at_once) == (3, 2, 2)


def test_a_long_rest_before_the_first_note_allows_none_later() -> None:
    note = "INST_other VEL_66 PITCH_60 DUR_6".split()
    late = ["START", "TEMPO_120", "SLOT_other", *["BAR_4/4"] * 90, *note, "BAR_4/4", *note, "END"]
    falls_silent = [*late[:3], "BAR_4/4", *note, *["BAR_4/4"] * 90, *note, "END"]
    limits = event_limits([event_extremes(ids(EVENTS.language, *late), EVENTS)] * 100)
    grammar = events_grammar(EVENTS, limits)
    assert grammar.legal(ids(EVENTS.language, *late)).all()
    assert not grammar.legal(ids(EVENTS.language, *falls_silent)).all()


def test_the_limits_of_performances_are_those_of_their_corpus() -> None:
    quiet = [performed(*[1, 2] * 20) for _ in range(100)]
    dense = [performed(*[1, 6] * 20, rest=5) for _ in range(100)]
    few, many = (
        performance_limits(performance_extremes(piece, PERFORMANCE) for piece in corpus)
        for corpus in (quiet, dense)
    )
    # A margin of a quarter and 4 over the root of 100 pieces: 1.65.
    assert (few.sounding, few.at_once, few.shifts) == (4, 4, 2)
    assert (many.sounding, many.at_once, many.shifts) == (10, 10, 9)
    for limits, own in ((few, quiet[0]), (many, dense[0])):
        assert PERFORMANCE.grammar(limits).legal(own).all()
    assert not PERFORMANCE.grammar(few).legal(dense[0]).all()


def test_one_wild_piece_in_two_hundred_changes_nothing() -> None:
    pieces = [performed(*[1, 2] * 20) for _ in range(199)]
    wild = performed(*[30] * 20, rest=50)
    with_it, without = (
        performance_limits(performance_extremes(piece, PERFORMANCE) for piece in corpus)
        for corpus in ([*pieces, wild], [*pieces, pieces[0]])
    )
    assert with_it == without


@pytest.mark.parametrize("limit", [event_limits, performance_limits])
def test_no_pieces_no_limits(limit: object) -> None:
    with pytest.raises(UsageError, match="there are none"):
        limit([])  # type: ignore[operator]


def test_where_no_piece_tells_a_note_the_defaults_hold() -> None:
    drums_alone = [extremes_of(ids(PERFORMANCE.language, "START", "END"), PERFORMANCE)] * 3
    assert measured_limits(drums_alone, PERFORMANCE) == PerformanceLimits()
    assert measured_limits([], EVENTS) == EventLimits()


def test_pieces_that_tell_no_note_do_not_count() -> None:
    silent = [extremes_of(ids(PERFORMANCE.language, "START", "END"), PERFORMANCE)] * 300
    telling = [extremes_of(performed(3, 4, 5), PERFORMANCE)] * 4
    found = measured_limits([*silent, *telling], PERFORMANCE)
    assert found == measured_limits(telling, PERFORMANCE)


def told(language: Events | Performance, moments: list[int]) -> TokenIds:
    """So many notes on each eighth."""
    if isinstance(language, Performance):
        return performed(*moments)
    names = ["START", "TEMPO_120", "SLOT_other"]
    for moment, notes in enumerate(moments):
        names.append("SHIFT_12" if moment % 8 else "BAR_4/4")
        names.append("INST_other")
        for pitch in range(40, 40 + notes):
            names += ["VEL_66", f"PITCH_{pitch}", "DUR_6"]
    return ids(EVENTS.language, *names, "END")


def collapsed() -> list[int]:
    """Twelve notes on 41% of the moments, one on the others."""
    return [12 if hit else 1 for hit in np.random.default_rng(5).random(1024) < 0.41]


@pytest.mark.parametrize("language", [EVENTS, PERFORMANCE], ids=["events", "performance"])
def test_a_dense_chord_now_and_then_is_legal_and_one_after_another_is_not(
    language: Events | Performance,
) -> None:
    corpus = [told(language, [2, 3, 1, 2, 4, 1, 2, 10] * 20)] * 100
    limits = measured_limits([extremes_of(piece, language) for piece in corpus], language)
    _, limited = grammars(language, limits)
    assert limited.legal(told(language, [12, *[2] * 15] * 20)).all()
    assert not limited.legal(told(language, collapsed())).all()
    assert not limited.legal(told(language, [8] * 200)).all()


@pytest.mark.parametrize("folder", ["dubroom", "freedoom", "openmsx"])
def test_the_collapse_is_illegal_where_music_is_dense(test_data: Path, folder: str) -> None:
    extremes = []
    for outcome in read_many(list_midi(test_data / folder).paths):
        score = outcome.unwrap()
        extremes.append(extremes_of(EVENTS.encode(score, slots_of(score)), EVENTS))
    _, limited = grammars(EVENTS, measured_limits(extremes, EVENTS))
    assert not limited.legal(told(EVENTS, collapsed())).all()


@pytest.mark.parametrize("folder", ["asap-maestro", "piano-midi-de", "pop909"])
def test_held_out_performances_are_legal_whole_and_their_collapses_are_not(
    test_data: Path, folder: str
) -> None:
    pieces = [
        PERFORMANCE.encode(outcome.unwrap())
        for outcome in read_many(list_midi(test_data / folder).paths)
    ]
    extremes = [extremes_of(piece, PERFORMANCE) for piece in pieces]
    rng = np.random.default_rng(11)
    legal: list[bool] = []
    for _ in range(10):
        order = rng.permutation(len(pieces))
        held_out, training = order[: len(pieces) // 5], order[len(pieces) // 5 :]
        limits = measured_limits((extremes[n] for n in training), PERFORMANCE)
        assert isinstance(limits, PerformanceLimits)
        grammar = PERFORMANCE.grammar(limits)
        legal += [bool(grammar.legal(pieces[n]).all()) for n in held_out]
        assert not grammar.legal(performed(*collapsed())).all()
        assert not grammar.legal(performed(60)).all()  # an avalanche on one moment
        assert not grammar.legal(performed(1, 1, rest=999)).all()  # nothing but shifts
    assert np.mean(legal) >= 0.98
