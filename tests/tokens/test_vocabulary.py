"""Vocabularies: the subset a corpus uses, and what becomes of the rest."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.tokens.test_events import EVENTS
from woodshed.errors import UsageError
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


@given(st.lists(st.sampled_from(SENTENCE), max_size=30))
def test_local_and_global_ids_are_inverse(names: list[str]) -> None:
    own = vocabulary(*SENTENCE)
    tokens = ids(*names) if names else np.empty(0, np.int64)
    local, changed = own.localise(tokens)
    assert changed == {}
    assert np.array_equal(own.globalise(local), tokens)


def test_what_was_never_seen_becomes_the_nearest_and_is_told() -> None:
    own = vocabulary(*SENTENCE, "PITCH_50", "BAR_3/4")
    prompt = ids("TEMPO_132", "KEY_C", "TAG_feel=shuffle", "BAR_7/8", "PITCH_46", "DUR_6")
    local, changed = own.localise(prompt)
    assert [LANGUAGE.names[t] for t in own.globalise(local)] == [
        "TEMPO_120", "KEY_Am", "BAR_3/4", "PITCH_50", "DUR_24"
    ]  # fmt: skip
    assert changed["TAG_feel=shuffle"] == ""
    assert changed["PITCH_46"] == "PITCH_50"


def test_a_kind_that_was_never_seen_is_an_error() -> None:
    with pytest.raises(UsageError, match="never seen a DRUM"):
        vocabulary(*SENTENCE).localise(ids("DRUM_36"))
