"""The grammar: as a slow reference has it, no dead ends, real music legal, collapses not."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given

from tests.tokens.charts import charted
from tests.tokens.reference import SlowChorale, SlowEvents, SlowPerformance
from tests.tokens.test_events import BAND, EVENTS, slots_of
from woodshed.corpus.folder import list_midi
from woodshed.formats.midi_contained import read_many
from woodshed.music.score import Score
from woodshed.music.transform import slice_bars
from woodshed.tokens import grammar as grammar_module
from woodshed.tokens.chorale import Chorale, ChoraleLimits
from woodshed.tokens.events_grammar import ESCAPES, PHASES, EventLimits, events_grammar
from woodshed.tokens.grammar import Grammar, State
from woodshed.tokens.limits import event_extremes, event_limits
from woodshed.tokens.performance import Performance, PerformanceLimits

LOOSE = EventLimits(at_once=1000, load=100_000, empty_bars=100_000, lead_bars=100_000)
TIGHT = EventLimits(at_once=4, usual=2, load=3, empty_bars=2, lead_bars=3)
LOOSE_PERFORMANCE = PerformanceLimits(
    sounding=127, at_once=1000, shifts=100_000, lead_shifts=100_000, load=100_000
)
TIGHT_PERFORMANCE = PerformanceLimits(
    sounding=5, at_once=4, shifts=2, lead_shifts=4, usual=2, load=3
)
PERFORMANCE = Performance()
CHORALE = Chorale()
TIGHT_CHORALE = ChoraleLimits(still=2, rests=2, lead_rests=1)

CASES: dict[str, tuple[Grammar, Callable[[], Any]]] = {
    "events": (events_grammar(EVENTS, TIGHT), lambda: SlowEvents(EVENTS, TIGHT)),
    "performance": (
        PERFORMANCE.grammar(TIGHT_PERFORMANCE),
        lambda: SlowPerformance(TIGHT_PERFORMANCE),
    ),
    "chorale": (CHORALE.grammar(TIGHT_CHORALE), lambda: SlowChorale(TIGHT_CHORALE)),
}


@pytest.fixture(params=["compiled", "plain"])
def form(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == "plain":
        monkeypatch.setattr(grammar_module, "machine", lambda: grammar_module._run)
    return str(request.param)


@pytest.mark.parametrize("language", CASES)
def test_masks_are_those_of_the_slow_reference_along_random_walks(language: str, form: str) -> None:
    grammar, reference = CASES[language]
    rng = np.random.default_rng(7)
    walks, steps = (6, 400) if form == "compiled" else (1, 40)
    if form == "compiled" and language == "chorale":
        walks, steps = 3, 160  # its reference looks at all that was
    slow = [reference() for _ in range(walks)]
    state = grammar.start(walks)
    for _ in range(steps):
        masks = grammar.masks(state)
        expected = [[s.allows(token) for token in range(len(grammar.language))] for s in slow]
        assert np.array_equal(masks, np.array(expected))
        # Each kind of token is as likely as any other, so that rare ones are met, and END is not.
        chosen = np.array([_pick(grammar, mask, rng) for mask in masks])
        assert grammar.advance(state, chosen).all()
        for s, token in zip(slow, chosen.tolist(), strict=True):
            s.take(token)


def _pick(grammar: Grammar, mask: Any, rng: np.random.Generator) -> int:
    allowed = np.flatnonzero(mask)
    assert len(allowed), "a dead end"
    groups = grammar.language.group_of[allowed]
    end = grammar.language.row("END")
    kinds = [g for g in np.unique(groups) if g != end] or [end]
    chosen = allowed[groups == rng.choice(kinds)]
    # The highest value often, so that counters that only rise reach their ends.
    return int(chosen[-1] if rng.random() < 0.2 else rng.choice(chosen))


class TestNoDeadEnds:
    """At every phase of `events`, each counter at 0, at its bound and one before."""

    @pytest.mark.parametrize("phase", [name for name, _ in PHASES])
    def test_each_phase_has_its_escape(self, phase: str) -> None:
        grammar = CASES["events"][0]
        number = [name for name, _ in PHASES].index(phase)
        counters = {
            "at_once": (0, TIGHT.at_once - 1, TIGHT.at_once),
            "load": (0, TIGHT.load - 1, TIGHT.load),
            "empty_bars": (0, TIGHT.empty_bars - 1, TIGHT.empty_bars),
            "in_bar": (0, 94, 95),
            "next_inst": (0, 5, 6),
            "next_pitch": (0, 127, 128),
            "next_slot": (0, 5, 6),
        }
        rows = {name: n for n, name in enumerate(grammar.registers)}
        for drums in (0, 1):
            for counter, values in counters.items():
                for value in values:
                    state = _settled(grammar, phase, number, drums)
                    if not _can_be(phase, counter, value):
                        continue
                    state.registers[0, rows[counter]] = value
                    mask = grammar.masks(state)[0]
                    names = {
                        n.partition("_")[0]
                        for n, ok in zip(grammar.language.names, mask, strict=True)
                        if ok
                    }
                    assert names & set(ESCAPES[phase].split(" or ")), (counter, value, names)

    def test_the_table_of_escapes_is_whole(self) -> None:
        assert set(ESCAPES) == {name for name, _ in PHASES}

    @pytest.mark.parametrize("phase", ["play", "velocity"])
    def test_each_phase_of_a_performance_has_its_way_on(self, phase: str) -> None:
        grammar = CASES["performance"][0]
        limits = TIGHT_PERFORMANCE
        rows = {name: n for n, name in enumerate(grammar.registers)}
        bounds = (limits.sounding, limits.at_once, limits.shifts, limits.load)
        values = [sorted({0, bound - 1, bound}) for bound in bounds]
        for sounding, at_once, shifts, load in itertools.product(*values):
            full = sounding == bounds[0] or at_once == bounds[1] or load == bounds[3]
            if phase == "velocity" and full:
                continue  # VELOCITY comes only where a note may follow
            if at_once and shifts:
                continue  # a shift begins a new moment
            if load < at_once - limits.usual:
                continue  # each note beyond the usual adds one
            if not at_once and load == bounds[3]:
                continue  # a shift has just taken its relief
            state = grammar.start()
            state.phase[0] = [name for name, _ in grammar.phases].index(phase)
            state.sounding[0, 60 : 60 + sounding] = True
            counted = {
                "sounding": sounding, "at_once": at_once, "shifts": shifts, "load": load,
                "has_velocity": 1,
            }  # fmt: skip
            for name, value in counted.items():
                state.registers[0, rows[name]] = value
            assert grammar.masks(state)[0].any(), counted

    @pytest.mark.parametrize("voice", ["S", "A", "T", "B"])
    @pytest.mark.parametrize("known", ["all", "one pitch", "rest", "one pitch and rest"])
    def test_each_voice_of_a_chorale_has_its_way_on(self, voice: str, known: str) -> None:
        language, limits = CHORALE.language, TIGHT_CHORALE
        available = np.ones(len(language), bool)
        if known != "all":
            own = [n for n, name in enumerate(language.names) if name.startswith(f"{voice}_")]
            kept = {f"{voice}_60": "pitch" in known, f"{voice}_REST": "rest" in known}
            available[own] = False
            available[[language.id_of[name] for name, stays in kept.items() if stays]] = True
        grammar = CHORALE.grammar(limits, available)
        rows = {name: n for n, name in enumerate(grammar.registers)}
        stills = (0, 4 * limits.still - 1, 4 * limits.still)
        rests = (0, 4 * limits.rests - 1, 4 * limits.rests)
        for still, rest, last in itertools.product(stills, rests, (60, 128, 129)):
            if rest == rests[-1] and last == 60:
                continue  # the voice's own cell was among those rests
            state = grammar.start()
            state.phase[0] = [name for name, _ in grammar.phases].index(voice)
            for name, value in {"still": still, "rests": rest, f"last_{voice}": last}.items():
                state.registers[0, rows[name]] = value
            mask = grammar.masks(state)[0] & available
            mask[language.id_of["END"]] = False
            assert mask.any(), (still, rest, last)


def _settled(grammar: Grammar, phase: str, number: int, drums: int) -> State:
    """A state at `phase` as music leads there."""
    state = grammar.start()
    state.phase[0] = number
    rows = {name: n for n, name in enumerate(grammar.registers)}
    state.registers[0, rows["slots"]] = 0b111111
    state.registers[0, rows["bar_steps"]] = 96
    state.registers[0, rows["drums"]] = drums
    state.registers[0, rows["top_pitch"]] = 128
    return state


def _can_be(phase: str, counter: str, value: int) -> bool:
    """What a phase rules out by itself: at a new moment nobody has played, and so on."""
    if phase in ("tempo", "key") and counter == "next_slot":  # the header has just begun
        return value == 0
    if phase in ("slots", "tags") and counter == "empty_bars":
        return value == 0
    fresh = {"bar", "cut", "chord", "moved"}
    if phase in fresh and counter in ("at_once", "next_inst"):
        return value == 0
    if phase in fresh and counter == "load":  # a moment has just taken its relief
        return value < TIGHT.load
    if phase == "player":  # INST lets nobody in who could not play
        limits = {"at_once": TIGHT.at_once, "load": TIGHT.load, "next_pitch": 1}
        return value < limits.get(counter, value + 1)
    if phase == "struck":  # nor does VEL
        return counter != "next_pitch" or value < 128
    if phase == "note" and counter == "empty_bars":
        return value == 0
    return True


@given(charted(drums=False))
def test_what_is_encoded_is_legal(score: Score) -> None:
    if not len(score.notes):
        return  # there is no sentence without players
    tokens = EVENTS.encode(score, slots_of(score))
    assert events_grammar(EVENTS, LOOSE).legal(tokens).all()
    assert PERFORMANCE.grammar(LOOSE_PERFORMANCE).legal(PERFORMANCE.encode(score)).all()


@pytest.mark.parametrize("language", CASES)
def test_masks_along_a_sequence_are_the_masks_on_the_way(language: str) -> None:
    grammar, _ = CASES[language]
    rng = np.random.default_rng(3)
    state = grammar.start(2)
    chosen, masks = [], []
    for _ in range(60):
        masks.append(grammar.masks(state))
        chosen.append(np.array([_pick(grammar, mask, rng) for mask in masks[-1]]))
        grammar.advance(state, chosen[-1])
    along = grammar.masks_along(np.stack(chosen, axis=1))
    assert np.array_equal(along, np.stack(masks, axis=1))


def test_an_illegal_token_is_told_where_it_stands() -> None:
    language = EVENTS.language
    names = "START TEMPO_120 SLOT_bass BAR_4/4 INST_bass VEL_66 DRUM_36 INST_guitar BAR_4/4 END"
    tokens = np.array([language.id_of[name] for name in names.split()])
    assert events_grammar(EVENTS, LOOSE).legal(tokens).tolist() == [
        True, True, True, True, True, True, False, False, False, True,
    ]  # fmt: skip


def test_a_vocabulary_without_high_pitches_has_no_dead_end() -> None:
    language = EVENTS.language
    available = np.ones(len(language), bool)
    available[language.id_of["PITCH_61"] : language.id_of["PITCH_127"] + 1] = False
    grammar = events_grammar(EVENTS, LOOSE, available)
    state = grammar.start()
    for name in [
        "START",
        "TEMPO_120",
        "SLOT_bass",
        "BAR_4/4",
        "INST_bass",
        "VEL_66",
        "PITCH_60",
        "DUR_6",
    ]:
        grammar.advance(state, np.array([language.id_of[name]]))
    assert not grammar.masks(state)[0, language.id_of["VEL_66"]]
    assert grammar.masks(state)[0, language.id_of["BAR_4/4"]]


@pytest.mark.parametrize(
    "folder",
    ["asap-maestro", "giantmidi-eval", "groove-midi", "nottingham", "piano-midi-de", "pop909"],
)
def test_held_out_real_music_is_legal_whole_and_its_collapse_is_not(
    test_data: Path, folder: str
) -> None:
    pieces = []
    for outcome in read_many(list_midi(test_data / folder).paths):
        score = outcome.unwrap()
        # Some performances stand minutes into an empty file, where the concert had got to.
        first = int(score.bar(score.notes.start_ticks[0]))
        score = slice_bars(score, first, score.bar_count - first)
        pieces.append(EVENTS.encode(score, slots_of(score)))
    rng = np.random.default_rng(11)
    legal: list[bool] = []
    for _ in range(10):
        order = rng.permutation(len(pieces))
        held_out, training = order[: len(pieces) // 5], order[len(pieces) // 5 :]
        limits = event_limits(event_extremes(pieces[n], EVENTS) for n in training)
        grammar = events_grammar(EVENTS, limits)
        legal += [bool(grammar.legal(pieces[n]).all()) for n in held_out]
        assert not grammar.legal(silence()).all()
    assert np.mean(legal) >= 0.98
    assert not grammar.legal(collapse()).all()


def collapse() -> Any:
    """The avalanche of the reference run: twelve notes on 41 of 100 moments, one on the others."""
    id_of = EVENTS.language.id_of
    rng = np.random.default_rng(5)
    names = ["START", "TEMPO_120", "SLOT_other"]
    for _ in range(64):
        names.append("BAR_4/4")
        for moment in range(16):
            names += ["SHIFT_6"] * (moment > 0) + ["INST_other"]
            for note in range(12 if rng.random() < 0.41 else 1):
                names += ["VEL_82", f"PITCH_{48 + note}", "DUR_6"]
    return np.array([id_of[name] for name in [*names, "END"]])


def silence() -> Any:
    """A collapse into silence: bars and nothing in them."""
    id_of = EVENTS.language.id_of
    return np.array(
        [id_of[n] for n in ["START", "TEMPO_120", "SLOT_other", *["BAR_4/4"] * 999, "END"]]
    )


def test_the_band_has_the_slots_these_tests_name() -> None:
    assert [s.name for s in BAND.slots] == [
        "voxlead",
        "voxharm",
        "guitar",
        "other",
        "bass",
        "drums",
    ]
