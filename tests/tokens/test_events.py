"""`events`: what is written reads back exactly, in made-up scores and in every real file."""

from __future__ import annotations

import itertools
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests import strategies
from tests.tokens.charts import charted, with_chords
from tests.tokens.reference import event_chords, event_notes
from woodshed.corpus.folder import list_midi
from woodshed.errors import UsageError
from woodshed.formats.midi_contained import read_many
from woodshed.music.grid import Grid
from woodshed.music.lineup import load_lineup
from woodshed.music.notes import Notes
from woodshed.music.score import Part, Score
from woodshed.music.time import KeyMap, MetreMap, TempoMap
from woodshed.music.transform import transpose
from woodshed.tokens.events import DURATION_STEPS, TEMPOS_BPM, Events

BAND = load_lineup("band")
EVENTS = Events(BAND, ("feel=shuffle", "feel=straight"))
DRUMS = [slot.drums for slot in BAND.slots]


def slots_of(score: Score) -> list[int | None]:
    return [place.slot for place in BAND.place(score.parts)]


def told(score: Score) -> list[tuple[int, int, int, int, int]]:
    """The notes of a reduced score as the reference tells them."""
    slot = [next(n for n, s in enumerate(BAND.slots) if s.name == p.name) for p in score.parts]
    n = score.notes
    rows = zip(
        n.start_ticks.tolist(), n.part.tolist(), n.pitch.tolist(), n.velocity.tolist(),
        n.duration_ticks.tolist(), strict=True,
    )  # fmt: skip
    return sorted(
        (step, slot[part], pitch, velocity, length) for step, part, pitch, velocity, length in rows
    )


def told_bars(tokens: np.ndarray) -> list[int]:
    """Where the bars begin, by the tokens alone."""
    starts, end = [], 0
    for name in (EVENTS.language.names[token] for token in tokens):
        if name.startswith("BAR_"):
            numerator, denominator = map(int, name[4:].split("/"))
            starts.append(end)
            end += numerator * 96 // denominator
        elif name.startswith("CUT_"):
            end = starts[-1] + int(name[4:])
    return starts


@given(charted(), st.data())
def test_decoding_what_was_encoded_gives_the_reduced_score(
    score: Score, data: st.DataObject
) -> None:
    some_slot = st.none() | st.integers(0, len(BAND.slots) - 1)
    slots = data.draw(st.lists(some_slot, min_size=len(score.parts), max_size=len(score.parts)))
    reduced = EVENTS.reduce(score, slots)
    tokens = EVENTS.encode(score, slots, ["feel=shuffle"])
    assert EVENTS.decode(tokens) == reduced
    assert told(reduced) == event_notes(score, slots, DRUMS)
    chords = [(text.ticks, text.text) for text in reduced.texts]
    assert chords == event_chords(score, told_bars(tokens))
    own_slots = [n for n, s in enumerate(BAND.slots) if s.name in {p.name for p in reduced.parts}]
    assert EVENTS.reduce(reduced, own_slots) == reduced
    assert np.array_equal(EVENTS.encode(reduced, own_slots, ["feel=shuffle"]), tokens)


@given(strategies.scores())
def test_every_note_stays_in_its_bar(score: Score) -> None:
    slots = slots_of(score)
    reduced = EVENTS.reduce(score, slots)
    if not len(reduced.notes):
        return
    grid = Grid.of(score)
    steps = np.unique(grid.steps(score.notes.start_ticks))
    long_bars = int(grid.bars.length_steps.max()) > 384
    if not long_bars:
        assert reduced.bar(steps).tolist() == grid.bar_of(steps).tolist()


def test_the_tokens_of_two_bars() -> None:
    notes = Notes.from_rows(
        [(0, 480, 40, 100, 0), (0, 10, 36, 90, 1), (720, 240, 43, 80, 0), (1920, 480, 45, 64, 0)]
    )
    score = Score(
        notes=notes, parts=(Part("Bass", 33), Part("", 0, is_drum=True)),
        tempos=TempoMap.constant(120), keys=KeyMap.from_rows([(0, 1, 1)]),
    )  # fmt: skip
    names = [EVENTS.language.names[t] for t in EVENTS.encode(score, [4, 5], ["feel=straight"])]
    assert names == [
        "START",
        "TEMPO_120",
        "KEY_Em",
        "SLOT_bass",
        "SLOT_drums",
        "TAG_feel=straight",
        "BAR_4/4",
        "INST_bass",
        "VEL_102",
        "PITCH_40",
        "DUR_24",
        "INST_drums",
        "VEL_90",
        "DRUM_36",
        "SHIFT_36",
        "INST_bass",
        "VEL_82",
        "PITCH_43",
        "DUR_12",
        "BAR_4/4",
        "INST_bass",
        "VEL_66",
        "PITCH_45",
        "DUR_24",
        "END",
    ]


def test_a_pickup_and_a_new_metre_survive() -> None:
    metres = MetreMap.from_rows([(0, 4, 4), (480, 3, 4), (480 + 2 * 1440, 7, 8)])
    starts = (0, 480, 1920, 3360, 5040)
    score = Score(
        notes=Notes.from_rows([(at, 240, 60, 80, 0) for at in starts]),
        parts=(Part(),),
        metres=metres,
    )
    again = EVENTS.decode(EVENTS.encode(score, [3]))
    assert again.metres == MetreMap.from_rows([(0, 4, 4), (24, 3, 4), (24 + 144, 7, 8)])
    assert again.bar(again.notes.start_ticks).tolist() == score.bar(list(starts)).tolist()


def test_a_bar_longer_than_any_is_told_in_pieces() -> None:
    metres = MetreMap.constant(30, 4)
    score = Score(
        notes=Notes.from_rows([(29 * 480, 480, 60, 80, 0)]), parts=(Part(),), metres=metres
    )
    assert EVENTS.decode(EVENTS.encode(score, [3])).notes.start_ticks.tolist() == [29 * 24]


def test_long_rests_are_told_by_bars_never_by_shifts_in_a_row(test_data: Path) -> None:
    shift = EVENTS.language.row("SHIFT")
    for outcome in read_many(list_midi(test_data / "pop909").paths[:40]):
        score = outcome.unwrap()
        group = EVENTS.language.group_of[EVENTS.encode(score, slots_of(score))]
        assert not np.any((group[1:] == shift) & (group[:-1] == shift))


def test_every_real_file_comes_back_exactly(test_data: Path) -> None:
    different, count = [], 0
    for outcome in read_many(list_midi(test_data).paths):
        if outcome.value is None:
            continue
        score = outcome.value
        slots = slots_of(score)
        reduced = EVENTS.reduce(score, slots)
        count += 1
        if EVENTS.decode(EVENTS.encode(score, slots)) != reduced:
            different.append(outcome.path)
    assert count > 1000
    assert different == []


def test_chords_stand_where_bars_begin() -> None:
    notes = Notes.from_rows([(bar * 1920, 240, 40, 64, 0) for bar in range(7)])
    score = with_chords(
        Score(notes=notes, parts=(Part("Bass", 33),)),
        (1920, "C7"), (2880, "G7"), (3840, "C9"), (5761, "Fm6/C"), (9599, "N.C."),
        (99_999, "Bb"),
    )  # fmt: skip
    names = [EVENTS.language.names[token] for token in EVENTS.encode(score, [4])]
    after_bars = [b for a, b in itertools.pairwise(names) if a.startswith("BAR")]
    assert after_bars == [
        "INST_bass", "CHORD_C7", "CHORD_C7", "CHORD_Fm", "CHORD_Fm", "INST_bass", "INST_bass"
    ]  # fmt: skip
    assert [(text.ticks, text.text) for text in EVENTS.reduce(score, [4]).texts] == [
        (96, "C7"), (288, "Fm"), (480, "N.C.")
    ]  # fmt: skip


def test_a_chord_follows_the_cut_of_its_bar() -> None:
    score = with_chords(
        Score(
            notes=Notes.from_rows([(0, 240, 60, 80, 0), (480, 240, 60, 80, 0)]),
            parts=(Part(),),
            metres=MetreMap.from_rows([(0, 4, 4), (480, 4, 4)]),
        ),
        (0, "E7"),
    )
    names = [EVENTS.language.names[token] for token in EVENTS.encode(score, [3])]
    bars = [name for name in names if name.split("_")[0] in ("BAR", "CUT", "CHORD")]
    assert bars == ["BAR_4/4", "CUT_24", "CHORD_E7", "BAR_4/4", "CHORD_E7"]


@pytest.mark.parametrize("markers", [("A", "A", "B", "A"), ("Verse", "C7", "Solo"), ("N.C.",), ()])
def test_music_whose_markers_are_no_chords_has_no_chord_tokens(markers: tuple[str, ...]) -> None:
    plain = Score(notes=Notes.from_rows([(0, 240, 60, 80, 0)]), parts=(Part(),))
    score = with_chords(plain, *enumerate(markers))
    assert np.array_equal(EVENTS.encode(score, [3]), EVENTS.encode(plain, [3]))
    assert EVENTS.reduce(score, [3]) == EVENTS.reduce(plain, [3])


def test_chords_out_of_place_are_passed_over() -> None:
    words = "START CHORD_C7 BAR_4/4 CHORD_E7 CHORD_F7 INST_bass CHORD_G7 BAR_4/4 CHORD_E7 END"
    tokens = np.array([EVENTS.language.id_of[word] for word in words.split()])
    assert [(text.ticks, text.text) for text in EVENTS.decode(tokens).texts] == [(0, "E7")]


@given(charted(drums=False), st.integers(-7, 7))
def test_transposing_tokens_is_transposing_music(score: Score, semitones: int) -> None:
    slots: list[int | None] = [3] * len(score.parts)
    table = EVENTS.language.transposition([semitones])
    tokens = table[0][EVENTS.encode(score, slots)]
    pitches = score.notes.pitch.tolist()
    if all(0 <= pitch + semitones <= 127 for pitch in pitches):
        assert np.array_equal(tokens, EVENTS.encode(transpose(score, semitones), slots))


def test_the_roots_of_chords_go_round_and_their_kinds_stay() -> None:
    names, id_of = EVENTS.language.names, EVENTS.language.id_of
    down, up = EVENTS.language.transposition([-3, 5])
    chords = ("CHORD_Cmaj", "CHORD_Bbm7b5", "CHORD_F#7")
    assert [names[down[id_of[name]]] for name in chords] == [
        "CHORD_Amaj", "CHORD_Gm7b5", "CHORD_Eb7"
    ]  # fmt: skip
    assert [names[up[id_of[name]]] for name in chords] == ["CHORD_Fmaj", "CHORD_Ebm7b5", "CHORD_B7"]


def test_transposing_leaves_drums_alone() -> None:
    table = EVENTS.language.transposition([5])[0]
    drums = [t for t, name in enumerate(EVENTS.language.names) if name.startswith("DRUM_")]
    assert table[drums].tolist() == drums


@given(st.lists(st.integers(0, len(EVENTS.language) - 1), max_size=200))
def test_any_tokens_decode_to_some_score(tokens: list[int]) -> None:
    score = EVENTS.decode(np.array(tokens, np.int64))
    assert isinstance(score, Score)


def test_slots_for_every_part() -> None:
    with pytest.raises(UsageError, match="1 slots for 2 parts"):
        EVENTS.encode(Score(parts=(Part(), Part())), [0])


def test_a_tag_the_language_does_not_have() -> None:
    with pytest.raises(UsageError, match="no tag 'style=jazz'; use feel=shuffle, feel=straight"):
        EVENTS.encode(Score(), [], ["style=jazz"])
    with pytest.raises(UsageError, match="no tag 'style=jazz'; it was made without any"):
        Events(BAND).encode(Score(), [], ["style=jazz"])


def test_tempos_and_lengths_end_where_the_docs_say() -> None:
    assert (TEMPOS_BPM[0], TEMPOS_BPM[-1]) == (30, 293)
    assert DURATION_STEPS[-1] == 752 == 31 * 24 + 8


def test_the_layout_prints() -> None:
    command = [sys.executable, "-m", "woodshed.tokens.events"]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert "VEL_2 … VEL_126" in printed
