"""Scores become Standard MIDI files of type 1: one track of maps and texts, then one for each part.

Reading the file gives the score back, with the exceptions that docs/midi.md lists: parts without a
note, notes of one pitch inside each other, and what names and texts may not hold.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from ..errors import BadMusic
from ..music.notes import Bends, Controls, Notes
from ..music.score import DRUM_CHANNEL, Score, Text
from .files import write_whole
from .midi_read import BEND, CONTROL, KEY, METRE, PROGRAM, TEMPO, TEXT_KINDS

NOTE_OFF, NOTE_ON = 0x80, 0x90
TRACK_NAME = 0x03
BANK_SELECT = (0, 32)
LONGEST_WAIT = 2**28 - 1
MELODIC_CHANNELS = tuple(c for c in range(16) if c != DRUM_CHANNEL)

TYPE_OF_KIND = {kind: number for number, kind in TEXT_KINDS.items()}

# What comes first at one tick. Bank selection precedes the program it belongs to; an ending note
# makes room before its successor begins.
ORDER_META, ORDER_CONTROL, ORDER_PROGRAM, ORDER_BEND, ORDER_OFF, ORDER_ON = range(6)

Meta = tuple[int, bytes]


def write_midi(score: Score, path: str | os.PathLike[str], *, force: bool = False) -> None:
    """Write `score` to `path`, whole or not at all. An existing file needs `force`."""
    write_whole(path, midi_bytes(score), force=force)


def midi_bytes(score: Score) -> bytes:
    """`score` as the bytes of a type 1 file. Raises `BadMusic` where MIDI cannot say it."""
    played = np.unique(score.notes.part).tolist()
    if len(played) > 65534:
        raise BadMusic(f"a MIDI file has at most 65,534 parts, not {len(played):,}")
    channels = dict(zip(played, _channels(score, played), strict=True))
    programs = _program_changes(score, channels)
    tracks = [_track(sorted(_conductor(score, set(played)), key=lambda m: m[0]), [])]
    texts: dict[int | None, list[Text]] = {}
    for text in score.texts:
        texts.setdefault(text.part, []).append(text)
    notes, controls, bends = (
        _rows_by_part(table.part, len(score.parts))
        for table in (score.notes, score.controls, score.bends)
    )
    for part in played:
        metas = [_meta(0, TRACK_NAME, score.parts[part].name.encode())]
        metas += [_text(t) for t in texts.get(part, ())]
        messages = _messages(
            score.notes.take(notes[part]),
            score.controls.take(controls[part]),
            score.bends.take(bends[part]),
            channels[part],
            programs[part],
            score.parts[part].program,
        )
        tracks.append(_track(metas, messages))
    header = struct.pack(">4sIHHH", b"MThd", 6, 1, len(tracks), score.ticks_per_quarter)
    return header + b"".join(tracks)


def _rows_by_part(part: NDArray[np.uint16], parts: int) -> list[NDArray[np.intp]]:
    """For each part its rows, in their order. Found together: a damaged file has thousands."""
    order = np.argsort(part, kind="stable")
    return np.split(order, np.searchsorted(part[order], np.arange(1, parts)))


def _channels(score: Score, played: list[int]) -> Iterator[int]:
    """A channel for each part: its own where it is free, else a free one, else a shared one."""
    wanted = [score.parts[p].channel for p in played if not score.parts[p].is_drum]
    free = [c for c in MELODIC_CHANNELS if c not in wanted]
    used: dict[int, int] = {}
    for number in played:
        part = score.parts[number]
        if part.is_drum:
            yield DRUM_CHANNEL
            continue
        channel = part.channel
        if channel is None or channel == DRUM_CHANNEL or channel in used:
            if free:
                channel = free.pop(0)
            else:
                # Sharing hurts least with a part of the same program, then with the fewest parts.
                same = [c for c, program in used.items() if program == part.program]
                channel = same[0] if same else MELODIC_CHANNELS[number % len(MELODIC_CHANNELS)]
        used.setdefault(channel, part.program)
        yield channel


def _program_changes(score: Score, channels: dict[int, int]) -> dict[int, NDArray[np.int64]]:
    """When each part must name its program: once, or wherever a shared channel turns."""
    first = _first_programs(score)
    changes = {part: np.array([tick], np.int64) for part, tick in first.items()}
    for channel in set(channels.values()):
        sharing = [part for part, own in channels.items() if own == channel]
        if len({score.parts[part].program for part in sharing}) < 2:
            continue
        rows = np.flatnonzero(np.isin(score.notes.part, sharing))
        part = score.notes.part[rows]
        turns = np.append(True, part[1:] != part[:-1])
        for own in sharing:
            ticks = score.notes.start_ticks[rows][turns & (part == own)]
            changes[own] = np.unique(np.append(ticks, first[own]))
    return changes


def _first_programs(score: Score) -> dict[int, int]:
    """When each part that plays names its program: at once, or after it has selected its bank."""
    selects = np.isin(score.controls.number, BANK_SELECT)
    selecting = set(score.controls.part[selects].tolist())
    played, row = np.unique(score.notes.part, return_index=True)  # notes are sorted by their start
    starts = score.notes.start_ticks[row].tolist()
    return {
        part: start if part in selecting else 0
        for part, start in zip(played.tolist(), starts, strict=True)
    }


def _conductor(score: Score, played: set[int]) -> Iterator[Meta]:
    for tick, tempo in zip(
        score.tempos.ticks.tolist(), score.tempos.microseconds_per_quarter.tolist(), strict=True
    ):
        yield _meta(tick, TEMPO, tempo.to_bytes(3, "big"))
    metres = score.metres
    for tick, numerator, denominator in zip(
        metres.ticks.tolist(), metres.numerator.tolist(), metres.denominator.tolist(), strict=True
    ):
        power = denominator.bit_length() - 1
        # The last two bytes: MIDI clocks a click, and thirty-seconds a quarter.
        yield _meta(tick, METRE, bytes([numerator, power, 24, 8]))
    for tick, sharps, minor in zip(
        score.keys.ticks.tolist(),
        score.keys.sharps.tolist(),
        score.keys.minor.tolist(),
        strict=True,
    ):
        yield _meta(tick, KEY, struct.pack("bB", sharps, minor))
    for text in score.texts:
        if text.part is None or text.part not in played:
            yield _text(text)


def _text(text: Text) -> Meta:
    return _meta(text.ticks, TYPE_OF_KIND[text.kind], text.text.encode())


def _meta(tick: int, kind: int, payload: bytes) -> Meta:
    return tick, b"\xff" + bytes([kind]) + _number(len(payload)) + payload


def _number(value: int) -> bytes:
    """A whole number as MIDI writes it: seven bits a byte, the highest first."""
    groups = [value & 127]
    while value := value >> 7:
        groups.append(128 | (value & 127))
    return bytes(reversed(groups))


# One row a message: tick, order at that tick, status, first and second data byte (-1: none).
Messages = list[tuple[NDArray[np.int64], int, int, NDArray[np.int64], NDArray[np.int64]]]


def _messages(
    notes: Notes,
    controls: Controls,
    bends: Bends,
    channel: int,
    program_ticks: NDArray[np.int64],
    program: int,
) -> Messages:
    bend = bends.value.astype(np.int64) + 8192
    programs = np.full(len(program_ticks), program)
    pitch = notes.pitch.astype(np.int64)
    return [
        (
            controls.ticks,
            ORDER_CONTROL,
            CONTROL | channel,
            controls.number.astype(np.int64),
            controls.value.astype(np.int64),
        ),
        (program_ticks, ORDER_PROGRAM, PROGRAM | channel, programs, np.full(len(programs), -1)),
        (bends.ticks, ORDER_BEND, BEND | channel, bend & 127, bend >> 7),
        (notes.end_ticks, ORDER_OFF, NOTE_OFF | channel, pitch, np.full(len(notes), 64)),
        (
            notes.start_ticks,
            ORDER_ON,
            NOTE_ON | channel,
            pitch,
            notes.velocity.astype(np.int64),
        ),
    ]


def _track(metas: list[Meta], messages: Messages) -> bytes:
    """Metas and messages, sorted by time, as one track chunk. Built as arrays, byte by byte."""
    counts = [len(metas), *(len(m[0]) for m in messages)]
    tick = np.concatenate([np.array([m[0] for m in metas], np.int64), *(m[0] for m in messages)])
    order = np.repeat([ORDER_META, *(m[1] for m in messages)], counts)
    status = np.repeat([0, *(m[2] for m in messages)], counts)
    nothing = np.full(len(metas), -1)
    first = np.concatenate([nothing, *(m[3] for m in messages)])
    second = np.concatenate([nothing, *(m[4] for m in messages)])
    size = np.where(second < 0, 2, 3)
    size[: len(metas)] = [len(m[1]) for m in metas]

    in_time = np.lexsort((order, tick))  # stable: what stood first at one moment stays first
    wait = np.diff(tick[in_time], prepend=0)
    if len(wait) and wait.max() > LONGEST_WAIT:
        raise BadMusic(f"a rest of {wait.max():,} ticks; MIDI can wait {LONGEST_WAIT:,} at most")
    wait_size = 1 + (wait >= 1 << 7) + (wait >= 1 << 14) + (wait >= 1 << 21)
    ends = np.cumsum(wait_size + size[in_time])
    body = np.zeros(int(ends[-1]) if len(ends) else 0, np.uint8)
    at = ends - size[in_time]
    for back in range(1, 5):
        rows = wait_size >= back
        septet = (wait[rows] >> (7 * (back - 1))) & 127
        body[at[rows] - back] = septet | (128 if back > 1 else 0)
    place = np.empty(len(at), np.int64)
    place[in_time] = at
    for row, (_, payload) in enumerate(metas):
        body[place[row] : place[row] + len(payload)] = np.frombuffer(payload, np.uint8)
    voices = slice(len(metas), None)
    body[place[voices]] = status[voices]
    body[place[voices] + 1] = first[voices]
    both = np.flatnonzero(second >= 0)
    body[place[both] + 2] = second[both]
    end = b"\x00\xff\x2f\x00"
    return b"MTrk" + struct.pack(">I", len(body) + len(end)) + body.tobytes() + end
