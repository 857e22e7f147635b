"""Finding a soundfont in the usual places, and fetching one."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest

from tests.formats.server import Server
from woodshed.errors import BadFile, CannotFetch, UsageError
from woodshed.listening.soundfont import (
    check_soundfont,
    data_folder,
    fetch_soundfont,
    find_soundfont,
    folders,
    free_fonts,
    is_soundfont,
)  # fmt: skip

FONT = b"RIFF\x64\0\0\0sfbk" + bytes(range(100))


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home without anything in it, on a system without anything in it."""
    monkeypatch.setenv("HOME", os.fspath(tmp_path / "home"))
    monkeypatch.setenv("XDG_DATA_HOME", os.fspath(tmp_path / "data"))
    monkeypatch.setenv("XDG_DATA_DIRS", os.fspath(tmp_path / "usr"))
    monkeypatch.setenv("LOCALAPPDATA", os.fspath(tmp_path / "data"))
    monkeypatch.delenv("WOODSHED_SOUNDFONT", raising=False)
    monkeypatch.delenv("WOODSHED_SOUNDFONT_URL", raising=False)
    return tmp_path


def put(path: Path, data: bytes = FONT) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def test_better_known_ones_first_and_damaged_ones_never(home: Path) -> None:
    system = home / "usr" / "sounds" / "sf2"
    put(system / "TimGM6mb.sf2")
    assert find_soundfont() == os.fspath(system / "TimGM6mb.sf2")
    put(system / "FluidR3_GM.sf2")
    put(system / "GeneralUser.sf2", b"<html>")
    put(system / "readme.txt")
    assert find_soundfont() == os.fspath(system / "FluidR3_GM.sf2")


def test_what_was_fetched_comes_before_the_system_s(home: Path) -> None:
    put(home / "usr" / "soundfonts" / "FluidR3_GM.sf2")
    own = put(data_folder() / "soundfonts" / "mine.sf3")
    assert find_soundfont() == os.fspath(own)


def test_a_person_s_choice_comes_first(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(data_folder() / "soundfonts" / "mine.sf3")
    chosen = put(home / "chosen.sf2")
    monkeypatch.setenv("WOODSHED_SOUNDFONT", os.fspath(chosen))
    assert find_soundfont() == os.fspath(chosen)
    chosen.write_bytes(b"no")
    with pytest.raises(BadFile, match=r"chosen\.sf2: it is no soundfont"):
        find_soundfont()


def test_the_usual_places_are_among_those_looked_into(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XDG_DATA_DIRS", raising=False)
    looked = {os.fspath(folder) for folder in folders()}
    assert {"/usr/share/sounds/sf2", "/usr/share/soundfonts"} <= looked


def test_the_beginning_of_a_soundfont() -> None:
    assert is_soundfont(FONT[:12])
    assert not is_soundfont(b"RIFF\x64\0\0\0WAVE")
    assert not is_soundfont(b"")


def test_one_that_is_cut_short(tmp_path: Path) -> None:
    for data in (FONT[:-20], b"RIFF\0\0\0\0sfbk", b"RIFF\4\0\0\0sfbk"):
        with pytest.raises(BadFile, match="cut short"):
            check_soundfont(put(tmp_path / "x.sf2", data))


def test_every_free_font_says_what_it_is() -> None:
    for name, font in free_fonts().items():
        assert re.fullmatch(r"[a-z-]+", name)
        assert re.fullmatch(r"[0-9a-f]{64}", font.sha256)
        assert font.url.startswith("https://")
        assert font.size_bytes > 10**6
        assert font.licence
        assert font.file.endswith((".sf2", ".sf3"))


def test_one_is_fetched_and_then_found(home: Path) -> None:
    with Server({"/good.sf2": FONT}) as server:
        font = fetch_soundfont(url=server.url + "/good.sf2")
    assert (font.is_new, font.is_checked, font.size_bytes) == (True, False, len(FONT))
    assert find_soundfont() == font.path
    check_soundfont(font.path)
    facts = json.loads(Path(font.path + ".json").read_text(encoding="utf-8"))
    assert facts["sha256"] == font.sha256
    assert facts["url"].endswith("/good.sf2")


def test_one_that_is_there_is_not_fetched_again(home: Path) -> None:
    with Server({"/good.sf2": FONT}) as server:
        first = fetch_soundfont(url=server.url + "/good.sf2")
        again = fetch_soundfont(url=server.url + "/good.sf2", sha256=first.sha256)
        assert (again.is_new, again.is_checked, again.path) == (False, True, first.path)
        assert len(server.asked) == 1


def test_a_mirror_must_have_the_very_file(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Server({"/m.sf3": FONT}) as server:
        monkeypatch.setenv("WOODSHED_SOUNDFONT_URL", server.url + "/m.sf3")
        with pytest.raises(CannotFetch, match=r"SHA-256 .* thrown away"):
            fetch_soundfont("musescore-general")
    assert find_soundfont() is None


def test_a_page_instead_of_a_soundfont(home: Path) -> None:
    refused = pytest.raises(CannotFetch, match="no soundfont")
    with Server({"/x.sf2": b"<html>please log in</html>"}) as server, refused:
        fetch_soundfont(url=server.url + "/x.sf2")
    assert not any((data_folder() / "soundfonts").iterdir())


def test_names_that_cannot_be(home: Path) -> None:
    with pytest.raises(UsageError, match="'grand' to fetch; there is musescore-general"):
        fetch_soundfont("grand")
    with pytest.raises(CannotFetch, match="--out"):
        fetch_soundfont(url="http://127.0.0.1:9/download?id=5")
