"""The table of sounds: what every program and drum is made of (sounds.toml). Computes no sound.

Levels are in decibels, times in seconds until a sound has fallen by 60 decibels ("fall") or as
their names say. A sound says how its notes begin (struck, plucked, tone) and its track's effects.
"""

from __future__ import annotations

import dataclasses
import tomllib
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from typing import Any, TypeVar

Numbers = tuple[float, ...]
Rows = tuple[Numbers, ...]


@dataclass(frozen=True, slots=True)
class Sound:
    """What all sounds have: a level, a place, how much of the room, and effects of the track."""

    name: str
    level: float = 0.0
    touch: float = 1.85  # loudness goes with velocity to this power
    pan: float = 0.0  # of the track; -1 is left, 1 right
    place: float = 0.0  # of the note in the track: a drum in its kit
    spread: float = 0.0  # how far low and high notes, or players of a section, stand apart
    room: float = -15.0
    release: float = 0.25
    body: Rows = ()  # resonances and cuts: kind (0 peak, 1 low-pass, 2 high-pass), hertz, Q, dB
    drive: float = 0.0  # how hard the amplifier is driven, in dB
    chorus: Numbers = ()  # hertz, milliseconds, share
    tremolo: Numbers = ()  # hertz, depth, 1 if left and right take turns


@dataclass(frozen=True, slots=True)
class Struck(Sound):
    """Modes and noise. Modes are multiples of the note's pitch, or of `hertz` where it is given."""

    modes: Rows = ()  # ratio, amplitude, share of the fall
    series: int = 0  # instead: so many harmonics, as of a struck string
    stiffness: float = 0.0  # inharmonicity at middle C
    hammer_at: float = 0.12  # where it strikes, as a share of the string
    cluster: Numbers = ()  # instead: how many, lowest and highest ratio, tilt in dB an octave
    strings: int = 1  # modes in each partial, a little out of tune with each other
    detune: float = 0.6  # cents
    aftersound: float = 0.0  # share that dies more slowly, by `slower`
    slower: float = 3.0
    hertz: float = 0.0
    fall: float = 2.0  # of the lowest mode, at middle C or `hertz`
    fall_slope: float = 0.0  # halvings an octave up
    damping: float = 0.0  # how much sooner high modes die, for each kHz
    hammer: float = 2000.0  # hertz above which modes get fainter, at velocity 80
    hammer_octaves: float = 2.5  # by how much that moves with velocity
    hammer_track: float = 0.5  # and with pitch
    hammer_slope: float = 2.0
    attack: float = 0.0
    sweep: Numbers = ()  # semitones above the pitch at first, seconds until that is gone
    # dB, kind (0 low, 1 band, 2 high), hertz, Q, fall, rise, bursts, seconds apart, fall of bursts
    noises: Rows = ()
    undamped_from: int = 128  # keys from here on ring on
    hold: float = 0.0  # a drum's note lasts so long, whatever the score says; 0: until it is silent


@dataclass(frozen=True, slots=True)
class Plucked(Sound):
    """A waveguide string."""

    fall: float = 4.0  # at middle C
    fall_slope: float = 0.6
    high_fall: float = 0.12  # the same at 4 kHz, as a share
    pick_at: float = 0.17
    bright: float = 2500.0  # hertz above which the plectrum gives less, at velocity 80
    bright_octaves: float = 2.5
    bright_track: float = 0.4
    tilt: float = 3.0  # dB an octave
    roughness: float = 0.35  # 0: one clean pulse; 1: noise
    second: float = 0.0  # share of the second string
    detune: float = 0.5  # cents
    second_fall: float = 0.4
    octave: float = 1.0  # ratio of the second string


@dataclass(frozen=True, slots=True)
class Tone(Sound):
    """Oscillators that read a table."""

    shape: str = "saw"  # saw, square, pulse, triangle, or none where partials are given
    partials: Rows = ()  # ratio (whole), amplitude
    tilt: float = 0.0  # dB an octave, on top of the shape
    formants: Rows = ()  # hertz, width, dB
    dark: float = 900.0  # hertz above which the dark table has less
    bright: float = 4000.0
    track: float = 0.5  # how both move with pitch
    slope: float = 2.0  # how steep, in multiples of 6 dB an octave
    attack: float = 0.02
    decay: float = 1.0
    sustain: float = 1.0
    bright_start: float = 0.7
    bright_last: float = 0.7
    bright_time: float = 0.1
    bright_touch: float = 0.7  # how much of the brightness comes from velocity
    players: int = 1
    detune: float = 0.0  # cents between the outermost players
    drift: float = 1.5  # cents
    octaves: Numbers = ()  # ratio of each player, where they are not in unison
    vibrato: Numbers = ()  # cents, hertz, seconds until it sets in, trembling of the loudness
    scoop: Numbers = ()  # semitones at the start, seconds
    breath: Numbers = ()  # dB, hertz as a multiple of the pitch (or over 50: hertz), Q
    chiff: Numbers = ()  # dB, seconds


@dataclass(frozen=True, slots=True)
class Kit:
    """All sounds: of each program, and of each drum key with its choke group."""

    programs: tuple[Sound, ...]
    drums: dict[int, Sound]
    chokes: dict[int, frozenset[int]]  # the keys that a key silences


Kind = TypeVar("Kind", bound=Sound)
KINDS = {"struck": Struck, "plucked": Plucked, "tone": Tone}


@lru_cache(maxsize=1)
def sounds() -> Kit:
    """The table, read on first use."""
    file = resources.files(__package__) / "sounds.toml"
    tables = tomllib.loads(file.read_text("utf-8"))
    chokes = {int(key): frozenset(keys) for key, keys in tables.pop("choke").items()}
    programs: dict[int, Sound] = {}
    drums: dict[int, Sound] = {}
    for name, table in tables.items():
        whole = _with_likes(table, tables)
        kind = KINDS[whole.pop("kind")]
        for number in table.get("programs", ()):
            programs[number] = _sound(kind, name, whole)
        for key, changes in table.get("keys", {}).items():
            drums[int(key)] = _sound(kind, name, {**whole, **changes})
    return Kit(tuple(programs[number] for number in range(128)), drums, chokes)


def _with_likes(table: dict[str, Any], tables: dict[str, Any]) -> dict[str, Any]:
    """A table with what it takes over from the one it is like."""
    above = _with_likes(tables[table["like"]], tables) if "like" in table else {}
    return {**above, **{k: v for k, v in table.items() if k not in ("like", "programs", "keys")}}


def _sound(kind: type[Kind], name: str, table: dict[str, Any]) -> Kind:
    values: dict[str, Any] = {}
    for field in dataclasses.fields(kind):
        if field.name in table:
            values[field.name] = _frozen(table[field.name])
    unknown = table.keys() - {field.name for field in dataclasses.fields(kind)}
    assert not unknown, f"sounds.toml: {name} has {sorted(unknown)}"
    return kind(name=name, **values)


def _frozen(value: Any) -> Any:
    return tuple(_frozen(v) for v in value) if isinstance(value, list) else value
