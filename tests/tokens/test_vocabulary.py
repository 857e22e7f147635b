"""Vocabularies: the subset a corpus uses, and what becomes of the rest."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from tests.tokens.charts import charted
from tests.tokens.test_events import EVENTS, slots_of
from tests.tokens.test_grammar import LOOSE, LOOSE_PERFORMANCE
from tests.tokens.test_grammar import _pick as pick
from woodshed.corpus.folder import list_midi
from woodshed.errors import UsageError
from woodshed.formats.midi_contained import read_many
from woodshed.music.lineup import load_lineup
from woodshed.music.score import Score
from woodshed.tokens.events import Events
from woodshed.tokens.events_grammar import events_grammar
from woodshed.tokens.grammar import Grammar
from woodshed.tokens.localise import Change, Localised
from woodshed.tokens.performance import Performance
from woodshed.tokens.vocabulary import Vocabulary

LANGUAGE = EVENTS.language
SENTENCE = (
    "START TEMPO_120 KEY_Am SLOT_bass BAR_4/4 INST_bass VEL_66 PITCH_40 DUR_24 END"
).split()  # fmt: skip


def ids(*names: str) -> np.ndarray:
    return np.array([LANGUAGE.id_of[name] for name in names])


def vocabulary(*names: str, semitones: tuple[int, ...] = ()) -> Vocabulary:
    counts = np.bincount(ids(*names), minlength=len(LANGUAGE))
    return Vocabulary.used(LANGUAGE, counts, semitones)


def test_a_vocabulary_holds_what_is_used() -> None:
    assert set(vocabulary(*SENTENCE).names) == set(SENTENCE)
    assert vocabulary(*SENTENCE).report()["PITCH"] == (1, 128)


def test_and_what_transpositions_of_it_use() -> None:
    names = set(vocabulary(*SENTENCE, semitones=(-1, 5)).names) - set(SENTENCE)
    assert names == {"PITCH_39", "PITCH_45", "KEY_Abm", "KEY_Dm"}


def test_it_comes_back_from_its_names() -> None:
    own = vocabulary(*SENTENCE)
    assert np.array_equal(Vocabulary.of_names(LANGUAGE, own.names).ids, own.ids)
    with pytest.raises(UsageError, match="has no token 'INST_tuba'"):
        Vocabulary.of_names(LANGUAGE, ["INST_tuba"])


@given(st.integers(0, len(SENTENCE)))
def test_what_is_known_stays_exactly_as_it_is(length: int) -> None:
    own = vocabulary(*SENTENCE)
    tokens = ids(*SENTENCE[:length]) if length else np.empty(0, np.int64)
    found = own.localise(tokens, EVENTS)
    assert (found.changes, found.merged) == ((), 0)
    assert np.array_equal(own.globalise(found.tokens), tokens)


QUARTET = Events(load_lineup("quartet"), ("feel=shuffle", "style=jazz"))
BASS_AND_DRUMS = (
    "START TEMPO_60 TEMPO_120 KEY_G KEY_Em SLOT_drums SLOT_bass TAG_feel=shuffle BAR_3/4 BAR_4/4 "
    "SHIFT_12 SHIFT_24 SHIFT_36 INST_drums INST_bass VEL_66 VEL_90 PITCH_36 PITCH_40 PITCH_43 "
    "DRUM_36 DRUM_38 DRUM_42 DUR_12 DUR_24 END"
).split()
"""What a model of drums and bass knows."""


def localised(
    prompt: str, known: Sequence[str] = BASS_AND_DRUMS
) -> tuple[str, dict[tuple[str, str | None], int], Localised]:
    """A prompt told by what the model of drums and bass knows, and what was changed."""
    language = QUARTET.language
    own = Vocabulary.of_names(language, known)
    tokens = np.array([language.id_of[name] for name in prompt.split()])
    found = own.localise(tokens, QUARTET)
    told = own.globalise(found.tokens)
    assert own.available[told].all()
    assert events_grammar(QUARTET, LOOSE, own.available).legal(told).all()
    changes = {(c.brought, c.became): c.count for c in found.changes}
    return " ".join(language.names[t] for t in told), changes, found


HEAD = "START TEMPO_120 SLOT_bass BAR_4/4 INST_bass VEL_66"


class TestWhatWasNeverSeen:
    """It becomes the nearest to a musician, is left out, or is an error; and is told."""

    def test_a_header_of_another_style(self) -> None:
        told, changes, _ = localised(
            "START TEMPO_89 KEY_Am SLOT_drums SLOT_piano TAG_style=jazz BAR_4/4 "
            "INST_drums VEL_66 DRUM_36 INST_piano VEL_66 PITCH_64 DUR_24"
        )
        assert told == (
            "START TEMPO_120 KEY_Em SLOT_drums SLOT_bass BAR_4/4 "
            "INST_drums VEL_66 DRUM_36 INST_bass VEL_66 PITCH_40 DUR_24"
        )
        assert changes == {
            ("TEMPO_89", "TEMPO_120"): 1,
            ("KEY_Am", "KEY_Em"): 1,
            ("SLOT_piano", "SLOT_bass"): 1,
            ("INST_piano", "INST_bass"): 1,
            ("TAG_style=jazz", None): 1,
            ("PITCH_64", "PITCH_40"): 1,
        }

    def test_tempos_by_ratio(self) -> None:
        assert localised("START TEMPO_81")[0] == "START TEMPO_60"
        assert localised("START TEMPO_89")[0] == "START TEMPO_120"  # 60 and 120 are as far in BPM

    def test_a_chord_is_another_on_its_root_or_nothing(self) -> None:
        known = [*BASS_AND_DRUMS, "CHORD_Cm7", "CHORD_Cmaj", "CHORD_F7"]
        bars = "BAR_4/4 CHORD_{} BAR_4/4 CHORD_{} BAR_4/4 CHORD_{}"
        told, changes, _ = localised(f"{BARS} {bars.format('C7', 'F7', 'G7')}", known)
        assert told == f"{BARS} BAR_4/4 CHORD_Cmaj BAR_4/4 CHORD_F7 BAR_4/4"
        assert changes == {("CHORD_C7", "CHORD_Cmaj"): 1, ("CHORD_G7", None): 1}
        assert localised(f"{BARS} BAR_4/4 CHORD_C7")[0] == f"{BARS} BAR_4/4"

    def test_two_pitches_that_become_one_are_one_note_the_longest_and_loudest(self) -> None:
        told, _, found = localised(f"{HEAD} PITCH_40 DUR_24 VEL_90 PITCH_41 DUR_12")
        assert told == f"{HEAD.replace('66', '90')} PITCH_40 DUR_24"
        assert found.merged == 1

    def test_a_pitch_goes_to_another_octave_before_it_becomes_another(self) -> None:
        assert localised(f"{HEAD} PITCH_55 DUR_24")[0].endswith("PITCH_43 DUR_24")
        assert localised(f"{HEAD} PITCH_41 DUR_24")[0].endswith("PITCH_40 DUR_24")

    def test_a_drum_is_another_of_its_family_or_nothing(self) -> None:
        head = "START TEMPO_120 SLOT_drums BAR_4/4 INST_drums VEL_66"
        assert localised(f"{head} DRUM_35")[0] == f"{head} DRUM_36"
        assert localised(f"{head} DRUM_46")[0] == f"{head} DRUM_42"
        told, changes, _ = localised(f"{head} DRUM_36 VEL_66 DRUM_49")
        assert (told, changes) == (f"{head} DRUM_36", {("DRUM_49", None): 1})

    def test_drums_are_never_told_as_pitches_nor_the_other_way_round(self) -> None:
        drums_only = [n for n in BASS_AND_DRUMS if n.split("_")[0] not in ("PITCH", "DUR")]
        told, _, _ = localised(
            "START TEMPO_120 SLOT_drums SLOT_bass BAR_4/4 INST_drums VEL_66 DRUM_36 "
            "INST_bass VEL_66 PITCH_40 DUR_24 END",
            drums_only,
        )
        assert told == "START TEMPO_120 SLOT_drums BAR_4/4 INST_drums VEL_66 DRUM_36 END"
        with pytest.raises(UsageError, match=r"none of the players .* it knows drums: give"):
            localised(f"{HEAD} PITCH_40 DUR_24", drums_only)

    def test_a_model_that_has_seen_nothing(self) -> None:
        with pytest.raises(UsageError, match="never seen a TEMPO"):
            localised("START TEMPO_120", ["START", "END"])

    def test_a_note_that_the_prompt_broke_off_in(self) -> None:
        told, changes, _ = localised(f"{HEAD} PITCH_40 DUR_6 VEL_90 PITCH_43")
        assert told == f"{HEAD} PITCH_40 DUR_12"
        assert changes == {("DUR_6", "DUR_12"): 1, ("VEL_90", None): 1, ("PITCH_43", None): 1}


NOTE = "INST_bass VEL_66 PITCH_40 DUR_24"
BARS = "START TEMPO_120 SLOT_bass"


class TestTime:
    """Notes keep their time as far as shifts allow, and bar lines as far as metres do."""

    def test_a_bar_in_two(self) -> None:
        told, changes, _ = localised(f"{BARS} BAR_7/4 {NOTE} SHIFT_120 {NOTE} BAR_4/4 {NOTE}")
        assert told == f"{BARS} BAR_4/4 {NOTE} BAR_3/4 SHIFT_24 {NOTE} BAR_4/4 {NOTE}"
        assert changes == {("BAR_7/4", "BAR_4/4 BAR_3/4"): 1}

    def test_chords_hold_where_they_held(self) -> None:
        known = [*BASS_AND_DRUMS, "CHORD_C7", "CHORD_F7", "CHORD_G7"]
        told, _, _ = localised(
            f"{BARS} BAR_7/4 CHORD_C7 {NOTE} SHIFT_120 {NOTE} BAR_4/4 CHORD_F7 {NOTE}", known
        )
        assert told == (
            f"{BARS} BAR_4/4 CHORD_C7 {NOTE} BAR_3/4 CHORD_C7 SHIFT_24 {NOTE} "
            f"BAR_4/4 CHORD_F7 {NOTE}"
        )
        told, _, _ = localised(
            f"{BARS} BAR_4/4 CUT_60 CHORD_G7 {NOTE} BAR_4/4 CHORD_C7 {NOTE}", known
        )
        assert told == f"{BARS} BAR_4/4 CHORD_G7 SHIFT_36 {NOTE} BAR_4/4 CHORD_C7 {NOTE}"

    def test_no_shift_goes_beyond_the_bar_where_there_is_but_one_metre(self) -> None:
        only = [name for name in BASS_AND_DRUMS if name != "BAR_3/4"]
        told, changes, _ = localised(f"{BARS} BAR_7/4 SHIFT_144 {NOTE} BAR_7/4 {NOTE}", only)
        # 144 steps are a bar and two quarters, and the second bar begins three quarters into one.
        assert told == f"{BARS} BAR_4/4 BAR_4/4 SHIFT_36 {NOTE} SHIFT_36 {NOTE}"
        assert changes == {("BAR_7/4", "BAR_4/4"): 2, ("SHIFT_48", "SHIFT_36"): 1,
                           ("SHIFT_24", "SHIFT_36"): 1}  # fmt: skip

    def test_a_metre_of_the_same_length(self) -> None:
        told, changes, _ = localised(f"{BARS} BAR_6/8 {NOTE} SHIFT_36 {NOTE}")
        assert told == f"{BARS} BAR_3/4 {NOTE} SHIFT_36 {NOTE}"
        assert changes == {("BAR_6/8", "BAR_3/4"): 1}

    def test_a_longer_metre_and_a_cut(self) -> None:
        told, _, _ = localised(f"{BARS} BAR_7/8 {NOTE} BAR_4/4", [*BASS_AND_DRUMS, "CUT_84"])
        assert told == f"{BARS} BAR_4/4 CUT_84 {NOTE} BAR_4/4"

    def test_an_upbeat_becomes_the_end_of_a_bar(self) -> None:
        told, changes, _ = localised(f"{BARS} BAR_4/4 CUT_60 {NOTE} SHIFT_24 {NOTE} BAR_4/4 {NOTE}")
        assert told == f"{BARS} BAR_4/4 SHIFT_36 {NOTE} SHIFT_24 {NOTE} BAR_4/4 {NOTE}"
        assert changes == {("BAR_4/4 CUT_60", "BAR_4/4"): 1}

    def test_a_moment_nearby_and_the_next_one_where_it_was(self) -> None:
        told, changes, _ = localised(f"{BARS} BAR_4/4 {NOTE} SHIFT_11 {NOTE} SHIFT_13 {NOTE}")
        assert told == f"{BARS} BAR_4/4 {NOTE} SHIFT_12 {NOTE} SHIFT_12 {NOTE}"
        assert changes == {("SHIFT_11", "SHIFT_12"): 1, ("SHIFT_13", "SHIFT_12"): 1}

    def test_a_moment_no_shift_leads_to_joins_the_one_before(self) -> None:
        told, changes, found = localised(f"{BARS} BAR_4/4 {NOTE} SHIFT_3 {NOTE}")
        assert told == f"{BARS} BAR_4/4 {NOTE}"
        assert (changes, found.merged) == ({("SHIFT_3", None): 1}, 1)


def in_performance(prompt: str, known: str) -> tuple[str, Localised]:
    performance = Performance()
    language = performance.language
    own = Vocabulary.of_names(language, known.split())
    tokens = np.array([language.id_of[name] for name in prompt.split()])
    found = own.localise(tokens, performance)
    told = own.globalise(found.tokens)
    assert performance.grammar(LOOSE_PERFORMANCE).legal(told).all()
    return " ".join(language.names[t] for t in told), found


class TestAPerformance:
    """A prompt of `performance`: waits add up, and notes that become one are held by both."""

    KNOWN = "START END VELOCITY_66 NOTE_ON_60 NOTE_OFF_60 SHIFT_100 SHIFT_500"

    def test_waits_add_up(self) -> None:
        told, found = in_performance(
            "START VELOCITY_66 NOTE_ON_60 SHIFT_640 NOTE_OFF_60 SHIFT_60 NOTE_ON_60 SHIFT_500 "
            "NOTE_OFF_60 END",
            self.KNOWN,
        )
        assert told == (
            "START VELOCITY_66 NOTE_ON_60 SHIFT_500 SHIFT_100 NOTE_OFF_60 SHIFT_100 NOTE_ON_60 "
            "SHIFT_500 NOTE_OFF_60 END"
        )
        assert found.changes[0] == Change("SHIFT_640", "SHIFT_500 SHIFT_100", 1)

    def test_notes_that_become_one(self) -> None:
        told, found = in_performance(
            "START VELOCITY_66 NOTE_ON_48 VELOCITY_90 NOTE_ON_60 SHIFT_100 NOTE_OFF_60 SHIFT_100 "
            "NOTE_OFF_48 END",
            self.KNOWN,
        )
        assert told == "START VELOCITY_66 NOTE_ON_60 SHIFT_100 SHIFT_100 NOTE_OFF_60 END"
        assert found.merged == 1
        assert Change("NOTE_ON_48", "NOTE_ON_60", 1) in found.changes

    def test_a_model_that_has_seen_no_note(self) -> None:
        told, _ = in_performance("START VELOCITY_66 NOTE_ON_60 SHIFT_10 NOTE_OFF_60", "START END")
        assert told == "START"


def test_a_prompt_in_another_language() -> None:
    with pytest.raises(UsageError, match="another language than the model's"):
        vocabulary(*SENTENCE).localise(ids("START"), QUARTET)


def corpus_of(scores: list[Score], events: Events | Performance) -> Vocabulary:
    counts = np.zeros(len(events.language), np.int64)
    for score in scores:
        counts += np.bincount(encoded(score, events), minlength=len(counts))
    return Vocabulary.used(events.language, counts, (-1, 0))


def encoded(score: Score, events: Events | Performance) -> NDArray[np.integer]:
    if isinstance(events, Performance):
        return events.encode(score)
    return events.encode(score, slots_of(score), ["feel=shuffle"])


def kinds(tokens: NDArray[np.integer], language: Events | Performance) -> set[bool]:
    """Whether drums and melodic players are in the header, or in a vocabulary."""
    if isinstance(language, Performance):
        return set()
    is_slot = language.language.group_of[tokens] == language.language.row("SLOT")
    slots = language.language.value_of[tokens[is_slot]].tolist()
    return {language.lineup.slots[slot].drums for slot in slots}


def check_prompt(
    prompt: NDArray[np.integer], own: Vocabulary, language: Events | Performance, form: Grammar
) -> None:
    """A prompt becomes legal and known, or there is nobody to play it; and twice is as once."""
    assert form.legal(prompt).all()
    asked, known = kinds(prompt, language), kinds(own.ids, language)
    if asked and not asked & known:
        with pytest.raises(UsageError, match="none of the players"):
            own.localise(prompt, language)
        return
    found = own.localise(prompt, language)
    told = own.globalise(found.tokens)
    assert own.available[told].all()
    within = (
        form
        if isinstance(language, Performance)
        else events_grammar(language, LOOSE, own.available)
    )
    assert within.legal(told).all()
    if np.array_equal(told, prompt):
        assert found.changes == ()
    else:
        assert found.changes
    again = own.localise(told, language)
    assert np.array_equal(again.tokens, found.tokens)
    assert again.changes == ()


FORMS: dict[str, tuple[Events | Performance, Grammar]] = {
    "events": (EVENTS, events_grammar(EVENTS, LOOSE)),
    "performance": (Performance(), Performance().grammar(LOOSE_PERFORMANCE)),
}
PLAYED = charted(every_part_plays=True, min_parts=1)
CORPORA = st.lists(PLAYED, min_size=1, max_size=3)


@pytest.mark.parametrize("name", FORMS)
@given(CORPORA, PLAYED, st.data())
def test_a_prompt_becomes_legal_and_known_for_any_corpus(
    name: str, corpus: list[Score], score: Score, data: st.DataObject
) -> None:
    language, form = FORMS[name]
    whole = encoded(score, language)
    prompt = whole[: data.draw(st.integers(0, len(whole)))]
    check_prompt(prompt, corpus_of(corpus, language), language, form)


@pytest.mark.parametrize("name", FORMS)
@settings(max_examples=30)
@given(CORPORA, st.integers(0, 2**32 - 1))
def test_so_does_anything_the_grammar_allows(name: str, corpus: list[Score], seed: int) -> None:
    language, form = FORMS[name]
    rng = np.random.default_rng(seed)
    state = form.start()
    prompt = []
    for _ in range(int(rng.integers(1, 200))):
        prompt.append(pick(form, form.masks(state)[0], rng))
        form.advance(state, np.array(prompt[-1:]))
    check_prompt(np.array(prompt), corpus_of(corpus, language), language, form)


@pytest.mark.parametrize("folder", ["nottingham", "pop909"])
def test_real_prompts_for_models_of_other_music(test_data: Path, folder: str) -> None:
    models = {
        other: [o.unwrap() for o in read_many(list_midi(test_data / other).paths[:8])]
        for other in ("groove-midi", "nottingham", "openmsx", "piano-midi-de", "pop909")
    }
    for language, form in FORMS.values():
        prompts = [encoded(score, language)[:600] for score in models[folder]]
        for pieces in models.values():
            own = corpus_of(pieces, language)
            for prompt in prompts:
                check_prompt(prompt, own, language, form)
