"""The monitor: the same look twice, nothing left behind, collapses by name, a spoilt network."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.training.tunes import EVENTS, PERFORMANCE, Tokens, ids, info_of, local, melody, performed
from woodshed.models.info import ModelInfo
from woodshed.sampling.chance import uniforms
from woodshed.sampling.collapses import collapses
from woodshed.tokens.events import Events
from woodshed.tokens.events_grammar import EventLimits
from woodshed.tokens.grammar_score import grammar_score
from woodshed.tokens.grammars import grammars
from woodshed.tokens.performance import Performance
from woodshed.training.grammar_settings import GrammarSettings

torch = pytest.importorskip("torch")
monitor = pytest.importorskip("woodshed.training.monitor")

SETTINGS = GrammarSettings(monitor_pieces=6, monitor_tokens=120)
PIECES = [melody(24, seed) for seed in range(8)]


def network_for(info: ModelInfo, echoes: int = 0) -> Any:
    from woodshed.models.neural.config import NetworkConfig
    from woodshed.models.neural.network import Network

    torch.manual_seed(1)
    words = len(info.vocabulary)
    config = NetworkConfig(words, 48, layers=2, heads=4, kv_heads=2, feed_forward=96, context=64)
    return Network(replace(config, dropout=0.1, echoes=echoes))


@pytest.fixture(scope="module")
def learnt() -> tuple[ModelInfo, Any]:
    """A network that has learnt how melodies go."""
    torch.set_num_threads(1)
    info = info_of(EVENTS, PIECES)
    network = network_for(info)
    told = np.stack([local(info, piece) for piece in PIECES])
    rng = np.random.default_rng(1)
    optimiser = torch.optim.AdamW(network.parameters(), 1e-2)
    for step in range(70):
        begin = int(rng.integers(0, told.shape[1] - 65)) if step % 4 else 0
        rows = torch.from_numpy(told[:, begin : begin + 65])
        logits = network.logits(network(rows[:, :-1]))
        loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), rows[:, 1:].flatten())
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return info, network


def test_it_keeps_the_header_as_whoever_plays_does(
    learnt: tuple[ModelInfo, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Far beyond the context, the header is heard still: it is pinned in every row."""
    info, network = learnt
    states = []

    def begin(rows: int) -> Any:
        states.append(type(network).begin(network, rows))
        return states[-1]

    monkeypatch.setattr(network, "begin", begin)
    sample = monitor.Monitor(network, info, SETTINGS).look(0).sample
    in_header = info.language.language.in_header[sample]
    assert states[0].pinned[0] == min(int(np.argmin(in_header)), 64 // 4) > 0


def test_a_network_that_learnt_is_sound(learnt: tuple[ModelInfo, Any]) -> None:
    info, network = learnt
    reading = monitor.Monitor(network, info, SETTINGS).look(7)
    assert reading.step == 7
    assert reading.score > 0.8
    assert reading.collapses == ()
    assert len(EVENTS.decode(reading.sample).notes) > 5


def test_a_spoilt_network_is_rolled_back_and_sound_again(learnt: tuple[ModelInfo, Any]) -> None:
    info, network = learnt
    look = monitor.Monitor(network, info, SETTINGS).look
    best = {name: value.clone() for name, value in network.state_dict().items()}
    seen, verdict = monitor.after(monitor.Seen(), look(1), SETTINGS)
    assert (verdict.warning, verdict.rolls_back, verdict.stops) == (None, False, False)
    try:
        with torch.no_grad():
            for value in network.parameters():
                value.add_(torch.randn(value.shape, generator=torch.Generator().manual_seed(1)))
        spoilt = look(2)
        assert spoilt.collapses
        seen, verdict = monitor.after(seen, spoilt, SETTINGS)
        assert verdict.rolls_back
        assert "step 2: what the model plays has collapsed" in verdict.warning
        assert spoilt.collapses[0] in verdict.warning
    finally:
        network.load_state_dict(best)
    seen, verdict = monitor.after(seen, look(3), SETTINGS)
    assert not verdict.rolls_back
    assert seen == monitor.Seen(True, 0, 1)


def test_weights_that_are_no_numbers_are_a_collapse(learnt: tuple[ModelInfo, Any]) -> None:
    info, network = learnt
    best = {name: value.clone() for name, value in network.state_dict().items()}
    try:
        with torch.no_grad():
            next(network.parameters()).fill_(torch.nan)
        reading = monitor.Monitor(network, info, SETTINGS).look(1)
    finally:
        network.load_state_dict(best)
    assert reading.score == 0
    assert "silence" in reading.collapses


def test_a_look_is_the_same_twice_and_leaves_nothing_behind() -> None:
    info = info_of(EVENTS, PIECES)
    network = network_for(info)
    network.train()
    before = [value.clone() for value in network.parameters()]
    torch.manual_seed(5)
    expected = torch.rand(4)
    torch.manual_seed(5)
    first, second = (monitor.Monitor(network, info, SETTINGS).look(1) for _ in range(2))
    assert torch.equal(torch.rand(4), expected)
    assert first.to_dict() == second.to_dict()
    assert first.sample.tolist() == second.sample.tolist()
    assert network.training
    assert all(torch.equal(a, b) for a, b in zip(before, network.parameters(), strict=True))
    network.eval()
    monitor.Monitor(network, info, SETTINGS).look(1)
    assert not network.training


def test_it_plays_as_likely_as_the_network_says() -> None:
    info = info_of(EVENTS, PIECES)
    network = network_for(info)
    settings = replace(SETTINGS, monitor_pieces=1000, monitor_tokens=16)
    played = monitor.Monitor(network, info, settings)._play()
    network.eval()
    start = torch.full((1,), info.vocabulary.names.index("START"))
    with torch.no_grad():
        logits = network.logits(network.play(start, [0], network.begin(1)))
    likely = torch.softmax(logits[0], -1).numpy()
    found = np.array([np.mean(played[:, 1] == number) for number in info.vocabulary.ids])
    assert np.abs(found - likely).max() < 0.04
    assert (played[:, 0] == EVENTS.language.first["START"]).all()


def test_it_hears_the_echoes_that_playing_hears() -> None:
    from woodshed.models.neural.model import Neural

    info = info_of(EVENTS, PIECES)
    network = network_for(info, echoes=3)
    with torch.no_grad():
        for each in (*network.echo_embedding, *network.sure_embedding):
            each.weight.mul_(20)
    settings = replace(SETTINGS, monitor_pieces=3, monitor_tokens=40)
    played = monitor.Monitor(network, info, settings)._play()
    network.eval()
    model = Neural(info, network)
    tokens = np.searchsorted(info.vocabulary.ids, played).astype(np.int64)
    chance = uniforms(monitor.SEED, np.arange(3), np.zeros(3, np.int64), 0, 40)
    state = model.start([row[:1].astype(np.uint16) for row in tokens])
    for place in range(39):
        shares = np.exp(model.log_probabilities(state).astype(np.float64)).cumsum(-1)
        found = (shares < (chance[:, place] * shares[:, -1])[:, None]).sum(-1)
        near = np.abs(shares - chance[:, place, None]).min(-1) < 1e-4  # rounded either way
        assert (near | (found == tokens[:, place + 1])).all()
        model.advance(state, tokens[:, place + 1])


HEAD = "START TEMPO_120 SLOT_bass"
BAR = "BAR_4/4 INST_bass VEL_66 PITCH_{} DUR_24"


def named(tokens: Tokens, language: Events | Performance = EVENTS) -> list[str]:
    pieces = PIECES if language is EVENTS else [performed(40, 1)]
    limits = EventLimits(at_once=4, usual=2) if language is EVENTS else None
    info = info_of(language, [*pieces, tokens], limits)
    found = grammar_score(tokens, language, *grammars(language, info.limits))
    return list(collapses(tokens.astype(np.uint16), found, info))


def test_music_has_no_collapse() -> None:
    assert all(named(piece) == [] for piece in PIECES)
    assert named(performed(40, 3), PERFORMANCE) == []


CHORD = " ".join(f"VEL_66 PITCH_{pitch} DUR_24" for pitch in range(40, 46))
COLLAPSES = {
    "silence": f"{HEAD} {BAR.format(40)} " + "BAR_4/4 " * 30 + BAR.format(41),
    "loop": f"{HEAD} " + f"{BAR.format(40)} " * 40,
    "avalanche": HEAD + "".join(
        f" BAR_4/4 SHIFT_{n % 50 + 1} INST_bass {CHORD}" for n in range(9)
    ),
    "run of shifts": HEAD + "".join(
        f" {BAR.format(40 + n % 7)} " + "SHIFT_6 " * 3 for n in range(20)
    ),
    "babble": " ".join(["VEL_66 TEMPO_120 DUR_24 SLOT_bass PITCH_41 START"] * 30),
}  # fmt: skip


@pytest.mark.parametrize("name", COLLAPSES)
def test_collapses_have_names(name: str) -> None:
    tokens = ids(EVENTS, COLLAPSES[name])
    assert name in named(tokens)
    if name != "babble":
        assert len(named(tokens)) == 1


def test_tokens_drawn_at_random_are_babble_in_each_language() -> None:
    for language, pieces in ((EVENTS, PIECES), (PERFORMANCE, [performed(40, 1)])):
        info = info_of(language, pieces)
        reading = monitor.Monitor(network_for(info), info, SETTINGS).look(1)
        assert "babble" in reading.collapses


def test_silence_and_shifts_of_a_performance() -> None:
    note = "NOTE_ON_60 SHIFT_100 NOTE_OFF_60"
    rests = " ".join(["SHIFT_1000"] * 3)
    sparse = ids(PERFORMANCE, f"START VELOCITY_66 {' '.join([f'{note} {rests}'] * 9)} END")
    assert named(sparse, PERFORMANCE) == ["silence"]
    endless = ids(PERFORMANCE, f"START VELOCITY_66 NOTE_ON_60 {rests} " + "SHIFT_1000 " * 30)
    assert "run of shifts" in named(endless, PERFORMANCE)
    assert named(ids(PERFORMANCE, "START END"), PERFORMANCE) == ["silence"]


def test_notes_that_were_cut_in_two_are_left_out() -> None:
    piece = melody(4, 1)
    for cut in range(5, len(piece)):
        kept = monitor._without_cut_notes(piece[:cut], EVENTS.language)
        found = grammar_score(kept, EVENTS, *grammars(EVENTS, EventLimits()))
        assert found.legal == 1
        assert found.paired == 1 or not found.notes
        assert len(kept) > cut - 4
    look = monitor.Monitor(network_for(info_of(EVENTS, PIECES)), info_of(EVENTS, PIECES), SETTINGS)
    assert look._ended(np.append(piece, piece)).tolist() == piece.tolist()
    assert look._ended(piece[:7]).tolist() == piece[:4].tolist()
    hanging = ids(PERFORMANCE, "START VELOCITY_66 NOTE_ON_60")
    music = performed(60, 2)[2:-1]
    for told, notes in ((music[:62], 0), (np.concatenate([hanging, music, music]), 1)):
        kept = monitor._without_cut_notes(told, PERFORMANCE.language)
        counted = np.bincount(PERFORMANCE.language.group_of[kept], minlength=2)
        assert counted[0] - counted[1] == notes, "only a note begun lately may still sound"


def reading(score: float, *names: str) -> Any:
    return monitor.Reading(100, score, 1, 1, 1, 1, names, np.zeros(1, np.uint16))


def test_a_network_that_only_begins_is_warned_of_and_left_alone() -> None:
    seen = monitor.Seen()
    for _ in range(20):
        seen, verdict = monitor.after(seen, reading(0.1, "babble"), SETTINGS)
        assert "0.10, below 0.8 (babble)" in verdict.warning
        assert not verdict.rolls_back
        assert not verdict.stops
    assert seen == monitor.Seen()


def test_staying_low_after_being_sound_ends_with_patience() -> None:
    seen, _ = monitor.after(monitor.Seen(), reading(0.9), SETTINGS)
    for score in (0.7, 0.7, 0.7, 0.7, 0.85, 0.7, 0.7, 0.7, 0.7):
        seen, verdict = monitor.after(seen, reading(score), SETTINGS)
        assert not verdict.stops
        assert (verdict.warning is None) == (score > 0.8)
    assert monitor.Seen.from_dict(seen.to_dict()) == seen
    assert monitor.after(seen, reading(0.7), SETTINGS)[1].stops


def test_the_third_collapse_ends_it() -> None:
    seen = monitor.Seen(was_sound=True)
    stops = []
    for _ in range(3):
        seen, verdict = monitor.after(seen, reading(0.2, "loop"), SETTINGS)
        assert verdict.rolls_back
        stops.append(verdict.stops)
    assert stops == [False, False, True]


@pytest.mark.parametrize("folder", ["pop909", "lieder-lyrics"])
def test_real_music_has_no_collapse(test_data: Path, folder: str) -> None:
    from woodshed.corpus.folder import list_midi
    from woodshed.formats.midi_contained import read_many
    from woodshed.tokens.limits import extremes_of, measured_limits

    for language in (EVENTS, PERFORMANCE):
        pieces = []
        for outcome in read_many(list_midi(test_data / folder).paths[:60]):
            score = outcome.unwrap()
            if isinstance(language, Events):
                places = [place.slot for place in language.lineup.place(score.parts)]
                pieces.append(language.encode(score, places))
            else:
                pieces.append(language.encode(score))
        limits = measured_limits([extremes_of(p, language) for p in pieces], language)
        info = info_of(language, [p.astype(np.int64) for p in pieces], limits)
        form = grammars(language, limits)
        flagged = [
            names
            for piece in pieces
            if (names := collapses(piece, grammar_score(piece, language, *form), info))
        ]
        assert len(flagged) <= 0.05 * len(pieces), flagged
