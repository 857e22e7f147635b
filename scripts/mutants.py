"""MIDI files that nobody wrote: good ones built here, and ways to damage them.

The same seed gives the same damage on every machine. Knows nothing of how files are read.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from random import Random

LARGEST_BYTES = 262_144
LARGEST_SEED_BYTES = 32_768
"""Damage shows on small files as well as on large ones, and small ones are quick to read."""

NUMBERS = (0, 1, 2, 3, 6, 7, 127, 128, 255, 256, 32767, 32768, 65535, 2**24, 2**31 - 1, 2**32 - 1)
LONG_WAITS = (b"\xff\xff\xff\x7f", b"\x87\xff\xff\xff\x7f", b"\xff" * 9, b"\x80" * 7 + b"\x00")
CHUNKS = (b"MThd", b"MTrk", b"XFIH", b"data", b"RIFF", b"RMID")


def made_seeds() -> dict[str, bytes]:
    """Good files of every kind there is, small, and always the same."""
    dice = Random(1)
    band = [_track(dice, channel, f"Part {channel}") for channel in (0, 1, 9, 15)]
    song = _file(1, 480, [_conductor(), *band])
    repeated = bytes.fromhex("00903C40") + bytes.fromhex("183C0000 3C40") * 30
    pedal = bytes([10, 0xB0, 64, 127, 0, 0x90, 60, 70, 20, 60, 0, 5, 0xB0, 64, 0]) * 20
    programs = b"".join(bytes([0, 0xC0, n, 0, 0x90, 60, 9, 9, 60, 0]) for n in range(128))
    roland_drums = _sysex("41104212401115012900F7")
    yamaha_drums = _sysex("43104C00007E00F7") + bytes.fromhex("00B1007F")
    return {
        "nothing": _file(0, 96, [b""]),
        "one-note": _file(0, 480, [bytes.fromhex("00903C40 60803C40")]),
        "running-status": _file(0, 24, [repeated]),
        "pedal": _file(0, 120, [pedal]),
        "song": song,
        "patterns": _file(2, 96, band),
        "film-25": _file(1, 0xE728, band),
        "film-29": _file(1, 0xE350, [_conductor(), band[0]]),
        "riff": _riff(song),
        "roland-drums": _file(1, 480, [roland_drums, *band]),
        "yamaha-drums": _file(1, 480, [yamaha_drums, *band]),
        "karaoke": _file(1, 480, [_lyrics(), *band]),
        "overlaps": _file(0, 480, [_overlaps(dice)]),
        "many-tracks": _file(1, 480, [_track(dice, n % 16, "") for n in range(60)]),
        "many-programs": _file(0, 480, [programs]),
        "foreign-chunk": _file(1, 480, band[:2]) + b"XFIH" + struct.pack(">I", 5) + b"hello",
    }


def seeds_below(folder: Path, most: int = 400) -> dict[str, bytes]:
    """Small MIDI files below a folder, spread evenly over it."""
    paths = [
        path
        for path in sorted(folder.rglob("*"))
        if path.suffix.lower() in (".mid", ".midi", ".kar", ".rmi")
        and 0 < path.stat().st_size <= LARGEST_SEED_BYTES
    ]
    step = max(1, len(paths) // most)
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths[::step]}


@dataclass(frozen=True, slots=True)
class Mutants:
    """Endlessly many damaged files, each a function of the seed and its number."""

    seeds: dict[str, bytes]
    seed: int

    def make(self, number: int) -> bytes:
        """The damaged file of this number."""
        dice = Random(f"{self.seed}:{number}")
        files = list(self.seeds.values())
        data = dice.choice(files)
        for _ in range(min(int(dice.expovariate(0.5)) + 1, 12)):
            data = damage(data, dice.choice(files), dice)
        return data


def damage(data: bytes, other: bytes, dice: Random) -> bytes:
    """`data` with one kind of damage done to it, perhaps by pieces of `other`."""
    return dice.choice(DAMAGES)(data, other, dice)[:LARGEST_BYTES]


# Good files.


def number(value: int) -> bytes:
    """A whole number as MIDI writes it: seven bits a byte, the highest first."""
    groups = [value & 127]
    while value := value >> 7:
        groups.append(128 | (value & 127))
    return bytes(reversed(groups))


def _file(kind: int, division: int, bodies: list[bytes]) -> bytes:
    end = b"\x00\xff\x2f\x00"
    tracks = [b"MTrk" + struct.pack(">I", len(b) + 4) + b + end for b in bodies]
    return b"MThd" + struct.pack(">IHHH", 6, kind, len(tracks), division) + b"".join(tracks)


def _riff(data: bytes) -> bytes:
    inner = b"RMIDdata" + struct.pack("<I", len(data)) + data
    return b"RIFF" + struct.pack("<I", len(inner)) + inner


def _meta(kind: int, payload: bytes, wait: int = 0) -> bytes:
    return number(wait) + bytes([0xFF, kind]) + number(len(payload)) + payload


def _sysex(message: str) -> bytes:
    payload = bytes.fromhex(message)
    return b"\x00\xf0" + number(len(payload)) + payload


def _conductor() -> bytes:
    return b"".join(
        [
            _meta(0x03, b"A song"),
            _meta(0x02, b"\xa9 nobody"),
            _meta(0x51, (500_000).to_bytes(3, "big")),
            _meta(0x58, bytes([4, 2, 24, 8])),
            _meta(0x59, bytes([0xFD, 1])),
            _meta(0x06, b"Verse", 1920),
            _meta(0x51, (400_000).to_bytes(3, "big"), 480),
            _meta(0x58, bytes([7, 3, 24, 8]), 1440),
            _meta(0x54, bytes([96, 0, 0, 0, 0])),
            _meta(0x7F, b"\x00\x00\x41"),
        ]
    )


def _track(dice: Random, channel: int, name: str) -> bytes:
    rows = [_meta(0x03, name.encode()), bytes([0, 0xC0 | channel, dice.randrange(128)])]
    for _ in range(24):
        pitch = dice.randrange(30, 90)
        rows.append(bytes([0, 0x90 | channel, pitch, dice.randrange(1, 128)]))
        rows.append(bytes([0, 0xB0 | channel, dice.choice((1, 7, 64)), dice.randrange(128)]))
        rows.append(bytes([0, 0xE0 | channel, dice.randrange(128), dice.randrange(128)]))
        rows.append(number(dice.randrange(1, 2000)) + bytes([0x80 | channel, pitch, 64]))
    return b"".join(rows)


def _lyrics() -> bytes:
    words = (b"Wood", b"shed", b" in", b" the", b" caf\xc3\xa9", b" ca\xe9", b"\x00\x1b[2J")
    return b"".join(_meta(0x05, word, 240) for word in words * 4)


def _overlaps(dice: Random) -> bytes:
    rows = []
    for _ in range(200):
        status, pitch = dice.choice((0x90, 0x90, 0x80)), dice.choice((60, 61))
        rows.append(bytes([dice.choice((0, 0, 10)), status, pitch, dice.randrange(128)]))
    return b"".join(rows)


# Damage. Each takes a file, another file, and dice.

Damage = Callable[[bytes, bytes, Random], bytes]


def truncate(data: bytes, _: bytes, dice: Random) -> bytes:
    """Cut off the end, or the beginning."""
    cut = dice.randint(0, len(data))
    return data[:cut] if dice.random() < 0.8 else data[cut:]


def flip_bits(data: bytes, _: bytes, dice: Random) -> bytes:
    """Flip a few bits, or one in a hundred."""
    changed = bytearray(data)
    for _flip in range(dice.choice((1, 2, 4, 8, len(data) // 800)) if data else 0):
        changed[dice.randrange(len(data))] ^= 1 << dice.randrange(8)
    return bytes(changed)


def overwrite(data: bytes, _: bytes, dice: Random) -> bytes:
    """Put random bytes, status bytes or a run of one byte over a stretch."""
    at, size = dice.randint(0, len(data)), dice.choice((1, 2, 4, 16, 64))
    kinds = (
        dice.randbytes(size),
        bytes(dice.choice((0x90, 0x80, 0xB0, 0xC0, 0xE0, 0xF0, 0xF7, 0xFF)) for _ in range(size)),
        bytes([dice.randrange(256)]) * size,
    )
    return data[:at] + dice.choice(kinds) + data[at + size :]


def splice(data: bytes, other: bytes, dice: Random) -> bytes:
    """Insert a stretch of this file or another one, or put it over what is there."""
    source = dice.choice((data, other))
    start = dice.randint(0, len(source))
    piece = source[start : start + dice.choice((1, 3, 17, 200, 4000))]
    at = dice.randint(0, len(data))
    return data[:at] + piece + data[at + dice.choice((0, len(piece))) :]


def change_length(data: bytes, _: bytes, dice: Random) -> bytes:
    """Make the length of a chunk, or a number in the header, say something else."""
    at, size = dice.choice([*((at + 4, 4) for at in _chunks(data)), (8, 2), (10, 2), (12, 2)])
    largest = 256**size - 1
    old = int.from_bytes(data[at : at + size], "big")
    new = dice.choice([*NUMBERS, old + 1, old - 1, old * 2, old // 2, dice.randrange(largest)])
    return data[:at] + (new & largest).to_bytes(size, "big") + data[at + size :]


def nest(data: bytes, other: bytes, dice: Random) -> bytes:
    """Put a whole file inside this one: as an event, as a chunk, in a wrapper, or just so."""
    at = dice.randint(0, len(data))
    wrapped = dice.choice(
        (
            other,
            b"\x00\xff\x01" + number(len(other)) + other,
            b"\x00\xf0" + number(len(other)) + other,
            b"MTrk" + struct.pack(">I", len(other)) + other,
            _riff(other),
        )
    )
    return data[:at] + wrapped + data[at:]


def shuffle_chunks(data: bytes, other: bytes, dice: Random) -> bytes:
    """Change the order of the chunks, double some, leave some out, borrow some."""
    pieces = _pieces(data)
    pieces += dice.sample(pieces, dice.randint(0, len(pieces)))
    pieces += dice.sample(borrowed := _pieces(other), dice.randint(0, len(borrowed)))
    dice.shuffle(pieces)
    return b"".join(pieces[: dice.randint(1, len(pieces))])


def rename_chunk(data: bytes, _: bytes, dice: Random) -> bytes:
    """Give a chunk another name, perhaps none."""
    at = dice.choice(_chunks(data) or [0])
    return data[:at] + dice.choice((*CHUNKS, dice.randbytes(4))) + data[at + 4 :]


def corrupt_number(data: bytes, _: bytes, dice: Random) -> bytes:
    """Set or clear the bit that says a number goes on, or insert bytes that say so."""
    at = dice.randint(0, max(len(data) - 1, 0))
    if dice.random() < 0.5:
        return data[:at] + bytes([data[at] ^ 0x80] if at < len(data) else []) + data[at + 1 :]
    return data[:at] + dice.choice((0x80, 0xFF)).to_bytes(1, "big") * dice.randint(1, 8) + data[at:]


def wait_long(data: bytes, _: bytes, dice: Random) -> bytes:
    """Put the longest waits there are before something."""
    at = dice.randint(0, len(data))
    note = dice.choice((b"", b"\x90\x40\x40", b"\xff\x51\x03\xff\xff\xff", b"\xff\x58\x02\xff\x07"))
    return data[:at] + (dice.choice(LONG_WAITS) + note) * dice.choice((1, 2, 9)) + data[at:]


def interleave(data: bytes, other: bytes, dice: Random) -> bytes:
    """Deal two files out in stretches, as a defragmenter that failed would."""
    size = dice.choice((1, 2, 8, 64, 512))
    longer = max(len(data), len(other))
    return b"".join(
        (data if dice.random() < 0.5 else other)[at : at + size] for at in range(0, longer, size)
    )


def repeat(data: bytes, _: bytes, dice: Random) -> bytes:
    """Say one stretch many times."""
    start = dice.randint(0, len(data))
    piece = data[start : start + dice.choice((1, 4, 30, 300))]
    return data[:start] + piece * dice.choice((2, 10, 100, 1000)) + data[start:]


DAMAGES: tuple[Damage, ...] = (
    truncate,
    flip_bits,
    overwrite,
    splice,
    change_length,
    nest,
    shuffle_chunks,
    rename_chunk,
    corrupt_number,
    wait_long,
    interleave,
    repeat,
)


def _chunks(data: bytes) -> list[int]:
    """Where something stands that looks like the name of a chunk."""
    return sorted(at for name in CHUNKS for at in _find(data, name))


def _find(data: bytes, name: bytes) -> Iterator[int]:
    at = data.find(name)
    while at >= 0:
        yield at
        at = data.find(name, at + 1)


def _pieces(data: bytes) -> list[bytes]:
    """The file, cut before each chunk."""
    cuts = [0, *(at for at in _chunks(data) if at), len(data)]
    return [data[a:b] for a, b in pairwise(cuts)]
