"""The program that reads strangers' files, so that only it can be brought down by them.

Started by `worker_process` with its pipes as standard input and output. It takes batches, answers
file by file, and ends when its input ends, when its memory limit is reached, or when a file takes
far too long, even if nobody is left to stop it.
"""

from __future__ import annotations

import contextlib
import faulthandler
import importlib
import os
import signal
import sys
from pathlib import Path
from typing import IO, Any

from ..errors import BadFile, WoodshedError
from .frames import Frame, FrameTooLong, pack, receive, send
from .limits import ROOM_MB

OVERTIME_SECONDS = 2.0
"""The worker's own clock runs this much longer than its parent's, which can say why it stops it."""


def main() -> None:
    """Answer batches until there are no more."""
    # The protocol gets its own descriptor; whatever a library prints goes nowhere.
    answers = os.fdopen(os.dup(1), "wb")
    questions = sys.stdin.buffer
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    first = receive(questions)
    if first is None:
        return
    if first.head["many"]:  # what is compiled where it pays then pays from the first file on
        with contextlib.suppress(ImportError):
            importlib.import_module("numba")
    function = _resolve(first.head["function"])
    _limit_memory(int(first.head["memory_mb"]))
    clock = _Clock(float(first.head["seconds"]) + OVERTIME_SECONDS)
    send(answers, Frame({"ready": True}))
    os.dup2(nowhere, 2)
    while (batch := receive(questions)) is not None:
        _answer(batch, function, first.head["settings"], answers, clock)


class _Clock:
    """Ends this process, even where Python no longer runs, when one file takes far too long."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.has_alarm = hasattr(signal, "setitimer")
        if self.has_alarm:
            signal.signal(signal.SIGALRM, signal.SIG_DFL)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGALRM})

    def __enter__(self) -> None:
        if self.has_alarm:
            signal.setitimer(signal.ITIMER_REAL, self.seconds)
        else:
            faulthandler.dump_traceback_later(self.seconds, exit=True)

    def __exit__(self, *_: object) -> None:
        if self.has_alarm:
            signal.setitimer(signal.ITIMER_REAL, 0)
        else:
            faulthandler.cancel_dump_traceback_later()


def _resolve(name: str) -> Any:
    module, _, function = name.partition(":")
    return getattr(importlib.import_module(module), function)


def _answer(
    batch: Frame, function: Any, settings: dict[str, Any], answers: IO[bytes], clock: _Clock
) -> None:
    for number, name in batch.head["items"]:
        blob = batch.arrays.get(f"data{number}")
        try:
            with clock:
                frame = function(name, None if blob is None else blob.tobytes(), settings)
                answer = pack(Frame({"number": number, "value": frame.head}, frame.arrays))
        except BadFile as error:
            answer = pack(Frame({"number": number, "bad": error.reason}))
        except WoodshedError as error:
            answer = pack(Frame({"number": number, "bad": str(error)}))
        except FrameTooLong as error:
            answer = pack(Frame({"number": number, "bad": f"it holds too much: {error}"}))
        except MemoryError:
            answer = pack(Frame({"number": number, "out_of_memory": True}))
        except Exception as error:  # our own bug: the file is listed, the folder goes on
            answer = pack(Frame({"number": number, "bug": f"{type(error).__name__}: {error}"}))
        answers.write(answer)
        answers.flush()


def _limit_memory(megabytes: int) -> None:
    """Bound what this process may take, where the system can; elsewhere the parent watches."""
    with contextlib.suppress(ImportError, OSError, ValueError):
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        used = pages * resource.getpagesize()
        limit = used + (ROOM_MB + megabytes) * 2**20
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


if __name__ == "__main__":
    main()
