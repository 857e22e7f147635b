"""`woodshed audition` and the manners of every command: output, errors, exit statuses."""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.samples import write_samples
from woodshed.cli import main


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


class TestStats:
    def test_table(self, call: Any, music: Path) -> None:
        run = call("audition", "stats", music)
        assert run.status == 0
        assert "5 MIDI files read, 1 rejected" in run.out
        assert "it is a web page or XML, not MIDI" in run.out
        assert "Mended, in 1 file:" in run.out
        rows = {line.split()[0]: line.split()[1:] for line in run.out.splitlines() if line.strip()}
        assert rows["bass"] == ["3", "9.2%", "13.7%", "144"]

    def test_json(self, call: Any, music: Path) -> None:
        result = json.loads(call("audition", "stats", music, "--json").out)
        assert (result["files"], result["notes"], result["lineup"]) == (5, 1049, "band")
        assert [Path(r["path"]).name for r in result["rejected"]] == ["not-music.mid"]
        assert sum(s["notes"] for s in result["slots"]) == result["notes"]
        assert {r["kind"] for r in result["repairs"]} == {
            "hanging", "cut_event", "no_end", "truncated"
        }  # fmt: skip

    def test_csv(self, call: Any, music: Path) -> None:
        rows = list(csv.DictReader(io.StringIO(call("audition", "stats", music, "--csv").out)))
        assert [r["slot"] for r in rows][:2] == ["voxlead", "voxharm"]
        assert sum(int(r["notes"]) for r in rows) == 1049

    def test_a_lineup_of_ones_own(self, call: Any, music: Path, tmp_path: Path) -> None:
        lineup = tmp_path / "duo.toml"
        lineup.write_text(
            '[[slot]]\nname = "low"\nprograms = ["32-39"]\n[[slot]]\nname = "high"\nrest = true\n'
            '[[slot]]\nname = "kit"\ndrums = true\n'
        )
        result = json.loads(call("audition", "stats", music, "--lineup", lineup, "--json").out)
        assert [s["slot"] for s in result["slots"]] == ["low", "high", "kit"]

    def test_nothing_readable(self, call: Any, tmp_path: Path) -> None:
        (tmp_path / "a.mid").write_bytes(b"no")
        run = call("audition", "stats", tmp_path)
        assert run.status == 1
        assert "of 1 MIDI file in" in run.err
        assert "it is not a MIDI file" in run.out
        run = call("audition", "stats", tmp_path, "--json")
        assert run.status == 1
        assert json.loads(run.out)["rejected"][0]["reason"].startswith("it is not a MIDI file")
        assert call("audition", "list", tmp_path).status == 1


class TestList:
    def test_table_fits_80_columns_and_cuts_no_figure(self, call: Any, music: Path) -> None:
        long = music / ("a-very-long-name-" * 8 + ".mid")
        (music / "blues-in-a.mid").rename(long)
        run = call("audition", "list", music)
        assert run.status == 0
        assert max(map(len, run.out.splitlines())) <= 80
        (row,) = (line for line in run.out.splitlines() if "long-name" in line)
        assert row.startswith("…")
        assert row.split()[1:] == ["0:26", "12", "112", "4/4", "5", "336"]

    def test_csv_has_a_row_for_every_file(self, call: Any, music: Path, tmp_path: Path) -> None:
        target = tmp_path / "list.csv"
        run = call("audition", "list", music, "-o", target)
        assert (run.status, run.out) == (0, "")
        rows = list(csv.DictReader(io.StringIO(target.read_text())))
        assert len(rows) == 6
        rejected = [r for r in rows if r["rejected_because"]]
        assert [Path(r["path"]).name for r in rejected] == ["not-music.mid"]
        assert rows[0]["slots"] == "voxlead guitar other bass drums"

    def test_json(self, call: Any, music: Path) -> None:
        rows = json.loads(call("audition", "list", music, "--json").out)
        assert [r["notes"] for r in rows] == [336, 336, 212, None, 92, 73]


class TestInfo:
    def test_table(self, call: Any, music: Path) -> None:
        run = call("audition", "info", music / "blues-without-names.mid")
        assert run.status == 0
        rows = [line.split() for line in run.out.splitlines() if line.startswith("(no name)")]
        assert [row[-4:] for row in rows] == [
            ["voxlead", "program", "24", "67–79"],
            ["guitar", "program", "96", "52–61"],
            ["other", "rest", "24", "61–74"],
            ["bass", "program", "48", "33–49"],
            ["drum", "flag", "144", "36–42"],
        ]

    def test_json_has_everything(self, call: Any, music: Path) -> None:
        facts = json.loads(call("audition", "info", music / "waltz-with-pickup.mid", "--json").out)
        assert facts["metres"] == ["3/4", "1/4"]
        assert [p["name"] for p in facts["parts"]] == ["Right hand", "Left hand"]
        assert facts["parts"][0]["slot"] == "other"

    def test_a_name_cannot_command_the_terminal(self, call: Any, tmp_path: Path) -> None:
        run = call("audition", "info", tmp_path / "\x1b[31mred.mid")
        assert "\x1b" not in run.out + run.err
        assert "[31mred.mid" in run.err
        assert run.status == 1


class TestBadInput:
    """What happened, the value, and what to do; the right status; nothing half-written."""

    def test_a_missing_folder(self, call: Any, tmp_path: Path) -> None:
        run = call("audition", "stats", tmp_path / "nowhere")
        assert run.status == 1
        assert run.err == f"woodshed: there is no folder {tmp_path}/nowhere; check the spelling\n"

    def test_a_missing_file(self, call: Any, tmp_path: Path) -> None:
        run = call("audition", "info", tmp_path / "a.mid")
        assert run.status == 1
        assert "a.mid: there is no such file" in run.err

    def test_a_folder_where_a_file_is_wanted(self, call: Any, tmp_path: Path) -> None:
        run = call("audition", "info", tmp_path)
        assert run.status == 2
        assert f"`woodshed audition list {tmp_path}`" in run.err

    def test_a_file_where_a_folder_is_wanted(self, call: Any, music: Path) -> None:
        run = call("audition", "stats", music / "groove.mid")
        assert run.status == 2
        assert "is a file, and a folder is wanted here" in run.err

    def test_a_folder_without_music(self, call: Any, tmp_path: Path) -> None:
        run = call("audition", "list", tmp_path)
        assert run.status == 1
        assert "no MIDI files in" in run.err

    def test_an_output_that_exists(self, call: Any, music: Path, tmp_path: Path) -> None:
        target = tmp_path / "list.csv"
        target.write_text("mine")
        run = call("audition", "list", music, "-o", target)
        assert run.status == 1
        assert "already exists; choose another name or add --force" in run.err
        assert target.read_text() == "mine"
        assert call("audition", "list", music, "-o", target, "--force").status == 0
        assert target.read_text().startswith("path,")

    @pytest.mark.parametrize(
        ("arguments", "words"),
        [
            (("--lineup", "orchestra"), "there is no lineup 'orchestra'; use band"),
            (("--json", "--csv"), "exclude each other"),
            (("-o", "list.pdf"), "does not end in .json or .csv"),
            (("--workers", "0"), "--workers 0 makes no sense"),
            (("--seconds", "-1"), "--seconds -1"),
            (("--memory-mb", "1"), "--memory-mb 1"),
            (("--workers", "many"), "not a valid int"),
            (("--colour",), "No such option"),
        ],
    )
    def test_nonsense(self, call: Any, music: Path, arguments: tuple[str, ...], words: str) -> None:
        run = call("audition", "list", music, *arguments)
        assert words in run.err
        assert run.status == 2
        assert run.out == "" or "--json" in arguments

    def test_an_error_as_json(self, call: Any, tmp_path: Path) -> None:
        run = call("audition", "stats", tmp_path / "nowhere", "--json")
        assert json.loads(run.out)["error"]["kind"] == "BadFolder"
        assert run.status == 1

    def test_an_unknown_command(self, call: Any) -> None:
        run = call("practise")
        assert run.status == 2
        assert "practise" in run.err


def woodshed(*arguments: str, **options: Any) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-m", "woodshed", *arguments], **options)


@pytest.fixture
def full_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 16 kB."""
    place = tmp_path / "small"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=16k", "tmpfs", str(place)]
    try:
        mounted = subprocess.run(mount, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        pytest.skip("this system has no `mount`, so no small disk can be made to fill up")
    if mounted.returncode:
        pytest.skip(f"no small disk can be made to fill up: {mounted.stderr.strip()}")
    yield place
    subprocess.run(["umount", str(place)], check=True)


def test_a_full_disk(full_disk: Path, music: Path, call: Any) -> None:
    for copy in range(200):
        (music / f"copy-{copy}.mid").write_bytes((music / "groove.mid").read_bytes())
    run = call("audition", "list", music, "-o", full_disk / "list.csv")
    assert run.status == 1
    assert "cannot write" in run.err
    assert "No space left on device; free some space or choose another place" in run.err
    assert list(full_disk.iterdir()) == []


def test_a_full_disk_for_standard_output(music: Path) -> None:
    if not os.path.exists("/dev/full"):
        pytest.skip("this system has no /dev/full")
    with open("/dev/full", "wb") as full:
        process = woodshed("audition", "list", str(music), stdout=full, stderr=subprocess.PIPE)
        _, errors = process.communicate()
    assert process.returncode == 1
    assert b"No space left on device" in errors
    assert b"Traceback" not in errors


def test_a_reader_that_has_seen_enough(music: Path) -> None:
    process = woodshed(
        "audition", "list", str(music), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    errors = process.stderr.read()
    process.wait()
    process.stderr.close()
    assert errors == b""


def test_an_unreadable_file_stops_nothing(music: Path, call: Any) -> None:
    (music / "gone.mid").symlink_to(music / "nowhere.mid")
    run = call("audition", "list", music)
    assert run.status == 0
    assert "gone.mid\n      there is no such file" in run.out


def test_help_and_version(call: Any) -> None:
    assert "woodshed audition stats" in call("--help").out
    assert call("--version").out.startswith("woodshed 0.")
