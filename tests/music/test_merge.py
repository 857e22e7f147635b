"""Scores merged are whole, and parts split are merged again."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from tests.strategies import scores
from woodshed.errors import UsageError
from woodshed.music.merge import KICKS_AND_SNARES, merge, split
from woodshed.music.notes import SUSTAIN, Bends, Controls, Notes
from woodshed.music.score import Part, Score, Source, Text
from woodshed.music.time import KeyMap, MetreMap, TempoMap

PIANO, KIT = Part("Piano"), Part("Kit", is_drum=True)


def hits(score: Score) -> list[tuple[int, ...]]:
    """Start, duration, pitch and part of each note."""
    notes = score.notes
    columns = (notes.start_ticks, notes.duration_ticks, notes.pitch, notes.part)
    return list(zip(*(column.tolist() for column in columns), strict=True))


def kit(*rows: tuple[int, int, int], ticks_per_quarter: int = 480) -> Score:
    """A drum part from (start, duration, pitch)."""
    return Score(ticks_per_quarter, Notes.from_rows([(*row, 64, 0) for row in rows]), (KIT,))


@given(scores(min_parts=1))
def test_what_was_split_is_merged_again(score):
    alone = split(score)
    assert [part.parts for part in alone] == [(part,) for part in score.parts]
    assert all(
        (s.tempos, s.metres, s.keys) == (score.tempos, score.metres, score.keys) for s in alone
    )
    whole = merge(alone)
    assert whole.replace(texts=()) == score.replace(texts=())
    assert sorted(map(repr, whole.texts)) == sorted(map(repr, score.texts))


def test_a_score_without_parts_splits_into_nothing():
    assert split(Score()) == ()


def test_each_part_takes_what_is_its_own():
    score = Score(
        480,
        Notes.from_rows([(0, 9, 60, 64, 0), (0, 9, 36, 64, 1)]),
        (PIANO, KIT),
        controls=Controls.from_rows([(0, 7, 1, 0), (0, 7, 2, 1)]),
        bends=Bends.from_rows([(0, 3, 0), (0, 4, 1)]),
        texts=(Text(0, "title", "Blues"), Text(0, "lyric", "a", 0), Text(0, "lyric", "b", 1)),
    )
    piano, drums = split(score)
    assert piano.texts == (Text(0, "title", "Blues"), Text(0, "lyric", "a", 0))
    assert drums.texts == (Text(0, "lyric", "b", 0),)
    assert (hits(drums), drums.parts) == ([(0, 9, 36, 0)], (KIT,))
    assert drums.controls == Controls.from_rows([(0, 7, 2, 0)])
    assert drums.bends == Bends.from_rows([(0, 4, 0)])


@given(st.tuples(*[scores(max_notes=8)] * 2))
def test_merging_keeps_every_part_and_note(several):
    whole = merge(several)
    assert whole.parts == tuple(part for score in several for part in score.parts)
    assert len(whole.notes) == sum(len(score.notes) for score in several)
    assert len(whole.controls) == sum(len(score.controls) for score in several)
    assert len(whole.bends) == sum(len(score.bends) for score in several)
    assert len(whole.texts) == sum(len(score.texts) for score in several)
    first = 0
    for score in several:
        scale = whole.ticks_per_quarter / score.ticks_per_quarter
        assert scale >= 1
        mine = whole.notes.take(
            (whole.notes.part >= first) & (whole.notes.part < first + len(score.parts))
        )
        exact = int(scale) == scale
        for name in ("start_ticks", "end_ticks"):
            assert_allclose(
                np.sort(getattr(mine, name)),
                np.sort(getattr(score.notes, name)) * scale,
                rtol=0,
                atol=0 if exact else 0.5,
            )
        first += len(score.parts)


def test_resolutions_meet_at_their_least_common_multiple():
    # Triplets at 12 ticks a quarter, quintuplets at 20: both are whole at 60.
    whole = merge([kit((4, 4, 42), ticks_per_quarter=12), kit((8, 4, 46), ticks_per_quarter=20)])
    assert whole.ticks_per_quarter == 60
    assert hits(whole) == [(20, 20, 42, 0), (24, 12, 46, 1)]


def test_resolutions_that_do_not_meet_round_to_the_finest():
    whole = merge(
        [kit((1, 1, 42), ticks_per_quarter=32766), kit((16383, 1, 46), ticks_per_quarter=32767)]
    )
    assert whole.ticks_per_quarter == 32767
    assert hits(whole) == [(1, 1, 42, 0), (16383, 1, 46, 1)]


def test_the_first_score_gives_the_maps():
    first = Score(
        12,
        parts=(PIANO,),
        tempos=TempoMap.from_rows([(0, 500_000), (12, 400_000)]),
        metres=MetreMap.from_rows([(0, 3, 4), (36, 4, 4)]),
        keys=KeyMap.from_rows([(6, 2, True)]),
        controls=Controls.from_rows([(1, SUSTAIN, 127, 0)]),
        bends=Bends.from_rows([(2, 100, 0)]),
        texts=(Text(3, "lyric", "la", 0),),
        source=Source("a.mid"),
    )
    second = Score(
        24,
        parts=(KIT,),
        controls=Controls.from_rows([(1, 7, 9, 0)]),
        texts=(Text(5, "lyric", "hey", 0), Text(5, "marker", "B")),
    )
    whole = merge([first, second])
    assert whole.tempos == TempoMap.from_rows([(0, 500_000), (24, 400_000)])
    assert whole.metres == MetreMap.from_rows([(0, 3, 4), (72, 4, 4)])
    assert whole.keys == KeyMap.from_rows([(12, 2, True)])
    assert whole.controls == Controls.from_rows([(1, 7, 9, 1), (2, SUSTAIN, 127, 0)])
    assert whole.bends == Bends.from_rows([(4, 100, 0)])
    assert set(whole.texts) == {
        Text(6, "lyric", "la", 0),
        Text(5, "lyric", "hey", 1),
        Text(5, "marker", "B"),
    }
    assert whole.source is None


def test_percussion_gives_way_to_kicks_and_snares():
    drums = kit((0, 60, 36), (480, 60, 38), (240, 60, 42), (960, 60, 35), (1440, 60, 40))
    shaker = kit((0, 60, 70), (240, 60, 70), (480, 1, 70), (960, 240, 36), (1440, 60, 36))
    whole = merge([drums, shaker], percussion=[1])
    assert [hit for hit in hits(whole) if hit[3] == 0] == hits(drums)
    assert [hit[:3] for hit in hits(whole) if hit[3] == 1] == [
        (1, 59, 70),
        (240, 60, 70),  # with a hi-hat: stays
        (481, 1, 70),
        (961, 239, 36),  # a kick of its own gives way, too
        (1441, 59, 36),
    ]


def test_percussion_gives_way_to_drums_only_and_only_with_its_drums():
    melody = kit((0, 60, 36)).replace(parts=(PIANO,))
    shaker = kit((0, 60, 70))
    assert [hit[0] for hit in hits(merge([melody, shaker], percussion=[1]))] == [0, 0]
    assert [hit[0] for hit in hits(merge([melody, kit((0, 60, 36))], percussion=[0]))] == [0, 0]
    # Two scores that both give way do not push each other.
    assert [hit[0] for hit in hits(merge([shaker, kit((0, 60, 36))], percussion=[0, 1]))] == [0, 0]


@given(st.tuples(*[scores(drums=True, ticks_per_quarter=24, max_quarters=2)] * 2))
def test_only_percussion_that_collides_moves_and_by_one_tick(several):
    plain, moved = merge(several), merge(several, percussion={0})
    # The parts of score 0 come first. A hit that moves may change places with another.
    own = len(several[0].parts)
    strong = {s for s, _, pitch, part in hits(plain) if part >= own and pitch in KICKS_AND_SNARES}
    expected = [
        (s + 1, max(d - 1, 1), pitch, part) if part < own and s in strong else (s, d, pitch, part)
        for s, d, pitch, part in hits(plain)
    ]
    assert sorted(hits(moved)) == sorted(expected)


def test_merging_nothing_or_percussion_that_is_not_there_is_refused():
    with pytest.raises(UsageError, match="nothing to merge"):
        merge([])
    for index in (-1, 1):
        with pytest.raises(UsageError, match=f"score {index}, but there are 1"):
            merge([Score()], percussion=[index])
