"""The tokens a corpus uses, out of all its language has: a model's vocabulary.

A model counts its tokens 0 to n; `names` ties them to the full table, so that models with different
vocabularies of one language still meet. What a prompt brings that the model never saw becomes the
nearest thing it knows, and is told.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from ..errors import UsageError
from .language import Language, TokenIds
from .localise import Localised, localised
from .spoken import Spoken

ALWAYS = ("START", "END")


@dataclass(frozen=True)
class Vocabulary:
    """Some tokens of a language, in the order of their ids."""

    language: Language
    ids: TokenIds

    @classmethod
    def used(
        cls, language: Language, counts: NDArray[np.integer], semitones: Iterable[int] = ()
    ) -> Vocabulary:
        """What a corpus needs that uses each token as often as `counts` says, also transposed."""
        found = np.asarray(counts) > 0
        for group in ALWAYS:
            found[language.first[group]] = True
        needed = found.copy()
        for row in language.transposition(tuple(semitones)):
            needed[row[found]] = True
        return cls(language, np.flatnonzero(needed).astype(np.uint16))

    @classmethod
    def of_names(cls, language: Language, names: Iterable[str]) -> Vocabulary:
        """The vocabulary of a model that was stored by names."""
        names = list(names)
        strange = [name for name in names if name not in language.id_of]
        if strange:
            raise UsageError(
                f"the language {language.name} has no token {strange[0]!r}; the model was made "
                "with another lineup, other tags, or another version"
            )
        return cls(language, np.array(sorted(language.id_of[n] for n in names), np.uint16))

    def __len__(self) -> int:
        return len(self.ids)

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The names of the tokens."""
        return tuple(self.language.names[number] for number in self.ids.tolist())

    @cached_property
    def available(self) -> NDArray[np.bool_]:
        """For each token of the language, whether it belongs."""
        mask = np.zeros(len(self.language), np.bool_)
        mask[self.ids] = True
        return mask

    @cached_property
    def _local(self) -> NDArray[np.int64]:
        local = np.full(len(self.language), -1)
        local[self.ids] = np.arange(len(self.ids))
        return local

    @cached_property
    def nearest(self) -> NDArray[np.uint16]:
        """For each token of the language, as the vocabulary counts: it, or the nearest it has.

        The nearest is one of the same group, or else the nearest at all.
        """
        group_of = self.language.group_of
        known = self.ids.astype(np.int64)
        away = np.abs(np.arange(len(group_of))[:, None] - known)
        away += len(group_of) * (group_of[:, None] != group_of[known])
        return np.asarray(away.argmin(axis=1).astype(np.uint16))

    def localise(self, tokens: NDArray[np.integer], language: Spoken) -> Localised:
        """A legal prompt told with the tokens of this vocabulary, counted as the model counts them.

        What the model never saw becomes what is nearest to a musician, so that the prompt stays
        legal (see `localise`). Raises `UsageError` where the model knows nobody to play it.
        """
        if language.language.identity != self.language.identity:
            raise UsageError(
                "the prompt is told in another language than the model's; encode it with the "
                "model's own lineup and tags"
            )
        found = localised(tokens, language, self.available)
        return dataclasses.replace(found, tokens=self._local[found.tokens].astype(np.uint16))

    def globalise(self, local: NDArray[np.integer]) -> TokenIds:
        """The ids of the full table for tokens as the model counts them."""
        return self.ids[np.asarray(local, np.int64)]

    def report(self) -> dict[str, tuple[int, int]]:
        """For each group, how many of its tokens are used and how many there are."""
        used = Counter(self.language.group_of[self.ids].tolist())
        return {g.name: (used[row], len(g)) for row, g in enumerate(self.language.groups)}
