"""`woodshed render`: files, JSON, notes on what happened, and wrong usage."""

from __future__ import annotations

import io
import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest
import soundfile

from tests.listening.bands import trio
from woodshed.cli import main
from woodshed.cli.output import clock
from woodshed.formats.midi_write import write_midi
from woodshed.music.score import Score

CLEARED = "\x1b[2K"
"""What rich sends a terminal last: the line of the bar is wiped."""


class Run:
    """One call of `woodshed` in this process."""

    def __init__(self, capsys: pytest.CaptureFixture[str], *arguments: str) -> None:
        with pytest.raises(SystemExit) as stopped:
            main(list(arguments))
        self.status = stopped.value.code
        self.out, self.err = capsys.readouterr()


@pytest.fixture
def call(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Any:
    write_midi(trio(4), tmp_path / "song.mid")
    monkeypatch.chdir(tmp_path)
    builtin = ("--synth", "builtin")
    return lambda *arguments: Run(capsys, "render", "song.mid", *builtin, *map(str, arguments))


def test_a_file_and_a_line_about_it(call: Any) -> None:
    run = call("-o", "song.wav")
    assert run.status == 0
    assert run.err == ""
    first, second = run.out.splitlines()
    assert first.startswith("0:0")
    assert "-16." in first or "-15." in first
    assert first.endswith("played by the built-in synthesiser")
    assert second == "written: song.wav"
    assert soundfile.info("song.wav").samplerate == 44100


def test_json(call: Any) -> None:
    run = call("-o", "song.ogg", "--json", "--stems", "--sample-rate", "48000", "--loudness", "-20")
    result = json.loads(run.out)
    assert result["paths"][0] == "song.ogg"
    assert sorted(result["stem_paths"]) == ["bass", "drums", "guitar"]
    assert result["loudness_lufs"] == pytest.approx(-20, abs=0.3)
    assert (result["sample_rate"], result["engine"], result["warnings"]) == (48000, "builtin", [])
    assert all(os.path.exists(path) for path in result["paths"])


def test_slots_bars_and_sounds(call: Any) -> None:
    run = call(
        "-o", "a.flac", "--solo", "bass", "--solo", "drums", "--mute", "drums", "--start-bar", "2",
        "--bars", "1", "--programs", "file", "--bits", "24", "--json",
    )  # fmt: skip
    assert run.status == 0
    assert soundfile.info("a.flac").subtype == "PCM_24"
    assert json.loads(run.out)["seconds"] < 2 + 15


@pytest.mark.parametrize(("name", "bits"), [("a.mp3", "16"), ("a.ogg", "16"), ("a.ogg", "24")])
def test_bits_asked_for_where_there_are_none(call: Any, name: str, bits: str) -> None:
    run = call("-o", name, "--bits", bits)
    assert run.status == 2
    assert f"{bits} bits: .mp3 and .ogg have no bits to choose; drop --bits" in run.err
    assert not os.path.exists(name)


def test_what_a_loud_rendering_costs_is_said(call: Any) -> None:
    run = call("-o", "a.wav", "--loudness", "-6", "--json")
    result = json.loads(run.out)
    assert result["limited_db"] > 6
    said = f"the limiter turned its highest peaks down by {result['limited_db']:.1f} dB"
    assert said in result["warnings"][0]
    assert f"note: {said}" in run.err


def test_progress_is_shown_on_a_terminal_and_gone_at_the_end(
    call: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    seen = Terminal()
    with monkeypatch.context() as patch:
        patch.setenv("TERM", "xterm")
        patch.setattr(sys, "stderr", seen)
        run = call("-o", "a.wav")
    assert run.status == 0
    shown = seen.getvalue()
    assert "rendering" in shown
    assert "100%" in shown
    assert shown.rstrip().endswith(CLEARED)


def test_an_empty_file_is_silence_with_a_note(call: Any) -> None:
    write_midi(Score(), "song.mid", force=True)
    run = call("-o", "a.wav")
    assert run.status == 0
    assert "note: there is nothing to hear" in run.err
    assert "silence" in run.out
    assert json.loads(call("-o", "b.wav", "--json").out)["loudness_lufs"] is None


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (("-o", "out.xyz"), 2, "does not end in .wav, .flac, .ogg, .mp3"),
        (("-o", "no/out.wav"), 1, "there is no folder"),
        (("-o", "a.wav", "--solo", "sax"), 2, "voxlead, voxharm, guitar, other, bass, drums"),
        (("-o", "a.wav", "--mute", "sax"), 2, "no slot 'sax'"),
        (("-o", "a.wav", "--start-bar", "5"), 2, "there is no bar 5: the piece has 4"),
        (("-o", "a.wav", "--start-bar", "0"), 2, "counted from 1"),
        (("-o", "a.wav", "--bars", "0"), 2, "0 bars cannot be played"),
        (("-o", "a.wav", "--lineup", "choir"), 2, "there is no lineup 'choir'"),
        (("-o", "a.wav", "--programs", "mine"), 2, "'mine' is not one of"),
        (("-o", "a.wav", "--loudness", "3"), 2, "use -60 to -5 LUFS"),
        (("-o", "a.wav", "--soundfont", "song.mid"), 1, "song.mid: it is no soundfont"),
        (("-o", "a.wav", "--seconds", "5"), 2, "No such option"),
        (("-o", "a.wav", "--workers", "2"), 2, "No such option"),
        (("-o", "a.wav", "--reader-seconds", "0"), 2, "'--reader-seconds': 0"),
        ((), 2, "Missing option '-o'"),
    ],
)
def test_what_goes_wrong(call: Any, arguments: tuple[str, ...], status: int, said: str) -> None:
    run = call(*arguments)
    assert run.status == status
    assert said in run.err
    assert os.listdir() == ["song.mid"]


def test_nothing_is_replaced_without_force(call: Any) -> None:
    Path("a.wav").write_bytes(b"dear")
    assert call("-o", "a.wav").status == 1
    assert Path("a.wav").read_bytes() == b"dear"
    assert call("-o", "a.wav", "--force").status == 0


def test_files_that_are_no_music(call: Any, capsys: pytest.CaptureFixture[str]) -> None:
    Path("song.mid").write_bytes(b"<html>")
    run = call("-o", "a.wav")
    assert (run.status, os.listdir()) == (1, ["song.mid"])
    assert "song.mid: it is a web page" in run.err
    folder = Run(capsys, "render", ".", "-o", "a.wav")
    assert folder.status == 2
    assert "is a folder" in folder.err
    assert Run(capsys, "render", "gone.mid", "-o", "a.wav").status == 1


def test_a_clock_has_no_sixty_seconds() -> None:
    assert [clock(s) for s in (0, 59.6, 119.4, 119.7, 3605)] == [
        "0:00", "1:00", "1:59", "2:00", "1:00:05",
    ]  # fmt: skip
