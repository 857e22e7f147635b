"""MIDI files spelled out byte by byte, for tests: headers, tracks and nothing clever."""

from __future__ import annotations

import struct

END = "00 FF 2F 00"


def track(*lines: str, end: str | None = END, length: int | None = None) -> bytes:
    """A track of lines of hex bytes, each followed by a comment after #."""
    body = b"".join(_bytes(line) for line in (*lines, *([end] if end else [])))
    return b"MTrk" + struct.pack(">I", len(body) if length is None else length) + body


def midi(*tracks: bytes, kind: int = 1, division: int = 480, count: int | None = None) -> bytes:
    """A file of these tracks."""
    header = struct.pack(
        ">IHHH", 6, kind, len(tracks) if count is None else count, division & 0xFFFF
    )
    return b"MThd" + header + b"".join(tracks)


def one(*lines: str, **header: int) -> bytes:
    """A file of type 0 with one track."""
    return midi(track(*lines), **{"kind": 0, **header})


def _bytes(line: str) -> bytes:
    return bytes.fromhex(line.partition("#")[0])
