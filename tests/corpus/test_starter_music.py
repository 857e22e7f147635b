"""The starter corpus as a musician hears it: harmony, bass, voices, rhythm, dynamics, endings.

All is heard from the MIDI bytes, by an ear that does not share the composer's tables.
"""

from __future__ import annotations

from itertools import combinations, pairwise

import numpy as np
import pytest

from tests.corpus.blues_ear import COMPERS, Chorus, Heard, chords_of, overlap
from woodshed.corpus.starter import Plan, compose, make_plan
from woodshed.formats.midi_read import read_midi
from woodshed.formats.midi_write import midi_bytes

PIECES = 72
TONIC, DOMINANT = "I", "V"

# Where each form has its chords, by bars counted from 0; the rest is free to be coloured.
FORMS = {
    "twelve": {0: "I", 1: "I", 2: "I", 3: "I", 4: "IV", 5: "IV", 6: "I", 7: "I", 8: "V", 10: "I"},
    "quick": {0: "I", 1: "IV", 2: "I", 3: "I", 4: "IV", 6: "I", 8: "V", 9: "IV", 10: "I"},
    "minor": {0: "I", 2: "I", 3: "I", 4: "IV", 5: "IV", 6: "I", 7: "I", 10: "I"},
    "jazz": {0: "I", 1: "IV", 2: "I", 4: "IV", 6: "I", 8: "II", 9: "V"},
    "eight": {0: "I", 2: "IV", 6: "I"},
    "sixteen": {0: "I", 1: "I", 2: "I", 3: "I", 10: "I|V", 12: "V", 14: "I"},
}
BARS = {"twelve": 12, "quick": 12, "minor": 12, "jazz": 12, "eight": 8, "sixteen": 16}
SWINGS = {"shuffle": (0.585, 0.69), "straight": (0.47, 0.53), "slow": (0.64, 0.69)}


@pytest.fixture(scope="module")
def plans() -> list[Plan]:
    return [make_plan(number, seed=1) for number in range(PIECES)]


@pytest.fixture(scope="module")
def pieces(plans: list[Plan]) -> list[Heard]:
    return [Heard(read_midi(midi_bytes(compose(plan)))) for plan in plans]


@pytest.fixture(scope="module")
def sung(pieces: list[Heard]) -> list[Heard]:
    found = [heard for heard in pieces if "Lead Vocal" in heard.names]
    assert len(found) > PIECES / 2
    return found


def quarters_at(heard: Heard, name: str) -> np.ndarray:
    """How far into its beat each note of a part begins, from 0 to 1."""
    within = np.mod(heard.line(name).starts + 0.05, 1) - 0.05
    return np.asarray(within)


def of_chorus(heard: Heard, chorus: Chorus) -> np.ndarray:
    """Which notes begin in a chorus, its last bar left out: that one leads elsewhere."""
    bars = heard.score.notes.start_ticks / heard.ticks_per_beat / 4
    return np.asarray((bars >= chorus.first_bar) & (bars < chorus.first_bar + chorus.bars - 1))


def accent(heard: Heard, chorus: Chorus) -> float:
    """The mean velocity."""
    return float(heard.score.notes.velocity[of_chorus(heard, chorus)].mean())


def loudness(heard: Heard, chorus: Chorus) -> float:
    """What all players together put into a bar: velocities squared, as power goes."""
    velocities = heard.score.notes.velocity[of_chorus(heard, chorus)] / 127
    return float((velocities**2).sum() / (chorus.bars - 1))


def notes_a_bar(heard: Heard, chorus: Chorus) -> float:
    return float(of_chorus(heard, chorus).sum() / (chorus.bars - 1))


# --- what is known of a piece is what sounds -----------------------------------------------------


def test_files_need_no_mending(pieces: list[Heard]) -> None:
    for heard in pieces:
        assert heard.score.source is not None
        assert heard.score.source.repairs == ()
        assert heard.score.source.left_out == ()


def test_key_tempo_and_metre_are_those_of_the_plan(pieces: list[Heard], plans: list[Plan]) -> None:
    for heard, plan in zip(pieces, plans, strict=True):
        assert heard.tonic == plan.key.tonic
        assert bool(heard.score.keys.minor[0]) == (plan.form.name == "minor")
        assert heard.bpm == pytest.approx(plan.bpm, rel=1e-4)
        assert heard.is_compound == (plan.feel.name == "slow")


def test_a_piece_lasts_between_forty_seconds_and_five_minutes(pieces: list[Heard]) -> None:
    lengths = [heard.score.duration_seconds for heard in pieces]
    assert min(lengths) > 40
    assert max(lengths) < 300


def test_all_keys_forms_and_feels_come_early_and_tempos_from_60_to_200(plans: list[Plan]) -> None:
    first = plans[:60]
    assert {plan.key.tonic for plan in first} == set(range(12))
    assert {plan.form.name for plan in first} == set(FORMS)
    assert {plan.feel.name for plan in first} == {"shuffle", "straight", "slow", "funk"}
    assert min(plan.bpm for plan in first) < 66
    assert max(plan.bpm for plan in first) > 180
    assert all(60 <= plan.bpm <= 200 for plan in plans)
    assert len({plan.title for plan in plans}) > 0.95 * PIECES


# --- harmony --------------------------------------------------------------------------------------


def test_every_bar_has_its_chord(pieces: list[Heard]) -> None:
    for heard in pieces:
        bar_ticks = 4 * heard.ticks_per_beat
        marked = {chord.ticks for chord in heard.chords}
        assert set(range(0, max(marked) + 1, bar_ticks)) <= marked
        assert heard.score.end_ticks < max(marked) + bar_ticks + heard.ticks_per_beat


def test_one_four_and_five_stand_where_the_form_puts_them(
    pieces: list[Heard], plans: list[Plan]
) -> None:
    for heard, plan in zip(pieces, plans, strict=True):
        for chorus in heard.choruses:
            assert chorus.bars == BARS[plan.form.name]
            for place, wanted in FORMS[plan.form.name].items():
                if chorus is heard.choruses[-1] and place >= chorus.bars - 2:
                    continue  # the ending
                found = heard.degree(chorus.first_bar + place)
                assert found in wanted.split("|"), (plan.number, plan.form.name, place, found)


def test_turnarounds_lead_back_by_the_dominant(pieces: list[Heard]) -> None:
    for heard in pieces:
        for chorus in heard.choruses[:-1]:
            last = heard.chord_at((chorus.first_bar + chorus.bars) * 4 - 1)
            assert (last.root - heard.tonic) % 12 == 7


def test_pieces_end_on_the_tonic_and_let_it_ring(pieces: list[Heard]) -> None:
    for heard in pieces:
        assert heard.chords[-1].root == heard.tonic
        bass = heard.line("Bass")
        assert bass.pitches[-1] % 12 == heard.tonic
        assert bass.ends[-1] - bass.starts[-1] >= 2
        melodic = [heard.line(n) for n in heard.names if n != "Drums"]
        assert max(line.starts.max() for line in melodic) < bass.starts[-1] + 0.2


def test_chords_lead_their_voices_a_short_way(pieces: list[Heard]) -> None:
    moves = []
    for heard in pieces:
        borders = {section.first_bar for section in heard.sections}
        for name in COMPERS:
            for (at, before), (then, after) in pairwise(chords_of(heard.line(name))):
                crosses = any(at < 4 * bar - 0.1 <= then for bar in borders)
                if len(before) == len(after) and before != after and not crosses:
                    moves.append(np.abs(np.array(before) - np.array(after)))
    assert len(moves) > 1000
    assert np.mean([move.mean() for move in moves]) < 2
    assert np.quantile([move.max() for move in moves], 0.95) <= 5


def test_chords_are_those_of_their_bar(pieces: list[Heard]) -> None:
    """Of each chord at least the third or the seventh is held, and it seldom has a wrong third."""
    strange = struck = 0
    for heard in pieces:
        for at, pitches in chords_of(heard.line("Organ")):
            sound = heard.chord_at(at)
            struck += 1
            inside = sum(pitch % 12 in sound.classes for pitch in pitches)
            strange += inside < 2
    assert struck > 500
    assert strange < 0.08 * struck  # what anticipates the next bar is among these


def test_who_holds_the_chords_agrees_on_them(pieces: list[Heard]) -> None:
    """No semitone is held between guitar, piano, organ and choir for a quarter or longer.

    A piano or organ that solos is among them: its long tones fit the others' chords as well, but
    for the blue third.
    """
    held = 0
    for number, heard in enumerate(pieces):
        quarter = heard.score.ticks_per_quarter / heard.ticks_per_beat
        holders = [heard.line(name) for name in (*COMPERS, "Backing Vocals")]
        for one, other in combinations([line for line in holders if len(line)], 2):
            together = np.minimum(one.ends[:, None], other.ends) - np.maximum(
                one.starts[:, None], other.starts
            )
            apart = np.abs(one.pitches[:, None] - other.pitches)
            long = together >= 0.98 * quarter
            blue = ((one.pitches[:, None] - heard.tonic) % 12 == 3) | (
                (other.pitches - heard.tonic) % 12 == 3
            )
            held += int(long.sum())
            assert not (long & (apart == 1) & ~blue).any(), number
    assert held > 5000


# --- the bass -------------------------------------------------------------------------------------


def test_the_bass_lands_on_the_root_at_changes(pieces: list[Heard]) -> None:
    for heard in pieces:
        bass = heard.line("Bass")
        hit = []
        for at, sound in heard.changes():
            near = np.abs(bass.starts - at) < 0.12
            hit.append(bool((bass.pitches[near] % 12 == sound.root).any()))
        assert np.mean(hit) >= 0.95


def test_the_bass_can_be_played(pieces: list[Heard]) -> None:
    for heard in pieces:
        bass = heard.line("Bass")
        assert 28 <= bass.pitches.min()
        assert bass.pitches.max() <= 55
        assert np.abs(np.diff(bass.pitches)).max() <= 12
        assert (bass.ends[:-1] - bass.starts[1:]).max() < 0.06  # one note at a time


def test_strong_beats_of_the_bass_are_chord_tones(pieces: list[Heard]) -> None:
    for heard in pieces:
        bass = heard.line("Bass")
        beats = np.rint(bass.starts)
        strong = (np.abs(bass.starts - beats) < 0.08) & (beats % 2 == 0)
        inside = [
            pitch % 12 in heard.chord_at(at).classes
            for at, pitch in zip(bass.starts[strong], bass.pitches[strong], strict=True)
        ]
        assert np.mean(inside) > 0.9


def test_walks_approach_the_next_root_by_a_step(pieces: list[Heard], plans: list[Plan]) -> None:
    """Where the bass plays quarters, the last of a bar lies near the root of the next."""
    near, all_steps = 0, 0
    for heard, plan in zip(pieces, plans, strict=True):
        if plan.form.name != "jazz":
            continue
        bass = heard.line("Bass")
        for at, _ in heard.changes():
            (here,) = np.nonzero(np.abs(bass.starts - at) < 0.12)
            if len(here) and here[0]:
                step = abs(int(bass.pitches[here[0]] - bass.pitches[here[0] - 1]))
                near += step in (1, 2, 5, 7)
                all_steps += 1
    assert all_steps > 100
    assert near > 0.7 * all_steps


# --- voice, answers, solos ------------------------------------------------------------------------


def test_the_voice_can_be_sung(sung: list[Heard]) -> None:
    steps = []
    for heard in sung:
        voice = heard.line("Lead Vocal")
        assert np.ptp(voice.pitches) <= 16  # a tenth
        assert voice.pitches.min() >= 41
        assert voice.pitches.max() <= 76
        assert (voice.ends[:-1] - voice.starts[1:]).max() < 0.08
        steps.append(np.abs(np.diff(voice.pitches)))
        assert steps[-1].max() <= 16
    assert np.mean(np.concatenate(steps) <= 5) > 0.8  # mostly by step or small leap


def test_the_second_line_repeats_the_first_and_the_third_does_not(sung: list[Heard]) -> None:
    def onsets(heard: Heard, bar: int) -> set[int]:
        line = heard.line("Lead Vocal").between(bar * 4, bar * 4 + 8)
        return set(np.rint((line.starts - bar * 4) * 6).astype(int).tolist())

    def alike(a: set[int], b: set[int]) -> float:
        return len(a & b) / max(len(a | b), 1)

    verses = [
        (heard, verse.first_bar)
        for heard in sung
        for verse in [next(c for c in heard.choruses if c.name == "verse")]
        if verse.bars == 12
    ]
    again = [alike(onsets(h, bar), onsets(h, bar + 4)) for h, bar in verses]
    third = [alike(onsets(h, bar), onsets(h, bar + 8)) for h, bar in verses]
    strangers = [alike(onsets(*a), onsets(*b)) for a, b in pairwise(verses)]
    assert np.mean(again) > 0.7
    assert np.mean(third) < np.mean(again) - 0.15
    assert np.mean(strangers) < 0.4


def test_the_voice_rests_while_it_is_answered(sung: list[Heard]) -> None:
    calls = answers = 0.0
    for heard in sung:
        voice = heard.line("Lead Vocal")
        for chorus in heard.choruses:
            for place in range(0, chorus.bars if chorus.name != "solo" else 0, 4):
                first = (chorus.first_bar + place) * 4
                call, answer = voice.between(first, first + 8), voice.between(first + 8, first + 16)
                calls += float((call.ends - call.starts).sum())
                answers += float((answer.ends - answer.starts).sum())
        shared = overlap(voice, heard.line(heard.first_answerer))
        assert shared < 0.2
    assert answers < 0.25 * calls
    assert np.mean([overlap(h.line("Lead Vocal"), h.line(h.first_answerer)) for h in sung]) < 0.1


def test_somebody_answers_nearly_every_verse(sung: list[Heard]) -> None:
    answered = total = 0
    for heard in sung:
        for chorus in heard.choruses:
            if chorus.name in ("verse", "out"):
                first = chorus.first_bar * 4
                who = [
                    heard.line(n) for n in ("Lead Guitar", "Harmonica", "Piano") if n in heard.names
                ]
                answered += any(len(line.between(first + 8, first + 16)) > 2 for line in who)
                total += 1
    assert answered > 0.75 * total


def test_long_tones_of_the_voice_fit_the_chords(sung: list[Heard]) -> None:
    """No semitone is held against who holds the chords, but for the blue third."""
    clashes = held = 0
    for heard in sung:
        voice = heard.line("Lead Vocal")
        others = [heard.line(name) for name in COMPERS if name in heard.names]
        for start, end, pitch in zip(voice.starts, voice.ends, voice.pitches, strict=True):
            if end - start < 0.9:
                continue
            held += 1
            if (pitch - heard.tonic) % 12 == 3:
                continue
            clashes += any(
                np.isin(np.abs(line.pitches[long] - pitch) % 12, (1, 11)).any()
                for line in others
                for long in [np.minimum(line.ends, end) - np.maximum(line.starts, start) >= 0.5]
            )
    assert held > 500
    assert clashes < 0.02 * held


def test_solos_climb_and_thicken(pieces: list[Heard], plans: list[Plan]) -> None:
    higher = denser = solos = 0
    for heard, plan in zip(pieces, plans, strict=True):
        for section in plan.sections:
            if section.soloist not in ("Lead Guitar", "Harmonica"):
                continue
            line = heard.line(section.soloist)
            first, middle = section.first_bar * 4, (section.first_bar + section.bars // 2) * 4
            early = line.between(first, middle)
            late = line.between(middle, (section.first_bar + section.bars - 2) * 4)
            if len(early) and len(late):
                solos += 1
                higher += late.pitches.mean() > early.pitches.mean()
                denser += len(late) / (section.bars / 2 - 2) > len(early) / (section.bars / 2)
    assert solos > 20
    assert higher > 0.7 * solos
    assert denser > 0.6 * solos


# --- expression -----------------------------------------------------------------------------------


def test_held_blue_tones_are_bent_into_and_every_bend_returns(pieces: list[Heard]) -> None:
    bent = {"Lead Vocal": 0, "Lead Guitar": 0, "Harmonica": 0}
    with_bends = 0
    for heard in pieces:
        score = heard.score
        with_bends += len(score.bends) > 0
        for part in np.unique(score.bends.part).tolist():
            rows = score.bends.part == part
            ticks, values = score.bends.ticks[rows], score.bends.value[rows]
            notes = score.notes.take(score.notes.part == part)
            begins = np.flatnonzero(values == -4096)
            lasts = np.append(begins[1:], len(values)) - 1
            assert begins[0] == 0
            for first, last in zip(begins.tolist(), lasts.tolist(), strict=True):
                assert values[last] == 0
                assert (np.diff(values[first : last + 1]) > 0).all()
                beats = (ticks[last] - ticks[first]) / heard.ticks_per_beat
                assert 60 < heard.milliseconds(beats) < 100
                sounding = (notes.start_ticks <= ticks[last]) & (notes.end_ticks > ticks[first])
                (pitch,) = notes.pitch[sounding].tolist()  # alone: nothing else is bent along
                assert (pitch - heard.tonic) % 12 in (3, 5)
                assert notes.start_ticks[sounding][0] == ticks[first]
                assert notes.end_ticks[sounding][0] > ticks[last]
                bent[score.parts[part].name] += 1
    assert with_bends > 0.9 * PIECES
    assert min(bent.values()) > 30


def test_long_tones_tremble_and_chords_swell(pieces: list[Heard]) -> None:
    """Modulation goes back to nothing, expression to where it began, before the next tone."""
    players = {1: {"Lead Vocal", "Lead Guitar", "Harmonica"}, 11: {"Organ", "Backing Vocals"}}
    shaped = {1: 0, 11: 0}
    for heard in pieces:
        controls = heard.score.controls
        assert set(controls.number.tolist()) <= {1, 11}
        for part, part_info in enumerate(heard.score.parts):
            for number, who in players.items():
                rows = (controls.part == part) & (controls.number == number)
                if not rows.any():
                    continue
                assert part_info.name in who
                values = controls.value[rows].tolist()
                rest = 100 if number == 11 else 0
                assert values[-1] == rest
                notes = heard.score.notes.take(heard.score.notes.part == part)
                ends = set(notes.end_ticks.tolist())
                back = controls.ticks[rows][controls.value[rows] == rest].tolist()
                assert set(back) <= ends | {0}
                shaped[number] += len(back)
    assert shaped[1] > 300
    assert shaped[11] > 500


def test_the_tempo_gives_way_before_the_last_chord(pieces: list[Heard], plans: list[Plan]) -> None:
    """In most slow blues, in some others, and only from a bar before the last chord on."""
    slowed = dict.fromkeys(("slow", "shuffle", "straight", "funk"), 0)
    for heard, plan in zip(pieces, plans, strict=True):
        tempos = heard.score.tempos
        if len(tempos) == 1:
            continue
        slowed[plan.feel.name] += 1
        last_chord = heard.line("Bass").starts[-1] * heard.ticks_per_beat
        assert (np.diff(tempos.bpm) < 0).all()
        assert 0.65 < tempos.bpm[-1] / tempos.bpm[0] < 0.8
        assert abs(tempos.ticks[-1] - last_chord) < 0.1 * heard.ticks_per_beat
        assert tempos.ticks[-1] - tempos.ticks[1] == 4 * heard.ticks_per_beat
        assert plan.feel.name == "slow" or plan.bpm < 160
    assert slowed["funk"] == 0
    assert slowed["slow"] > 0.5 * sum(plan.feel.name == "slow" for plan in plans)
    assert slowed["shuffle"] + slowed["straight"] > 0


# --- rhythm and dynamics --------------------------------------------------------------------------


@pytest.mark.parametrize("feel", sorted(SWINGS))
def test_offbeats_fall_where_the_feel_has_them(
    pieces: list[Heard], plans: list[Plan], feel: str
) -> None:
    low, high = SWINGS[feel]
    for heard, plan in zip(pieces, plans, strict=True):
        if plan.feel.name == feel:
            within = quarters_at(heard, "Drums")
            off = within[(within > 0.42) & (within < 0.8)]
            assert low < np.median(off) < high, (plan.number, plan.bpm)


def test_fast_shuffles_swing_less(pieces: list[Heard], plans: list[Plan]) -> None:
    found = []
    for heard, plan in zip(pieces, plans, strict=True):
        if plan.feel.name == "shuffle":
            within = quarters_at(heard, "Drums")
            found.append((plan.bpm, float(np.median(within[(within > 0.42) & (within < 0.8)]))))
    slow = [swing for bpm, swing in found if bpm < 110]
    fast = [swing for bpm, swing in found if bpm > 150]
    assert np.mean(fast) < np.mean(slow) - 0.02


def test_players_are_human_and_each_in_their_own_way(pieces: list[Heard]) -> None:
    late: dict[str, list[float]] = {"Bass": [], "Drums": [], "Lead Vocal": []}
    for heard in pieces:
        for name, found in late.items():
            starts = heard.line(name).starts
            off = starts - np.rint(starts)
            on_beat = heard.milliseconds(off[np.abs(off) < 0.06])
            if len(on_beat):
                assert np.abs(on_beat).max() < 20
                assert np.unique(on_beat).size > 4
                found.append(float(on_beat.mean()))
    assert np.mean(late["Drums"]) < np.mean(late["Bass"]) - 2
    assert np.mean(late["Bass"]) < np.mean(late["Lead Vocal"])


def test_no_two_bars_of_drums_are_struck_alike(pieces: list[Heard]) -> None:
    for heard in pieces:
        assert np.unique(heard.line("Drums").velocities).size > 25


def test_choruses_rise(pieces: list[Heard]) -> None:
    grown = []
    for heard in pieces:
        first, last = heard.choruses[0], heard.choruses[-1]
        assert accent(heard, last) > accent(heard, first) + 4
        assert loudness(heard, last) > 1.2 * loudness(heard, first)
        grown.append(notes_a_bar(heard, last) / notes_a_bar(heard, first))
        assert grown[-1] > 0.95  # who begins with everything can only get louder
    assert np.mean(grown) > 1.25


def test_dynamics_fall_as_well(pieces: list[Heard]) -> None:
    """A stop chorus, a breakdown or a verse after a solo is softer than what came before it."""
    softer = total = 0
    for heard in pieces:
        for before, after in pairwise(heard.choruses):
            if after.name == "breakdown" or (before.name, after.name) == ("solo", "verse"):
                total += 1
                softer += loudness(heard, after) < loudness(heard, before)
    assert total > 5
    assert softer > 0.8 * total


def test_a_crash_opens_hot_choruses_and_a_fill_leads_there(pieces: list[Heard]) -> None:
    filled = total = 0
    for heard in pieces:
        drums = heard.line("Drums")
        crashes = drums.starts[np.isin(drums.pitches, (49, 57))]
        last = heard.choruses[-1].first_bar * 4
        assert (np.abs(crashes - last) < 0.1).any()
        bar = drums.between(last - 4, last)
        total += 1
        filled += bool(np.isin(bar.pitches, (38, 41, 43, 45, 48, 50)).sum() >= 3)
    assert filled > 0.7 * total
