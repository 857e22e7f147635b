"""How results cross from a reader process: a JSON head and raw arrays, checked before they are believed.

No pickle: the process on the other side has read a stranger's file and may say anything.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

MAX_FRAME_BYTES = 2**30
"""No honest answer is longer; a length beyond this is a lie, and nothing is allocated for it."""

DTYPES = {np.dtype(d).str: np.dtype(d) for d in ("u1", "i1", "?", "<u2", "<i2", "<i4", "<i8", "<f8")}
_encode = json.JSONEncoder(separators=(",", ":"), check_circular=False).encode
_HEAD = struct.Struct("<4sII")
_MAGIC = b"WSF1"


class DamagedFrame(ValueError):
    """What came over the pipe is not a frame: the process behind it is broken, or lies."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One message: anything JSON can say, and flat arrays by name."""

    head: dict[str, Any]
    arrays: Mapping[str, NDArray[Any]] = field(default_factory=dict)


def send(stream: BinaryIO, frame: Frame) -> None:
    """Write one frame."""
    listed = [[name, a.dtype.str, len(a)] for name, a in frame.arrays.items()]
    head = _encode([frame.head, listed]).encode()
    body = [a.tobytes() for a in frame.arrays.values()]
    stream.write(b"".join([_HEAD.pack(_MAGIC, len(head), sum(map(len, body))), head, *body]))
    stream.flush()


def receive(stream: BinaryIO) -> Frame | None:
    """Read one frame; None where the stream has ended. Raises `DamagedFrame` at anything else."""
    start = _read(stream, _HEAD.size)
    if not start:
        return None
    if len(start) < _HEAD.size:
        raise DamagedFrame(f"a frame of {len(start)} bytes has no whole head")
    magic, head_size, body_size = _HEAD.unpack(start)
    if magic != _MAGIC:
        raise DamagedFrame(f"a frame begins with {magic!r}")
    if head_size + body_size > MAX_FRAME_BYTES:
        raise DamagedFrame(f"a frame claims {head_size + body_size:,} bytes")
    head = _read(stream, head_size)
    body = _read(stream, body_size)
    if len(head) < head_size or len(body) < body_size:
        return None  # the process died in the middle of a sentence
    return _parse(head, body)


def _read(stream: BinaryIO, size: int) -> bytes:
    """`size` bytes, or fewer at the end of the stream; grows with what arrives, not with the claim."""
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
            end = at + length * dtype.itemsize
            if type(length) is not int or not at <= end <= len(body):
                raise DamagedFrame(f"array {name!r} claims {length} values")
            arrays[name] = np.frombuffer(body, dtype, length, at) if length else np.empty(0, dtype)
            at = end
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise DamagedFrame(f"a frame does not parse ({type(error).__name__}: {error})") from error
    if not isinstance(content, dict) or at != len(body):
        raise DamagedFrame("a frame holds more or less than its head says")
    return Frame(content, arrays)
