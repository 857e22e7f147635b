"""What can go wrong while a stranger's file is read, to be run inside real worker processes.

Each function here is a worker's function that does its harm at files whose name begins with "bad"
and answers the length of any other. `settings["marker"]` names a file that is written before.
"""

from __future__ import annotations

import functools
import itertools
import json
import os
import signal
import struct
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any, NoReturn

import numpy as np

from woodshed.errors import BadFile
from woodshed.formats.frames import Frame, pack
from woodshed.formats.midi_contained import read_in_worker
from woodshed.formats.midi_read import read_bytes

Settings = dict[str, Any]
Work = Callable[[str, bytes | None, Settings], Frame]

GIGABYTES_900 = 900 * 10**9


def good(name: str, data: bytes | None, settings: Settings) -> Frame:
    """What happens to a file without a fault."""
    return Frame({"length": len(read_bytes(name) if data is None else data)})


def at_bad_files(harm: Callable[[], Frame | None], elsewhere: Work = good) -> Work:
    """A worker's function that does harm at some files only."""

    @functools.wraps(harm)
    def work(name: str, data: bytes | None, settings: Settings) -> Frame:
        if not os.path.basename(name).startswith("bad"):
            return elsewhere(name, data, settings)
        if marker := settings.get("marker"):
            Path(marker).write_text(str(os.getpid()))
        return harm() or elsewhere(name, data, settings)

    return work


def line() -> IO[bytes]:
    """The worker's own end of the pipe to its parent, taken from where the program keeps it."""
    frame = sys._getframe()
    while "answers" not in frame.f_locals:
        assert frame.f_back is not None
        frame = frame.f_back
    answers: IO[bytes] = frame.f_locals["answers"]
    return answers


def say(data: bytes) -> None:
    """Write raw bytes where the parent expects frames."""
    line().write(data)
    line().flush()


# Crashes and quiet ends.


@at_bad_files
def crash() -> None:
    """Die as a program does that reads where it may not."""
    os.kill(os.getpid(), signal.SIGSEGV)


@at_bad_files
def abort() -> None:
    """Die as C code does that finds itself in an impossible place."""
    os.abort()


@at_bad_files
def leave_quietly() -> None:
    """End without a word, as if all were well."""
    os._exit(0)


@at_bad_files
def leave_by_exception() -> NoReturn:
    """End by an exception that is no `Exception`."""
    raise SystemExit(0)


@at_bad_files
def recurse() -> None:
    """Run into Python's own limit."""

    def deeper() -> None:
        deeper()

    deeper()


@at_bad_files
def refuse() -> NoReturn:
    """Refuse the file in words, which is no fault at all."""
    raise BadFile("this name is not the file's", "it has a hole in the middle")


# Hangs.


@at_bad_files
def hang() -> None:
    """Run for ever in Python."""
    while True:
        pass


@at_bad_files
def hang_in_c() -> None:
    """Run for ever in C without ever letting another thread run."""
    sum(itertools.repeat(0))


@at_bad_files
def fall_asleep() -> None:
    """Be stopped, and never be woken."""
    os.kill(os.getpid(), signal.SIGSTOP)


# Memory.


def _hoard() -> NoReturn:
    hoard = []
    while True:
        hoard.append(b"x" * 2**24)


@at_bad_files
def bomb() -> None:
    """Take more and more memory."""
    _hoard()


@at_bad_files
def bomb_at_once() -> None:
    """Take more memory than there is, in one piece."""
    bytearray(2**46)


@at_bad_files
def stubborn_bomb() -> None:
    """Take more and more memory, and go on when there is none."""
    while True:
        try:
            _hoard()
        except MemoryError:
            time.sleep(0.01)


# Lies.


@at_bad_files
def babble() -> None:
    """Say something that is no frame."""
    say(b"\x00\xff\x13 what? " * 100)


@at_bad_files
def babble_for_ever() -> NoReturn:
    """Say something that is no frame, without end."""
    while True:
        say(b"la " * 2**16)


@at_bad_files
def answer_for_ever() -> NoReturn:
    """Say whole frames, without end."""
    while True:
        say(pack(Frame({"number": -1, "value": {"length": 1}})))


@at_bad_files
def claim_4_gigabytes() -> None:
    """Announce the longest frame that the head has room for."""
    say(struct.pack("<4sII", b"WSF1", 2**32 - 1, 2**32 - 1))


def _say_frame(content: Any, listed: Any, body: bytes = b"") -> None:
    head = json.dumps([content, listed]).encode()
    say(struct.pack("<4sII", b"WSF1", len(head), len(body)) + head + body)


@at_bad_files
def claim_900_gigabytes() -> None:
    """Announce an array that no machine holds."""
    _say_frame({"number": 0, "value": {}}, [["x", "|u1", GIGABYTES_900]], b"x")


@at_bad_files
def send_objects() -> None:
    """Send an array of Python objects."""
    _say_frame({"number": 0, "value": {}}, [["x", "|O", 1]], bytes(8))


@at_bad_files
def send_nesting() -> None:
    """Send JSON nested deeper than a parser can follow."""
    head = b"[" * 200_000
    say(struct.pack("<4sII", b"WSF1", len(head), 0) + head)


@at_bad_files
def answer_for_another() -> None:
    """Answer for a file that nobody asked for."""
    _say_frame({"number": 99, "value": {"length": 1}}, [])


@at_bad_files
def answer_with_a_list() -> None:
    """Send a whole frame whose head has the wrong shape."""
    _say_frame([1, 2, 3], [])


@at_bad_files
def answer_without_value() -> None:
    """Send a whole frame that says nothing."""
    line_number = sys._getframe(2).f_locals["number"]
    _say_frame({"number": line_number}, [])


@at_bad_files
def answer_without_length() -> Frame:
    """Send a value that its reader cannot understand."""
    return Frame({"width": 3})


@at_bad_files
def stop_in_the_middle() -> None:
    """Begin a frame and end."""
    say(pack(Frame({"number": 0}, {"x": np.zeros(1000)}))[:100])
    os._exit(0)


@at_bad_files
def hang_up() -> None:
    """Close the line and go on running."""
    line().close()
    hang("bad", None, {})


# Noise, which does no harm.


@at_bad_files
def print_much() -> None:
    """Write to standard output, as libraries do."""
    print("hello" * 1000)
    sys.stdout.flush()
    os.write(1, b"hello" * 1000)


@at_bad_files
def complain_much() -> None:
    """Write more to standard error than any pipe holds."""
    for _ in range(100):
        os.write(2, b"warning! " * 10_000)


# Harm that shows only later.


@at_bad_files
def deafen() -> None:
    """Answer this file, but read no further question."""
    os.dup(0)  # the pipe stays open, so that the parent can write until it is full
    silent, _ = os.pipe()
    os.dup2(silent, 0)


_poisoned = False


@at_bad_files
def _poison() -> None:
    global _poisoned
    _poisoned = True


def die_later(name: str, data: bytes | None, settings: Settings) -> Frame:
    """Be well at the bad file, and die at the next one."""
    if _poisoned:
        os.abort()
    return _poison(name, data, settings)


def run_short_later(name: str, data: bytes | None, settings: Settings) -> Frame:
    """Be well at the bad file, and have no memory left for the next one."""
    if _poisoned:
        raise MemoryError
    return _poison(name, data, settings)


def fail_later(name: str, data: bytes | None, settings: Settings) -> Frame:
    """Be well at the bad file, and fail at the next one as if by a bug."""
    if _poisoned:
        raise RuntimeError("something is broken since the last file")
    return _poison(name, data, settings)


# Much of it.


def unfold(name: str, data: bytes | None, settings: Settings) -> Frame:
    """A small file that becomes twenty million bytes."""
    return Frame({"length": 1}, {"x": np.zeros(20_000_000, np.uint8)})


def unfold_too_far(name: str, data: bytes | None, settings: Settings) -> Frame:
    """A file that becomes more than may be sent."""
    if os.path.basename(name).startswith("bad"):
        return Frame({"words": "x" * 2**25})
    return good(name, data, settings)


# Scores that are none. `settings["change"]` says which part of the frame is spoilt.


def spoil_score(name: str, data: bytes | None, settings: Settings) -> Frame:
    """Read a file, then change what crosses over: `{"head": {…}}` or `{"arrays": {…}}`."""
    frame = read_in_worker(name, data, {})
    if not os.path.basename(name).startswith("bad"):
        return frame
    change = settings["change"]
    arrays = {
        column: np.full(len(values), change["arrays"][column], values.dtype)
        if column in change.get("arrays", {})
        else values
        for column, values in frame.arrays.items()
    }
    return Frame(frame.head | change.get("head", {}), arrays)
