"""The demo makes a page that can be heard, the same each time, and touches no file of yours."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
import soundfile

from woodshed.cli import main
from woodshed.errors import UsageError
from woodshed.formats.midi_read import read_midi
from woodshed.recipes.demo import Demo, make_demo
from woodshed.recipes.demo_page import DemoPiece, demo_page

PIECES = 24


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Demo:
    return make_demo(tmp_path_factory.mktemp("demo") / "demo", PIECES)


def contents(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


class Tags(HTMLParser):
    """Every address in a page, and its tags as they open and close."""

    def __init__(self) -> None:
        super().__init__()
        self.addresses: list[str] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.addresses += [value or "" for name, value in attrs if name in ("src", "href")]
        if tag not in ("meta", "path"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag != "path":
            assert self.open.pop() == tag


def test_the_folder_is_read_as_a_strangers(made: Demo) -> None:
    assert made.totals.files == PIECES + 1
    assert [Path(bad.path).name for bad in made.totals.rejected] == ["not-music.mid"]
    assert made.totals.repaired_files == 1


def test_two_pieces_can_be_heard(made: Demo) -> None:
    for rendering in made.heard:
        sound, rate = soundfile.read(rendering.paths[0])
        assert len(sound) / rate == pytest.approx(rendering.seconds, abs=0.2)
        assert -17 < rendering.loudness_lufs < -15
        assert 0.05 < abs(sound).max() <= 1
    assert len({rendering.paths for rendering in made.heard}) == 2


def test_the_page_leads_to_files_that_are_there_and_nowhere_else(made: Demo) -> None:
    page = Path(made.page)
    tags = Tags()
    tags.feed(page.read_text(encoding="utf-8"))
    assert tags.open == []
    assert len(tags.addresses) == 4
    assert all((page.parent / address).is_file() for address in tags.addresses)
    assert not re.search(r"https?://(?!www\.w3\.org/2000/svg)", page.read_text(encoding="utf-8"))


def test_it_is_the_same_each_time(made: Demo) -> None:
    place = Path(made.page).parent
    before = contents(place)
    make_demo(place, PIECES)
    assert contents(place) == before


@pytest.mark.parametrize("where", [".", "music", "sound", "damaged"])
def test_it_touches_no_file_of_yours(made: Demo, where: str) -> None:
    mine = Path(made.page).parent / where / "mine.txt"
    mine.write_text("mine")
    try:
        with pytest.raises(UsageError, match=r"mine.txt is none of the .*own files"):
            make_demo(Path(made.page).parent, PIECES)
        assert mine.read_text() == "mine"
    finally:
        mine.unlink()


def test_words_cannot_break_the_page(made: Demo) -> None:
    score = read_midi(next(Path(made.music).glob("*.mid")))
    piece = DemoPiece("</script><b>", '" & <i>', score, "a&b.mp3", "c.mid")
    page = demo_page([piece], "<told>", {"<b>": [("<i>", 3)]})
    tags = Tags()
    tags.feed(page)
    assert tags.open == []
    assert page.count("<script>") == page.count("</script>") == 1
    assert "<told>" not in page


def test_the_page_counts_what_was_composed(made: Demo) -> None:
    notes = sum(len(read_midi(path).notes) for path in Path(made.music).glob("*.mid"))
    assert made.totals.notes == notes + 1
    assert f"{notes:,} notes, composed" in Path(made.page).read_text(encoding="utf-8")


@pytest.mark.parametrize("stage", ["pieces composed", "pieces played"])
def test_stopped_it_leaves_nothing(tmp_path: Path, stage: str) -> None:
    def watch(items: Iterable[Any], _: int, what: str, /) -> Iterator[Any]:
        yield from items
        if what == stage:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        make_demo(tmp_path / "new" / "demo", 2, watch)
    assert list(tmp_path.iterdir()) == []


def test_json(
    made: Demo, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("woodshed.recipes.demo.make_demo", lambda *_, **__: made)
    with pytest.raises(SystemExit):
        main(["demo", "--json"])
    told = json.loads(capsys.readouterr().out)
    assert (told["page"], told["music"], told["pieces"]) == (made.page, made.music, PIECES)
    assert [h["path"] for h in told["heard"]] == [sound.paths[0] for sound in made.heard]
    assert all(-17 < h["loudness_lufs"] < -15 for h in told["heard"])
