"""Datasets on disk: what is written reads back the same, and what does not fit is refused."""

from __future__ import annotations

import errno
import json
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.corpus.songs import song, write_songs
from woodshed.corpus.dataset import Dataset
from woodshed.corpus.dataset_layout import (
    ASIDE,
    NO_SLOT,
    PIECES,
    TABLES,
    expected_files,
    lineup_from_dict,
    lineup_to_dict,
)
from woodshed.corpus.passages import passage_prints
from woodshed.corpus.prepare import prepare
from woodshed.errors import BadDataset
from woodshed.formats.limits import Limits
from woodshed.formats.midi_read import read_midi
from woodshed.formats.midi_write import write_midi
from woodshed.music.chords import ROOTS
from woodshed.music.lineup import load_lineup, shipped_lineups
from woodshed.music.notes import SUSTAIN
from woodshed.music.score import Part, Text

ONE = Limits(workers=1)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of twelve songs in `music`, and the dataset of it in `made`."""
    place = tmp_path_factory.mktemp("dataset")
    music = write_songs(place / "music", range(12))
    (music / "song-0000.yaml").write_text("style: blues\nfeel: [a, b]\nlicence: CC0-1.0")
    prepare(music, place / "made", limits=ONE, licence="mine")
    return place / "made"


@pytest.fixture
def copy(made: Path, tmp_path: Path) -> Path:
    shutil.copytree(made, tmp_path / "copy")
    return tmp_path / "copy"


def refusal(path: Path, *, verify: bool = False) -> str:
    with pytest.raises(BadDataset) as refused:
        Dataset.open(path, verify=verify)
    return str(refused.value)


def change(path: Path, **entries: Any) -> None:
    file = path / "dataset.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | entries))


def test_a_piece_reads_back_as_it_was_read(made: Path) -> None:
    dataset = Dataset.open(made, verify=True)
    assert len(dataset) == 12
    lineup = load_lineup("band")
    for piece, path in enumerate(dataset.pieces.path):
        original = read_midi(made.parent / "music" / path)
        kept = original.controls.take(original.controls.number == SUSTAIN)
        assert len(kept) < len(original.controls), "the test must be able to see what is left out"
        root = ROOTS[int(path[-8:-4]) % 12]
        chords = (Text(0, "marker", "Am"), Text(1920, "marker", f"{root}7"))
        assert len(original.texts) > len(chords), "here, too"
        assert dataset.score(piece) == original.replace(controls=kept, texts=chords)
        slots = [place.slot for place in lineup.place(original.parts)]
        assert dataset.slots(piece).tolist() == slots
        assert dataset.passages(piece) == passage_prints(dataset.score(piece))
        assert dataset.pieces.notes[piece] == len(original.notes)
        assert dataset.pieces.bars[piece] == original.bar_count
    assert dataset.info.summary.with_chords == 12


def test_what_is_known_of_a_piece(made: Path) -> None:
    dataset = Dataset.open(made)
    pieces = dataset.pieces
    first = pieces.path.index("song-0000.mid")
    assert "more/song-0002.mid" in pieces.path
    assert list(pieces.path) == sorted(pieces.path)
    assert dataset.tags(first) == {"style": "blues", "feel": ("a", "b")}
    assert (pieces.licence[first], pieces.licence[first + 1]) == ("CC0-1.0", "mine")
    assert pieces.slots[first] == "voxlead guitar bass drums"
    assert pieces.metre[first] == "4/4"
    assert pieces.duration_seconds[first] == pytest.approx(song(0).duration_seconds, abs=0.01)
    assert pieces.most_notes_on_a_step[first] == 4
    assert 0.5 < pieces.quality[first] <= 1
    assert not pieces.is_performed[first]


def test_splits_are_the_pieces_numbers(made: Path) -> None:
    dataset = Dataset.open(made)
    splits = [dataset.split(name).tolist() for name in ("train", "validation", "test")]
    assert sorted(n for split in splits for n in split) == list(range(12))
    assert all(split == sorted(split) for split in splits)
    for name, split in zip(("train", "validation", "test"), splits, strict=True):
        assert all(dataset.pieces.split[n] == name for n in split)


def test_parts_without_a_slot_are_left_out(tmp_path: Path) -> None:
    """The notes of what stays refer to the parts that stay; parts that do not play go, too."""
    parts = (Part("Silent"), Part("Drums", 0, True), Part("Piano"), Part("Congas", 0, True))
    score = song(1, parts=parts)
    score = score.replace(notes=score.notes.take(score.notes.part > 0))
    (tmp_path / "music").mkdir()
    write_midi(score, tmp_path / "music" / "a.mid")
    report = prepare(tmp_path / "music", tmp_path / "made", "kit", limits=ONE)
    dataset = Dataset.open(tmp_path / "made")
    kept = dataset.score(0)
    assert [part.name for part in kept.parts] == ["Drums", "Congas"]
    for row, old in ((0, 1), (1, 3)):
        here = kept.notes.take(kept.notes.part == row)
        there = score.notes.take(score.notes.part == old)
        assert here.replace(part=0) == there.replace(part=0)
    left_out = int((score.notes.part == 2).sum())
    assert dataset.pieces.notes_left_out.tolist() == [left_out]
    assert {s.slot: s.notes for s in report.summary.slots} == {
        "drums": len(score.notes) - left_out, "left out": left_out,
    }  # fmt: skip


def test_slots_by_name_alone_are_kept(made: Path) -> None:
    dataset = Dataset.open(made)
    by_name = dataset.columns.table("parts", 0)["slot_by_name"].tolist()
    names = [slot.name for slot in dataset.lineup.slots]
    placed = load_lineup("band").place_by_name(dataset.score(0).parts)
    assert by_name == [NO_SLOT if p.slot is None else p.slot for p in placed]
    assert [names[n] for n in by_name] == ["voxlead", "other", "other", "drums"]


def test_columns_are_little_endian_and_mapped(made: Path) -> None:
    dataset = Dataset.open(made)
    pitch = dataset.columns.column("notes", "pitch")
    assert isinstance(pitch.base, np.memmap)
    assert not pitch.flags.writeable
    assert len(pitch) == dataset.info.summary.notes == dataset.columns.rows_of("notes")[-1]
    for table, layout in TABLES.items():
        for name, dtype in layout.items():
            stored = np.load(made / table / f"{name}.npy", allow_pickle=False)
            assert stored.dtype == dtype
            assert stored.dtype.str[0] in "<|"


def test_the_lineup_may_vanish(made: Path, tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text(
        '[[slot]]\nname = "low"\nnames = ["@bass"]\n[[slot]]\nname = "high"\nrest = true'
    )
    prepare(made.parent / "music", tmp_path / "made", str(file), limits=ONE)
    file.unlink()
    lineup = Dataset.open(tmp_path / "made").lineup
    assert (lineup.name, [slot.name for slot in lineup.slots]) == ("mine", ["low", "high"])


@pytest.mark.parametrize("name", shipped_lineups())
def test_every_lineup_survives_json(name: str) -> None:
    lineup = load_lineup(name)
    assert lineup_from_dict(json.loads(json.dumps(lineup_to_dict(lineup)))) == lineup


def test_a_piece_that_is_not_there(made: Path) -> None:
    dataset = Dataset.open(made)
    for piece in (-1, 12):
        with pytest.raises(IndexError, match=f"there is no piece {piece}; the dataset has 12"):
            dataset.score(piece)


class TestWhatDoesNotFit:
    def test_nothing_there(self, tmp_path: Path) -> None:
        words = refusal(tmp_path / "nowhere")
        assert "there is no folder of that name; `woodshed prepare FOLDER -o" in words

    def test_a_folder_of_something_else(self, tmp_path: Path) -> None:
        assert "it has no dataset.json" in refusal(tmp_path)

    def test_a_file(self, tmp_path: Path) -> None:
        (tmp_path / "a").write_text("")
        assert "this is a file, and a dataset is a folder" in refusal(tmp_path / "a")

    def test_another_version(self, copy: Path) -> None:
        change(copy, schema_version=99)
        words = refusal(copy)
        assert "it has version 99 of the format, and this Woodshed reads 4" in words
        assert "prepare the folder again with --force" in words

    @pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"format": "x"}', "[" * 10**5])
    def test_another_dataset_json(self, copy: Path, text: str) -> None:
        (copy / "dataset.json").write_text(text)
        assert "dataset.json" in refusal(copy)

    @pytest.mark.parametrize(
        "entries",
        [
            {"content_hash": 3},
            {"files": []},
            {"files": {"../../etc/passwd": [1, "x"]}},
            {"files": {"/etc/passwd": [1, "x"]}},
            {"lineup": {"name": "a", "slots": [], "leave_out": True}},
            {"lineup": {"name": "a", "slots": [{"nonsense": 1}], "leave_out": True}},
            {"summary": {}},
            {"recipe": None},
        ],
    )
    def test_impossible_entries(self, copy: Path, entries: dict[str, Any]) -> None:
        change(copy, **entries)
        assert "dataset.json says something impossible" in refusal(copy)

    @pytest.mark.parametrize(
        "name", [*expected_files(), PIECES, "rejected.csv", "files.csv", ASIDE]
    )
    def test_a_missing_file(self, copy: Path, name: str) -> None:
        (copy / name).unlink()
        assert f"{name} is missing" in refusal(copy)

    @pytest.mark.parametrize("name", [*expected_files(), PIECES])
    def test_a_truncated_file(self, copy: Path, name: str) -> None:
        whole = (copy / name).read_bytes()
        (copy / name).write_bytes(whole[:-1])
        words = refusal(copy)
        assert f"{name} has {len(whole) - 1:,} bytes where {len(whole):,} were written" in words

    def test_a_file_that_is_not_mentioned(self, copy: Path) -> None:
        files = json.loads((copy / "dataset.json").read_text())["files"]
        del files["notes/pitch.npy"]
        change(copy, files=files)
        assert "dataset.json does not mention notes/pitch.npy" in refusal(copy)

    def test_changed_pieces_are_seen_at_once(self, copy: Path) -> None:
        data = bytearray((copy / PIECES).read_bytes())
        data[len(data) // 2] ^= 1
        (copy / PIECES).write_bytes(data)
        assert "pieces.parquet is not what was written, by its checksum" in refusal(copy)

    def test_a_changed_column_is_seen_when_asked(self, copy: Path) -> None:
        data = bytearray((copy / "notes/pitch.npy").read_bytes())
        data[-1] ^= 1
        (copy / "notes/pitch.npy").write_bytes(data)
        Dataset.open(copy)
        assert "notes/pitch.npy is not what was written" in refusal(copy, verify=True)

    @pytest.mark.parametrize(
        ("name", "value", "words"),
        [
            ("notes/pitch", 200, "pitch 200"),
            ("notes/part", 999, "refer to part 999"),
            ("tempos/microseconds_per_quarter", 0, "lasts 0"),
            ("metres/denominator", 3, "3ths"),
            ("chords/root", 12, "the root 12"),
            ("chords/kind", 10, "of kind 10"),
            ("chords/ticks", 5000, "a chord at tick 1920 follows"),
            ("times/ticks_per_quarter", 0, "0 ticks a quarter"),
            ("parts/program", 255, "program 255"),
            ("notes/rows", -5, "rows -5 to"),
            ("notes/rows", 10**12, "rows 1000000000000 to"),
        ],
    )
    def test_columns_that_are_no_music(self, copy: Path, name: str, value: int, words: str) -> None:
        """What a stranger wrote is refused piece by piece, whatever its size says."""
        values = np.load(copy / f"{name}.npy")
        values[0] = value
        np.save(copy / f"{name}.npy", values)
        with pytest.raises(BadDataset, match="piece 0") as refused:
            Dataset.open(copy).score(0)
        assert words in str(refused.value)
        Dataset.open(copy).score(5)

    def test_a_slot_the_lineup_does_not_have(self, copy: Path) -> None:
        slots = np.load(copy / "parts/slot.npy")
        slots[0] = 77
        np.save(copy / "parts/slot.npy", slots)
        with pytest.raises(BadDataset, match="a part has slot 77"):
            Dataset.open(copy).slots(0)

    def test_what_the_system_refuses_is_no_damage(
        self, copy: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def no_memory(*_: Any, **__: Any) -> Any:
            raise OSError(errno.ENOMEM, os.strerror(errno.ENOMEM))

        dataset = Dataset.open(copy)
        monkeypatch.setattr("woodshed.corpus.flat_columns.np.load", no_memory)
        with pytest.raises(BadDataset) as refused:
            dataset.score(0)
        assert "cannot be read: the system says Cannot allocate memory" in str(refused.value)
        assert "--force" not in str(refused.value)

    def test_a_pickle_is_not_opened(self, copy: Path) -> None:
        size = (copy / "notes/pitch.npy").stat().st_size
        np.save(copy / "notes/pitch.npy", np.array([print], object), allow_pickle=True)
        data = (copy / "notes/pitch.npy").read_bytes()
        (copy / "notes/pitch.npy").write_bytes(data + bytes(size - len(data)))
        with pytest.raises(BadDataset, match=r"notes/pitch\.npy does not parse"):
            Dataset.open(copy).score(0)

    def test_another_type(self, copy: Path) -> None:
        values = np.load(copy / "notes/pitch.npy").astype(np.int8)
        np.save(copy / "notes/pitch.npy", values)
        with pytest.raises(BadDataset, match="holds 1 dimensions of int8, not uint8"):
            Dataset.open(copy).score(0)
