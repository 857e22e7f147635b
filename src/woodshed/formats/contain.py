"""Reading strangers' files at arm's length: in worker processes with limits on time and memory.

A function named by its module runs over many files, several at a time. A file that crashes its worker,
hangs, eats memory or makes it talk nonsense is tried once more alone; failing again, it becomes a
`BadFile`. The caller and the other files never notice. Knows nothing of what the function does.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, TypeVar

import numpy as np

from ..errors import BadFile, WoodshedError
from .frames import DamagedFrame, Frame, receive, send
from .limits import Limits

T = TypeVar("T")

BATCH_FILES = 24
START_SECONDS = 60.0
"""How long a worker may take to start; importing numpy from a slow disk takes seconds."""

WATCH_SECONDS = 0.05
GRACE_SECONDS = 0.5
"""An overdue worker gets this much longer: its answer may lie in the pipe of a busy parent."""


@dataclass(frozen=True, slots=True)
class Task(Generic[T]):
    """What to do with each file: a function in the worker, and how to understand its answer here.

    `function` is "module:name"; it is called with the file's name, its bytes (None: read the file of
    that name) and `settings`, and returns a `Frame`. `understand` turns that into the result and
    raises `DamagedFrame` where it cannot be one.
    """

    function: str
    understand: Callable[[Frame], T]
    settings: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Upload:
    """Bytes that came from somewhere else than a file, and the name to call them by."""

    name: str
    data: bytes


@dataclass(frozen=True, slots=True)
class Outcome(Generic[T]):
    """What became of one file: a value, or the reason why there is none."""

    path: str
    value: T | None
    bad: BadFile | None = None

    def unwrap(self) -> T:
        """The value; raises the `BadFile` where there is none."""
        if self.bad is not None:
            raise self.bad
        assert self.value is not None
        return self.value


def contained(
    task: Task[T], items: Sequence[str | Upload], limits: Limits | None = None
) -> Iterator[Outcome[T]]:
    """Run `task` over `items` in worker processes; outcomes come in the order of the items.

    Memory stays flat: only a few batches are under way or waiting at any time. Leaving the loop early
    stops the workers.
    """
    if not items:
        return
    pool = _Pool(task, items, limits or Limits())
    try:
        yield from pool.outcomes()
    finally:
        pool.close()


class _Pool(Generic[T]):
    """Threads that each drive one worker, and a watch that stops workers over their limits."""

    def __init__(self, task: Task[T], items: Sequence[str | Upload], limits: Limits) -> None:
        self.task, self.items, self.limits = task, items, limits
        size = max(1, min(BATCH_FILES, len(items) // (4 * limits.worker_count)))
        self.batches = [range(a, min(a + size, len(items))) for a in range(0, len(items), size)]
        self.changed = threading.Condition()
        self.next_batch = 0
        self.delivered = 0
        self.done: dict[int, list[Outcome[T]]] = {}
        self.failure: BaseException | None = None
        self.closing = False
        self.workers: list[_Worker] = []
        count = min(limits.worker_count, len(self.batches))
        self.window = 3 * count
        self.threads = [threading.Thread(target=self._drive, daemon=True) for _ in range(count)]
        self.threads.append(threading.Thread(target=self._watch, daemon=True))
        for thread in self.threads:
            thread.start()

    def outcomes(self) -> Iterator[Outcome[T]]:
        for number in range(len(self.batches)):
            with self.changed:
                self.changed.wait_for(lambda n=number: n in self.done or self.failure)  # type: ignore[misc]
                if self.failure:
                    raise self.failure
                ready = self.done.pop(number)
                self.delivered = number + 1
                self.changed.notify_all()
            yield from ready

    def close(self) -> None:
        with self.changed:
            self.closing = True
            workers = list(self.workers)
            self.changed.notify_all()
        for worker in workers:
            worker.kill("the reading was stopped")
        for thread in self.threads:
            thread.join()

    def _take(self) -> int | None:
        """The next batch to work on; waits while too many lie undelivered."""
        with self.changed:
            self.changed.wait_for(
                lambda: self.closing or self.next_batch < self.delivered + self.window
            )
            if self.closing or self.next_batch >= len(self.batches):
                return None
            self.next_batch += 1
            return self.next_batch - 1

    def _drive(self) -> None:
        """Work through batches with one worker, replacing it whenever it fails."""
        worker = None
        try:
            while (number := self._take()) is not None:
                outcomes: list[Outcome[T]] = []
                todo = list(self.batches[number])
                alone = False
                while todo and not self.closing:
                    worker = worker or self._start()
                    done, trouble = self._converse(worker, todo[:1] if alone else todo)
                    outcomes += done
                    todo = todo[len(done) :]
                    if trouble is None:
                        alone = False
                        continue
                    worker = self._dismiss(worker)
                    # The first file without an answer is suspect. Something before it may have hurt
                    # the worker, so it is blamed only if it fails alone in a fresh one.
                    if alone:
                        outcomes.append(self._bad(todo.pop(0), trouble))
                    alone = not alone
                with self.changed:
                    self.done[number] = outcomes
                    self.changed.notify_all()
        except BaseException as error:  # shown to the caller, whose thread this is not
            with self.changed:
                self.failure = self.failure or error
                self.changed.notify_all()
        finally:
            if worker:
                self._dismiss(worker)

    def _converse(self, worker: _Worker, todo: list[int]) -> tuple[list[Outcome[T]], str | None]:
        """Ask for some files; the outcomes so far, and what went wrong if not all came."""
        done: list[Outcome[T]] = []
        try:
            worker.ask(todo, self.items)
            for number in todo:
                frame = worker.answer(self.limits.seconds)
                if frame is None:
                    return done, worker.last_words()
                done.append(self._outcome(number, frame))
        except (DamagedFrame, OSError, ValueError) as error:
            return done, worker.reason or f"its reader answered nonsense: {error}"
        worker.rest()
        return done, None

    def _outcome(self, number: int, frame: Frame) -> Outcome[T]:
        if frame.head.get("number") != number:
            raise DamagedFrame(f"an answer for file {frame.head.get('number')!r} nobody asked for")
        if frame.head.get("out_of_memory"):
            return self._bad(number, self._memory_reason())
        if (reason := frame.head.get("bad")) is not None:
            return self._bad(number, str(reason))
        if (bug := frame.head.get("bug")) is not None:
            return self._bad(number, f"Woodshed itself failed on it ({bug}); please report this")
        value = frame.head.get("value")
        if not isinstance(value, dict):
            raise DamagedFrame("an answer without a value")
        return Outcome(self._name(number), self.task.understand(Frame(value, frame.arrays)))

    def _bad(self, number: int, reason: str) -> Outcome[T]:
        name = self._name(number)
        return Outcome(name, None, BadFile(name, reason))

    def _name(self, number: int) -> str:
        item = self.items[number]
        return item.name if isinstance(item, Upload) else os.fspath(item)

    def _memory_reason(self) -> str:
        return f"it takes more than {self.limits.memory_mb} MB to read"

    def _start(self) -> _Worker:
        worker = _Worker(self.task, self.limits)
        with self.changed:
            self.workers.append(worker)
        worker.greet()
        return worker

    def _dismiss(self, worker: _Worker) -> None:
        with self.changed:
            self.workers.remove(worker)
        worker.end()

    def _watch(self) -> None:
        """Stop workers that take too long or too much."""
        import psutil

        while True:
            with self.changed:
                if self.changed.wait_for(lambda: self.closing, WATCH_SECONDS):
                    return
                workers = list(self.workers)
            now = time.monotonic()
            for worker in workers:
                if now > worker.deadline + GRACE_SECONDS:
                    worker.kill(f"it took longer than {self.limits.seconds:g} s to read")
                with contextlib.suppress(psutil.Error):
                    taken = psutil.Process(worker.process.pid).memory_info().rss
                    if taken > worker.idle_bytes + self.limits.memory_mb * 2**20:
                        worker.kill(self._memory_reason())


class _Worker:
    """One worker process, its pipes, and by when it must have answered."""

    def __init__(self, task: Task[Any], limits: Limits) -> None:
        self.limits = limits
        self.reason: str | None = None
        self.deadline = time.monotonic() + START_SECONDS
        self.idle_bytes = 2**28
        self.errors = tempfile.TemporaryFile()  # noqa: SIM115 - closed in `end`
        root = str(Path(__file__).resolve().parents[2])
        paths = [root, *filter(None, [os.environ.get("PYTHONPATH")])]
        environment = os.environ | {
            "PYTHONPATH": os.pathsep.join(paths),
            # One thread each: the workers themselves are the parallelism.
            "OMP_NUM_THREADS": "1",
            "OPENBLAS_NUM_THREADS": "1",
            "MKL_NUM_THREADS": "1",
        }
        # -P keeps the current folder, perhaps a stranger's, off the import path. A session of its own
        # keeps Ctrl-C with the parent, which then stops the workers in order.
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-m", f"{__package__}.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.errors,
            env=environment,
            start_new_session=True,
        )
        assert self.process.stdin and self.process.stdout
        self.questions, self.answers = self.process.stdin, self.process.stdout
        self.task = task

    def greet(self) -> None:
        """Tell the worker its task and limits; raises where it cannot even start."""
        head = {
            "function": self.task.function,
            "settings": self.task.settings,
            "memory_mb": self.limits.memory_mb,
        }
        try:
            send(self.questions, Frame(head))
            ready = receive(self.answers)
        except (DamagedFrame, OSError):
            ready = None
        if ready is None:
            self.errors.seek(0)
            words = self.errors.read()[-2000:].decode(errors="replace").strip().splitlines()
            raise WoodshedError(
                "a reader process could not start: "
                + (self.reason or (words[-1] if words else "it said nothing"))
            )
        self.deadline = float("inf")

    def ask(self, numbers: list[int], items: Sequence[str | Upload]) -> None:
        """Hand over a batch."""
        chosen = [(n, items[n]) for n in numbers]
        arrays = {
            f"data{n}": np.frombuffer(item.data, np.uint8)
            for n, item in chosen
            if isinstance(item, Upload)
        }
        named = [[n, item.name if isinstance(item, Upload) else os.fspath(item)] for n, item in chosen]
        # Should this process die, the worker's own clock ends it.
        seconds = len(numbers) * (self.limits.seconds + 1) + 30
        self.deadline = time.monotonic() + self.limits.seconds
        send(self.questions, Frame({"items": named, "seconds": seconds}, arrays))

    def answer(self, seconds: float) -> Frame | None:
        """The next answer; None when the worker is gone."""
        self.deadline = time.monotonic() + seconds
        return receive(self.answers)

    def rest(self) -> None:
        """Nothing is asked of the worker now."""
        self.deadline = float("inf")

    def kill(self, reason: str) -> None:
        """Stop the worker at once and remember why."""
        self.reason = self.reason or reason
        with contextlib.suppress(OSError):
            self.process.kill()

    def last_words(self) -> str:
        """Why the worker is gone, for the file it was reading."""
        code = self.process.wait()
        if self.reason:
            return self.reason
        if code < 0:
            with contextlib.suppress(ValueError):
                return f"its reader crashed ({signal.Signals(-code).name})"
        return f"its reader ended by itself (exit status {code})"

    def end(self) -> None:
        """Close the pipes and wait until the process is gone, so that none is left behind."""
        self.deadline = float("inf")
        for pipe in (self.questions, self.answers):
            with contextlib.suppress(OSError):
                pipe.close()
        try:
            self.process.wait(timeout=1 if self.reason is None else 10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.errors.close()
