"""Passages survive another key, tempo and order of tracks, and the index finds who has them."""

from __future__ import annotations

import contextlib
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.corpus.passages_reference import reference_prints
from tests.strategies import scores
from woodshed.corpus import passages
from woodshed.corpus.folder import list_midi
from woodshed.corpus.passage_index import PassageIndex, shared_rows
from woodshed.corpus.passages import (
    ALL_PARTS,
    WHOLE_BELOW,
    PassagePrints,
    PassageSettings,
    passage_prints,
)
from woodshed.errors import BadFile
from woodshed.formats.frames import DTYPES
from woodshed.formats.midi_read import read_midi
from woodshed.music.columns import schema
from woodshed.music.merge import merge
from woodshed.music.notes import Notes
from woodshed.music.score import Part, Score
from woodshed.music.transform import scale_tempo, transpose

GOLDEN = [2809896937922495, 9297527202822865, 683538962517032797]
"""What the first prints were when the hash was settled: stored datasets rely on it."""


def walk(seed: int, notes: int = 150, parts: int = 2) -> Score:
    """Parts that wander by steps and leaps, in sixteenths to quarters."""
    rng = np.random.default_rng(seed)
    tables = []
    for part in range(parts):
        gaps = rng.choice((120, 240, 480), notes)
        pitch = 60 - 12 * part + (np.cumsum(rng.integers(-4, 5, notes)) + 12) % 25 - 12
        start = np.cumsum(gaps) - gaps
        rows = zip(start.tolist(), gaps.tolist(), pitch.tolist(), strict=True)
        tables.append(Notes.from_rows((*row, 80, part) for row in rows))
    return Score(480, Notes.concatenate(tables), tuple(Part(f"part {n}") for n in range(parts)))


def drums(seed: int, hits: int = 120) -> Score:
    rng = np.random.default_rng(seed)
    start = np.cumsum(rng.choice((60, 120, 240), hits))
    pitch = rng.choice((36, 38, 42, 49), hits)
    notes = Notes(start, np.full(hits, 60), pitch, np.full(hits, 90), np.zeros(hits, np.int64))
    return Score(480, notes, (Part("drums", is_drum=True),))


def line(pitches: list[int], gap: int = 240) -> Score:
    rows = [(n * gap, gap, pitch, 80, 0) for n, pitch in enumerate(pitches)]
    return Score(480, Notes.from_rows(rows), (Part("tune"),))


def shared(a: Score, b: Score) -> float:
    """How much of the first score's prints the second has."""
    one, other = passage_prints(a), passage_prints(b)
    return len(shared_rows(one.hash, other.hash)[0]) / len(one)


@pytest.mark.parametrize("semitones", [-7, 1, 5, 12])
def test_another_key_has_the_same_passages(semitones: int) -> None:
    score = walk(1)
    assert np.array_equal(
        passage_prints(transpose(score, semitones)).hash, passage_prints(score).hash
    )


def test_another_tempo_has_the_same_prints() -> None:
    score = walk(2)
    assert passage_prints(scale_tempo(score, 1.7)) == passage_prints(score)


def test_the_same_rhythm_in_other_ticks_has_the_same_passages() -> None:
    score = walk(3)
    notes = score.notes
    slow = score.replace(
        notes=notes.replace(start_ticks=notes.start_ticks * 3, duration_ticks=notes.duration_ticks)
    )
    assert np.array_equal(passage_prints(slow).hash, passage_prints(score).hash)


def test_the_order_of_tracks_does_not_matter() -> None:
    score = walk(4, parts=3)
    order = np.array([2, 0, 1])
    parts = tuple(score.parts[n] for n in np.argsort(order))
    turned = score.replace(parts=parts, notes=score.notes.replace(part=order[score.notes.part]))
    assert np.array_equal(passage_prints(turned).hash, passage_prints(score).hash)


def test_a_tune_is_known_within_a_band() -> None:
    tune, band = passage_prints(walk(5, parts=1)), passage_prints(walk(6, parts=2))
    both = passage_prints(merge([walk(6, parts=2), walk(5, parts=1)]))
    kept = tune.take(tune.hash <= both.hash[-1])  # of the band, no more is known
    assert len(shared_rows(kept.hash, both.hash)[0]) > 0.9 * (len(kept) - 1)
    assert len(shared_rows(tune.hash, band.hash)[0]) < 5


def test_different_music_shares_nothing() -> None:
    assert max(shared(walk(n), walk(n + 1)) for n in range(10, 20)) < 0.05


def test_another_rhythm_is_another_passage() -> None:
    pitches = [60, 62, 65, 64, 60, 67, 69, 65, 62, 64] * 3
    even = line(pitches)
    rows = [(t * 240 + (200 if t % 2 else 0), 20, p, 80, 0) for t, p in enumerate(pitches)]
    dotted = Score(480, Notes.from_rows(rows), (Part("tune"),))
    assert shared(even, dotted) < 0.1


def test_drums_are_told_by_their_rhythm_and_their_kind() -> None:
    score = drums(1)
    electric = np.where(score.notes.pitch == 36, 35, score.notes.pitch)
    assert shared(score, score.replace(notes=score.notes.replace(pitch=electric))) > 0.95
    assert shared(score, drums(2)) < 0.05
    assert passage_prints(score).is_drum.all()


def test_spread_chords_and_played_timing_do_not_hide_a_piece() -> None:
    score = walk(7)
    rng = np.random.default_rng(0)
    late = rng.integers(0, 25, len(score.notes))
    played = score.replace(notes=score.notes.replace(start_ticks=score.notes.start_ticks + late))
    assert shared(score, played) > 0.4


def test_repeated_notes_and_trills_are_no_passages() -> None:
    prints = passage_prints(line([60, 62] * 40))
    assert (prints.hash < WHOLE_BELOW).sum() == len(prints) == 1


@pytest.mark.parametrize("pitches", [[], [60], [60, 62]])
def test_hardly_any_music_has_no_prints(pitches: list[int]) -> None:
    assert len(passage_prints(line(pitches))) == 0


def test_the_whole_piece_has_a_print_that_every_note_changes() -> None:
    score = walk(8, notes=20)
    whole = [h for h in passage_prints(score).hash.tolist() if h < WHOLE_BELOW]
    pitch = score.notes.pitch.copy()
    pitch[7] += 1
    changed = passage_prints(score.replace(notes=score.notes.replace(pitch=pitch)))
    assert len(whole) == 1
    assert whole[0] not in changed.hash


def test_prints_say_where_they_are_heard() -> None:
    score = walk(9)
    prints = passage_prints(score)
    assert np.array_equal(prints.bar, score.bar(prints.start_ticks))
    onsets = set(zip(score.notes.start_ticks.tolist(), score.notes.pitch.tolist(), strict=True))
    rows = zip(prints.start_ticks.tolist(), prints.pitch.tolist(), strict=True)
    assert set(rows) <= onsets
    assert set(prints.part.tolist()) <= {0, 1, ALL_PARTS}


def test_a_long_piece_keeps_a_limited_choice_that_an_excerpt_shares() -> None:
    score = walk(10, notes=3000)
    assert len(passage_prints(score)) == PassageSettings().most
    rows = score.notes.start_ticks < score.notes.start_ticks[-1] // 2
    half = passage_prints(score.replace(notes=score.notes.take(rows)))
    full = passage_prints(score)
    below = half.hash[half.hash <= full.hash[-1]]
    assert np.isin(below, full.hash).mean() > 0.95


def test_every_stretch_leaves_prints_when_none_are_dropped() -> None:
    """Of `window` neighbouring passages one is kept: no shared stretch longer than that is lost."""
    settings = PassageSettings(most=None, window=4)
    score = walk(11, notes=400, parts=1)
    tail = score.replace(notes=score.notes.take(slice(200, 210)))  # 5 passages of 6 notes
    inside = score.notes.start_ticks[200:205]
    prints = passage_prints(score, settings)
    assert len(tail.notes) == 10
    assert np.isin(prints.start_ticks, inside).any()


@given(scores())
def test_any_score_has_sorted_prints_that_can_be_sent(score: Score) -> None:
    prints = passage_prints(score)
    assert (np.diff(prints.hash) > 0).all()
    assert (prints.hash >= 0).all()
    assert prints == passage_prints(score)
    assert all(dtype.str in DTYPES for _, dtype in schema(PassagePrints))


def test_prints_are_the_same_on_every_machine() -> None:
    prints = passage_prints(line([60, 62, 64, 65, 67, 69, 71, 72] * 4))
    assert prints.hash[:3].tolist() == GOLDEN


@pytest.fixture(params=["plain", "compiled"])
def form(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """The loops as plain Python, or as numba compiles them."""
    for name in ("_DRAW", "_CUT"):
        chosen = getattr(passages, name).form if request.param == "compiled" else None
        monkeypatch.setattr(passages, name, SimpleNamespace(after=lambda _, chosen=chosen: chosen))


def as_reference(score: Score, settings: PassageSettings) -> list[tuple[int, ...]]:
    prints = passage_prints(score, settings)
    columns = (prints.hash, prints.start_ticks, prints.pitch, prints.part, prints.is_drum)
    rows = zip(*(column.tolist() for column in columns), strict=True)
    return [row for row in rows if row[0] >= WHOLE_BELOW]


ALL_PRINTS = PassageSettings(most=None)


@pytest.mark.usefixtures("form")
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(scores(), st.integers(1, 4))
def test_both_forms_agree_with_a_slow_reference(score: Score, window: int) -> None:
    wanted = PassageSettings(most=None, notes=3, short_notes=3, long_line=4, window=window)
    assert as_reference(score, wanted) == reference_prints(score, wanted)


@pytest.mark.usefixtures("form")
@pytest.mark.parametrize("score", [walk(31), walk(32, 30, 3), drums(3), merge([walk(4), drums(5)])])
def test_songs_have_the_prints_of_the_reference(score: Score) -> None:
    assert as_reference(score, ALL_PRINTS) == reference_prints(score, ALL_PRINTS)


def test_of_many_prints_the_smallest_hashes_are_kept() -> None:
    score = walk(40, notes=3000)
    every, few = passage_prints(score, ALL_PRINTS), passage_prints(score)
    assert len(few) == PassageSettings().most
    assert few == every.take(slice(len(few)))


def test_real_music_has_the_prints_of_the_reference(test_data: Path) -> None:
    checked = 0
    for path in list_midi(test_data).paths[::150]:
        with contextlib.suppress(BadFile):
            score = read_midi(path)
            assert as_reference(score, ALL_PRINTS) == reference_prints(score, ALL_PRINTS), path
            checked += 1
    assert checked > 20


class TestIndex:
    def test_finds_who_has_a_passage(self) -> None:
        pieces = [passage_prints(walk(n)) for n in range(20)]
        index = PassageIndex.of(pieces)
        hits = index.matches(pieces[7])
        assert np.bincount(hits.piece, minlength=20)[7] == len(pieces[7])
        assert np.bincount(hits.piece, minlength=20).argmax() == 7

    @given(st.lists(st.sets(st.integers(0, 12), max_size=8), max_size=12), st.integers(1, 12))
    def test_agrees_with_a_plain_search(self, pieces: list[set[int]], most: int) -> None:
        tables = [_prints(sorted(piece)) for piece in pieces]
        index = PassageIndex.of(tables)
        asked = _prints(list(range(13)))
        owners = [[n for n, piece in enumerate(pieces) if h in piece] for h in range(13)]
        assert index.counts(asked.hash).tolist() == [len(o) for o in owners]
        hits = index.matches(asked, most)
        found = list(zip(hits.row.tolist(), hits.piece.tolist(), strict=True))
        assert found == [(h, n) for h, o in enumerate(owners) if len(o) <= most for n in o]

    def test_an_empty_index_finds_nothing(self) -> None:
        index = PassageIndex.of([])
        assert len(index.matches(passage_prints(walk(0)))) == 0

    def test_needs_eight_bytes_a_print(self) -> None:
        pieces = [passage_prints(walk(n)) for n in range(5)]
        assert PassageIndex.of(pieces).keys.nbytes == 8 * sum(len(p) for p in pieces)


def _prints(numbers: list[int]) -> PassagePrints:
    return PassagePrints.from_rows(((n + 1) << 56, 0, 0, 0, 0, 0) for n in numbers)


def test_performances_share_passages_with_their_score(test_data: Path) -> None:
    folder = test_data / "asap-maestro" / "Chopin" / "Ballades" / "1"
    written = read_midi(folder / "midi_score.mid")
    played = [read_midi(p) for p in sorted(folder.glob("*.mid")) if p.name != "midi_score.mid"][:4]
    other = read_midi(test_data / "asap-maestro" / "Bach" / "Fugue" / "bwv_848" / "Lee01M.mid")
    assert min(shared(written, score) for score in played) > 0.1
    assert shared(written, other) < 0.05
