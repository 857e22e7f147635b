"""The bars of a prompt told in metres a model knows, while its notes keep their time."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from functools import cached_property

from .events import LONGEST_BAR_STEPS, METRE_STEPS, METRES
from .known import Known


@dataclass(frozen=True, slots=True, order=True)
class Note:
    """A note of `events`, sorted as notes are told. Drums have no duration: None."""

    step: int
    slot: int
    pitch: int
    velocity: int
    duration: int | None


@dataclass(frozen=True, slots=True)
class Bar:
    """A bar from a step on; `cut` is its length where it ends early, else None.

    So is `chord`, the one that holds where it begins; it does not count when bars are compared.
    """

    start: int
    metre: int
    cut: int | None = None
    chord: int | None = field(default=None, compare=False)

    @property
    def end(self) -> int:
        """Where the next bar begins."""
        return self.start + (self.cut or _steps(self.metre))

    def names(self, known: Known) -> list[str]:
        """What its tokens are called."""
        metre = known.name("BAR", self.metre)
        return [metre] if self.cut is None else [f"{metre} {known.name('CUT', self.cut - 1)}"]


def barred(bars: list[Bar], notes: list[Note], known: Known) -> tuple[list[Bar], list[Note]]:
    """The music in bars the model knows; bar lines are met again wherever they can be.

    Only an upbeat that cannot be told becomes the end of a whole bar, behind a rest.
    """
    metres = _Metres(known)
    if not bars or all(metres.has(bar) for bar in bars):
        return bars, notes
    bars, notes = _with_whole_upbeat(bars, notes, metres, known)
    lines = [bar.start for bar in bars] + [bars[-1].end]
    until = max([bars[-1].start, *(note.step for note in notes if note.step < lines[-1])])
    told: list[Bar] = []
    at = row = 0
    while at <= until:
        while lines[row + 1] <= at:
            row += 1
        own = bars[row]
        if own.start != at or not metres.has(own):
            own = Bar(at, *metres.towards(lines[row + 1] - at), own.chord)
        told.append(own)
        at = own.end
    kept = set(told)
    for bar in bars:
        if bar not in kept:
            over = [new for new in told if new.start < bar.end and new.end > bar.start]
            known.tell(bar.names(known), [name for new in over for name in new.names(known)])
    return told, notes


def _with_whole_upbeat(
    bars: list[Bar], notes: list[Note], metres: _Metres, known: Known
) -> tuple[list[Bar], list[Note]]:
    upbeat = bars[0]
    if upbeat.cut is None or metres.has(upbeat) or metres.fills[upbeat.cut]:
        return bars, notes
    longer = [metre for metre in metres.known if _steps(metre) > upbeat.cut]
    if not longer:
        return bars, notes
    metre = upbeat.metre if upbeat.metre in longer else min(longer, key=_plainness)
    rest = _steps(metre) - upbeat.cut
    known.tell(upbeat.names(known), Bar(0, metre).names(known))
    later = [dataclasses.replace(bar, start=bar.start + rest) for bar in bars[1:]]
    moved = [dataclasses.replace(note, step=note.step + rest) for note in notes]
    return [Bar(0, metre, chord=upbeat.chord), *later], moved


class _Metres:
    """The bars a model can tell."""

    def __init__(self, known: Known) -> None:
        self.known = sorted(known.needed("BAR"), key=_plainness)
        self.cuts = {row + 1 for row in known.rows("CUT")}
        self.of_length: dict[int, Bar] = {}
        for metre in self.known:
            self.of_length.setdefault(_steps(metre), Bar(0, metre))
        for metre in self.known:
            for cut in self.cuts:
                if cut < _steps(metre):
                    self.of_length.setdefault(cut, Bar(0, metre, cut))

    def has(self, bar: Bar) -> bool:
        """Whether a bar can be told as it is."""
        return bar.metre in self.known and (bar.cut is None or bar.cut in self.cuts)

    @cached_property
    def fills(self) -> list[bool]:
        """For each length whether bars in a row can make it."""
        fills = [True]
        for length in range(1, LONGEST_BAR_STEPS + 1):
            fills.append(any(n <= length and fills[length - n] for n in self.of_length))
        return fills

    def towards(self, gap: int) -> tuple[int, int | None]:
        """The metre and cut of the bar to begin with where the next line is `gap` steps away."""
        short = [n for n in self.of_length if n <= gap]
        exact = [n for n in short if self.fills[gap - n]]
        bar = self.of_length[max(exact or short or [min(self.of_length)])]
        return bar.metre, bar.cut


def _steps(metre: int) -> int:
    return int(METRE_STEPS[metre])


def _plainness(metre: int) -> tuple[int, bool, int]:
    """Short metres first, and of the same length one in quarters."""
    return _steps(metre), METRES[metre][1] != 4, metre
