"""Finding music in a folder."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from woodshed.corpus.folder import list_midi
from woodshed.errors import BadFolder, UsageError


def make(folder: Path, *names: str) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def test_midi_files_are_found_below_the_folder_in_order(tmp_path: Path) -> None:
    make(tmp_path, "b.mid", "a/z.MIDI", "a/b.kar", "c.rmi", "notes.txt", "d.midx")
    found = [os.path.relpath(p, tmp_path) for p in list_midi(tmp_path).paths]
    assert found == ["a/b.kar", "a/z.MIDI", "b.mid", "c.rmi"]


def test_hidden_files_are_passed_over(tmp_path: Path) -> None:
    make(tmp_path, "a.mid", ".b.mid", ".git/c.mid", "__MACOSX/d.mid", "._a.mid")
    assert list_midi(tmp_path).paths == (str(tmp_path / "a.mid"),)


def test_a_circle_of_links_ends(tmp_path: Path) -> None:
    make(tmp_path, "a/b.mid")
    (tmp_path / "a/again").symlink_to(tmp_path, target_is_directory=True)
    assert len(list_midi(tmp_path).paths) == 1


def test_a_missing_folder(tmp_path: Path) -> None:
    with pytest.raises(BadFolder, match=r"there is no folder .*nowhere; check the spelling"):
        list_midi(tmp_path / "nowhere")


def test_a_file_where_a_folder_is_wanted(tmp_path: Path) -> None:
    make(tmp_path, "a.mid")
    with pytest.raises(UsageError, match="is a file, and a folder is wanted"):
        list_midi(tmp_path / "a.mid")


@pytest.mark.parametrize("names", [(), ("a.wav", "b.txt")])
def test_a_folder_without_music(tmp_path: Path, names: tuple[str, ...]) -> None:
    make(tmp_path, *names)
    with pytest.raises(BadFolder, match=r"no MIDI files in .*; Woodshed looks for \.mid, "):
        list_midi(tmp_path)
