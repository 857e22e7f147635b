"""Tables of notes, controllers and bends, and the score that holds them."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from tests.strategies import bends, controls, notes, parts, scores
from woodshed.errors import BadMusic
from woodshed.music.columns import MAX_TICKS, schema
from woodshed.music.notes import Bends, Controls, Notes
from woodshed.music.score import Part, Score, Source, Text
from woodshed.music.time import KeyMap, MetreMap, TempoMap

PLAYERS = [Part("Piano"), Part("Kit", is_drum=True), Part("Bass", 33)]

# start, duration, pitch, velocity, part
ONE_NOTE = Notes.from_rows([(0, 480, 60, 64, 0)])


def rows(rows_of: Notes | Controls | Bends) -> list[tuple[int, ...]]:
    names = [name for name, _ in schema(type(rows_of))]
    return list(zip(*(getattr(rows_of, name).tolist() for name in names), strict=True))


@given(notes(PLAYERS, 24, max_quarters=2))
def test_notes_sort_by_start_part_pitch_duration_velocity(unsorted):
    expected = np.lexsort(
        (
            unsorted.velocity,
            unsorted.duration_ticks,
            unsorted.pitch,
            unsorted.part,
            unsorted.start_ticks,
        )
    )
    assert unsorted.sorted() == unsorted.take(expected)


def test_the_order_holds_at_the_ends_of_all_ranges():
    far = [(s, 1, p, 1, q) for s in (MAX_TICKS, 0) for p in (127, 0) for q in (65535, 0)]
    expected = sorted(far, key=lambda row: (row[0], row[4], row[2]))
    assert rows(Notes.from_rows(far).sorted()) == expected


@given(st.one_of(controls(3, 24, 1), bends(3, 24, 1)))
def test_controls_and_bends_sort_by_time_and_part_and_keep_their_order(unsorted):
    # Python's sort is stable, as ours must be: a later change at one moment is the one that holds.
    expected = sorted(rows(unsorted), key=lambda row: (row[0], row[-1]))
    assert rows(unsorted.sorted()) == expected


@given(notes(PLAYERS, 24), st.data())
def test_tables_cut_and_concatenated_are_whole_again(whole, data):
    cut = data.draw(st.integers(0, len(whole)))
    assert Notes.concatenate([whole.take(slice(cut)), whole.take(slice(cut, None))]) == whole
    louder = whole.replace(velocity=127)
    assert louder.velocity.tolist() == [127] * len(whole)
    assert louder.replace(velocity=whole.velocity) == whole


def test_an_empty_table_has_its_types():
    for cls in (Notes, Controls, Bends, KeyMap):
        assert len(cls.empty()) == 0
        assert len(cls.concatenate([])) == 0
        for name, dtype in schema(cls):
            assert getattr(cls.empty(), name).dtype == dtype


@pytest.mark.parametrize(
    "kept",
    [
        ONE_NOTE,
        ONE_NOTE.sorted(),
        Controls.from_rows([(0, 64, 127, 0)]),
        Bends.from_rows([(0, -100, 0)]),
        TempoMap.constant(),
        MetreMap.constant(),
    ],
    ids=lambda kept: type(kept).__name__,
)
def test_columns_are_read_only(kept):
    for name, _ in schema(type(kept)):
        with pytest.raises(ValueError, match="read-only"):
            getattr(kept, name)[0] = 1
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(kept, name, getattr(kept, name))


def test_tables_of_different_kinds_or_rows_differ():
    assert ONE_NOTE == Notes.from_rows([(0, 480, 60, 64, 0)])
    assert ONE_NOTE != Notes.from_rows([(0, 480, 60, 65, 0)])
    assert ONE_NOTE != Notes.empty()
    assert Controls.empty() != Bends.empty()


@pytest.mark.parametrize(
    ("cls", "columns", "value"),
    [
        (Notes, ([-1], [1], [60], [64], [0]), "-1"),
        (Notes, ([0], [0], [60], [64], [0]), "lasts 0"),
        (Notes, ([0], [1], [128], [64], [0]), "128"),
        (Notes, ([0], [1], [300], [64], [0]), "300"),
        (Notes, ([0], [1], [60], [0], [0]), "velocity 0"),
        (Notes, ([0, 0], [1, 1], [60, 60], [1, 128], [0, 0]), "velocity 128"),
        (Notes, ([0], [1], [60], [64], [65536]), "65536"),
        (Notes, ([0, 1], [1], [60], [64], [0]), "1 values .* 2"),
        (Notes, ([[0]], [1], [60], [64], [0]), r"\(1, 1\)"),
        (Notes, ([0.5], [1], [60], [64], [0]), "float64"),
        (Controls, ([0], [64], [256], [0]), "256"),
        (Bends, ([0], [40000], [0]), "40000"),
        (Notes, ([2**31], [1], [60], [64], [0]), str(2**31)),
        (Notes, ([0], [2**31], [60], [64], [0]), str(2**31)),
        (Controls, ([0], [128], [0], [0]), "128"),
        (Controls, ([0], [64], [200], [0]), "200"),
        (Controls, ([-5], [64], [0], [0]), "-5"),
        (Bends, ([0], [8192], [0]), " 8192"),
        (Bends, ([2**31], [0], [0]), str(2**31)),
    ],
)
def test_what_cannot_be_music_is_refused_by_its_value(cls, columns, value):
    with pytest.raises(BadMusic, match=value):
        cls(*columns)


@pytest.mark.parametrize(
    ("make", "value"),
    [
        (lambda: Part(program=128), "128"),
        (lambda: Part(channel=16), "16"),
        (lambda: Text(-1, "lyric", "la"), "'la' .* -1"),
        (lambda: Text(0, "poem", "la"), "'poem'"),  # type: ignore[arg-type]
        (lambda: Score(0), "0 ticks"),
        (lambda: Score(32768), "32768"),
        (lambda: Score(notes=ONE_NOTE), "part 0"),
        (lambda: Score(parts=(Part(),), notes=ONE_NOTE.replace(part=1)), "part 1"),
        (lambda: Score(controls=Controls.from_rows([(0, 64, 0, 3)])), "part 3"),
        (lambda: Score(bends=Bends.from_rows([(0, 64, 2)])), "part 2"),
        (lambda: Score(texts=(Text(0, "lyric", "la", 0),)), "part 0"),
        (lambda: Score(parts=(Part(),), texts=(Text(0, "lyric", "la", -1),)), "part -1"),
    ],
)
def test_what_cannot_be_a_score_is_refused_by_its_value(make, value):
    with pytest.raises(BadMusic, match=value):
        make()


@given(scores())
def test_a_score_keeps_everything_in_order(score):
    assert score.notes == score.notes.sorted()
    assert score.controls == score.controls.sorted()
    assert score.bends == score.bends.sorted()
    ticks = [text.ticks for text in score.texts]
    assert ticks == sorted(ticks)


@given(scores())
def test_scores_are_equal_by_their_music_and_not_by_their_source(score):
    assert score == score.replace(source=Source("a.mid"))
    assert score != score.replace(ticks_per_quarter=score.ticks_per_quarter % 32767 + 1)
    assert score != score.replace(parts=(*score.parts, Part()))
    if len(score.notes):
        assert score != score.replace(notes=score.notes.take(slice(1, None)))


def test_a_parts_channel_is_no_music():
    assert Part("Bass", 33, channel=2) == Part("Bass", 33, channel=7)


@given(parts())
def test_an_empty_score_has_one_bar(players):
    score = Score(parts=tuple(players))
    assert (score.end_ticks, score.duration_seconds, score.bar_count) == (0, 0, 1)


def test_how_long_a_score_is():
    # A short note, then a long one that begins earlier: the end is where the last one ends.
    score = Score(480, Notes.from_rows([(480, 10, 60, 64, 0), (0, 1921, 62, 64, 0)]), (Part(),))
    assert (score.end_ticks, score.bar_count, len(score.bars())) == (1921, 2, 2)
    assert score.duration_seconds == 1921 / 960
    assert_array_equal(score.ticks_at(score.seconds([0, 77, 1921])), [0, 77, 1921])
    assert (int(score.bar(1920)), float(score.beat(1921 - 1))) == (1, 0)
    assert repr(score) == "Score(2 notes, 1 parts, 2.0 s)"
