"""Standard MIDI files become scores; what was mended or left out stands in `Score.source`.

A part is one program on one channel of one track, as most readers have it. Controllers reach every
part of their channel in their track, or of their channel in the whole file where that track plays
none. Knows nothing of folders; `contain` keeps a stranger's file in a process of its own.
"""

from __future__ import annotations

import os
import re
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import BadFile, BadMusic
from ..music.notes import Bends, Controls, Notes
from ..music.score import DRUM_CHANNEL, Part, Score, Source, Text, TextKind
from ..music.time import DEFAULT_MICROSECONDS_PER_QUARTER, KeyMap, MetreMap, TempoMap
from .midi_file import Layout, lay_out
from .midi_repairs import Ledger
from .midi_scan import Fault, Scan, scan_tracks

MAX_BYTES = 64 * 2**20
"""Larger files are refused unread; the longest real ones have a few million bytes."""

MAX_REACHED = 2**21
"""No real file comes near; a small bad one can reach a thousand parts with ten thousand events."""

TEXT_KINDS: dict[int, TextKind] = {
    0x01: "text",
    0x02: "copyright",
    0x03: "title",
    0x04: "instrument",
    0x05: "lyric",
    0x06: "marker",
    0x07: "cue",
}
TEMPO, METRE, KEY = 0x51, 0x58, 0x59
CONTROL, PROGRAM, BEND, SYSEX = 0xB0, 0xC0, 0xE0, 0xF0


def read_midi(source: str | os.PathLike[str] | bytes) -> Score:
    """Read a MIDI file, from its path or its bytes.

    Types 0, 1 and 2, RIFF-wrapped files, SMPTE time and damaged files are all read as far as they
    make sense; `score.source.repairs` and `.left_out` say what was done. The patterns of a type 2
    file follow one another. Runs in this process: use it for your own files, `read_contained` for a
    stranger's. Raises `BadFile` where there is no music to be had.
    """
    if isinstance(source, bytes):
        data, name = source, None
    else:
        name = os.fspath(source)
        data = read_bytes(name)
    try:
        return _score(data, name)
    except BadMusic as error:
        raise BadFile(name or "<bytes>", str(error)) from error


def read_bytes(path: str) -> bytes:
    """A file's bytes; `BadFile` says in words why there are none."""
    try:
        status = os.stat(path)
        if stat.S_ISDIR(status.st_mode):
            raise IsADirectoryError
        if not stat.S_ISREG(status.st_mode):  # a pipe could keep us waiting for ever
            raise BadFile(path, "it is a pipe or a device, not a regular file")
        if status.st_size > MAX_BYTES:
            raise BadFile(
                path, f"it has {status.st_size:,} bytes; a MIDI file has at most {MAX_BYTES:,}"
            )
        return Path(path).read_bytes()
    except FileNotFoundError:
        raise BadFile(path, "there is no such file") from None
    except IsADirectoryError:
        raise BadFile(path, "this is a folder, not a file") from None
    except OSError as error:
        raise BadFile(path, f"it cannot be opened ({error.strerror or error})") from None
    except ValueError as error:  # a null character in the name
        raise BadFile(path, f"it cannot be opened ({error})") from None


def _score(data: bytes, path: str | None) -> Score:
    ledger = Ledger()
    layout = lay_out(data, path or "<bytes>", ledger)
    scan = scan_tracks(layout.data, layout.tracks, successive=layout.midi_type == 2)
    for fault in Fault:
        ledger.note(fault.name, int(scan.faults[fault]))
    payload = np.frombuffer(layout.data, np.uint8)
    parts = _find_parts(scan, payload)
    controls, bends = _channel_events(scan, payload, parts, ledger)
    meta = _read_meta(scan, layout.data, parts, ledger)
    return Score(
        ticks_per_quarter=layout.ticks_per_quarter,
        notes=Notes(
            scan.note_start,
            np.maximum(_note_ends(scan) - scan.note_start, 1),
            scan.note_pitch,
            scan.note_velocity,
            parts.of_note,
        ),
        parts=meta.parts,
        tempos=_tempos(scan, payload, layout, ledger),
        metres=_metres(scan, payload, ledger),
        keys=_keys(scan, payload, ledger),
        controls=controls,
        bends=bends,
        texts=meta.texts,
        source=Source(path, layout.midi_type, ledger.repairs(), ledger.left_out()),
    )


def _note_ends(scan: Scan) -> NDArray[np.int64]:
    """Note ends, with those mended that were missing.

    One lost note-off would hand every later note of its pitch the end of the one before. So where a
    pitch has one too few, its notes end at their next note-off or next onset, whichever comes
    first.
    """
    if not scan.faults[Fault.HANGING]:
        return scan.note_end
    ends = scan.note_end.copy()
    key = scan.note_voice.astype(np.int64) * 128 + scan.note_pitch
    hurt = np.flatnonzero(np.isin(key, key[ends < 0]))
    moment = (key[hurt] << 32) | scan.note_start[hurt]
    known = ends[hurt] >= 0
    offs = np.sort((key[hurt] << 32)[known] | ends[hurt][known])
    limit = (key[hurt] << 32) | scan.track_end[scan.note_voice[hurt] // 16]
    ends[hurt] = np.minimum(
        np.minimum(_following(offs, moment), _following(np.sort(moment), moment)), limit
    ) & (2**32 - 1)
    # Some write notes of no length the wrong way round, note-off first.
    after_off = scan.note_after_off[hurt]
    whole = np.unique(key[hurt][after_off == 0])
    backwards = hurt[(after_off == 1) | ((after_off == 2) & ~np.isin(key[hurt], whole))]
    ends[backwards] = scan.note_start[backwards]
    return ends


def _following(moments: NDArray[np.int64], after: NDArray[np.int64]) -> NDArray[np.int64]:
    """For each value the next larger one among the sorted `moments`, or the largest integer."""
    padded = np.append(moments, np.iinfo(np.int64).max)
    return padded[np.searchsorted(moments, after, side="right")]


@dataclass(frozen=True, slots=True)
class _Parts:
    """Which parts a file has: for each its voice (track · 16 + channel) and program."""

    voice: NDArray[np.int64]
    program: NDArray[np.int64]
    is_drum: NDArray[np.bool_]
    of_note: NDArray[np.uint16]


def _find_parts(scan: Scan, payload: NDArray[np.uint8]) -> _Parts:
    program = _programs(scan, payload)
    key = scan.note_voice.astype(np.int64) * 128 + program
    found, first, inverse = np.unique(key, return_index=True, return_inverse=True)
    if len(found) > 65535:
        raise BadMusic(f"{len(found):,} parts are more than the 65,535 a score may have")
    order = np.lexsort((first, found // 128))  # by track and channel, then by first appearance
    rank = np.empty(len(order), np.uint16)
    rank[order] = np.arange(len(order), dtype=np.uint16)
    voice = found[order] // 128
    drums = _drum_voices(scan, payload)
    is_drum = np.array([(int(v) & 15) == DRUM_CHANNEL or int(v) & 15 in drums for v in voice], bool)
    return _Parts(voice, found[order] % 128, is_drum, rank[inverse.reshape(-1)])


def _programs(scan: Scan, payload: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Each note's program: the one its track named, else its channel's by then, else 0."""
    program = scan.note_program.astype(np.int64)
    unknown = program < 0
    if not unknown.any():
        return program
    program[unknown] = 0
    changes = np.flatnonzero(scan.event_status == PROGRAM)
    if len(changes):
        channel = scan.event_voice[changes].astype(np.int64) & 15
        moment = (channel << 32) | scan.event_tick[changes]
        order = np.argsort(moment, kind="stable")
        notes = np.flatnonzero(unknown)
        note_channel = scan.note_voice[notes].astype(np.int64) & 15
        wanted = (note_channel << 32) | scan.note_start[notes]
        last = np.searchsorted(moment[order], wanted, side="right") - 1
        same = (last >= 0) & (channel[order][last] == note_channel)
        program[notes[same]] = payload[scan.event_at[changes][order][last[same]]]
    return program


GS_DRUM_PART = re.compile(rb"\x41.\x42\x12\x40([\x10-\x1f])\x15([\x00-\x02])", re.DOTALL)
XG_ON = re.compile(rb"\x43[\x10-\x1f]\x4c\x00\x00\x7e\x00", re.DOTALL)
GM2_DRUM_BANK, XG_DRUM_BANK = 120, 127


def _drum_voices(scan: Scan, payload: NDArray[np.uint8]) -> frozenset[int]:
    """Channels beside the tenth that a file makes drum channels, as Roland, Yamaha or GM2 do."""
    drums: set[int] = set()
    xg = False
    for row in np.flatnonzero(scan.event_status == SYSEX):
        start, size = int(scan.event_at[row]), min(int(scan.event_size[row]), 16)
        message = payload[start : start + size].tobytes()
        xg = xg or XG_ON.match(message) is not None
        if found := GS_DRUM_PART.match(message):
            block = found[1][0] & 15  # block 0 is part 10, blocks 1 to 9 parts 1 to 9, then 11 on
            channel = 9 if block == 0 else block - 1 if block < 10 else block
            (drums.add if found[2][0] else drums.discard)(channel)
    controls = np.flatnonzero(scan.event_status == CONTROL)
    at = scan.event_at[controls]
    bank = np.where(payload[at] == 0, payload[at + 1], 0)  # controller 0 selects the bank
    drum_bank = (bank == GM2_DRUM_BANK) | (xg & (bank == XG_DRUM_BANK))
    drums.update((scan.event_voice[controls[drum_bank]] & 15).tolist())
    return frozenset(drums)


def _channel_events(
    scan: Scan, payload: NDArray[np.uint8], parts: _Parts, ledger: Ledger
) -> tuple[Controls, Bends]:
    rows = np.flatnonzero((scan.event_status == CONTROL) | (scan.event_status == BEND))
    if not len(rows):
        return Controls.empty(), Bends.empty()
    rows, part = _to_parts(rows, scan.event_voice[rows].astype(np.int64), parts, ledger)
    at = scan.event_at[rows]
    first, second = payload[at], payload[at + 1]
    tick = scan.event_tick[rows]
    bend = scan.event_status[rows] == BEND
    value = (second[bend].astype(np.int16) << 7) + first[bend] - 8192
    return (
        Controls(tick[~bend], first[~bend], second[~bend], part[~bend]),
        Bends(tick[bend], value, part[bend]),
    )


def _to_parts(
    rows: NDArray[np.intp], voice: NDArray[np.int64], parts: _Parts, ledger: Ledger
) -> tuple[NDArray[np.intp], NDArray[np.uint16]]:
    """Each event row, once for every part it reaches, and that part."""
    size = max(int(voice.max()), int(parts.voice.max(initial=0))) + 1
    part_of = np.full(size, -1)
    part_of[parts.voice] = np.arange(len(parts.voice))
    own = part_of[voice]
    if len(np.unique(parts.voice)) == len(parts.voice) and own.min() >= 0:
        return rows, own.astype(np.uint16)  # each event has one part: so it is in most files
    plays = part_of >= 0
    heard = np.zeros(16, bool)
    heard[parts.voice & 15] = True
    at_home = plays[voice]
    # Events of a track that plays nothing on their channel reach the whole file's channel.
    group = np.where(at_home, voice, -1 - (voice & 15))
    order = np.argsort(group, kind="stable")
    ordered = group[order]
    wanted = np.stack([parts.voice, -1 - (parts.voice & 15)], axis=1)
    low, high = (np.searchsorted(ordered, wanted, side) for side in ("left", "right"))
    reached = (high - low).sum(axis=1)
    if reached.sum() > MAX_REACHED:
        raise BadMusic(
            f"its controllers reach so many parts that they become {reached.sum():,} events; "
            f"at most {MAX_REACHED:,} make sense"
        )
    part = np.repeat(np.arange(len(reached), dtype=np.uint16), reached)
    runs = zip(low.reshape(-1).tolist(), high.reshape(-1).tolist(), strict=True)
    picked = np.concatenate([order[:0], *(order[a:b] for a, b in runs)])
    ledger.note("UNHEARD_CONTROL", int(np.count_nonzero(~heard[voice & 15])))
    # Back to file order, so that changes at one moment keep theirs.
    back = np.lexsort((picked, part))
    return rows[picked[back]], part[back]


@dataclass(slots=True)
class _Meta:
    parts: tuple[Part, ...] = ()
    texts: tuple[Text, ...] = ()


@dataclass(slots=True)
class _TrackTexts:
    name: str | None = None
    instrument: str = ""
    texts: list[tuple[int, TextKind, str]] = field(default_factory=list)


def _read_meta(scan: Scan, data: bytes, parts: _Parts, ledger: Ledger) -> _Meta:
    """Names for the parts, and every other text with the part it belongs to."""
    track_of_part = parts.voice // 16
    channels: dict[int, set[int]] = {}
    for voice in parts.voice.tolist():
        channels.setdefault(voice // 16, set()).add(voice % 16)
    tracks: dict[int, _TrackTexts] = {}
    status = scan.event_status
    is_text = (status >= min(TEXT_KINDS)) & (status <= max(TEXT_KINDS))
    known = is_text | (status >= 0x80) | (status == TEMPO) | (status == METRE) | (status == KEY)
    ledger.note("OTHER_META", len(status) - int(np.count_nonzero(known)))
    rows = np.flatnonzero(is_text)
    for kind, at, size, voice, tick in zip(
        status[rows].tolist(),
        scan.event_at[rows].tolist(),
        scan.event_size[rows].tolist(),
        scan.event_voice[rows].tolist(),
        scan.event_tick[rows].tolist(),
        strict=True,
    ):
        text = _decode(data[at : at + size], ledger)
        track = voice // 16
        texts = tracks.setdefault(track, _TrackTexts())
        one_channel = len(channels.get(track, ())) == 1
        if kind == 0x03 and one_channel:
            if texts.name is None:
                texts.name = text
            else:
                texts.texts.append((tick, "text", text))
            continue
        if kind == 0x04 and one_channel and not texts.instrument:
            texts.instrument = text
        texts.texts.append((tick, TEXT_KINDS[kind], text))
    nothing = _TrackTexts()
    found = []
    for number, voice in enumerate(parts.voice.tolist()):
        own = tracks.get(voice // 16, nothing)
        # A name that is there and empty says the part has none, as our own files do.
        name = _as_name(own.instrument if own.name is None else own.name)
        found.append(
            Part(name, int(parts.program[number]), bool(parts.is_drum[number]), voice & 15)
        )
    texts_out: list[Text] = []
    for track, own in sorted(tracks.items()):
        home = np.flatnonzero(track_of_part == track)
        first = int(home[0]) if len(home) else None
        for tick, text_kind, text in own.texts:
            texts_out.append(Text(tick, text_kind, text, None if text_kind == "title" else first))
    return _Meta(tuple(found), tuple(texts_out))


CONTROL_CHARACTERS = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")


def _decode(raw: bytes, ledger: Ledger) -> str:
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        ledger.note("FOREIGN_TEXT", 1)
        text = raw.decode("cp1252", errors="replace")
    # Names reach terminals and pages; control characters could speak to those.
    plain = CONTROL_CHARACTERS.sub("", text)
    ledger.note("CONTROL_CHARACTER", len(plain) < len(text))
    return plain


def _as_name(text: str) -> str:
    return " ".join(text.split())


def _latest(ticks: NDArray[np.int64], values: NDArray[Any], ledger: Ledger) -> NDArray[np.intp]:
    """Row numbers in order of time; of several at one tick only the last, and others are noted."""
    order: NDArray[np.intp] = np.argsort(ticks, kind="stable")
    ordered = ticks[order]
    last = np.ones(len(ticks), bool)
    np.not_equal(ordered[1:], ordered[:-1], out=last[:-1])
    if not last.all():
        lost = np.flatnonzero(~last)
        ledger.note(
            "REPLACED", int(np.count_nonzero(values[order[lost]] != values[order[lost + 1]]))
        )
    return order[last]


def _preceded(values: NDArray[Any], first: int) -> NDArray[Any]:
    return np.concatenate([np.array([first], values.dtype), values])


def _rows(scan: Scan, kind: int, size: int, ledger: Ledger, fault: str) -> NDArray[np.intp]:
    """Rows of one meta event; those too short to hold their values are noted and left out."""
    rows = np.flatnonzero(scan.event_status == kind)
    whole = scan.event_size[rows] >= size
    ledger.note(fault, int(np.count_nonzero(~whole)))
    return rows[whole]


def _tempos(scan: Scan, payload: NDArray[np.uint8], layout: Layout, ledger: Ledger) -> TempoMap:
    rows = _rows(scan, TEMPO, 3, ledger, "BAD_TEMPO")
    if layout.microseconds_per_quarter is not None:  # SMPTE time: tempo events change nothing
        ledger.note("SMPTE_TEMPO", len(rows))
        return TempoMap(np.array([0]), np.array([layout.microseconds_per_quarter]))
    at = scan.event_at[rows]
    value = (payload[at].astype(np.int32) << 16) | (payload[at + 1].astype(np.int32) << 8)
    value |= payload[at + 2]
    ledger.note("BAD_TEMPO", int(np.count_nonzero(value == 0)))
    ticks, value = scan.event_tick[rows][value > 0], value[value > 0]
    keep = _latest(ticks, value, ledger)
    ticks, value = ticks[keep], value[keep]
    if not len(ticks) or ticks[0] > 0:
        ticks, value = _preceded(ticks, 0), _preceded(value, DEFAULT_MICROSECONDS_PER_QUARTER)
    return TempoMap(ticks, value)


def _metres(scan: Scan, payload: NDArray[np.uint8], ledger: Ledger) -> MetreMap:
    rows = _rows(scan, METRE, 2, ledger, "BAD_METRE")
    at = scan.event_at[rows]
    numerator, power = payload[at], payload[at + 1]
    sound = (numerator > 0) & (power <= 7)
    ledger.note("BAD_METRE", int(np.count_nonzero(~sound)))
    ticks, numerator = scan.event_tick[rows][sound], numerator[sound]
    denominator = np.left_shift(1, power[sound].astype(np.int64))
    keep = _latest(ticks, denominator * 256 + numerator, ledger)
    ticks, numerator, denominator = ticks[keep], numerator[keep], denominator[keep]
    if not len(ticks) or ticks[0] > 0:
        ticks, numerator = _preceded(ticks, 0), _preceded(numerator, 4)
        denominator = _preceded(denominator, 4)
    return MetreMap(ticks, numerator, denominator)


def _keys(scan: Scan, payload: NDArray[np.uint8], ledger: Ledger) -> KeyMap:
    rows = _rows(scan, KEY, 2, ledger, "BAD_KEY")
    at = scan.event_at[rows]
    sharps, minor = payload[at].view(np.int8), payload[at + 1]
    sound = (sharps >= -7) & (sharps <= 7) & (minor <= 1)
    ledger.note("BAD_KEY", int(np.count_nonzero(~sound)))
    ticks, sharps, minor = scan.event_tick[rows][sound], sharps[sound], minor[sound] == 1
    keep = _latest(ticks, sharps.astype(np.int64) * 2 + minor, ledger)
    return KeyMap(ticks[keep], sharps[keep], minor[keep])
