"""The engine: legal, ended as asked, the same alone and in company, compiled and not."""

from __future__ import annotations

import dataclasses
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from tests.models.bigram import Bigram, Places
from tests.sampling.playing import count_of, is_legal, new_words, play, starts_of_notes, words
from woodshed.sampling import engine, knobs
from woodshed.sampling.engine import Start, sample
from woodshed.sampling.header import Header
from woodshed.sampling.result import score_of
from woodshed.sampling.settings import SamplingSettings
from woodshed.sampling.tables import most_tokens
from woodshed.tokens.grammar import State

BOLD: dict[str, Any] = {"temperature": 1.3, "top_p": 1.0}

KNOBS = st.fixed_dictionaries(
    {"temperature": st.sampled_from([0.0, 0.65, 1.0, 2.0]), "seed": st.integers(0, 2**63 - 1)},
    optional={
        "temperature_end": st.floats(0, 2),
        "top_p": st.floats(0.01, 1),
        "top_k": st.integers(1, 50),
        "min_p": st.floats(0, 1),
        "max_notes_per_step": st.integers(1, 6),
        "repetition_penalty": st.floats(0.5, 20),
        "endings": st.integers(1, 4),
    },
)
EVENT_KNOBS = st.fixed_dictionaries(
    {},
    optional={
        "drum_bonus": st.floats(-20, 20),
        "max_streak": st.integers(1, 4),
        "grid": st.just("straight") | st.just("triplet"),
        "max_silence_bars": st.integers(1, 3),
    },
)
LIMITS = st.sampled_from(
    [
        {"bars": 1},
        {"bars": 3},
        {"notes": 1},
        {"notes": 9},
        {"seconds": 3.5},
        {"bars": 3, "notes": 40},
    ]
)


@given(KNOBS, EVENT_KNOBS, LIMITS)
def test_whatever_is_asked_pieces_are_legal_and_end_where_they_should(
    band: Bigram, knob: dict[str, Any], own: dict[str, Any], limit: dict[str, Any]
) -> None:
    (piece,) = play(band, **knob, **own, **limit)
    assert is_legal(band, piece)
    told = words(band, piece)
    assert told[-1] == "END"
    assert told.count("END") == 1
    bars, notes = count_of(told, "BAR"), count_of(told, "PITCH", "DRUM")
    assert notes > 0
    assert notes <= limit.get("notes", notes)
    if limit.keys() == {"bars"}:
        assert bars == limit["bars"]
    elif limit.keys() == {"notes"}:
        assert notes == limit["notes"]
    elif "notes" in limit:
        assert bars == limit["bars"] or notes == limit["notes"]
    else:
        bpm = int(told[1].removeprefix("TEMPO_"))
        lengths = [_steps(word) * 60 / bpm / 24 for word in told if word.startswith("BAR_")]
        assert sum(lengths[:-1]) < limit["seconds"] <= sum(lengths) + 1e-6


def _steps(bar: str) -> int:
    numerator, _, denominator = bar.removeprefix("BAR_").partition("/")
    return int(numerator) * 96 // int(denominator)


@given(KNOBS, st.sampled_from([{"notes": 1}, {"notes": 12}, {"seconds": 2.0}]))
def test_performances_are_legal_and_leave_no_note_hanging(
    piano: Bigram, knob: dict[str, Any], limit: dict[str, Any]
) -> None:
    (piece,) = play(piano, **knob, **limit)
    assert is_legal(piano, piece)
    told = words(piano, piece)
    assert told[-1] == "END"
    began = [w.removeprefix("NOTE_ON_") for w in told if w.startswith("NOTE_ON_")]
    ended = [w.removeprefix("NOTE_OFF_") for w in told if w.startswith("NOTE_OFF_")]
    assert began
    assert sorted(began) == sorted(ended)
    if "notes" in limit:
        assert len(began) == limit["notes"]
    else:
        waits = [int(w.removeprefix("SHIFT_")) / 1000 for w in told if w.startswith("SHIFT_")]
        assert limit["seconds"] <= sum(waits) <= limit["seconds"] + 4


@pytest.mark.parametrize("metre", [None, "4/4"])
def test_bars_are_whole_and_nothing_rings_on(band: Bigram, metre: str | None) -> None:
    wanted = {"bars": 2, "endings": 1, "seed": 7, **BOLD}
    shortest = min(int(n[4:]) for n in band.info.vocabulary.names if n.startswith("DUR_"))
    for piece in play(band, 12, header=Header(metre=metre), **wanted):
        told = words(band, piece)
        assert count_of(told, "CUT") == 0
        bars = [_steps(word) for word in told if word.startswith("BAR_")]
        score = score_of(band.info, piece, SamplingSettings(**wanted))
        assert score.end_ticks <= sum(bars)
        pitched = zip(starts_of_notes(told), _kinds(told), strict=True)
        lengths = [int(w.removeprefix("DUR_")) for w in told if w.startswith("DUR_")]
        for (bar, step, _), length in zip((n for n, w in pitched if w), lengths, strict=True):
            is_last_or_alike = bar == 2 or metre is not None
            assert sum(bars[: bar - 1]) + step + length <= sum(bars) or (
                length == shortest or not is_last_or_alike
            )


def _kinds(told: list[str]) -> list[bool]:
    return [w.startswith("PITCH") for w in told if w.partition("_")[0] in ("PITCH", "DRUM")]


def test_without_a_limit_the_model_ends(band: Bigram, piano: Bigram) -> None:
    for model in (band, piano):
        pieces = play(model, 6)
        assert all(words(model, piece)[-1] == "END" for piece in pieces)
        assert len({len(piece.tokens) for piece in pieces}) > 1


def test_a_piece_that_never_ends_is_brought_to_one(band: Bigram) -> None:
    assert most_tokens(band.info) == 16_384
    info = dataclasses.replace(band.info, training={"pieces": 2, "tokens": 200})
    table = band.table.copy()
    table[:, band.info.vocabulary.names.index("END")] = -np.inf
    (piece,) = play(dataclasses.replace(band, table=table, info=info))
    assert is_legal(band, piece)
    assert 300 <= piece.price.tokens < 900
    assert words(band, piece)[-1] == "END"


@pytest.mark.parametrize("limit", [{"bars": 4}, {"notes": 30}, {}])
def test_a_piece_is_the_same_alone_and_in_company(band: Bigram, limit: dict[str, Any]) -> None:
    together = play(band, 8, temperature=1.0, **limit)
    (alone,) = play(band, first=3, temperature=1.0, **limit)
    assert alone.number == together[2].number == 3
    assert alone.tokens.tolist() == together[2].tokens.tolist()
    assert alone.price == together[2].price
    assert len({tuple(piece.tokens.tolist()) for piece in together}) == 8


def test_more_pieces_than_a_batch_holds(band: Bigram, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = play(band, 7, bars=2)
    monkeypatch.setattr(engine, "BATCH", 3)
    parts = play(band, 7, bars=2)
    assert [p.tokens.tolist() for p in whole] == [p.tokens.tolist() for p in parts]
    assert [p.number for p in parts] == list(range(1, 8))


@pytest.mark.parametrize("model", ["band", "piano"])
def test_compiled_and_plain_choose_alike(
    model: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    player: Bigram = request.getfixturevalue(model)
    ways: list[dict[str, Any]] = [
        {"temperature": 1.0, "notes": 25, "repetition_penalty": 3.0},
        {"temperature": 1.2, "top_p": 1.0, "min_p": 0.01, "seconds": 2.0, "max_notes_per_step": 2},
        {"temperature": 0.5, "temperature_end": 1.5, "top_k": 4, "notes": 20},
    ]
    if model == "band":
        ways[0] |= {"drum_bonus": 1.0, "max_streak": 2}
        ways[1] |= {"grid": "triplet", "max_silence_bars": 1}
    fast = [play(player, 2, **way) for way in ways]
    monkeypatch.setattr(engine, "chooser", lambda: knobs.choose)
    slow = [play(player, 2, **way) for way in ways]
    for one, other in zip(fast, slow, strict=True):
        assert [p.tokens.tolist() for p in one] == [p.tokens.tolist() for p in other]
        assert [p.price.bits for p in one] == pytest.approx([p.price.bits for p in other])


def test_at_temperature_0_the_likeliest_legal_token_comes(band: Bigram) -> None:
    (piece,) = play(band, temperature=0, notes=25)
    other, third = play(band, 2, temperature=0, notes=25, seed=99)
    assert piece.tokens.tolist() == other.tokens.tolist() == third.tokens.tolist()
    ids = band.info.vocabulary.ids
    end = band.info.vocabulary.names.index("END")
    masks = band.info.grammar.masks_along(band.info.vocabulary.globalise(piece.tokens)[None])[0]
    for place in range(1, len(piece.tokens) - 1):
        log_p = np.where(masks[place, ids], band.table[piece.tokens[place - 1]], -np.inf)
        log_p[end] = -np.inf  # not before the notes are played
        likeliest = log_p.max()
        assert log_p[piece.tokens[place]] >= likeliest - 1.0  # END's share may lift a bar line
        if not words(band, piece)[place].startswith("BAR"):
            assert piece.tokens[place] == log_p.argmax()


def test_the_price_is_the_mass_of_illegal_tokens(band: Bigram) -> None:
    (piece,) = play(band, notes=20, temperature=1.0)
    told = band.info.vocabulary.globalise(piece.tokens)
    masks = band.info.grammar.masks_along(told[None])[0][:, band.info.vocabulary.ids]
    probabilities = np.exp(band.table[piece.tokens[:-1]].astype(np.float64))
    legal = (probabilities * masks[1:]).sum(axis=1)
    assert piece.price.tokens == len(legal)
    assert piece.price.bits == pytest.approx(-np.log2(legal).sum(), rel=1e-5)
    assert piece.price.removed == pytest.approx((1 - legal).mean(), rel=1e-4)
    assert piece.price.stranded == 0


def test_a_model_that_knows_nothing_legal_gets_chance(band: Bigram) -> None:
    lost = dataclasses.replace(band, table=np.full_like(band.table, -np.inf))
    pieces = play(lost, 3, notes=10)
    for piece in pieces:
        assert is_legal(band, piece)
        assert piece.price.stranded == piece.price.tokens
        assert piece.price.bits == 0
    assert len({tuple(piece.tokens.tolist()) for piece in pieces}) == 3


@dataclasses.dataclass(frozen=True, eq=False)
class WantsToEndAfter(Bigram):
    """A bigram that thinks of the end after one token alone."""

    wanted: str = ""

    def log_probabilities(self, state: Places) -> NDArray[np.float32]:
        log_p = super().log_probabilities(state)
        names = self.info.vocabulary.names
        end, after = names.index("END"), names.index(self.wanted)
        log_p[:, end] = np.where(state.last == after, -0.1, -30)
        return log_p


def test_of_several_endings_the_one_the_model_likes_is_kept(band: Bigram) -> None:
    # Drums end notes at once, so a bar may close after any of these.
    after = "DRUM_38"
    wants = WantsToEndAfter(band.info, band.table, wanted=after)
    ended = [
        sum(words(band, piece)[-2] == after for piece in play(wants, 30, bars=2, endings=n, **BOLD))
        for n in (1, 8)
    ]
    assert ended[1] > ended[0]


def test_endings_are_tried_from_the_same_bars(band: Bigram) -> None:
    (first,) = play(band, bars=4, endings=1, temperature=1.0)
    (best,) = play(band, bars=4, endings=8, temperature=1.0)
    cut = [i for i, w in enumerate(words(band, first)) if w.startswith("BAR")][3]
    assert first.tokens[: cut + 1].tolist() == best.tokens[: cut + 1].tolist()


class Drummed:
    """A plan: after each bar line the drums enter."""

    def __init__(self, model: Bigram, rows: int) -> None:
        self.names = model.info.vocabulary.names
        self.last = np.zeros(rows, np.int64)

    def restrict(self, state: State, permitted: NDArray[np.bool_]) -> bool:
        for row, last in enumerate(self.last.tolist()):
            if self.names[last].startswith("BAR"):
                permitted[row] = False
                permitted[row, self.names.index("INST_drums")] = True
        return True

    def take(self, tokens: NDArray[np.int64]) -> None:
        self.last[:] = tokens

    def keep(self, rows: NDArray[np.integer]) -> Drummed:
        kept = Drummed.__new__(Drummed)
        kept.names, kept.last = self.names, self.last[rows]
        return kept


def test_a_plan_is_followed_to_the_end(band: Bigram) -> None:
    start = np.array([band.info.vocabulary.names.index("START")], np.uint16)
    wanted = SamplingSettings(seed=3, bars=3, temperature=1.0)
    names = band.info.vocabulary.names
    pieces = sample(
        band,
        [Start(n, start) for n in range(5)],
        wanted,
        plan_for=lambda starts: Drummed(band, len(starts)),
    )
    followed = 0
    for piece in pieces:
        assert is_legal(band, piece)
        told = [names[token] for token in piece.tokens.tolist()]
        if "SLOT_drums" not in told:
            continue  # nobody there to drum: the plan gives way
        for here, after in pairwise(told):
            if here.startswith("BAR"):
                assert after == "INST_drums"
                followed += 1
    assert followed


def test_new_tokens_are_told_from_the_start(band: Bigram) -> None:
    (piece,) = play(band, bars=1)
    assert piece.new_from == 1
    assert new_words(band, piece)[0].startswith("TEMPO")
