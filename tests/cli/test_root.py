"""How `woodshed` ends when the system asks it to: as with Ctrl-C, tidily."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.listening.bands import trio
from woodshed.cli import main
from woodshed.formats.midi_write import write_midi

posix = pytest.mark.skipif(os.name != "posix", reason="Windows ends programs without asking")


def started(folder: Path, *arguments: str, ignoring: str = "") -> subprocess.Popen[str]:
    """`woodshed` as a program of its own, which may have inherited that a signal is ignored."""
    program = "import signal; from woodshed.cli import main; main()"
    if ignoring:
        program = program.replace(";", f"; signal.signal(signal.{ignoring}, signal.SIG_IGN);", 1)
    return subprocess.Popen(
        [sys.executable, "-c", program, *arguments],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_until(is_so: Callable[[], object], process: subprocess.Popen[str]) -> None:
    until = time.monotonic() + 60
    while not is_so():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < until
        time.sleep(0.002)


@posix
@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP", "SIGINT"])
def test_a_signal_leaves_nothing_behind(tmp_path: Path, name: str) -> None:
    """`render` is stopped while it writes its files, `fetch starter` while its folder grows."""
    number = getattr(signal, name)
    write_midi(trio(40), tmp_path / "long.mid")
    for arguments in (
        ("render", "long.mid", "-o", "long.wav", "--synth", "builtin", "--stems"),
        ("fetch", "starter", "-o", "blues", "--count", "5000"),
    ):
        with started(tmp_path, *arguments) as process:
            wait_until(lambda: list(tmp_path.glob("**/.*.part")), process)
            process.send_signal(number)
            process.send_signal(number)
            out, err = process.communicate(timeout=60)
        assert (process.returncode, out) == (128 + number, "")
        assert err.strip() == "woodshed: stopped"
        assert os.listdir(tmp_path) == ["long.mid"]


@posix
def test_an_ignored_signal_stays_ignored(tmp_path: Path) -> None:
    """What `nohup` does."""
    arguments = ("fetch", "starter", "-o", "blues", "--count", "40")
    with started(tmp_path, *arguments, ignoring="SIGHUP") as process:
        wait_until(lambda: list(tmp_path.glob(".*.part")), process)
        process.send_signal(signal.SIGHUP)
        process.communicate(timeout=60)
    assert process.returncode == 0
    assert os.listdir(tmp_path) == ["blues"]


@posix
def test_afterwards_signals_are_as_before() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(SystemExit):
        main(["--version"])
    assert signal.getsignal(signal.SIGTERM) == before


def test_a_command_runs_in_any_thread(capsys: pytest.CaptureFixture[str]) -> None:
    ended: list[object] = []

    def run() -> None:
        with pytest.raises(SystemExit) as stopped:
            main(["--version"])
        ended.append(stopped.value.code)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert ended == [0]
