"""How grammatical a sequence of tokens is, from 0 to 1, and what it loses points for.

The score is made of four shares; docs/tokens.md defines them in plain words.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .events import Events
from .grammar import Grammar
from .performance import Performance

MOST_REPEATS = 3
"""More of one token in a row is a loop; the shifts of a long rest are none."""


@dataclass(frozen=True, slots=True)
class GrammarScore:
    """Shares from 0 to 1: legal transitions, paired notes, tokens outside loops, coherence."""

    legal: float
    paired: float
    unrepeated: float
    coherent: float

    @property
    def score(self) -> float:
        """The product of all, legality twice: an illegal step spoils both tokens it joins."""
        return self.legal**2 * self.paired * self.unrepeated * self.coherent


def grammar_score(
    tokens: NDArray[np.integer], language: Events | Performance, form: Grammar, limited: Grammar
) -> GrammarScore:
    """Score any sequence: `form` is the language's grammar without limits, `limited` with them.

    Coherence is the share of well-formed tokens that keep to the limits as well: no avalanche of
    notes, no collapse into silence.
    """
    ids: NDArray[np.int64] = np.asarray(tokens, np.int64)
    if not len(ids):
        return GrammarScore(0.0, 0.0, 0.0, 0.0)
    legal = form.legal(ids)
    within = limited.legal(ids)
    return GrammarScore(
        legal=float(legal.mean()),
        paired=_paired(ids, language),
        unrepeated=_unrepeated(ids, language),
        coherent=float(within[legal].mean()) if legal.any() else 0.0,
    )


def _paired(tokens: NDArray[np.int64], language: Events | Performance) -> float:
    """The share of notes that are whole: told with velocity and length, or begun and ended."""
    table = language.language
    group = table.group_of[tokens]
    if isinstance(language, Performance):
        value = table.value_of[tokens]
        is_on, is_off = group == table.row("NOTE_ON"), group == table.row("NOTE_OFF")
        rows = np.flatnonzero(is_on | is_off)
        rows = rows[np.argsort(value[rows], kind="stable")]
        ends = np.zeros(len(rows), bool)
        ends[:-1] = (value[rows[1:]] == value[rows[:-1]]) & is_off[rows[1:]]
        whole, notes = int((ends & is_on[rows]).sum()), int(is_on.sum() + is_off.sum())
        # A note-off without its note is half a note, too.
        return 2 * whole / notes if notes else 0.0
    after_velocity = np.append(False, group[:-1] == table.row("VEL"))
    before_length = np.append(group[1:] == table.row("DUR"), False)
    is_pitch, is_drum = group == table.row("PITCH"), group == table.row("DRUM")
    notes = int(is_pitch.sum() + is_drum.sum())
    whole = (is_pitch & after_velocity & before_length) | (is_drum & after_velocity)
    return int(whole.sum()) / notes if notes else 0.0


def _unrepeated(tokens: NDArray[np.int64], language: Events | Performance) -> float:
    """The share of tokens that do not stand in a run of more than three of the same."""
    table = language.language
    new = np.append(True, tokens[1:] != tokens[:-1])
    run = np.diff(np.append(np.flatnonzero(new), len(tokens)))
    first = tokens[new]
    rests = ("SHIFT", "BAR", "END")
    may_repeat = np.isin(table.group_of[first], [table.row(n) for n in rests if n in table.first])
    looping = run[(run > MOST_REPEATS) & ~may_repeat].sum()
    return 1.0 - float(looping) / len(tokens)
