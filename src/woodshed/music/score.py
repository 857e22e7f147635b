"""The score: all that a piece of music says, as arrays. Knows nothing of files or tokens."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import BadMusic
from .notes import Bends, Controls, Notes
from .time import Bars, KeyMap, MetreMap, TempoMap

DRUM_CHANNEL = 9
"""MIDI channel 10, which musicians count from 1: it plays drums."""

TextKind = Literal["text", "copyright", "title", "instrument", "lyric", "marker", "cue"]
TEXT_KINDS = get_args(TextKind)


def _check_words(words: str) -> None:
    """Refuse what no file could hold: half of a character that takes two."""
    try:
        words.encode()
    except UnicodeEncodeError as error:
        raise BadMusic(f"{words!r} is no text that can be written: {error.reason}") from None


@dataclass(frozen=True, slots=True)
class Part:
    """One player: a name as the file gives it, a General MIDI program, and whether it drums.

    `channel` (0 to 15) is where a file had it. It says nothing about the music, so it does not
    count when parts are compared.
    """

    name: str = ""
    program: int = 0
    is_drum: bool = False
    channel: int | None = field(default=None, compare=False)

    def __post_init__(self) -> None:
        _check_words(self.name)
        if not 0 <= self.program <= 127:
            raise BadMusic(f"program {self.program} is outside 0 to 127")
        if self.channel is not None and not 0 <= self.channel <= 15:
            raise BadMusic(f"channel {self.channel} is outside 0 to 15")


@dataclass(frozen=True, slots=True)
class Text:
    """Words at a moment: a lyric, a marker, a title. `part` is the row of their part."""

    ticks: int
    kind: TextKind
    text: str
    part: int | None = None

    def __post_init__(self) -> None:
        _check_words(self.text)
        if self.ticks < 0:
            raise BadMusic(f"the {self.kind} {self.text!r} stands before tick 0, at {self.ticks}")
        if self.kind not in TEXT_KINDS:
            raise BadMusic(f"{self.kind!r} is no kind of text; use one of {', '.join(TEXT_KINDS)}")
        if self.kind == "title" and self.part is not None:
            raise BadMusic(f"the title {self.text!r} names the whole score, so it has no part")


@dataclass(frozen=True, slots=True)
class Repair:
    """Something a reader mended or left out: its kind, how often, and a sentence."""

    kind: str
    count: int
    sentence: str


@dataclass(frozen=True, slots=True)
class Source:
    """Where a score came from and what its reader had to mend or leave out."""

    path: str | None = None
    midi_type: int | None = None
    repairs: tuple[Repair, ...] = ()
    left_out: tuple[Repair, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Score:
    """A piece of music. Change it by copying: `replace`, or the functions in `transform`.

    Notes, controls and bends refer to `parts` by row. `source` is about the file, not the music: it
    does not count when scores are compared.
    """

    ticks_per_quarter: int = 480
    notes: Notes = field(default_factory=Notes.empty)
    parts: tuple[Part, ...] = ()
    tempos: TempoMap = field(default_factory=TempoMap.constant)
    metres: MetreMap = field(default_factory=MetreMap.constant)
    keys: KeyMap = field(default_factory=KeyMap.empty)
    controls: Controls = field(default_factory=Controls.empty)
    bends: Bends = field(default_factory=Bends.empty)
    texts: tuple[Text, ...] = ()
    source: Source | None = None

    def __post_init__(self) -> None:
        if not 1 <= self.ticks_per_quarter <= 32767:
            raise BadMusic(f"{self.ticks_per_quarter} ticks a quarter are outside 1 to 32767")
        for name in ("notes", "controls", "bends"):
            rows = getattr(self, name)
            if len(rows) and rows.part.max() >= len(self.parts):
                raise BadMusic(
                    f"{name} refer to part {rows.part.max()}, but the score has {len(self.parts)}"
                )
            object.__setattr__(self, name, rows.sorted())
        in_order = sorted(self.texts, key=lambda t: (t.ticks, -1 if t.part is None else t.part))
        object.__setattr__(self, "texts", tuple(in_order))
        for text in self.texts:
            if text.part is not None and not 0 <= text.part < len(self.parts):
                raise BadMusic(f"the {text.kind} {text.text!r} refers to part {text.part}")

    @property
    def end_ticks(self) -> int:
        """Where the last note ends; 0 without notes."""
        return int(self.notes.end_ticks.max()) if len(self.notes) else 0

    @property
    def duration_seconds(self) -> float:
        """How long the music lasts, from tick 0 to the end of the last note."""
        return float(self.seconds(self.end_ticks))

    def seconds(self, ticks: ArrayLike) -> NDArray[np.float64]:
        """When each tick sounds, in seconds."""
        return self.tempos.seconds(ticks, self.ticks_per_quarter)

    def ticks_at(self, seconds: ArrayLike) -> NDArray[np.int64]:
        """The tick nearest to each moment."""
        return self.tempos.ticks_at(seconds, self.ticks_per_quarter)

    def bar(self, ticks: ArrayLike) -> NDArray[np.int64]:
        """The bar each tick lies in, counted from 0."""
        return self.metres.bar(ticks, self.ticks_per_quarter)

    def beat(self, ticks: ArrayLike) -> NDArray[np.float64]:
        """How far into its bar each tick lies, in beats of its metre."""
        return self.metres.beat(ticks, self.ticks_per_quarter)

    def bars(self) -> Bars:
        """Every bar from the start to the end of the last note."""
        return self.metres.bars(self.end_ticks, self.ticks_per_quarter)

    @property
    def bar_count(self) -> int:
        """How many bars the music fills; at least one."""
        return self.metres.bar_count(self.end_ticks, self.ticks_per_quarter)

    def replace(self, **fields: Any) -> Score:
        """A copy with some fields replaced."""
        return dataclasses.replace(self, **fields)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Score):
            return NotImplemented
        return all(
            getattr(self, f.name) == getattr(other, f.name)
            for f in dataclasses.fields(self)
            if f.name != "source"
        )

    __hash__ = None  # type: ignore[assignment]  # arrays inside: no cheap hash

    def __repr__(self) -> str:
        return (
            f"Score({len(self.notes)} notes, {len(self.parts)} parts, "
            f"{self.duration_seconds:.1f} s)"
        )
