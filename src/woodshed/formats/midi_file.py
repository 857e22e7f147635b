"""Where the tracks of a MIDI file lie: wrappers, header, chunks, and lengths that lie.

Knows nothing of the events inside a track.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from ..errors import BadFile
from .midi_repairs import Ledger

HEADER_SEARCH_BYTES = 65_536
"""How far into a file its header may stand; some archives put their own before it."""

MAX_TRACKS = 65_535
CHUNK_NAME = re.compile(rb"[A-Za-z0-9 ]{4}")

# What people hand over in place of a MIDI file: first bytes, offset, and what to say.
OTHER_FORMATS = (
    (b"SMF2CLIP", 0, "it is a MIDI 2.0 clip; save it as a MIDI 1.0 file (.mid)"),
    (b"WAVE", 8, "it is a WAV recording, not MIDI"),
    (b"fLaC", 0, "it is a FLAC recording, not MIDI"),
    (b"OggS", 0, "it is an Ogg recording, not MIDI"),
    (b"ID3", 0, "it is an MP3 recording, not MIDI"),
    (b"\xff\xfb", 0, "it is an MP3 recording, not MIDI"),
    (b"<?xml", 0, "it is an XML file, not MIDI; export MIDI from your notation program"),
    (b"<", 0, "it is a web page or XML, not MIDI; the download may have failed"),
    (b"PK\x03\x04", 0, "it is a ZIP archive; unpack it first"),
    (b"\x1f\x8b", 0, "it is a gzip archive; unpack it first"),
    (b"\xf0", 0, "it is a system exclusive dump, not a MIDI file"),
)


@dataclass(frozen=True, slots=True)
class Layout:
    """The tracks of a file as byte ranges of `data`, and what its header says of time.

    `microseconds_per_quarter` is set where the file counts in film frames: then the tempo is fixed.
    """

    data: bytes
    midi_type: int
    ticks_per_quarter: int
    microseconds_per_quarter: int | None
    tracks: list[tuple[int, int]]


def lay_out(data: bytes, path: str, ledger: Ledger) -> Layout:
    """Find header and tracks. Raises `BadFile` where there is no header, no track, or no time."""
    data = _unwrap_riff(data, ledger)
    header = _find_header(data, path, ledger)
    if len(data) < header + 14:
        raise BadFile(path, f"it ends inside its header, after {len(data)} bytes")
    length = int.from_bytes(data[header + 4 : header + 8], "big")
    midi_type, declared, division = (
        int.from_bytes(data[at : at + 2], "big") for at in range(header + 8, header + 14, 2)
    )
    if length < 6 or length > 64:
        ledger.note("ODD_HEADER", 1)
        length = 6
    if midi_type > 2:
        ledger.note("UNKNOWN_TYPE", 1)
        midi_type = 1
    tracks = _find_tracks(data, header + 8 + length, declared, ledger)
    if not tracks:
        raise BadFile(path, "it has a header but no tracks")
    if len(tracks) > MAX_TRACKS:
        raise BadFile(path, f"it has {len(tracks):,} tracks; a file has at most {MAX_TRACKS:,}")
    if len(tracks) != declared:
        ledger.note("TRACK_COUNT", abs(len(tracks) - declared))
    ticks_per_quarter, fixed = _time_base(division, path)
    return Layout(data, midi_type, ticks_per_quarter, fixed, tracks)


def _unwrap_riff(data: bytes, ledger: Ledger) -> bytes:
    """The MIDI file inside a RIFF wrapper (.rmi); anything else as it is."""
    at = 12
    while data.startswith(b"RIFF") and data.startswith(b"RMID", 8) and at + 8 <= len(data):
        size = int.from_bytes(data[at + 4 : at + 8], "little")
        if data.startswith(b"data", at):
            end = at + 8 + size
            ledger.note("TRUNCATED", end > len(data))
            ledger.note("UNKNOWN_CHUNK", end + 8 <= len(data))
            return data[at + 8 : end]
        ledger.note("UNKNOWN_CHUNK", 1)
        at += 8 + size + size % 2  # chunks are padded to an even length
    return data


def _find_header(data: bytes, path: str, ledger: Ledger) -> int:
    if data.startswith(b"MThd"):
        return 0
    if not data:
        raise BadFile(path, "it is empty, 0 bytes")
    found = data.find(b"MThd", 0, HEADER_SEARCH_BYTES)
    if found >= 0:
        ledger.note("LEADING_JUNK", found)
        return found
    for start, offset, sentence in OTHER_FORMATS:
        if data.startswith(start, offset):
            raise BadFile(path, sentence)
    raise BadFile(path, f"it is not a MIDI file: it begins with {data[:8]!r}, not with b'MThd'")


def _find_tracks(data: bytes, at: int, declared: int, ledger: Ledger) -> list[tuple[int, int]]:
    tracks: list[tuple[int, int]] = []
    while at + 8 <= len(data):
        name = data[at : at + 4]
        if not CHUNK_NAME.fullmatch(name):
            following = data.find(b"MTrk", at)
            ledger.note("JUNK", (following if following >= 0 else len(data)) - at)
            if following < 0:
                break
            at = following
            continue
        start = at + 8
        stop = start + int.from_bytes(data[at + 4 : start], "big")
        if name != b"MTrk":
            ledger.note("UNKNOWN_CHUNK", 1)
            if stop > len(data):  # the next track, if there is any, is all that can follow
                stop = data.find(b"MTrk", start)
                if stop < 0:
                    break
            at = stop
            continue
        if len(tracks) + 1 < declared and not _is_chunk(data, stop):
            # More tracks are to come and none stands where this length points: it is wrong.
            following = data.find(b"MTrk", start)
            if following >= 0:
                ledger.note("BAD_LENGTH", 1)
                stop = following
        elif stop < len(data) and not _ends_track(data, stop) and not _is_chunk(data, stop):
            following = data.find(b"MTrk", stop)
            ledger.note("BAD_LENGTH", 1)
            stop = following if following >= 0 else len(data)
        if stop > len(data):
            ledger.note("TRUNCATED", 1)
            stop = len(data)
        tracks.append((start, stop))
        at = stop
    ledger.note("JUNK", max(len(data) - at, 0) if 0 < len(data) - at < 8 else 0)
    return tracks


def _is_chunk(data: bytes, at: int) -> bool:
    return CHUNK_NAME.fullmatch(data[at : at + 4]) is not None


def _ends_track(data: bytes, stop: int) -> bool:
    return data[stop - 3 : stop] == b"\xff\x2f\x00"


def _time_base(division: int, path: str) -> tuple[int, int | None]:
    """Ticks a quarter and, for SMPTE time, the fixed length of a quarter in µs."""
    if division < 0x8000:
        if division == 0:
            raise BadFile(path, "its header says 0 ticks a quarter, so its notes have no time")
        return division, None
    frames, per_frame = 256 - (division >> 8), division & 0xFF
    if frames not in (24, 25, 29, 30) or per_frame == 0:
        raise BadFile(path, f"its header counts {frames} film frames of {per_frame} ticks a second")
    # 29 stands for 30 frames dropped to 29.97 a second. Half a second makes a quarter, at 120 BPM,
    # or a whole one where half a second is not a whole number of ticks.
    second_ticks = (30 if frames == 29 else frames) * per_frame
    second_us = 1_001_000 if frames == 29 else 1_000_000
    if second_ticks % 2:
        return second_ticks, second_us
    return second_ticks // 2, second_us // 2
