"""`woodshed scan`: the table, the files it writes, and everything it leaves out."""

from __future__ import annotations

import csv
import io
import json
import os
from pathlib import Path
from typing import Any

import pytest

from tests.samples import write_samples
from woodshed.cli import main
from woodshed.cli.output import pace
from woodshed.formats.midi_write import write_midi
from woodshed.music.notes import Notes
from woodshed.music.score import Part, Score


class Run:
    """One call of `woodshed` in this process."""

    def __init__(self, capsys: pytest.CaptureFixture[str], *arguments: str) -> None:
        with pytest.raises(SystemExit) as stopped:
            main(list(arguments))
        self.status = stopped.value.code
        self.out, self.err = capsys.readouterr()


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str]) -> Any:
    return lambda *arguments: Run(capsys, *map(str, arguments))


@pytest.fixture
def music(tmp_path: Path) -> Path:
    write_samples(tmp_path / "music")
    return tmp_path / "music"


def test_the_table_fits_and_cuts_no_figure(call: Any, music: Path) -> None:
    (music / "blues-in-a.mid").rename(music / ("a-very-long-name-" * 8 + ".mid"))
    run = call("scan", music)
    assert run.status == 0
    assert max(map(len, run.out.splitlines())) <= 80
    (row,) = (line for line in run.out.splitlines() if "-name-.mid " in line)
    assert row.split()[1:] == [
        "0:26", "112", "4/4", "D", "major", "12", "336", "on", "grid", "1.00"
    ]  # fmt: skip


def test_what_is_rejected_is_counted_and_named(call: Any, music: Path) -> None:
    run = call("scan", music, "--least-notes", "100")
    text = " ".join(run.out.split())
    assert "6 files, 3 of them rejected" in text
    assert "2 break --least-notes:" in text
    assert "groove.mid 92 notes, fewer than the 100 a piece needs" in text
    assert "1 cannot be read: broken/not-music.mid it is a web page or XML, not MIDI" in text


def test_copies_are_shown_together(call: Any, music: Path) -> None:
    text = " ".join(call("scan", music).out.split())
    assert "Near-duplicates, 3 files in 1 group: blues-in-a.mid, blues-without-names.mid" in text


def test_many_rejected_files_are_counted_to_the_last(call: Any, tmp_path: Path) -> None:
    short = Score(notes=Notes.from_rows([(0, 480, 60, 80, 0)]), parts=(Part(),))
    for n in range(25):
        write_midi(short, tmp_path / f"{n:02}.mid")
    run = call("scan", tmp_path)
    assert "25 files, 25 of them rejected" in run.out
    assert run.out.count("1 note, fewer than the 8 a piece needs") == 20
    assert "… and 5 more; -o inventory.csv has all of them" in run.out
    assert run.status == 0


def test_csv_has_a_row_for_every_file(call: Any, music: Path, tmp_path: Path) -> None:
    target = tmp_path / "inventory.csv"
    run = call("scan", music, "-o", target)
    assert (run.status, run.out) == (0, "")
    assert "6 files, 1 of them rejected" in run.err, "a file that is written says it, too"
    rows = list(csv.DictReader(io.StringIO(target.read_text())))
    assert [row["path"] for row in rows] == sorted(str(p) for p in music.rglob("*.mid"))
    (rejected,) = (row for row in rows if row["rejected_because"])
    assert (Path(rejected["path"]).name, rejected["notes"]) == ("not-music.mid", "")
    assert rows[0]["key"] == "D major", "the flat sevenths of a blues in A are those of D"
    assert int(rows[0]["notes_bass"]) == 48


def test_parquet_holds_what_csv_holds(call: Any, music: Path, tmp_path: Path) -> None:
    from pyarrow import parquet

    target = tmp_path / "inventory.parquet"
    assert call("scan", music, "-o", target).status == 0
    table = parquet.read_table(target)
    plain = json.loads(call("scan", music, "--json").out)
    assert table.to_pylist() == plain


def test_standard_output_is_nothing_but_the_result(call: Any, music: Path) -> None:
    rows = json.loads(call("scan", music, "--json").out)
    assert [row["notes"] for row in rows] == [336, 336, 212, None, 92, 73]
    assert all(0 <= row["quality"] <= 1 for row in rows if row["notes"])
    titles = call("scan", music, "--csv").out.splitlines()[0].split(",")
    assert titles == list(rows[0])


@pytest.mark.parametrize("flag", ["--json", "--csv"])
@pytest.mark.parametrize("ending", ["csv", "json", "parquet"])
def test_the_ending_decides_the_file_and_the_flag_standard_output(
    call: Any, music: Path, tmp_path: Path, ending: str, flag: str
) -> None:
    for name in ("alone", "beside"):
        run = call("scan", music, "-o", tmp_path / f"{name}.{ending}", *[flag] * (name == "beside"))
        assert run.status == 0
    assert run.out == call("scan", music, flag).out
    alone, beside = ((tmp_path / f"{name}.{ending}").read_bytes() for name in ("alone", "beside"))
    assert alone == beside
    assert run.err.count("6 files, 1 of them rejected") == 1


def test_names_that_are_not_unicode_stay_apart(call: Any, music: Path, tmp_path: Path) -> None:
    from pyarrow import parquet

    song = (music / "blues-in-a.mid").read_bytes()
    for name in (b"caf\xe9.mid", b"caf\xe8.mid", rb"caf\udce9.mid"):
        try:
            with open(os.fsencode(music) + b"/" + name, "wb") as file:
                file.write(song)
        except OSError:
            pytest.skip("this system has only names in Unicode")
    assert call("scan", music, "-o", tmp_path / "a.parquet").status == 0
    paths = parquet.read_table(tmp_path / "a.parquet").column("path").to_pylist()
    assert {Path(path).name for path in paths if "caf" in path} == {
        r"caf\udce9.mid", r"caf\udce8.mid", r"caf\\udce9.mid"
    }  # fmt: skip
    assert len(set(paths)) == len(paths)


def test_the_pace_is_told_when_it_means_something() -> None:
    assert pace(24, 10_000, 0.002) == "", "14,786/s would be what the first batch seems to say"
    assert pace(400, 1000, 2) == "200/s, 0:00:03 left"
    assert pace(3, 40, 6) == "0.5/s, 0:01:14 left"


def test_a_lineup_of_ones_choice(call: Any, music: Path) -> None:
    rows = json.loads(call("scan", music, "--lineup", "kit", "--json").out)
    assert {"notes_drums", "notes_left_out"} <= set(rows[0])
    assert [row["rejected_by"] for row in rows].count("lineup") == 1


def test_an_output_that_exists_is_refused_before_the_work(
    call: Any, music: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "inventory.csv"
    target.write_text("mine")
    with monkeypatch.context() as patched:
        patched.setattr("woodshed.corpus.inventory.look_into", None)
        run = call("scan", music, "-o", target)
    assert run.status == 1
    assert "already exists; choose another name or add --force" in run.err
    assert target.read_text() == "mine"
    assert call("scan", music, "-o", target, "--force").status == 0
    assert target.read_text().startswith("path,")


@pytest.mark.parametrize(
    ("arguments", "words", "status"),
    [
        (("-o", "list.pdf"), "does not end in .csv, .parquet or .json", 2),
        (("-o", "list", "--json"), "does not end in .csv, .parquet or .json; add one", 2),
        (("--json", "--csv"), "exclude each other", 2),
        (("--least-quality", "2"), "--least-quality 2 makes no sense; use 0 to 1", 2),
        (("--least-notes", "0"), "--least-notes 0 makes no sense; use 1 or more", 2),
        (("--workers", "0"), "--workers 0 makes no sense", 2),
        (("--least-notes", "many"), "not a valid int", 2),
        (("--lineup", "orchestra"), "there is no lineup 'orchestra'", 2),
    ],
)
def test_nonsense(
    call: Any, music: Path, arguments: tuple[str, ...], words: str, status: int
) -> None:
    run = call("scan", music, *arguments)
    assert words in run.err
    assert run.status == status
    assert run.out == "" or "--json" in arguments


def test_nothing_readable(call: Any, tmp_path: Path) -> None:
    (tmp_path / "a.mid").write_bytes(b"no")
    run = call("scan", tmp_path)
    assert run.status == 1
    assert "of 1 MIDI file in" in run.err
    assert "it is not a MIDI file" in run.out


def test_a_missing_folder(call: Any, tmp_path: Path) -> None:
    run = call("scan", tmp_path / "nowhere", "--json")
    assert run.status == 1
    assert json.loads(run.out)["error"]["kind"] == "BadFolder"
