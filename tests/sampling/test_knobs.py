"""Each knob does what it says, and the defaults leave the model its own ways."""

from __future__ import annotations

import dataclasses
import math
from collections import Counter
from itertools import groupby, pairwise
from typing import Any

import numpy as np
import pytest

from tests.models.bigram import Bigram
from tests.sampling.playing import count_of, play, starts_of_notes, words
from woodshed.errors import UsageError
from woodshed.sampling import drawing, knobs, layout
from woodshed.sampling.settings import SamplingSettings
from woodshed.sampling.tables import check_fit, resolved, tables_of
from woodshed.tokens.events_grammar import EventLimits

FREE: dict[str, Any] = {"temperature": 1.0, "top_p": 1.0, "endings": 1}


def told_by(model: Bigram, count: int = 6, **settings: Any) -> list[list[str]]:
    return [words(model, piece) for piece in play(model, count, **{**FREE, **settings})]


def most_at_once(told: list[str]) -> int:
    return max(Counter((bar, step) for bar, step, _ in starts_of_notes(told)).values())


def longest_streak(told: list[str]) -> int:
    return max(len(list(run)) for _, run in groupby(who for *_, who in starts_of_notes(told)))


def test_notes_per_step(band: Bigram) -> None:
    crowded = band.table.copy()
    names = band.info.vocabulary.names
    loud = [i for i, name in enumerate(names) if name.startswith("VEL")]
    notes = [i for i, name in enumerate(names) if name.startswith(("DUR", "DRUM"))]
    crowded[np.ix_(notes, loud)] += 5
    model = dataclasses.replace(band, table=crowded)
    assert max(map(most_at_once, told_by(model, bars=4))) > 4
    for most in (1, 3):
        assert max(map(most_at_once, told_by(model, bars=4, max_notes_per_step=most))) <= most


def test_the_default_for_notes_per_step_gives_way_to_the_corpus(band: Bigram) -> None:
    limits = band.info.limits
    assert isinstance(limits, EventLimits)
    assert limits.at_once > 4
    assert resolved(band.info, SamplingSettings())["max_notes_per_step"] == limits.at_once
    sparse = dataclasses.replace(limits, at_once=2)
    info = dataclasses.replace(band.info, limits=sparse)
    assert resolved(info, SamplingSettings())["max_notes_per_step"] == 4
    assert resolved(band.info, SamplingSettings(max_notes_per_step=4))["max_notes_per_step"] == 4


def test_streaks(band: Bigram) -> None:
    from woodshed.sampling.header import Header

    def streaks(**settings: Any) -> list[int]:
        pieces = play(band, 6, header=Header(slots=("drums", "bass")), **{**FREE, **settings})
        return [longest_streak(words(band, piece)) for piece in pieces]

    assert max(streaks(bars=4)) > 3
    assert max(streaks(bars=4, max_streak=3)) <= 3


def test_silence(band: Bigram) -> None:
    silent = band.table.copy()
    names = band.info.vocabulary.names
    bars = [i for i, name in enumerate(names) if name.startswith("BAR")]
    silent[:, bars] += 8
    model = dataclasses.replace(band, table=silent)

    def empty(**settings: Any) -> int:
        found = 0
        for told in told_by(model, bars=12, **settings):
            playing = {bar for bar, *_ in starts_of_notes(told)}
            runs = groupby(range(1, 13), key=lambda bar: bar in playing)
            found = max([found, *(len(list(run)) for sounds, run in runs if not sounds)])
        return found

    assert empty() > 1
    assert empty(max_silence_bars=1) == 0
    assert empty(max_silence_bars=2) <= 1


@pytest.mark.parametrize(("grid", "steps"), [("straight", 6), ("triplet", 8)])
def test_grid(band: Bigram, grid: str, steps: int) -> None:
    def off(**settings: Any) -> int:
        told = told_by(band, 4, bars=6, **settings)
        return sum(step % steps != 0 for piece in told for _, step, _ in starts_of_notes(piece))

    assert off() > 0
    assert off(grid=grid) == 0


def test_snapping_moves_probability_to_the_nearest_point() -> None:
    moves = [1, 5, 6, 8, 20]  # in a bar of 24 steps, from step 0, to a grid of 6
    words_ = np.array([[layout.MOVE] * 5 + [layout.BAR], [*moves, 24], [0] * 6])
    bounds = np.full(layout.BOUNDS, layout.NONE)
    bounds[layout.GRID_STEPS] = 6
    count = np.zeros(layout.COUNTS, np.int64)
    count[layout.BAR_STEPS] = 24
    chance = np.array([0.1, 0.2, 0.1, 0.15, 0.05, 0.4])
    weight = np.log(chance)
    knobs.snap(np.arange(6), weight, 6, words_, count, bounds)
    # 5 and 8 become 6; 20 would be 18, where no shift leads; 1 would be no shift at all.
    assert np.exp(weight).tolist() == pytest.approx([0, 0, 0.45, 0, 0, 0.4])
    count[layout.IN_BAR] = 18
    weight = np.log(chance)
    knobs.snap(np.array([1, 5]), weight[[1, 5]], 2, words_, count, bounds)
    moved = weight[[1, 5]]
    knobs.snap(np.array([1, 5]), moved, 2, words_, count, bounds)
    assert np.exp(moved).tolist() == pytest.approx([0, 0.6])  # the next bar line is nearest


def test_drum_bonus(band: Bigram) -> None:
    def hits(bonus: float) -> int:
        return sum(count_of(told, "DRUM") for told in told_by(band, 8, notes=80, drum_bonus=bonus))

    assert hits(-20) < hits(0) < hits(20)


def test_repetition_penalty(band: Bigram) -> None:
    def repeated(penalty: float) -> float:
        same = pairs = 0
        for told in told_by(band, 8, notes=60, repetition_penalty=penalty):
            by_player: dict[str, list[str]] = {}
            who = ""
            for word in told:
                if word.startswith("INST"):
                    who = word
                elif word.startswith("PITCH"):
                    by_player.setdefault(who, []).append(word)
            for notes in by_player.values():
                same += sum(a == b for a, b in pairwise(notes))
                pairs += max(len(notes) - 1, 0)
        return same / pairs

    assert repeated(50) < 0.5 * repeated(1)


def test_top_k_of_1_is_greedy(band: Bigram) -> None:
    greedy = told_by(band, 2, notes=20, temperature=0)
    assert told_by(band, 2, notes=20, top_k=1) == greedy
    assert told_by(band, 2, notes=20, top_p=1e-9) == greedy
    assert told_by(band, 2, notes=20) != greedy


def drawn(settings: SamplingSettings, chance: list[float], model: Bigram) -> list[float]:
    """How often each of some tokens is drawn, over evenly spread numbers."""
    tables = tables_of(model.info, settings)
    times = 2000
    counts = np.zeros(len(chance))
    for n in range(times):
        found, weight = np.arange(len(chance)), np.log(chance)
        at = drawing.draw(
            found, weight, len(chance), settings.temperature, tables.bounds, tables.dials,
            (n + 0.5) / times,
        )  # fmt: skip
        counts[found[at]] += 1
    return (counts / times).tolist()


@pytest.mark.parametrize(
    ("knob", "expected"),
    [
        ({}, [0.4, 0.3, 0.2, 0.1]),
        ({"top_k": 2}, [4 / 7, 3 / 7, 0, 0]),
        ({"top_p": 0.6}, [4 / 7, 3 / 7, 0, 0]),
        ({"top_p": 0.71}, [4 / 9, 3 / 9, 2 / 9, 0]),
        ({"min_p": 0.5}, [4 / 9, 3 / 9, 2 / 9, 0]),
        ({"temperature": 0.5}, [16 / 30, 9 / 30, 4 / 30, 1 / 30]),
        ({"temperature": 0}, [1, 0, 0, 0]),
        ({"top_k": 3, "top_p": 0.6}, [4 / 7, 3 / 7, 0, 0]),
    ],
)
def test_what_is_drawn_how_often(band: Bigram, knob: dict[str, Any], expected: list[float]) -> None:
    settings = SamplingSettings(**{"temperature": 1.0, "top_p": 1.0, **knob})
    assert drawn(settings, [0.4, 0.3, 0.2, 0.1], band) == pytest.approx(expected, abs=2e-3)


def test_temperature_goes_to_its_end(band: Bigram) -> None:
    settings = SamplingSettings(temperature=0.5, temperature_end=1.5, bars=4, notes=100)
    tables = tables_of(band.info, settings)
    count = np.zeros(layout.COUNTS, np.int64)
    warm = [knobs.warmth(count, tables.bounds, tables.dials)]
    count[[layout.BARS, layout.BAR_STEPS]] = 3, 96
    warm.append(knobs.warmth(count, tables.bounds, tables.dials))
    count[layout.IN_BAR] = 48
    warm.append(knobs.warmth(count, tables.bounds, tables.dials))
    count[layout.NOTES] = 90  # nearer its limit than the bars are to theirs
    warm.append(knobs.warmth(count, tables.bounds, tables.dials))
    count[layout.NOTES] = 200
    warm.append(knobs.warmth(count, tables.bounds, tables.dials))
    assert warm == pytest.approx([0.5, 1.0, 1.125, 1.4, 1.5])


def test_a_knob_that_leaves_nothing_gives_way() -> None:
    found, weight, kept = np.arange(3), np.full(3, drawing.FORBIDDEN), np.log([0.5, 0.3, 0.2])
    assert knobs.settle(found, weight, 3, kept) == 3
    assert weight.tolist() == kept.tolist()
    weight = np.array([-1.0, drawing.FORBIDDEN, -2.0])
    assert knobs.settle(found, weight, 3, kept) == 2
    assert found[:2].tolist() == [0, 2]
    assert weight[:2].tolist() == [-1.0, -2.0]


def test_sums_of_logarithms() -> None:
    assert knobs.log_sum(math.log(0.25), math.log(0.5)) == pytest.approx(math.log(0.75))
    assert knobs.log_sum(drawing.FORBIDDEN, -3.0) == -3.0
    assert knobs.log_sum(drawing.FORBIDDEN, drawing.FORBIDDEN) == drawing.FORBIDDEN


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"temperature": -1.0}, "--temperature -1 makes no sense; use 0 (always the likeliest)"),
        ({"temperature": math.nan}, "--temperature nan makes no sense"),
        ({"temperature_end": 1.0}, "say how much with --bars, --seconds or --notes, too"),
        ({"top_p": 0.0}, "--top-p 0 makes no sense; use more than 0, up to 1 (all)"),
        ({"top_p": 1.1}, "--top-p 1.1 makes no sense"),
        ({"top_k": 0}, "--top-k 0 makes no sense; use 1 (always the likeliest) or more, or leave"),
        ({"min_p": 2.0}, "--min-p 2 makes no sense; use 0 (all) to 1"),
        ({"drum_bonus": math.inf}, "--drum-bonus inf makes no sense"),
        ({"repetition_penalty": 0.0}, "--repetition-penalty 0 makes no sense; use 1 (off) or more"),
        ({"max_notes_per_step": 0}, "--max-notes-per-step 0 makes no sense"),
        ({"max_streak": 0}, "--max-streak 0 makes no sense"),
        ({"max_silence_bars": 0}, "--max-silence-bars 0 makes no sense; use 1 (every bar has"),
        ({"grid": "swing"}, "--grid swing makes no sense; use straight or triplet"),
        ({"bars": 0}, "--bars 0 makes no sense"),
        ({"notes": -3}, "--notes -3 makes no sense"),
        ({"seconds": 0.0}, "--seconds 0 makes no sense"),
        ({"endings": 0}, "--endings 0 makes no sense; use 1 (take the first) or more"),
        ({"seed": -1}, "--seed -1 makes no sense"),
    ],
)
def test_settings_that_make_no_sense(wrong: dict[str, Any], sentence: str) -> None:
    with pytest.raises(UsageError) as refused:
        SamplingSettings(**wrong)
    assert sentence in str(refused.value)


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"bars": 4}, "--bars makes no sense here: the model's language performance tells no bars"),
        ({"grid": "straight"}, "--grid makes no sense here"),
        ({"max_silence_bars": 2}, "--max-silence-bars makes no sense here"),
        ({"max_streak": 2}, "--max-streak makes no sense here: the model's language performance"),
        ({"drum_bonus": 1.0}, "performance has no drums; leave it out"),
    ],
)
def test_settings_a_performance_can_do_nothing_with(
    piano: Bigram, wrong: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(UsageError) as refused:
        check_fit(piano.info, SamplingSettings(**wrong))
    assert sentence in str(refused.value)


def test_settings_a_corpus_can_do_nothing_with(band: Bigram) -> None:
    def without(*dropped: str) -> Any:
        kept = [n for n in band.info.vocabulary.names if n not in dropped]
        language = band.info.language.language
        vocabulary = type(band.info.vocabulary).of_names(language, kept)
        return dataclasses.replace(band.info, vocabulary=vocabulary)

    names = band.info.vocabulary.names
    with pytest.raises(UsageError, match="the model knows no drums; leave it out"):
        check_fit(without("INST_drums"), SamplingSettings(drum_bonus=1.0))
    shifts = [n for n in names if n.startswith("SHIFT")]
    thirds = [n for n in shifts if int(n.removeprefix("SHIFT_")) % 24 in (8, 16)]
    assert thirds
    with pytest.raises(UsageError, match="never learned to step there; try --grid straight"):
        check_fit(without(*thirds), SamplingSettings(grid="triplet"))
    check_fit(without(*thirds), SamplingSettings(grid="straight"))


def test_a_piece_without_a_limit_ends_as_often_as_the_model_thinks(band: Bigram) -> None:
    """Whatever the temperature: it would cut off what is never the likeliest."""
    names = band.info.vocabulary.names
    lengths = {}
    ways: list[dict[str, Any]] = [
        {"temperature": 1.0, "top_p": 1.0},
        {"temperature": 0.3, "top_p": 0.5},
    ]
    for knobs_ in ways:
        table = band.table.copy()
        end = names.index("END")
        table[:, end] = np.log(0.05)
        model = dataclasses.replace(band, table=table)
        pieces = play(model, 60, **knobs_)
        assert all(words(model, piece)[-1] == "END" for piece in pieces)
        chances = [
            sum(w.startswith(("SHIFT", "BAR", "INST", "VEL")) for w in words(model, piece))
            for piece in pieces
        ]
        lengths[knobs_["temperature"]] = float(np.mean(chances))
    assert 0.5 < lengths[0.3] / lengths[1.0] < 2


def test_the_share_of_the_end() -> None:
    words_ = np.array([[layout.END, layout.BAR, layout.MOVE], [0, 96, 6], [0, 0, 0]])
    bounds = np.full(layout.BOUNDS, layout.NONE)
    count = np.zeros(layout.COUNTS, np.int64)
    found, weight = np.arange(3), np.log([0.1, 0.6, 0.3])
    assert knobs.end_as_learned(found, weight, 3, words_, count, bounds, 1.0) == 0
    bounds[layout.MOST_TOKENS] = 1000
    assert knobs.end_as_learned(found, weight, 3, words_, count, bounds, 0.0) == 0
    share = knobs.end_as_learned(found, weight, 3, words_, count, bounds, 0.5)
    assert share == pytest.approx(0.1)
    assert found.tolist() == [2, 1, 0]
    assert np.exp(weight).tolist() == pytest.approx([0.3, 0.6, 0.1])
