"""The program that reads strangers' files, so that only it can be brought down by them.

Started by `contain` with its pipes as standard input and output. It takes batches, answers file by file,
and ends when its input ends, when its memory limit is reached, or when a batch takes far too long, even
if nobody is left to stop it.
"""

from __future__ import annotations

import contextlib
import faulthandler
import importlib
import os
import sys
from pathlib import Path
from typing import Any, BinaryIO

from ..errors import BadFile, WoodshedError
from .frames import Frame, receive, send


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
    function = _resolve(first.head["function"])
    _limit_memory(int(first.head["memory_mb"]))
    send(answers, Frame({"ready": True}))
    os.dup2(nowhere, 2)
    with open(os.devnull, "w") as silence:
        while (batch := receive(questions)) is not None:
            # A watchdog in C: it ends this process even where Python no longer runs.
            faulthandler.dump_traceback_later(batch.head["seconds"], exit=True, file=silence)
            _answer(batch, function, first.head["settings"], answers)
            faulthandler.cancel_dump_traceback_later()


def _resolve(name: str) -> Any:
    module, _, function = name.partition(":")
    return getattr(importlib.import_module(module), function)


def _answer(batch: Frame, function: Any, settings: dict[str, Any], answers: BinaryIO) -> None:
    for number, name in batch.head["items"]:
        blob = batch.arrays.get(f"data{number}")
        try:
            frame = function(name, None if blob is None else blob.tobytes(), settings)
            answer = Frame({"number": number, "value": frame.head}, frame.arrays)
        except BadFile as error:
            answer = Frame({"number": number, "bad": error.reason})
        except WoodshedError as error:
            answer = Frame({"number": number, "bad": str(error)})
        except MemoryError:
            answer = Frame({"number": number, "out_of_memory": True})
        except Exception as error:  # our own bug: the file is listed, the folder goes on
            answer = Frame({"number": number, "bug": f"{type(error).__name__}: {error}"})
        send(answers, answer)


def _limit_memory(megabytes: int) -> None:
    """Bound what this process may still allocate, where the system can; `contain` watches elsewhere."""
    with contextlib.suppress(ImportError, OSError, ValueError):
        import resource

        pages = int(Path("/proc/self/statm").read_text().split()[0])
        used = pages * resource.getpagesize()
        limit = used + megabytes * 2**20
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


if __name__ == "__main__":
    main()
