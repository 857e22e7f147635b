"""`woodshed fetch soundfont`: what it says, and where the file then lies."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from tests.formats.server import Server
from woodshed.cli import main

FONT = b"RIFF\x64\0\0\0sfbk" + bytes(range(100))


class Run:
    """One call of `woodshed` in this process."""

    def __init__(self, capsys: pytest.CaptureFixture[str], *arguments: str) -> None:
        with pytest.raises(SystemExit) as stopped:
            main(list(arguments))
        self.status = stopped.value.code
        self.out, self.err = capsys.readouterr()


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str]) -> Any:
    return lambda *arguments: Run(capsys, "fetch", "soundfont", *map(str, arguments))


def test_which_there_are(call: Any) -> None:
    run = call("--list")
    assert run.status == 0
    assert "musescore-general" in run.out
    assert "MIT" in run.out
    assert json.loads(call("--list", "--json").out)["musescore-general"]["size_bytes"] == 39_900_972


def test_a_font_of_one_s_own(call: Any, tmp_path: Path) -> None:
    out = tmp_path / "fonts" / "mine.sf2"
    with Server({"/mine.sf2": FONT}) as server:
        run = call("--url", server.url + "/mine.sf2", "-o", out)
        assert run.status == 0
        assert run.out.startswith(f"fetched: {out}")
        assert "not compared with a known checksum; its SHA-256 is" in run.out
        assert out.read_bytes() == FONT
        again = call("--url", server.url + "/mine.sf2", "-o", out)
        assert again.status == 1
        assert "--force" in again.err
        forced = call("--url", server.url + "/mine.sf2", "-o", out, "--force", "--json")
    facts = json.loads(forced.out)
    assert facts["path"] == os.fspath(out)
    checked = call("--url", server.url + "/mine.sf2", "-o", out, "--sha256", facts["sha256"])
    assert checked.out.startswith("it is there already, whole")


def test_a_server_that_is_gone(call: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("woodshed.formats.download.TRIALS", 1)
    run = call("--url", "http://127.0.0.1:9/x.sf2", "-o", tmp_path / "x.sf2", "--json")
    assert run.status == 1
    assert json.loads(run.out)["error"]["kind"] == "CannotFetch"
    assert "cannot fetch http://127.0.0.1:9/x.sf2: the server cannot be reached" in run.err


def test_an_unknown_name(call: Any) -> None:
    run = call("grand")
    assert run.status == 2
    assert "musescore-general" in run.err


def test_the_starter_corpus_is_told(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    out = os.fspath(tmp_path / "blues")
    run = Run(capsys, "fetch", "starter", "-o", out, "--count", "3")
    told = Run(capsys, "fetch", "starter", "-o", out, "--count", "3", "--force", "--json")
    facts = json.loads(told.out)
    first, feel, form, last = run.out.splitlines()
    assert first.startswith("3 pieces, ")
    assert first.endswith(f" minutes, {facts['notes']:,} notes")
    assert feel == "feel: " + ", ".join(f"{k} {n}" for k, n in facts["by_feel"].items())
    assert form.startswith("form: ")
    assert last == f"written: {out}"
    assert run.err == told.err == ""
