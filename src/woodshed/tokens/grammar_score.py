"""How grammatical a sequence of tokens is, from 0 to 1, and what it loses points for.

The score is made of four shares; docs/tokens.md defines them in plain words.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .chorale import RESTS, VOICES, Chorale
from .events import Events
from .grammar import Grammar
from .language import Language
from .performance import Performance
from .spoken import Spoken

MOST_REPEATS = 3
"""More of one token in a row is a loop; the shifts of a long rest are none."""


@dataclass(frozen=True, slots=True)
class Loops:
    """What counts as a loop in a language: a passage, and how often it comes in a row.

    Passages are up to `longest` units long, and a unit runs from one of `begin` to the next. Those
    alike but for the tokens `aside` are the same. Tokens `left_out` are as good as not there: they
    share what becomes of the token before them.
    """

    begin: tuple[str, ...]
    aside: tuple[str, ...]
    longest: int
    most_times: int
    left_out: tuple[str, ...] = ()


EVENT_LOOPS = Loops(("BAR",), ("VEL", "DUR", "END"), longest=8, most_times=8, left_out=("CHORD",))
PERFORMANCE_LOOPS = Loops(("SHIFT",), ("VELOCITY", "END"), longest=64, most_times=16)
CHORALE_LOOPS = Loops((VOICES[0], RESTS[0]), ("END",), longest=64, most_times=8)
"""Real music has ostinati, too; docs/tokens.md says how many pieces these bounds touch."""


@dataclass(frozen=True, slots=True)
class GrammarScore:
    """Shares from 0 to 1: legal transitions, paired notes, tokens outside loops, coherence.

    `notes` counts what is told: without any there is nothing to judge, and the shares say nothing.
    """

    legal: float
    paired: float
    unrepeated: float
    coherent: float
    notes: int

    @property
    def score(self) -> float:
        """The product of all, legality cubed: by chance alone, seven tokens in ten can be legal.

        0 without a note; `judged` tells that from music that is bad.
        """
        return self.legal**3 * self.paired * self.unrepeated * self.coherent

    @property
    def judged(self) -> float | None:
        """The score, or None where no note is told."""
        return self.score if self.notes else None


def grammar_score(
    tokens: NDArray[np.integer], language: Spoken, form: Grammar, limited: Grammar
) -> GrammarScore:
    """Score any sequence: `form` is the language's grammar without limits, `limited` with them.

    Coherence is the share of well-formed tokens that keep to the limits as well: no avalanche of
    notes, no collapse into silence.
    """
    ids: NDArray[np.int64] = np.asarray(tokens, np.int64)
    legal = form.legal(ids)
    within = limited.legal(ids)
    paired, notes = _paired(ids, language)
    return GrammarScore(
        legal=float(legal.mean()) if len(ids) else 0.0,
        paired=paired,
        unrepeated=1.0 - float(_repeated(ids, language).mean()) if len(ids) else 0.0,
        coherent=float(within[legal].mean()) if legal.any() else 0.0,
        notes=notes,
    )


def _paired(tokens: NDArray[np.int64], language: Spoken) -> tuple[float, int]:
    """The share of notes that are whole, and how many notes there are at all.

    They are told with velocity and length, or begun and ended, or in steps of all four voices.
    """
    table = language.language
    group = table.group_of[tokens]
    if isinstance(language, Chorale):
        sounds = group < len(VOICES)
        cells = int((language.voice_of[tokens] >= 0).sum())
        told = 4 * len(language.cells(tokens))
        return told / cells if cells else 0.0, int(sounds.sum())
    if isinstance(language, Performance):
        value = table.value_of[tokens]
        is_on, is_off = group == table.row("NOTE_ON"), group == table.row("NOTE_OFF")
        rows = np.flatnonzero(is_on | is_off)
        rows = rows[np.argsort(value[rows], kind="stable")]
        ends = np.zeros(len(rows), bool)
        ends[:-1] = (value[rows[1:]] == value[rows[:-1]]) & is_off[rows[1:]]
        whole, notes = int((ends & is_on[rows]).sum()), int(is_on.sum() + is_off.sum())
        # A note-off without its note is half a note, too.
        return 2 * whole / notes if notes else 0.0, int(is_on.sum())
    after_velocity = np.append(False, group[:-1] == table.row("VEL"))
    before_length = np.append(group[1:] == table.row("DUR"), False)
    is_pitch, is_drum = group == table.row("PITCH"), group == table.row("DRUM")
    notes = int(is_pitch.sum() + is_drum.sum())
    whole = (is_pitch & after_velocity & before_length) | (is_drum & after_velocity)
    return int(whole.sum()) / notes if notes else 0.0, notes


def _repeated(tokens: NDArray[np.int64], language: Spoken) -> NDArray[np.bool_]:
    """For each token whether it stands in a run of one token, or in a loop of bars or moments."""
    table = language.language
    new = np.append(True, tokens[1:] != tokens[:-1])
    run = np.diff(np.append(np.flatnonzero(new), len(tokens)))
    first = tokens[new]
    rests = ("SHIFT", "BAR", "END")
    may_repeat = np.isin(table.group_of[first], [table.row(n) for n in rests if n in table.first])
    in_run = np.repeat((run > MOST_REPEATS) & ~may_repeat, run)
    if isinstance(language, Chorale):
        stays = ~_held(tokens, language)
        looped = _looped(tokens[stays], table, CHORALE_LOOPS)
        return np.asarray(in_run | np.append(False, looped)[np.cumsum(stays)])
    loops = EVENT_LOOPS if isinstance(language, Events) else PERFORMANCE_LOOPS
    stays = ~np.isin(table.group_of[tokens], [table.row(name) for name in loops.left_out])
    looped = _looped(tokens[stays], table, loops)
    return np.asarray(in_run | np.append(False, looped)[np.cumsum(stays)])


def _held(tokens: NDArray[np.int64], chorale: Chorale) -> NDArray[np.bool_]:
    """The cells of steps in which every voice tells again what it told at the step before.

    They are no loop, however long a chord is held: that is a matter of limits.
    """
    voice = chorale.voice_of[tokens]
    same = np.append(np.zeros(min(4, len(tokens)), bool), tokens[4:] == tokens[:-4])
    same &= voice >= 0
    held = np.zeros(len(tokens), bool)
    whole = np.flatnonzero((voice[:-3] == 0) & (voice[3:] == 3)) if len(tokens) > 3 else voice[:0]
    steps = whole[:, None] + np.arange(4)
    held[steps[same[steps].all(axis=1)]] = True
    return held


def _looped(tokens: NDArray[np.int64], table: Language, loops: Loops) -> NDArray[np.bool_]:
    """For each token whether its unit stands in a passage that came `most_times` before it."""
    group = table.group_of[tokens]
    begins = np.isin(group, [table.row(name) for name in loops.begin])
    begins[1:] &= group[1:] != group[:-1]
    starts = np.flatnonzero(begins)
    if not len(starts):
        return np.zeros(len(tokens), bool)
    unit = _numbered(tokens, ~np.isin(group, [table.row(name) for name in loops.aside]), starts)
    looped = np.zeros(len(unit), bool)
    for length in range(1, min(loops.longest, len(unit) - 1) + 1):
        same = unit[length:] == unit[:-length]
        place = np.arange(1, len(same) + 1)
        since = place - np.maximum.accumulate(np.where(same, 0, place))
        looped[length:] |= since > (loops.most_times - 1) * length
    sizes = np.diff(np.append(starts, len(tokens)))
    return np.append(np.zeros(starts[0], bool), np.repeat(looped, sizes))


def _numbered(
    tokens: NDArray[np.int64], counts: NDArray[np.bool_], starts: NDArray[np.int64]
) -> NDArray[np.int64]:
    """A number for each unit, the same for units whose tokens that count are the same."""
    data = tokens[counts].tobytes()
    before = np.append(0, np.cumsum(counts)) * tokens.itemsize
    edges = before[np.append(starts, len(tokens))].tolist()
    numbers: dict[bytes, int] = {}
    return np.array(
        [
            numbers.setdefault(data[start:end], len(numbers))
            for start, end in itertools.pairwise(edges)
        ]
    )
