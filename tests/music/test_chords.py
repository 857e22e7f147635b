"""Chords as markers name them: what is read, what is not mistaken, and what transposing leaves."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from woodshed.errors import BadMusic
from woodshed.music.chords import (
    KINDS,
    NO_KIND,
    TONES,
    Chord,
    ChordMap,
    Kind,
    chord_map,
    is_no_chord,
    parse_chord,
)
from woodshed.music.columns import MAX_TICKS
from woodshed.music.score import Score, Text
from woodshed.music.transform import transpose

READ: dict[Kind, str] = {
    "maj": "C E Bb F#maj CM C5 C6 C6/9 C69 Cadd9 C/E Bb/D B#",
    "m": "Am Am6 Am6/9 F#min C- Cmadd9 Em(maj7) EmM7 Am/C",
    "7": "C7 Bb9 E13 G11 C7#9 C7(b9) C7b9b13 C7alt C7(#9,b13) C9#11 C+7 Caug7 C7/Bb C7add13",
    "m7": "F#m7 C#m9 Cmin11 C-7 Am13 Cmi7 Dm7/G",
    "maj7": "Ebmaj7 CM7 Cma9 Cmaj13 Cmaj7#11 CΔ CΔ7 Cmaj9/E",
    "dim": "Gdim C#dim7 Co7 C° C°7",
    "m7b5": "Bm7b5 Cmin7b5 C-7b5 Cø Cø7 Cm7(b5) Cm9b5 Cm7-5",
    "aug": "Caug F+ C(#5)",
    "sus4": "Dsus D7sus4 C9sus Csus2 C13sus4 D7sus4(b9) Bb7sus4/F",
}
NO_CHORDS = (
    "Verse", "Intro", "Cue", "Drums", "End", "Fine", "Coda", "D.C.", "D.S.", "Go", "Do", "Bad",
    "Add9", "Dad", "Cab", "A1", "B2", "D3", "C'", "a", "am", "c7", "H7", "C8", "C-sharp Major",
    "A minor", "A major", "Bass", "Beat", "Gap", "Face", "Chorus", "Break", "Bridge", "Elision",
    "Animato", "Adagio", "Ebb", "", " ", "1", "I7", "C7 F7", "C7|F7", "(C7)", "C/", "C/H", "/E",
    "Cmajor", "Cdominant", "C#b7", "C77", "C7" * 30,
)  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_by_its_many_names(kind: Kind) -> None:
    for text in READ[kind].split():
        found = parse_chord(text)
        assert found is not None, text
        assert found.kind == kind, text


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("C", "Cmaj"), ("C 7", "C7"), ("C M7", "Cmaj7"), ("Dm 7", "Dm7"), ("Bdim 7", "Bdim"),
        (" Am ", "Am"), ("B♭7", "Bb7"), ("C♯m", "Dbm"), ("Gb", "F#maj"), ("Cb7", "B7"),
        ("E#m", "Fm"), ("Fb", "Emaj"), ("B#7", "C7"),
    ],
)  # fmt: skip
def test_roots_and_spelling(text: str, name: str) -> None:
    found = parse_chord(text)
    assert found is not None
    assert found.name == name


@pytest.mark.parametrize("text", NO_CHORDS)
def test_other_words_are_no_chords(text: str) -> None:
    assert parse_chord(text) is None
    assert not is_no_chord(text)


@pytest.mark.parametrize("text", ["N.C.", "NC", "N.C", " N.C. "])
def test_no_chord(text: str) -> None:
    assert is_no_chord(text)
    assert parse_chord(text) is None


CHORDS = [Chord(root, kind) for kind in KINDS for root in range(12)]


@given(st.sampled_from(CHORDS), st.integers(-40, 40))
def test_names_read_back_and_transposing_turns_the_root(chord: Chord, semitones: int) -> None:
    assert parse_chord(chord.name) == chord
    moved = chord.transposed(semitones)
    assert moved.kind == chord.kind
    assert {(moved.root + tone) % 12 for tone in TONES[moved.kind]} == {
        (chord.root + tone + semitones) % 12 for tone in TONES[chord.kind]
    }


def test_the_names_of_all_chords_differ() -> None:
    assert len({chord.name for chord in CHORDS}) == 108


def texts(*names: str) -> tuple[Text, ...]:
    return tuple(Text(96 * n, "marker", name) for n, name in enumerate(names))


def names_in(*markers: str) -> list[str]:
    return [text.text for text in chord_map(texts(*markers)).texts()]


class TestWhichMarkersAreChords:
    """Most of them must read as chords, and one be more than a letter."""

    def test_a_chart(self) -> None:
        assert names_in("C", "Am", "N.C.", "G9") == ["Cmaj", "Am", "N.C.", "G7"]

    def test_sections_by_their_letters(self) -> None:
        assert names_in("A", "A", "B", "A") == []
        assert names_in("A", "B", "C", "N.C.") == []

    def test_most_of_them(self) -> None:
        assert names_in("Intro", "C7") == []
        assert names_in("Intro", "C7", "F7") == ["C7", "F7"]
        assert names_in("N.C.", "NC") == []
        assert names_in() == []

    def test_only_markers_count(self) -> None:
        cues = tuple(Text(0, "cue", "Verse") for _ in range(9))
        assert len(chord_map((*cues, Text(0, "marker", "C7")))) == 1
        assert len(chord_map((Text(0, "lyric", "Am"),))) == 0

    def test_what_was_written_reads_back(self) -> None:
        chords = chord_map(texts("C", "F", "C6", "N.C."))
        assert chord_map(chords.texts()) == chords
        assert chord_map(chords.texts()[:1]) == chords.take(slice(1))

    def test_the_last_of_a_tick_holds_and_none_beyond_the_longest_score(self) -> None:
        markers = (Text(0, "marker", "C7"), Text(0, "marker", "F7"))
        late = Text(MAX_TICKS + 1, "marker", "G7")
        assert [text.text for text in chord_map((*markers, late)).texts()] == ["F7"]


@pytest.mark.parametrize(
    "rows", [[(0, 12, 0)], [(0, 0, NO_KIND + 1)], [(5, 0, 0), (5, 1, 0)], [(-1, 0, 0)]]
)
def test_what_cannot_be_a_chord_is_refused(rows: list[tuple[int, ...]]) -> None:
    with pytest.raises(BadMusic):
        ChordMap.from_rows(rows)
    with pytest.raises(BadMusic):
        Chord(12, "7")


def test_markers_move_with_the_music() -> None:
    score = Score(texts=(*texts("C", "F#9/E", "N.C.", "Intro", "Eb"), Text(0, "cue", "A")))
    moved = transpose(score, 2)
    markers = [text.text for text in moved.texts if text.kind == "marker"]
    assert markers == ["Dmaj", "Ab9/F#", "N.C.", "Intro", "Fmaj"]
    assert Text(0, "cue", "A") in moved.texts
    assert transpose(score, -12) == score
    sections = Score(texts=texts("A", "B", "A"))
    assert transpose(sections, 3) == sections


ANY_NAME = st.sampled_from([name for names in READ.values() for name in names.split()])


@given(st.lists(ANY_NAME | st.sampled_from(("N.C.", "Intro")), max_size=6), st.integers(-30, 30))
def test_transposing_texts_is_transposing_chords(names: list[str], semitones: int) -> None:
    score = Score(texts=texts(*names))
    before, after = chord_map(score.texts), chord_map(transpose(score, semitones).texts)
    holds = before.kind < NO_KIND
    assert np.array_equal(after.kind, before.kind)
    assert np.array_equal(after.root[holds], (before.root[holds].astype(int) + semitones) % 12)
