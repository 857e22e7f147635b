"""What each term of the grammar loss changes: three corpora, tiny networks that differ in it alone.

    python benchmarks/grammar_terms.py FOLDER:LANGUAGE... [--steps 400] [--seeds 1,2]

Each folder is prepared, and networks are trained on it that have everything in common but the
weights of the terms, and whether targets are smoothed. Of each: the grammar score of what it plays
without a mask, how much of that is legal, bits per note on held-out pieces, bits per note where the
mask takes away what is illegal, and milliseconds a step. `STARTER` as a folder is the built-in
corpus.
"""

from __future__ import annotations

import argparse
import math
import statistics
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from woodshed.corpus.dataset import Dataset
from woodshed.corpus.prepare import prepare
from woodshed.corpus.starter import write_starter
from woodshed.models.info import ModelInfo
from woodshed.models.neural.config import NetworkConfig
from woodshed.models.neural.network import Network
from woodshed.tokens.cache import open_cache
from woodshed.training.grammar_losses import GrammarTerms
from woodshed.training.grammar_settings import GrammarSettings
from woodshed.training.losses import Smoothing, TokenLoss
from woodshed.training.monitor import Monitor

CONTEXT, ROWS = 256, 8
RATE, WARM_UP = 2e-3, 30
STARTER_PIECES = 60
HELD_OUT_TOKENS = 20_000

NOTHING = GrammarSettings(
    illegal_weight=0, pairing_weight=0, coherence_weight=0, repetition_weight=0,
    grammar_ramp_steps=200, grammar_every_row=1, monitor_pieces=32, monitor_tokens=CONTEXT,
)  # fmt: skip


SHARP = Smoothing(0.0, 0.0)


@dataclass(frozen=True, slots=True)
class Variant:
    """What one network does otherwise than the others."""

    settings: GrammarSettings = NOTHING
    smoothing: Smoothing = SHARP


SMOOTH = Smoothing(0.05, 0.04)
VARIANTS = {
    "nothing": Variant(),
    "illegal 1": Variant(replace(NOTHING, illegal_weight=1)),
    "illegal 1, a row in 4": Variant(replace(NOTHING, illegal_weight=1, grammar_every_row=4)),
    "illegal 10": Variant(replace(NOTHING, illegal_weight=10)),
    "pairing 10": Variant(replace(NOTHING, pairing_weight=10)),
    "coherence 5": Variant(replace(NOTHING, coherence_weight=5)),
    "repetition 3": Variant(replace(NOTHING, repetition_weight=3)),
    "all of M1": Variant(
        replace(NOTHING, pairing_weight=10, coherence_weight=5, repetition_weight=3)
    ),
    "smoothed": Variant(NOTHING, SMOOTH),
    "smoothed, value alone": Variant(NOTHING, Smoothing(0.0, 0.04)),
    "smoothed, illegal 1": Variant(replace(NOTHING, illegal_weight=1), SMOOTH),
}

Pieces = list[NDArray[np.int64]]


@dataclass(frozen=True, slots=True)
class Corpus:
    """The tokens of training and held-out pieces, as the model counts them."""

    info: ModelInfo
    learn: Pieces
    held_out: Pieces


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one training."""

    score: float
    legal: float
    collapses: int
    bits: float
    masked_bits: float
    step_ms: float


def corpus_of(folder: str, language: str, scratch: Path) -> Corpus:
    """A folder prepared and told in a language."""
    place = scratch / f"{Path(folder).name}.dataset"
    if not place.exists():
        source = Path(folder)
        if folder == "STARTER":
            source = scratch / "starter"
            write_starter(source, STARTER_PIECES)
        prepare(source, place, "band" if language == "events" else "piano")
    dataset = Dataset.open(place)
    cache = open_cache(dataset, language)
    vocabulary = cache.vocabulary()
    info = ModelInfo(
        "transformer", cache.language, vocabulary, cache.grammar_limits, dataset.content_hash,
        (), {}, {}, {}, {},
    )  # fmt: skip
    known = np.full(len(vocabulary.language), -1)
    known[vocabulary.ids] = np.arange(len(vocabulary))
    stays = cache.stays()
    learn = [known[cache[n]] for n in dataset.split("train").tolist() if stays[n]]
    held_out, left = [], HELD_OUT_TOKENS
    for n in dataset.split("validation").tolist():
        piece = known[cache[n]][: max(left, 0)]
        # A token no training piece has cannot be foretold by any of the networks.
        if len(piece) > CONTEXT and stays[n] and piece.min() >= 0:
            held_out.append(piece)
            left -= len(piece)
    return Corpus(info, [p for p in learn if len(p) > CONTEXT + 1], held_out)


def cut(pieces: Pieces, seed: int, step: int) -> tuple[NDArray[np.int64], Pieces]:
    """Sequences (rows, places + 1), and for each of them its piece up to its first token."""
    rng = np.random.default_rng([seed, step])
    sizes = np.array([len(piece) for piece in pieces])
    rows, before = [], []
    for n in rng.choice(len(pieces), ROWS, p=sizes / sizes.sum()).tolist():
        begin = max(int(rng.integers(-CONTEXT // 2, sizes[n] - CONTEXT)), 0)
        rows.append(pieces[n][begin : begin + CONTEXT + 1])
        before.append(pieces[n][: begin + 1])
    return np.stack(rows), before


def train(corpus: Corpus, variant: Variant, steps: int, seed: int) -> Outcome:
    """Train one network and look at it."""
    torch.manual_seed(seed)
    settings = variant.settings
    token_loss = TokenLoss(corpus.info.vocabulary, variant.smoothing, torch.device("cpu"))
    config = NetworkConfig(
        vocabulary=len(corpus.info.vocabulary), width=96, layers=3, heads=3, kv_heads=3,
        feed_forward=256, context=CONTEXT,
    )  # fmt: skip
    network = Network(config)
    optimiser = torch.optim.AdamW(network.parameters(), RATE, (0.9, 0.95), weight_decay=0.1)
    terms = GrammarTerms(corpus.info, settings)
    begun = time.perf_counter()
    for step in range(steps):
        share = min(1.0, (step + 1) / WARM_UP) * 0.5 * (1 + math.cos(math.pi * step / steps))
        for group in optimiser.param_groups:
            group["lr"] = RATE * max(share, 0.01)
        rows, before = cut(corpus.learn, seed, step)
        tokens = torch.from_numpy(rows)
        logits = network.logits(network(tokens[:, :-1]))
        targets = tokens[:, 1:].flatten()
        loss, _ = token_loss(logits.flatten(0, 1), targets, torch.ones(len(targets)))
        if terms.is_on:
            loss = loss + terms(logits, rows[:, 1:], step, before)[0]
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimiser.step()
    step_ms = (time.perf_counter() - begun) / steps * 1000
    reading = Monitor(network, corpus.info, settings).look(steps)
    bits, masked = held_out_bits(network, corpus, terms)
    return Outcome(reading.score, reading.legal, len(reading.collapses), bits, masked, step_ms)


def windows(piece: NDArray[np.int64]) -> Iterator[tuple[int, int, int]]:
    """Where windows begin and end, and from where on their targets are new: each counts once."""
    done = 1
    while done < len(piece):
        begin = max(done - CONTEXT // 2, 0) if done > 1 else 0
        end = min(begin + CONTEXT + 1, len(piece))
        yield begin, end, done
        done = end


@torch.no_grad()
def held_out_bits(network: Network, corpus: Corpus, terms: GrammarTerms) -> tuple[float, float]:
    """Bits per note of the held-out pieces, without and with the mask."""
    network.eval()
    nats = masked = 0.0
    pitched, notes = corpus.info.pitched(), 0
    for piece in corpus.held_out:
        notes += int(pitched[piece].sum())
        for begin, end, new in windows(piece):
            told = torch.from_numpy(piece[begin:end])[None]
            log_p = torch.log_softmax(network.logits(network(told[:, :-1])).float(), -1)
            judged = terms.judge(told[:, 1:].numpy(), [piece[: begin + 1]], 0)
            legal = torch.from_numpy(judged.within)
            of_legal = log_p.masked_fill(~legal, -torch.inf).logsumexp(-1)
            likely = log_p.gather(-1, told[:, 1:, None])[..., 0]
            at = new - 1 - begin
            nats -= float(likely[0, at:].sum())
            masked -= float((likely - of_legal)[0, at:].sum())
    return nats / notes / math.log(2), masked / notes / math.log(2)


def main() -> None:
    """Run what was asked for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("corpora", nargs="+", help="FOLDER:LANGUAGE")
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--seeds", default="1")
    parser.add_argument("--variants", help="only those whose names are here, by semicolons")
    parser.add_argument("--scratch", type=Path, help="where datasets are kept; else nowhere")
    told = parser.parse_args()
    torch.set_num_threads(1)
    print("| corpus | language | terms | grammar score | legal | collapses | bits/note ", end="")
    print("| … under the mask | ms/step |\n|---|---|---|---:|---:|---:|---:|---:|---:|")
    names = told.variants.split(";") if told.variants else list(VARIANTS)
    with tempfile.TemporaryDirectory() as temporary:
        for each in told.corpora:
            folder, _, language = each.rpartition(":")
            corpus = corpus_of(folder, language, told.scratch or Path(temporary))
            for name in names:
                found = [
                    train(corpus, VARIANTS[name], told.steps, int(seed))
                    for seed in told.seeds.split(",")
                ]
                cells = [
                    f"{statistics.mean(getattr(one, field) for one in found):.{digits}f}"
                    for field, digits in (
                        ("score", 3), ("legal", 4), ("collapses", 1), ("bits", 3),
                        ("masked_bits", 3), ("step_ms", 0),
                    )
                ]  # fmt: skip
                print(
                    f"| {Path(folder).name} | {language} | {name} | {' | '.join(cells)} |",
                    flush=True,
                )


if __name__ == "__main__":
    main()
