"""The token cache of a dataset: made once, checked, made anew when it does not fit."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.samples import write_samples
from woodshed.corpus.dataset import Dataset
from woodshed.corpus.dataset_layout import file_checksum
from woodshed.corpus.prepare import prepare
from woodshed.errors import BadDataset, CannotWrite, UsageError
from woodshed.formats.limits import Limits
from woodshed.formats.midi_write import write_midi
from woodshed.music.notes import SUSTAIN, Controls, Notes
from woodshed.music.score import Part, Score
from woodshed.music.sustain import hold_sustain
from woodshed.tokens.cache import TokenCache, open_cache
from woodshed.tokens.check import check, trips
from woodshed.tokens.events_grammar import EventLimits
from woodshed.tokens.grammar_score import grammar_score
from woodshed.tokens.grammars import grammars
from woodshed.tokens.limits import extremes_of, measured_limits
from woodshed.tokens.performance import PerformanceLimits
from woodshed.tokens.pieces import language_of, tag_names
from woodshed.tokens.spoken import LANGUAGES


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("music") / "music"
    write_samples(place)
    (place / "blues-in-a.yaml").write_text("feel: shuffle\nform: twelve-bar\n")
    write_midi(pedalled(), place / "pedal.mid")
    return place


def pedalled() -> Score:
    """Short notes, sixteen of them, that a pedal holds for a bar each."""
    return Score(
        notes=Notes.from_rows([(480 * n, 40, 48 + n, 64, 0) for n in range(16)]),
        parts=(Part("Piano"),),
        controls=Controls.from_rows(
            [
                (1920 * n + at, SUSTAIN, value, 0)
                for n in range(4)
                for at, value in ((0, 127), (1900, 0))
            ]
        ),
    )


@pytest.fixture(scope="module")
def prepared(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dataset with its token caches, made once."""
    place = tmp_path_factory.mktemp("prepared") / "data"
    prepare(folder, place)
    for language in LANGUAGES:
        open_cache(Dataset.open(place), language)
    return place


@pytest.fixture
def dataset(prepared: Path, tmp_path: Path) -> Dataset:
    return Dataset.open(shutil.copytree(prepared, tmp_path / "data"))


@pytest.fixture
def untold(dataset: Dataset) -> Dataset:
    """The same without tokens."""
    shutil.rmtree(dataset.path / "tokens")
    return dataset


@pytest.mark.parametrize("language", ["events", "performance"])
def test_the_cache_holds_what_encoding_gives(dataset: Dataset, language: str) -> None:
    cache = open_cache(dataset, language)
    spoken = language_of(dataset, language)
    assert len(cache) == len(dataset) > 0
    for piece in range(len(dataset)):
        slots = dataset.slots(piece).tolist()
        if language == "events":
            names = tag_names(dataset.tags(piece))
            expected = spoken.encode(dataset.score(piece), slots, names)  # type: ignore[call-arg]
        else:
            expected = spoken.encode(hold_sustain(dataset.score(piece)), slots)
        assert np.array_equal(cache[piece], expected)
    assert cache.tokens.dtype == np.dtype("<u2")
    assert cache.info["tokens"] == len(cache.tokens)


def test_tags_are_told(dataset: Dataset) -> None:
    cache = open_cache(dataset, "events")
    names = {cache.language.language.names[t] for t in np.unique(cache.tokens)}
    assert {"TAG_feel=shuffle", "TAG_form=twelve-bar"} <= names


def test_a_second_opening_makes_nothing(dataset: Dataset) -> None:
    path = open_cache(dataset, "events").path
    before = {f.name: f.stat().st_mtime_ns for f in path.iterdir()}
    again = open_cache(dataset, "events")
    assert again.rebuilt_because is None
    assert {f.name: f.stat().st_mtime_ns for f in path.iterdir()} == before


@pytest.mark.parametrize("file", ["tokens.bin", "offsets.npy", "scores.npy", "cache.json"])
def test_a_damaged_cache_is_made_anew_and_said(dataset: Dataset, file: str) -> None:
    cache = open_cache(dataset, "events")
    expected = np.array(cache.tokens)
    damaged = cache.path / file
    data = damaged.read_bytes()
    damaged.write_bytes(bytes([data[0] ^ 255]) + data[1:])
    again = open_cache(dataset, "events")
    assert again.rebuilt_because is not None
    assert np.array_equal(again.tokens, expected)
    assert open_cache(dataset, "events").rebuilt_because is None


def test_a_cache_of_another_content_is_made_anew(dataset: Dataset) -> None:
    cache = open_cache(dataset, "events")
    info = json.loads((cache.path / "cache.json").read_text())
    (cache.path / "cache.json").write_text(json.dumps(info | {"dataset": "other"}))
    assert open_cache(dataset, "events").rebuilt_because == "it was made for another dataset"


def test_the_bytes_do_not_depend_on_the_workers(folder: Path, tmp_path: Path) -> None:
    place = tmp_path / "data"
    prepare(folder, place)
    found = []
    for workers in (1, 2):
        cache = open_cache(Dataset.open(place), "events", Limits(workers=workers))
        found.append((cache.path / "tokens.bin").read_bytes())
        shutil.rmtree(cache.path)
    assert found[0] == found[1]


@pytest.mark.parametrize("language", ["events", "performance"])
def test_limits_are_measured_and_kept(dataset: Dataset, language: str) -> None:
    cache = open_cache(dataset, language)
    training = [extremes_of(cache[piece], cache.language) for piece in dataset.split("train")]
    assert cache.grammar_limits == measured_limits(training, cache.language)
    assert cache.grammar_limits not in (EventLimits(), PerformanceLimits())
    assert open_cache(dataset, language).grammar_limits == cache.grammar_limits


@pytest.mark.parametrize("language", ["events", "performance"])
def test_training_pieces_are_legal_under_their_own_limits(dataset: Dataset, language: str) -> None:
    cache = open_cache(dataset, language)
    _, limited = grammars(cache.language, cache.grammar_limits)
    for piece in dataset.split("train"):
        assert limited.legal(cache[piece]).all()


def test_the_vocabulary_is_what_training_uses(dataset: Dataset) -> None:
    vocabulary = open_cache(dataset, "events").vocabulary()
    used = np.unique(
        np.concatenate([open_cache(dataset, "events")[p] for p in dataset.split("train")])
    )
    assert np.array_equal(vocabulary.ids, used)


def test_an_unknown_language(dataset: Dataset) -> None:
    with pytest.raises(UsageError, match="no language 'latin'; use events, performance or chorale"):
        open_cache(dataset, "latin")


@pytest.mark.parametrize("language", ["events", "performance"])
def test_every_piece_comes_back(dataset: Dataset, language: str) -> None:
    report = check(dataset.path, language)
    assert report.broken == ()
    assert all(piece.grammar_score == 1.0 for piece in report.pieces if piece.trip.notes_told)
    assert all(piece.trip.most_onset_shift_ms < 25 for piece in report.pieces)


def test_the_check_is_of_the_tokens_in_the_cache(dataset: Dataset) -> None:
    cache = open_cache(dataset, "events")
    tokens = np.array(cache.tokens)
    pitch = cache.language.language.row("PITCH")
    changed = int(np.flatnonzero(cache.language.language.group_of[tokens] == pitch)[0])
    tokens[changed] += 1
    (cache.path / "tokens.bin").write_bytes(tokens.tobytes())
    believe_cache(cache.path)
    (broken,) = check(dataset.path).broken
    assert broken.path == dataset.pieces.path[0]


def believe_cache(path: Path) -> None:
    """Let the checksums of a cache be those of its files as they are."""
    info = json.loads((path / "cache.json").read_text())
    info["checksums"] = {name: file_checksum(path / name) for name in info["checksums"]}
    (path / "cache.json").write_text(json.dumps(info))


def test_performance_hears_the_pedal(dataset: Dataset) -> None:
    cache = open_cache(dataset, "performance")
    notes = cache.language.decode(cache[dataset.pieces.path.index("pedal.mid")]).notes
    assert len(notes) == 16
    # 120 quarters a minute, steps of 10 ms: held to where the pedal comes up, 20 ticks early.
    assert notes.duration_ticks[:4].tolist() == [198, 148, 98, 48]


@pytest.mark.parametrize("language", ["events", "performance"])
def test_every_piece_has_its_grammar_score(dataset: Dataset, language: str) -> None:
    cache = open_cache(dataset, language)
    form, limited = grammars(cache.language, cache.grammar_limits)
    expected = [
        grammar_score(cache[piece], cache.language, form, limited).score
        for piece in range(len(dataset))
    ]
    assert cache.scores.tolist() == expected
    has_notes = [
        bool(len(cache.language.decode(cache[piece]).notes)) for piece in range(len(cache))
    ]
    assert cache.stays().tolist() == has_notes
    assert cache.stays(0.0).all()


def test_pieces_under_the_least_score_do_not_stay(folder: Path, tmp_path: Path) -> None:
    """Sixty notes on one moment, held out, where none of the training pieces has six."""
    music = shutil.copytree(folder, tmp_path / "music")
    crowd = [(1920 * bar, 480, 30 + note, 64, 0) for bar in range(8) for note in range(60)]
    write_midi(Score(notes=Notes.from_rows(crowd), parts=(Part("Piano"),)), music / "crowd.mid")
    (tmp_path / "splits.csv").write_text(
        "path,split\ncrowd.mid,test\n"
        + "".join(f"{path.name},train\n" for path in folder.glob("*.mid"))
    )
    prepare(music, tmp_path / "data", splits_csv=tmp_path / "splits.csv")
    dataset = Dataset.open(tmp_path / "data")
    cache = open_cache(dataset, "events")
    assert cache.scores[dataset.pieces.path.index("crowd.mid")] < 0.9
    gone = [
        path for path, stays in zip(dataset.pieces.path, cache.stays(), strict=True) if not stays
    ]
    assert gone == ["crowd.mid"]
    (left_out,) = check(dataset.path).left_out
    assert (left_out.path, left_out.stays) == ("crowd.mid", False)


def enlarge(dataset: Dataset, table: str, column: str, to_bytes: int) -> Dataset:
    """Let a column go on beyond its last piece with zeros, which take no space on disk."""
    file = dataset.path / table / f"{column}.npy"
    values = np.load(file)
    length = to_bytes // values.itemsize
    with file.open("rb+") as data:
        head = {"descr": values.dtype.str, "fortran_order": False, "shape": (length,)}
        np.lib.format.write_array_header_1_0(data, head)
        data.truncate(data.tell() + length * values.itemsize)
    info = json.loads((dataset.path / "dataset.json").read_text())
    info["files"][f"{table}/{column}.npy"][0] = file.stat().st_size
    (dataset.path / "dataset.json").write_text(json.dumps(info))
    return Dataset.open(dataset.path)


def test_large_datasets_fit_into_small_workers(dataset: Dataset) -> None:
    """Workers bound the memory that a piece takes; the columns they map are not a piece's."""
    expected = np.array(open_cache(dataset, "events").tokens)
    shutil.rmtree(dataset.path / "tokens")
    large = enlarge(dataset, "notes", "start_ticks", 2**32)
    cache = open_cache(large, "events", Limits(memory_mb=64, workers=1))
    assert np.array_equal(cache.tokens, expected)


def test_large_caches_fit_into_small_workers(dataset: Dataset) -> None:
    cache = open_cache(dataset, "events")
    expected = list(trips(dataset, cache))
    with (cache.path / "tokens.bin").open("rb+") as file:
        file.truncate(2**32)
    large = TokenCache(cache.path, cache.info | {"tokens": 2**31}, cache.language)
    assert list(trips(dataset, large, Limits(memory_mb=64, workers=1))) == expected


def test_workers_need_not_load_what_is_known_of_pieces(dataset: Dataset) -> None:
    """The reader of Parquet alone reserves more memory than a worker may take."""
    code = (
        "import json, sys; from woodshed.tokens.cache import encode_in_worker;"
        f"settings = {{'dataset': {os.fspath(dataset.path)!r}, 'language': 'events', 'tags': []}};"
        "frame = encode_in_worker('a', json.dumps([0, []]).encode(), settings);"
        "print(len(frame.arrays['tokens']) > 0, 'pyarrow' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["True", "False"]


def test_a_damaged_piece_is_named(untold: Dataset) -> None:
    piece = 2
    file = untold.path / "notes" / "pitch.npy"
    pitch = np.load(file)
    pitch[untold.columns.rows_of("notes")[piece]] = 200
    np.save(file, pitch)
    with pytest.raises(BadDataset, match="pitch 200") as found:
        open_cache(Dataset.open(untold.path), "events")
    assert f"the piece {untold.pieces.path[piece]} fails" in str(found.value)
    with pytest.raises(BadDataset, match="by its checksum"):
        check(untold.path)


def test_pieces_to_train_on_must_be_there(folder: Path, tmp_path: Path) -> None:
    prepare(folder, tmp_path / "data", shares=(0, 0.5, 0.5))
    with pytest.raises(UsageError, match="pieces but none to train on"):
        open_cache(Dataset.open(tmp_path / "data"), "events")


def test_limits_of_an_older_kind_are_measured_anew(dataset: Dataset) -> None:
    cache = open_cache(dataset, "events")
    info = json.loads((cache.path / "cache.json").read_text())
    info["grammar_limits"]["gone"] = info["grammar_limits"].pop("at_once")
    (cache.path / "cache.json").write_text(json.dumps(info))
    again = open_cache(dataset, "events")
    assert "gone" in str(again.rebuilt_because)
    assert again.grammar_limits == cache.grammar_limits


BUILD = """
import sys
from woodshed.corpus.dataset import Dataset
from woodshed.tokens.cache import open_cache
print(open_cache(Dataset.open(sys.argv[1]), "events").info["checksums"]["tokens.bin"])
"""


def building(dataset: Dataset) -> subprocess.Popen[str]:
    """Another process that makes the cache."""
    return subprocess.Popen(
        [sys.executable, "-c", BUILD, dataset.path], stdout=subprocess.PIPE, text=True
    )


def eventually(is_so: Callable[[], Any]) -> None:
    deadline = time.monotonic() + 60
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.005)


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")
def test_what_a_killed_process_left_goes(untold: Dataset) -> None:
    tokens = untold.path / "tokens"
    with building(untold) as other:
        eventually(lambda: list(tokens.glob(".events.*.part")))
        other.send_signal(signal.SIGKILL)
    assert list(tokens.glob(".events.*.part"))
    open_cache(untold, "events")
    assert sorted(path.name for path in tokens.iterdir()) == [".events.lock", "events"]


@pytest.mark.skipif(sys.platform == "win32", reason="locks are taken otherwise there")
def test_what_a_living_process_makes_stays(untold: Dataset) -> None:
    import fcntl

    tokens = untold.path / "tokens"
    tokens.mkdir()
    (tokens / ".events.0123.part").mkdir()
    found: list[int] = []
    waiting = threading.Thread(target=lambda: found.append(len(open_cache(untold, "events"))))
    with (tokens / ".events.lock").open("a+b") as lock:
        fcntl.flock(lock.fileno(), fcntl.LOCK_EX)
        waiting.start()
        waiting.join(0.5)
        assert waiting.is_alive()
        assert (tokens / ".events.0123.part").is_dir()
    waiting.join(60)
    assert found == [len(untold)]
    assert not (tokens / ".events.0123.part").exists()


def test_two_processes_may_make_it_at_once(untold: Dataset) -> None:
    with building(untold) as one, building(untold) as other:
        told = {one.communicate()[0], other.communicate()[0]}
    assert (one.returncode, other.returncode) == (0, 0)
    assert told == {open_cache(untold, "events").info["checksums"]["tokens.bin"] + "\n"}
    names = sorted(path.name for path in (untold.path / "tokens").iterdir())
    assert names == [".events.lock", "events"]


def test_nowhere_to_write_is_said(untold: Dataset) -> None:
    (untold.path / "tokens").write_text("a file")
    with pytest.raises(CannotWrite, match="tokens"):
        open_cache(untold, "events")
