"""How results cross from a reader process: a JSON head and raw arrays, checked before believed.

No pickle: the process on the other side has read a stranger's file and may say anything.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

MAX_FRAME_BYTES = 2**29
"""The longest message there may be; a claim beyond it is a lie, and nothing is allocated for it."""

MAX_HEAD_BYTES = 2**24
"""What of it may be JSON, which unfolds in memory to twenty times its length and more."""

_CODES = ("u1", "i1", "?", "<u2", "<i2", "<i4", "<i8", "<f8")
DTYPES = {np.dtype(code).str: np.dtype(code) for code in _CODES}
_HEAD = struct.Struct("<4sII")
_MAGIC = b"WSF1"


def fields_of(value: Any) -> dict[str, Any]:
    """A dataclass as a dictionary of its fields; those inside follow when a frame is packed.

    `dataclasses.asdict` says the same and takes ten times as long.
    """
    names = getattr(type(value), "__dataclass_fields__", None)
    if names is None:
        raise TypeError(f"{type(value).__name__} cannot be sent in a frame")
    return {name: getattr(value, name) for name in names}


_encode = json.JSONEncoder(separators=(",", ":"), check_circular=False, default=fields_of).encode


class DamagedFrame(ValueError):
    """What came over the pipe is not a frame: the process behind it is broken, or lies."""


class FrameTooLong(ValueError):
    """A message that would be longer than any may be."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One message: anything JSON can say, dataclasses by their fields, and flat arrays by name.

    `size_bytes` is what it took on its way here; 0 where it was made here.
    """

    head: dict[str, Any]
    arrays: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    size_bytes: int = 0


def pack(frame: Frame) -> bytes:
    """One frame as bytes. Raises `FrameTooLong` where no receiver would take it."""
    listed = [[name, a.dtype.str, len(a)] for name, a in frame.arrays.items()]
    head = _encode([frame.head, listed]).encode()
    body_size = sum(a.nbytes for a in frame.arrays.values())
    if len(head) > MAX_HEAD_BYTES:
        raise FrameTooLong(f"{len(head):,} bytes of words, where {MAX_HEAD_BYTES:,} may be sent")
    if len(head) + body_size > MAX_FRAME_BYTES:
        raise FrameTooLong(f"{body_size:,} bytes, where {MAX_FRAME_BYTES:,} may be sent")
    body = (np.ascontiguousarray(a).data for a in frame.arrays.values())
    return b"".join([_HEAD.pack(_MAGIC, len(head), body_size), head, *body])


def send(stream: IO[bytes], frame: Frame) -> None:
    """Write one frame. Raises `FrameTooLong` before anything is written."""
    stream.write(pack(frame))
    stream.flush()


def receive(stream: IO[bytes]) -> Frame | None:
    """Read one frame; None where the stream has ended. Raises `DamagedFrame` at anything else."""
    start = _read(stream, _HEAD.size)
    if not start:
        return None
    if len(start) < _HEAD.size:
        raise DamagedFrame(f"a frame of {len(start)} bytes has no whole head")
    magic, head_size, body_size = _HEAD.unpack(start)
    if magic != _MAGIC:
        raise DamagedFrame(f"a frame begins with {magic!r}")
    if head_size > MAX_HEAD_BYTES or head_size + body_size > MAX_FRAME_BYTES:
        raise DamagedFrame(f"a frame claims {head_size:,} + {body_size:,} bytes")
    head = _read(stream, head_size)
    body = _read(stream, body_size)
    if len(head) < head_size or len(body) < body_size:
        return None  # the process died in the middle of a sentence
    return _parse(head, body)


def _read(stream: IO[bytes], size: int) -> bytes:
    """`size` bytes, or fewer at the stream's end; grows with what arrives, not with the claim."""
    if size <= 2**20:
        return stream.read(size)
    chunks: list[bytes] = []
    while size > 0 and (chunk := stream.read(min(size, 2**20))):
        chunks.append(chunk)
        size -= len(chunk)
    return b"".join(chunks)


def _parse(head: bytes, body: bytes) -> Frame:
    try:
        content, listed = json.loads(head)
        arrays: dict[str, NDArray[Any]] = {}
        at = 0
        for name, code, length in listed:
            dtype = DTYPES[code]
            if type(length) is not int or not 0 <= length <= len(body):
                raise DamagedFrame(f"array {name!r} claims {length!r} values")
            end = at + length * dtype.itemsize
            if end > len(body):
                raise DamagedFrame(f"array {name!r} claims more bytes than came")
            arrays[name] = np.frombuffer(body, dtype, length, at) if length else np.empty(0, dtype)
            at = end
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise DamagedFrame(f"a frame does not parse ({type(error).__name__}: {error})") from error
    if not isinstance(content, dict) or at != len(body):
        raise DamagedFrame("a frame holds more or less than its head says")
    return Frame(content, arrays, len(head) + len(body))
