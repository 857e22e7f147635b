"""A folder becomes a model that plays it, a page that tells all, and can be gone on with."""

from __future__ import annotations

import json
import re
import shutil
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.recipes.pages import Tags, contents
from tests.samples import write_samples
from woodshed.corpus.starter import write_starter
from woodshed.errors import BadFolder, CannotWrite, UsageError, WoodshedError
from woodshed.formats.midi_read import read_midi
from woodshed.recipes.again import again
from woodshed.recipes.learn import Learnt, learn
from woodshed.recipes.learn_settings import LearnSettings
from woodshed.training.progress import Figures, Silent

TWO = LearnSettings(pieces=2, bars=2)


@pytest.fixture(scope="module")
def learnt(tmp_path_factory: pytest.TempPathFactory) -> Learnt:
    place = tmp_path_factory.mktemp("learn")
    write_samples(place / "songs")
    return learn(place / "songs", place / "out", TWO)


@pytest.fixture
def out(learnt: Learnt, tmp_path: Path) -> Path:
    """A copy to do things to; the folder it learnt from stays where it is."""
    shutil.copytree(Path(learnt.page).parent, tmp_path / "out")
    return tmp_path / "out"


def songs(learnt: Learnt) -> Path:
    return Path(learnt.page).parent.parent / "songs"


def watcher(seen: list[str], stop_after: str = "") -> Any:
    def watch(items: Iterable[Any], _: int, what: str, /) -> Iterator[Any]:
        seen.append(what)
        yield from items
        if what == stop_after:
            raise KeyboardInterrupt

    return watch


def test_everything_is_there(learnt: Learnt) -> None:
    place = Path(learnt.page).parent
    assert sorted(p.name for p in place.iterdir()) == [
        "dataset", "index.html", "learn.json", "model", "music", "sound"
    ]  # fmt: skip
    assert learnt.trained
    assert learnt.report.summary.pieces == 5
    assert [piece.seed for piece in learnt.pieces] == [1, 2]
    for piece in learnt.pieces:
        assert len(read_midi(piece.path).notes) == piece.notes > 0
        assert piece.bars == 2
        assert piece.seconds > 0
        assert Path(piece.sound).stat().st_size > 1000
    assert list(learnt.seconds) == ["prepare", "compile", "train", "generate", "render"]


def test_pieces_can_be_made_again(learnt: Learnt) -> None:
    for piece in learnt.pieces:
        made = again(piece.path, model=learnt.model)
        assert made.is_same
        assert made.seed == piece.seed


def test_the_page_says_what_was_learnt_and_what_not(learnt: Learnt) -> None:
    tags = Tags.of(Path(learnt.page))
    assert tags.open == []
    place = Path(learnt.page).parent
    assert all((place / address).is_file() for address in tags.addresses)
    assert "5 pieces of 6 files were learnt from: 1,049 notes, 98 seconds of music" in tags.text
    assert "1 of 6 files. rejected.csv has them all" in tags.text
    assert "broken/not-music.mid it is a web page" in tags.text
    assert "3 pieces share their music with another one, in 1 group" in tags.text
    assert re.search(r"it needed [\d.]+ bits for each note", tags.text)
    assert f"woodshed again {place}/music/1-piece.mid -o again.mid" in tags.text
    assert f"woodshed learn {place.parent}/songs -o {place}" in tags.text
    page = Path(learnt.page).read_text(encoding="utf-8")
    assert not re.search(r"https?://(?!www\.w3\.org/2000/svg)", page)


def test_called_again_only_the_pieces_are_remade(learnt: Learnt, out: Path) -> None:
    before = contents(out / "music") | contents(out / "sound") | contents(out / "model")
    (out / "music" / "1-piece.mid").write_bytes(b"changed")
    done = learn(songs(learnt), out, TWO)
    assert not done.trained
    assert done.report.unchanged
    assert contents(out / "music") | contents(out / "sound") | contents(out / "model") == before


@pytest.mark.parametrize("stage", ["sorting", "pieces rendered"])
def test_stopped_it_goes_on(learnt: Learnt, tmp_path: Path, stage: str) -> None:
    out = tmp_path / "out"
    with pytest.raises(KeyboardInterrupt):
        learn(songs(learnt), out, TWO, watch=watcher([], stage))
    assert not (out / "index.html").exists()
    done = learn(songs(learnt), out, TWO)
    assert done.report.unchanged
    assert done.trained == (stage == "sorting")
    there = Path(learnt.page).parent
    for name in ("music", "sound", "model"):
        assert contents(out / name) == contents(there / name)


def test_an_added_file_is_learnt(learnt: Learnt, tmp_path: Path) -> None:
    shutil.copytree(songs(learnt), tmp_path / "songs")
    (tmp_path / "songs" / "groove.mid").unlink()
    learn(tmp_path / "songs", tmp_path / "out", LearnSettings(1, 1))
    shutil.copy(songs(learnt) / "groove.mid", tmp_path / "songs")
    done = learn(tmp_path / "songs", tmp_path / "out", LearnSettings(1, 1))
    assert done.report.read_now == 1
    assert done.trained
    assert done.info.data_hash == learnt.info.data_hash


def test_other_settings_need_force(learnt: Learnt, out: Path) -> None:
    before = contents(out)
    with pytest.raises(WoodshedError, match="seed was 1 and is 9; choose another name, or add"):
        learn(songs(learnt), out, LearnSettings(1, 2, seed=9))
    assert contents(out) == before
    done = learn(songs(learnt), out, LearnSettings(1, 2, seed=9), force=True)
    assert [p.name for p in sorted((out / "music").iterdir())] == ["1-piece.mid"]
    assert done.pieces[0].seed == 9
    assert done.trained


@pytest.mark.parametrize("where", [".", "music", "sound", "dataset", "model"])
def test_somebody_elses_files_are_refused(learnt: Learnt, out: Path, where: str) -> None:
    mine = out / where / "mine.txt"
    mine.write_text("mine")
    with pytest.raises(WoodshedError, match=r"mine\.txt"):
        learn(songs(learnt), out, TWO, force=True)
    assert mine.read_text() == "mine"


class Stopping(Silent):
    """Stops a training after a step, and keeps what it is told."""

    def __init__(self, step: int | None = None) -> None:
        self.notes: list[str] = []
        self._step = step

    def figures(self, figures: Figures, /) -> None:
        if figures.step == self._step:
            raise KeyboardInterrupt

    def note(self, sentence: str, /) -> None:
        self.notes.append(sentence)


def test_fewer_families_are_refused(learnt: Learnt, out: Path) -> None:
    assert LearnSettings(2, 2, families=" transformer,ngram").chosen == ("ngram", "transformer")
    with pytest.raises(
        WoodshedError, match='families was "ngram" and is "transformer"; choose another name'
    ):
        learn(songs(learnt), out, LearnSettings(2, 2, families="transformer"))


def test_a_family_is_added_and_one_that_is_stopped_goes_on(learnt: Learnt, out: Path) -> None:
    before = contents(out / "model")
    both = LearnSettings(2, 2, families="ngram,transformer", max_minutes=0.001)
    with pytest.raises(KeyboardInterrupt):
        learn(songs(learnt), out, both, report=Stopping(1))
    heard = Stopping()
    done = learn(songs(learnt), out, both, report=heard)
    assert "it goes on at step 0" in heard.notes
    assert [model.trained for model in done.models] == [False, True]
    assert contents(out / "model") == before
    assert len(list((out / "music").iterdir())) == 4
    with pytest.raises(WoodshedError, match=r"max_minutes was 0\.001 and is 5;"):
        learn(songs(learnt), out, LearnSettings(2, 2, families=both.families, max_minutes=5))


def test_a_stopped_training_of_other_music_begins_anew(learnt: Learnt, tmp_path: Path) -> None:
    shutil.copytree(songs(learnt), tmp_path / "songs")
    alone = LearnSettings(1, 1, families="transformer", max_minutes=0.001)
    with pytest.raises(KeyboardInterrupt):
        learn(tmp_path / "songs", tmp_path / "out", alone, report=Stopping(1))
    (tmp_path / "songs" / "groove.mid").unlink()
    heard = Stopping()
    done = learn(tmp_path / "songs", tmp_path / "out", alone, report=heard)
    assert any(
        note.endswith("begun on another dataset, and cannot go on with this one; it begins anew")
        for note in heard.notes
    )
    assert not any("goes on at step" in note for note in heard.notes)
    assert done.trained
    assert not (tmp_path / "out" / ".transformer.run").exists()


def test_force_takes_away_what_was_stopped(learnt: Learnt, out: Path) -> None:
    both = LearnSettings(2, 2, families="ngram,transformer", max_minutes=0.001)
    with pytest.raises(KeyboardInterrupt):
        learn(songs(learnt), out, both, report=Stopping(1))
    assert (out / ".transformer.run").is_dir()
    learn(songs(learnt), out, TWO, force=True)
    assert not (out / ".transformer.run").exists()


def test_minutes_count_only_where_networks_learn(learnt: Learnt, out: Path) -> None:
    assert not learn(songs(learnt), out, LearnSettings(2, 2, max_minutes=3)).trained


def test_a_family_that_is_not_asked_for_any_more_goes_with_force(learnt: Learnt, out: Path) -> None:
    shutil.copytree(out / "model", out / "transformer")
    learn(songs(learnt), out, LearnSettings(1, 1), force=True)
    assert not (out / "transformer").exists()


def test_a_transformer_alone(learnt: Learnt, tmp_path: Path) -> None:
    alone = LearnSettings(1, 1, families="transformer", max_minutes=0.001)
    done = learn(songs(learnt), tmp_path / "out", alone)
    assert [model.family for model in done.models] == ["transformer"]
    assert done.model == str(tmp_path / "out" / "transformer")
    assert [p.name for p in (tmp_path / "out" / "music").iterdir()] == ["1-piece.mid"]
    assert list(done.seconds) == ["prepare", "compile", "train_transformer", "generate", "render"]
    text = Tags.of(Path(done.page)).text
    assert "--pieces 1 --bars 1 --families transformer --max-minutes 0.001" in text
    assert "The n-gram model" not in text


def test_without_pytorch_a_transformer_is_refused_before_the_work(
    learnt: Learnt, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(WoodshedError, match="transformer needs PyTorch and safetensors, which"):
        learn(songs(learnt), tmp_path / "out", LearnSettings(families="transformer"))
    assert not (tmp_path / "out").exists()


def test_a_place_of_when_there_was_one_family_is_known(learnt: Learnt, out: Path) -> None:
    state = json.loads((out / "learn.json").read_text())
    state["model"] = state.pop("models")["ngram"]
    del state["asked"]["families"]
    (out / "learn.json").write_text(json.dumps(state))
    assert not learn(songs(learnt), out, TWO).trained


def test_tags_of_the_corpus_decide_what_is_played(tmp_path: Path) -> None:
    write_starter(tmp_path / "blues", 8)
    done = learn(tmp_path / "blues", tmp_path / "out", LearnSettings(2, 1))
    feels = [dict(piece.tags)["feel"] for piece in done.pieces]
    assert len(set(feels)) == 2
    assert [Path(piece.path).stem for piece in done.pieces] == [
        f"{n}-{feel}" for n, feel in enumerate(feels, 1)
    ]
    assert f"--cond feel={feels[0]}" in Tags.of(Path(done.page)).text


def test_a_language_without_bars(learnt: Learnt, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--bars"):
        learn(songs(learnt), tmp_path / "a", TWO, language="performance")
    done = learn(songs(learnt), tmp_path / "b", LearnSettings(1), language="performance")
    assert done.pieces[0].bars is None
    assert done.pieces[0].seconds > 20
    text = Tags.of(Path(done.page)).text
    assert "--seconds 60" in text
    assert f"-o {tmp_path}/b --language performance --pieces 1" in text
    assert f"woodshed check {tmp_path}/b/dataset --language performance" in text


def test_a_folder_without_music_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "songs").mkdir()
    (tmp_path / "songs" / "bad.mid").write_bytes(b"no music")
    with pytest.raises(BadFolder):
        learn(tmp_path / "songs", tmp_path / "out")
    with pytest.raises(BadFolder):
        learn(tmp_path / "nowhere", tmp_path / "out")
    assert [p.name for p in tmp_path.iterdir()] == ["songs"]


def test_places_that_cannot_be(learnt: Learnt, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="would learn from what this one plays"):
        learn(songs(learnt), songs(learnt) / "out")
    with pytest.raises(CannotWrite, match="there is no folder"):
        learn(songs(learnt), tmp_path / "a" / "b")
    (tmp_path / "file").write_text("mine")
    with pytest.raises(CannotWrite, match="a file has that name"):
        learn(songs(learnt), tmp_path / "file")


def test_damaged_state_is_no_license_to_overwrite(learnt: Learnt, out: Path) -> None:
    (out / "learn.json").write_text("{")
    with pytest.raises(UsageError, match="none of the files that this makes"):
        learn(songs(learnt), out, TWO)
    (out / "learn.json").write_text(json.dumps({"format": "other"}))
    with pytest.raises(UsageError, match="none of the files that this makes"):
        learn(songs(learnt), out, TWO, force=True)


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"pieces": 0}, "--pieces 0 makes no sense"),
        ({"bars": 0}, "--bars 0 makes no sense"),
        ({"seed": -1}, "--seed -1 makes no sense"),
        ({"max_minutes": 0}, "--max-minutes 0 makes no sense"),
        (
            {"families": "ngram,abacus"},
            "there is no family 'abacus'; use ngram, transformer, mamba or lstm, or several with",
        ),
        ({"families": ""}, "there is no family ''; use ngram, transformer, mamba or lstm"),
    ],
)
def test_settings_that_make_no_sense(values: dict[str, Any], sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        LearnSettings(**values)
