"""Given parts: they come out note for note, only who was asked for joins them, and all is legal."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given as drawn
from hypothesis import strategies as st

from tests.models.bigram import Bigram, bigram_of
from tests.sampling.playing import count_of, words
from tests.strategies import scores
from woodshed.corpus.prepare import prepare
from woodshed.errors import UsageError
from woodshed.formats.midi_read import read_midi
from woodshed.formats.midi_write import midi_bytes
from woodshed.models.family import NO_CONDITIONS, Conditions
from woodshed.music.notes import Notes
from woodshed.music.score import Part, Score, Text
from woodshed.music.time import KeyMap, MetreMap, TempoMap
from woodshed.sampling import particles
from woodshed.sampling.engine import Piece
from woodshed.sampling.given import given_parts
from woodshed.sampling.given_notes import limits_for, parts_of
from woodshed.sampling.given_room import Room
from woodshed.sampling.header import Header
from woodshed.sampling.particles import fit, played, systematic
from woodshed.sampling.prompt import Opening, opening
from woodshed.sampling.result import score_of
from woodshed.sampling.settings import SamplingSettings
from woodshed.tokens.events import Events
from woodshed.tokens.events_grammar import EventLimits

Music = Callable[[str], Score]

WARM = SamplingSettings(seed=4, temperature=1.0, top_p=1.0)


@pytest.fixture(scope="module")
def music(dataset: Path) -> Music:
    """The pieces of the small sample folder by their names."""
    return lambda name: read_midi(dataset.parent / "music" / f"{name}.mid")


def only(score: Score, *names: str) -> Score:
    """The score with the notes of some parts alone."""
    rows = [row for row, part in enumerate(score.parts) if part.name in names]
    return score.replace(notes=score.notes.take(np.isin(score.notes.part, rows)))


def around(
    model: Bigram, score: Score, add: Sequence[str], look_ahead: int = 1, **options: Any
) -> Opening:
    """A request to play around parts."""
    given, wanted, said = given_parts(model.info, score, add, look_ahead=look_ahead, **options)
    return dataclasses.replace(opening(model.info), wanted=wanted, given=given, said=said)


def play(
    model: Bigram, begins: Opening, *numbers: int, settings: SamplingSettings = WARM
) -> list[Piece]:
    return played(model, begins, numbers or [1], settings)


def check(model: Bigram, begins: Opening, piece: Piece) -> None:
    """All that is promised of a piece around given parts."""
    info, given = model.info, begins.given
    assert given is not None
    assert isinstance(info.language, Events)
    told, wanted = parts_of(info, piece.tokens), parts_of(info, given.tokens)
    assert tuple(note for note in told.notes if note.slot in wanted.slots) == wanted.notes
    names = [slot.name for slot in info.language.lineup.slots]
    added = {names.index(name) for name in given.added}
    assert set(told.slots) == {*wanted.slots, *added}
    assert {note.slot for note in told.notes} <= {*wanted.slots, *added}
    assert told.tempo == wanted.tempo
    assert wanted.key in (None, told.key)
    assert [bar.steps for bar in told.bars] == [bar.steps for bar in wanted.bars]
    assert [bar.metre for bar in told.bars] == [bar.metre for bar in wanted.bars]
    wide = dataclasses.replace(info, limits=limits_for(info, given.tokens))
    assert wide.grammar.legal(info.vocabulary.globalise(piece.tokens)).all()
    assert words(model, piece)[-1] == "END"


@drawn(
    scores(),
    st.integers(0, 2**63 - 1),
    st.sampled_from([1, 1, 2, 3]),
    st.sampled_from([0.0, 0.65, 1.0, 2.0]),
    st.builds(
        EventLimits, st.integers(1, 6), st.integers(1, 3), st.integers(1, 6), st.integers(1, 3),
        st.integers(1, 3),
    ),
)  # fmt: skip
def test_whatever_is_given_comes_out_and_all_is_legal(
    band: Bigram, score: Score, seed: int, look_ahead: int, temperature: float, limits: EventLimits
) -> None:
    model = dataclasses.replace(band, info=dataclasses.replace(band.info, limits=limits))
    try:
        begins = around(model, score, ["bass", "voxlead"], look_ahead)
    except UsageError:
        try:
            begins = around(model, score, ["drums"], look_ahead)
        except UsageError:
            return
    settings = SamplingSettings(seed=seed, temperature=temperature, top_p=1.0)
    (piece,) = play(model, begins, settings=settings)
    check(model, begins, piece)


@pytest.mark.parametrize("look_ahead", [1, 4])
def test_given_notes_are_those_of_the_file(band: Bigram, music: Music, look_ahead: int) -> None:
    whole = music("blues-in-a")
    score = only(whole, "Drums", "Rhythm Guitar")
    begins = around(band, score, ["bass"], look_ahead)
    assert begins.said == (
        "the given parts name no key and sound like A, which all play in; --key sets another",
    ) or not any("key" in said for said in begins.said)
    (piece,) = play(band, begins)
    check(band, begins, piece)
    out = score_of(band.info, piece, WARM)
    assert [part.name for part in out.parts] == ["guitar", "bass", "drums"]
    assert out.bar_count == 12
    assert isinstance(band.info.language, Events)
    slots = [p.slot for p in band.info.language.lineup.place(score.parts)]
    told = band.info.language.reduce(score, slots)
    for name in ("guitar", "drums"):
        assert _notes(out, name) == _notes(told, name)
    assert _notes(out, "bass")


def _notes(score: Score, name: str) -> list[tuple[int, int, int, int]]:
    part = [p.name for p in score.parts].index(name)
    notes = score.notes.take(score.notes.part == part)
    columns = (notes.start_ticks, notes.pitch, notes.duration_ticks, notes.velocity)
    return sorted(zip(*(column.tolist() for column in columns), strict=True))


@pytest.mark.parametrize("look_ahead", [1, 3])
def test_a_piece_depends_on_its_number_and_the_seed_alone(
    band: Bigram, music: Music, look_ahead: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    begins = around(band, only(music("blues-in-a"), "Drums"), ["bass", "guitar"], look_ahead)
    together = play(band, begins, *range(1, 6))
    again = play(band, begins, *range(1, 6))
    (alone,) = play(band, begins, 3)
    monkeypatch.setattr(particles, "BATCH", 4)
    in_parts = play(band, begins, *range(1, 6))
    for pieces in (again, in_parts):
        assert [p.tokens.tolist() for p in pieces] == [p.tokens.tolist() for p in together]
        assert [p.price for p in pieces] == [p.price for p in together]
    assert alone.number == 3
    assert alone.tokens.tolist() == together[2].tokens.tolist()
    assert len({tuple(p.tokens.tolist()) for p in together}) == 5
    (other,) = play(band, begins, settings=dataclasses.replace(WARM, seed=5))
    assert other.tokens.tolist() != together[0].tokens.tolist()


def test_bars_limit_it_and_are_whole(band: Bigram, music: Music) -> None:
    score = only(music("blues-in-a"), "Drums")
    begins = around(band, score, ["bass"], bars=5)
    (piece,) = play(band, begins, settings=dataclasses.replace(WARM, bars=5))
    check(band, begins, piece)
    assert count_of(words(band, piece), "BAR") == 5
    early = score.replace(notes=score.notes.replace(start_ticks=_early(score.notes.start_ticks)))
    begins = around(band, early, ["bass"], bars=5)
    assert begins.given is not None
    assert len(parts_of(band.info, begins.given.tokens).bars) == 5


def _early(ticks: Any) -> Any:
    return np.maximum(ticks - 3, 0)


def test_bars_in_which_given_notes_ring_on_or_rest_are_there(band: Bigram) -> None:
    notes = Notes.from_rows([(0, 480 * 9, 64, 80, 0)])
    score = Score(480, notes, (Part("Guitar", 26),), TempoMap.constant(100))
    begins = around(band, score, ["bass"])
    (piece,) = play(band, begins)
    check(band, begins, piece)
    assert count_of(words(band, piece), "BAR") == 3
    begins = around(band, score, ["bass"], bars=2)
    assert begins.given is not None
    assert len(parts_of(band.info, begins.given.tokens).bars) == 2


def test_added_notes_do_not_ring_on_after_the_end(band: Bigram, music: Music) -> None:
    begins = around(band, only(music("blues-in-a"), "Drums"), ["bass", "other"], bars=2)
    shortest = min(int(n[4:]) for n in band.info.vocabulary.names if n.startswith("DUR_"))
    for piece in play(band, begins, *range(1, 9)):
        notes = score_of(band.info, piece, WARM).notes
        long = notes.take(notes.duration_ticks > shortest)
        assert long.end_ticks.max(initial=0) <= 2 * 96


def test_a_model_that_wants_to_go_past_given_notes_passes_on_to_them(band: Bigram) -> None:
    """Nothing is added before a note because the model would rather shift beyond it."""
    info = band.info
    names = list(info.vocabulary.names)
    table = np.full_like(band.table, -40.0)
    table[:, names.index("END")] = -30
    long = max((n for n in names if n.startswith("SHIFT_")), key=lambda n: int(n[6:]))
    table[:, names.index(long)] = np.log(0.97)
    table[:, names.index("INST_bass")] = np.log(0.03)
    shifts = [number for number, name in enumerate(names) if name.startswith("SHIFT_")]
    table[shifts, names.index("INST_drums")] = np.log(0.97)
    bold = dataclasses.replace(band, table=table)
    hits = [(beat * 480, 60, 38, 90, 0) for beat in range(32)]
    kit = Score(480, Notes.from_rows(hits), (Part("Drums", 0, is_drum=True),))
    begins = around(bold, kit, ["bass"])
    pieces = play(bold, begins, *range(1, 9))
    basses = sum(w == "INST_bass" for piece in pieces for w in words(bold, piece))
    assert basses < 8 * 32 * 0.2


def test_looking_ahead_makes_given_notes_likelier(band: Bigram, music: Music) -> None:
    """The bigram knows that one bass pitch is followed by what is given; the others are not."""
    score = only(music("blues-in-a"), "Drums")
    bits = {}
    for look_ahead in (1, 12):
        begins = around(band, score, ["bass", "guitar"], look_ahead)
        assert begins.given is not None
        drums = set(parts_of(band.info, begins.given.tokens).slots)
        pieces = play(band, begins, *range(1, 13))
        bits[look_ahead] = float(np.mean([_bits(band, piece, drums) for piece in pieces]))
    assert bits[12] < bits[1]


def _bits(model: Bigram, piece: Piece, slots: set[int]) -> float:
    """What the model needs for the shifts and the entries of the given slots."""
    tokens = piece.tokens.tolist()
    assert isinstance(model.info.language, Events)
    names = {f"INST_{model.info.language.lineup.slots[slot].name}" for slot in slots}
    return -sum(
        float(model.table[before, token])
        for before, token in pairwise(tokens)
        if model.info.vocabulary.names[token] in names
    )


def test_weights_choose_as_often_as_they_say() -> None:
    weights = np.array([0.5, 0.25, 0.25, 0.0])
    for chance in (0.0, 0.3, 0.999):
        assert sorted(systematic(weights, chance).tolist()) in ([0, 0, 1, 2], [0, 0, 1, 2])
    assert systematic(np.array([0.0, 0.0, 1.0]), 0.5).tolist() == [2, 2, 2]


def test_a_forced_token_weighs_what_the_model_gives_it() -> None:
    log_p = np.log(np.array([[0.1, 0.3, 0.6]], np.float32))
    legal = np.array([[True, True, False]])
    first = np.array([[True, False, False]])
    (one,) = fit(log_p, log_p, legal, first, np.array([0])).tolist()
    assert one == pytest.approx(np.log(0.25), abs=1e-6)
    (free,) = fit(log_p, log_p, legal, legal, np.array([1])).tolist()
    assert free == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("look_ahead", [1, 3])
def test_given_chords_hold_and_without_any_they_are_free(
    tmp_path_factory: pytest.TempPathFactory, look_ahead: int
) -> None:
    place = tmp_path_factory.mktemp("chords")
    (place / "music").mkdir()
    chords = ("A7", "D7", "A7", "E7", "A7", "D7")
    bars = [(bar * 1920 + beat * 480, 400, 40, 90, 0) for bar in range(6) for beat in range(4)]
    hits = [(start, 60, 36, 90, 1) for start, *_ in bars]
    marked = Score(
        480,
        Notes.from_rows(bars + hits),
        (Part("Bass", 33), Part("Drums", 0, is_drum=True)),
        TempoMap.constant(100),
        texts=tuple(Text(bar * 1920, "marker", name) for bar, name in enumerate(chords)),
    )
    (place / "music" / "song.mid").write_bytes(midi_bytes(marked))
    prepare(place / "music", place / "data", shares=(1, 0, 0))
    model = bigram_of(place / "data")
    drums = only(marked, "Drums")
    begins = around(model, drums, ["bass"], look_ahead)
    (piece,) = play(model, begins)
    check(model, begins, piece)
    assert [w[6:] for w in words(model, piece) if w.startswith("CHORD_")] == list(chords)
    begins = around(model, drums.replace(texts=()), ["bass"], look_ahead)
    heard = {
        tuple(w for w in words(model, piece) if w.startswith("CHORD_"))
        for piece in play(model, begins, *range(1, 7))
    }
    assert len(heard) > 1


def test_a_key_of_the_file_holds_and_none_is_heard(band: Bigram, music: Music) -> None:
    guitar = only(music("blues-in-a"), "Rhythm Guitar")
    keys = [n for n in band.info.vocabulary.names if n.startswith("KEY_")]
    begins = around(band, guitar, ["bass"])
    assert (begins.wanted.key is None) == (not keys or not begins.said)
    keyed = guitar.replace(keys=KeyMap.from_rows([(0, 3, False)]))
    begins = around(band, keyed, ["bass"])
    assert any("KEY_A" in said for said in begins.said) == ("KEY_A" not in keys)


def test_what_the_model_never_saw_is_mapped_and_said(band: Bigram) -> None:
    hits = [(beat * 480, 60, pitch, 90, 0) for beat in range(8) for pitch in (35, 77)]
    kit = Score(480, Notes.from_rows(hits), (Part("Drums", 0, is_drum=True),))
    begins = around(band, kit, ["bass"])
    assert "the model has never seen DRUM_35: became DRUM_36, 8 times" in begins.said
    assert "the model has never seen DRUM_77: left out, 8 times" in begins.said
    with pytest.raises(UsageError, match="knows none of the notes of the given parts"):
        around(band, kit.replace(notes=Notes.from_rows(hits[1::2])), ["bass"])
    odd = kit.replace(metres=MetreMap.constant(11, 8))
    begins = around(band, odd, ["bass"])
    assert any("never seen BAR_11/8" in said for said in begins.said)
    check(band, begins, play(band, begins)[0])


def test_denser_parts_than_the_corpus_has_stay_and_it_is_said(band: Bigram) -> None:
    hits = [(beat * 480, 60, pitch, 90, 0) for beat in range(16) for pitch in range(35, 52)]
    kit = Score(480, Notes.from_rows(hits), (Part("Drums", 0, is_drum=True),))
    tight = dataclasses.replace(band.info, limits=EventLimits(2, 1, 2, 1, 1))
    model = dataclasses.replace(band, info=tight)
    begins = around(model, kit, ["bass"])
    assert any("more notes at once" in said and "they stay" in said for said in begins.said)
    (piece,) = play(model, begins)
    check(model, begins, piece)
    assert count_of(words(model, piece), "DUR") > 0


KIT = Score(480, Notes.from_rows([(0, 60, 36, 90, 0)]), (Part("Drums", 0, is_drum=True),))


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"add": ["drums"]}, r"drums is given and asked for with --add; leave it out of --add"),
        ({"add": ["theremin"]}, r"--add theremin: .* no player 'theremin'; it knows .*bass"),
        ({"add": []}, r"nobody is asked to play .*; name some of .*bass.* with --add"),
        ({"look_ahead": 0}, r"--look-ahead 0 makes no sense; use 1 \(off\) to 256"),
        ({"look_ahead": 9999}, r"--look-ahead 9999 makes no sense"),
        ({"bars": 2}, r"--bars 2: the given parts have 1 bars; use so many or fewer"),
        ({"header": Header(tempo=90)}, r"their own tempo, .* leave out --tempo"),
        ({"header": Header(metre="3/4")}, r"leave out --metre"),
        ({"header": Header(slots=("bass",))}, r"leave out --slots, and name .* with --add"),
        ({"score": KIT.replace(notes=Notes.empty())}, r"no notes; give one with the parts"),
        ({"conditions": Conditions({"feel": "polka"})}, r"feel is never 'polka'"),
    ],
)
def test_what_cannot_be_is_refused_with_the_way_out(
    band: Bigram, options: dict[str, Any], sentence: str
) -> None:
    score = options.pop("score", KIT)
    with pytest.raises(UsageError, match=sentence):
        given_parts(band.info, score, **{"add": ["bass"], **options})


def test_bars_without_a_note_are_refused(band: Bigram) -> None:
    late = KIT.replace(notes=Notes.from_rows([(480 * 9, 60, 36, 90, 0)]))
    with pytest.raises(UsageError, match=r"in the first 2 bars .* use more of their 3 bars"):
        given_parts(band.info, late, ["bass"], bars=2)


def test_one_player_plays_around_nobody(piano: Bigram) -> None:
    with pytest.raises(UsageError, match=r"performance has one player.*--language events"):
        given_parts(piano.info, KIT, ["bass"])


def test_conditions_choose_the_tags(band: Bigram) -> None:
    conditions = Conditions({"feel": "shuffle"})
    begins = around(band, KIT, ["bass"], conditions=conditions)
    (piece,) = played(band, begins, [1], WARM, conditions)
    assert [w for w in words(band, piece) if w.startswith("TAG_feel")] == ["TAG_feel=shuffle"]
    assert not NO_CONDITIONS


def test_room_is_what_slow_counting_finds(band: Bigram, music: Music) -> None:
    """The room for another note, against trying it and counting on to the end."""
    score = only(music("blues-in-a"), "Drums", "Rhythm Guitar", "Organ")
    given, _, _ = given_parts(band.info, score, ["bass"], bars=3)
    parts = parts_of(band.info, given.tokens)
    limits = EventLimits(at_once=7, usual=2, load=9, empty_bars=8, lead_bars=8)
    room = Room(parts, limits)
    moments = sorted({(note.bar, note.step) for note in parts.notes})
    places = [(note.bar, note.step) for note in parts.notes]
    for number, (bar, step) in enumerate(moments):
        told = places.index((bar, step))
        here = places.count((bar, step))
        for at_once in range(6):
            for load in range(10):
                slow = _can_go_on(moments[number:], places, bar, at_once, load, limits)
                assert room.for_another(bar, at_once, load, told, here) == slow


def _can_go_on(
    moments: list[tuple[int, int]],
    places: list[tuple[int, int]],
    bar: int,
    at_once: int,
    load: int,
    limits: EventLimits,
) -> bool:
    """One more note, then all given notes of these moments: whether each is within the limits."""
    more = 1
    for moment in moments:
        if moment != moments[0]:
            crossed = moment[0] - bar
            for _ in range(crossed + (crossed == 0 or moment[1] > 0)):
                load = max(0, load - 1)
            bar, at_once = moment[0], 0
        for _ in range(more + places.count(moment)):
            if at_once >= limits.at_once or load >= limits.load:
                return False
            at_once += 1
            load += at_once > limits.usual
        more = 0
    return True


def test_markers_that_are_no_chords_change_nothing(band: Bigram) -> None:
    marked = KIT.replace(texts=(Text(0, "marker", "Verse"),))
    plain, other = (given_parts(band.info, s, ["bass"])[0] for s in (KIT, marked))
    assert plain.tokens.tolist() == other.tokens.tolist()
