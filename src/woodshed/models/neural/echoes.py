"""What came the last time the piece stood where it stands now: told to a network with each token.

Music repeats itself over stretches that no context holds. So the piece is heard in a few ways,
those of the n-gram model and with its memory: without touch, the line of the slot alone, the rhythm
alone. For each way the network is told which token came after the longest context that the piece
has had before, and how long that was. It learns by itself how much to believe it.

Only what has been heard says anything, so a piece is told the same while it is played as while it
is learnt. Knows nothing of networks.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...music.compiled import kernel
from ...tokens.vocabulary import Vocabulary
from ..ngram import memory
from ..ngram.hearing import BEGIN, CELLS, LAST, SLOT, pass_on, stand, symbol_of
from ..ngram.memory import NEXT, ORDERS, RECALLED, TARGETS, append, cell_of, remember
from ..ngram.views import VIEWS, Tables, slots_told
from .config import ECHO_CLASSES, ECHO_WAYS

WAYS = {
    "events": ("deaf to touch", "own line", "rhythm"),
    "performance": ("deaf to touch", "line", "rhythm"),
    "chorale": ("plain", "own line", "outer voices"),
}
"""The views of a language that a piece is heard with."""
MARKED = {name: WAYS[name] for name in ("events", "performance")}
"""Part of every mark. A language with a table of its own needs none: its views make its mark."""
assert ECHO_CLASSES == ORDERS + 1
assert all(len(ways) == ECHO_WAYS for ways in WAYS.values())
Told = NDArray[np.int64]
"""(tokens, columns): a token, and for each way the one that came then, and how sure that is."""


@kernel
def hear_again(
    token: int, rules: Any, after: Any, by_slot: Any, group_of: Any, value_of: Any, special: Any,
    place: Any, cells: Any, past: Any, codes: Any, told: Any,
) -> None:  # fmt: skip
    """Take a token of a piece, and fill `told`: what came the last time the piece stood there."""
    stand(token, place, group_of, value_of, special)
    told[0] = token
    for way in range(len(by_slot)):
        stream = place[SLOT] + 1 if by_slot[way] else 0
        symbol = symbol_of(token, way, place, rules, group_of, value_of, special)
        if symbol >= 0:
            if rules[way, group_of[token], 1]:
                remember(cells[way], codes[way, stream], token)
            append(past[way, stream], codes[way, stream], symbol, stream)
    pass_on(place, special)
    for way in range(len(by_slot)):
        stream = place[SLOT] + 1 if by_slot[way] else 0
        told[1 + 2 * way] = len(group_of)
        told[2 + 2 * way] = 0
        if after[way, place[LAST]]:
            for order in range(ORDERS - 1, -1, -1):
                at = cell_of(cells[way], codes[way, stream, order])
                if at >= 0:
                    newest = (cells[way, at, NEXT] + RECALLED - 1) % RECALLED
                    told[1 + 2 * way] = cells[way, at, TARGETS + newest]
                    told[2 + 2 * way] = order + 1
                    break


@kernel
def hear_rows(
    tokens: Any, rows: Any, rules: Any, after: Any, by_slot: Any, group_of: Any, value_of: Any,
    special: Any, places: Any, cells: Any, past: Any, codes: Any, told: Any,
) -> None:  # fmt: skip
    """The next tokens of rows, each row's in their order."""
    for n in range(len(tokens)):
        row = rows[n]
        hear_again(
            tokens[n], rules, after, by_slot, group_of, value_of, special, places[row], cells[row],
            past[row], codes[row], told[n],
        )  # fmt: skip


@kernel
def begin_rows(special: Any, past: Any, codes: Any) -> None:
    """Before the first token of any row."""
    for row in range(len(past)):
        for way in range(past.shape[1]):
            for stream in range(past.shape[2]):
                past[row, way, stream, :] = special[BEGIN]
                append(past[row, way, stream], codes[row, way, stream], special[BEGIN], stream)


@dataclass(slots=True)
class Heard:
    """Where pieces stand, and what they remember of themselves, a row for each."""

    places: NDArray[np.int64]
    memory: tuple[Any, Any, Any]

    def taken(self, rows: Sequence[int] | NDArray[np.int64]) -> Heard:
        """Copies of rows, any of them several times or never."""
        chosen = np.asarray(rows, np.int64)
        cells, past, codes = (array[chosen] for array in self.memory)
        return Heard(self.places[chosen], (cells, past, codes))


class Echoes:
    """Hears pieces of one vocabulary again."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        language = vocabulary.language
        views = tuple(v for v in VIEWS[language.name] if v.name in WAYS[language.name])
        tables = Tables(vocabulary, views, slots_told(language))
        self.streams, self.ways, self.nothing = tables.streams, len(views), len(vocabulary)
        self._arrays = (
            tables.rules, tables.after, np.ascontiguousarray(tables.flags[:, 0]), tables.group_of,
            tables.value_of, tables.special,
        )  # fmt: skip

    @property
    def mark(self) -> str:
        """A hash of all that gives what is told its meaning: other ways, another network."""
        told = hashlib.sha256(repr((MARKED, memory.CELL_BITS, RECALLED)).encode())
        for array in (*self._arrays, memory.LENGTHS):
            told.update(np.ascontiguousarray(array).tobytes())
        return told.hexdigest()[:16]

    @property
    def columns(self) -> int:
        """How many numbers are told with a token, itself among them."""
        return 1 + 2 * self.ways

    def begin(self, rows: int) -> Heard:
        """Rows that have heard nothing."""
        heard = Heard(
            np.zeros((rows, CELLS), np.int64), memory.buffers(rows, self.ways, self.streams)
        )
        begin_rows(self._arrays[-1], *heard.memory[1:])
        return heard

    def hear(
        self, tokens: NDArray[np.integer], rows: Sequence[int] | NDArray[np.int64], heard: Heard
    ) -> Told:
        """What is told with the next tokens of `rows`, changing `heard`.

        A row may come several times, for as many tokens in their order.
        """
        told = np.zeros((len(tokens), self.columns), np.int64)
        hear_rows(
            np.asarray(tokens, np.int64), np.asarray(rows, np.int64), *self._arrays, heard.places,
            *heard.memory, told,
        )  # fmt: skip
        return told

    def of_piece(self, tokens: NDArray[np.integer]) -> Told:
        """What is told with each token of a piece from its beginning."""
        return self.hear(tokens, np.zeros(len(tokens), np.int64), self.begin(1))
