"""Reading strangers' files at arm's length: in worker processes with limits on time and memory.

A function named by its module runs over many files, several at a time. A file that crashes its
worker, hangs, eats memory or makes it talk nonsense is tried once more alone; failing again, it
becomes a `BadFile`. The caller and the other files never notice. Knows nothing of what the function
does.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

import numpy as np

from ..errors import BadFile, WoodshedError
from .frames import DamagedFrame, Frame, FrameTooLong
from .limits import Limits
from .worker_process import WorkerProcess

T = TypeVar("T")

BATCH_FILES = 24
BATCH_BYTES = 2**24
"""Uploads travel with their batch, so a batch holds no more of them than this, or one."""

PILE_BYTES = 2**23
HELD_BYTES = 2**27
"""How much may wait to be taken; readers pause there. Small files may unfold to hundreds of MB."""

MANY_FILES = 32
"""With so many for each worker, it pays to load the compiler before the first."""

WATCH_SECONDS = 0.05
REASON_LETTERS = 500


@dataclass(frozen=True, slots=True)
class Task(Generic[T]):
    """What to do with each file: a function in the worker, and how to understand its answer here.

    `function` is "module:name"; it is called with the file's name, its bytes (None: read the file
    of that name) and `settings`, and returns a `Frame`. `understand` turns that into the result and
    raises, best a `DamagedFrame`, where it cannot be one.
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

    Memory stays flat: only a few batches are under way or waiting at any time. Leaving the loop
    early stops the workers. Raises `WoodshedError` where no worker can start.
    """
    if not items:
        return
    pool = _Pool(task, items, limits or Limits())
    try:
        pool.start()
        yield from pool.outcomes()
    finally:
        pool.close()


class _Suspect(Exception):
    """A worker could not read a file, which may be its own fault or an earlier file's."""


@dataclass(slots=True)
class _Pile(Generic[T]):
    """Outcomes of one batch that nobody has taken yet."""

    outcomes: list[Outcome[T]] = field(default_factory=list)
    size_bytes: int = 0


class _Pool(Generic[T]):
    """Threads that each drive one worker, and a watch that stops workers over their limits."""

    def __init__(self, task: Task[T], items: Sequence[str | Upload], limits: Limits) -> None:
        self.task, self.items, self.limits = task, items, limits
        self.batches = _batches(items, limits.worker_count)
        self.changed = threading.Condition()
        self.next_batch = 0
        self.wanted_batch = 0
        self.piles: dict[int, _Pile[T]] = {}
        self.held_bytes = 0
        self.failure: BaseException | None = None
        self.closing = False
        self.workers: list[WorkerProcess] = []
        count = min(limits.worker_count, len(self.batches))
        self.window = 3 * count
        self.threads = [threading.Thread(target=self._drive, daemon=True) for _ in range(count)]
        self.threads.append(threading.Thread(target=self._watch, daemon=True))

    def start(self) -> None:
        """Set the threads going; `close` ends those that run."""
        for thread in self.threads:
            thread.start()

    def outcomes(self) -> Iterator[Outcome[T]]:
        """Every item's outcome, in order, as they come in."""
        for batch, numbers in enumerate(self.batches):
            due = len(numbers)
            while due:
                taken = self._take_pile(batch)
                due -= len(taken)
                yield from taken

    def close(self) -> None:
        """Stop the workers and wait until they are gone."""
        with self.changed:
            self.closing = True
            for worker in self.workers:
                worker.kill("the reading was stopped")
            self.changed.notify_all()
        for thread in self.threads:
            if thread.ident is not None:
                thread.join()

    def _take_pile(self, batch: int) -> list[Outcome[T]]:
        with self.changed:
            self.wanted_batch = batch
            self.changed.notify_all()
            # With a timeout, so that Ctrl-C is heard on systems where a lock is deaf to it.
            while not self.changed.wait_for(lambda: batch in self.piles or self.failure, 1.0):
                pass
            if self.failure:
                raise self.failure
            pile = self.piles.pop(batch)
            self.held_bytes -= pile.size_bytes
            self.changed.notify_all()
            return pile.outcomes

    def _put(self, batch: int, outcomes: list[Outcome[T]], size_bytes: int = 0) -> None:
        with self.changed:
            pile = self.piles.setdefault(batch, _Pile())
            pile.outcomes += outcomes
            pile.size_bytes += size_bytes
            self.held_bytes += size_bytes
            self.changed.notify_all()

    def _wait_for_room(self, batch: int) -> None:
        """Wait while too much lies untaken. The batch everybody waits for never does for others."""
        with self.changed:
            self.changed.wait_for(
                lambda: (
                    self.closing
                    or self.held_bytes < HELD_BYTES
                    or (batch == self.wanted_batch and batch not in self.piles)
                )
            )

    def _next_batch(self) -> int | None:
        """The next batch to work on; waits while too many or too large ones lie undelivered."""
        with self.changed:
            self.changed.wait_for(
                lambda: (
                    self.closing
                    or self.next_batch <= self.wanted_batch
                    or (
                        self.next_batch < self.wanted_batch + self.window
                        and self.held_bytes < HELD_BYTES
                    )
                )
            )
            if self.closing or self.next_batch >= len(self.batches):
                return None
            self.next_batch += 1
            return self.next_batch - 1

    def _drive(self) -> None:
        """Work through batches with one worker, replacing it whenever it fails."""
        worker = None
        try:
            while (batch := self._next_batch()) is not None:
                todo = list(self.batches[batch])
                alone = False
                while todo and not self.closing:
                    worker = worker or self._start()
                    answered, trouble = self._converse(worker, batch, todo[:1] if alone else todo)
                    del todo[:answered]
                    if trouble is None:
                        alone = False
                        continue
                    self._dismiss(worker, at_once=True)
                    worker = None
                    # The first file without an answer is suspect. Something before it may have hurt
                    # the worker, so it is blamed only if it fails alone in a fresh one.
                    if alone:
                        self._put(batch, [self._bad(todo.pop(0), trouble)])
                    alone = not alone
        except BaseException as error:  # shown to the caller, whose thread this is not
            self._fail(error)
        finally:
            if worker:
                self._dismiss(worker)

    def _converse(
        self, worker: WorkerProcess, batch: int, todo: list[int]
    ) -> tuple[int, str | None]:
        """Ask for some files; how many were answered, and what went wrong if not all were."""
        outcomes: list[Outcome[T]] = []
        answered = size_bytes = 0
        trouble = None
        try:
            worker.ask(self._question(todo))
            for number in todo:
                frame = worker.answer()
                if frame is None:
                    trouble = worker.last_words()
                    break
                outcomes.append(self._outcome(number, frame))
                answered += 1
                size_bytes += frame.size_bytes
                if size_bytes > PILE_BYTES:
                    worker.rest()
                    self._put(batch, outcomes, size_bytes)
                    self._wait_for_room(batch)
                    outcomes, size_bytes = [], 0
        except _Suspect as suspect:
            trouble = str(suspect)
        except FrameTooLong as error:
            trouble = f"it is too large: {error}"
        except (DamagedFrame, OSError) as error:
            trouble = worker.reason or f"its reader answered nonsense: {error}"
        worker.rest()
        self._put(batch, outcomes, size_bytes)
        return answered, trouble

    def _question(self, numbers: list[int]) -> Frame:
        uploads = {n: item for n in numbers if isinstance(item := self.items[n], Upload)}
        return Frame(
            {"items": [[n, self._name(n)] for n in numbers]},
            {f"data{n}": np.frombuffer(item.data, np.uint8) for n, item in uploads.items()},
        )

    def _outcome(self, number: int, frame: Frame) -> Outcome[T]:
        if frame.head.get("number") != number:
            raise DamagedFrame(f"an answer for file {frame.head.get('number')!r} nobody asked for")
        if frame.head.get("out_of_memory"):
            raise _Suspect(self.limits.memory_reason)
        if (bug := frame.head.get("bug")) is not None:
            raise _Suspect(f"Woodshed itself failed on it ({bug}); please report this")
        if (reason := frame.head.get("bad")) is not None:
            return self._bad(number, str(reason))
        value = frame.head.get("value")
        if not isinstance(value, dict):
            raise DamagedFrame("an answer without a value")
        try:
            understood = self.task.understand(Frame(value, frame.arrays))
        except Exception as error:  # whatever a stranger's file made its reader say
            raise DamagedFrame(str(error) or type(error).__name__) from error
        return Outcome(self._name(number), understood)

    def _bad(self, number: int, reason: str) -> Outcome[T]:
        name = self._name(number)
        return Outcome(name, None, BadFile(name, reason[:REASON_LETTERS]))

    def _name(self, number: int) -> str:
        item = self.items[number]
        return item.name if isinstance(item, Upload) else os.fspath(item)

    def _start(self) -> WorkerProcess:
        try:
            worker = WorkerProcess(self.limits)
        except OSError as error:
            raise WoodshedError(f"a reader process could not start: {error}") from error
        with self.changed:
            self.workers.append(worker)
            if self.closing:  # after `close` went through the list, so nobody else would stop it
                worker.kill("the reading was stopped")
        try:
            many = len(self.items) >= MANY_FILES * self.limits.worker_count
            worker.greet(self.task.function, self.task.settings, many=many)
        except BaseException:
            self._dismiss(worker, at_once=True)
            raise
        return worker

    def _dismiss(self, worker: WorkerProcess, *, at_once: bool = False) -> None:
        with self.changed:
            self.workers.remove(worker)
        worker.end(at_once=at_once)

    def _watch(self) -> None:
        """Stop workers that take too long or too much."""
        try:
            while True:
                with self.changed:
                    if self.changed.wait_for(lambda: self.closing, WATCH_SECONDS):
                        return
                    workers = list(self.workers)
                for worker in workers:
                    worker.check()
        except BaseException as error:  # without a watch nothing would ever stop
            self._fail(error)

    def _fail(self, error: BaseException) -> None:
        with self.changed:
            self.failure = self.failure or error
            self.changed.notify_all()


def _batches(items: Sequence[str | Upload], workers: int) -> list[range]:
    """Runs of items to be handed over together: small enough to share out, large enough to pay."""
    most = max(1, min(BATCH_FILES, len(items) // (4 * workers)))
    batches: list[range] = []
    first = held = 0
    for number, item in enumerate(items):
        size = len(item.data) if isinstance(item, Upload) else 0
        if number - first == most or (number > first and held + size > BATCH_BYTES):
            batches.append(range(first, number))
            first, held = number, 0
        held += size
    batches.append(range(first, len(items)))
    return batches
