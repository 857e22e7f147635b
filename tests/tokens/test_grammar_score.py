"""The grammar score: high for real music, low for the same tokens shuffled."""

from __future__ import annotations

from collections.abc import Sequence
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
from woodshed.tokens.grammars import grammars
from woodshed.tokens.limits import extremes_of, measured_limits
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
    assert score(*SENTENCE) == GrammarScore(1.0, 1.0, 1.0, 1.0, notes=1)
    assert score(*SENTENCE).judged == 1.0


def test_a_note_without_its_length_is_not_paired() -> None:
    broken = [name for name in SENTENCE if name != "DUR_24"]
    assert score(*broken).paired == 0.0
    assert score(*broken).legal < 1.0


def test_a_loop_costs_its_share() -> None:
    loop = score(*SENTENCE[:-1], *["VEL_66"] * 9, "END")
    assert loop.unrepeated == pytest.approx(1 - 9 / 18)
    assert loop.score < 0.3


HEAD, BAR = SENTENCE[:3], SENTENCE[3:-1]


def bars(*pitches: int) -> list[str]:
    """A bar with one note for each pitch."""
    return [n.replace("PITCH_40", f"PITCH_{pitch}") for pitch in pitches for n in BAR]


class TestLoops:
    """Bars that come more than eight times in a row cost their share; ostinati do not."""

    @pytest.mark.parametrize("pattern", [(40,), (40, 43), (40, 43, 45, 47), range(40, 48)])
    def test_eight_times_are_music_and_more_are_a_loop(self, pattern: Sequence[int]) -> None:
        assert score(*HEAD, *bars(*pattern) * 8, "END").unrepeated == 1.0
        for times in (9, 20):
            tokens = [*HEAD, *bars(*pattern) * times, "END"]
            beyond = len(pattern) * (times - 8) * len(BAR) + 1  # the last bar has the END
            assert score(*tokens).unrepeated == pytest.approx(1 - beyond / len(tokens))

    def test_one_note_for_three_hundred_bars(self) -> None:
        assert score(*HEAD, *bars(40) * 300, "END").score < 0.03

    def test_other_velocities_and_lengths_make_no_other_bar(self) -> None:
        loud = [n.replace("VEL_66", "VEL_70").replace("DUR_24", "DUR_12") for n in bars(40)]
        tokens = [*HEAD, *(bars(40) + bars(40) + loud) * 100, "END"]
        assert score(*tokens).score < 0.03

    def test_a_loop_with_rests(self) -> None:
        assert score(*HEAD, *[*bars(40), "BAR_4/4"] * 100, "END").unrepeated < 0.1

    def test_rests_are_no_loop(self) -> None:
        rests = ["BAR_4/4"] * 40
        assert score(*HEAD, *bars(40), *rests, *bars(41), "END").unrepeated == 1.0

    def test_chords_neither_hide_a_loop_nor_make_one(self) -> None:
        def told(names: Sequence[str]) -> list[str]:
            chords = iter([f"CHORD_{root}{kind}" for root in "CDEFGAB" for kind in ("7", "m")] * 99)
            return [w for n in names for w in ((n, next(chords)) if n == "BAR_4/4" else (n,))]

        for times, is_loop in ((8, False), (20, True), (300, True)):
            looped = score(*told([*HEAD, *bars(40) * times, "END"])).unrepeated
            assert (looped < 0.75) == is_loop
            plain = score(*HEAD, *bars(40) * times, "END").unrepeated
            assert looped == pytest.approx(plain, abs=0.02)
        rests = ["BAR_4/4", "CHORD_C7"] * 40
        assert score(*HEAD, *bars(40), *rests, *bars(41), "END").unrepeated == 1.0
        assert score(*HEAD, *[*bars(40), *rests[:2]] * 100, "END").unrepeated < 0.1

    def test_a_loop_of_moments_in_a_performance(self) -> None:
        notes = ["NOTE_ON_60", "SHIFT_250", "NOTE_OFF_60", "SHIFT_250"]
        assert performance_score(*(notes * 16)).unrepeated == 1.0
        assert performance_score(*(notes * 300)).score < 0.06
        louder = ["VELOCITY_70", *notes, "VELOCITY_66", *notes]
        assert performance_score(*(louder * 150)).score < 0.06

    def test_music_after_a_loop_is_none(self) -> None:
        found = score(*HEAD, *bars(40) * 9, *bars(*range(41, 60)), "END")
        assert found.unrepeated == pytest.approx(1 - len(BAR) / (len(HEAD) + 28 * len(BAR) + 1))


def test_of_nothing_there_is_nothing_to_judge() -> None:
    for nothing in (score(), score(*SENTENCE[:4], "END"), performance_score()):
        assert nothing.notes == 0
        assert nothing.judged is None
        assert nothing.score == 0.0


def performance_score(*names: str) -> GrammarScore:
    id_of = PERFORMANCE.language.id_of
    tokens = np.array([id_of[name] for name in ("START", "VELOCITY_66", *names, "END")])
    form = PERFORMANCE.grammar(LOOSE_PERFORMANCE)
    return grammar_score(tokens, PERFORMANCE, form, PERFORMANCE.grammar())


def test_performance_pairs_notes() -> None:
    names = ["NOTE_ON_60", "SHIFT_500", "NOTE_ON_62", "NOTE_OFF_60"]
    assert performance_score(*names).paired == pytest.approx(2 / 3)


FOLDERS = (
    "asap-maestro", "blasphemer", "dubroom", "freedoom", "giantmidi-eval", "groove-midi",
    "lieder-lyrics", "nottingham", "openmsx", "piano-midi-de", "pop909", "simutrans",
)  # fmt: skip


@pytest.mark.parametrize("folder", FOLDERS)
def test_real_music_scores_high_and_shuffled_music_low(test_data: Path, folder: str) -> None:
    rng = np.random.default_rng(1)
    events, performances = [], []
    for outcome in read_many(list_midi(test_data / folder).paths[:80]):
        real = outcome.unwrap()
        events.append(EVENTS.encode(real, slots_of(real)))
        performances.append(PERFORMANCE.encode(real))
    for language, pieces in ((EVENTS, events), (PERFORMANCE, performances)):
        limits = measured_limits([extremes_of(p, language) for p in pieces], language)
        form, limited = grammars(language, limits)

        def of(tokens: Any) -> float | None:
            return grammar_score(tokens, language, form, limited).judged  # noqa: B023

        low = [found <= 0.95 for piece in pieces if (found := of(piece)) is not None]
        assert sum(low) <= 0.03 * len(low)
        assert all((of(rng.permutation(piece)) or 0) < 0.3 for piece in pieces)
        if language is EVENTS and folder != "simutrans":  # whose music has such moments
            assert (of(collapse()) or 0) < 0.9
            assert of(silence()) is None
