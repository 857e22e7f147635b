"""What a language does to a piece, in figures: cases by hand, and a slow search for every note."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests import strategies
from tests.tokens.charts import charted, with_chords
from tests.tokens.test_events import BAND, EVENTS, slots_of
from woodshed.music.notes import SUSTAIN, Controls, Notes
from woodshed.music.score import Part, Score
from woodshed.music.sustain import hold_sustain
from woodshed.music.time import KeyMap, MetreMap, TempoMap
from woodshed.tokens.events import Events
from woodshed.tokens.performance import Performance
from woodshed.tokens.roundtrip import RoundTrip, round_trip

PERFORMANCE = Performance()
SLOT = {slot.name: number for number, slot in enumerate(BAND.slots)}
PIANO, DRUMS = SLOT["other"], next(n for n, slot in enumerate(BAND.slots) if slot.drums)


def trip_of(
    score: Score,
    language: Events | Performance,
    slots: list[int | None],
    tags: tuple[str, ...] = (),
) -> RoundTrip:
    if isinstance(language, Events):
        tokens = language.encode(score, slots, tags)
    else:
        tokens = language.encode(hold_sustain(score), slots)
    return round_trip(score, slots, tags, tokens, language)


def test_tempos_that_vanish_are_told() -> None:
    score = Score(
        notes=Notes.from_rows([(0, 480, 60, 64, 0), (960, 480, 62, 64, 0)]),
        parts=(Part(),),
        # A quarter at 120, one at 60, then 120 again, which holds longest: 0.5 + 1 + 0.5 s.
        tempos=TempoMap.from_rows([(0, 500_000), (480, 1_000_000), (960, 500_000)]),
    )
    events = trip_of(score, EVENTS, [PIANO])
    assert (events.tempo_changes_dropped, events.seconds_before, events.seconds_after) == (
        2,
        2,
        1.5,
    )
    assert (events.onset_shift_ms, events.most_length_shift_ms) == (0, 0)
    performance = trip_of(score, PERFORMANCE, [PIANO])
    assert (performance.seconds_before, performance.seconds_after) == (2, 2)


def test_metres_and_keys_that_vanish_are_told() -> None:
    score = Score(
        notes=Notes.from_rows([(0, 480, 60, 64, 0), (9000, 480, 62, 64, 0)]),
        parts=(Part(),),
        # 3/4 is told; 5/32 is told as the next longer metre, cut; nothing is played in 7/8.
        metres=MetreMap.from_rows([(0, 4, 4), (1920, 3, 4), (6240, 5, 32), (19200, 7, 8)]),
        keys=KeyMap.from_rows([(0, 0, False), (1920, 2, False), (3840, 0, False)]),
    )
    assert trip_of(score, EVENTS, [PIANO]).metre_changes_dropped == 2
    assert trip_of(score, EVENTS, [PIANO]).keys_dropped == 2
    assert trip_of(score, PERFORMANCE, [PIANO]).metre_changes_dropped == 3
    assert trip_of(score, PERFORMANCE, [PIANO]).keys_dropped == 3


def test_chords_that_vanish_are_told() -> None:
    score = Score(
        notes=Notes.from_rows([(0, 480, 60, 64, 0), (5760, 480, 62, 64, 0)]), parts=(Part(),)
    )
    # Told: C7, F7, none. Not told: the G7 within a bar, and the Am after the last note's bar.
    names = ((0, "C7"), (480, "G7"), (1920, "F7"), (2400, "F9"), (5760, "N.C."), (9600, "Am"))
    charted = with_chords(score, *names)
    assert trip_of(score, EVENTS, [PIANO]).chords_dropped == 0
    assert trip_of(charted, EVENTS, [PIANO]).chords_dropped == 2
    assert trip_of(charted, PERFORMANCE, [PIANO]).chords_dropped == 5


def test_notes_merged_and_left_out_are_told_apart() -> None:
    score = Score(
        notes=Notes.from_rows(
            [
                (0, 480, 60, 64, 0), (0, 960, 60, 64, 1),  # doubled by another part
                (480, 480, 36, 64, 2), (480, 480, 38, 64, 2), (960, 480, 40, 64, 2),
            ]
        ),
        parts=(Part(), Part(), Part(is_drum=True)),
    )  # fmt: skip
    events = trip_of(score, EVENTS, [PIANO, PIANO, DRUMS])
    assert (events.notes, events.notes_told) == (5, 4)
    assert (events.notes_merged, events.notes_left_out) == (1, 0)
    assert trip_of(score, EVENTS, [PIANO, None, DRUMS]).notes_left_out == 1
    performance = trip_of(score, PERFORMANCE, [PIANO, PIANO, DRUMS])
    assert (performance.notes_told, performance.notes_merged) == (1, 1)
    assert performance.notes_left_out == 3


def test_starts_and_lengths_move_at_the_tempo_of_the_piece() -> None:
    # A step is 20 ticks of 480; at 60 quarters a minute a tick lasts 25/12 ms.
    score = Score(
        notes=Notes.from_rows([(5, 480, 60, 64, 0), (480, 474, 62, 64, 0), (960, 480, 64, 64, 0)]),
        parts=(Part(),),
        tempos=TempoMap.constant(60),
    )
    trip = trip_of(score, EVENTS, [PIANO])
    assert (trip.onset_shift_ms, trip.most_onset_shift_ms) == (0, pytest.approx(10.417))
    assert (trip.length_shift_ms, trip.most_length_shift_ms) == (0, pytest.approx(12.5))


def test_the_length_of_a_drum_hit_says_nothing() -> None:
    score = Score(notes=Notes.from_rows([(0, 1920, 36, 64, 0)]), parts=(Part(is_drum=True),))
    assert trip_of(score, EVENTS, [DRUMS]).most_length_shift_ms == 0


def test_the_pedal_is_dropped_or_written_into_the_notes() -> None:
    score = Score(
        notes=Notes.from_rows([(0, 48, 60, 64, 0), (960, 48, 62, 64, 0)]),
        parts=(Part(),),
        controls=Controls.from_rows([(0, SUSTAIN, 127, 0), (960, SUSTAIN, 0, 0)]),
    )
    events = trip_of(score, EVENTS, [PIANO])
    assert (events.pedal_events, events.pedal_events_dropped) == (2, 2)
    performance = trip_of(score, PERFORMANCE, [PIANO])
    assert (performance.pedal_events, performance.pedal_events_dropped) == (2, 0)
    assert performance.is_exact
    assert performance.most_length_shift_ms == 0  # one second, as the pedal holds it
    bare = round_trip(score, [PIANO], (), PERFORMANCE.encode(score, [PIANO]), PERFORMANCE)
    assert not bare.is_exact


def test_tokens_that_tell_something_else_are_not_exact() -> None:
    score = Score(notes=Notes.from_rows([(0, 480, 60, 64, 0)]), parts=(Part(),))
    tags = ("feel=shuffle",)
    tokens = EVENTS.encode(score, [PIANO], tags)
    assert round_trip(score, [PIANO], tags, tokens, EVENTS).is_exact
    for wrong in ((), ("feel=straight",), ("feel=shuffle", "feel=straight")):
        assert not round_trip(score, [PIANO], wrong, tokens, EVENTS).is_exact
    for place, name in enumerate(EVENTS.language.names[t] for t in tokens.tolist()):
        if not name.startswith(("TEMPO", "PITCH", "VEL", "DUR", "SLOT")):
            continue
        changed = tokens.copy()
        changed[place] += 1
        assert not round_trip(score, [PIANO], tags, changed, EVENTS).is_exact, name


@pytest.mark.parametrize("language", [EVENTS, PERFORMANCE], ids=["events", "performance"])
@given(score=charted())
def test_no_score_breaks_the_comparison(score: Score, language: Events | Performance) -> None:
    trip = trip_of(score, language, slots_of(score))
    assert trip.is_exact
    assert trip.notes == trip.notes_told + trip.notes_merged + trip.notes_left_out
    dropped = (trip.metre_changes_dropped, trip.chords_dropped)
    assert min(trip.notes_merged, trip.notes_left_out, *dropped) >= 0


@given(st.data())
def test_every_note_is_compared_with_the_nearest_of_its_kind(data: st.DataObject) -> None:
    score = data.draw(strategies.scores(ticks_per_quarter=480, drums=False))
    slots = slots_of(score)
    reduced = EVENTS.reduce(score, slots)
    slot_named = [SLOT[part.name] for part in reduced.parts]
    own = [
        (slots[n], pitch, at)
        for n, pitch, at in zip(
            score.notes.part.tolist(), score.notes.pitch.tolist(),
            score.seconds(score.notes.start_ticks).tolist(), strict=True,
        )
    ]  # fmt: skip
    told = zip(
        reduced.notes.part.tolist(), reduced.notes.pitch.tolist(),
        score.seconds(reduced.notes.start_ticks * 20).tolist(), strict=True,
    )  # fmt: skip
    shifts = [
        min(abs(at - own_at) for slot, own_pitch, own_at in own if (slot, own_pitch) == voice)
        for part, pitch, at in told
        for voice in [(slot_named[part], pitch)]
    ]
    trip = trip_of(score, EVENTS, slots)
    assert trip.most_onset_shift_ms == pytest.approx(1000 * max(shifts, default=0), abs=0.002)
    middle = np.median(shifts) if shifts else 0
    assert trip.onset_shift_ms == pytest.approx(1000 * middle, abs=0.002)
