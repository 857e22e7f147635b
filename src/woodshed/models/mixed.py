"""Two models as one: a network and an n-gram model, their probabilities mixed.

One knob: nearer the corpus, as the n-gram has it by heart, or further away. Knows nothing of how
either tells its probabilities.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple, dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import UsageError
from ..tokens.language import TokenIds
from .family import NO_CONDITIONS, Conditions, LogProbabilities, Model
from .info import ModelInfo
from .playing import AS_USUAL, Playing, played_as

SMALLEST = np.float32(np.finfo(np.float32).tiny)


@dataclass(slots=True)
class MixedState:
    """Where a batch stands in both; None in one that has no share."""

    network: Any
    ngram: Any


@dataclass(frozen=True)
class Mixed:
    """A network in which an n-gram model has the share `mix`: 0 the network alone, 1 the n-gram.

    Tokens are the network's. What the n-gram knows beyond them it does not say; its probabilities
    are made whole again. Raises `UsageError` for models that cannot be mixed.
    """

    network: Model
    ngram: Model
    mix: float

    def __post_init__(self) -> None:
        check_mix(self.mix)
        ours, its = self.network.info, self.ngram.info
        if ours.family == "ngram":
            raise UsageError(
                f"--mix {self.mix:g} mixes an n-gram model into another one, and the model is an "
                "n-gram model itself; leave --mix out"
            )
        if its.family != "ngram":
            raise UsageError(
                f"--mix {self.mix:g} needs an n-gram model to mix in, and this is of the family "
                f"{its.family}; name an n-gram model"
            )
        if ours.language.language.identity != its.language.language.identity:
            names = ours.language.language.name, its.language.language.name
            how = f"{names[0]} and {names[1]}" if names[0] != names[1] else "other lineups or tags"
            raise UsageError(
                f"the {ours.family} and the n-gram model speak different languages ({how}), and "
                "cannot be mixed; train both on the same dataset in the same language"
            )
        strange = sorted(set(ours.vocabulary.names) - set(its.vocabulary.names))
        if strange:
            raise UsageError(
                f"the n-gram model does not know {len(strange):,} tokens of the {ours.family}'s "
                f"{len(ours.vocabulary):,} ({strange[0]} is one), and cannot be mixed in; train "
                "both on the same dataset"
            )

    @property
    def info(self) -> ModelInfo:
        """What the network says of itself."""
        return self.network.info

    @property
    def echo(self) -> float | None:
        """What the piece at hand counts unless told: between what it counts for either."""
        ours, its = self.network.echo, self.ngram.echo
        if ours is None or its is None:
            return its if ours is None else ours
        return (1 - self.mix) * ours + self.mix * its

    @property
    def hears(self) -> int | None:
        """How many tokens the network hears at once; None where it carries all on."""
        return getattr(self.network, "hears", None)

    @cached_property
    def _there(self) -> NDArray[np.int64]:
        """For each token of the network what the n-gram counts it as."""
        ids = self.ngram.info.vocabulary.ids
        return np.asarray(np.searchsorted(ids, self.network.info.vocabulary.ids), np.int64)

    @cached_property
    def _is_same(self) -> bool:
        return len(self._there) == len(self.ngram.info.vocabulary)

    @property
    def playing(self) -> Playing:
        """How the network is played."""
        return getattr(self.network, "playing", AS_USUAL)

    def played_by(self, playing: Playing) -> Mixed:
        """The same two, the network played in another way."""
        return Mixed(played_as(self.network, *astuple(playing))[0], self.ngram, self.mix)

    def start(
        self, prompts: Sequence[TokenIds], conditions: Conditions = NO_CONDITIONS
    ) -> MixedState:
        """The state after a prompt in each row; see `Model`."""
        state = MixedState(None, None)
        if self.mix < 1:
            state.network = self.network.start(prompts, conditions)
        if self.mix > 0:
            told = [self._there[np.asarray(p, np.int64)].astype(np.uint16) for p in prompts]
            state.ngram = self.ngram.start(told, conditions)
        return state

    def log_probabilities(self, state: MixedState) -> LogProbabilities:
        """What comes next in each row; see `Model`."""
        if state.ngram is None:
            return self.network.log_probabilities(state.network)
        its = self.ngram.log_probabilities(state.ngram)
        if state.network is None and self._is_same:
            return its
        # Copied row by row in their order, so that sums are the same in any company.
        said = np.ascontiguousarray(np.take(its, self._there, axis=1))
        said -= said.max(axis=1, keepdims=True)
        np.exp(said, out=said)
        said *= np.float32(self.mix) / said.sum(axis=1, keepdims=True)
        if state.network is not None:
            ours = np.ascontiguousarray(self.network.log_probabilities(state.network), np.float32)
            np.exp(ours, out=ours)
            ours *= np.float32(1 - self.mix)
            said += ours
        np.maximum(said, SMALLEST, out=said)
        return np.asarray(np.log(said, out=said))

    def advance(self, state: MixedState, tokens: NDArray[np.integer]) -> None:
        """Take one token in each row; see `Model`."""
        if state.network is not None:
            self.network.advance(state.network, tokens)
        if state.ngram is not None:
            self.ngram.advance(state.ngram, self._there[np.asarray(tokens, np.int64)])

    def fork(self, state: MixedState, rows: NDArray[np.integer]) -> MixedState:
        """Copies of rows; see `Model`."""
        return MixedState(
            None if state.network is None else self.network.fork(state.network, rows),
            None if state.ngram is None else self.ngram.fork(state.ngram, rows),
        )

    def told(self) -> dict[str, Any]:
        """What a file tells of it beside the network."""
        its = self.ngram.info
        return {
            "share": self.mix, "model": its.hash, "data": its.data_hash,
            "licences": list(its.licences),
        }  # fmt: skip


def check_mix(mix: float) -> None:
    """Raise `UsageError` for a share that is none."""
    if not 0 <= mix <= 1:
        raise UsageError(
            f"--mix {mix:g} makes no sense; use 0 (the network alone) to 1 (the n-gram model alone)"
        )
