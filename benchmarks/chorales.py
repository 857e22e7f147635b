"""Bach's chorales: models of every family in `chorale`, beside what others have published.

    python benchmarks/chorales.py Jsb16thSeparated.json --place FOLDER [--families ngram,lstm]
        [--minutes 20] [--set "context=1024;dropout=0.2"] [--without-leaks]

The JSON (JSB-Chorales-dataset by C.-Z. A. Huang, the split of Boulanger-Lewandowski et al. 2012:
229 to train on, 76 to validate on, 77 to test on) becomes MIDI files of four tracks, those a
dataset, and its tokens must give back every cell. Everything lies in FOLDER; a dataset that
is there already is used. What is printed is nats for each token after START: four a step, and END.

`prepare` would leave out training pieces whose music is in a held-out one, as many are: the split
has several settings of one tune on both sides. Published figures were trained with them, so they
stay here; --without-leaks shows what they are worth.
"""

from __future__ import annotations

import argparse
import csv
import dataclasses
import hashlib
import json
import math
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from woodshed.corpus.dataset import Dataset
from woodshed.corpus.prepare import prepare
from woodshed.corpus.splits import Split
from woodshed.formats.midi_write import write_midi
from woodshed.models.load import load_model
from woodshed.models.ngram.model import Ngram
from woodshed.models.ngram.train import local, train_ngram
from woodshed.tokens.cache import TokenCache, open_cache
from woodshed.tokens.chorale import Cells, Chorale

SPLITS: dict[str, Split] = {"train": "train", "valid": "validation", "test": "test"}
PIECES = {"train": 229, "validation": 76, "test": 77}
FAMILIES = ("ngram", "lstm", "mamba", "transformer")

NETWORK: dict[str, Any] = {
    "size": "small", "context": 512, "batch": 16, "dropout": 0.2,
    "transpose": "-5,-4,-3,-2,-1,1,2,3,4,5,6", "ahead_weight": 0.0, "illegal_weight": 0.0,
    "pairing_weight": 0.0, "coherence_weight": 0.0, "repetition_weight": 0.0,
    "validation_tokens": 80_000, "validate_every": 50, "patience": 100, "device": "auto",
    "plain": True,
}  # fmt: skip
"""What suits so small a corpus; --set changes it. Without terms of the grammar: only nats count."""

PUBLISHED = (
    ("Music Transformer (Huang et al. 2018)", 0.335, "validation, nats a cell"),
    ("TonicNet (Peracha 2019)", 0.220, "validation, nats a token of 5 a step, the chord first"),
    ("… of all, so a cell, at most", 0.275, "the same times 5/4"),
)


COMPARABLE = """
Equal in all: the data, the split, the grid of sixteenths, notes retold at every step they sound,
nats, no mask, and the model chosen by its validation figure.

Huang et al.: the same four tokens a step in the order S, A, T, B; "note-wise" figures, which is a
mean over cells. That this is our mean is nearly sure: counted by step or by piece, no figure of
theirs could stand beside an n-gram's or TonicNet's. Not known: whether an end counts (ours does,
one token in about 960), whether whole chorales or cut ones were scored, and which keys they
learned from. Their voices share one set of pitches, ours have one each, which says the same.
TonicNet: five tokens a step, a chord from an analysis first, then S, B, A, T; the mean of each
piece, then over pieces; the first chord is given, the end counts; how long each voice has been
holding is told to the network; all keys within the voices' ranges. Without its chords it is not
known; what it pays for chords and notes together is at most 5/4 of its figure for each cell.
Ours: learns in twelve keys, and scores all of a piece, each token after half a context at least.
The n-gram learns its weights on the validation pieces, so only its test figure is fair; it knows
no key in this language, and hears pieces as they are.
"""


def chorales_of(source: Path) -> dict[Split, list[Cells]]:
    """The chorales of each split, (steps, 4) pitches; -1 is a rest."""
    told = json.loads(source.read_text(encoding="utf-8"))
    pieces = {
        split: [np.array(piece, np.int64) for piece in told[name]] for name, split in SPLITS.items()
    }
    counts = {split: len(own) for split, own in pieces.items()}
    if counts != PIECES:
        raise SystemExit(f"{source} has {counts} chorales where {PIECES} are known")
    return pieces


def write_folder(pieces: dict[Split, list[Cells]], folder: Path) -> None:
    """Every chorale as a MIDI file of four tracks, and the splits as a table."""
    chorale = Chorale()
    folder.mkdir(parents=True, exist_ok=True)
    rows = []
    for split, own in pieces.items():
        for number, cells in enumerate(own):
            name = f"{split}-{number:03}.mid"
            write_midi(chorale.decode(chorale.told(cells)), folder / name, force=True)
            rows.append((name, split))
    with (folder / "splits.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("path", "split"), *rows])


def prepared(
    pieces: dict[Split, list[Cells]], place: Path, *, without_leaks: bool
) -> tuple[Dataset, TokenCache]:
    """The chorales as a dataset with the official splits, and their tokens, every cell checked.

    With splits put back it is another dataset than the one on disk, so its hash is another, too:
    `woodshed compare` would score models of it on pieces they learned from.
    """
    if not (place / "midi" / "splits.csv").exists():
        write_folder(pieces, place / "midi")
    splits = place / "midi" / "splits.csv" if without_leaks else None
    where = place / ("strict.dataset" if without_leaks else "all.dataset")
    prepare(place / "midi", where, "gm", splits_csv=splits)
    dataset = Dataset.open(where)
    names = [path.removesuffix(".mid").split("-") for path in dataset.pieces.path]
    if not without_leaks:  # every piece is there, so the splits can be put back
        official = tuple(split for split, _ in names)
        vars(dataset)["pieces"] = dataclasses.replace(dataset.pieces, split=official)
        what = json.dumps([dataset.content_hash, official])
        other = hashlib.sha256(what.encode()).hexdigest()
        dataset.info = dataclasses.replace(dataset.info, content_hash=other)
    counts = {split: len(dataset.split(split)) for split in SPLITS.values()}
    print("pieces:", ", ".join(f"{count} {split}" for split, count in counts.items()))
    assert without_leaks or counts == PIECES
    cache = open_cache(dataset, "chorale")
    assert isinstance(cache.language, Chorale)
    for piece, (split, number) in enumerate(names):
        told = cache.language.cells(cache[piece])
        assert np.array_equal(told, pieces[split][int(number)]), names[piece]  # type: ignore[index]
    assert cache.stays().all()
    return dataset, cache


def nats(model_path: Path, dataset: Dataset, cache: TokenCache, split: Split) -> tuple[float, int]:
    """The nats of a token of a split, START aside, and how many tokens those are."""
    model = load_model(model_path)
    if isinstance(model, Ngram):
        told = [local(cache[n], model.info.vocabulary) for n in dataset.split(split).tolist()]
        logs = model.log_likelihood(told)
        count = sum(len(piece) - 1 for piece in told)
        return -float(sum(log.sum() for log in logs)) / count, count
    from woodshed.training.scoring import scored

    found = scored(model_path, dataset, cache, split)
    return found.bits_per_token * math.log(2), found.tokens


def train_one(
    family: str, dataset: Dataset, cache: TokenCache, out: Path, minutes: float,
    own: dict[str, Any],
) -> str:  # fmt: skip
    """Train a family for so many minutes at most; what it came to, in words."""
    if family == "ngram":
        info = train_ngram(dataset, cache, out, force=True)
        return f"{info.training['tokens']:,} tokens"
    from woodshed.training.settings import TrainingSettings
    from woodshed.training.train import train_neural

    settings = TrainingSettings(**{**NETWORK, **own, "max_minutes": minutes})
    train_neural(dataset, cache, out, settings, family=family, force=True)
    from woodshed.models.neural.storage import load_network
    from woodshed.models.store import read_info

    info = read_info(out)
    parameters = load_network(out, info).config.parameters
    return f"{parameters / 1e6:.1f}M parameters, {info.training.get('steps', '?')} steps"


def said(text: str) -> dict[str, Any]:
    """Settings as they are written with --set: name=value;name=value."""
    found: dict[str, Any] = {}
    for pair in filter(None, text.split(";")):
        name, _, value = pair.partition("=")
        try:
            found[name] = json.loads(value)
        except ValueError:
            found[name] = value
    return found


def main() -> None:
    """Train, score and print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("source", type=Path)
    parser.add_argument("--place", type=Path, required=True)
    parser.add_argument("--families", default=",".join(FAMILIES))
    parser.add_argument("--minutes", type=float, default=20.0, help="for each network")
    parser.add_argument("--set", default="", help="settings of networks: name=value;name=value")
    parser.add_argument("--without-leaks", action="store_true")
    asked = parser.parse_args()
    place: Path = asked.place
    pieces = chorales_of(asked.source)
    dataset, cache = prepared(pieces, place, without_leaks=asked.without_leaks)
    print("\n| model | validation | test | what it is | training |")
    print("|---|---:|---:|---|---:|")
    for family in filter(None, asked.families.split(",")):
        out = place / f"{family}{'-strict' if asked.without_leaks else ''}.model"
        begun = time.monotonic()
        what = train_one(family, dataset, cache, out, asked.minutes, said(asked.set))
        took = time.monotonic() - begun
        found = [nats(out, dataset, cache, split)[0] for split in ("validation", "test")]
        print(
            f"| {family} | {found[0]:.4f} | {found[1]:.4f} | {what} | {took / 60:.1f} min |",
            flush=True,
        )
    for name, figure, what in PUBLISHED:
        print(f"| {name} | {figure:.3f} | | {what} | |")
    print(COMPARABLE)


if __name__ == "__main__":
    main()
