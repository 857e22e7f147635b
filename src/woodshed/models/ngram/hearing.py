"""How views hear a piece: token by token, into streams of symbols, and what each foretells.

Plain loops that numba compiles. The same function hears pieces while an index is built and a state
while it is asked, so that contexts always mean the same.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ...music.compiled import kernel
from .views import (
    COARSE,
    FINE,
    IN_TURN,
    MOST_TAGS,
    MOST_VALUES,
    PLACES,
    STAYS,
    TURN_STEPS,
    VOICE_COUNT,
)  # fmt: skip

(
    BAR, SHIFT, INST, CHORD, TAG, METRES,
    KINDS_AT, PLACES_AT, CHORDS_AT, TAG_PLACES_AT, NOTES_AT, TAG_NOTES_AT, BEGIN,
) = range(13)  # fmt: skip
"""Cells of `Tables.special`: rows of groups, how many metres there are, where kinds of symbols
begin, and a piece's begin."""

SLOT, IN_BAR, METRE, CHORD_HERE, LAST, STAY, TOLD = range(7)
"""Cells of where a piece stands: who plays, the step in the bar, which metre it has, the chord, the
last group, how many bars the chord has stayed, and from there on what it tells of each tag that has
a view."""
CELLS = TOLD + MOST_TAGS

NONE = 65535
"""No target, and no symbol."""


@kernel
def stand(token: int, place: Any, group_of: Any, value_of: Any, special: Any) -> None:
    """Take note of where the piece stands once `token` has come."""
    group = group_of[token]
    if special[INST] == IN_TURN:
        place[SLOT] = value_of[token]
        if place[SLOT] == 0:
            place[IN_BAR] = (place[IN_BAR] + 1) % TURN_STEPS
    elif group == special[BAR]:
        place[IN_BAR] = 0
        place[METRE] = value_of[token]
    elif group == special[SHIFT]:
        place[IN_BAR] += value_of[token] + 1
    elif group == special[INST]:
        place[SLOT] = value_of[token]
    elif group == special[CHORD]:
        chord = value_of[token] + 1
        place[STAY] = place[STAY] + 1 if place[CHORD_HERE] == chord else 1
        place[CHORD_HERE] = chord
    elif group == special[TAG] and value_of[token] >= 0:
        place[TOLD + value_of[token] // MOST_VALUES] = value_of[token] % MOST_VALUES
    place[LAST] = group


@kernel
def pass_on(place: Any, special: Any) -> None:
    """Once a token has been heard by every view: where voices take turns, it is the next one's."""
    if special[INST] == IN_TURN:
        place[SLOT] = (place[SLOT] + 1) % VOICE_COUNT


@kernel
def symbol_of(
    token: int, view: int, place: Any, rules: Any, group_of: Any, value_of: Any, special: Any
) -> Any:
    """What `token` leaves in the context of a view, -1 for nothing; `stand` has heard it."""
    group = group_of[token]
    rule = rules[view, group, 0]
    if rule == 0:
        return -1
    if rule == 1:
        return token
    if rule == 2:
        return special[KINDS_AT] + group
    tag = rules[view, group, 2]
    if rule == 6:
        return token if value_of[token] // MOST_VALUES == tag else -1
    here = min(place[IN_BAR], PLACES - 1)
    if rule in (3, 9):
        first = special[PLACES_AT] if rule == 3 else special[NOTES_AT]
        return first + place[METRE] * PLACES + here
    if rule in (8, 10):
        first = special[TAG_PLACES_AT] if rule == 8 else special[TAG_NOTES_AT]
        cell = place[TOLD + tag] * special[METRES] + place[METRE]
        return first + cell * (PLACES // FINE) + here // FINE
    if rule == 4:
        beside = here // COARSE
    elif rule == 5:
        beside = min(place[STAY], PLACES // COARSE - 1)
    else:
        beside = min(place[STAY], STAYS - 1) * MOST_VALUES + place[TOLD + tag]
    return special[CHORDS_AT] + place[CHORD_HERE] * (PLACES // COARSE) + beside


@kernel
def hear_pieces(
    tokens: Any, offsets: Any, view: int, by_slot: bool, streams: int,
    rules: Any, group_of: Any, value_of: Any, special: Any,
    symbols: Any, targets: Any, pieces: Any,
) -> int:  # fmt: skip
    """Write the streams of a view, piece after piece; how many entries there are.

    Each stream of a piece that has any begins with the symbol of a beginning, which has no target.
    The arrays written to hold an entry for each token and for each stream of each piece.
    """
    at = 0
    for piece in range(len(offsets) - 1):
        first, last = offsets[piece], offsets[piece + 1]
        for only in range(streams if by_slot else 1):
            begun = False
            place = np.zeros(CELLS, np.int64)
            for n in range(first, last):
                token = tokens[n]
                stand(token, place, group_of, value_of, special)
                stream = place[SLOT] + 1 if by_slot else 0
                if stream != only and by_slot:
                    continue
                symbol = symbol_of(token, view, place, rules, group_of, value_of, special)
                if symbol < 0:
                    continue
                if not begun:
                    begun = True
                    symbols[at] = special[BEGIN]
                    targets[at] = NONE
                    pieces[at] = piece
                    at += 1
                symbols[at] = symbol
                targets[at] = token if rules[view, group_of[token], 1] else NONE
                pieces[at] = piece
                at += 1
    return at
