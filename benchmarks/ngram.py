"""The n-gram model: bits per note against Kneser-Ney, how fast it is built, and how fast it plays.

    python benchmarks/ngram.py bits FOLDER...      each folder of music prepared by itself
    python benchmarks/ngram.py steps FOLDER...     what each view gains
    python benchmarks/ngram.py build FOLDER        against SQLite, and from 1 to 50 million tokens
    python benchmarks/ngram.py play FOLDER         tokens a second at 10 million training tokens

Larger corpora are made of a folder's pieces, moved to other keys and cut at random, so that they
are no mere copies. Ratios are taken within one run; times are processor time, as others work here.
"""

from __future__ import annotations

import argparse
import dataclasses
import itertools
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from benchmarks.baselines.kneser_ney import KneserNey
from benchmarks.baselines.sqlite_counts import count_into
from woodshed.corpus.dataset import Dataset
from woodshed.corpus.prepare import prepare
from woodshed.models.info import ModelInfo
from woodshed.models.load import load_model
from woodshed.models.ngram.index import Index
from woodshed.models.ngram.keys import SEMITONES, Keys
from woodshed.models.ngram.model import Ngram
from woodshed.models.ngram.settings import NgramSettings
from woodshed.models.ngram.suffixes import view_suffixes
from woodshed.models.ngram.train import RATE, _count_pairs, _vocabulary, local, train_ngram
from woodshed.models.ngram.views import Tables, View, views_for
from woodshed.models.ngram.weights import Weights
from woodshed.sampling.engine import BATCH
from woodshed.tokens.cache import TokenCache, open_cache
from woodshed.tokens.language import TokenIds

ORDERS = (3, 4, 5, 20)


def prepared(folder: Path, scratch: Path) -> tuple[Dataset, TokenCache]:
    """A folder of music as a dataset, and its tokens."""
    place = scratch / f"{folder.name}.dataset"
    prepare(folder, place, "band")
    dataset = Dataset.open(place)
    return dataset, open_cache(dataset, "events")


def pieces_of(dataset: Dataset, cache: TokenCache, split: str, keys: Keys) -> list[TokenIds]:
    """The pieces of a split as the model counts them, each told with its key."""
    stays = cache.stays()
    numbers = [n for n in dataset.split(split) if stays[n]]  # type: ignore[arg-type]
    return [keys.with_key(local(cache[n], keys.vocabulary))[0] for n in numbers]


def bits(folders: Sequence[Path], scratch: Path) -> None:
    """Bits per note on the test split: the model, its plain view alone, and Kneser-Ney."""
    print("| corpus | tokens | " + " | ".join(f"Kneser-Ney {n}" for n in ORDERS), end="")
    print(" | … in the common key, best | plain | all views | against the best |")
    print("|---|" + "---:|" * (len(ORDERS) + 5))
    for folder in folders:
        dataset, cache = prepared(folder, scratch)
        vocabulary = _vocabulary(cache)
        keys = Keys(cache.language, vocabulary)
        learn, held, test = (
            pieces_of(dataset, cache, split, keys) for split in ("train", "validation", "test")
        )
        found: list[float] = []
        model: Ngram | None = None
        for plain in (True, False):
            place = scratch / "a.model"
            train_ngram(dataset, cache, place, NgramSettings(plain=plain), force=True)
            loaded = load_model(place)
            assert isinstance(loaded, Ngram)
            model = loaded
            found.append(_per_note(model.log_likelihood(test), test, model) / np.log(2))
        assert model is not None
        told = [_kneser_ney([*learn, *held], test, order, model) for order in ORDERS]

        def common(pieces: list[TokenIds], keys: Keys = keys) -> list[NDArray[np.int64]]:
            return [keys.common(piece, keys.row(keys.told(piece))) for piece in pieces]

        moved = [
            _kneser_ney(common([*learn, *held]), common(test), order, model) for order in ORDERS
        ]
        best = min(*told, *moved)
        cells = [f"{figure:.2f}" for figure in (*told, min(moved), *found)]
        tokens = sum(map(len, learn))
        print(f"| {folder.name} | {tokens:,} | " + " | ".join(cells), end="")
        print(f" | {found[1] / best - 1:+.1%} |", flush=True)


def _kneser_ney(
    learn: Sequence[NDArray[np.integer]], test: Sequence[NDArray[np.integer]], order: int,
    model: Ngram,
) -> float:  # fmt: skip
    baseline = KneserNey.train(
        [np.asarray(p[1:], np.int64) for p in learn], order, len(model.info.vocabulary), ends=False
    )
    logs = [-baseline.log2_probabilities(np.asarray(p[1:], np.int64)) for p in test]
    notes = sum(int(model.info.pitched()[p].sum()) for p in test)
    return float(sum(log.sum() for log in logs)) / notes


def _per_note(
    logs: Sequence[NDArray[np.float64]], pieces: Sequence[TokenIds], model: Ngram
) -> float:
    notes = sum(int(model.info.pitched()[p].sum()) for p in pieces)
    return -float(sum(log.sum() for log in logs)) / notes


def corpus_of(
    pieces: Sequence[TokenIds], keys: Keys, tokens: int, seed: int
) -> tuple[NDArray[np.uint16], NDArray[np.int64]]:
    """At least so many tokens of real music: pieces moved, and cut at a random place."""
    rng = np.random.default_rng(seed)
    found: list[NDArray[np.int64]] = []
    held = 0
    while held < tokens:
        piece = pieces[int(rng.integers(len(pieces)))]
        first = int(rng.integers(max(len(piece) // 2, 1)))
        found.append(keys.common(piece[first:], int(rng.integers(len(SEMITONES)))))
        held += len(found[-1])
    return np.concatenate(found).astype(np.uint16), np.cumsum([0, *map(len, found)])


def build(folder: Path, scratch: Path, largest: int) -> None:
    """Sorting against counting into SQLite, and how time and memory grow."""
    dataset, cache = prepared(folder, scratch)
    keys = Keys(cache.language, _vocabulary(cache))
    tables = Tables(keys.vocabulary, views_for(keys.vocabulary), len(dataset.lineup.slots))
    pieces = pieces_of(dataset, cache, "train", keys)
    view_suffixes(*corpus_of(pieces, keys, 10_000, 0), tables, 0)  # compile
    print("| tokens | sorted, tokens/s of a view | SQLite, n-grams up to 8 | ratio |")
    print("|---:|---:|---:|---:|")
    for count in (200_000, 1_000_000, 3_000_000):
        tokens, offsets = corpus_of(pieces, keys, count, count)
        ours, theirs = [], []
        for turn in range(3):
            began = time.process_time()
            for view in range(len(tables.views)):
                view_suffixes(tokens, offsets, tables, view)
            ours.append((time.process_time() - began) / len(tables.views))
            began = time.process_time()
            whole = [tokens[a:b] for a, b in itertools.pairwise(offsets)]
            count_into(scratch / f"{count}-{turn}.sqlite", whole)
            theirs.append(time.process_time() - began)
            (scratch / f"{count}-{turn}.sqlite").unlink()
        pace = [len(tokens) / statistics.median(times) for times in (ours, theirs)]
        print(f"| {len(tokens):,} | {pace[0]:,.0f} | {pace[1]:,.0f} | {pace[0] / pace[1]:.1f} |")
    print("\n| tokens | seconds, all views | µs a token and view | bytes a token and view, peak |")
    print("|---:|---:|---:|---:|")
    for count in (1, 2, 5, 10, 20, 50):
        if count * 10**6 <= largest:
            subprocess.run(
                [sys.executable, __file__, "one", str(dataset.path), "--tokens", str(count)],
                check=True, env=os.environ,
            )  # fmt: skip


def one(path: Path, millions: int) -> None:
    """Sort one corpus in a process of its own, whose peak memory is then its own."""
    dataset = Dataset.open(path)
    cache = open_cache(dataset, "events")
    keys = Keys(cache.language, _vocabulary(cache))
    tables = Tables(keys.vocabulary, views_for(keys.vocabulary), len(dataset.lineup.slots))
    pieces = pieces_of(dataset, cache, "train", keys)
    view_suffixes(*corpus_of(pieces, keys, 10_000, 0), tables, 0)
    tokens, offsets = corpus_of(pieces, keys, millions * 10**6, millions)
    resting = _resident()
    began = time.process_time()
    peaks = []
    for view in range(len(tables.views)):
        _forget_peak()
        view_suffixes(tokens, offsets, tables, view)
        peaks.append((_peak() - resting) / len(tokens))
    seconds = time.process_time() - began
    views = len(tables.views)
    print(
        f"| {len(tokens):,} | {seconds:.1f} | {seconds / views / len(tokens) * 1e6:.2f} "
        f"| {max(peaks):.1f} |",
        flush=True,
    )


def _resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def _forget_peak() -> None:
    Path("/proc/self/clear_refs").write_text("5")


def _peak() -> int:
    line = next(row for row in Path("/proc/self/status").read_text().splitlines() if "VmHWM" in row)
    return int(line.split()[1]) * 1024


def play(folder: Path, scratch: Path, millions: int) -> None:
    """Tokens a second with the grammar and the default knobs, alone and in a batch."""
    from woodshed.sampling.engine import Start, sample
    from woodshed.sampling.settings import SamplingSettings

    dataset, cache = prepared(folder, scratch)
    print(f"trained on about {millions} million tokens made of {folder.name}\n")
    print("| mixture | pieces at once | tokens a second |\n|---|---:|---:|")
    for plain in (True, False):
        model = _large(dataset, cache, scratch, plain, millions)
        for rows in (1, BATCH):
            starts = [Start(n, np.flatnonzero(np.array(model.info.vocabulary.names) == "START")
                            .astype(np.uint16)) for n in range(rows)]  # fmt: skip
            settings = SamplingSettings(seed=1, bars=32)
            sample(model, starts[:1], settings)
            began = time.process_time()
            made = sample(model, starts, settings)
            seconds = time.process_time() - began
            tokens = sum(len(piece.tokens) for piece in made)
            print(f"| {'plain' if plain else 'all views'} | {rows} | {tokens / seconds:,.0f} |")


def _index_of(tokens: NDArray[np.uint16], offsets: NDArray[np.int64], tables: Tables) -> Index:
    """An index in memory."""
    views = [view_suffixes(tokens, offsets, tables, view) for view in range(len(tables.views))]
    lengths = np.array([len(view.before) for view in views])
    return Index(
        np.concatenate([view.before for view in views]),
        np.concatenate([view.targets for view in views]),
        np.concatenate([view.pieces for view in views]).astype(np.uint32),
        np.stack([np.cumsum(lengths) - lengths, lengths], axis=1)[None],
        np.stack([view.starts for view in views])[None],
    )


def _large(dataset: Dataset, cache: TokenCache, scratch: Path, plain: bool, millions: int) -> Ngram:
    """A model of a corpus made large: its index is of `corpus_of`, its weights of the real one."""
    place = scratch / "play.model"
    train_ngram(dataset, cache, place, NgramSettings(plain=plain), force=True)
    model = load_model(place)
    assert isinstance(model, Ngram)
    pieces = pieces_of(dataset, cache, "train", model.keys)
    tokens, offsets = corpus_of(pieces, model.keys, millions * 10**6, 1)
    index = _index_of(tokens, offsets, model.tables)
    return dataclasses.replace(model, index=index)


def steps(folders: Sequence[Path], scratch: Path) -> None:
    """What each view gains, and the memory of the piece, and learning: bits per note, held out."""
    print("| corpus | " + " | ".join(STEPS) + " |\n|---|" + "---:|" * len(STEPS))
    for folder in folders:
        dataset, cache = prepared(folder, scratch)
        keys = Keys(cache.language, _vocabulary(cache))
        learn, held, test = (
            pieces_of(dataset, cache, split, keys) for split in ("train", "validation", "test")
        )
        every = views_for(keys.vocabulary)
        named = {view.name: view for view in every}
        figures = []
        for step in range(len(STEPS)):
            names = [n for n in ("plain", *GAINED[: min(step, len(GAINED))]) if n in named]
            remembers = step > len(GAINED)
            views = tuple(
                dataclasses.replace(
                    named[name], remembers=named[name].remembers and remembers,
                    vague=named[name].vague if "form" in names else frozenset(),
                )
                for name in names
            )  # fmt: skip
            model = _in_memory(dataset, cache, keys, views, learn)
            model.log_likelihood([p[:8192] for p in held[:8]], learn=RATE)
            figures.append(_per_note(model.log_likelihood(test), test, model) / np.log(2))
        print(f"| {folder.name} | " + " | ".join(f"{f:.2f}" for f in figures) + " |", flush=True)


GAINED = ("deaf to touch", "own line", "rhythm", "touch", "harmony", "form")
STEPS = ("plain", *(f"+ {name}" for name in GAINED), "+ the piece itself")


def _in_memory(
    dataset: Dataset, cache: TokenCache, keys: Keys, views: tuple[View, ...],
    learn: Sequence[TokenIds],
) -> Ngram:  # fmt: skip
    """A model of some views that is never stored, its weights not learnt yet."""
    tables = Tables(keys.vocabulary, views, len(dataset.lineup.slots))
    common = [keys.common(piece, keys.row(keys.told(piece))) for piece in learn]
    tokens = np.concatenate(common).astype(np.uint16)
    offsets = np.cumsum([0, *map(len, common)])
    pairs = np.zeros((tables.rules.shape[1], len(keys.vocabulary)))
    _count_pairs(tokens, tables.group_of, pairs)
    info = ModelInfo(
        "ngram", cache.language, keys.vocabulary, cache.grammar_limits, "", (), {}, {}, {}, {}
    )
    return Ngram(
        info, tables, _index_of(tokens, offsets, tables), Weights.fresh(pairs, tables),
        np.ones(24), np.zeros((0, len(learn)), np.bool_),
    )  # fmt: skip


def main() -> None:
    """Run what was asked for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("what", choices=("bits", "steps", "build", "play", "one"))
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--tokens", type=int, default=50, help="millions of tokens at most")
    told = parser.parse_args()
    if told.what == "one":
        one(told.folders[0], told.tokens)
        return
    with tempfile.TemporaryDirectory() as scratch:
        if told.what == "bits":
            bits(told.folders, Path(scratch))
        elif told.what == "steps":
            steps(told.folders, Path(scratch))
        elif told.what == "build":
            build(told.folders[0], Path(scratch), told.tokens * 10**6)
        else:
            play(told.folders[0], Path(scratch), min(told.tokens, 10))


if __name__ == "__main__":
    main()
