"""Facts of files and totals of folders."""

from __future__ import annotations

from pathlib import Path

import pytest

from woodshed.corpus.survey import Totals, facts_of, inspect, survey
from woodshed.errors import BadFile
from woodshed.formats.midi_read import read_midi
from woodshed.formats.midi_write import midi_bytes, write_midi
from woodshed.music.lineup import load_lineup
from woodshed.music.notes import Notes
from woodshed.music.score import Part, Score
from woodshed.music.time import MetreMap, TempoMap


def score(*parts: Part, notes_each: int = 4, **fields: object) -> Score:
    """Parts that play `notes_each` quarter notes, one after another, from their own pitch up."""
    notes = Notes.from_rows(
        [
            (step * 480, 480, 40 + 10 * part + step, 80, part)
            for part in range(len(parts))
            for step in range(notes_each)
        ]
    )
    return Score(notes=notes, parts=parts, **fields)  # type: ignore[arg-type]


def test_facts_of_a_file() -> None:
    tempos = TempoMap.from_rows([(0, 1_000_000), (480, 500_000)])
    metres = MetreMap.from_rows([(0, 1, 4), (480, 3, 4)])
    data = midi_bytes(
        score(Part("Bass", 33), Part("", 0, is_drum=True), tempos=tempos, metres=metres)
    )
    facts = inspect(data, name="a.mid")
    assert facts.path == "a.mid"
    assert facts.duration_seconds == 2.5
    assert facts.bars == 2
    assert facts.tempo_bpm == 120, "three quarters at 120 last longer than one at 60"
    assert facts.metres == ("3/4", "1/4"), "the metre that holds longest comes first"
    assert facts.notes == 8
    bass, drums = facts.parts
    assert (bass.name, bass.program, bass.slot, bass.reason) == ("Bass", 33, "bass", "name")
    assert (bass.notes, bass.lowest_pitch, bass.highest_pitch) == (4, 40, 43)
    assert (drums.is_drum, drums.channel, drums.slot) == (True, 9, "drums")
    assert (drums.lowest_pitch, drums.highest_pitch) == (50, 53)


def test_a_file_without_notes_has_facts() -> None:
    facts = inspect(midi_bytes(Score()))
    assert (facts.notes, facts.bars, facts.parts, facts.metres) == (0, 0, (), ("4/4",))


def test_a_bad_file() -> None:
    with pytest.raises(BadFile, match=r"upload\.mid: it is empty"):
        inspect(b"", name="upload.mid")


def test_totals_tell_slots_before_and_after_the_program_fallback(tmp_path: Path) -> None:
    write_midi(score(Part("", 33), Part("", 25), Part("Bass", 0)), tmp_path / "a.mid")
    write_midi(score(Part("", 0, is_drum=True), notes_each=8), tmp_path / "b.mid")
    write_midi(Score(), tmp_path / "c.mid")
    (tmp_path / "d.mid").write_bytes(b"nothing")
    totals = Totals(load_lineup("band"))
    for outcome in survey(tmp_path):
        totals.add(outcome)
    assert (totals.files, totals.silent, len(totals.rejected)) == (3, 1, 1)
    assert (totals.notes, totals.parts, totals.unnamed_parts) == (20, 4, 3)
    slots = {s.slot: (s.parts, s.notes_by_name, s.notes) for s in totals.slots.values()}
    assert slots["bass"] == (2, 4, 8)
    assert slots["guitar"] == (1, 0, 4)
    assert slots["other"] == (0, 8, 0)
    assert slots["drums"] == (1, 8, 8)
    assert sum(s.notes_by_name for s in totals.slots.values()) == totals.notes


def test_parts_a_lineup_has_no_slot_for_are_counted(tmp_path: Path) -> None:
    write_midi(score(Part("Piano"), Part("", 0, is_drum=True)), tmp_path / "a.mid")
    totals = Totals(load_lineup("piano"))
    for outcome in survey(tmp_path, "piano"):
        totals.add(outcome)
    assert totals.slots["left out"].notes == 4
    assert totals.slots["piano"].notes == 4


def test_every_real_file_has_facts_that_add_up(test_data: Path) -> None:
    folder = test_data / "freedoom"
    for outcome in survey(folder):
        facts = outcome.unwrap()
        alone = facts_of(read_midi(facts.path), facts.path)
        assert sum(p.notes for p in facts.parts) == facts.notes == alone.notes
        assert all(0 <= p.lowest_pitch <= p.highest_pitch <= 127 for p in facts.parts)
        assert facts.duration_seconds == alone.duration_seconds
