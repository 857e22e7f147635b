"""How fast networks of five million parameters play, against `transformers.generate`.

    python benchmarks/decoding.py [--threads 2] [--rounds 3] [--tokens 600] [--long 8000]

Everything in one run and in turn, the best of the rounds: Hugging Face's Llama of the same sizes
(where the package `transformers` is installed), our Transformer by PyTorch and by compiled loops,
with weights of 32 and 16 bits, and Mamba and LSTM, one piece and 16 side by side. `numbers` is the
network alone, as `generate` is; `music` has the grammar, all rules of sampling and echoes on top.
`--long` plays on to so many tokens, where what is carried on stays as large as it was. Limits are
measured here, too: how fast memory is read, and how fast PyTorch multiplies.
"""

from __future__ import annotations

import argparse
import dataclasses
import importlib
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from woodshed.corpus.dataset import Dataset
from woodshed.corpus.prepare import prepare
from woodshed.corpus.starter import write_starter
from woodshed.models.info import ModelInfo
from woodshed.models.neural.config import NetworkConfig
from woodshed.models.neural.model import Neural
from woodshed.models.neural.network import Network
from woodshed.models.neural.players import player_of
from woodshed.models.neural.sizing import size_for
from woodshed.models.neural.storage import own_of
from woodshed.models.playing import Playing
from woodshed.sampling.engine import Start, sample
from woodshed.sampling.settings import SamplingSettings
from woodshed.tokens.cache import open_cache

WAYS = {
    "torch": Playing("torch"),
    "compiled": Playing("compiled"),
    "compiled, bfloat16": Playing("compiled", "bfloat16"),
}
TOGETHER = 16
NOTES_A_TOKEN = 0.25
"""About; a piece in `events` takes four tokens for a note."""


def llama(c: NetworkConfig) -> Callable[[int, int], float]:
    """Seconds that Hugging Face's Llama takes for so many pieces of so many tokens."""
    theirs = importlib.import_module("transformers")
    model = theirs.LlamaForCausalLM(
        theirs.LlamaConfig(
            vocab_size=c.vocabulary, hidden_size=c.width, intermediate_size=c.feed_forward,
            num_hidden_layers=c.layers, num_attention_heads=c.heads, tie_word_embeddings=True,
            num_key_value_heads=c.kv_heads, max_position_embeddings=c.context, bos_token_id=0,
            eos_token_id=None, pad_token_id=0,
        )
    ).eval()  # fmt: skip

    def run(pieces: int, tokens: int) -> float:
        began = time.perf_counter()
        with torch.inference_mode():
            model.generate(
                torch.zeros(pieces, 1, dtype=torch.int64), do_sample=True, top_p=0.85,
                temperature=0.65, max_new_tokens=tokens, min_new_tokens=tokens,
                attention_mask=torch.ones(pieces, 1, dtype=torch.int64),
            )  # fmt: skip
        return time.perf_counter() - began

    return run


def numbers(network: Network, playing: Playing) -> Callable[[int, int], float]:
    """Seconds of the network alone: features and probabilities, token after token."""
    player = player_of(network, playing)

    def run(pieces: int, tokens: int) -> float:
        state, rows = player.begin(pieces), np.arange(pieces)
        began = time.perf_counter()
        for place in range(tokens):
            player.log_shares(player.play(np.full(pieces, place % 400), rows, state))
        return time.perf_counter() - began

    return run


def music(model: Neural) -> Callable[[int, int], float]:
    """Seconds for each token of music, times so many."""
    names = np.array(model.info.vocabulary.names)
    start = np.flatnonzero(names == "START").astype(np.uint16)

    def run(pieces: int, tokens: int) -> float:
        settings = SamplingSettings(seed=1, notes=round(tokens * NOTES_A_TOKEN), endings=1)
        began = time.perf_counter()
        made = sample(model, [Start(n, start) for n in range(1, pieces + 1)], settings)
        seconds = time.perf_counter() - began
        return seconds * pieces * tokens / sum(piece.price.tokens for piece in made)

    return run


def models(folder: Path, families: list[str], context: int) -> dict[str, Neural]:
    """Networks that have learnt nothing, of the starter corpus' language."""
    write_starter(folder / "starter", 40)
    prepare(folder / "starter", folder / "starter.dataset", "band")
    cache = open_cache(Dataset.open(folder / "starter.dataset"), "events")
    vocabulary = cache.vocabulary(())
    found = {}
    for family in families:
        config = size_for(
            0, 0, len(vocabulary), size="small", context=context, backbone=family, echoes=3
        ).config
        torch.manual_seed(0)
        info = ModelInfo(
            family, cache.language, vocabulary, cache.grammar_limits, "", (), {}, {},
            own_of(config, vocabulary), {},
        )  # fmt: skip
        found[family] = Neural(info, Network(config).eval())
    return found


def limits() -> tuple[float, float]:
    """Bytes a second that are read of 20 MB, and operations a second of a product of 512."""
    some = torch.ones(5_000_000)
    a = torch.ones(512, 512)
    read = min(_seconds(some.max) for _ in range(20))
    made = min(_seconds(lambda: a @ a) for _ in range(20))
    return some.numel() * 4 / read, 2 * 512**3 / made


def _seconds(job: Callable[[], object]) -> float:
    began = time.perf_counter()
    job()
    return time.perf_counter() - began


def main() -> None:
    """Run, and print tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--tokens", type=int, default=600)
    parser.add_argument("--long", type=int, default=0)
    asked = parser.parse_args()
    torch.set_num_threads(asked.threads)
    families = ["transformer", "mamba", "lstm"]
    runs: dict[str, Callable[[int, int], float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        found = models(Path(folder), families, max(1024, asked.long))
        config = found["transformer"].network.config
        plain = dataclasses.replace(config, echoes=0, vocabulary=500)
        try:
            runs["llama, transformers.generate"] = llama(plain)
        except ImportError:
            print("the package transformers is not installed: no figures of its Llama")
        for family in families:
            c = dataclasses.replace(found[family].network.config, echoes=0, vocabulary=500)
            network = Network(c).eval()
            for way, playing in WAYS.items():
                if way != "torch" or family == "transformer":
                    runs[f"{family}, {way}, numbers"] = numbers(network, playing)
                    runs[f"{family}, {way}, music"] = music(found[family].played_by(playing))
        read, made = limits()
        for pieces in (1, TOGETHER):
            best = dict.fromkeys(runs, float("inf"))
            for run in runs.values():
                run(pieces, 8)
            for _ in range(asked.rounds):
                for name, run in runs.items():
                    best[name] = min(best[name], run(pieces, asked.tokens))
            first = next(iter(best.values()))
            print(f"\n{pieces} at once, {asked.tokens} tokens, {asked.threads} threads")
            for name, seconds in best.items():
                rate = pieces * asked.tokens / seconds
                print(f"  {name:40} {rate:9,.0f} tokens a second {first / seconds:6.2f} times")
        weights = plain.parameters
        print(
            f"\nlimits here, {asked.threads} threads: 20 MB are read at {read / 1e9:.0f} GB/s, "
            f"which is {read / weights / 4:,.0f} tokens a second of one piece with 32 bits; "
            f"products run at {made / 1e9:.0f} billion operations a second, which is "
            f"{made / weights / 2:,.0f} tokens a second of many"
        )
        if asked.long:
            print(f"\none piece, {asked.long} tokens")
            for family in families:
                seconds = runs[f"{family}, compiled, numbers"](1, asked.long)
                short = runs[f"{family}, compiled, numbers"](1, asked.tokens)
                print(
                    f"  {family:12} {asked.long / seconds:7,.0f} tokens a second, "
                    f"{asked.tokens / short:7,.0f} over {asked.tokens}",
                    flush=True,
                )


if __name__ == "__main__":
    main()
