"""One worker process seen from its parent: starting it, talking to it, and ending it without fail.

Knows nothing of batches or of other workers; `worker` is the program at the other end.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from ..errors import WoodshedError
from .frames import DamagedFrame, Frame, receive, send
from .limits import ROOM_MB, Limits

START_SECONDS = 60.0
"""How long a worker may take to start; importing numpy from a slow disk takes seconds."""

GRACE_SECONDS = 0.5
"""An overdue worker gets this much longer: its answer may lie in the pipe of a busy parent."""

NEVER = float("inf")
PIPE_BYTES = 2**20


class WorkerProcess:
    """A worker, its pipes, and by when it must have answered."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.reason: str | None = None
        self.late = f"it did not start within {START_SECONDS:g} s"
        self.deadline = time.monotonic() + START_SECONDS
        self.errors = tempfile.TemporaryFile()  # noqa: SIM115 - closed in `end`
        # -P keeps the current folder, perhaps a stranger's, off the import path. A session of its
        # own keeps Ctrl-C with the parent, which then stops the workers in order.
        try:
            self.process = subprocess.Popen(
                [sys.executable, "-P", "-m", f"{__package__}.worker"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self.errors,
                env=_environment(),
                start_new_session=True,
            )
        except BaseException:
            self.errors.close()
            raise
        assert self.process.stdin and self.process.stdout
        self.questions, self.answers = self.process.stdin, self.process.stdout
        _widen(self.answers.fileno())

    def greet(self, function: str, settings: dict[str, Any], *, many: bool = False) -> None:
        """Tell the worker its task and limits, and whether there will be many files.

        Raises `WoodshedError` where it cannot start.
        """
        head = {
            "function": function,
            "settings": settings,
            "many": many,
            "seconds": self.limits.seconds,
            "memory_mb": self.limits.memory_mb,
        }
        ready, trouble = None, "it said nothing"
        try:
            send(self.questions, Frame(head))
            ready = receive(self.answers)
        except (DamagedFrame, OSError) as error:
            trouble = str(error)
        if ready is None:
            self.kill(None)
            self.process.wait()
            self.errors.seek(0)
            words = self.errors.read()[-2000:].decode(errors="replace").strip().splitlines()
            raise WoodshedError(
                "a reader process could not start: "
                + (self.reason or (words[-1] if words else trouble))
            )
        self.late = f"it took longer than {self.limits.seconds:g} s to read"
        self.rest()

    def ask(self, batch: Frame) -> None:
        """Hand over a batch. Taking it in counts as part of reading its first file."""
        self.deadline = time.monotonic() + self.limits.seconds
        send(self.questions, batch)

    def answer(self) -> Frame | None:
        """The next answer; None when the worker is gone."""
        self.deadline = time.monotonic() + self.limits.seconds
        return receive(self.answers)

    def rest(self) -> None:
        """Nothing is asked of the worker now."""
        self.deadline = NEVER

    def check(self) -> None:
        """Stop the worker where it takes too long or too much."""
        import psutil

        if time.monotonic() > self.deadline + GRACE_SECONDS:
            self.kill(self.late)
        with contextlib.suppress(psutil.Error):
            taken = psutil.Process(self.process.pid).memory_info().rss
            if taken > (ROOM_MB + self.limits.memory_mb) * 2**20:
                self.kill(self.limits.memory_reason)

    def kill(self, reason: str | None) -> None:
        """Stop the worker at once and remember why."""
        self.reason = self.reason or reason
        with contextlib.suppress(OSError):
            # It leads a session of its own: whatever it has started goes with it.
            if hasattr(os, "killpg"):
                os.killpg(self.process.pid, signal.SIGKILL)
            else:
                self.process.kill()

    def last_words(self) -> str:
        """Why the worker is gone, for the file it was reading."""
        try:
            code = self.process.wait(GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill("its reader fell silent")
            code = self.process.wait()
        if self.reason:
            return self.reason
        if code == -getattr(signal, "SIGALRM", 0):
            return self.late  # its own clock was faster than ours
        if code < 0 or code > 255:
            return f"its reader crashed ({_signal_name(code)})"
        return f"its reader ended by itself (exit status {code})"

    def end(self, *, at_once: bool = False) -> None:
        """Close the pipes and wait until the process is gone, so that none is left behind."""
        self.rest()
        if at_once:
            self.kill(None)
        for pipe in (self.questions, self.answers):
            with contextlib.suppress(OSError):
                pipe.close()
        try:
            self.process.wait(1)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.errors.close()


def _widen(pipe: int) -> None:
    """Let a few answers lie in the pipe, so that a worker need not wait for a busy parent."""
    with contextlib.suppress(ImportError, AttributeError, OSError):  # only Linux can
        import fcntl

        fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, PIPE_BYTES)


def _environment() -> dict[str, str]:
    """The parent's, with the way to this very package, and one thread for each worker."""
    paths = [os.environ.get("PYTHONPATH", "")]
    root = Path(__file__).resolve().parents[2]
    # Installed packages are found anyway. Put first, an old one could hide a standard module.
    if root.name not in ("site-packages", "dist-packages"):
        paths.insert(0, str(root))
    return os.environ | {
        "PYTHONPATH": os.pathsep.join(filter(None, paths)),
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "MKL_NUM_THREADS": "1",
    }


def _signal_name(code: int) -> str:
    with contextlib.suppress(ValueError):
        return signal.Signals(-code).name
    return f"{code:#x}" if code > 0 else f"signal {-code}"
