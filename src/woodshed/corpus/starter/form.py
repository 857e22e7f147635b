"""Forms: the chords of every bar of a chorus, its turnarounds and endings, from charts.toml.

Refuses to know tempo, players and how loud anything is.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from .harmony import Chord, Key, chord
from .rhythm import BAR, BEAT, table


@dataclass(frozen=True, slots=True)
class Change:
    """A chord that begins at a step of its bar. `is_hit`: the band strikes it together."""

    step: int
    chord: Chord
    is_hit: bool = False
    is_held: bool = False


Changes = tuple[Change, ...]
"""The chords of one bar, the first at step 0."""


@dataclass(frozen=True, slots=True)
class Form:
    """A form: how many bars a chorus has, where the voice begins its lines, and its charts."""

    name: str
    bars: int
    calls: tuple[int, ...]
    turnarounds: tuple[str, ...]
    endings: tuple[str, ...]
    charts: tuple[str, ...]

    @property
    def is_minor(self) -> bool:
        """Whether the form is in minor."""
        return self.charts[0].startswith("Im")


@cache
def forms() -> tuple[Form, ...]:
    """All forms, in the order of their file."""
    charts = table("charts")
    found = []
    for name, entry in charts["form"].items():
        mode = "minor" if entry["turnarounds"] == "minor" else "major"
        found.append(
            Form(
                name=name,
                bars=entry["bars"],
                calls=tuple(entry["calls"]),
                turnarounds=tuple(charts["turnarounds"][entry["turnarounds"]]),
                endings=tuple(charts["endings"][mode]),
                charts=tuple(entry["charts"]),
            )
        )
    return tuple(found)


@cache
def read_bars(words: str, key: Key) -> tuple[Changes, ...]:
    """Bars as charts.toml writes them: `I7`, `I7/V7`, or with beats, `V7@0 I9@2!`."""
    bars: list[list[Change]] = []
    for word in words.split():
        name, at, beat = word.partition("@")
        if at:
            step = int(beat.rstrip("!")) * BEAT
            change = Change(step, chord(name, key), is_hit=True, is_held=beat.endswith("!"))
            if step:
                bars[-1].append(change)
            else:
                bars.append([change])
        else:
            names = word.split("/")
            bars.append([Change(n * BAR // len(names), chord(s, key)) for n, s in enumerate(names)])
    return tuple(tuple(bar) for bar in bars)
