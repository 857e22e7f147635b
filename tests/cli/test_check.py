"""`woodshed check`: round trips over a dataset, from the command line."""

from __future__ import annotations

import csv
import io
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.cli.test_audition import Run
from tests.samples import write_samples
from woodshed.corpus.prepare import prepare
from woodshed.formats.midi_write import write_midi
from woodshed.music.notes import Notes
from woodshed.music.score import Part, Score


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("check")
    write_samples(place / "music")
    prepare(place / "music", place / "data")
    return place / "data"


@pytest.fixture
def dataset(prepared: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(prepared, tmp_path / "data"))


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str]) -> Any:
    return lambda *arguments: Run(capsys, *map(str, arguments))


def drums(bars: int) -> Score:
    hits = [(480 * beat, 120, 36 + beat % 5, 64, 0) for beat in range(4 * bars)]
    return Score(notes=Notes.from_rows(hits), parts=(Part("Drums", is_drum=True, channel=9),))


def test_a_table_for_people(call: Any, dataset: Path) -> None:
    run = call("check", dataset)
    assert (run.status, run.err) == (0, "")
    assert "pieces come back exactly from events" in run.out
    assert "  time      " in run.out
    assert "Tokens that the pieces to train on use:" in run.out
    assert max(map(len, run.out.splitlines())) <= 80


@pytest.mark.parametrize("language", ["events", "performance"])
def test_figures_for_programs(call: Any, dataset: Path, language: str) -> None:
    report = json.loads(call("check", dataset, "--language", language, "--json").out)
    rows = report["pieces"]
    assert rows
    assert all(row["is_exact"] for row in rows)
    for figure in ("notes", "notes_merged", "tempo_changes_dropped", "pedal_events_dropped"):
        assert report["totals"][figure] == sum(row[figure] for row in rows)
    assert report["grammar_limits"]["at_once"] > 0
    assert report["rebuilt_because"] is None
    table = list(
        csv.DictReader(io.StringIO(call("check", dataset, "--language", language, "--csv").out))
    )
    assert [row["path"] for row in table] == [row["path"] for row in rows]
    assert list(table[0]) == list(rows[0])


@pytest.mark.parametrize("file", ["tokens.bin", "cache.json"])
def test_a_damaged_cache_is_said(call: Any, dataset: Path, file: str) -> None:
    call("check", dataset)
    damaged = dataset / "tokens" / "events" / file
    damaged.write_bytes(damaged.read_bytes()[:-5])
    run = call("check", dataset, "--json")
    assert run.status == 0
    assert "did not fit" in run.err
    assert "made anew" in run.err
    assert json.loads(run.out)["rebuilt_because"] in run.err
    assert call("check", dataset).err == ""


@pytest.mark.parametrize("column", ["metres/numerator", "notes/pitch"])
def test_a_damaged_dataset_is_said(call: Any, dataset: Path, column: str) -> None:
    """A byte that still makes music, so that only the checksum knows."""
    file = dataset / f"{column}.npy"
    data = bytearray(file.read_bytes())
    data[-1] ^= 1
    file.write_bytes(data)
    run = call("check", dataset)
    assert (run.status, run.out) == (1, "")
    assert f"{column}.npy is not what was written" in run.err


def test_a_language_without_drums_says_so(call: Any, dataset: Path, tmp_path: Path) -> None:
    run = call("check", dataset, "--language", "performance")
    assert run.status == 0
    assert "performance has no drums: 1 of the pieces is empty in it" in run.out

    (tmp_path / "kit").mkdir()
    for bars in range(8, 12):
        write_midi(drums(bars), tmp_path / "kit" / f"{bars}.mid")
    prepare(tmp_path / "kit", tmp_path / "kit.data")
    run = call("check", tmp_path / "kit.data", "--language", "performance")
    assert run.status == 1
    assert "0 of 4 pieces come back" in run.out
    assert "performance has no drums: 4 of the pieces are empty in it" in run.out
    assert "a note" not in run.out
    assert "use --language events" in run.err
    run = call("check", tmp_path / "kit.data", "--language", "performance", "--json")
    assert run.status == 1
    assert json.loads(run.out)["totals"]["notes_told"] == 0


def test_pieces_left_out_of_training_are_listed(call: Any, tmp_path: Path) -> None:
    music = tmp_path / "music"
    write_samples(music)
    crowd = [(1920 * bar, 480, 30 + note, 64, 0) for bar in range(8) for note in range(60)]
    write_midi(Score(notes=Notes.from_rows(crowd), parts=(Part("Piano"),)), music / "crowd.mid")
    names = [path.name for path in music.glob("*.mid")]
    rows = (f"{name},{'test' if name == 'crowd.mid' else 'train'}" for name in names)
    (tmp_path / "splits.csv").write_text("path,split\n" + "\n".join(rows) + "\n")
    prepare(music, tmp_path / "data", splits_csv=tmp_path / "splits.csv")
    run = call("check", tmp_path / "data")
    listed = run.out.partition("Left out of training")[2].partition("\n\n")[2]
    assert listed.splitlines()[1].startswith("crowd.mid")
    stays = {
        row["path"]: row["stays"]
        for row in json.loads(call("check", tmp_path / "data", "--json").out)["pieces"]
    }
    assert [path for path, stay in stays.items() if not stay] == ["crowd.mid"]
    assert "Left out" not in call("check", tmp_path / "data", "--least-score", 0).out


def test_transpositions_of_the_vocabulary(call: Any, dataset: Path) -> None:
    def used(*options: object) -> tuple[list[int], dict[str, dict[str, int]]]:
        report = json.loads(call("check", dataset, "--json", *options).out)
        return report["semitones"], {row["group"]: row for row in report["vocabulary"]}

    by, groups = used()
    assert by == [-5, -3, -1, 1, 3, 5]
    assert groups["PITCH"]["used"] < groups["PITCH"]["used_transposed"] < groups["PITCH"]["tokens"]
    assert groups["DRUM"]["used"] == groups["DRUM"]["used_transposed"] > 0
    by, groups = used("--transpose", 0)
    assert by == []
    assert groups["PITCH"]["used"] == groups["PITCH"]["used_transposed"]
    by, _ = used("--transpose", "2,7")
    assert by == [-7, -2, 2, 7]


def test_the_limits_of_the_workers_are_heard(call: Any, dataset: Path) -> None:
    run = call("check", dataset, "--seconds", 0)
    assert run.status == 2
    assert "--seconds 0 makes no sense" in run.err
    assert call("check", dataset, "--workers", 1, "--memory-mb", 256).status == 0


def test_what_makes_no_sense(call: Any, dataset: Path, tmp_path: Path) -> None:
    run = call("check", dataset, "--language", "latin")
    assert (run.status, run.out) == (2, "")
    assert "no language 'latin'" in run.err
    for wrong in ("up", "99", "1,,3"):
        run = call("check", dataset, "--transpose", wrong)
        assert (run.status, run.out) == (2, "")
        assert f"--transpose {wrong} makes no sense" in run.err
    run = call("check", dataset, "--least-score", 2)
    assert run.status == 2
    assert "--least-score 2 makes no sense" in run.err
    run = call("check", tmp_path / "nowhere")
    assert run.status == 1
    assert "nowhere" in run.err


def test_a_dataset_without_pieces_to_train_on(call: Any, prepared: Path, tmp_path: Path) -> None:
    prepare(prepared.parent / "music", tmp_path / "data", shares=(0, 0.5, 0.5))
    run = call("check", tmp_path / "data")
    assert run.status == 2
    assert "pieces but none to train on" in run.err
