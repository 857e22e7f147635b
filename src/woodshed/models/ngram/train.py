"""Training an n-gram model: pieces into the common key, shards sorted, weights learnt.

Knows nothing of folders of music; a dataset and its token cache are there already.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
from collections.abc import Iterator
from dataclasses import asdict

import numpy as np
from numpy.typing import NDArray

from ... import __version__
from ...corpus.dataset import Dataset
from ...corpus.watch import Watch, unwatched
from ...errors import UsageError
from ...tokens.cache import TokenCache
from ...tokens.events import Events
from ...tokens.language import TokenIds
from ...tokens.pieces import tag_names
from ...tokens.spoken import note_count
from ...tokens.vocabulary import Vocabulary
from ..card import card
from ..info import ModelInfo
from ..store import model_folder, seal
from .index import BYTES_AN_ENTRY, IndexBuild, Shard, open_index
from .keys import SEMITONES, Keys
from .model import KEY_COUNTS, PIECE_TAGS, Ngram
from .settings import NgramSettings, memory_bytes
from .views import FORM, MOST_SYMBOLS, Tables, few_valued, slots_of, tag_of, views_for
from .weights import Weights

RATE = 0.02
"""How fast weights are learnt at first."""
MOST_FORMS, FORM_ROUNDS, FORM_RATE = 200, 4, 0.2
"""A piece has few chords and bar lines: their weights are learnt on more pieces, several times."""
LEAST_TOLD = 0.05
"""Bits a shift that a tag must tell of it to have a view of the rhythm."""
FEWEST_HELD_OUT = 3
"""Validation pieces to learn weights on; with fewer, some training pieces are held out for it."""
HOLD_OUT_EVERY = 10
BEGINNING = 512
"""Tokens of a beginning."""
MOST_FOR_WEIGHTS = 8192
"""Tokens of one held-out piece at most, so that one long piece does not decide alone."""


def train_ngram(
    dataset: Dataset,
    cache: TokenCache,
    out: str | os.PathLike[str],
    settings: NgramSettings | None = None,
    *,
    force: bool = False,
    watch: Watch = unwatched,
) -> ModelInfo:
    """Train a model on the training pieces of a dataset, into the folder `out`.

    Stopped at any moment and called again, it goes on at the shard it was at. Raises `UsageError`
    for settings that make no sense, or where no training piece is left.
    """
    settings = settings or NgramSettings()
    _check(settings)
    learn, held_out = _pieces(dataset, cache, settings)
    vocabulary = _vocabulary(cache)
    slots = slots_of(cache.language)
    views = views_for(
        vocabulary, rhythm_tag=_rhythm_tag(cache, vocabulary, learn), plain=settings.plain
    )
    tables = Tables(vocabulary, views, slots)
    if tables.symbols > MOST_SYMBOLS:  # places with a tag are most of them
        tables = Tables(vocabulary, views_for(vocabulary, plain=settings.plain), slots)
    if tables.symbols > MOST_SYMBOLS:
        raise UsageError(
            f"{dataset.path} has so many metres and chords that places in the bar cannot be told "
            "apart; leave out the strangest metres, or use --plain"
        )
    keys = Keys(cache.language, vocabulary)
    mark = _mark(dataset, tables, settings, learn)
    with model_folder(out, force=force) as folder:
        build = IndexBuild(folder, tables, mark)
        shards = _shards(cache, learn, settings)
        pairs = np.zeros((tables.rules.shape[1], len(vocabulary)))
        key_counts = np.zeros(24)
        steps = len(shards) * len(tables.views)
        for _ in watch(_build(cache, keys, build, shards, pairs, key_counts), steps, "sorting"):
            pass
        segments = build.segments()
        weights = Weights.fresh(pairs, tables)
        info = ModelInfo(
            family="ngram",
            language=cache.language,
            vocabulary=vocabulary,
            limits=cache.grammar_limits,
            data_hash=dataset.content_hash,
            licences=tuple(sorted({str(n) for n in dataset.pieces.licence if n})),
            settings=asdict(settings),
            training={},
            own={
                "views": [view.name for view in tables.views],
                "slots": slots,
                "layout": tables.layout,
                "segments": segments.tolist(),
                "pieces": len(learn),
                "min_count": settings.min_count,
                KEY_COUNTS: key_counts.tolist(),
            },
            files={},
        )
        model = Ngram(
            info, tables, open_index(folder, segments, tables, len(learn)), weights, key_counts,
            np.zeros((0, len(learn)), np.bool_), settings.min_count,
        )  # fmt: skip
        told = list(_some(cache, vocabulary, held_out, settings.held_out_tokens))
        bits = None
        if told and settings.held_out_tokens:
            if FORM in [view.name for view in tables.views]:
                every = [local(cache[n], vocabulary) for n in held_out[:MOST_FORMS].tolist()]
                for _ in range(FORM_ROUNDS):
                    model.log_likelihood(every, learn=FORM_RATE, form_alone=True)
            logs = model.log_likelihood(told, learn=RATE)
            notes = sum(note_count(cache.language, vocabulary.globalise(piece)) for piece in told)
            bits = float(-sum(log.sum() for log in logs) / np.log(2) / max(notes, 1))
        model.weights.save(folder)
        del model
        _piece_tags(dataset, cache, learn).tofile(folder / PIECE_TAGS)
        build.finish()
        training = {
            "pieces": len(learn),
            "tokens": int(sum(len(cache[n]) for n in learn)),
            "notes": int(dataset.pieces.notes[learn].sum()),
            "shards": len(shards),
            "held_out_pieces": min(len(told), len(held_out)),
            "bits_per_note_while_learning": None if bits is None else round(bits, 3),
        }
        info = dataclasses.replace(info, training=training)
        return seal(folder, info, card(info))


def _check(settings: NgramSettings) -> None:
    memory_bytes(settings.memory)
    for name, least in (("min_count", 1), ("held_out_tokens", 0)):
        if getattr(settings, name) < least:
            flag = "--" + name.replace("_", "-")
            raise UsageError(f"{flag} {getattr(settings, name)} is too little; use {least} or more")


def _pieces(
    dataset: Dataset, cache: TokenCache, settings: NgramSettings
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The pieces to learn from, and those to learn the weights on."""
    stays = cache.stays()
    learn = dataset.split("train")
    learn = learn[stays[learn]]
    held_out = dataset.split("validation")
    held_out = held_out[stays[held_out]]
    enough = len(learn) >= 2 * HOLD_OUT_EVERY and settings.held_out_tokens > 0
    if len(held_out) < FEWEST_HELD_OUT and enough:
        aside = np.arange(len(learn)) % HOLD_OUT_EVERY == 0
        learn, held_out = learn[~aside], learn[aside]
    if not len(learn):
        raise UsageError(
            f"{dataset.path} has no training piece whose grammar score is high enough; "
            "`woodshed check` lists them"
        )
    return learn, held_out


def _vocabulary(cache: TokenCache) -> Vocabulary:
    """What the corpus uses, in all keys that pieces are moved to, and all keys themselves."""
    vocabulary = cache.vocabulary(SEMITONES)
    language = cache.language.language
    if "KEY" not in language.first:
        return vocabulary
    keys = np.flatnonzero(language.group_of == language.row("KEY"))
    return Vocabulary(language, np.union1d(vocabulary.ids, keys).astype(np.uint16))


def _rhythm_tag(cache: TokenCache, vocabulary: Vocabulary, learn: NDArray[np.int64]) -> str:
    """The tag that says most of how far moments lie apart, where one says something."""
    tags = few_valued(vocabulary)
    names = np.array(vocabulary.names)
    shifts = np.array([name.startswith("SHIFT_") for name in names])
    counts = np.zeros((len(names), np.count_nonzero(shifts)))
    for n in learn[:: len(learn) // MOST_FORMS + 1].tolist() if tags else ():
        tokens = local(cache[n], vocabulary)
        here = np.bincount(tokens, minlength=len(names))
        counts[np.flatnonzero(here)] += here[shifts]

    def bits(rows: NDArray[np.float64]) -> NDArray[np.float64]:
        """The entropy of each row, times its sum."""
        logs = np.log2(np.maximum(rows, 1) / np.maximum(rows.sum(axis=-1, keepdims=True), 1))
        return np.asarray(-(rows * logs).sum(axis=-1))

    best, least = "", LEAST_TOLD
    for tag in tags:
        own = counts[[tag_of(name) == tag for name in names.tolist()]]
        told = float(bits(own.sum(axis=0)) - bits(own).sum()) / max(own.sum(), 1)
        if told > least:
            best, least = tag, told
    return best


def _mark(
    dataset: Dataset, tables: Tables, settings: NgramSettings, learn: NDArray[np.int64]
) -> str:
    """What an index is built of: another mark, another index."""
    told = [
        __version__, dataset.content_hash, tables.vocabulary.language.identity, tables.layout,
        settings.memory, learn.tolist(),
    ]  # fmt: skip
    return hashlib.sha256(json.dumps(told).encode()).hexdigest()


def _shards(
    cache: TokenCache, learn: NDArray[np.int64], settings: NgramSettings
) -> list[NDArray[np.int64]]:
    """Runs of pieces, each as long as may be sorted within the memory allowed."""
    most = max(memory_bytes(settings.memory) // BYTES_AN_ENTRY, 1)
    most = min(most, 2**29)  # ranks are 32 bits, two bytes are sorted for each, streams add some
    lengths = np.array([len(cache[n]) + 2 for n in learn.tolist()])
    runs: list[NDArray[np.int64]] = []
    begin, held = 0, 0
    for n, length in enumerate(lengths.tolist()):
        if held and held + length > most:
            runs.append(learn[begin:n])
            begin, held = n, 0
        held += length
    runs.append(learn[begin:])
    return runs


def _build(
    cache: TokenCache,
    keys: Keys,
    build: IndexBuild,
    shards: list[NDArray[np.int64]],
    pairs: NDArray[np.float64],
    key_counts: NDArray[np.float64],
) -> Iterator[str]:
    """Build every shard, and count pairs and keys on the way."""
    first = 0
    for number, run in enumerate(shards):
        shard = _shard(cache, keys, run, first, key_counts)
        _count_pairs(shard.tokens, build.tables.group_of, pairs)
        yield from build.add(shard, number)
        first += len(run)


def _shard(
    cache: TokenCache, keys: Keys, run: NDArray[np.int64], first: int, counts: NDArray[np.float64]
) -> Shard:
    told = []
    for n in run.tolist():
        tokens, key = keys.with_key(local(cache[n], keys.vocabulary))
        if key is not None:
            counts[key] += 1
        told.append(keys.common(tokens, keys.row(key)).astype(np.uint16))
    return Shard(np.concatenate(told), np.cumsum([0, *map(len, told)]), first)


def local(tokens: TokenIds, vocabulary: Vocabulary) -> TokenIds:
    """Tokens of the full table as the vocabulary counts them.

    What it lacks becomes the nearest it has in the same group, or else the nearest at all.
    """
    return vocabulary.nearest[tokens]


def _count_pairs(
    tokens: NDArray[np.uint16], group_of: NDArray[np.int64], pairs: NDArray[np.float64]
) -> None:
    kinds, count = pairs.shape
    for at in range(1, len(tokens), 2**22):
        these = tokens[at : at + 2**22].astype(np.int64)
        last = group_of[tokens[at - 1 : at - 1 + len(these)]]
        pairs += np.bincount(last * count + these, minlength=kinds * count).reshape(kinds, count)


def _some(
    cache: TokenCache, vocabulary: Vocabulary, held_out: NDArray[np.int64], most: int
) -> Iterator[TokenIds]:
    """Held-out pieces from all over their order, until there are `most` tokens.

    Half of them are of beginnings, where a piece has nothing of its own to go by yet.
    """
    order = held_out[np.argsort(np.arange(len(held_out)) * 0.6180339887 % 1, kind="stable")]
    left = most / 2
    begun = 0
    for n in order.tolist():
        tokens = local(cache[n], vocabulary)[:BEGINNING]
        begun += 1
        left -= len(tokens)
        yield tokens
        if left <= 0:
            break
    left += most / 2
    for n in np.roll(order, -begun).tolist():
        if left <= 0:
            return
        tokens = local(cache[n], vocabulary)[:MOST_FOR_WEIGHTS]
        left -= len(tokens)
        yield tokens


def _piece_tags(dataset: Dataset, cache: TokenCache, learn: NDArray[np.int64]) -> NDArray[np.bool_]:
    """(tags, pieces): which piece has which tag of the language."""
    tags = cache.language.tags if isinstance(cache.language, Events) else ()
    rows = {tag: row for row, tag in enumerate(tags)}
    table = np.zeros((len(tags), len(learn)), np.bool_)
    for column, n in enumerate(learn.tolist()):
        for tag in tag_names(dataset.tags(n)) if tags else ():
            table[rows[tag], column] = True
    return table
