"""`woodshed audition play`: without a terminal, without a sound card, and keys from a terminal."""

from __future__ import annotations

import os
import sys
import threading
import types
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.listening.bands import trio
from woodshed.cli import main
from woodshed.cli.keyboard import Keyboard
from woodshed.errors import WoodshedError
from woodshed.formats.midi_write import write_midi
from woodshed.listening.card import SoundCard

posix = pytest.mark.skipif(sys.platform == "win32", reason="pseudo-terminals are Unix's")


class Run:
    """One call of `woodshed` in this process."""

    def __init__(self, capsys: pytest.CaptureFixture[str], *arguments: str) -> None:
        with pytest.raises(SystemExit) as stopped:
            main(list(arguments))
        self.status = stopped.value.code
        self.out, self.err = capsys.readouterr()


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Any:
    (tmp_path / "songs").mkdir()
    for name in ("a", "b"):
        write_midi(trio(1), tmp_path / "songs" / f"{name}.mid")
    songs = os.fspath(tmp_path / "songs")
    return lambda *arguments: Run(
        capsys, "audition", "play", songs, "--synth", "builtin", *arguments
    )


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A real terminal of our own as standard input; write keys to the number it gives."""
    pty = pytest.importorskip("pty", reason="pseudo-terminals are Unix's")
    ours, theirs = pty.openpty()
    with os.fdopen(theirs) as file:
        monkeypatch.setattr(sys, "stdin", file)
        yield ours
    os.close(ours)


class _Stopped:
    """What the stand-in for the library keeps of one open card."""

    opened: list[_Stopped]

    def __init__(self, samplerate: int, channels: int, dtype: str) -> None:
        if channels == 0:
            raise AssertionError
        self.rate, self.stopped, self.closed = samplerate, True, False
        self.frames: list[Any] = []
        self.calls: list[str] = []
        type(self).opened.append(self)

    def start(self) -> None:
        self.stopped = False
        self.calls.append("start")

    def write(self, frames: Any) -> None:
        assert not self.stopped
        self.frames.append(frames.copy())

    def abort(self) -> None:
        self.stopped = True
        self.calls.append("abort")

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def card(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A stand-in for sounddevice: this machine need not have a sound card."""
    library = types.ModuleType("sounddevice")
    library.PortAudioError = type("PortAudioError", (Exception,), {})  # type: ignore[attr-defined]
    _Stopped.opened = []
    library.OutputStream = _Stopped  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "sounddevice", library)
    return library


def test_without_a_terminal(call: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    with open(os.devnull) as nothing:
        monkeypatch.setattr(sys, "stdin", nothing)
        run = call()
    assert run.status == 1
    assert "no terminal here; `woodshed render FILE.mid -o FILE.wav`" in run.err


@posix
def test_without_the_library(call: Any, terminal: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    run = call()
    assert run.status == 1
    assert "pip install woodshed[play]" in run.err
    assert "`woodshed render FILE.mid -o FILE.wav`" in run.err


@posix
def test_without_a_card(call: Any, terminal: int, card: Any) -> None:
    def none_here(**_: Any) -> None:
        raise card.PortAudioError("Error querying device -1")

    card.OutputStream = none_here
    run = call()
    assert run.status == 1
    assert "no sound card to play on (Error querying device -1)" in run.err
    assert "`woodshed render" in run.err


@posix
def test_a_folder_from_beginning_to_end(call: Any, terminal: int, card: Any) -> None:
    run = call()
    assert run.status == 0, run.err
    (stream,) = _Stopped.opened
    assert stream.closed
    frames = np.concatenate(stream.frames)
    assert frames.shape[1] == 2
    assert len(frames) > 2 * 1.75 * 44100
    assert "space: pause" in run.err
    assert "playing 1/2 0:00/0:02 · 1:guitar 2:bass 3:drums · a.mid" in run.err
    assert "playing 2/2" in run.err


@posix
def test_keys_reach_the_player(call: Any, terminal: int, card: Any) -> None:
    os.write(terminal, b"2")
    os.write(terminal, b"q")
    run = call("--sample-rate", "48000")
    assert run.status == 0
    (stream,) = _Stopped.opened
    assert (stream.rate, stream.closed) == (48000, True)
    assert len(stream.frames) < 10


@posix
def test_a_slot_that_is_none(call: Any, terminal: int, card: Any) -> None:
    run = call("--solo", "sax")
    assert run.status == 2
    assert "voxlead, voxharm, guitar" in run.err


def test_a_place_where_nothing_is(capsys: pytest.CaptureFixture[str]) -> None:
    run = Run(capsys, "audition", "play", "gone.mid")
    assert run.status == 2
    assert "there is no gone.mid" in run.err


def test_the_card_is_silent_at_once_and_begins_again(card: Any) -> None:
    out = SoundCard(44100)
    (stream,) = _Stopped.opened
    out.write(np.zeros((10, 2), np.float32))
    out.drop()
    out.drop()
    out.write(np.ones((10, 2), np.float32))
    out.close()
    assert stream.calls == ["start", "abort", "start", "abort"]
    assert [float(frames.max()) for frames in stream.frames] == [0.0, 1.0]


def test_a_library_without_portaudio(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What sounddevice does where the system has no PortAudio: it fails as it is imported."""
    (tmp_path / "sounddevice.py").write_text("raise OSError('PortAudio library not found')")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "sounddevice", raising=False)
    with pytest.raises(WoodshedError, match=r"no PortAudio .*libportaudio2.*woodshed render"):
        SoundCard(44100)


@posix
def test_the_terminal_s_keys(terminal: int) -> None:
    import termios

    before = termios.tcgetattr(sys.stdin.fileno())
    with Keyboard() as keys:
        assert keys.poll(0) is None
        for typed, meant in [
            (b" ", " "),
            (b"N", "n"),
            (b"\x1b[C", "n"),
            (b"\x1b[D", "p"),
            (b"\x1b", "\x1b"),
        ]:
            os.write(terminal, typed)
            assert keys.poll(1) == meant
    assert termios.tcgetattr(sys.stdin.fileno()) == before


@posix
@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        (b"\x1bOC", "n"),
        (b"\x1bOA", "p"),
        (b"\x1b[1;5D", "p"),
        (b"\x1b\x1b[B", "n"),
        (b"\x1b[H", None),
        (b"\x1b[F", None),
        (b"\x1bOH", None),
        (b"\x1b[3~", None),
        (b"\x1b[15;2~", None),
        (b"\x1bOP", None),
        (b"\x1b[[A", None),
        (b"\x1bq", None),
        (b"\x1b[", None),
        (b"\x1bO", None),
        (b"\x1b\x1b", "\x1b"),
    ],
)
def test_a_key_that_sends_many_bytes_is_one_key(
    terminal: int, typed: bytes, meant: str | None
) -> None:
    with Keyboard() as keys:
        os.write(terminal, typed)
        assert keys.poll(1) == meant
        assert keys.poll(0) is None
        if typed[-1:] not in b"[O\x1b":  # of which many would be another key
            os.write(terminal, typed * 30 + b"5")
            assert [keys.poll(1) for _ in range(31)] == [meant] * 30 + ["5"]


@posix
def test_a_key_whose_bytes_come_one_by_one(terminal: int) -> None:
    with Keyboard() as keys:
        for byte in b"\x1b[1":
            os.write(terminal, bytes([byte]))
        threading.Timer(0.01, os.write, (terminal, b";5C7")).start()
        assert keys.poll(1) == "n"
        assert keys.poll(1) == "7"
