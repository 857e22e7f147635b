"""The collapses that have a name, found in one piece, whatever model of whatever family played it.

Thresholds are such that of real music hardly a piece has any. Knows nothing of what is to be done.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..models.info import ModelInfo
from ..tokens.chorale import SILENT, Chorale, ChoraleLimits
from ..tokens.events import Events
from ..tokens.grammar_score import GrammarScore
from ..tokens.language import Language, TokenIds
from ..tokens.performance import PerformanceLimits

SILENCE, BABBLE, LOOP = "silence", "babble", "loop"
AVALANCHE, SHIFTS, STANDSTILL = "avalanche", "run of shifts", "standstill"
MOST_SILENT = 0.5
LEAST_FORMED = 0.25
"""Legality cubed times pairing; of tokens drawn at random seven in ten can be legal."""
LEAST_UNREPEATED = 0.8
MOST_SHIFTS = 0.2


def collapses(tokens: TokenIds, found: GrammarScore, info: ModelInfo) -> list[str]:
    """The collapses that have a name, in one piece."""
    if isinstance(info.language, Chorale):
        return _collapses_of_voices(tokens, found, info.language, info)
    assert not isinstance(info.limits, ChoraleLimits)
    language = info.language.language
    group = language.group_of[tokens]
    is_note = np.isin(group, _rows(language, "PITCH", "DRUM", "NOTE_ON"))
    shift = group == language.row("SHIFT")
    named = []
    if found.legal**3 * found.paired < LEAST_FORMED and found.notes:
        named.append(BABBLE)
    if not found.notes or _silent_share(tokens, info) > MOST_SILENT:
        named.append(SILENCE)
    if found.unrepeated < LEAST_UNREPEATED:
        named.append(LOOP)
    if found.notes:
        moments = np.cumsum(shift | np.isin(group, _rows(language, "BAR")))
        sizes = np.bincount(moments[is_note])
        # What is usual is chosen so that real music, however dense, gains less than this.
        gain = np.maximum(sizes - info.limits.usual, 0).mean()
        if gain >= 1 or sizes.max() > 2 * info.limits.at_once:
            named.append(AVALANCHE)
    if _needless_shifts(shift, info) > MOST_SHIFTS * len(tokens):
        named.append(SHIFTS)
    return named


def _collapses_of_voices(
    tokens: TokenIds, found: GrammarScore, chorale: Chorale, info: ModelInfo
) -> list[str]:
    """Of those that have a name, what four voices can come to, and that they stand still."""
    assert isinstance(info.limits, ChoraleLimits)
    cells = chorale.cells(tokens)
    named = []
    if found.legal**3 * found.paired < LEAST_FORMED and found.notes:
        named.append(BABBLE)
    silent = int((cells == SILENT).all(axis=1).sum())
    if not found.notes or silent > MOST_SILENT * len(cells):
        named.append(SILENCE)
    if found.unrepeated < LEAST_UNREPEATED:
        named.append(LOOP)
    moves = np.flatnonzero(np.append(True, (cells[1:] != cells[:-1]).any(axis=1)))
    if len(cells) and np.diff(np.append(moves, len(cells))).max() > 2 * info.limits.still:
        named.append(STANDSTILL)
    return named


def _silent_share(tokens: TokenIds, info: ModelInfo) -> float:
    """The share of bars in which no note begins, or of the time in which none sounds."""
    language = info.language.language
    group, value = language.group_of[tokens], language.value_of[tokens]
    if isinstance(info.language, Events):
        bars = np.flatnonzero(group == language.row("BAR"))
        if not len(bars):
            return 0.0
        is_note = np.isin(group, _rows(language, "PITCH", "DRUM"))
        return float(np.mean(np.add.reduceat(is_note, bars, dtype=np.int64) == 0))
    sounding = np.zeros(128, np.bool_)
    silent = total = 0
    on, off, shift = (language.row(name) for name in ("NOTE_ON", "NOTE_OFF", "SHIFT"))
    for kind, number in zip(group.tolist(), value.tolist(), strict=True):
        if kind == on:
            sounding[number] = True
        elif kind == off:
            sounding[number] = False
        elif kind == shift:
            total += number + 1
            silent += 0 if sounding.any() else number + 1
    return silent / total if total else 0.0


def _needless_shifts(shift: NDArray[np.bool_], info: ModelInfo) -> int:
    """How many shifts follow more shifts than the language, or its corpus, has in a row."""
    most = info.limits.shifts if isinstance(info.limits, PerformanceLimits) else 1
    count: NDArray[np.int64] = np.cumsum(shift)
    since = count - np.maximum.accumulate(np.where(shift, 0, count))
    return int(np.count_nonzero(since > most))


def _rows(language: Language, *names: str) -> list[int]:
    return [language.row(name) for name in names if name in language.first]
