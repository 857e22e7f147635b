"""Prompts: what is told of them, where new music begins, and what cannot be gone on from."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.models.bigram import Bigram
from tests.sampling.playing import count_of, is_legal, words
from tests.sampling.test_header import labels
from tests.strategies import scores
from woodshed.errors import BadMusic, UsageError
from woodshed.formats.midi_read import read_midi
from woodshed.models.family import Conditions
from woodshed.music.notes import Notes
from woodshed.music.score import Part, Score, Text
from woodshed.music.time import MetreMap, TempoMap
from woodshed.music.transform import slice_bars
from woodshed.sampling.engine import Piece, sample
from woodshed.sampling.header import Header
from woodshed.sampling.prompt import Opening, _without_silence, opening
from woodshed.sampling.result import event_list, note_list, score_of, tokens_of
from woodshed.sampling.settings import SamplingSettings

Music = Callable[[str], Score]

BARS = SamplingSettings(seed=4, bars=3, temperature=1.0)


@pytest.fixture(scope="module")
def music(dataset: Path) -> Music:
    """The pieces of the small sample folder by their names."""
    return lambda name: read_midi(dataset.parent / "music" / f"{name}.mid")


def gone_on(model: Bigram, begins: Opening, settings: SamplingSettings = BARS) -> Piece:
    (piece,) = sample(
        model, begins.starts([1]), settings, permitted=begins.permitted(model.info, settings)
    )
    return piece


def test_music_goes_on_after_the_prompt_in_its_metre(band: Bigram, music: Music) -> None:
    phrase = slice_bars(music("waltz-with-pickup"), 1, 4)
    begins = opening(band.info, prompt=phrase)
    assert begins.said == ()
    piece = gone_on(band, begins)
    assert is_legal(band, piece)
    told = words(band, piece)
    assert count_of(told, "BAR") == 4 + 3
    assert {w for w in told if w.startswith("BAR")} == {"BAR_3/4"}
    assert told[1] == "TEMPO_139"
    assert words(band, piece)[piece.new_from] == "BAR_3/4"
    whole = score_of(band.info, piece, BARS)
    assert whole.end_ticks <= 7 * 72
    old = whole.notes.take(whole.notes.start_ticks < 4 * 72)
    assert sorted(old.pitch.tolist()) == sorted(phrase.notes.pitch.tolist())


def test_only_the_new_bars(band: Bigram, music: Music) -> None:
    piece = gone_on(band, opening(band.info, prompt=music("blues-in-a"), prompt_bars=2))
    whole, new = (score_of(band.info, piece, BARS, only_new=x) for x in (False, True))
    assert count_of(words(band, piece), "BAR") == 5
    later = whole.notes.take(whole.notes.start_ticks >= 2 * 96)
    assert (later.start_ticks - 2 * 96).tolist() == new.notes.start_ticks.tolist()
    assert later.pitch.tolist() == new.notes.pitch.tolist()
    assert new.tempos == whole.tempos
    assert band.info.grammar.legal(tokens_of(band.info, piece, only_new=True)).all()


def test_a_prompt_that_rings_on_keeps_its_bars(band: Bigram) -> None:
    rows = [(0, 480, 60, 80, 0), (480, 3 * 1920 - 480, 64, 80, 0)]
    held = Score(notes=Notes.from_rows(rows), parts=(Part("Organ", 16),))
    assert held.bar_count == 3
    piece = gone_on(band, opening(band.info, prompt=held))
    assert count_of(words(band, piece), "BAR") == 3 + 3
    assert count_of(words(band, piece)[: piece.new_from], "BAR") == 3


def test_what_the_model_never_saw_is_mapped_and_said(band: Bigram) -> None:
    rows = [(480 * n, 240, 60 + n, 64, 0) for n in range(16)]
    phrase = Score(
        notes=Notes.from_rows(rows),
        parts=(Part("Piano", 0),),
        tempos=TempoMap.constant(60),
        metres=MetreMap.constant(2, 4),
    )
    begins = opening(band.info, prompt=phrase)
    assert any("has never seen TEMPO_60: became TEMPO_" in said for said in begins.said)
    assert any("BAR_2/4" in said for said in begins.said)
    assert len(begins.said) <= 9
    assert is_legal(band, gone_on(band, begins))


def test_parts_without_a_player_are_counted(band: Bigram, music: Music) -> None:
    begins = opening(
        band.info, prompt=music("blues-in-a"), conditions=Conditions({"feel": "shuffle"})
    )
    names = band.info.vocabulary.names
    assert "TAG_feel=shuffle" in [names[token] for token in begins.told.tolist()]
    assert begins.prompt_notes == len(music("blues-in-a").notes)
    assert len(begins.prompt_sha256 or "") == 64


def test_a_performance_goes_on(piano: Bigram, music: Music) -> None:
    settings = SamplingSettings(seed=2, notes=10)
    begins = opening(piano.info, prompt=music("waltz-with-pickup"), prompt_bars=3)
    piece = gone_on(piano, begins, settings)
    assert is_legal(piano, piece)
    whole, new = (score_of(piano.info, piece, settings, only_new=x) for x in (False, True))
    assert len(new.notes) == 10
    assert new.notes.pitch.tolist() == whole.notes.pitch[-10:].tolist()
    assert new.notes.velocity.tolist() == whole.notes.velocity[-10:].tolist()


def test_events_and_notes_as_lists(band: Bigram, music: Music) -> None:
    piece = gone_on(band, opening(band.info, prompt=music("groove"), prompt_bars=1))
    events = event_list(band.info, piece)
    assert len(events) == len(piece.tokens)
    assert events[0] == {"token": "START", "bar": 0, "step": 0, "prompt": True}
    new = [event for event in events if "prompt" not in event]
    assert (new[0]["token"], new[0]["bar"], new[0]["step"]) == ("BAR_4/4", 2, 0)
    assert new[-1]["token"] == "END"
    score = score_of(band.info, piece, BARS)
    notes = note_list(score)
    assert len(notes) == len(score.notes)
    assert notes[0]["bar"] == 1
    assert notes[0]["quarter"] == 0
    assert {note["player"] for note in notes} <= set(labels(band, "SLOT"))


@pytest.mark.parametrize(
    ("prompt", "bars", "sentence"),
    [
        (Score(), None, "the prompt has no notes, so there is nothing to go on from"),
        (
            Score(notes=Notes.from_rows([(0, 480, 60, 64, 0)]), parts=(Part("Organ", 16),)),
            0,
            "--prompt-bars 0 makes no sense",
        ),
        (None, 4, "--prompt-bars 4 needs a prompt"),
        (
            Score(notes=Notes.from_rows([(0, 1920 * 8, 60, 64, 0)]), parts=(Part("Organ", 16),)),
            2,
            "in the last 2 bars of the prompt no note begins",
        ),
    ],
)
def test_what_cannot_be_gone_on_from(
    band: Bigram, prompt: Score | None, bars: int | None, sentence: str
) -> None:
    with pytest.raises(UsageError) as refused:
        opening(band.info, prompt=prompt, prompt_bars=bars)
    assert sentence in str(refused.value)


def test_a_prompt_has_its_own_header(band: Bigram, music: Music) -> None:
    with pytest.raises(UsageError, match="leave out --tempo, --key, --metre and --slots"):
        opening(band.info, Header(tempo=100), prompt=music("blues-in-a"))


def test_drums_alone_are_no_prompt_for_a_piano(piano: Bigram, music: Music) -> None:
    with pytest.raises(UsageError, match="only drums, and performance tells none"):
        opening(piano.info, prompt=music("groove"))


def test_silence_at_the_end_that_forbids_a_bar_line_is_left_out(band: Bigram, music: Music) -> None:
    begins = opening(band.info, prompt=music("groove"))
    silent = np.concatenate([begins.told, np.repeat(begins.opens, 9)])
    kept, count = _without_silence(band.info, silent, begins.opens)
    assert 0 < count <= 9
    assert len(kept) == len(silent) - count
    tried = band.info.vocabulary.globalise(np.concatenate([kept, begins.opens]))
    assert band.info.grammar.legal(tried).all()
    assert _without_silence(band.info, begins.told, begins.opens)[1] == 0


@given(scores(), st.none() | st.integers(1, 4), st.booleans())
def test_any_music_is_gone_on_from_or_refused(
    band: Bigram, piano: Bigram, prompt: Score, bars: int | None, in_events: bool
) -> None:
    model = band if in_events else piano
    settings = SamplingSettings(seed=1, bars=1) if in_events else SamplingSettings(seed=1, notes=3)
    try:
        begins = opening(model.info, prompt=prompt, prompt_bars=bars)
    except (BadMusic, UsageError):
        return  # what can be refused, and how, is told above
    piece = gone_on(model, begins, settings)
    told = model.info.vocabulary.globalise(piece.tokens)
    assert model.info.grammar.legal(told)[piece.new_from :].all()
    for only_new in (False, True):
        assert len(score_of(model.info, piece, settings, only_new=only_new).notes)
    if in_events:
        assert count_of(words(model, piece)[piece.new_from :], "BAR") == 1


def test_chords_of_a_prompt_are_told(band: Bigram, music: Music) -> None:
    phrase = music("blues-in-a")
    chords = tuple(Text(1920 * bar, "marker", "A7" if bar % 2 else "D7") for bar in range(12))
    told = opening(band.info, prompt=phrase.replace(texts=chords), prompt_bars=2)
    assert any("has never seen CHORD_" in said for said in told.said)
