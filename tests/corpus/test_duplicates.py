"""Near-duplicates are found, and different music is left apart."""

from __future__ import annotations

import time
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.duplicates import made_up, planted, read
from woodshed.corpus.duplicates import (
    DuplicateSettings,
    _in_order,
    compare,
    find_duplicates,
    group_duplicates,
    rarity,
)
from woodshed.corpus.passage_index import PassageIndex
from woodshed.corpus.passages import PassagePrints, passage_prints
from woodshed.music.notes import Notes
from woodshed.music.score import Part, Score
from woodshed.music.transform import slice_bars, transpose


def originals(count: int, seed: int = 0) -> list[Score]:
    return [score for score, copy_of in made_up(2 * count, seed) if copy_of is None][:count]


def test_planted_copies_are_found_and_nothing_else() -> None:
    scores = originals(60)
    rng = np.random.default_rng(1)
    copies = [planted(score, rng, 0.1) for score in scores[:40]]
    groups = group_duplicates([passage_prints(s) for s in scores + copies])
    assert groups.dtype == np.int32
    assert groups.tolist() == [*range(60), *range(40)]


def test_an_excerpt_goes_with_its_piece() -> None:
    scores = originals(30)
    excerpts = [slice_bars(score, 3, 12) for score in scores]
    groups = group_duplicates([passage_prints(s) for s in scores + excerpts])
    assert (groups[:30] == groups[30:]).mean() >= 0.95
    assert len(set(groups.tolist())) == 30


@given(st.lists(st.tuples(*[st.integers(0, 9)] * 2, st.integers(1, 9)), min_size=1, max_size=12))
def test_the_best_order_is_that_of_a_search_through_all(shared: list[tuple[int, int, int]]) -> None:
    def best_after(row: tuple[int, int, int]) -> int:
        later = [best_after(r) for r in shared if r[0] > row[0] and r[1] > row[1]]
        return row[2] + max(later, default=0)

    columns = [list(column) for column in zip(*shared, strict=True)]
    assert _in_order(*columns) == max(best_after(row) for row in shared)


def test_the_order_of_pieces_changes_only_the_numbers() -> None:
    prints = [passage_prints(score) for score, _ in made_up(120, seed=2)]
    order = np.random.default_rng(0).permutation(len(prints))
    groups = group_duplicates(prints)
    turned = group_duplicates([prints[row] for row in order])
    assert len({*zip(groups[order].tolist(), turned.tolist(), strict=True)}) == len(set(groups))
    assert len(set(groups.tolist())) == len(set(turned.tolist())) == 108


def test_groups_are_numbered_by_their_first_members() -> None:
    one, other, third = (passage_prints(score) for score in originals(3))
    assert group_duplicates([one, other, one, third, other]).tolist() == [0, 1, 0, 2, 1]


def test_a_riff_that_many_pieces_share_joins_none_of_them() -> None:
    """Forty pieces open with one riff of sixteen notes: a chain that must not form."""
    riff = next(iter(originals(1, seed=9))).notes.take(slice(0, 32))
    scores = []
    for score in originals(40, seed=3):
        notes = score.notes
        later = notes.replace(start_ticks=notes.start_ticks + riff.end_ticks.max())
        scores.append(score.replace(notes=Notes.concatenate([riff, later])))
    assert len(set(group_duplicates([passage_prints(s) for s in scores]).tolist())) == 40


def test_many_copies_of_one_piece_are_one_group() -> None:
    """More copies than the neighbours each is compared with."""
    rng = np.random.default_rng(0)
    (score,) = originals(1)
    copies = [passage_prints(planted(score, rng, 0.1)) for _ in range(60)]
    others = [passage_prints(s) for s in originals(20, seed=5)]
    groups = group_duplicates(copies + others)
    assert set(groups[:60].tolist()) == {0}
    assert len(set(groups.tolist())) == 21


def test_a_short_exact_copy_is_found_in_another_key() -> None:
    def loop(pitches: tuple[int, ...]) -> Score:
        rows = [(n * 240, 240, pitch, 80, 0) for n, pitch in enumerate(pitches)]
        return Score(480, Notes.from_rows(rows), (Part("bass"),))

    pieces = [loop((36, 36, 39, 41)), loop((36, 38, 39, 41)), loop((41, 41, 44, 46)), loop(())]
    assert group_duplicates([passage_prints(p) for p in pieces]).tolist() == [0, 1, 0, 2]


def test_drums_alone_do_not_join_two_songs() -> None:
    rng = np.random.default_rng(0)
    hits = 300
    start = np.cumsum(rng.choice((60, 120, 240), hits))
    pitch = rng.choice((36, 38, 42), hits)
    groove = Notes(start, np.full(hits, 60), pitch, np.full(hits, 90), np.full(hits, 2))
    songs = [
        score.replace(
            notes=Notes.concatenate([score.notes, groove]),
            parts=(*score.parts, Part("drums", is_drum=True)),
        )
        for score in originals(5)
    ]
    assert group_duplicates([passage_prints(s) for s in songs]).tolist() == [0, 1, 2, 3, 4]
    alone = [s.replace(notes=s.notes.take(s.notes.part == 2)) for s in songs[:2]]
    assert group_duplicates([passage_prints(s) for s in alone]).tolist() == [0, 0]


@pytest.mark.parametrize("count", [0, 1, 3])
def test_pieces_without_prints_stay_alone(count: int) -> None:
    assert group_duplicates([PassagePrints.empty()] * count).tolist() == list(range(count))


def test_a_pair_says_what_speaks_for_it() -> None:
    scores = originals(8)
    prints = [passage_prints(s) for s in [*scores, transpose(scores[3], 4)]]
    (pair,) = find_duplicates(prints).pairs
    assert (pair.a, pair.b, pair.transposition, pair.is_whole) == (3, 8, 4, True)
    assert pair.bars[0] == pair.bars[1]
    assert pair.share > 0.5
    index = PassageIndex.of(prints)
    assert compare(3, 8, prints, index) == pair
    assert compare(2, 8, prints, index) is None


def test_shared_passages_count_only_at_one_distance_in_pitch() -> None:
    """Twenty passages in one order: a copy where all lie a third higher, else chance."""
    rng = np.random.default_rng(0)
    hashes = np.sort(rng.integers(2**60, 2**62, 20))

    def piece(pitches: list[int]) -> PassagePrints:
        rows = enumerate(zip(hashes.tolist(), pitches, strict=True))
        return PassagePrints.from_rows((h, n * 480, n // 4, p, 0, 0) for n, (h, p) in rows)

    low = piece([60 + n % 7 for n in range(20)])
    assert group_duplicates([low, piece([64 + n % 7 for n in range(20)])]).tolist() == [0, 0]
    assert group_duplicates([low, piece([60 + 5 * n % 24 for n in range(20)])]).tolist() == [0, 1]


def test_more_evidence_can_be_asked_for() -> None:
    rng = np.random.default_rng(0)
    scores = originals(10)
    prints = [passage_prints(s) for s in [*scores, *(planted(s, rng, 0.1) for s in scores)]]
    strict = DuplicateSettings(enough=1e9, share=0.99)
    assert len(set(group_duplicates(prints, strict).tolist())) == 20


def test_what_all_have_is_worth_little() -> None:
    worth = rarity(np.array([1, 2, 100, 100_000]), 100_000)
    assert worth[0] == pytest.approx(1)
    assert worth[1] > 0.85
    assert worth[3] < 0.01
    assert (np.diff(worth) < 0).all()


@pytest.mark.slow
def test_time_grows_in_step_with_the_pieces() -> None:
    prints = [passage_prints(score) for score, _ in made_up(4000)]
    seconds = {}
    for size in (1000, 4000):
        begun = time.perf_counter()
        group_duplicates(prints[:size])
        seconds[size] = time.perf_counter() - begun
    assert seconds[4000] < 12 * seconds[1000] + 0.5  # all pairs would take sixteen times as long


def test_versions_of_a_song_are_found(test_data: Path) -> None:
    songs = read(test_data, ("pop909/0*/*.mid", "pop909-versions/**/*.mid"))
    groups = group_duplicates([passage_prints(score) for score in songs.values()])
    group = dict(zip(songs, groups.tolist(), strict=True))
    known = {name.split("/")[1]: group[name] for name in songs if name.startswith("pop909/")}
    versions = {n: n.split("/")[1] for n in songs if n.startswith("pop909-versions/")}
    found = [group[name] == known[song] for name, song in versions.items() if song in known]
    assert len(found) == len(versions) == 62
    assert np.mean(found) >= 0.95
    assert len(set(known.values())) >= len(known) - 1  # 017 and 018 are one song


def test_performances_of_a_movement_are_together(test_data: Path) -> None:
    scores = read(test_data, ("asap-maestro/**/*.mid",))
    groups = group_duplicates([passage_prints(score) for score in scores.values()])
    movements: dict[str, list[int]] = {}
    for name, group in zip(scores, groups.tolist(), strict=True):
        movements.setdefault(name.rsplit("/", 1)[0], []).append(group)
    several = [members for members in movements.values() if len(members) > 1]
    together = sum(Counter(members).most_common(1)[0][1] for members in several)
    assert together >= 0.95 * sum(map(len, several))
    # Different movements apart: what is joined are versions with and without repeats.
    folders: dict[int, set[str]] = {}
    for movement, members in movements.items():
        for group in members:
            folders.setdefault(group, set()).add(movement.split("_no_")[0].split("_repeat")[0])
    assert [names for names in folders.values() if len(names) > 1] == []


def test_tunes_keep_apart_and_their_copies_are_found(test_data: Path) -> None:
    scores = list(read(test_data, ("nottingham/*.mid",)).values())
    rng = np.random.default_rng(0)
    chosen = rng.permutation(len(scores))[:150]
    prints = [passage_prints(score) for score in scores]
    copies = [passage_prints(planted(scores[row], rng, 0.1)) for row in chosen]
    groups = group_duplicates(prints + copies)
    assert (groups[chosen] == groups[len(prints) :]).mean() >= 0.95
    assert len(find_duplicates(prints).pairs) <= 32  # 28 were judged: see docs/duplicates.md


def test_drum_files_are_found_where_they_are_long(test_data: Path) -> None:
    scores = read(test_data, ("groove-midi/**/*.mid",))
    scores = {name: score for name, score in scores.items() if len(score.notes) >= 200}
    rng = np.random.default_rng(0)
    copies = [passage_prints(planted(score, rng, 0.1)) for score in scores.values()]
    groups = group_duplicates([passage_prints(s) for s in scores.values()] + copies)
    assert (groups[: len(scores)] == groups[len(scores) :]).mean() >= 0.95
    assert len(set(groups[: len(scores)].tolist())) >= 0.97 * len(scores)
