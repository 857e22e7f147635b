"""Compare: how well models foretell music they never heard, how sure that is, and what they cost.

Knows nothing of flags, nor of what family a model is, but that n-grams can be mixed into others.
"""

from __future__ import annotations

import dataclasses
import math
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..corpus.dataset import Dataset
from ..corpus.splits import Split
from ..corpus.watch import Watch, unwatched
from ..errors import BadModel, UsageError
from ..evaluation.comparable import check_comparable, doubts
from ..evaluation.mixture import (
    Contexts,
    Logs,
    best_share,
    mixed_logs,
    share_text,
    shares_by_context,
)
from ..evaluation.resampling import (
    FEWEST_GROUPS,
    MOST_BY_CHANCE,
    Interval,
    by_chance,
    by_group,
    ratio,
    resampled_sums,
)
from ..evaluation.scores import Foretells, logs_of
from ..evaluation.speed import Conditions, Speed, conditions, speed_of
from ..evaluation.text import Text, text_for
from ..formats.limits import Limits
from ..models.info import ModelInfo
from ..models.load import load_model
from ..models.store import read_info
from ..tokens.cache import TokenCache, open_cache
from ..tokens.language import Language

SPLITS: tuple[Split, ...] = ("test", "validation")
MOST_LEARNT_ON = 200
"""So many validation pieces at most are scored for the shares of mixtures, whatever `pieces` is."""


@dataclass(frozen=True, slots=True)
class Held:
    """What a model is made of: `parameters`, or what an n-gram holds instead; its size on disk."""

    parameters: int | None
    holds: str | None
    bytes_on_disk: int


@dataclass(frozen=True, slots=True)
class Row:
    """A model, or a mixture of two, and its figures.

    `behind` is by how many bits per note it is worse than the best one, of the same pieces; None
    for the best. `by_chance` is how often chance alone would set the two as far apart, corrected
    for all pairs of rows; None for the best, and where there are too few groups to say. `training`
    is what the model says of it. `mix` says how a mixture was made.
    """

    name: str
    family: str
    hash: str | None
    bits_per_note: Interval
    bits_per_second: Interval
    nats_per_token: Interval
    behind: Interval | None = None
    by_chance: float | None = None
    held: Held | None = None
    speed: Speed | None = None
    training: dict[str, Any] = field(default_factory=dict)
    mix: dict[str, Any] | None = None

    @property
    def is_mixture(self) -> bool:
        """Whether it is two models."""
        return self.mix is not None

    @property
    def is_surely_behind(self) -> bool:
        """Whether it is worse than the best by more than chance would have it."""
        return self.by_chance is not None and self.by_chance <= MOST_BY_CHANCE


@dataclass(frozen=True, slots=True)
class Comparison:
    """What was compared, on what, and every row in the order of the models; mixtures follow.

    `groups` are the pieces, those that share their music counted once; intervals and chance are of
    groups. `learnt_on` is on how many validation pieces the shares of mixtures were learnt.
    `text` is told apart by its hash; `unknown` is how many of its tokens each model does not know,
    and `simplified` how many all read as the nearest they know. `said` are sentences on what should
    be known of the figures.
    """

    dataset: str
    data_hash: str
    language: str
    split: str
    text: str
    pieces: int
    groups: int
    learnt_on: int
    tokens: int
    notes: int
    seconds: float
    unknown: tuple[int, ...]
    simplified: int
    rows: tuple[Row, ...]
    conditions: Conditions | None
    said: tuple[str, ...]

    @property
    def best(self) -> Row:
        """The row with the fewest bits per note."""
        return next(row for row in self.rows if row.behind is None)

    @property
    def is_sure(self) -> bool:
        """Whether the best is better than every other row by more than chance would have it.

        Never with fewer than `FEWEST_GROUPS` groups of pieces, nor with nothing beside it.
        """
        others = [row for row in self.rows if row.behind is not None]
        return bool(others) and all(row.is_surely_behind for row in others)

    @property
    def is_enough(self) -> bool:
        """Whether there are enough groups of pieces to tell a difference from chance."""
        return self.groups >= FEWEST_GROUPS


def compare(
    models: Sequence[str | os.PathLike[str]],
    dataset: str | os.PathLike[str],
    *,
    split: Split = "test",
    pieces: int | None = None,
    mix: bool = False,
    unseen: bool = False,
    speed: bool = True,
    limits: Limits | None = None,
    watch: Watch = unwatched,
) -> Comparison:
    """Score the models in some folders on a split of `dataset`, every token after those before it.

    `pieces` scores so many at most, from all over the split. `mix` adds the best mixtures of each
    other model with the n-gram one, learnt on the validation split. `unseen` allows models of other
    data. Without `speed` they are not played. Raises `UsageError` for what cannot be compared, and
    `BadModel` and `BadDataset`.
    """
    if split not in SPLITS:
        raise UsageError(f"--split {split} makes no sense; use {' or '.join(SPLITS)}")
    if pieces is not None and pieces < 1:
        raise UsageError(f"--pieces {pieces} makes no sense; use 1 or more, or leave it out")
    named = [(os.fspath(path), read_info(path)) for path in models]
    opened = Dataset.open(dataset)
    check_comparable(named, opened, unseen=unseen)
    if mix:
        _check_mix(named, split, opened)
    infos = [info for _, info in named]
    cache = open_cache(opened, infos[0].language.language.name, limits, watch)
    text = text_for(opened, cache, split, infos, pieces)
    learn = text_for(opened, cache, "validation", infos, MOST_LEARNT_ON) if mix else None
    scored = _Scored(text, learn)
    for name, info in named:
        model = load_model(name)
        if model.info.hash != info.hash:
            raise BadModel(name, "it was replaced while it was compared; try again")
        scored.add(name, model, watch)  # type: ignore[arg-type]
        if speed:
            scored.speeds[name] = speed_of(model)
        del model
    found = [_model_row(name, info, scored) for name, info in named]
    logs = [scored.logs[name] for name, _ in named]
    if mix:
        for row, mixture in _mixtures(named, scored, cache.language.language):
            found.append(row)
            logs.append(mixture)
    said = doubts(named, opened) + _on_text(text, split, named, cache)
    return Comparison(
        dataset=os.fspath(dataset),
        data_hash=opened.content_hash,
        language=cache.language.language.name,
        split=split,
        text=text.hash,
        pieces=len(text),
        groups=text.group_count,
        learnt_on=0 if learn is None else len(learn),
        tokens=text.count,
        notes=int(text.notes.sum()),
        seconds=float(text.seconds.sum()),
        unknown=text.unknown,
        simplified=text.simplified,
        rows=_with_figures(found, logs, text),
        conditions=conditions() if speed else None,
        said=tuple(said),
    )


@dataclass(slots=True)
class _Scored:
    """The text, and that which shares of mixtures are learnt on; logarithms by model, speeds."""

    text: Text
    learn: Text | None
    logs: dict[str, Logs] = field(default_factory=dict)
    learnt: dict[str, Logs] = field(default_factory=dict)
    speeds: dict[str, Speed] = field(default_factory=dict)

    def add(self, name: str, model: Foretells, watch: Watch) -> None:
        """Score a model."""
        self.logs[name] = logs_of(model, self.text, name, watch)
        if self.learn is not None:
            self.learnt[name] = logs_of(model, self.learn, f"{name}, validation", watch)


def _check_mix(named: Sequence[tuple[str, ModelInfo]], split: str, dataset: Dataset) -> None:
    ngrams = [name for name, info in named if info.family == "ngram"]
    if len(ngrams) != 1 or len(named) < 2:
        has = "no n-gram model" if not ngrams else f"{len(ngrams)} of them"
        has = "nothing else" if len(ngrams) == len(named) == 1 else has
        raise UsageError(
            "--mix adds mixtures of other models with one n-gram model, and here is "
            f"{has}; name one n-gram model and one or more of another family"
        )
    if split == "validation":
        raise UsageError(
            "--mix learns how much to mix on the validation split, so its figures there would say "
            "too much; leave --split validation out"
        )
    if not len(dataset.split("validation")):
        raise UsageError(
            f"--mix learns how much on the validation split, and that of {dataset.path} is empty; "
            "prepare with other --shares, or leave --mix out"
        )


def _model_row(name: str, info: ModelInfo, scored: _Scored) -> Row:
    nothing = Interval(math.nan)
    return Row(
        name, info.family, info.hash, nothing, nothing, nothing,
        held=_held(info), speed=scored.speeds.get(name), training=dict(info.training),
    )  # fmt: skip


def _held(info: ModelInfo) -> Held:
    size = sum(size for size, _ in info.files.values())
    parameters = info.training.get("parameters")
    if isinstance(parameters, int):
        return Held(parameters, None, size)
    segments = info.own.get("segments")
    if not segments:
        return Held(None, None, size)
    entries = int(np.array(segments)[:, :, 1].sum())
    return Held(None, f"{entries:,} entries of {len(info.own.get('views', ()))} views", size)


def _mixtures(
    named: Sequence[tuple[str, ModelInfo]], scored: _Scored, language: Language
) -> list[tuple[Row, Logs]]:
    """Each other model mixed with the n-gram: by one share, and by shares for contexts."""
    (ngram,) = (name for name, info in named if info.family == "ngram")
    contexts = Contexts.of(language)
    assert scored.learn is not None
    found: list[tuple[Row, Logs]] = []
    for name, info in named:
        if name == ngram:
            continue
        network, other = (np.concatenate(scored.learnt[n]) for n in (name, ngram))
        share = best_share(network, other)

        def places(text: Text, logs: dict[str, Logs], name: str = name) -> list[NDArray[np.int64]]:
            told = zip(text.tokens, logs[name], logs[ngram], strict=True)
            return [contexts.of_piece(piece, language, a, b) for piece, a, b in told]

        learnt_at = np.concatenate(places(scored.learn, scored.learnt))
        shares = shares_by_context(network, other, learnt_at, len(contexts), share)
        counts = np.bincount(learnt_at, minlength=len(contexts))
        pairs = list(zip(scored.logs[name], scored.logs[ngram], strict=True))
        one = [mixed_logs(a, b, share) for a, b in pairs]
        at = places(scored.text, scored.logs)
        many = [mixed_logs(a, b, shares[c]) for (a, b), c in zip(pairs, at, strict=True)]
        nothing = Interval(math.nan)
        for title, how, logs in (
            (f"{name}, mix {share_text(share)}", {"share": share}, one),
            (
                f"{name}, mix by context",
                {"share": None, "by_context": contexts.told(shares, counts)},
                many,
            ),
        ):
            told = {"model": name, "with": ngram, **how}
            row = Row(title, f"{info.family} + ngram", None, nothing, nothing, nothing, mix=told)
            found.append((row, logs))
    return found


def _with_figures(found: Sequence[Row], logs: Sequence[Logs], text: Text) -> tuple[Row, ...]:
    """The rows with their figures and intervals, all over the same draws of groups of pieces."""
    told = [np.array([-float(piece.sum()) for piece in each]) for each in logs]
    lengths = np.array([len(piece) - 1 for piece in text.tokens], np.float64)
    own = text.notes.astype(np.float64), text.seconds, lengths, *told
    columns = by_group(np.stack(own, axis=1), text.groups)
    notes, seconds, tokens, *nats = columns.T
    sums = resampled_sums(columns)
    n, s, t, drawn = sums[:, 0], sums[:, 1], sums[:, 2], sums[:, 3:] / math.log(2)
    bits = [each / math.log(2) for each in nats]
    best = int(np.argmin([each.sum() for each in bits]))
    chances = by_chance(np.stack(bits, axis=1))
    return tuple(
        dataclasses.replace(
            row,
            bits_per_note=ratio(bits[k], notes, drawn[:, k], n),
            bits_per_second=ratio(bits[k], seconds, drawn[:, k], s),
            nats_per_token=ratio(nats[k], tokens, drawn[:, k] * math.log(2), t),
            behind=None
            if k == best
            else ratio(bits[k] - bits[best], notes, drawn[:, k] - drawn[:, best], n),
            by_chance=None if chances is None or k == best else float(chances[k, best]),
        )
        for k, row in enumerate(found)
    )


def _on_text(
    text: Text, split: str, named: Sequence[tuple[str, ModelInfo]], cache: TokenCache
) -> list[str]:
    """What should be known of the text that was scored."""
    said = []
    if split == "validation":
        said.append(
            "figures of the validation split flatter: by it an n-gram's weights and the best step "
            "of a network were chosen; those of the test split are fair"
        )
    if text.simplified:
        told = ", ".join(
            f"{name} {count:,}" for (name, _), count in zip(named, text.unknown, strict=True)
        )
        said.append(
            f"{text.simplified:,} of {text.count:,} tokens are not known to every model ({told}); "
            "all of them read the nearest that all know instead"
        )
    if len(text) == 1:
        said.append("one piece alone gives no interval")
    elif text.group_count == 1:
        said.append(f"the {len(text)} pieces share their music, and give no interval")
    elif text.group_count < FEWEST_GROUPS:
        of = "" if text.group_count == len(text) else f" in {text.group_count} groups"
        said.append(f"with {len(text)} pieces{of}, intervals are rough, and too narrow as a rule")
    low = int(np.count_nonzero(~cache.stays()[text.numbers]))
    if low:
        said.append(f"{low:,} of the pieces would be left out of training by their grammar score")
    return said
