"""`chorale`: four tokens a step, exact round trips on the grid, and what it refuses."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests import strategies
from tests.tokens.chorales import CHORALE, cells, progression, score_of
from tests.tokens.reference import chorale_cells
from woodshed.errors import BadMusic, UsageError
from woodshed.formats.midi_read import read_midi
from woodshed.formats.midi_write import midi_bytes
from woodshed.music.notes import Notes
from woodshed.music.score import Part, Score
from woodshed.tokens.chorale import SILENT, Cells, ChoraleLimits, voices_of
from woodshed.tokens.grammar_score import grammar_score
from woodshed.tokens.grammars import grammars
from woodshed.tokens.limits import ChoraleExtremes, chorale_extremes, measured_limits
from woodshed.tokens.roundtrip import round_trip
from woodshed.tokens.vocabulary import Vocabulary

LANGUAGE = CHORALE.language
FOUR = tuple(Part(name) for name in ("Soprano", "Alto", "Tenor", "Bass"))


def names_of(score: Score) -> str:
    return " ".join(LANGUAGE.names[token] for token in CHORALE.encode(score))


def ids(text: str) -> np.ndarray:
    return np.array([LANGUAGE.id_of[name] for name in text.split()])


def test_the_tokens_of_a_bar() -> None:
    rows = [(0, 240, 67, 80, 0), (240, 240, 67, 80, 0), (0, 480, 62, 80, 1), (120, 360, 43, 80, 3)]
    score = Score(480, Notes.from_rows(rows), FOUR)
    step = "S_67 A_62 T_REST B_43"
    assert names_of(score) == f"START S_67 A_62 T_REST B_REST {step} {step} {step} END"
    told = CHORALE.decode(CHORALE.encode(score))
    assert [part.name for part in told.parts] == ["Soprano", "Alto", "Tenor", "Bass"]
    # What was struck again is held: the steps do not tell them apart.
    assert told.notes.duration_ticks.tolist() == [4, 4, 3]
    assert told.seconds(np.array([4])).tolist() == [0.75]


@given(cells())
def test_cells_come_back_exactly(told: Cells) -> None:
    ends = np.flatnonzero((told != SILENT).any(axis=1))
    heard = told[: ends[-1] + 1] if len(ends) else told[:0]
    tokens = CHORALE.told(told)
    assert np.array_equal(CHORALE.cells(tokens), told)
    score = CHORALE.decode(tokens)
    if not len(told):
        assert not score.parts
        return
    assert np.array_equal(CHORALE.cells(CHORALE.encode(score)), heard)


@given(strategies.scores(drums=False, min_parts=4, max_parts=4, words=st.just("")))
def test_what_is_encoded_is_what_the_slow_reference_hears(score: Score) -> None:
    if CHORALE.refusal(score) is not None:
        with pytest.raises(BadMusic):
            CHORALE.encode(score)
        return
    expected = chorale_cells(score, voices_of(score))
    found = CHORALE.cells(CHORALE.encode(score)).tolist()
    assert [[None if p == SILENT else p for p in step] for step in found] == expected


@given(strategies.scores(drums=False, min_parts=4, max_parts=4, every_part_plays=True))
def test_decoding_what_was_encoded_gives_the_reduced_score(score: Score) -> None:
    if CHORALE.refusal(score) is not None:
        return
    reduced, tokens = CHORALE.reduce(score), CHORALE.encode(score)
    assert CHORALE.decode(tokens) == reduced
    assert CHORALE.reduce(reduced) == reduced
    assert np.array_equal(CHORALE.encode(reduced), tokens)


@given(strategies.scores())
def test_any_score_has_its_round_trip(score: Score) -> None:
    """One that is not in four voices is told as nothing at all."""
    slots = [0] * len(score.parts)
    tokens = CHORALE.encoded_or_empty(score, slots)
    trip = round_trip(score, slots, (), tokens, CHORALE)
    assert trip.is_exact
    assert trip.notes_told + trip.notes_merged + trip.notes_left_out == len(score.notes)


@given(st.lists(st.integers(0, len(LANGUAGE) - 1), max_size=200))
def test_any_tokens_decode_to_some_score(tokens: list[int]) -> None:
    assert isinstance(CHORALE.decode(np.array(tokens, np.int64)), Score)


def test_tokens_out_of_place_are_passed_over() -> None:
    tokens = ids("START A_60 S_72 A_64 T_55 B_48 S_74 A_65 B_50 END S_71 A_62 T_55 B_43")
    assert CHORALE.cells(tokens).tolist() == [[72, 64, 55, 48], [71, 62, 55, 43]]


def test_voices_without_names_are_told_by_how_high_they_lie() -> None:
    rows = [(0, 4, 48, 80, 0), (0, 4, 72, 80, 1), (0, 4, 55, 80, 2), (0, 4, 64, 80, 3)]
    score = Score(4, Notes.from_rows(rows), tuple(Part() for _ in range(4)))
    assert CHORALE.cells(CHORALE.encode(score))[0].tolist() == [72, 64, 55, 48]


def test_channels_of_one_track_are_voices() -> None:
    told = progression(3)
    parts = tuple(Part("", 52, channel=n) for n in range(4))
    score = score_of(told).replace(parts=parts)
    read = read_midi(midi_bytes(score))
    assert np.array_equal(CHORALE.cells(CHORALE.encode(read)), told)


def test_named_voices_leave_others_out() -> None:
    rows = [(0, 4, 60 + n, 80, n) for n in range(5)]
    parts = (Part("Organ"), Part("BASS"), Part("Tenor 1"), Part("Alt"), Part("Sopran"))
    score = Score(4, Notes.from_rows(rows), parts)
    assert voices_of(score) == [4, 3, 2, 1]
    trip = round_trip(score, [0] * 5, (), CHORALE.encode(score), CHORALE)
    assert (trip.notes_told, trip.notes_left_out) == (4, 1)


def test_a_voice_that_never_sings_may_be_missing() -> None:
    rows = [(0, 4, 72, 80, 0), (0, 4, 48, 80, 1)]
    score = Score(4, Notes.from_rows(rows), (Part("Soprano"), Part("Bass")))
    assert CHORALE.cells(CHORALE.encode(score))[0].tolist() == [72, SILENT, SILENT, 48]


@pytest.mark.parametrize(
    ("rows", "parts", "because"),
    [
        ([(0, 4, 60, 80, 0)], (Part("piano"),), "it has 1 melodic part where chorale tells four"),
        ([], (), "it has 0 melodic parts"),
        ([(0, 4, 60, 80, 0)], (Part("Bass"),), "give soprano, alto, tenor and bass a track or a"),
        (
            [(0, 4, 60 + n, 80, n) for n in range(4)] + [(0, 4, 90, 80, 0)],
            tuple(Part(name) for name in "abcd"),
            "its part 'a' plays chords, and a voice of chorale is one line",
        ),
        ([(0, 4 * 20_001, 60 + n, 80, n) for n in range(4)], FOUR, "it lasts 80,004 sixteenths"),
    ],
)
def test_what_is_refused(
    rows: list[tuple[int, ...]], parts: tuple[Part, ...], because: str
) -> None:
    score = Score(4, Notes.from_rows(rows), parts)
    assert because in str(CHORALE.refusal(score))
    with pytest.raises(BadMusic, match=because[:20]):
        CHORALE.encode(score)
    assert CHORALE.encoded_or_empty(score).tolist() == ids("START END").tolist()


@given(cells(1), st.integers(-6, 6))
def test_transposition_moves_every_voice(told: Cells, semitones: int) -> None:
    table = LANGUAGE.transposition((semitones,))[0]
    moved = CHORALE.cells(table[CHORALE.told(told)])
    inner = (told != SILENT) & (told + semitones >= 0) & (told + semitones < 128)
    assert np.array_equal(moved[inner], told[inner] + semitones)
    assert np.array_equal(moved == SILENT, told == SILENT)


@given(st.lists(cells(1), min_size=1, max_size=4))
def test_pieces_keep_to_the_limits_measured_over_them(pieces: list[Cells]) -> None:
    tokens = [CHORALE.told(told) for told in pieces]
    extremes = [chorale_extremes(piece, CHORALE) for piece in tokens]
    limits = measured_limits(extremes, CHORALE)
    if not any((told != SILENT).any() for told in pieces):
        assert limits == ChoraleLimits()
        return
    form, limited = grammars(CHORALE, limits)
    for piece, extreme in zip(tokens, extremes, strict=True):
        assert form.legal(piece).all()
        assert limited.legal(piece).all() or not extreme.cells


def test_the_extremes_of_a_piece() -> None:
    rest, chord, other = [SILENT] * 4, [72, 64, 55, 48], [74, 65, 57, 50]
    told = np.array([rest, chord, chord, chord, other, rest, rest, other])
    assert chorale_extremes(CHORALE.told(told), CHORALE) == ChoraleExtremes(20, 3, 2, 1)


def test_collapses_are_beyond_the_limits_and_score_low() -> None:
    limits = ChoraleLimits(still=8, rests=4, lead_rests=2)
    form, limited = grammars(CHORALE, limits)
    good = CHORALE.told(progression(1, 32))
    found = grammar_score(good, CHORALE, form, limited)
    assert found.score == 1
    assert found.notes == 4 * 4 * 32
    for told in (np.tile(progression(1)[:1], (200, 1)), np.full((64, 4), SILENT)):
        tokens = CHORALE.told(told)
        assert form.legal(tokens).all()
        assert not limited.legal(tokens).all()
    shuffled = np.random.default_rng(0).permutation(good)
    assert grammar_score(shuffled, CHORALE, form, limited).score < 0.3
    loop = CHORALE.told(np.tile(progression(2, 2), (24, 1)))
    assert grammar_score(loop, CHORALE, form, limited).unrepeated < 0.5


@given(cells(1), cells(1))
def test_a_prompt_is_told_in_what_a_model_knows(told: Cells, corpus: Cells) -> None:
    counts = np.bincount(CHORALE.told(corpus), minlength=len(LANGUAGE))
    own = Vocabulary.used(LANGUAGE, counts)
    found = own.localise(CHORALE.told(told)[:-1], CHORALE)
    tokens = own.globalise(found.tokens)
    assert own.available[tokens].all()
    assert CHORALE.grammar(ChoraleLimits(10**6, 10**6, 10**6)).legal(tokens).all()
    became = CHORALE.cells(tokens)
    assert len(became) == len(told)
    for voice in range(4):
        known = set(corpus[:, voice].tolist())
        for before, after in zip(told[:, voice], became[:, voice], strict=True):
            assert after == before or before not in known


def test_a_voice_the_model_never_heard_is_an_error() -> None:
    own = Vocabulary.used(LANGUAGE, np.zeros(len(LANGUAGE), np.int64))
    with pytest.raises(UsageError, match="the model has never heard a soprano"):
        own.localise(CHORALE.told(progression(1)), CHORALE)


def test_the_published_chorales_come_back(test_data: Path) -> None:
    from benchmarks.chorales import chorales_of

    pieces = chorales_of(test_data / "jsb-chorales" / "Jsb16thSeparated.json")
    assert sum(len(cells) for cells in pieces["validation"]) == 18_408
    for own in pieces.values():
        for told in own:
            read = read_midi(midi_bytes(score_of(told)))
            assert np.array_equal(CHORALE.cells(CHORALE.encode(read)), told)
