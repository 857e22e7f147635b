"""The grammar's terms: masks as the grammar has them, costs as reckoned by hand, and gradients."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.training.tunes import EVENTS, PERFORMANCE, Tokens, ids, info_of, local, melody, performed
from woodshed.errors import UsageError
from woodshed.models.info import ModelInfo
from woodshed.tokens.events import Events
from woodshed.tokens.events_grammar import EventLimits
from woodshed.tokens.grammars import grammars
from woodshed.tokens.performance import Performance
from woodshed.training.grammar_settings import GrammarSettings

torch = pytest.importorskip("torch")
losses = pytest.importorskip("woodshed.training.grammar_losses")

NAMES = ("illegal", "pairing", "coherence", "repetition")


def terms_of(info: ModelInfo, **settings: Any) -> Any:
    values = {"grammar_every_row": 1, "grammar_ramp_steps": 0} | settings
    return losses.GrammarTerms(info, GrammarSettings(**values))


@pytest.mark.parametrize("language", [EVENTS, PERFORMANCE], ids=["events", "performance"])
@pytest.mark.parametrize("begin", [1, 7, 40])
def test_masks_within_a_piece_are_those_along_the_whole(
    language: Events | Performance, begin: int
) -> None:
    pieces = [melody(12, n) if language is EVENTS else performed(40, n) for n in range(3)]
    info = info_of(language, pieces)
    told = [local(info, piece) for piece in pieces]
    judged = terms_of(info).judge(
        np.stack([t[begin : begin + 40] for t in told]), [t[:begin] for t in told], 0
    )
    form, _ = grammars(language, info.limits)
    for row, piece in enumerate(pieces):
        for mask, grammar in ((judged.form, form), (judged.within, info.grammar)):
            whole = grammar.masks_along(piece[None])[0][:, info.vocabulary.ids]
            assert (mask[row] == whole[begin : begin + 40]).all()
    assert judged.counts.all()


def test_another_piece_within_a_row_begins_anew() -> None:
    first, second = melody(3, 1), melody(5, 2)
    info = info_of(EVENTS, [first, second, ids(EVENTS, "SLOT_guitar SLOT_drums")])
    row = local(info, np.concatenate([first, second]))
    judged = terms_of(info).judge(row[None, 1:], [row[:1]], 0)
    place = len(first) - 1  # where START is what follows
    assert judged.counts[0].tolist() == [n != place for n in range(len(row) - 1)]
    form, _ = grammars(EVENTS, info.limits)
    whole = form.masks_along(second[None])[0][:, info.vocabulary.ids]
    assert (judged.form[0, place + 1 :] == whole[1:]).all()


def test_what_was_told_is_allowed_even_where_it_breaks_a_rule() -> None:
    # The second pitch of a chord lies below the first, as after folding by an octave.
    piece = ids(EVENTS, "START TEMPO_120 SLOT_bass BAR_4/4 INST_bass VEL_66 PITCH_47 DUR_24 "
                        "VEL_66 PITCH_41 DUR_24 END")  # fmt: skip
    info = info_of(EVENTS, [piece])
    row = local(info, piece)
    judged = terms_of(info).judge(row[None, 1:], [row[:1]], 0)
    assert np.take_along_axis(judged.within, row[None, 1:, None], 2).all()
    form, _ = grammars(EVENTS, info.limits)
    assert not form.legal(piece).all()


SENTENCE = "START TEMPO_120 SLOT_bass BAR_4/4 INST_bass VEL_66 PITCH_40 DUR_24 SHIFT_24 INST_bass"


def told_costs(last: str, spent: dict[str, float], **limits: int) -> dict[str, float]:
    """The terms at one place after a sentence, of a network that gives tokens such chances."""
    sentence = ids(EVENTS, f"{SENTENCE} {last}")
    info = info_of(EVENTS, [sentence, melody(40, 1)], EventLimits(**limits))
    row = local(info, sentence)
    shares = np.full(len(info.vocabulary), 1e-12)
    for name, share in spent.items():
        shares[info.vocabulary.names.index(name)] = share
    logits = torch.tensor(np.log(shares / shares.sum()), dtype=torch.float32)[None, None]
    terms = terms_of(info)
    _, told = terms(logits, row[None, -1:], 0, [row[:-1]])
    assert tuple(told) == NAMES
    return {name: cost for name, cost in told.items() if cost > 1e-6}


def test_probability_on_legal_tokens_costs_nothing() -> None:
    assert told_costs("VEL_66", {"VEL_66": 1.0}) == {}
    assert told_costs("VEL_66 PITCH_41", {"PITCH_41": 0.4, "PITCH_45": 0.6}) == {}


def test_illegal_probability_costs_the_log_of_what_is_left() -> None:
    found = told_costs("VEL_66", {"VEL_66": 0.75, "BAR_4/4": 0.25})
    assert found == {"illegal": pytest.approx(-math.log(0.75), abs=1e-5)}


def test_a_broken_note_costs_twice() -> None:
    # After a velocity there is no way but to a pitch; a length without one is half a note, too.
    for last, spent in (
        ("VEL_66 PITCH_41", {"PITCH_41": 0.5, "BAR_4/4": 0.5}),
        ("VEL_66", {"VEL_66": 0.5, "DUR_24": 0.5}),
    ):
        half = pytest.approx(math.log(2), abs=1e-5)
        assert told_costs(last, spent) == {"illegal": half, "pairing": half}


def test_probability_beyond_the_limits_costs_coherence() -> None:
    spent = {"SHIFT_48": 0.5, "VEL_66": 0.5}
    assert told_costs("VEL_66 PITCH_41 DUR_24 SHIFT_48", spent) == {}
    found = told_costs("VEL_66 PITCH_41 DUR_24 SHIFT_48", spent, at_once=1)
    assert found == {"coherence": pytest.approx(math.log(2), abs=1e-5)}


def test_a_performance_pairs_ons_and_offs() -> None:
    piece = ids(PERFORMANCE, "START VELOCITY_66 NOTE_ON_60 SHIFT_250 NOTE_OFF_60 END")
    info = info_of(PERFORMANCE, [piece, ids(PERFORMANCE, "NOTE_OFF_62 NOTE_ON_62")])
    row = local(info, piece)
    for strange in ("NOTE_OFF_62", "NOTE_ON_60", "END"):
        shares = np.full(len(info.vocabulary), 1e-12)
        for name in ("NOTE_OFF_60", strange):
            shares[info.vocabulary.names.index(name)] = 0.5
        logits = torch.tensor(np.log(shares), dtype=torch.float32)[None, None]
        _, told = terms_of(info)(logits, row[None, 4:5], 0, [row[:4]])
        half = pytest.approx(math.log(2), abs=1e-5)
        assert told["pairing"] == half, strange
        assert told["illegal"] == half, strange


def slow_repeating(before: Tokens, targets: Tokens) -> list[int]:
    span = losses.REPEATED_TOKENS
    told = [*before[-losses.LOOK_BACK_TOKENS :].tolist(), *targets.tolist()]
    found = []
    for place in range(len(told) - len(targets), len(told)):
        last = told[max(place - span, 0) : place]
        after = [
            told[n] for n in range(span, place) if len(last) == span and told[n - span : n] == last
        ]
        found.append(after[-1] if after and after[-1] != told[place] >= 0 else -1)
    return found


@given(st.lists(st.integers(0, 1), max_size=90), st.lists(st.integers(0, 1), min_size=1), st.data())
def test_repetitions_are_those_of_the_slow_reference(
    before: list[int], targets: list[int], data: st.DataObject
) -> None:
    times = data.draw(st.integers(1, 4))
    ahead, told = np.array([0, *before * times], np.int64), np.array(targets * times, np.int64)
    assert losses.repeating(ahead, told).tolist() == slow_repeating(ahead, told)


def test_repetitions_of_long_pieces_are_found_within_reach() -> None:
    rng = np.random.default_rng(3)
    theme = rng.integers(0, 300, 60)
    long_ago = np.concatenate([theme, rng.integers(0, 300, losses.LOOK_BACK_TOKENS)])
    lately = np.concatenate([rng.integers(0, 300, losses.LOOK_BACK_TOKENS), theme])
    told = theme.copy()
    told[30] = 301
    assert np.flatnonzero(losses.repeating(lately, told) >= 0).tolist() == [30]
    assert losses.repeating(lately, told)[30] == theme[30]
    assert losses.repeating(long_ago, told).max() == -1


def test_saying_again_costs_where_the_music_goes_on_anew() -> None:
    probabilities = torch.tensor([[[0.2, 0.8], [0.2, 0.8]]])
    share = torch.full((1, 2), 0.5)
    found = losses.repetition(probabilities, torch.tensor([[1, -1]]), share)
    assert found.item() == pytest.approx(-math.log(0.2) / 2, abs=1e-6)


def batch(rows: int) -> tuple[ModelInfo, Tokens, list[Tokens]]:
    pieces = [melody(8, n) for n in range(rows)]
    info = info_of(EVENTS, pieces)
    told = [local(info, piece) for piece in pieces]
    return info, np.stack([t[5:45] for t in told]), [t[:5] for t in told]


def test_a_gradient_step_lowers_every_term_and_the_sum_is_weighted() -> None:
    info, targets, before = batch(4)
    terms = terms_of(info, illegal_weight=2.0)
    logits = torch.randn(4, 40, len(info.vocabulary), generator=torch.Generator().manual_seed(1))
    logits.requires_grad_()
    loss, told = terms(logits, targets, 0, before)
    assert loss.item() == pytest.approx(sum(terms.weights[n] * told[n] for n in NAMES), rel=1e-5)
    (gradient,) = torch.autograd.grad(loss, logits)
    assert torch.isfinite(gradient).all()
    _, later = terms(logits - 20 * gradient, torch.from_numpy(targets), 0, before)
    assert later["illegal"] < told["illegal"]
    assert later["pairing"] < told["pairing"]


def test_weights_rise() -> None:
    info, targets, before = batch(2)
    terms = terms_of(info, grammar_ramp_steps=100)
    logits = torch.zeros(2, 40, len(info.vocabulary))
    full = terms(logits, targets, 100, before)[0].item()
    assert full > 0
    assert terms(logits, targets, 0, before)[0].item() == 0
    assert terms(logits, targets, 25, before)[0].item() == pytest.approx(full / 4)
    assert terms(logits, targets, 5000, before)[0].item() == pytest.approx(full)


def test_each_row_is_judged_at_one_step_of_a_few() -> None:
    info, targets, before = batch(5)
    terms = terms_of(info, grammar_every_row=3)
    heard, costs = [], []
    for step in range(3):
        logits = torch.zeros(5, 40, len(info.vocabulary), requires_grad=True)
        loss, told = terms(logits, targets, step, before)
        (gradient,) = torch.autograd.grad(loss, logits)
        judged = torch.nonzero(gradient.abs().sum((1, 2)))[:, 0].tolist()
        assert bool(told) == bool(judged)
        heard += judged
        costs.append(loss.item())
    assert sorted(heard) == [0, 1, 2, 3, 4]
    every = terms_of(info)(torch.zeros(5, 40, len(info.vocabulary)), targets, 0, before)[0]
    assert np.mean(costs) == pytest.approx(every.item(), rel=1e-5)


def test_a_batch_in_parts_costs_what_it_costs_whole() -> None:
    info, targets, before = batch(6)
    generator = torch.Generator().manual_seed(4)
    logits = torch.randn(6, 40, len(info.vocabulary), generator=generator)
    terms = terms_of(info, grammar_every_row=2)
    for step in range(4):
        whole = terms(logits, targets, step, before)[0].item()
        parts = [
            terms(logits[n : n + 2], targets[n : n + 2], step, before[n : n + 2])[0].item()
            for n in (0, 2, 4)
        ]
        assert np.mean(parts) == pytest.approx(whole, rel=1e-5)


def test_places_without_a_target_cost_nothing() -> None:
    info, targets, before = batch(1)
    cut = targets.copy()
    cut[:, 20:] = -100
    logits = torch.randn(1, 40, len(info.vocabulary), generator=torch.Generator().manual_seed(2))
    terms = terms_of(info)
    half = terms(logits, cut, 0, before)[1]
    alone = terms(logits[:, :20], targets[:, :20], 0, before)[1]
    assert half == pytest.approx(alone)


def test_nothing_is_on_without_weights() -> None:
    info, _, _ = batch(1)
    off = {f"{name}_weight": 0.0 for name in NAMES}
    assert not terms_of(info, **off).is_on
    assert terms_of(info, **off | {"coherence_weight": 1.0}).is_on


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"pairing_weight": -1.0}, "--pairing-weight cannot be -1.0; use 0 to 1,000"),
        ({"illegal_weight": math.nan}, "--illegal-weight cannot be nan"),
        ({"least_grammar": 1.5}, "--least-grammar cannot be 1.5; use 0 to 1"),
        ({"grammar_every_row": 0}, "--grammar-every-row cannot be 0; use 1"),
    ],
)
def test_settings_that_make_no_sense(values: dict[str, Any], told: str) -> None:
    with pytest.raises(UsageError, match=told):
        GrammarSettings(**values)


def test_a_voice_that_stays_repeats_nothing() -> None:
    before, targets = np.array([9, 1, 2, 3, 4]), np.array([1, 2, 3, 5, 1])
    again = np.array([1, 7, -1, 4, 1])
    assert losses.moving(again, before, targets).tolist() == [-1, 7, -1, -1, -1]
