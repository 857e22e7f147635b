"""One pass over the bytes of MIDI tracks: notes are paired, other events located, faults counted.

The same function runs in two ways. Plain Python serves a file or two without a compiler's start-up;
numba compiles it when a folder is read. It never reads outside its tracks and never fails: what is
damaged is stepped over and counted. It knows bytes and ticks only; meaning is `midi_read`'s
business.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..music.columns import MAX_TICKS
from ..music.compiled import WhenItPays

COMPILE_FROM_BYTES = 400_000
"""Plain Python scans about 1.5 MB a second; past this much, loading the compiled form pays."""


class Fault(IntEnum):
    """What the pass stepped over or mended: the rows of its count table."""

    HANGING = 0
    ORPHAN_OFF = 1
    ZERO_LENGTH = 2
    OVERLAP = 3
    NO_STATUS = 4
    BAD_DATA = 5
    ILLEGAL_STATUS = 6
    LATE_RUNNING_STATUS = 7
    LONG_NUMBER = 8
    CUT_EVENT = 9
    NO_END = 10
    AFTER_END = 11
    TOO_LONG = 12
    AFTERTOUCH = 13
    SYSTEM_EXCLUSIVE = 14
    RELEASE_VELOCITY = 15


# The pass counts with plain numbers, which the compiler and the interpreter both take as they are.
_HANGING, _ORPHAN_OFF, _ZERO_LENGTH, _OVERLAP, _NO_STATUS = 0, 1, 2, 3, 4
_BAD_DATA, _ILLEGAL_STATUS, _LATE_RUNNING_STATUS, _LONG_NUMBER = 5, 6, 7, 8
_CUT_EVENT, _NO_END, _AFTER_END, _TOO_LONG, _AFTERTOUCH, _SYSEX = 9, 10, 11, 12, 13, 14
_RELEASE = 15
_MAX_TICKS = MAX_TICKS


@dataclass(frozen=True, slots=True)
class Scan:
    """What stands in the tracks of one file, in file order.

    `note_voice` and `event_voice` are track · 16 + channel. `note_program` is -1 where the track
    itself has named no program yet; `note_after_off` is 1 where a stray note-off of its pitch stood
    at the same tick before it, 2 where that one ended another note, else 0. `event_status` is a
    channel message's upper half-byte (0xB0, 0xC0, 0xE0), 0xF0 for system exclusive, or a meta
    event's type (below 0x80); the payload lies at `event_at`, `event_size` bytes long.
    """

    note_start: NDArray[np.int64]
    note_end: NDArray[np.int64]
    note_pitch: NDArray[np.uint8]
    note_velocity: NDArray[np.uint8]
    note_voice: NDArray[np.int32]
    note_program: NDArray[np.int16]
    note_after_off: NDArray[np.uint8]
    event_tick: NDArray[np.int64]
    event_status: NDArray[np.uint8]
    event_voice: NDArray[np.int32]
    event_at: NDArray[np.int64]
    event_size: NDArray[np.int64]
    track_end: NDArray[np.int64]
    faults: NDArray[np.int64]


def scan_tracks(data: bytes, tracks: list[tuple[int, int]], *, successive: bool = False) -> Scan:
    """Scan the byte ranges `tracks`; `successive` ones begin where the last one ended."""
    return _run(_SCAN.after(len(data)) or _pass, data, tracks, successive=successive)


def _run(run: Pass, data: bytes, tracks: list[tuple[int, int]], *, successive: bool) -> Scan:
    # A note takes three bytes or more, another event two: no track can overflow these.
    most_notes, most_events = len(data) // 3 + 1, len(data) // 2 + 1
    note_start = np.empty(most_notes, np.int64)
    note_end = np.empty(most_notes, np.int64)
    note_pitch = np.empty(most_notes, np.uint8)
    note_velocity = np.empty(most_notes, np.uint8)
    note_voice = np.empty(most_notes, np.int32)
    note_program = np.empty(most_notes, np.int16)
    note_next = np.empty(most_notes, np.int64)
    note_after_off = np.empty(most_notes, np.uint8)
    event_tick = np.empty(most_events, np.int64)
    event_status = np.empty(most_events, np.uint8)
    event_voice = np.empty(most_events, np.int32)
    event_at = np.empty(most_events, np.int64)
    event_size = np.empty(most_events, np.int64)
    track_end = np.zeros(len(tracks), np.int64)
    faults = np.zeros(len(Fault), np.int64)
    bounds = np.array(tracks, np.int64).reshape(-1, 2)
    notes, events = run(
        data, bounds, successive,
        note_start, note_end, note_pitch, note_velocity, note_voice, note_program, note_next,
        note_after_off,
        event_tick, event_status, event_voice, event_at, event_size, track_end, faults,
    )  # fmt: skip
    return Scan(
        note_start[:notes], note_end[:notes], note_pitch[:notes], note_velocity[:notes],
        note_voice[:notes], note_program[:notes], note_after_off[:notes],
        event_tick[:events], event_status[:events], event_voice[:events],
        event_at[:events], event_size[:events], track_end, faults,
    )  # fmt: skip


Pass = Callable[..., tuple[int, int]]


def compiled_pass() -> Pass:
    """The pass as machine code, from the cache on disk where there is one; plain without numba."""
    return _SCAN.form or _pass


def _pass(
    data: Any, bounds: Any, successive: Any,
    note_start: Any, note_end: Any, note_pitch: Any, note_velocity: Any, note_voice: Any,
    note_program: Any, note_next: Any, note_after_off: Any,
    event_tick: Any, event_status: Any, event_voice: Any, event_at: Any, event_size: Any,
    track_end: Any, faults: Any,
) -> tuple[int, int]:  # fmt: skip
    # One long function on purpose: numba compiles it once, and state stays in registers.
    notes = 0
    events = 0
    tick = 0
    # Sounding notes wait in one queue for each channel and pitch, oldest first.
    oldest = np.empty(2048, np.int64)
    newest = np.empty(2048, np.int64)
    last_off = np.empty(2048, np.int64)
    stray_off = np.empty(2048, np.bool_)
    programs = np.empty(16, np.int64)
    for track in range(len(bounds)):
        at = int(bounds[track, 0])
        stop = int(bounds[track, 1])
        oldest[:] = -1
        last_off[:] = -1
        programs[:] = -1
        if not successive:
            tick = 0
        running = 0
        after_meta = False
        ended = False
        open_notes = 0
        first_note = notes
        while at < stop:
            # How long to wait: a number of seven bits a byte.
            delta = 0
            size = 0
            byte = 128
            while at < stop and byte >= 128:
                byte = data[at]
                at += 1
                size += 1
                delta = ((delta << 7) | (byte & 127)) & 0xFFFFFFF
            if size > 4:
                faults[_LONG_NUMBER] += 1
            if at >= stop:
                faults[_CUT_EVENT] += 1
                break
            tick += delta
            if tick > _MAX_TICKS:
                faults[_TOO_LONG] += 1
                tick -= delta
                ended = True
                break

            status = data[at]
            if status >= 128:
                at += 1
            elif running:
                if after_meta:
                    faults[_LATE_RUNNING_STATUS] += 1
                status = running
            else:
                # Nothing says what these bytes are: step to the next one that does.
                while at < stop and data[at] < 128:
                    faults[_NO_STATUS] += 1
                    at += 1
                if at >= stop:
                    break
                status = data[at]
                at += 1
            after_meta = False

            if status < 0xF0:
                running = status
                kind = status & 0xF0
                channel = status & 15
                needed = 1 if kind == 0xC0 or kind == 0xD0 else 2
                if at + needed > stop:
                    faults[_CUT_EVENT] += 1
                    at = stop
                    break
                first = data[at]
                second = data[at + needed - 1]
                at += needed
                if first > 127 or second > 127:
                    faults[_BAD_DATA] += 1
                    if first > 127:
                        continue
                    if kind != 0x90 and kind != 0x80:
                        continue
                    second = 127
                if kind == 0x90 and second > 0:
                    key = channel * 128 + first
                    note_start[notes] = tick
                    note_end[notes] = -1
                    note_pitch[notes] = first
                    note_velocity[notes] = second
                    note_voice[notes] = track * 16 + channel
                    note_program[notes] = programs[channel]
                    note_next[notes] = -1
                    note_after_off[notes] = 0
                    if last_off[key] == tick:
                        note_after_off[notes] = 1 if stray_off[key] else 2
                    if oldest[key] < 0:
                        oldest[key] = notes
                    else:
                        note_next[newest[key]] = notes
                    newest[key] = notes
                    notes += 1
                    open_notes += 1
                elif kind == 0x90 or kind == 0x80:
                    if kind == 0x80 and second != 0 and second != 64:
                        faults[_RELEASE] += 1
                    key = channel * 128 + first
                    closing = oldest[key]
                    last_off[key] = tick
                    stray_off[key] = closing < 0
                    if closing < 0:
                        faults[_ORPHAN_OFF] += 1
                    else:
                        following = note_next[closing]
                        if following >= 0 and note_start[following] < tick:
                            faults[_OVERLAP] += 1
                        if note_start[closing] == tick:
                            faults[_ZERO_LENGTH] += 1
                        note_end[closing] = tick
                        oldest[key] = following
                        open_notes -= 1
                elif kind == 0xA0 or kind == 0xD0:
                    faults[_AFTERTOUCH] += 1
                else:
                    if kind == 0xC0:
                        programs[channel] = first
                    event_tick[events] = tick
                    event_status[events] = kind
                    event_voice[events] = track * 16 + channel
                    event_at[events] = at - needed
                    event_size[events] = needed
                    events += 1
            elif status == 0xFF or status == 0xF0 or status == 0xF7:
                after_meta = running > 0
                kind = status
                if status == 0xFF:
                    if at >= stop:
                        faults[_CUT_EVENT] += 1
                        break
                    kind = data[at]
                    at += 1
                length = 0
                size = 0
                byte = 128
                while at < stop and byte >= 128:
                    byte = data[at]
                    at += 1
                    size += 1
                    length = ((length << 7) | (byte & 127)) & 0xFFFFFFF
                if size > 4:
                    faults[_LONG_NUMBER] += 1
                if at + length > stop or byte >= 128:
                    faults[_CUT_EVENT] += 1
                    at = stop
                    break
                if status == 0xFF and kind == 0x2F:
                    ended = True
                    at += length
                    if at < stop:
                        faults[_AFTER_END] += stop - at
                    break
                if status != 0xFF:
                    faults[_SYSEX] += 1
                if kind < 128 or kind == 0xF0:
                    event_tick[events] = tick
                    event_status[events] = kind
                    event_voice[events] = track * 16
                    event_at[events] = at
                    event_size[events] = length
                    events += 1
                at += length
            else:
                # Messages for live wires only; in a file they stand by mistake.
                faults[_ILLEGAL_STATUS] += 1
                skip = 0
                if status == 0xF1 or status == 0xF3:
                    skip = 1
                elif status == 0xF2:
                    skip = 2
                while skip > 0 and at < stop and data[at] < 128:
                    at += 1
                    skip -= 1
        if not ended:
            faults[_NO_END] += 1
        track_end[track] = tick
        if open_notes > 0:
            for note in range(first_note, notes):
                if note_end[note] < 0:
                    faults[_HANGING] += 1
    return notes, events


_SCAN: WhenItPays[Pass] = WhenItPays(
    _pass, lambda run: _run(run, b"", [], successive=False), COMPILE_FROM_BYTES
)
