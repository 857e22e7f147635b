"""The demo learns what it composed, plays each feel, and touches no file of yours."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
import soundfile

from tests.recipes.pages import Tags, contents
from woodshed.errors import UsageError
from woodshed.formats.midi_read import read_midi
from woodshed.recipes.again import again
from woodshed.recipes.demo import FEELS, NETWORK, Demo, make_demo
from woodshed.sampling.provenance import provenance_in
from woodshed.training.progress import Figures, Silent

PIECES, BARS, STEPS = 16, 1, 3


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Demo:
    return make_demo(tmp_path_factory.mktemp("demo") / "demo", PIECES, BARS, STEPS)


def place_of(made: Demo) -> Path:
    return Path(made.learnt.page).parent


def test_the_corpus_is_learnt_as_a_strangers(made: Demo) -> None:
    report = made.learnt.report
    assert report.summary.files == PIECES + 2
    assert report.summary.pieces == PIECES
    left_out = {Path(each.path).name: each.left_out_by for each in report.left_out}
    assert left_out == {
        "not-music.mid": "unreadable", "cut-in-the-middle.mid": "least_notes"
    }  # fmt: skip
    assert made.learnt.info.data_hash == report.content_hash


def test_each_feel_has_a_new_piece(made: Demo) -> None:
    each = [(family, feel) for family in ("ngram", NETWORK) for feel, _ in FEELS]
    assert [(piece.family, piece.tags["feel"]) for piece in made.learnt.pieces] == each
    assert [piece.seed for piece in made.learnt.pieces] == 2 * [1, 2, 3, 4]
    for piece in made.learnt.pieces:
        score = read_midi(piece.path)
        assert len(score.notes) == piece.notes > 0
        said = provenance_in(score)
        assert said is not None
        assert said["conditions"] == {"feel": piece.tags["feel"], "form": "twelve"}
        assert said["settings"]["seed"] == piece.seed
        sound, rate = soundfile.read(piece.sound)
        assert len(sound) / rate == pytest.approx(piece.seconds, abs=0.2)
        assert 0.05 < abs(sound).max() <= 1


def test_the_page_leads_to_files_that_are_there_and_says_what_it_is(made: Demo) -> None:
    page = Path(made.learnt.page)
    tags = Tags.of(page)
    assert tags.open == []
    assert len(tags.addresses) == 2 * 2 * len(FEELS) + 1
    assert all((page.parent / address).is_file() for address in tags.addresses)
    text = page.read_text(encoding="utf-8")
    assert f"composed {PIECES} blues" in text
    assert f"{made.composed.notes:,} notes" in text


def test_both_families_are_on_the_page_with_players_and_commands_of_their_own(made: Demo) -> None:
    text = Path(made.learnt.page).read_text(encoding="utf-8")
    _, ngram, rest = re.split(r"<h2>(?=The n-gram model|The Transformer)", text)
    transformer, _, below = rest.partition("<h2>What was learnt")
    for part, folder, ending in (
        (ngram, "model", ""),
        (transformer, "transformer", "-transformer"),
    ):
        found = re.findall(r'<audio[^>]* src="sound/(\d-\w+)([^"]*)\.\w+"', part)
        assert found == [(f"{n}-{feel}", ending) for n, (feel, _) in enumerate(FEELS, 1)]
        place = place_of(made)
        again = f"woodshed again {place}/music/1-shuffle{ending}.mid -o again.mid"
        assert f"{again} --model {place}/{folder}<" in part
        assert re.search(r"it needed [\d.]+ bits for each note", part)
        assert f"woodshed generate {place}/{folder} -o new.mid" in below
    assert "has a grammar score of" in transformer
    assert f"parameters were set in {STEPS} steps" in transformer
    longer = f"woodshed train {place_of(made)}/dataset -o longer-transformer.model"
    assert f"{longer} --family transformer --max-minutes 60" in below
    assert made.hint == ""
    assert "left out, as it needs PyTorch" not in text


def test_pieces_of_both_families_can_be_made_again(made: Demo) -> None:
    for model in made.learnt.models:
        piece = next(each for each in made.learnt.pieces if each.family == model.family)
        assert again(piece.path, model=model.path).is_same


def test_called_again_it_does_little_and_makes_the_same(made: Demo) -> None:
    before = contents(place_of(made))
    seen: list[str] = []

    def watch(items: Iterable[Any], _: int, what: str, /) -> Iterator[Any]:
        seen.append(what)
        yield from items

    done = make_demo(place_of(made), PIECES, BARS, STEPS, watch=watch)
    assert "pieces composed" not in seen
    assert [model.trained for model in done.learnt.models] == [False, False]
    assert done.learnt.report.unchanged
    assert done.composed == made.composed
    assert contents(place_of(made)) == before


def test_without_pytorch_it_says_what_was_left_out(
    made: Demo, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = place_of(made)
    before = contents(out)
    with monkeypatch.context() as without:
        without.setitem(sys.modules, "torch", None)
        done = make_demo(out, PIECES, BARS, STEPS)
    text = Tags.of(out / "index.html").text
    assert [model.family for model in done.learnt.models] == ["ngram"]
    assert not done.learnt.trained
    assert "left out, as it needs PyTorch" in done.hint
    assert "`pip install 'woodshed[neural]'`" in done.hint
    assert "left out, as it needs PyTorch" in text
    assert "pip install 'woodshed[neural]'" in text
    assert sorted(p.name for p in (out / "music").iterdir()) == [
        f"{n}-{feel}.mid" for n, (feel, _) in enumerate(FEELS, 1)
    ]
    done = make_demo(out, PIECES, BARS, STEPS)  # and with it again
    assert not done.learnt.trained
    assert contents(out) == before


def test_stopped_between_the_families_the_other_one_is_trained_next(
    made: Demo, tmp_path: Path
) -> None:
    class Stop(Silent):
        def figures(self, figures: Figures, /) -> None:
            raise KeyboardInterrupt

    out = tmp_path / "demo"
    with pytest.raises(KeyboardInterrupt):
        make_demo(out, PIECES, BARS, STEPS, report=Stop())
    assert not (out / "index.html").exists()
    done = make_demo(out, PIECES, BARS, STEPS)
    assert [model.trained for model in done.learnt.models] == [False, True]
    for name in ("music", "sound", "model", "transformer"):
        assert contents(out / name) == contents(place_of(made) / name)
    assert not (out / ".transformer.run").exists()


@pytest.mark.parametrize("where", [".", "music", "sound", "corpus", "corpus/damaged"])
def test_it_touches_no_file_of_yours(made: Demo, where: str) -> None:
    mine = place_of(made) / where / "mine.txt"
    mine.write_text("mine")
    try:
        with pytest.raises(UsageError, match=r"mine.txt is none of"):
            make_demo(place_of(made), PIECES, BARS, STEPS)
        assert mine.read_text() == "mine"
    finally:
        mine.unlink()


def test_stopped_while_composing_it_begins_again(tmp_path: Path) -> None:
    def watch(items: Iterable[Any], _: int, what: str, /) -> Iterator[Any]:
        yield from items
        if what == "pieces composed":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        make_demo(tmp_path / "demo", 2, BARS, watch=watch)
    assert [p.name for p in tmp_path.iterdir()] == ["demo"]
    assert not (tmp_path / "demo" / "corpus" / "starter").exists()

    def stop_at_reading(items: Iterable[Any], _: int, what: str, /) -> Iterator[Any]:
        yield from items
        if what != "pieces composed":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        make_demo(tmp_path / "demo", 2, BARS, watch=stop_at_reading)
    assert len(list((tmp_path / "demo" / "corpus" / "starter").glob("*.mid"))) == 2


def test_a_pytorch_that_does_not_load_is_told_and_ends_nothing(tmp_path: Path) -> None:
    broken = tmp_path / "broken" / "torch"
    broken.mkdir(parents=True)
    (broken / "__init__.py").write_text('raise RuntimeError("libtorch.so:\\n wrong processor")')
    program = (
        "import sys; from woodshed.recipes.demo import make_demo; "
        "print(make_demo(sys.argv[1], 8, 1, 2).hint)"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "demo")],
        env={**os.environ, "PYTHONPATH": str(broken.parent)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    because = "because PyTorch and safetensors are here, but cannot be loaded (libtorch.so: wrong"
    assert f"The Transformer was left out, {because} processor)" in ran.stdout
    page = Tags.of(tmp_path / "demo" / "index.html").text
    assert because in page
    assert "The Transformer A small neural network" not in page
