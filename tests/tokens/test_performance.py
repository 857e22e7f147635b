"""`performance`: the classic layout, and exact round trips in its own steps."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests import strategies
from woodshed.corpus.folder import list_midi
from woodshed.errors import BadMusic
from woodshed.formats.midi_contained import read_many
from woodshed.music.notes import Notes
from woodshed.music.score import Part, Score
from woodshed.tokens.performance import Performance

PERFORMANCE = Performance()


def test_the_layout_is_the_classic_one() -> None:
    names = PERFORMANCE.language.names
    assert len(names) == 390
    assert names[0] == "NOTE_ON_0"
    assert names[128] == "NOTE_OFF_0"
    assert (names[256], names[355]) == ("SHIFT_10", "SHIFT_1000")
    assert len([n for n in names if n.startswith("VELOCITY")]) == 32
    assert names[388:] == ("START", "END")


def test_the_tokens_of_a_bar() -> None:
    score = Score(
        notes=Notes.from_rows([(0, 480, 60, 64, 0), (480, 4800, 62, 64, 0)]), parts=(Part(),)
    )
    names = [PERFORMANCE.language.names[t] for t in PERFORMANCE.encode(score)]
    assert names == [
        "START",
        "VELOCITY_66",
        "NOTE_ON_60",
        "SHIFT_500",
        "NOTE_OFF_60",
        "NOTE_ON_62",
        "SHIFT_1000",
        "SHIFT_1000",
        "SHIFT_1000",
        "SHIFT_1000",
        "SHIFT_1000",
        "NOTE_OFF_62",
        "END",
    ]


@given(strategies.scores())
def test_decoding_what_was_encoded_gives_the_reduced_score(score: Score) -> None:
    reduced = PERFORMANCE.reduce(score)
    tokens = PERFORMANCE.encode(score)
    assert PERFORMANCE.decode(tokens) == reduced
    assert PERFORMANCE.reduce(reduced) == reduced
    assert np.array_equal(PERFORMANCE.encode(reduced), tokens)


@given(strategies.scores(drums=False, overlaps=False))
def test_the_reduced_score_keeps_every_onset_in_time(score: Score) -> None:
    heard = {
        (round(float(t) * 100), p)
        for t, p in zip(
            score.seconds(score.notes.start_ticks), score.notes.pitch.tolist(), strict=True
        )
    }
    reduced = PERFORMANCE.reduce(score)
    assert heard == set(
        zip(reduced.notes.start_ticks.tolist(), reduced.notes.pitch.tolist(), strict=True)
    )


@given(st.lists(st.integers(0, 389), max_size=200))
def test_any_tokens_decode_to_some_score(tokens: list[int]) -> None:
    assert isinstance(PERFORMANCE.decode(np.array(tokens, np.int64)), Score)


def test_a_rest_of_years_is_refused_before_it_fills_the_memory() -> None:
    rows = [(0, 1, 60, 80, 0), (2**31 - 2, 1, 62, 80, 0)]
    with pytest.raises(BadMusic, match="hours, and every second of a rest is a token"):
        PERFORMANCE.encode(Score(1, Notes.from_rows(rows), (Part("a"),)))


def test_every_real_piano_file_comes_back_exactly(test_data: Path) -> None:
    different = []
    paths = [p for f in ("asap-maestro", "piano-midi-de") for p in list_midi(test_data / f).paths]
    for outcome in read_many(paths):
        score = outcome.unwrap()
        if PERFORMANCE.decode(PERFORMANCE.encode(score)) != PERFORMANCE.reduce(score):
            different.append(outcome.path)
    assert different == []
