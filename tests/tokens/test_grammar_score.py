"""The grammar score: high for real music, low for the same tokens shuffled."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.tokens.test_events import EVENTS, slots_of
from tests.tokens.test_grammar import LOOSE, LOOSE_PERFORMANCE, collapse, silence
from woodshed.corpus.folder import list_midi
from woodshed.formats.midi_contained import read_many
from woodshed.tokens.events_grammar import events_grammar
from woodshed.tokens.grammar_score import GrammarScore, grammar_score
from woodshed.tokens.limits import event_extremes, event_limits
from woodshed.tokens.performance import Performance

PERFORMANCE = Performance()
FORM = events_grammar(EVENTS, LOOSE)
LIMITED = events_grammar(EVENTS)


def score(*names: str) -> GrammarScore:
    tokens = np.array([EVENTS.language.id_of[name] for name in names])
    return grammar_score(tokens, EVENTS, FORM, LIMITED)


SENTENCE = (
    "START TEMPO_120 SLOT_bass BAR_4/4 INST_bass VEL_66 PITCH_40 DUR_24 END"
).split()  # fmt: skip


def test_a_good_sentence() -> None:
    assert score(*SENTENCE) == GrammarScore(1.0, 1.0, 1.0, 1.0)


def test_a_note_without_its_length_is_not_paired() -> None:
    broken = [name for name in SENTENCE if name != "DUR_24"]
    assert score(*broken).paired == 0.0
    assert score(*broken).legal < 1.0


def test_a_loop_costs_its_share() -> None:
    loop = score(*SENTENCE[:-1], *["VEL_66"] * 9, "END")
    assert loop.unrepeated == pytest.approx(1 - 9 / 18)
    assert loop.score < 0.3


def test_nothing_scores_nothing() -> None:
    assert score().score == 0.0


def test_performance_pairs_notes() -> None:
    id_of = PERFORMANCE.language.id_of
    form, limited = PERFORMANCE.grammar(LOOSE_PERFORMANCE), PERFORMANCE.grammar()
    names = ["START", "VELOCITY_66", "NOTE_ON_60", "SHIFT_500", "NOTE_ON_62", "NOTE_OFF_60", "END"]
    found = grammar_score(np.array([id_of[n] for n in names]), PERFORMANCE, form, limited)
    assert found.paired == pytest.approx(2 / 3)


@pytest.mark.parametrize("folder", ["pop909", "nottingham", "piano-midi-de"])
def test_real_music_scores_high_and_shuffled_music_low(test_data: Path, folder: str) -> None:
    rng = np.random.default_rng(1)
    pieces = []
    for outcome in read_many(list_midi(test_data / folder).paths[:80]):
        real = outcome.unwrap()
        pieces.append(EVENTS.encode(real, slots_of(real)))
    limited = events_grammar(EVENTS, event_limits(event_extremes(p, EVENTS) for p in pieces))

    def of(tokens: Any) -> float:
        return grammar_score(tokens, EVENTS, FORM, limited).score

    assert min(of(piece) for piece in pieces) > 0.95
    assert max(of(rng.permutation(piece)) for piece in pieces) < 0.3
    assert of(collapse()) < 0.9
    assert of(silence()) < 0.3


def test_real_performances_score_high_and_shuffled_ones_low(test_data: Path) -> None:
    rng = np.random.default_rng(1)
    form = PERFORMANCE.grammar(LOOSE_PERFORMANCE)
    for outcome in read_many(list_midi(test_data / "asap-maestro").paths[:60]):
        tokens = PERFORMANCE.encode(outcome.unwrap())
        assert grammar_score(tokens, PERFORMANCE, form, form).score > 0.95
        shuffled = rng.permutation(tokens)
        assert grammar_score(shuffled, PERFORMANCE, form, PERFORMANCE.grammar()).score < 0.3
