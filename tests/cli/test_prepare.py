"""`woodshed prepare`: the report on screen and as JSON, statuses, and a disk that is full."""

from __future__ import annotations

import gc
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.corpus.songs import write_songs
from woodshed.cli import main
from woodshed.corpus.dataset import Dataset


class Run:
    """One call of `woodshed prepare` in this process."""

    def __init__(self, capsys: pytest.CaptureFixture[str], *arguments: str) -> None:
        with pytest.raises(SystemExit) as stopped:
            main(["prepare", *arguments, "--workers", "1"])
        self.status = stopped.value.code
        self.out, self.err = capsys.readouterr()

    def row(self, first: str) -> list[str]:
        """The cells of the line that begins with a word."""
        (line,) = (line for line in self.out.splitlines() if line.split()[:1] == [first])
        return line.split()[1:]


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str]) -> Any:
    return lambda *arguments: Run(capsys, *map(str, arguments))


@pytest.fixture
def music(tmp_path: Path) -> Path:
    folder = write_songs(tmp_path / "music", range(10))
    (folder / "broken.mid").write_bytes(b"<html>404</html>")
    shutil.copy(folder / "song-0003.mid", folder / "again.mid")
    (folder / "song-0001.yaml").write_text("style: [\n")
    (folder / "typo.yaml").write_text("style: blues\n")
    return folder


def test_the_report(call: Any, music: Path, tmp_path: Path) -> None:
    run = call(music, "-o", tmp_path / "made", "--licence", "CC0-1.0")
    assert (run.status, run.err) == (0, "")
    assert f"{music}: 12 files read in" in run.out
    assert run.row("pieces") == ["10"]
    assert run.row("licences") == ["CC0-1.0", "10"]
    assert [run.row(split)[0] for split in ("train", "validation", "test")] == ["8", "1", "1"]
    assert run.row("bass")[1] == "0.0%"
    assert float(run.row("bass")[2].removesuffix("%")) > 10
    assert run.row("bars")[:1] != []
    assert "Left out, 2 of 12 files:" in run.out
    assert "1  no MIDI that can be read" in run.out
    assert "song-0003.mid\n      it has the same bytes as again.mid" in run.out
    assert "Tags not read:\n  song-0001.yaml: line 2:" in run.out
    assert "Tags that belong to no music:\n  typo.yaml" in run.out
    assert "Mind: only 10 different pieces" in run.out
    assert max(map(len, run.out.splitlines())) <= 80 + len(str(tmp_path))
    assert len(Dataset.open(tmp_path / "made", verify=True)) == 10


def test_again(call: Any, music: Path, tmp_path: Path) -> None:
    first = call(music, "-o", tmp_path / "made")
    again = call(music, "-o", tmp_path / "made")
    assert again.status == 0
    assert "nothing has changed, so there was nothing to do" in again.out
    assert again.out.splitlines()[1:] == first.out.splitlines()[1:], "the rest is told all the same"
    write_songs(music, [30])
    (music / "song-0000.mid").unlink()
    run = call(music, "-o", tmp_path / "made")
    assert ": 1 file read in" in run.out
    assert "11 known from before, 1 no longer there" in run.out


def test_json(call: Any, music: Path, tmp_path: Path) -> None:
    run = call(music, "-o", tmp_path / "made", "--json")
    result = json.loads(run.out)
    assert result["summary"]["pieces"] == 10
    assert {each["path"]: each["left_out_by"] for each in result["left_out"]} == {
        "broken.mid": "unreadable", "song-0003.mid": "copy",
    }  # fmt: skip
    assert [bad["path"] for bad in result["tags_not_read"]] == ["song-0001.yaml"]
    assert result["content_hash"] == Dataset.open(tmp_path / "made").content_hash
    assert (result["unchanged"], result["read_now"]) == (False, 12)


def test_lineup_splits_shares_and_quality(call: Any, music: Path, tmp_path: Path) -> None:
    run = call(music, "-o", tmp_path / "a", "--lineup", "quartet", "--shares", "60/20/20")
    assert run.row("percussion")[0] == "0"
    assert [run.row(split)[0] for split in ("train", "validation", "test")] == ["6", "2", "2"]
    (tmp_path / "splits.csv").write_text("path,split\nsong-0001.mid,test\nsong-0000.mid,train\n")
    run = call(music, "-o", tmp_path / "b", "--splits", tmp_path / "splits.csv")
    assert [run.row(split)[0] for split in ("train", "validation", "test")] == ["1", "0", "1"]
    assert "8  the same" not in run.out
    assert "not named by the official splits" in run.out
    run = call(music, "-o", tmp_path / "c", "--least-notes", "100000")
    assert run.status == 1
    assert "of 12 MIDI files in" in run.err
    assert "fewer than the 100000 a piece needs" in run.err
    assert not (tmp_path / "c").exists()


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (("--lineup", "orchestra"), 2, "there is no lineup 'orchestra'; use band"),
        (("--shares", "80/20"), 2, "--shares 80/20 makes no sense; give three percentages"),
        (("--shares", "80/10/11"), 2, "sum to 101; give three percentages that sum to 100"),
        (("--shares", "0.8/0.1/0.2"), 2, "sum to 1.1; give three percentages that sum to 100"),
        (("--shares", "nan/1/1"), 2, "--shares nan/1/1 makes no sense; give three percentages"),
        (("--shares", "120/-10/-10"), 2, "makes no sense; give three percentages"),
        (("--splits", "nowhere.csv"), 1, "nowhere.csv: it cannot be opened (No such file or"),
        (("--least-quality", "2"), 2, "--least-quality 2 makes no sense; use 0 to 1"),
        (("--seconds", "-1"), 2, "--seconds -1"),
    ],
)
def test_nonsense(
    call: Any, music: Path, tmp_path: Path, arguments: tuple[str, ...], status: int, words: str
) -> None:
    run = call(music, "-o", tmp_path / "made", *arguments)
    assert words in run.err
    assert run.status == status
    assert run.out == ""
    assert sorted(p.name for p in tmp_path.iterdir()) == ["music"]


def test_shares_in_percent_and_as_fractions(call: Any, music: Path, tmp_path: Path) -> None:
    assert call(music, "-o", tmp_path / "made", "--shares", "70/20/10").status == 0
    again = call(music, "-o", tmp_path / "made", "--shares", "0.7/0.2/0.1")
    assert "nothing has changed" in again.out
    run = call(music, "-o", tmp_path / "none", "--shares", "0/50/50")
    assert "Mind: nothing is in train: a model needs pieces to learn from" in run.out


def test_the_root_of_all_folders(call: Any, music: Path) -> None:
    run = call(music, "-o", "/")
    assert run.status == 1
    assert "/: something else has that name, which Woodshed will not touch" in run.err


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no pipes with names")
def test_pipes_keep_nobody_waiting(call: Any, music: Path, tmp_path: Path) -> None:
    for name in ("tags.json", "song-0000.yaml"):
        os.mkfifo(music / name)
    os.mkfifo(tmp_path / "splits.csv")
    run = call(music, "-o", tmp_path / "made")
    assert run.status == 0
    assert "tags.json: it is a pipe or a device, not a regular file" in run.out
    assert "song-0000.yaml: it is a pipe or a device" in run.out
    run = call(music, "-o", tmp_path / "made", "--splits", tmp_path / "splits.csv")
    assert run.status == 1
    assert "splits.csv: it is a pipe or a device, not a regular file" in run.err


def test_an_error_as_json(call: Any, music: Path, tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("mine")
    run = call(music, "-o", tmp_path / "mine", "--json", "--force")
    assert json.loads(run.out)["error"]["kind"] == "BadDataset"
    assert (run.status, (tmp_path / "mine").read_text()) == (1, "mine")


def test_out_is_needed(call: Any, music: Path) -> None:
    run = call(music)
    assert run.status == 2
    assert "--out" in run.err


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Any]:
    """Makes file systems of some kB."""
    places: list[Path] = []

    def make(kilobytes: int) -> Path:
        place = tmp_path / f"disk-{kilobytes}"
        place.mkdir()
        mount = ["mount", "-t", "tmpfs", "-o", f"size={kilobytes}k", "tmpfs", str(place)]
        try:
            mounted = subprocess.run(mount, capture_output=True, text=True, check=False)
        except FileNotFoundError:
            pytest.skip("this system has no `mount`, so no small disk can be made to fill up")
        if mounted.returncode:
            pytest.skip(f"no small disk can be made to fill up: {mounted.stderr.strip()}")
        places.append(place)
        return place

    yield make
    gc.collect()  # an error remembers what was open where it arose
    for place in places:
        subprocess.run(["umount", str(place)], check=True)


@pytest.mark.parametrize("kilobytes", [16, 120, 260])
def test_a_full_disk(call: Any, music: Path, small_disk: Any, kilobytes: int) -> None:
    """While reading, and while writing."""
    place = small_disk(kilobytes)
    run = call(music, "-o", place / "made")
    assert run.status == 1
    assert "cannot write" in run.err
    assert "No space left on device; free some space or choose another place" in run.err
    assert list(place.iterdir()) == []


def test_a_full_disk_harms_no_dataset_that_is_there(
    call: Any, music: Path, small_disk: Any
) -> None:
    place = small_disk(900)
    assert call(music, "-o", place / "made").status == 0
    write_songs(music, range(30, 90))
    run = call(music, "-o", place / "made")
    assert run.status == 1
    assert "No space left on device" in run.err
    assert [p.name for p in place.iterdir()] == ["made"]
    assert len(Dataset.open(place / "made", verify=True)) == 10


def test_ctrl_c(music: Path, tmp_path: Path) -> None:
    program = (
        "import _thread, sys, threading\n"
        "threading.Timer(0.7, _thread.interrupt_main).start()\n"
        "from woodshed.cli import main\n"
        f"main(['prepare', {str(music)!r}, '-o', {str(tmp_path / 'made')!r}])\n"
    )
    write_songs(music, range(100, 900))
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert done.returncode == 130
    assert done.stderr.strip() == "woodshed: stopped"
    assert not (tmp_path / "made").exists()
