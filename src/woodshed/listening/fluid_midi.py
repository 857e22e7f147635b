"""One stem as a small MIDI file, in real time, for a synthesiser outside."""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from .playing import BEND_RANGE_SEMITONES, DATA_ENTRY, REGISTERED, REGISTERED_FINE, Playing

TICKS_PER_QUARTER = 5000
MICROSECONDS_PER_QUARTER = 500_000
TICKS_PER_SECOND = 10_000

DRUMS = 9
MELODIC = [channel for channel in range(16) if channel != DRUMS]
NOTHING = bytes((0xB0, 119, 0))
"""A controller that has no meaning: it marks time."""

LONGEST_WAIT = 2**28 - 1
"""What four groups of seven bits hold: between two events of a file, some seven hours."""

# What comes first of several events at one moment.
SET_UP, OFF, GESTURE, ON = range(4)

Event = tuple[int, int, bytes]


def stem_midi(playing: Playing, stem: int, from_seconds: float, end_seconds: float) -> bytes:
    """The notes and gestures of one stem from a moment on, as a MIDI file `end_seconds` long.

    Notes that sound at that moment begin again. Parts beyond the fifteenth share channels: their
    programs change from note to note, their gestures mix.
    """
    channels = _channels(playing, stem)
    events = [
        *_set_up(playing, channels),
        *_gestures(playing, channels, from_seconds),
        *_notes(playing, channels, from_seconds),
    ]
    events.sort(key=lambda event: event[:2])
    end = _tick(end_seconds)
    # A file may set controllers long after its last note.
    heard = [event for event in events if event[0] <= end]
    return _file([*heard, (end, ON, NOTHING)])


def _channels(playing: Playing, stem: int) -> dict[int, int]:
    """The MIDI channel of each track of the stem."""
    rows = [n for n, track in enumerate(playing.tracks) if track.stem == stem]
    melodic = [n for n in rows if not playing.tracks[n].is_drum]
    channels = {n: MELODIC[place % len(MELODIC)] for place, n in enumerate(melodic)}
    return channels | {n: DRUMS for n in rows if playing.tracks[n].is_drum}


def _set_up(playing: Playing, channels: dict[int, int]) -> Iterator[Event]:
    for row, channel in channels.items():
        yield 0, SET_UP, bytes((0xC0 | channel, playing.tracks[row].program))
        if (reach := _reach(playing, row)) != BEND_RANGE_SEMITONES:
            for number, value in ((REGISTERED, 0), (REGISTERED_FINE, 0), (DATA_ENTRY, reach)):
                yield 0, SET_UP, bytes((0xB0 | channel, number, value))


def _reach(playing: Playing, row: int) -> int:
    """The widest bend of a track, in whole semitones."""
    widest = np.abs(playing.bend_semitones[playing.bend_track == row]).max(initial=0.0)
    return max(int(BEND_RANGE_SEMITONES), math.ceil(float(widest)))


def _gestures(playing: Playing, channels: dict[int, int], begin: float) -> Iterator[Event]:
    """Controls and bends; what was in force before stands at the beginning."""
    own = np.isin(playing.control_track, list(channels))
    for at, row, number, value in zip(
        playing.control_seconds[own].tolist(),
        playing.control_track[own].tolist(),
        playing.control_number[own].tolist(),
        playing.control_value[own].tolist(),
        strict=True,
    ):
        yield _tick(at - begin), GESTURE, bytes((0xB0 | channels[row], number, value))
    own = np.isin(playing.bend_track, list(channels))
    reaches = {row: _reach(playing, row) for row in channels}
    for at, row, semitones in zip(
        playing.bend_seconds[own].tolist(),
        playing.bend_track[own].tolist(),
        playing.bend_semitones[own].tolist(),
        strict=True,
    ):
        turn = min(max(round(semitones / reaches[row] * 8192), -8192), 8191) + 8192
        yield _tick(at - begin), GESTURE, bytes((0xE0 | channels[row], turn & 127, turn >> 7))


def _notes(playing: Playing, channels: dict[int, int], begin: float) -> Iterator[Event]:
    own = np.isin(playing.track, list(channels)) & (playing.end_seconds > begin)
    start, pitch = playing.start_seconds[own], playing.pitch[own]
    track, velocity = playing.track[own], playing.velocity[own]
    channel = np.array([channels.get(n, 0) for n in range(len(playing.tracks))], np.int64)[track]
    end = _until_struck_again(channel, pitch, start, playing.end_seconds[own])
    sounding = {channels[row]: playing.tracks[row].program for row in channels}
    for first, last, row, key, force in zip(
        start.tolist(), end.tolist(), track.tolist(), pitch.tolist(), velocity.tolist(), strict=True
    ):
        place, program = channels[row], playing.tracks[row].program
        tick = _tick(first - begin)
        if sounding[place] != program and place != DRUMS:
            sounding[place] = program
            yield tick, ON, bytes((0xC0 | place, program))
        yield tick, ON, bytes((0x90 | place, key, force))
        yield max(_tick(last - begin), tick), OFF, bytes((0x80 | place, key, 0))


def _until_struck_again(
    channel: NDArray[np.int64],
    pitch: NDArray[np.uint8],
    start: NDArray[np.float64],
    end: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Ends of notes sorted by start, none of them after the next note of its channel and pitch.

    A note-off names no note, only a pitch, so that of an earlier note would end the later.
    """
    key = channel << 7 | pitch
    order = np.lexsort((start, key))
    shortened = end[order]
    is_same = key[order][1:] == key[order][:-1]
    shortened[:-1][is_same] = np.minimum(shortened[:-1], start[order][1:])[is_same]
    ends = np.empty_like(end)
    ends[order] = shortened
    return ends


def _tick(seconds: float) -> int:
    return max(round(seconds * TICKS_PER_SECOND), 0)


def _file(events: list[Event]) -> bytes:
    """A MIDI file of type 0; the events lie in order."""
    track = bytearray(b"\0\xff\x51\x03" + MICROSECONDS_PER_QUARTER.to_bytes(3, "big"))
    now = 0
    for tick, _, message in events:
        while tick - now > LONGEST_WAIT:
            track += _length(LONGEST_WAIT) + NOTHING
            now += LONGEST_WAIT
        track += _length(tick - now) + message
        now = tick
    track += b"\0\xff\x2f\0"
    head = struct.pack(">4sIHHH", b"MThd", 6, 0, 1, TICKS_PER_QUARTER)
    return head + struct.pack(">4sI", b"MTrk", len(track)) + bytes(track)


def _length(ticks: int) -> bytes:
    """A number in groups of seven bits, as MIDI writes waiting times."""
    assert ticks >= 0
    groups = [ticks & 127]
    while ticks := ticks >> 7:
        groups.append(ticks & 127 | 128)
    return bytes(reversed(groups))
