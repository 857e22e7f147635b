"""The inventory: every file has a record, figures add up, and a liar's answers are refused."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.strategies import scores
from woodshed.corpus.crossing import believe
from woodshed.corpus.inventory import FileRecord, Findings, findings_of, scan
from woodshed.corpus.passages import passage_prints
from woodshed.corpus.prepare import prepare
from woodshed.corpus.prints_spool import PrintsSpool
from woodshed.corpus.quality import PARTS, QualitySettings
from woodshed.errors import BadFolder
from woodshed.formats.midi_read import read_midi
from woodshed.formats.midi_write import write_midi
from woodshed.music.notes import Notes
from woodshed.music.score import Part, Score, Source
from woodshed.music.transform import transpose


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A song for bass and drums, three notes, nothing readable, and a kit without anything else."""
    bass = [(n * 480, 480, 36 + (n * 5) % 8, 60 + 10 * (n % 2), 0) for n in range(32)]
    drums = [(n * 240, 120, 35 + n % 4, 100, 1) for n in range(64)]
    both = (Part("Bass", 33), Part(is_drum=True))
    write_midi(Score(notes=Notes.from_rows(bass + drums), parts=both), tmp_path / "a song.mid")
    write_midi(Score(notes=Notes.from_rows(bass[:3]), parts=both[:1]), tmp_path / "b short.mid")
    (tmp_path / "c broken.mid").write_bytes(b"<html>")
    kit = [(*row[:4], 0) for row in drums]
    write_midi(Score(notes=Notes.from_rows(kit), parts=both[1:]), tmp_path / "d kit.mid")
    return tmp_path


def by_name(records: tuple[FileRecord, ...]) -> dict[str, FileRecord]:
    return {Path(record.path).stem: record for record in records}


def test_a_record_for_every_file(folder: Path) -> None:
    found = scan(folder)
    assert [Path(r.path).name for r in found.records] == sorted(p.name for p in folder.iterdir())
    song = by_name(found.records)["a song"]
    assert (song.duration_seconds, song.tempo_bpm, song.metres) == (16, 120, ("4/4",))
    assert (song.bars, song.tracks, song.notes) == (8, 2, 96)
    assert song.notes_by_slot == {
        "voxlead": 0, "voxharm": 0, "guitar": 0, "other": 0, "bass": 32, "drums": 64, "left out": 0
    }  # fmt: skip
    assert (song.lowest_pitch, song.highest_pitch) == (36, 43), "drums have no pitch"
    assert (song.mean_polyphony, song.most_polyphony) == (1.5, 2)
    velocities = [60, 70] * 16 + [100] * 64
    assert song.velocity_spread == pytest.approx(np.std(velocities), abs=1e-3)
    assert song.is_performed is False
    assert song.rejected_because is None
    assert song.duplicate_group is None


def test_everything_left_out_has_its_reason(folder: Path) -> None:
    found = scan(folder)
    assert {Path(r.path).stem: (r.rejected_by, r.rejected_because) for r in found.rejected} == {
        "b short": ("least_notes", "3 notes, fewer than the 8 a piece needs"),
        "c broken": (
            "unreadable",
            "it is a web page or XML, not MIDI; the download may have failed",
        ),
    }
    broken = by_name(found.records)["c broken"]
    assert broken.quality is None
    assert broken.notes is None
    assert broken.is_performed is None


def test_the_thresholds_are_those_given(folder: Path) -> None:
    found = scan(folder, settings=QualitySettings(least_notes=3))
    assert [r.rejected_by for r in found.rejected] == ["unreadable"]
    found = scan(folder, settings=QualitySettings(least_notes=1000))
    assert [r.rejected_by for r in found.rejected].count("least_notes") == 3


def test_a_file_without_a_slot_in_the_lineup(folder: Path) -> None:
    kit = by_name(scan(folder, "piano").records)["d kit"]
    assert kit.rejected_by == "lineup"
    assert kit.rejected_because == "none of its parts has a slot in the lineup piano"
    assert kit.notes_by_slot == {"piano": 0, "left out": 64}
    assert by_name(scan(folder, "piano").records)["a song"].rejected_because is None


def test_rows_are_plain_and_of_the_types_the_columns_name(folder: Path) -> None:
    found = scan(folder)
    columns = found.columns
    names = list(columns)
    assert names[:8] == [
        "path", "duration_seconds", "tempo_bpm", "metres", "key", "bars", "tracks", "notes"
    ]  # fmt: skip
    assert {f"quality_{part}" for part in PARTS} | {"notes_bass", "notes_left_out"} <= set(names)
    for row in found.rows():
        for value, column in zip(row, columns.values(), strict=True):
            assert value is None or type(value) is column.kind
        counts = [
            value for name, value in zip(names, row, strict=True) if name.startswith("notes_")
        ]
        if row[names.index("notes")] is not None:
            assert sum(counts) == row[names.index("notes")]  # type: ignore[arg-type]


def test_the_arrow_table_says_the_same(folder: Path) -> None:
    found = scan(folder)
    table = found.to_table()
    assert table.column_names == list(found.columns)
    rows = [dict(zip(found.columns, row, strict=True)) for row in found.rows()]
    assert table.to_pylist() == rows
    assert str(table.schema.field("duplicate_group").type) == "string", "empty, and typed anyhow"


def test_copies_share_a_group_named_after_the_first(tmp_path: Path) -> None:
    chance = np.random.default_rng(7)
    for name in ("a tune", "other tune"):
        pitches = 60 + np.cumsum(chance.integers(-4, 5, 200)) % 24
        starts = np.cumsum(chance.choice([120, 240, 480], 200))
        rows = [(t, 120, p, 80, 0) for t, p in zip(starts.tolist(), pitches.tolist(), strict=True)]
        tune = Score(notes=Notes.from_rows(rows), parts=(Part("Flute", 73),))
        write_midi(tune, tmp_path / f"{name}.mid")
        if name == "a tune":
            write_midi(transpose(tune, 5), tmp_path / "b copy.mid")
    for name in ("c", "d"):
        write_midi(tune.replace(notes=tune.notes.take(slice(0, 5))), tmp_path / f"{name} short.mid")
    found = scan(tmp_path)
    first = str(tmp_path / "a tune.mid")
    assert {Path(r.path).stem: r.duplicate_group for r in found.records} == {
        "a tune": first, "b copy": first, "c short": None, "d short": None, "other tune": None
    }  # fmt: skip
    assert [r.path for r in found.duplicates[first]] == [first, str(tmp_path / "b copy.mid")]
    assert len(found.duplicates) == 1


@given(st.lists(scores(max_notes=60), max_size=5))
def test_prints_come_back_from_the_spool_as_they_were(pieces: list[Score]) -> None:
    prints = [passage_prints(score) for score in pieces]
    with PrintsSpool() as spool:
        for each in prints:
            spool.add(each)
            assert spool[0] == prints[0], "asking between two pieces does no harm"
        assert list(spool) == prints
        assert spool[-1:] == prints[-1:]
        with pytest.raises(IndexError):
            spool[len(prints)]


def test_a_folder_without_music(tmp_path: Path) -> None:
    with pytest.raises(BadFolder, match="no MIDI files"):
        scan(tmp_path)


def slow_polyphony(score: Score) -> list[int]:
    """How many notes sound in every tick, without the silent ones."""
    levels = np.zeros(score.end_ticks, np.int64)
    for start, duration in zip(
        score.notes.start_ticks.tolist(), score.notes.duration_ticks.tolist(), strict=True
    ):
        levels[start : start + duration] += 1
    return levels[levels > 0].tolist()


@given(scores(ticks_per_quarter=24))
def test_polyphony_is_what_counting_every_tick_gives(score: Score) -> None:
    found = findings_of(score.replace(source=Source(midi_type=1)), "a.mid", score)
    levels = slow_polyphony(score)
    assert found.most_polyphony == max(levels, default=0)
    assert found.mean_polyphony == pytest.approx(np.mean(levels) if levels else 0, abs=1e-3)


@given(scores())
def test_findings_cross_over_unchanged(score: Score) -> None:
    found = findings_of(score.replace(source=Source(midi_type=1)), "a.mid", score)
    assert believe(Findings, json.loads(json.dumps(dataclasses.asdict(found)))) == found


ONE_NOTE = Score(
    source=Source(midi_type=1), parts=(Part(),), notes=Notes.from_rows([(0, 480, 60, 80, 0)])
)
SENT = dataclasses.asdict(findings_of(ONE_NOTE, "a.mid", ONE_NOTE))


@pytest.mark.parametrize(
    ("place", "lie"),
    [
        (("most_polyphony",), "1"),
        (("most_polyphony",), True),
        (("mean_polyphony",), float("nan")),
        (("key",), 5),
        (("facts",), None),
        (("facts", "parts"), "none"),
        (("facts", "parts", 0, "program"), 128),
        (("facts", "metres"), [4]),
        (("facts", "metres"), []),
        (("quality", "score"), None),
    ],
)
def test_a_lie_is_not_believed(place: tuple[Any, ...], lie: object) -> None:
    sent = json.loads(json.dumps(SENT))
    believe(Findings, sent)
    at = sent
    for step in place[:-1]:
        at = at[step]
    at[place[-1]] = lie
    with pytest.raises(Exception, match=r"came where|outside|no metre|not subscriptable"):
        believe(Findings, sent)
    del at[place[-1]]
    with pytest.raises(KeyError):
        believe(Findings, sent)


def test_every_real_file_is_told_as_it_is(test_data: Path) -> None:
    found = scan(test_data / "simutrans")
    for record in found.records:
        score = read_midi(record.path)
        assert record.notes == len(score.notes) == sum(record.notes_by_slot.values())
        assert record.most_polyphony == max(slow_polyphony(score))
        assert record.key is not None
        assert record.quality is not None
    assert not found.rejected


def test_every_torture_file_has_its_record(test_data: Path) -> None:
    folder = test_data / "torture-midi"
    found = scan(folder)
    endings = (".mid", ".rmi", ".midi", ".kar", ".smf", ".midi2")
    assert len(found.records) == sum(p.suffix.lower() in endings for p in folder.rglob("*"))
    rejected = {Path(r.path).name: r.rejected_by for r in found.rejected}
    assert rejected["test-empty-file.mid"] == "unreadable"
    assert rejected["PiDamaged.mid"] == "most_notes_together"
    assert rejected["multiple-copyrights.mid"] == "least_notes"


@pytest.mark.parametrize(("name", "lineup"), [("torture-midi", "band"), ("dubroom", "piano")])
def test_it_refuses_what_prepare_would_and_for_the_same_reason(
    test_data: Path, tmp_path: Path, name: str, lineup: str
) -> None:
    folder = test_data / name
    scanned = {
        Path(r.path).relative_to(folder).as_posix(): r.rejected_by
        for r in scan(folder, lineup).records
        if r.rejected_because is not None
    }
    report = prepare(folder, tmp_path / "data", lineup)
    left_out = {f.path: f.left_out_by for f in report.left_out if f.left_out_by != "copy"}
    assert scanned == left_out
    assert scanned
