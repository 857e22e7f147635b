"""The demo learns what it composed, plays each feel, and touches no file of yours."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
import soundfile

from tests.recipes.pages import Tags, contents
from woodshed.errors import UsageError
from woodshed.formats.midi_read import read_midi
from woodshed.recipes.demo import FEELS, Demo, make_demo
from woodshed.sampling.provenance import provenance_in

PIECES, BARS = 16, 2


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Demo:
    return make_demo(tmp_path_factory.mktemp("demo") / "demo", PIECES, BARS)


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
    assert [piece.tags["feel"] for piece in made.learnt.pieces] == [feel for feel, _ in FEELS]
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
    assert len(tags.addresses) == 2 * len(FEELS) + 1
    assert all((page.parent / address).is_file() for address in tags.addresses)
    text = page.read_text(encoding="utf-8")
    assert f"composed {PIECES} blues" in text
    assert f"{made.composed.notes:,} notes" in text


def test_called_again_it_does_little_and_makes_the_same(made: Demo) -> None:
    before = contents(place_of(made))
    seen: list[str] = []

    def watch(items: Iterable[Any], _: int, what: str, /) -> Iterator[Any]:
        seen.append(what)
        yield from items

    again = make_demo(place_of(made), PIECES, BARS, watch=watch)
    assert "pieces composed" not in seen
    assert not again.learnt.trained
    assert again.learnt.report.unchanged
    assert again.composed == made.composed
    assert contents(place_of(made)) == before


@pytest.mark.parametrize("where", [".", "music", "sound", "corpus", "corpus/damaged"])
def test_it_touches_no_file_of_yours(made: Demo, where: str) -> None:
    mine = place_of(made) / where / "mine.txt"
    mine.write_text("mine")
    try:
        with pytest.raises(UsageError, match=r"mine.txt is none of"):
            make_demo(place_of(made), PIECES, BARS)
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
