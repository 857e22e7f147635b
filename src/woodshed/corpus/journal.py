"""What became of each file so far, written down as it happens, so that killed work goes on.

One file of records, only ever appended to: the recipe first, then a record for each file with
everything that a dataset keeps of it. Each is a frame behind its length and checksum; from the
first one that is damaged or cut off, all are dropped. Knows nothing of datasets or of the work
itself.
"""

from __future__ import annotations

import io
import os
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Self

from ..formats.frames import DamagedFrame, Frame, pack, receive
from .piece import LeftOut, Prepared, frame_of, prepared_from_frame

_MARK = struct.Struct("<II")
"""Length and CRC-32 of the frame that follows."""


@dataclass(frozen=True, slots=True)
class Stamp:
    """By what a file is known to be unchanged without reading it."""

    size_bytes: int
    modified_ns: int

    @classmethod
    def of(cls, path: str | os.PathLike[str]) -> Self:
        """The stamp of a file; that of a file that cannot be asked fits no other."""
        try:
            status = os.stat(path)
        except (OSError, ValueError):
            return cls(-1, -1)
        return cls(status.st_size, status.st_mtime_ns)


@dataclass(frozen=True, slots=True)
class Entry:
    """One file and what became of it by itself, in few bytes.

    `at` is where the rest is: in the journal, or the number of a piece of the earlier dataset.
    """

    path: str
    stamp: Stamp
    checksum: str
    left_out: LeftOut | None
    at: int
    is_earlier: bool = False


class Journal:
    """The entries of files done so far, in one file. Close it, or use it in a `with` block."""

    def __init__(self, path: Path, recipe: str) -> None:
        self.path = path
        self.entries: dict[str, Entry] = {}
        self._file = open(path, "a+b", buffering=0)  # noqa: SIM115 - closed in `close`
        self._reader: IO[bytes] | None = None
        self._end = self._read_back(recipe)
        self._file.truncate(self._end)
        if self._end == 0:
            self._append(Frame({"recipe": recipe}))

    def add(self, path: str, stamp: Stamp, prepared: Prepared) -> Entry:
        """Write down what became of a file."""
        frame = frame_of(prepared)
        where = {"path": path, "size": stamp.size_bytes, "modified": stamp.modified_ns}
        at = self._end
        self._append(Frame(frame.head | where, frame.arrays))
        entry = Entry(path, stamp, prepared.checksum, prepared.left_out, at)
        self.entries[path] = entry
        return entry

    def read(self, entry: Entry) -> Prepared:
        """Everything about one file."""
        self._reader = self._reader or open(self.path, "rb")  # noqa: SIM115 - closed in `close`
        self._reader.seek(entry.at)
        frame = read_record(self._reader)
        if frame is None:
            raise DamagedFrame(f"the journal ends before {entry.path}")
        return prepared_from_frame(frame)

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()
        if self._reader is not None:
            self._reader.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _append(self, frame: Frame) -> None:
        data = memoryview(record(frame))
        while data:  # an unbuffered write may take only a part
            written = self._file.write(data)
            self._end += written
            data = data[written:]

    def _read_back(self, recipe: str) -> int:
        """Take in what is there; where the last whole record ends."""
        end = 0
        with open(self.path, "rb") as file:
            while (frame := _whole_record(file)) is not None:
                if end == 0:
                    if frame.head.get("recipe") != recipe:
                        return 0
                elif (entry := _entry(frame.head, end)) is not None:
                    self.entries[entry.path] = entry
                else:
                    return end
                end = file.tell()
        return end


def record(frame: Frame) -> bytes:
    """A frame with its length and checksum in front."""
    data = pack(frame)
    return _MARK.pack(len(data), zlib.crc32(data)) + data


def read_record(file: IO[bytes]) -> Frame | None:
    """The frame that `record` wrote; None at the end. Raises `DamagedFrame` at anything else."""
    mark = file.read(_MARK.size)
    if not mark:
        return None
    length, checksum = _MARK.unpack(mark) if len(mark) == _MARK.size else (0, 0)
    if not 0 < length <= os.fstat(file.fileno()).st_size - file.tell():
        raise DamagedFrame("a record is cut off")
    data = file.read(length)
    if zlib.crc32(data) != checksum:
        raise DamagedFrame("a record is not what was written")
    return receive(io.BytesIO(data))


def skip_record(file: IO[bytes]) -> bool:
    """Go to the next record unread; False at the end."""
    mark = file.read(_MARK.size)
    if len(mark) < _MARK.size:
        return False
    file.seek(_MARK.unpack(mark)[0], os.SEEK_CUR)
    return True


def _whole_record(file: IO[bytes]) -> Frame | None:
    try:
        return read_record(file)
    except DamagedFrame:
        return None


def _entry(head: dict[str, Any], at: int) -> Entry | None:
    try:
        left_out = head["left_out"]
        return Entry(
            str(head["path"]),
            Stamp(int(head["size"]), int(head["modified"])),
            str(head["checksum"]),
            None if left_out is None else LeftOut(str(left_out[0]), str(left_out[1])),
            at,
        )
    except (KeyError, TypeError, ValueError, IndexError):
        return None
