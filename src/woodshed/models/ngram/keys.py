"""One key for all: pieces are moved to C major or A minor before they are learnt.

So every piece of a corpus speaks for every key. What a model foretells is moved back to the key
of the piece at hand. In a language that tells no key pieces stay as they are, as nobody could say
where to move new ones back to. Knows nothing of contexts.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from ...corpus.key import estimate_key
from ...tokens.events import MAJOR_TONIC
from ...tokens.language import TokenIds
from ...tokens.spoken import Spoken
from ...tokens.vocabulary import Vocabulary

SEMITONES = tuple(range(-5, 7))
"""How far a piece may be moved."""
UNMOVED = SEMITONES.index(0)
AS_IT_IS = len(SEMITONES)
"""The row for a piece whose key is not known yet."""


def move_to_common(tonic: int, is_minor: bool) -> int:
    """The row of `SEMITONES` that takes a key to C major or A minor."""
    home = 9 if is_minor else 0
    return (home - tonic + 5) % 12


def estimated_key(tokens: NDArray[np.integer], language: Spoken) -> int | None:
    """The key of a piece by its notes, as tonic, or tonic + 12 for minor; None without a clue."""
    estimate = estimate_key(language.decode(tokens))
    if estimate is None:
        return None
    tonic = MAJOR_TONIC[estimate.sharps]
    return (tonic + 9) % 12 + 12 if estimate.is_minor else tonic


@dataclass(frozen=True)
class Keys:
    """Moves the tokens of one vocabulary between keys."""

    language: Spoken
    vocabulary: Vocabulary

    @cached_property
    def there(self) -> NDArray[np.int64]:
        """`[row, token] → token`: what a token becomes, moved; -1 where it would fold back."""
        return self._table(SEMITONES)

    @cached_property
    def back(self) -> NDArray[np.int64]:
        """The way back for every row of `there`; the last row moves nothing."""
        table = self._table([-s for s in SEMITONES])
        return np.concatenate([table, np.arange(len(self.vocabulary))[None]])

    def _table(self, semitones: list[int] | tuple[int, ...]) -> NDArray[np.int64]:
        language = self.language.language
        ids = self.vocabulary.ids
        local = np.full(len(language), -1)
        local[ids] = np.arange(len(ids))
        moved = local[language.transposition(semitones)[:, ids].astype(np.int64)]
        values = language.value_of[ids]
        for group in language.groups:
            if group.transposes == "pitch":
                own = language.group_of[ids] == language.row(group.name)
                for row, shift in enumerate(semitones):
                    folds = own & ((values + shift < 0) | (values + shift >= len(group)))
                    moved[row, folds] = -1
        return moved

    @cached_property
    def key_tokens(self) -> NDArray[np.int64]:
        """The token of each of the 24 keys; none in a language without keys."""
        language = self.language.language
        if "KEY" not in language.first:
            return np.empty(0, np.int64)
        row = language.row("KEY")
        return np.flatnonzero(language.group_of[self.vocabulary.ids] == row)

    def told(self, tokens: NDArray[np.integer]) -> int | None:
        """The key that a piece tells; None where it tells none."""
        found = np.flatnonzero(np.isin(tokens, self.key_tokens))
        if not len(found):
            return None
        token = self.vocabulary.ids[tokens[found[0]]]
        return int(self.language.language.value_of[token])

    def with_key(self, tokens: TokenIds) -> tuple[TokenIds, int | None]:
        """The tokens with the key told behind the tempo, by the notes where it was not; the key."""
        if not len(self.key_tokens):
            return tokens, None
        key = self.told(tokens)
        if key is not None:
            return tokens, key
        key = estimated_key(self.vocabulary.globalise(tokens), self.language)
        if key is None or len(tokens) < 2:
            return tokens, key
        return np.insert(tokens, 2, self.key_tokens[key]).astype(tokens.dtype), key

    def row(self, key: int | None) -> int:
        """The row of `SEMITONES` that takes a key to the common one."""
        return UNMOVED if key is None else move_to_common(key % 12, key >= 12)

    def common(self, tokens: NDArray[np.integer], row: int) -> NDArray[np.int64]:
        """The tokens moved; what would fold back stays as it is."""
        moved = self.there[row][tokens]
        return np.where(moved < 0, tokens, moved).astype(np.int64)
