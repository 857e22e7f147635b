"""Sidecar tags: what is read, what is refused with which words, and that nothing else suffers."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from woodshed.corpus.tags import read_tags


def not_read(folder: Path, *paths: str) -> list[str]:
    return [str(bad) for bad in read_tags(folder, paths or ("song.mid",)).not_read]


def yaml(folder: Path, text: str | bytes, name: str = "song.yaml") -> None:
    target = folder / name
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(text.encode() if isinstance(text, str) else text)


def test_tags_beside_a_song(tmp_path: Path) -> None:
    yaml(tmp_path, "style: blues\nfeel: [swing, 2, true]\ndensity: 0.5\nyear: 1959\nlive: false\n")
    tags = read_tags(tmp_path, ["song.mid", "other.mid"])
    assert tags.of("song.mid") == {
        "style": "blues", "feel": ("swing", 2, True), "density": 0.5, "year": 1959, "live": False,
    }  # fmt: skip
    assert tags.of("other.mid") == {}
    assert (tags.not_read, tags.unused) == ((), ())


def test_tags_of_a_folder_in_one_file(tmp_path: Path) -> None:
    entries = {"a.mid": {"style": "blues"}, "in/b.mid": {"feel": ["a", "b"]}, ".\\c.mid": {"x": 1}}
    (tmp_path / "tags.json").write_text(json.dumps(entries))
    tags = read_tags(tmp_path, ["a.mid", "in/b.mid", "c.mid"])
    assert tags.of("a.mid") == {"style": "blues"}
    assert tags.of("in/b.mid") == {"feel": ("a", "b")}
    assert tags.of("c.mid") == {"x": 1}, "as a Windows program may have written it"


def test_a_song_knows_itself_better_than_its_folder(tmp_path: Path) -> None:
    (tmp_path / "tags.json").write_text('{"song.mid": {"style": "blues", "year": 1959}}')
    yaml(tmp_path, "style: swing")
    assert read_tags(tmp_path, ["song.mid"]).of("song.mid") == {"style": "swing", "year": 1959}


@pytest.mark.parametrize("name", ["Song.YAML", "song.yml"])
def test_a_sidecar_is_found_by_its_name_in_any_case(tmp_path: Path, name: str) -> None:
    yaml(tmp_path, "style: blues", f"deep/in/{name}")
    assert read_tags(tmp_path, ["deep/in/song.MID"]).of("deep/in/song.MID") == {"style": "blues"}


def test_licences_are_no_tags(tmp_path: Path) -> None:
    yaml(tmp_path, "licence: CC0-1.0\nstyle: blues")
    yaml(tmp_path, "license: MIT", "b.yaml")
    tags = read_tags(tmp_path, ["song.mid", "b.mid", "c.mid"])
    assert [tags.licence(p) for p in ("song.mid", "b.mid", "c.mid")] == ["CC0-1.0", "MIT", None]
    assert tags.of("song.mid") == {"style": "blues"}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("style: blues\nfeel: [swing\n", "line 3: "),
        ("a: 1\nb: 2\na: 3\n", "line 3: the tag 'a' stands here twice"),
        ("a: 1\n\nday: 2020-01-01\n", "line 3: the tag 'day' is a date ('2020-01-01'; quotes"),
        ("a: 1\nday: 2020-05-40\n", "line 2: '2020-05-40' makes no sense"),
        ("a:\n", "line 1: the tag 'a' has no value; give it one or drop it"),
        ("a: ''\n", "line 1: the tag 'a' has no value"),
        ("a: []\n", "line 1: the tag 'a' has an empty list"),
        ("a: {b: 1}\n", "line 1: the tag 'a' is a table; use words, a number"),
        ("a: [[1]]\n", "line 1: the tag 'a' is a list; use words"),
        ("a: .nan\n", "line 1: the tag 'a' is nan, which is no number"),
        ("a: 99999999999999999\n", "too large a number; put it in quotes"),
        ("a: !!binary aGk=\n", "the tag 'a' is binary data"),
        ("a: !!python/object/apply:os.system [id]\n", "line 1: the tag 'a' is a list"),
        ("!!python/object/apply:os.system {a: 1}\n", "line 1: there are no tags here"),
        ("a: !!python/name:os.system x\n", "line 1: could not determine a constructor"),
        ("- a\n", "line 1: there are no tags here; write lines such as"),
        ("blues\n", "line 1: there are no tags here"),
        ("1: a\n", "line 1: '1' cannot name a tag; begin with a letter"),
        ("a=b: a\n", "line 1: 'a=b' cannot name a tag"),
        ("? [x]\n: 1\n", "line 1: a list cannot name a tag"),
        ("a: &x [*x]\n", "line 1: the tag 'a' is a list"),
        ("licence: [a, b]\n", "line 1: the licence is"),
        ("licence: a\nlicense: b\n", "both a licence and a license; keep one"),
        (b"a: 1\nb: \xff\n", "line 2: it is not in UTF-8; save it as UTF-8"),
        ("a: " + "x" * 401, "the tag 'a' has 401 letters; 400 are allowed"),
        ("".join(f"t{n}: 1\n" for n in range(101)), "101 tags are more than the 100"),
        ("#" * 2**19, "it has 524,288 bytes; 262,144 are allowed"),
    ],
)
def test_what_is_refused(tmp_path: Path, text: str | bytes, words: str) -> None:
    yaml(tmp_path, text)
    yaml(tmp_path, "style: blues", "good.yaml")
    tags = read_tags(tmp_path, ["good.mid", "song.mid"])
    (complaint,) = tags.not_read
    assert complaint.path == "song.yaml"
    assert words in complaint.reason
    assert set(tags.of("song.mid")) <= {"a", "b"}, "what is right may stay"
    assert tags.of("good.mid") == {"style": "blues"}, "the others do not suffer"


@pytest.mark.parametrize("text", ["[" * 120_000, "- " * 100_000, "a: " + "{a: " * 50_000])
def test_depth_that_would_break_a_quicker_reader(tmp_path: Path, text: str) -> None:
    yaml(tmp_path, text)
    (complaint,) = not_read(tmp_path)
    assert "too deep" in complaint


def test_no_tags_are_not_a_fault(tmp_path: Path) -> None:
    yaml(tmp_path, "# to come\n")
    assert not_read(tmp_path) == []


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{"song.mid": {"a": 1},\n "b.mid": {"a" 2}}', "line 2: Expecting ':' delimiter"),
        ("[1]", "line 1: there are no tags here; write"),
        ('{\n"song.mid": 3}', "line 2: song.mid: '3' are no tags"),
        ('{\n\n"song.mid": {"a": null}}', "line 3: song.mid: the tag 'a' has no value"),
        ('{"song.mid": {"a": {"b": 1}}}', "line 1: song.mid: the tag 'a' is a table"),
        ('{"song.mid": {"a": 1, "a": 2}}', "line 1: song.mid: the tag 'a' stands here twice"),
        ('{"song.mid": {"a": Infinity}}', "the tag 'a' is inf"),
        ("[" * 100_000, "line 1: it is no JSON of tags"),
        (b"{\n\xff}", "line 2: it is not in UTF-8"),
    ],
)
def test_what_is_refused_in_a_folders_file(tmp_path: Path, text: Any, words: str) -> None:
    yaml(tmp_path, text, "tags.json")
    (complaint,) = not_read(tmp_path)
    assert complaint.startswith("tags.json: ")
    assert words in complaint


def test_one_bad_entry_leaves_the_others(tmp_path: Path) -> None:
    text = '{"a.mid": {"x": 1},\n "b.mid": {"x": null},\n "a.mid": {"x": 2}}'
    (tmp_path / "tags.json").write_text(text)
    tags = read_tags(tmp_path, ["a.mid", "b.mid"])
    assert tags.of("a.mid") == {"x": 1}
    assert [bad.reason.split(":")[:2] for bad in tags.not_read] == [
        ["line 2", " b.mid"],
        ["line 1", " a.mid"],
    ]


@pytest.mark.parametrize("name", ["tags.json", "song.yaml"])
def test_one_bad_tag_leaves_the_others(tmp_path: Path, name: str) -> None:
    entry = '{"style": "blues",\n "mood": null,\n "style": "waltz",\n "licence": "CC0-1.0",\n'
    entry += ' "license": "MIT", "year": 1959}'
    yaml(tmp_path, f'{{"song.mid":\n{entry}}}' if name == "tags.json" else entry, name)
    tags = read_tags(tmp_path, ["song.mid"])
    assert tags.of("song.mid") == {"style": "blues", "year": 1959}
    assert tags.licence("song.mid") == "CC0-1.0"
    assert [bad.path for bad in tags.not_read] == [name] * 3
    for bad, words in zip(
        tags.not_read,
        ("'mood' has no value", "'style' stands here twice", "both a licence and a license"),
        strict=True,
    ):
        assert words in bad.reason


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no pipes with names")
@pytest.mark.parametrize("name", ["tags.json", "song.yaml"])
def test_a_pipe_keeps_nobody_waiting(tmp_path: Path, name: str) -> None:
    os.mkfifo(tmp_path / name)
    assert not_read(tmp_path) == [f"{name}: it is a pipe or a device, not a regular file"]


def test_tags_of_nobody_are_told(tmp_path: Path) -> None:
    yaml(tmp_path, "style: blues", "typo.yaml")
    (tmp_path / "tags.json").write_text('{"gone.mid": {"x": 1}}')
    tags = read_tags(tmp_path, ["song.mid"])
    assert tags.unused == ("tags.json: gone.mid", "typo.yaml")


def test_a_sidecar_that_cannot_be_opened(tmp_path: Path) -> None:
    (tmp_path / "song.yaml").symlink_to(tmp_path / "nowhere")
    (complaint,) = not_read(tmp_path)
    assert complaint == "song.yaml: it cannot be opened (No such file or directory); check the path"
