"""Whether generated music stays within what real music does: row B9 of the contract.

    python benchmarks/degeneration.py FOLDER... [--pieces 100] [--temperatures 0.65,1.0,1.3]

Each folder of music is prepared by itself and an n-gram model trained on it. Pieces of sixteen bars
are generated and measured beside all stretches of sixteen bars of the held-out pieces (validation
and test): how many lie between the 1st and the 99th percentile of those, measure by measure. Then
the collapses that have a name are looked for.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from woodshed.corpus.dataset import Dataset
from woodshed.corpus.prepare import prepare
from woodshed.models.family import Model
from woodshed.models.load import load_model
from woodshed.models.ngram.train import train_ngram
from woodshed.music.score import Score
from woodshed.music.transform import slice_bars
from woodshed.sampling.collapses import collapses
from woodshed.sampling.engine import Start, sample
from woodshed.sampling.settings import SamplingSettings
from woodshed.tokens.cache import TokenCache, open_cache
from woodshed.tokens.grammar_score import grammar_score
from woodshed.tokens.language import TokenIds

BARS = 16
MORE = 2
"""Bars generated beyond: hardly any real stretch has an ending in it, so neither have these."""
INSIDE = (1, 99)


@dataclass(frozen=True, slots=True)
class Measures:
    """Of some bars: notes a quarter, the share of quarters in which no note sounds, the entropy in
    bits of the times between moments, and the notes of a moment in the mean.
    """

    density: float
    silence: float
    shift_entropy: float
    notes_a_moment: float


def measured(score: Score, quarters: float) -> Measures:
    """The measures of a score that lasts so many quarters."""
    notes, quarter = score.notes, score.ticks_per_quarter
    moments, sizes = np.unique(notes.start_ticks, return_counts=True)
    sounding = np.zeros(int(np.ceil(quarters)) + 1, np.int64)
    first = np.minimum(notes.start_ticks // quarter, len(sounding) - 1)
    last = np.minimum((notes.end_ticks - 1) // quarter + 1, len(sounding) - 1)
    np.add.at(sounding, first, 1)
    np.add.at(sounding, last, -1)
    silent = np.count_nonzero(np.cumsum(sounding)[: int(np.ceil(quarters))] == 0)
    shares = np.unique(np.diff(moments), return_counts=True)[1] / max(len(moments) - 1, 1)
    return Measures(
        density=len(notes) / quarters,
        silence=silent / quarters,
        shift_entropy=float(-(shares * np.log2(shares)).sum()) if len(shares) else 0.0,
        notes_a_moment=float(sizes.mean()) if len(sizes) else 0.0,
    )


def stretches(score: Score, bars: int) -> list[Measures]:
    """The measures of every whole stretch of so many bars."""
    from woodshed.music.grid import Grid

    grid = Grid.of(score)
    count = len(grid.bars.start_steps) - 1 if len(score.notes) else 0
    found = []
    for first in range(0, count - bars + 1, bars):
        begin, end = grid.bars.start_steps[first], grid.bars.start_steps[first + bars]
        part = slice_bars(score, first, bars)
        if len(part.notes):
            found.append(measured(part, float(end - begin) / 24))
    return found


def generated(
    model: Model, pieces: int, temperature: float, bars: int, seed: int = 1
) -> list[TokenIds]:
    """Tokens of pieces of so many bars, told by the full table."""
    names = np.array(model.info.vocabulary.names)
    start = np.flatnonzero(names == "START").astype(np.uint16)
    settings = SamplingSettings(seed=seed, bars=bars, temperature=temperature)
    made = sample(model, [Start(n, start) for n in range(pieces)], settings)
    return [model.info.vocabulary.globalise(piece.tokens) for piece in made]


def named(tokens: TokenIds, model: Model, cache: TokenCache) -> list[str]:
    """The collapses that have a name, in one piece."""
    language = model.info.language
    return collapses(tokens, grammar_score(tokens, language, *cache.grammars), model.info)


def study(
    folder: Path,
    scratch: Path,
    pieces: int,
    temperatures: Sequence[float],
    bars: int = BARS,
    verbose: bool = False,
) -> None:
    """One row for each temperature."""
    place = scratch / f"{folder.name}.dataset"
    prepare(folder, place, "band")
    dataset = Dataset.open(place)
    cache = open_cache(dataset, "events")
    train_ngram(dataset, cache, scratch / f"{folder.name}.model", force=True)
    model = load_model(scratch / f"{folder.name}.model")
    held_out = [*dataset.split("validation"), *dataset.split("test")]
    real = [m for n in held_out for m in stretches(cache.language.decode(cache[int(n)]), bars)]
    names = list(Measures.__dataclass_fields__)
    table = np.array([[getattr(m, name) for name in names] for m in real])
    low, high = np.percentile(table, INSIDE, axis=0)
    for temperature in temperatures:
        made = generated(model, pieces, temperature, bars + MORE)
        first = [
            (stretches(cache.language.decode(tokens), bars) or [Measures(0, 1, 0, 0)])[0]
            for tokens in made
        ]
        rows = np.array([[getattr(m, name) for name in names] for m in first])
        if verbose:
            for n, name in enumerate(names):
                print(
                    name,
                    low[n].round(3),
                    high[n].round(3),
                    np.percentile(rows[:, n], [0, 5, 50, 95, 100]).round(3),
                )
        inside = (rows >= low - 1e-9) & (rows <= high + 1e-9)
        fallen = [name for tokens in made for name in named(tokens, model, cache)]
        told = ", ".join(f"{name} {fallen.count(name)}" for name in sorted(set(fallen))) or "none"
        cells = [f"{share:.1%}" for share in inside.mean(axis=0)]
        print(
            f"| {folder.name} ({len(real)} real) | {temperature} | {len(made)} | "
            + " | ".join(cells) + f" | {told} |",
            flush=True,
        )  # fmt: skip


def main() -> None:
    """Run what was asked for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--pieces", type=int, default=100)
    parser.add_argument("--temperatures", default="0.65,1.0,1.3")
    parser.add_argument("--verbose", action="store_true", help="show the ranges, too")
    told = parser.parse_args()
    print(
        "| corpus | temperature | pieces | density | silence | entropy of shifts | notes a moment",
        end="",
    )
    print(" | collapses |\n|---|---:|---:|---:|---:|---:|---:|---|")
    with tempfile.TemporaryDirectory() as scratch:
        for folder in told.folders:
            heats = [float(text) for text in told.temperatures.split(",")]
            study(folder, Path(scratch), told.pieces, heats, verbose=told.verbose)


if __name__ == "__main__":
    main()
