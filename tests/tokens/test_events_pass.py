"""The one pass of `events` in both its forms: it says what arrays say, or hands the music back."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.tokens.charts import charted, with_chords
from woodshed.corpus.folder import list_midi
from woodshed.errors import BadMusic
from woodshed.formats.midi_contained import read_many
from woodshed.music.lineup import load_lineup
from woodshed.music.notes import Notes
from woodshed.music.score import Part, Score
from woodshed.music.time import MetreMap, TempoMap
from woodshed.tokens import events as module
from woodshed.tokens.events import Events
from woodshed.tokens.events_pass import MOST_TEMPOS, one_pass

BAND = load_lineup("band")
EVENTS = Events(BAND, ("feel=shuffle", "feel=straight"))
SLOTS = range(len(BAND.slots))
COMPILED: Any = module._PASS.form
FORMS = [one_pass] if COMPILED is None else [one_pass, COMPILED]

Slots = Sequence[int | None]


def by_arrays(score: Score, slots: Slots, tags: Sequence[str] = ()) -> np.ndarray:
    return module._write(module._reduced(score, slots), EVENTS, tags)


def in_one_pass(form: Any, score: Score, slots: Slots, tags: Sequence[str] = ()) -> np.ndarray:
    return module._in_one_pass(form, score, slots, EVENTS, tags)


@given(charted(max_notes=40), st.data())
def test_it_says_what_the_arrays_say(score: Score, data: st.DataObject) -> None:
    slot = st.none() | st.sampled_from(SLOTS)
    slots = data.draw(st.lists(slot, min_size=len(score.parts), max_size=len(score.parts)))
    tags = data.draw(st.sampled_from([(), ("feel=straight", "feel=shuffle")]))
    expected = by_arrays(score, slots, tags)
    for form in FORMS:
        tokens = in_one_pass(form, score, slots, tags)
        assert tokens.dtype == expected.dtype
        assert not len(tokens) or tokens.tolist() == expected.tolist()


@given(charted(odd_metres=False, ticks_per_quarter=480), st.data())
def test_it_never_hands_back_common_metres(score: Score, data: st.DataObject) -> None:
    slots = data.draw(
        st.lists(st.sampled_from(SLOTS), min_size=len(score.parts), max_size=len(score.parts))
    )
    for form in FORMS:
        assert np.array_equal(in_one_pass(form, score, slots), by_arrays(score, slots))


def test_it_says_what_the_arrays_say_of_real_files(test_data: Path) -> None:
    different, handed_back, count = [], 0, 0
    for outcome in read_many(list_midi(test_data).paths[::5]):
        if outcome.value is None:
            continue
        score = outcome.value
        slots = [place.slot for place in BAND.place(score.parts)]
        tokens = in_one_pass(FORMS[-1], score, slots)
        count += 1
        handed_back += not len(tokens)
        if len(tokens) and not np.array_equal(tokens, by_arrays(score, slots)):
            different.append(outcome.path)
    assert count > 500
    assert different == []
    assert handed_back < count / 100


def test_it_is_compiled_but_once_for_music_from_anywhere(test_data: Path) -> None:
    if COMPILED is None:
        pytest.skip("there is no numba here")
    for outcome in read_many(list_midi(test_data / "pop909").paths[:20]):
        score = outcome.unwrap()
        slots: list[int | None] = [0] * len(score.parts)
        sparse = score.replace(notes=score.notes.take(slice(None, None, 2)))
        charted = with_chords(score, (0, "C7"))
        for one in (score, sparse, charted, EVENTS.reduce(charted, slots)):
            in_one_pass(COMPILED, one, [0] * len(one.parts))
    assert len(COMPILED.signatures) == 1


def test_a_crowded_moment_is_sorted() -> None:
    rng = np.random.default_rng(7)
    rows = [(0, n % 50 + 1, n % 128, n % 127 + 1, n % 6) for n in range(3000)]
    late = [(int(t), 30, 60, 64, 5 - int(t) % 6) for t in rng.integers(20_000, 20_010, 200)]
    score = Score(notes=Notes.from_rows(rows + late), parts=(Part(),) * 6)
    slots = [5, 4, 3, 2, 1, 0]
    for form in FORMS:
        assert np.array_equal(in_one_pass(form, score, slots), by_arrays(score, slots))


@pytest.mark.parametrize("ticks_per_quarter", [1, 7, 24, 25, 480, 1001, 32767])
def test_late_notes_land_on_the_same_steps(ticks_per_quarter: int) -> None:
    # Far from the start a division that rounds would show.
    rng = np.random.default_rng(ticks_per_quarter)
    latest = min(2**31 - 1, 300_000 * ticks_per_quarter)
    starts = np.sort(rng.integers(latest - 100 * ticks_per_quarter, latest, 500))
    rows = [(int(t), int(rng.integers(1, 40_000)), 60, 64, 0) for t in starts]
    score = Score(ticks_per_quarter, Notes.from_rows(rows), (Part(),), metres=MetreMap.constant(16))
    for form in FORMS:
        tokens = in_one_pass(form, score, [3])
        assert len(tokens)
        assert np.array_equal(tokens, by_arrays(score, [3]))


@pytest.mark.parametrize("count", [2, MOST_TEMPOS, MOST_TEMPOS + 1, 500])
def test_the_tempo_that_holds_longest_of_many(count: int) -> None:
    rng = np.random.default_rng(count)
    # The part that lasts longest is left out, and counts here all the same.
    notes = Notes.from_rows([(0, 100 * count, 60, 80, 0), (1, 5, 60, 80, 1)])
    slots = [None, 3]
    for _ in range(20):
        ticks = [0, *sorted(rng.choice(np.arange(1, 120 * count), count - 1, replace=False))]
        tempos = rng.choice([200_000, 400_000, 500_000, 777_777, 2**24 - 1], count)  # they return
        score = Score(notes=notes, parts=(Part(),) * 2, tempos=TempoMap(np.array(ticks), tempos))
        for form in FORMS:
            assert np.array_equal(in_one_pass(form, score, slots), by_arrays(score, slots))


def test_of_two_tempos_that_hold_as_long_the_faster_is_told() -> None:
    notes = Notes.from_rows([(0, 960, 60, 80, 0)])
    tempos = TempoMap.from_rows([(0, 500_000), (480, 400_000), (960, 250_000)])
    score = Score(notes=notes, parts=(Part(),), tempos=tempos)
    for form in FORMS:
        assert EVENTS.language.names[in_one_pass(form, score, [3])[1]] == "TEMPO_154"


@pytest.mark.parametrize("metre", [(17, 4), (3, 32), (255, 1)])
def test_a_metre_the_table_lacks_is_handed_back(metre: tuple[int, int]) -> None:
    notes = Notes.from_rows([(0, 480, 60, 80, 0)])
    score = Score(notes=notes, parts=(Part(),), metres=MetreMap.constant(*metre))
    for form in FORMS:
        assert not len(in_one_pass(form, score, [3]))


def test_what_cannot_be_told_is_handed_back_and_refused() -> None:
    endless = Score(1, Notes.from_rows([(0, 2**31 - 1, 60, 64, 0)]), (Part(),))
    for form in FORMS:
        assert not len(in_one_pass(form, endless, [0]))
        assert not len(in_one_pass(form, Score(parts=(Part(),)), [len(BAND.slots)]))
    with pytest.raises(BadMusic, match="bars are more than"):
        EVENTS.encode(endless, [0])


def test_encoding_takes_the_pass_where_it_pays(monkeypatch: pytest.MonkeyPatch) -> None:
    score = Score(notes=Notes.from_rows([(0, 480, 60, 80, 0)]), parts=(Part(),))
    odd = score.replace(metres=MetreMap.constant(17, 4))
    used: list[int] = []

    def form(*arguments: Any) -> Any:
        tokens = one_pass(*arguments)
        used.append(len(tokens))
        return tokens

    class Paying:
        def after(self, work: int) -> Any:
            return form if work else None

    monkeypatch.setattr(module, "_PASS", Paying())
    for one in (score, odd, Score()):
        slots = [3] * len(one.parts)
        # Tags that can be read but once are told all the same.
        tokens = EVENTS.encode(one, slots, iter(["feel=shuffle"]))
        assert np.array_equal(tokens, by_arrays(one, slots, ["feel=shuffle"]))
    assert used == [len(by_arrays(score, [3], ["feel=shuffle"])), 0]
