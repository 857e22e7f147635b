"""From folder to dataset: what is left out and why, what is work and what is not, and kills."""

from __future__ import annotations

import csv
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.corpus.songs import song, write_songs
from woodshed.corpus.dataset import Dataset
from woodshed.corpus.gather import COPY, LEAK, UNLISTED
from woodshed.corpus.prepare import PrepareReport, prepare
from woodshed.corpus.quality_settings import QualitySettings
from woodshed.corpus.workspace import Workspace
from woodshed.errors import (
    BadDataset,
    BadFolder,
    BadLineup,
    CannotWrite,
    UsageError,
    WoodshedError,
)
from woodshed.formats.limits import Limits
from woodshed.formats.midi_write import midi_bytes
from woodshed.music.score import Score
from woodshed.music.transform import transpose

ONE, TWO = Limits(workers=1), Limits(workers=2)


def contents(place: Path) -> dict[str, bytes]:
    """Every file below a folder, by its name there."""
    return {
        p.relative_to(place).as_posix(): p.read_bytes() for p in place.rglob("*") if p.is_file()
    }


def reasons(report: PrepareReport) -> dict[str, tuple[str, str]]:
    return {each.path: (each.left_out_by, each.because) for each in report.left_out}


def leftovers(place: Path) -> list[str]:
    return sorted(p.name for p in place.iterdir() if p.name.startswith("."))


@pytest.fixture
def music(tmp_path: Path) -> Path:
    return write_songs(tmp_path / "music", range(10))


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "made"


class TestWhatBecomesOfFiles:
    def test_everything_is_a_piece_or_listed_with_its_reason(self, music: Path, out: Path) -> None:
        (music / "broken.mid").write_bytes(b"<html>404</html>")
        (music / "short.mid").write_bytes(
            midi_bytes(song(50, bars=1).replace(notes=_few(song(50))))
        )
        (music / "silent.mid").write_bytes(midi_bytes(Score()))
        shutil.copy(music / "song-0003.mid", music / "again.mid")
        (music / "gone.mid").symlink_to(music / "nowhere.mid")
        report = prepare(music, out, limits=ONE)
        dataset = Dataset.open(out, verify=True)
        assert set(dataset.pieces.path) | set(reasons(report)) == {
            p.relative_to(music).as_posix() for p in music.rglob("*.mid")
        }
        assert reasons(report) == {
            "broken.mid": (
                "unreadable",
                "it is a web page or XML, not MIDI; the download may have failed",
            ),
            "gone.mid": ("unreadable", "there is no such file"),
            "short.mid": ("least_notes", "4 notes, fewer than the 8 a piece needs"),
            "silent.mid": ("least_notes", "there are no notes in it"),
            "song-0003.mid": (COPY, "it has the same bytes as again.mid"),
        }  # fmt: skip
        assert report.summary.files == 15
        assert report.summary.pieces == len(dataset) == 10
        assert {k.kind: k.count for k in report.summary.left_out} == {
            "unreadable": 2, "least_notes": 2, "copy": 1,
        }  # fmt: skip
        with (out / "rejected.csv").open(newline="") as file:
            rows = {
                row["path"]: (row["left_out_by"], row["because"]) for row in csv.DictReader(file)
            }
        assert rows == reasons(report)

    def test_a_lineup_without_a_place(self, music: Path, out: Path) -> None:
        (music / "melody.mid").write_bytes(midi_bytes(_melodic(song(60))))
        report = prepare(music, out, "kit", limits=ONE)
        assert reasons(report)["melody.mid"] == (
            "lineup",
            "none of its parts has a slot in the lineup kit: Lead vocals, a part without a name",
        )

    def test_quality_is_judged_after_the_lineup(self, music: Path, out: Path) -> None:
        """Every song has enough notes, but not its drums."""
        settings = QualitySettings(least_notes=100)
        assert prepare(music, out, "band", settings, limits=ONE).summary.pieces == 10
        with pytest.raises(BadFolder, match=r"notes, fewer than the 100 a piece needs"):
            prepare(music, out.with_name("drums"), "kit", settings, limits=ONE)

    def test_a_reader_that_is_stopped(self, music: Path, out: Path, monkeypatch: Any) -> None:
        """A file that brings its worker down is listed like any other."""
        monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(Path.cwd()), *sys.path]))
        monkeypatch.setattr("woodshed.corpus.piece.prepare_in_worker", _crashes_on_song_4)
        monkeypatch.setattr("woodshed.corpus.piece.__name__", "tests.corpus.test_prepare")
        report = prepare(music, out, limits=ONE)
        assert reasons(report) == {
            "song-0004.mid": ("unreadable", "its reader ended by itself (exit status 3)")
        }
        assert prepare(music, out, limits=ONE).unchanged, "it is not tried again and again"

    @pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no pipes with names")
    def test_a_pipe_keeps_nobody_waiting(self, music: Path, out: Path) -> None:
        os.mkfifo(music / "pipe.mid")
        (_, because) = reasons(prepare(music, out, limits=ONE))["pipe.mid"]
        assert because == "it is a pipe or a device, not a regular file"
        assert prepare(music, out, limits=ONE).unchanged

    def test_a_file_comes_before_a_link_with_its_bytes(self, music: Path, out: Path) -> None:
        (music / "a-link.mid").symlink_to(music / "song-0004.mid")
        assert reasons(prepare(music, out, limits=ONE)) == {
            "a-link.mid": (COPY, "it has the same bytes as song-0004.mid")
        }

    def test_every_stage_can_be_watched(self, music: Path, out: Path) -> None:
        stages: list[tuple[str, int]] = []

        def watch(items: Any, total: int, what: str) -> Any:
            passed = list(items)
            assert len(passed) == total
            stages.append((what, total))
            return iter(passed)

        prepare(music, out, limits=ONE, watch=watch)
        files = len(contents(out)) - 1
        stages_of_all = [("reading", 10), ("writing", 10), ("comparing", 10)]
        assert stages == [*stages_of_all, ("checksumming", files)]
        stages.clear()
        write_songs(music, [30])
        prepare(music, out, limits=ONE, watch=watch)
        assert [what for what, _ in stages] == [
            "verifying", "reading", "writing", "comparing", "checksumming",
        ]  # fmt: skip

    def test_nothing_left(self, tmp_path: Path, out: Path) -> None:
        (tmp_path / "music").mkdir()
        (tmp_path / "music" / "a.mid").write_bytes(b"no")
        with pytest.raises(BadFolder, match=r"of 1 MIDI file in .* none became a piece: it is"):
            prepare(tmp_path / "music", out, limits=ONE)
        assert not out.exists()
        assert leftovers(tmp_path) == []

    def test_sums_are_right(self, music: Path, out: Path) -> None:
        report = prepare(music, out, limits=ONE)
        dataset = Dataset.open(out)
        scores = [dataset.score(n) for n in range(len(dataset))]
        summary = report.summary
        assert summary.notes == sum(len(score.notes) for score in scores)
        assert summary.bars == sum(score.bar_count for score in scores)
        assert sum(slot.notes for slot in summary.slots) == summary.notes
        assert sum(slot.notes_by_name for slot in summary.slots) == summary.notes
        by_slot = {slot.slot: (slot.notes_by_name, slot.notes) for slot in summary.slots}
        assert by_slot["bass"][0] == 0 < by_slot["bass"][1], "only the program says bass"
        assert by_slot["other"][0] > 0 == by_slot["other"][1]
        assert sum(split.pieces for split in summary.splits) == 10
        assert sum(split.notes for split in summary.splits) == summary.notes
        limit = report.limits["most_notes_on_a_step"]
        train = dataset.pieces.most_notes_on_a_step[dataset.split("train")]
        assert limit["most"] == train.max()
        assert limit["half"] in train

    def test_tags_and_licences(self, music: Path, out: Path) -> None:
        (music / "song-0000.yaml").write_text("style: blues\nlicence: CC0-1.0\n")
        (music / "song-0001.yaml").write_text("style: [\n")
        (music / "typo.yaml").write_text("style: blues")
        report = prepare(music, out, limits=ONE, licence="mine")
        assert str(report.tags_not_read[0]).startswith("song-0001.yaml: line ")
        assert report.tags_unused == ("typo.yaml",)
        assert report.summary.tagged == 1
        assert {k.kind: k.count for k in report.summary.licences} == {"mine": 9, "CC0-1.0": 1}
        dataset = Dataset.open(out)
        assert dataset.tags(dataset.pieces.path.index("song-0000.mid")) == {"style": "blues"}

    def test_names_that_are_not_unicode(self, music: Path, out: Path) -> None:
        try:
            os.rename(music / "song-0000.mid", os.fsencode(music) + b"/caf\xe9.mid")
        except OSError:
            pytest.skip("this system has only names in Unicode")
        report = prepare(music, out, limits=ONE)
        assert report.summary.pieces == 10
        assert r"caf\udce9.mid" in Dataset.open(out).pieces.path
        assert prepare(music, out, limits=ONE).unchanged


class TestSplits:
    def test_near_duplicates_stay_together(self, tmp_path: Path, out: Path) -> None:
        music = write_songs(tmp_path / "music", range(12))
        for number in range(12):
            higher = transpose(song(number), 3)
            (music / f"higher-{number}.mid").write_bytes(midi_bytes(higher))
        report = prepare(music, out, limits=TWO)
        pieces = Dataset.open(out).pieces
        home = dict(
            zip(pieces.path, zip(pieces.split, pieces.duplicate_group, strict=True), strict=True)
        )
        for number in range(12):
            (own,) = (home[path] for path in home if path.endswith(f"song-{number:04}.mid"))
            assert home[f"higher-{number}.mid"] == own
        assert report.summary.near_duplicate_groups == 12
        assert report.summary.near_duplicates == 24

    def test_three_files_are_enough_and_it_says_what_that_means(
        self, tmp_path: Path, out: Path
    ) -> None:
        report = prepare(write_songs(tmp_path / "music", range(3)), out, limits=ONE)
        assert [split.pieces for split in report.summary.splits] == [1, 1, 1]
        (warning,) = report.warnings
        assert "only 3 different pieces, 2 of them held out" in warning

    def test_official_splits_and_what_leaks(self, music: Path, out: Path, tmp_path: Path) -> None:
        leak = transpose(song(1), 2)
        (music / "leak.mid").write_bytes(midi_bytes(leak))
        shutil.copy(music / "song-0003.mid", music / "a-copy.mid")
        told = {p.relative_to(music).as_posix(): "train" for p in music.rglob("*.mid")}
        told |= {"song-0001.mid": "validation", "song-0003.mid": "test"}
        table = _splits(tmp_path / "splits.csv", told)
        report = prepare(music, out, splits_csv=table, limits=ONE)
        assert reasons(report) == {
            "a-copy.mid": (COPY, "it has the same bytes as song-0003.mid"),
            "leak.mid": (LEAK, "its music is in song-0001.mid, which is validation"),
        }
        pieces = Dataset.open(out, verify=True).pieces
        assert "leak.mid" not in pieces.path
        assert dict(zip(pieces.path, pieces.split, strict=True)) == {
            path: split for path, split in told.items() if path not in reasons(report)
        }
        again = prepare(music, out, splits_csv=table, limits=ONE)
        assert again.unchanged
        told["song-0004.mid"] = "test"
        _splits(table, told)
        changed = prepare(music, out, splits_csv=table, limits=ONE)
        assert not changed.unchanged
        assert changed.read_now == 0, "the piece that was dropped is known, too"
        assert "song-0004.mid" in [
            Dataset.open(out).pieces.path[n] for n in Dataset.open(out).split("test")
        ]

    def test_a_table_that_names_more_and_less_than_there_is(
        self, music: Path, out: Path, tmp_path: Path
    ) -> None:
        told = {p.relative_to(music).as_posix(): "train" for p in music.rglob("*.mid")}
        told |= {"song-0001.mid": "test", "gone.mid": "test", "lost.mid": "train"}
        del told["song-0004.mid"]
        table = _splits(tmp_path / "splits.csv", told)
        report = prepare(music, out, splits_csv=table, limits=ONE)
        assert reasons(report) == {"song-0004.mid": (UNLISTED, "splits.csv does not name it")}
        more, less, *_ = report.warnings
        assert more.startswith("the folder lacks 2 files that")
        assert more.endswith("names, such as gone.mid")
        assert less.startswith("left out: 1 file of the folder that")
        told["song-0004.mid"] = "validation"
        _splits(table, told)
        report = prepare(music, out, splits_csv=table, limits=ONE)
        assert (report.read_now, reasons(report)) == (0, {})

    def test_what_was_set_aside_is_not_read_again(
        self, music: Path, out: Path, tmp_path: Path
    ) -> None:
        """Leaks, files unlisted and copies of them are known through any number of updates."""
        (music / "leak.mid").write_bytes(midi_bytes(transpose(song(1), 2)))
        shutil.copy(music / "song-0004.mid", music / "copy-of-4.mid")
        shutil.copy(music / "leak.mid", music / "leak-too.mid")
        told = {p.relative_to(music).as_posix(): "train" for p in music.rglob("*.mid")}
        told |= {"song-0001.mid": "validation", "song-0003.mid": "test"}
        del told["song-0004.mid"], told["copy-of-4.mid"]
        table = _splits(tmp_path / "splits.csv", told)
        left_out = reasons(prepare(music, out, splits_csv=table, limits=ONE))
        assert sorted(kind for kind, _ in left_out.values()) == [COPY, LEAK, UNLISTED, UNLISTED]
        for number in (30, 31):
            write_songs(music, [number])
            report = prepare(music, out, splits_csv=table, limits=ONE)
            assert report.read_now == 1, "an added file is the only work"
        told |= {f"song-00{n}.mid": "train" for n in ("04", "30")} | {"song-0001.mid": "train"}
        _splits(table, told)
        report = prepare(music, out, splits_csv=table, limits=ONE)
        assert report.read_now == 0
        fresh = tmp_path / "fresh"
        prepare(music, fresh, splits_csv=table, limits=ONE)
        assert {"leak-too.mid", "song-0004.mid"} <= set(Dataset.open(out, verify=True).pieces.path)
        assert contents(out) == contents(fresh)

    @pytest.mark.parametrize(
        ("text", "words"),
        [
            (None, "(No such file or directory); check the path"),
            ("path,split\nelsewhere.mid,test\n", "names none of the MIDI files in"),
            ("path,split\nsong-0001.mid,maybe\n", "line 2: 'maybe' is no split"),
            ("a,b\n1,2\n", "line 1: no column"),
        ],
    )
    def test_splits_that_do_not_fit(
        self, music: Path, out: Path, tmp_path: Path, text: str | None, words: str
    ) -> None:
        table = tmp_path / "splits.csv"
        if text is not None:
            table.write_text(text)
        with pytest.raises(WoodshedError) as refused:
            prepare(music, out, splits_csv=table, limits=ONE)
        assert words in str(refused.value)
        assert leftovers(tmp_path) == []

    def test_shares_that_make_no_sense(self, music: Path, out: Path) -> None:
        with pytest.raises(UsageError, match=r"give three that sum to 1"):
            prepare(music, out, shares=(0.8, 0.1, 0.3), limits=ONE)
        assert leftovers(out.parent) == []


class TestTheSameContentIsTheSameDataset:
    def test_whatever_the_workers_the_place_and_the_clock(
        self, music: Path, tmp_path: Path
    ) -> None:
        one = prepare(music, tmp_path / "one", limits=ONE)
        other = tmp_path / "other"
        names = sorted(p for p in music.rglob("*.mid"))
        random.Random(1).shuffle(names)
        for file in names:  # another order on disk, and other times
            target = other / file.relative_to(music)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, target)
        two = prepare(other, tmp_path / "two", limits=TWO)
        assert one.content_hash == two.content_hash
        columns = [contents(tmp_path / which) for which in ("one", "two")]
        for name in columns[0]:
            if name not in ("dataset.json", "files.csv"):  # they name the folder and the times
                assert columns[0][name] == columns[1][name], name

    def test_other_content_is_another_hash(self, music: Path, tmp_path: Path) -> None:
        hashes = [prepare(music, tmp_path / "a", limits=ONE).content_hash]
        (music / "song-0000.yaml").write_text("style: blues")
        hashes.append(prepare(music, tmp_path / "b", limits=ONE).content_hash)
        (music / "song-0000.mid").rename(music / "renamed.mid")
        hashes.append(prepare(music, tmp_path / "c", limits=ONE).content_hash)
        hashes.append(prepare(music, tmp_path / "d", "quartet", limits=ONE).content_hash)
        assert len(set(hashes)) == 4


class TestOnlyWhatChangedIsWork:
    def test_an_unchanged_folder(self, music: Path, out: Path) -> None:
        first = prepare(music, out, limits=ONE)
        before = contents(out)
        again = prepare(music, out, limits=ONE)
        assert (first.unchanged, first.read_now) == (False, 10)
        assert (again.unchanged, again.read_now) == (True, 0)
        assert contents(out) == before
        assert (again.summary, again.limits, again.left_out) == (
            first.summary, first.limits, first.left_out
        )  # fmt: skip

    @pytest.mark.parametrize(
        ("change", "read"),
        [
            ("add", 1),
            ("change", 1),
            ("remove", 0),
            ("rename", 0),
            ("touch", 0),
            ("tag", 0),
            ("add a copy", 0),
            ("remove the first of two", 0),
            ("break", 1),
        ],
    )
    def test_one_change(
        self, music: Path, out: Path, tmp_path: Path, change: str, read: int
    ) -> None:
        shutil.copy(music / "song-0006.mid", music / "copy-of-6.mid")
        prepare(music, out, limits=ONE)
        some = music / "song-0004.mid"
        if change == "add":
            write_songs(music, [20])
        elif change == "change":
            some.write_bytes(midi_bytes(song(21)))
        elif change == "remove":
            some.unlink()
        elif change == "rename":
            some.rename(music / "another.mid")
        elif change == "touch":
            os.utime(some, (1, 1))
        elif change == "tag":
            (music / "song-0004.yaml").write_text("style: blues")
        elif change == "add a copy":
            shutil.copy(some, music / "zz.mid")
        elif change == "remove the first of two":
            (music / "copy-of-6.mid").unlink()
        elif change == "break":
            some.write_bytes(b"broken")
        report = prepare(music, out, limits=ONE)
        assert (report.unchanged, report.read_now) == (False, read)
        assert report.removed == (change in ("remove", "rename", "remove the first of two"))
        prepare(music, tmp_path / "fresh", limits=ONE)
        assert contents(out) == contents(tmp_path / "fresh"), "as if made at one go"
        assert prepare(music, out, limits=ONE).unchanged

    def test_a_file_that_could_not_be_opened_is_tried_again(self, music: Path, out: Path) -> None:
        (music / "late.mid").symlink_to(music.parent / "late")
        assert "late.mid" in reasons(prepare(music, out, limits=ONE))
        assert prepare(music, out, limits=ONE).unchanged, "it is still not there"
        (music.parent / "late").write_bytes(midi_bytes(song(30)))
        assert reasons(prepare(music, out, limits=ONE)) == {}

    @pytest.mark.parametrize(
        ("settings", "words"),
        [
            ({"lineup": "quartet"}, 'lineup was "band" and is "quartet"'),
            ({"quality": QualitySettings(least_notes=9)}, "least notes was 8 and is 9"),
            ({"licence": "mine"}, 'licence was null and is "mine"'),
            ({"shares": (0.5, 0.25, 0.25)}, "shares was [0.8, 0.1, 0.1] and is [0.5, 0.25, 0.25]"),
        ],
    )
    def test_other_settings_need_force(
        self, music: Path, out: Path, settings: Any, words: str
    ) -> None:
        prepare(music, out, limits=ONE)
        before = contents(out)
        with pytest.raises(BadDataset) as refused:
            prepare(music, out, limits=ONE, **settings)
        assert words in str(refused.value)
        assert "choose another name, or add --force" in str(refused.value)
        assert contents(out) == before
        prepare(music, out, limits=ONE, force=True, **settings)
        assert contents(out) != before

    def test_another_folder_needs_force(self, music: Path, out: Path, tmp_path: Path) -> None:
        prepare(music, out, limits=ONE)
        other = write_songs(tmp_path / "other", range(3))
        with pytest.raises(BadDataset, match=r"folder was .*music.* and is .*other"):
            prepare(other, out, limits=ONE)


class TestKills:
    def test_a_killed_run_goes_on_and_ends_the_same(self, tmp_path: Path) -> None:
        """Killed again and again at moments nobody chose, it ends as if it never was."""
        music = write_songs(tmp_path / "music", range(60))
        (music / "broken.mid").write_bytes(b"no")
        prepare(music, tmp_path / "whole", limits=ONE)
        out = tmp_path / "made"
        journal = Workspace(out).journal
        chance = random.Random()
        kills = 0
        for _ in range(6):
            process = _prepare_slowly(music, out)
            enough = _size(journal) + chance.randrange(1, 100_000)
            while process.poll() is None and _size(journal) < enough:
                time.sleep(0.002)
            if process.poll() is None:
                kills += 1
                process.send_signal(chance.choice([signal.SIGKILL, signal.SIGINT]))
                process.wait()
        report = prepare(music, out, limits=ONE)
        assert kills, "it must have been killed for this to mean something"
        assert report.read_now < 61, "what was done before is not done again"
        assert contents(out) == contents(tmp_path / "whole")
        assert leftovers(tmp_path) == []

    def test_killed_while_it_writes(self, music: Path, out: Path) -> None:
        prepare(music, out.with_name("whole"), limits=ONE)
        for _ in range(3):
            process = _prepare_slowly(music, out)
            while process.poll() is None and not (Workspace(out).path / "candidates").exists():
                time.sleep(0.002)
            process.kill()
            process.wait()
        assert not out.exists()
        assert prepare(music, out, limits=ONE).read_now == 0
        assert contents(out) == contents(out.with_name("whole"))

    @pytest.mark.parametrize("cut", [1, 7, 100, 3000])
    def test_a_journal_that_was_cut_off(self, music: Path, out: Path, cut: int) -> None:
        whole = prepare(music, out.with_name("whole"), limits=ONE)
        journal = _stopped_before_the_end(music, out)
        data = journal.read_bytes()
        journal.write_bytes(data[:-cut])
        report = prepare(music, out, limits=ONE)
        assert 1 <= report.read_now < 10
        assert report.content_hash == whole.content_hash
        assert contents(out) == contents(out.with_name("whole"))

    @pytest.mark.parametrize("rubbish", [b"", b"rubbish", bytes(5000), b"WSF1" + b"\xff" * 100])
    def test_a_journal_of_rubbish(self, music: Path, out: Path, rubbish: bytes) -> None:
        _stopped_before_the_end(music, out).write_bytes(rubbish)
        report = prepare(music, out, limits=ONE)
        assert (report.read_now, report.summary.pieces) == (10, 10)

    @pytest.mark.parametrize("where", [0.03, 0.5, 0.97])
    def test_a_journal_that_was_damaged(self, music: Path, out: Path, where: float) -> None:
        prepare(music, out.with_name("whole"), limits=ONE)
        journal = _stopped_before_the_end(music, out)
        data = bytearray(journal.read_bytes())
        at = int(where * len(data))
        data[at : at + 40] = bytes(byte ^ 3 for byte in data[at : at + 40])
        journal.write_bytes(data)
        assert prepare(music, out, limits=ONE).read_now >= 1
        assert contents(out) == contents(out.with_name("whole"))

    def test_a_journal_of_another_folder_does_not_count(
        self, music: Path, out: Path, tmp_path: Path
    ) -> None:
        _stopped_before_the_end(music, out)
        other = tmp_path / "other"
        shutil.copytree(music, other)
        for file in other.rglob("*.mid"):  # the same in path, size and time, but not in content
            status = file.stat()
            data = file.read_bytes()
            file.write_bytes(data.replace(b"Lead vocals", b"Bass guitar"))
            os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))
            assert file.stat().st_size == status.st_size
            assert file.read_bytes() != data
        assert prepare(other, out, limits=ONE).read_now == 10
        prepare(other, tmp_path / "fresh", limits=ONE)
        assert contents(out) == contents(tmp_path / "fresh")

    def test_a_journal_with_other_settings_does_not_count(self, music: Path, out: Path) -> None:
        _stopped_before_the_end(music, out)
        report = prepare(music, out, "quartet", limits=ONE)
        assert report.read_now == 10
        assert [slot.slot for slot in report.summary.slots] == [
            "drums",
            "bass",
            "piano",
            "percussion",
        ]

    def test_ctrl_c_leaves_nothing_broken(self, music: Path, out: Path) -> None:
        prepare(music, out, limits=ONE)
        before = contents(out)
        write_songs(music, [30, 31])
        with pytest.raises(KeyboardInterrupt):
            prepare(music, out, limits=ONE, watch=_interrupt("writing"))
        assert contents(out) == before, "the dataset of before is still there, and whole"
        report = prepare(music, out, limits=ONE)
        assert (report.read_now, report.summary.pieces) == (0, 12)
        assert leftovers(out.parent) == []

    @pytest.mark.parametrize("rename", [1, 2])
    def test_a_kill_between_the_renames(
        self, music: Path, out: Path, monkeypatch: pytest.MonkeyPatch, rename: int
    ) -> None:
        _killed_at_rename(rename, music, out, monkeypatch)
        assert out.exists() == (rename == 1)
        report = prepare(music, out, limits=ONE)
        assert report.summary.pieces == 11
        assert report.read_now == 0, "the old dataset was found again, and the journal"
        assert leftovers(out.parent) == []

    def test_who_opens_a_dataset_finds_it_after_such_a_kill(
        self, music: Path, out: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        _killed_at_rename(2, music, out, monkeypatch)
        assert not out.exists()
        assert len(Dataset.open(out, verify=True)) == 10
        assert prepare(music, out, limits=ONE).read_now == 0, "the journal is still there"

    def test_nothing_is_left_of_a_kill_when_there_is_nothing_to_do(
        self, music: Path, out: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        _killed_at_rename(2, music, out, monkeypatch)
        (music / "song-0030.mid").unlink()
        assert prepare(music, out, limits=ONE).unchanged
        assert leftovers(out.parent) == []


class TestWhatStandsInTheWay:
    def test_a_file(self, music: Path, out: Path) -> None:
        out.write_text("mine")
        for force in (False, True):
            with pytest.raises(BadDataset, match="something else has that name"):
                prepare(music, out, limits=ONE, force=force)
        assert out.read_text() == "mine"

    def test_a_folder_of_something_else(self, music: Path) -> None:
        before = contents(music)
        for force in (False, True):
            with pytest.raises(BadDataset, match="something else has that name"):
                prepare(music, music, limits=ONE, force=force)
        assert contents(music) == before

    @pytest.mark.parametrize("text", ["x", "{}", '{"format": "of another program"}'])
    def test_a_dataset_of_somebody_else(self, music: Path, out: Path, text: str) -> None:
        out.mkdir()
        (out / "dataset.json").write_text(text)
        (out / "thesis.txt").write_text("three years of work")
        before = contents(out)
        for force in (False, True):
            with pytest.raises(BadDataset, match="something else has that name"):
                prepare(music, out, limits=ONE, force=force)
        assert contents(out) == before
        assert leftovers(out.parent) == []

    @pytest.mark.parametrize("name", ["notes.txt", "notes/mine.txt"])
    def test_somebody_elses_file_in_a_dataset(self, music: Path, out: Path, name: str) -> None:
        prepare(music, out, limits=ONE)
        (out / name).write_text("mine")
        assert prepare(music, out, limits=ONE).unchanged, "which harms nothing"
        write_songs(music, [30])
        for force in (False, True):
            with pytest.raises(BadDataset, match=rf"{name} in it is no part of the dataset.*move"):
                prepare(music, out, limits=ONE, force=force)
        assert (out / name).read_text() == "mine"
        assert leftovers(out.parent) == []

    def test_what_appears_while_it_works_is_not_deleted(self, music: Path, out: Path) -> None:
        prepare(music, out, limits=ONE)
        write_songs(music, [30])

        def watch(items: Any, total: int, what: str) -> Any:
            if what == "writing":
                (out / "notes.txt").write_text("mine")
            return iter(items)

        with pytest.raises(BadDataset, match=r"notes\.txt in it is no part"):
            prepare(music, out, limits=ONE, watch=watch)
        (out / "notes.txt").rename(out.parent / "notes.txt")
        assert prepare(music, out, limits=ONE).read_now == 0, "the work is not lost"

    def test_token_caches_and_clutter_are_not_in_the_way(self, music: Path, out: Path) -> None:
        prepare(music, out, limits=ONE)
        (out / "tokens" / "events").mkdir(parents=True)
        (out / "tokens" / "events" / "tokens.bin").write_bytes(b"tokens")
        (out / "notes" / ".DS_Store").write_bytes(b"")
        write_songs(music, [30])
        assert prepare(music, out, limits=ONE).summary.pieces == 11

    def test_a_link_to_a_dataset_stays_one(self, music: Path, out: Path, tmp_path: Path) -> None:
        prepare(music, tmp_path / "real", limits=ONE)
        out.symlink_to(tmp_path / "real")
        write_songs(music, [30])
        assert prepare(music, out, limits=ONE).summary.pieces == 11
        assert out.is_symlink()
        assert len(Dataset.open(tmp_path / "real", verify=True)) == 11

    def test_the_root_of_all_folders(self, music: Path) -> None:
        with pytest.raises(BadDataset, match="something else has that name"):
            prepare(music, "/", limits=ONE)

    def test_an_empty_folder_is_not_in_the_way(self, music: Path, out: Path) -> None:
        out.mkdir()
        assert prepare(music, out, limits=ONE).summary.pieces == 10

    def test_a_dataset_of_another_version(self, music: Path, out: Path) -> None:
        prepare(music, out, limits=ONE)
        entries = json.loads((out / "dataset.json").read_text())
        (out / "dataset.json").write_text(json.dumps(entries | {"schema_version": 0}))
        with pytest.raises(BadDataset, match=r"it has version 0 of the format.*--force"):
            prepare(music, out, limits=ONE)
        assert prepare(music, out, limits=ONE, force=True).read_now == 10
        Dataset.open(out, verify=True)

    @pytest.mark.parametrize("name", ["notes/pitch.npy", "files.csv", "pieces.parquet"])
    def test_a_damaged_dataset(self, music: Path, out: Path, name: str) -> None:
        prepare(music, out, limits=ONE)
        (out / name).write_bytes((out / name).read_bytes()[:-2])
        with pytest.raises(BadDataset, match=rf"{name} has .* --force"):
            prepare(music, out, limits=ONE)
        prepare(music, out, limits=ONE, force=True)
        Dataset.open(out, verify=True)

    def test_damage_gets_no_new_checksum(self, music: Path, out: Path) -> None:
        prepare(music, out, limits=ONE)
        data = bytearray((out / "notes" / "pitch.npy").read_bytes())
        data[-20:] = bytes(20)
        (out / "notes" / "pitch.npy").write_bytes(data)
        write_songs(music, [30])
        with pytest.raises(BadDataset, match=r"pitch\.npy is not what was written.*--force"):
            prepare(music, out, limits=ONE)
        assert (out / "notes" / "pitch.npy").read_bytes() == data
        assert leftovers(out.parent) == []
        prepare(music, out, limits=ONE, force=True)
        assert len(Dataset.open(out, verify=True)) == 11

    def test_a_damaged_dataset_json_is_replaced_by_force(self, music: Path, out: Path) -> None:
        prepare(music, out, limits=ONE)
        (out / "dataset.json").write_bytes(b"\0" * 100)
        with pytest.raises(BadDataset, match=r"dataset\.json does not parse.*--force"):
            prepare(music, out, limits=ONE)
        prepare(music, out, limits=ONE, force=True)
        Dataset.open(out, verify=True)

    @pytest.mark.parametrize("head", [b"\x1b]0;pwned\x07\xff\0", b'"' + b"x" * 9])
    def test_a_damaged_list_of_files(self, music: Path, out: Path, head: bytes) -> None:
        """Whatever stands there does not come upon the screen."""
        prepare(music, out, limits=ONE)
        data = (out / "files.csv").read_bytes()
        (out / "files.csv").write_bytes(head + data[len(head) :])
        with pytest.raises(BadDataset) as refused:
            prepare(music, out, limits=ONE)
        assert "files.csv does not parse (its first line is not path,size" in str(refused.value)
        assert "pwned" not in str(refused.value)

    def test_a_place_that_is_not_there(self, music: Path, out: Path) -> None:
        with pytest.raises(CannotWrite, match="there is no folder"):
            prepare(music, out / "deep" / "down", limits=ONE)

    def test_another_prepare_at_work(self, music: Path, out: Path) -> None:
        with Workspace(out), pytest.raises(WoodshedError, match="another `woodshed prepare`"):
            prepare(music, out, limits=ONE)
        assert prepare(music, out, limits=ONE).summary.pieces == 10

    def test_rules_that_contradict_each_other(self, music: Path, out: Path, tmp_path: Path) -> None:
        lineup = tmp_path / "mine.toml"
        lineup.write_text(
            '[[slot]]\nname = "a"\nprograms = ["0-9"]\nrest = true\n'
            '[[slot]]\nname = "b"\nprograms = [9]\n'
        )
        with pytest.raises(BadLineup, match="slots 'a' and 'b' both claim program 9"):
            prepare(music, out, str(lineup), limits=ONE)
        assert not out.exists()

    def test_no_folder(self, tmp_path: Path, out: Path) -> None:
        with pytest.raises(BadFolder, match="there is no folder"):
            prepare(tmp_path / "nowhere", out)


def _few(score: Score) -> Any:
    return score.notes.take(slice(0, 4))


def _melodic(score: Score) -> Score:
    return score.replace(
        parts=score.parts[:3],
        notes=score.notes.take(score.notes.part < 3),
        controls=score.controls.take(score.controls.part < 3),
    )


def _splits(path: Path, told: dict[str, str]) -> Path:
    rows = [f"{split},{name}" for name, split in told.items()]
    path.write_text("\n".join(["split,midi_filename", *rows, ""]))
    return path


def _interrupt(phase: str) -> Any:
    """A watch that presses Ctrl-C in the middle of a phase."""

    def watch(items: Any, total: int, what: str) -> Any:
        for number, item in enumerate(items):
            if what == phase and number == total // 2:
                raise KeyboardInterrupt
            yield item

    return watch


def _killed_at_rename(rename: int, music: Path, out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make a dataset, and be killed at one of the two renames that bring it up to date."""
    prepare(music, out, limits=ONE)
    write_songs(music, [30])
    real, calls = os.replace, []

    def replace(*paths: Any) -> None:
        calls.append(paths)
        if len(calls) == rename:
            raise KeyboardInterrupt
        real(*paths)

    monkeypatch.setattr("woodshed.corpus.workspace.os.replace", replace)
    with pytest.raises(KeyboardInterrupt):
        prepare(music, out, limits=ONE)
    monkeypatch.undo()


def _stopped_before_the_end(music: Path, out: Path) -> Path:
    """Read everything, write nothing; where the journal lies."""
    with pytest.raises(KeyboardInterrupt):
        prepare(music, out, limits=ONE, watch=_interrupt("writing"))
    assert not out.exists()
    return Workspace(out).journal


_PROGRAM = """
import sys, time
from woodshed.corpus.prepare import prepare
from woodshed.formats.limits import Limits

def slowly(items, total, what):
    for item in items:
        time.sleep(0.01)
        yield item

prepare(sys.argv[1], sys.argv[2], limits=Limits(workers=1), watch=slowly)
"""


def _prepare_slowly(music: Path, out: Path) -> subprocess.Popen[bytes]:
    program = [sys.executable, "-c", _PROGRAM, str(music), str(out)]
    return subprocess.Popen(program, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _crashes_on_song_4(name: str, data: bytes | None, settings: dict[str, Any]) -> Any:
    from woodshed.corpus.piece import prepare_in_worker

    if name.endswith("song-0004.mid"):
        os._exit(3)
    return prepare_in_worker(name, data, settings)
