"""A trained n-gram model: the family's side of the protocol, over the loops in `mixing`.

Knows nothing of how it was trained, nor of what is sampled from it.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from threading import Lock
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from ...errors import BadModel
from ...tokens.events import Events
from ...tokens.language import TokenIds
from ..family import NO_CONDITIONS, Conditions, LogProbabilities
from ..info import ModelInfo
from ..store import AGAIN, check_files, mapped
from . import contexts, memory, mixing
from .asking import Mix, Voices
from .hearing import CELLS
from .index import COLUMNS, Index, open_index
from .keys import AS_IT_IS, Keys
from .mixing import Mixture
from .views import (
    FORM,
    MOST_SYMBOLS,
    MOST_TAGS,
    TIMED,
    VIEWS,
    Tables,
    View,
    alone,
    by_rhythm,
    few_valued,
    form_by,
    slots_of,
)
from .weights import FILES, Weights, memories_of, mix_of, room_of

PIECE_TAGS = "piece_tags.bool"
NEEDED = frozenset((PIECE_TAGS, *COLUMNS, *FILES))
"""The files a model cannot do without."""
KEY_COUNTS = "key_counts"


@dataclass(slots=True)
class NgramState:
    """Where a batch of pieces stands."""

    places: NDArray[np.int64]
    turned: NDArray[np.int64]
    history: tuple[Any, ...]
    memory: tuple[Any, ...]
    weights: NDArray[np.float32]
    echo: float = 1.0


@dataclass(frozen=True)
class Ngram:
    """An index, its weights, and what it says of itself.

    `key_counts` (24): how many pieces were in each key. `piece_tags` (tags, pieces): which pieces
    have which tag of the language.
    """

    info: ModelInfo
    tables: Tables
    index: Index
    weights: Weights
    key_counts: NDArray[np.float64]
    piece_tags: NDArray[np.bool_]
    min_count: int = 1

    @classmethod
    def load(cls, path: str | os.PathLike[str], info: ModelInfo) -> Self:
        """Open a stored model; the index is mapped. Raises `BadModel` where it is damaged."""
        check_files(path, info)
        own = info.own
        try:
            segments = np.array(own["segments"], np.int64)
            if segments.ndim != 3 or segments.shape[2] != 2:
                raise ValueError("segments have another form")
            names, slots = tuple(map(str, own["views"])), int(own["slots"])
            key_counts = np.array(own[KEY_COUNTS], np.float64)
            pieces, least = int(own["pieces"]), int(own["min_count"])
            many = segments[:, :, 1].max(initial=0)
            if segments.min(initial=0) < 0 or segments.max(initial=0) >= 2**40 or many >= 2**31:
                raise ValueError("segments lie nowhere")
            if key_counts.shape != (24,) or not (key_counts >= 0).all():
                raise ValueError("its keys make no sense")
            if not (np.isfinite(key_counts).all() and 1 <= pieces < 2**32 and 1 <= least < 2**31):
                raise ValueError("its counts make no sense")
            if slots != slots_of(info.language):
                raise ValueError(f"it has {slots} slots")
            if missing := NEEDED - set(info.files):
                raise ValueError(f"it has no {min(missing)}")
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise BadModel(
                path, f"model.json says something impossible ({error}); {AGAIN}"
            ) from None
        tables = Tables(info.vocabulary, _views(path, info, names), slots)
        if tables.symbols > MOST_SYMBOLS:
            raise BadModel(path, f"it has more symbols than two bytes tell apart; {AGAIN}")
        if segments.shape[1] != len(names):
            raise BadModel(path, f"its index has other views than it says; {AGAIN}")
        if own.get("layout") != tables.layout:
            raise BadModel(path, f"it is of another version of the n-gram model; {AGAIN}")
        tags = len(info.language.tags) if isinstance(info.language, Events) else 0
        return cls(
            info, tables, open_index(path, segments, tables, pieces), Weights.read(path, tables),
            key_counts, np.array(mapped(path, PIECE_TAGS, np.bool_, (tags, pieces))), least,
        )  # fmt: skip

    @property
    def echo(self) -> float | None:
        """A model that repeats itself repeats its mistakes, so the piece counts half."""
        return 0.5 if self.tables.flags[:, 2].any() else None

    @cached_property
    def keys(self) -> Keys:
        """Moves tokens between keys."""
        return Keys(self.info.language, self.info.vocabulary)

    @cached_property
    def _mix(self) -> Mix:
        return mix_of(self.weights, self.tables, self.min_count)

    @cached_property
    def _tables(self) -> tuple[Any, ...]:
        t = self.tables
        return t.group_of, t.value_of, t.special, t.first_of

    @cached_property
    def _busy(self) -> Lock:
        """Held while the loops work in the model's one room, as they let other threads run."""
        return Lock()

    @cached_property
    def _room(self) -> tuple[Voices, Mixture]:
        return room_of(self.tables)

    def _state(self, rows: int) -> NgramState:
        shards, views = self.index.segments.shape[:2]
        streams = self.tables.streams
        return NgramState(
            np.zeros((rows, CELLS), np.int64),
            np.full(rows, AS_IT_IS),
            contexts.buffers(rows, shards, views, streams),
            memory.buffers(rows, len(memories_of(self.tables)), streams),
            np.zeros(0, np.float32),
        )

    def start(
        self, prompts: Sequence[TokenIds], conditions: Conditions = NO_CONDITIONS
    ) -> NgramState:
        """The state after a prompt in each row; see `Model`."""
        state = self._state(len(prompts))
        state.weights = self._piece_weights(conditions)
        state.echo = float(conditions.echo)
        for row, prompt in enumerate(prompts):
            told: TokenIds = np.asarray(prompt)
            key: int | None = None
            if len(prompt) > 2:
                told, key = self.keys.with_key(told)
            if key is not None:
                state.turned[row] = self.keys.row(key)
            tokens = self.keys.common(told, self.keys.row(key))
            mixing.through(self.index.arrays(), self._mix, self._tables, *_row(state, row), tokens)
        return state

    def log_probabilities(self, state: NgramState) -> LogProbabilities:
        """What comes next in each row; see `Model`."""
        out = np.empty((len(state.places), len(self.tables.vocabulary)), np.float32)
        with self._busy:
            mixing.tell(
                self.index.arrays(), self._mix, self._tables, state.places, state.history,
                state.memory, state.weights, state.echo, self.keys.back, state.turned, *self._room,
                out,
            )  # fmt: skip
        if len(self.keys.key_tokens) == 24:
            unknown = np.flatnonzero(state.turned == AS_IT_IS)
            if len(unknown):
                out[unknown[:, None], self.keys.key_tokens] = self._spread(
                    out[unknown[:, None], self.keys.key_tokens]
                )
        return out

    def _spread(self, told: NDArray[np.float32]) -> NDArray[np.float64]:
        """The common keys' probability, given to the keys the corpus has."""
        modes = np.logaddexp.reduce(told.astype(np.float64).reshape(-1, 2, 12), axis=2)
        spread = modes[:, :, None] + self.key_logs.reshape(1, 2, 12)
        return np.asarray(spread.reshape(-1, 24))

    @cached_property
    def key_logs(self) -> NDArray[np.float64]:
        """For each key how probable it is, given whether it is minor."""
        counts = self.key_counts.reshape(2, 12) + 0.1
        return np.asarray(np.log(counts / counts.sum(axis=1, keepdims=True)).reshape(-1))

    def advance(self, state: NgramState, tokens: NDArray[np.integer]) -> None:
        """Take one token in each row; see `Model`."""
        taken = np.asarray(tokens, np.int64)
        known = state.turned != AS_IT_IS
        if not known.all() and len(self.keys.key_tokens):
            language = self.info.language.language
            for row in np.flatnonzero(~known).tolist():
                token = int(self.info.vocabulary.ids[taken[row]])
                if language.group_of[token] == language.row("KEY"):
                    state.turned[row] = self.keys.row(int(language.value_of[token]))
        if (state.turned != AS_IT_IS).any():
            moved = self.keys.there[np.minimum(state.turned, AS_IT_IS - 1), taken]
            taken = np.where((state.turned != AS_IT_IS) & (moved >= 0), moved, taken)
        mixing.take(
            self.index.arrays(), self._mix, self._tables, state.places, state.history,
            state.memory, taken,
        )  # fmt: skip

    def fork(self, state: NgramState, rows: NDArray[np.integer]) -> NgramState:
        """Copies of rows; see `Model`."""
        return NgramState(
            state.places[rows],
            state.turned[rows],
            tuple(array[rows] for array in state.history),
            tuple(array[rows] for array in state.memory),
            state.weights,
            state.echo,
        )

    def _piece_weights(self, conditions: Conditions) -> NDArray[np.float32]:
        """What each piece of the corpus counts under conditions; none where all count alike."""
        if not conditions:
            return np.zeros(0, np.float32)
        self.info.check_tags(conditions.tags)
        weights = np.ones(self.piece_tags.shape[1])
        assert isinstance(self.info.language, Events)  # no other language has tags
        for name, value in conditions.tags.items():
            row = self.info.language.tags.index(f"{name}={value}")
            weights *= np.where(
                self.piece_tags[row], 1.0, np.exp(-3.0 * min(conditions.strength, 5.0))
            )
        return np.maximum(weights, 1e-30).astype(np.float32)

    def log_likelihood(
        self, pieces: Sequence[TokenIds], *, learn: float = 0.0, form_alone: bool = False
    ) -> list[NDArray[np.float64]]:
        """For each piece the logarithm of every token's probability after START, without a mask.

        A piece that tells no key is told with the one it seems to be in, and pays for it as for
        any token, so that nothing is known for free. With a rate to `learn` at, shares and
        weights change as it goes. `form_alone` leaves out all tokens but those of the form, and all
        views but those.
        """
        told = [self.keys.with_key(np.asarray(piece)) for piece in pieces]
        rows = [self.keys.row(key) for _, key in told]
        moved = [self.keys.common(tokens, row) for (tokens, _), row in zip(told, rows, strict=True)]
        mix = self._mix
        if form_alone:
            forms = np.array([v.name.startswith(FORM) for v in self.tables.views])
            kept = np.asarray((self.tables.rules[forms, :, 0] > 0).any(axis=0))
            kept[self.tables.group_of[[piece[0] for piece in moved]]] = True  # START
            moved = [piece[kept[self.tables.group_of[piece]]] for piece in moved]
            mix = mix._replace(
                after=self.tables.after & forms[:, None], follows=np.ones_like(mix.follows)
            )
        offsets = np.cumsum([0, *map(len, moved)])
        tokens = np.concatenate([np.empty(0, np.int64), *moved])
        state = self._state(1)
        out = np.zeros(len(tokens))
        with self._busy:
            mixing.follow(
                self.index.arrays(), mix, self._tables, *_row(state, 0), state.weights, *self._room,
                tokens, offsets, learn, np.zeros_like(mix.by_kind), np.zeros_like(mix.by_token),
                out,
            )  # fmt: skip
        answers = []
        for number, ((_, key), length) in enumerate(zip(told, map(len, moved), strict=True)):
            logs = out[offsets[number] : offsets[number + 1]]
            if (
                not form_alone
                and key is not None
                and len(self.keys.key_tokens) == 24
                and length > 2
            ):
                logs[2] += self.key_logs[key]
            answers.append(logs)
        return answers


def _views(
    path: str | os.PathLike[str], info: ModelInfo, names: tuple[str, ...]
) -> tuple[View, ...]:
    known = {view.name: view for view in VIEWS[info.language.language.name]}
    for tag in few_valued(info.vocabulary):
        by_tag = [form_by(tag), *(by_rhythm(known[name], tag) for name in TIMED if name in known)]
        known |= {view.name: view for view in by_tag}
    strange = [name for name in names if name not in known]
    if strange or not names or len(set(names)) < len(names):
        raise BadModel(path, f"it has a view {strange[:1]} this version does not know; {AGAIN}")
    views = tuple(known[name] for name in names)
    if len({view.tag for view in views if view.tag}) > MOST_TAGS:
        raise BadModel(path, f"it has views of more than {MOST_TAGS} tags; {AGAIN}")
    return views if len(views) > 1 else (alone(views[0]),)


def _row(state: NgramState, row: int) -> tuple[Any, ...]:
    return (
        state.places[row],
        tuple(array[row] for array in state.history),
        tuple(array[row] for array in state.memory),
    )
