"""Rhythm as musicians scribble it: `X.x x.x` becomes hits within a bar.

A beat has twelve steps and a bar four beats in every feel: a beat is a quarter in 4/4 and a dotted
quarter in 12/8. Three signs a beat are triplets, four are sixteenths. How late a swung note comes
is the feel's business; refuses to know pitches.
"""

from __future__ import annotations

import random
import tomllib
from functools import cache
from importlib import resources
from typing import Any, NamedTuple

BEAT = 12
BAR = 48

STRENGTHS = {"X": 1.0, "x": 0.8, "p": 0.85, "o": 0.6, "g": 0.3}

# What a beat of a melody may hold, by how busy it is: each list is drawn from evenly.
BEATS = {
    "triplet": (
        ("...", "x..", "..x", "x--"),
        ("x.x", "x-.", "..x", "x..", "x-x"),
        ("xxx", "x.x", "x-x", ".xx", "x.x"),
        ("xxx", "xxx", "x.x", "xxxxxx", "xxx"),
    ),
    # At a ballad's tempo a beat is long, and its eighths divide once more.
    "slow": (
        ("x..", "x.x", "..x", "x--", "..."),
        ("xxx", "x.x", "x-x", "x..xxx", ".xx", "xxx"),
        ("xxx", "x.xxx.", "x.x.xx", "x-xxxx", "xxx", "x--xxx"),
        ("xxxxxx", "x.xxxx", "x-xxx-", "xxx", "x-x-xx"),
    ),
    "even": (
        ("....", "x...", "..x.", "x---"),
        ("x.x.", "x...", "..x.", "x--x", "x-x-"),
        ("x.xx", "x.x.", "xx.x", ".xx.", "x--x"),
        ("xxxx", "x.xx", "xxx.", "xx.x", "xxxx"),
    ),
}


class Hit(NamedTuple):
    """A stroke: where it stands in its bar and how long it lasts, in steps, and how strong it is.

    `sign` is what was written for it.
    """

    step: int
    length: int
    strength: float
    sign: str


class Note(NamedTuple):
    """A note on the grid: start and length in steps from the piece's start; loudness is 0 to 1."""

    start: float
    length: float
    pitch: int
    loudness: float


@cache
def hits(pattern: str, steps: int = BAR) -> tuple[Hit, ...]:
    """The hits of a pattern that lasts `steps`; what follows a hit as `-` makes it longer."""
    signs = pattern.replace(" ", "")
    step, odd = divmod(steps, len(signs))
    assert not odd, f"{pattern!r} does not divide {steps} steps"
    found = []
    for at, sign in enumerate(signs):
        if sign in STRENGTHS:
            after = len(signs[at + 1 :]) - len(signs[at + 1 :].lstrip("-"))
            found.append(Hit(at * step, (1 + after) * step, STRENGTHS[sign], sign))
        else:
            assert sign in ".-", f"{pattern!r} holds {sign!r}"
    return tuple(found)


def line_rhythm(
    chance: random.Random, beats: str, first: int, last: int, busy: float
) -> list[tuple[int, int]]:
    """A rhythm for a line from step `first` to `last`: starts and lengths, the last note held.

    `busy` (0 to 1) says how much happens in a beat; nearly one note a beat begins in any case.
    """
    tables = BEATS[beats]
    starts: list[int] = []
    # Whoever sings or plays a long line breathes once on the way.
    breath = first // BEAT + chance.choice((2, 3, 3, 4))
    for beat in range(first // BEAT, -(-last // BEAT)):
        if beat == breath and busy > 0.3 and last - first > 5 * BEAT:
            starts.append(beat * BEAT)
            continue
        level = min(max(busy * 3 + (chance.random() - 0.5) * 1.8, 0), 2.999)
        cell = chance.choice(tables[int(level)])
        starts += [beat * BEAT + hit.step for hit in hits(cell, BEAT)]
    starts = [at for at in starts if first <= at <= last - 4]
    unit = 6 if beats == "even" else 4
    slots = (last - first - 4) // unit + 1
    least = min(max(3, (last - first) * 9 // (10 * BEAT)), slots)
    while len(starts) < least:
        starts = sorted({*starts, first + unit * int(chance.random() * slots)})
    ends = [*starts[1:], last]
    return [(at, end - at) for at, end in zip(starts, ends, strict=True)]


@cache
def table(name: str) -> Any:
    """One of the tables of this package, as it stands in its file."""
    file = resources.files(__package__) / f"{name}.toml"
    return tomllib.loads(file.read_text(encoding="utf-8"))
