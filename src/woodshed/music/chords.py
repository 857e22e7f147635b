"""Chords as markers name them: `C7`, `F#m7`, `C M7`, `N.C.`; read, written and transposed.

Of a chord its root and one of nine kinds are kept, and the bass of `C/E` is not. Markers also name
sections, and `A` is both. So a piece's markers are chords only if more than half of them read as
chords, and one at least says more than a letter. `Chord.name` writes `Cmaj`, never `C`, so that
what is written by it always reads back. Knows nothing of files or tokens.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from ..errors import BadMusic
from .columns import MAX_TICKS, Columns, check_range, column
from .score import Text

Kind = Literal["maj", "m", "7", "m7", "maj7", "dim", "m7b5", "aug", "sus4"]
KINDS: tuple[Kind, ...] = get_args(Kind)
"""What names end in. Ninths, thirteenths and whatever is altered in them are sevenths, sixths the
triad they stand on, diminished sevenths `dim`, and all that is suspended `sus4`."""

TONES: dict[Kind, frozenset[int]] = {
    "maj": frozenset((0, 4, 7)),
    "m": frozenset((0, 3, 7)),
    "7": frozenset((0, 4, 7, 10)),
    "m7": frozenset((0, 3, 7, 10)),
    "maj7": frozenset((0, 4, 7, 11)),
    "dim": frozenset((0, 3, 6)),
    "m7b5": frozenset((0, 3, 6, 10)),
    "aug": frozenset((0, 4, 8)),
    "sus4": frozenset((0, 5, 7)),
}
"""The tones of each kind, in semitones above the root."""

ROOTS = ("C", "Db", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B")
_LONGEST = 30
NO_CHORD = "N.C."
CHORD_NAMES = tuple(root + kind for kind in KINDS for root in ROOTS)
"""All chords, kind by kind, twelve roots each; a chord's number is its row."""
NO_KIND = len(KINDS)
"""Stands in `ChordMap.kind` where no chord holds any more; the root says nothing there."""
NO_NUMBER = len(CHORD_NAMES)
"""Stands for the number of a chord where none holds any more."""

_NATURAL = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
_NAMED = re.compile(r"(?P<root>[A-G][#b]?)(?P<suffix>[^ /]*(?:6/9)?)(?:/(?P<bass>[A-G][#b]?))?")
_SIGNS = str.maketrans({"♯": "#", "♭": "b", "△": "Δ"})
_SPACE = re.compile(r" (?=M?\d)")
"""Some programs write `C 7` and `C M7`."""
_ALTERED = r"(?:,?\(?(?:[#b+-](?:5|9|11|13)|alt|add(?:2|4|6|9|11|13))\)?)*"
_MINOR = r"(?:m|min|mi|-)"
_SUFFIXES: dict[Kind, str] = {
    "sus4": r"(?:7|9|11|13)?sus(?:2|4|9)?" + _ALTERED,
    "m7b5": _MINOR + r"(?:7|9|11)\(?[b-]5\)?|ø7?",
    "dim": r"(?:dim|°)7?|o7",
    "aug": r"aug|\+|\(#5\)",
    "m": r"(?:m|min|-)(?:6/9|69|6|add9)?|" + _MINOR + r"\(?(?:M|maj)7\)?",
    "m7": _MINOR + r"(?:7|9|11|13)" + _ALTERED,
    "maj7": r"(?:(?:M|maj|ma)(?:7|9|11|13)|Δ7?)" + _ALTERED,
    "7": r"(?:7|9|11|13)" + _ALTERED + r"|(?:aug|\+)(?:7|9)|alt",
    "maj": r"(?:M|maj)?(?:5|6/9|69|6)?|add(?:2|4|9|11)",
}
"""The first pattern that fits what follows the root tells the kind."""


@dataclass(frozen=True, slots=True)
class Chord:
    """A chord: its root, 0 to 11 from C, and its kind."""

    root: int
    kind: Kind

    def __post_init__(self) -> None:
        if not 0 <= self.root < 12:
            raise BadMusic(f"a chord cannot have the root {self.root}; count 0 to 11 from C")
        if self.kind not in KINDS:
            raise BadMusic(f"{self.kind!r} is no kind of chord; use {', '.join(KINDS)}")

    @property
    def name(self) -> str:
        """Its root with at most one sharp or flat, and its kind: `Cmaj`, `F#m7`, `Bb7`."""
        return CHORD_NAMES[_ROW[self.kind] * 12 + self.root]

    def transposed(self, semitones: int) -> Chord:
        """The same kind on a root so much higher, or lower below 0."""
        return Chord((self.root + semitones) % 12, self.kind)


def parse_chord(text: str) -> Chord | None:
    """The chord that a text names, whole; None where it names none, `N.C.` among them.

    A single letter is read as a major chord: `is_bare` tells such, and the module why it matters.
    """
    named = _named(text)
    if named is None:
        return None
    kind = _kind(named["suffix"])
    return None if kind is None else Chord(_pitch_class(named["root"]), kind)


def is_bare(text: str) -> bool:
    """Whether a text is a letter, which may as well name a section."""
    return text.strip() in _NATURAL


def is_no_chord(text: str) -> bool:
    """Whether a text says that nobody plays chords from here on."""
    return text.strip() in (NO_CHORD, "N.C", "NC", "N. C.")


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class ChordMap(Columns):
    """Which chord holds from each tick on, until the next; none before the first. May be empty.

    `kind` is a row of `KINDS`, or `NO_KIND` where no chord holds any more.
    """

    ticks: NDArray[np.int64] = column(np.int64)
    root: NDArray[np.uint8] = column(np.uint8)
    kind: NDArray[np.uint8] = column(np.uint8)

    def __post_init__(self) -> None:
        Columns.__post_init__(self)
        check_range(self.ticks, 0, MAX_TICKS, "a chord stands at tick {}")
        check_range(self.root, 0, 11, "a chord has the root {}")
        check_range(self.kind, 0, NO_KIND, "a chord is of kind {}")
        if len(self) > 1 and np.any(self.ticks[1:] <= self.ticks[:-1]):
            misfit = self.ticks[1:][self.ticks[1:] <= self.ticks[:-1]][0]
            raise BadMusic(f"a chord at tick {misfit} follows one at the same tick or a later one")

    def texts(self) -> tuple[Text, ...]:
        """The chords as markers of the whole score."""
        if not len(self):  # as most music has it, and much quicker
            return ()
        names = (*CHORD_NAMES, *([NO_CHORD] * 12))
        rows = zip(self.ticks.tolist(), self.numbers().tolist(), strict=True)
        return tuple(Text(ticks, "marker", names[number]) for ticks, number in rows)

    def numbers(self) -> NDArray[np.int64]:
        """Root and kind in one: rows of `CHORD_NAMES`, or `NO_NUMBER` and more for no chord."""
        return self.kind.astype(np.int64) * 12 + self.root


def chord_map(texts: Iterable[Text]) -> ChordMap:
    """The chords that the markers of a piece name, the last of each tick.

    None at all unless the markers are chords, by the rule at the top of the module.
    """
    markers = [
        (text.ticks, text.text)
        for text in texts
        if text.kind == "marker" and text.ticks <= MAX_TICKS
    ]
    numbers = [_number(name) for _, name in markers]
    chords = [(ticks, n) for (ticks, _), n in zip(markers, numbers, strict=True) if n >= 0]
    are_sure = (
        number < NO_NUMBER and not is_bare(name)
        for (_, name), number in zip(markers, numbers, strict=True)
        if number >= 0
    )
    if 2 * len(chords) <= len(markers) or not any(are_sure):
        return _EMPTY
    rows = dict(sorted(dict(chords).items()))  # of one tick the last stays
    kind, root = np.divmod(np.fromiter(rows.values(), np.uint8, len(rows)), 12)
    return ChordMap(np.fromiter(rows, np.int64, len(rows)), root, kind)


def transposed_texts(texts: tuple[Text, ...], semitones: int) -> tuple[Text, ...]:
    """The same texts; where the markers are chords, these are so much higher.

    A chord keeps what its name says beyond the root: `C9/E` becomes `D9/F#`; `C` becomes `Dmaj`.
    """
    if semitones % 12 == 0 or not len(chord_map(texts)):
        return texts
    return tuple(_transposed(text, semitones) for text in texts)


def _transposed(text: Text, semitones: int) -> Text:
    named = _named(text.text)
    if text.kind != "marker" or named is None or parse_chord(text.text) is None:
        return text
    root, bass = (
        ROOTS[(_pitch_class(name) + semitones) % 12] if name else ""
        for name in (named["root"], named["bass"])
    )
    name = root + (named["suffix"] or "maj") + (f"/{bass}" if bass else "")
    return dataclasses.replace(text, text=name)


@lru_cache(maxsize=4096)
def _number(text: str) -> int:
    """A chord as kind times 12 and root, or that there is none from here on; else below 0."""
    chord = parse_chord(text)
    if chord is None:
        return NO_NUMBER if is_no_chord(text) else -1
    return _ROW[chord.kind] * 12 + chord.root


def _named(text: str) -> re.Match[str] | None:
    if len(text) > _LONGEST:
        return None
    return _NAMED.fullmatch(_SPACE.sub("", text.strip().translate(_SIGNS)))


def _kind(suffix: str) -> Kind | None:
    return next((kind for kind, form in _SUFFIXES.items() if re.fullmatch(form, suffix)), None)


def _pitch_class(name: str) -> int:
    return (_NATURAL[name[0]] + {"#": 1, "b": -1, "": 0}[name[1:]]) % 12


_ROW = {kind: row for row, kind in enumerate(KINDS)}
_EMPTY = ChordMap.empty()
