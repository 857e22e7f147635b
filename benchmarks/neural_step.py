"""A training step of the Transformer against a Llama of the same sizes as Hugging Face writes it.

    python benchmarks/neural_step.py [--threads 2] [--rounds 3] [--losses 60]

5.2M parameters, batch 16 x 512, AdamW, float32 and bfloat16 (autocast). Tokens a second of
processor time with one thread, of the clock with more; the best of the rounds, both in turn. Where
the package `transformers` is installed its own Llama runs, else the same operations in their order.
`--losses` trains both on the same made-up music and shows where they come to.
"""

from __future__ import annotations

import argparse
import importlib
import time

import torch
from torch import Tensor, nn
from torch.nn import functional

from woodshed.models.neural.network import Network
from woodshed.models.neural.sizing import size_for

BATCH, PLACES, VOCABULARY = 16, 512, 500
CONFIG = size_for(0, 0, VOCABULARY, size="small", context=PLACES).config


class LlamaNorm(nn.Module):
    """As in `modeling_llama.py`."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))

    def forward(self, x: Tensor) -> Tensor:
        """The vectors at one size."""
        exact = x.float()
        exact = exact * torch.rsqrt(exact.pow(2).mean(-1, keepdim=True) + 1e-6)
        return self.weight * exact.to(x.dtype)


def rotated(x: Tensor) -> Tensor:
    """The halves, changed about."""
    half = x.shape[-1] // 2
    return torch.cat((-x[..., half:], x[..., :half]), -1)


class LlamaLayer(nn.Module):
    """As in `modeling_llama.py`."""

    def __init__(self) -> None:
        super().__init__()
        width, inner = CONFIG.width, CONFIG.feed_forward
        self.q, self.k, self.v, self.o = (nn.Linear(width, width, bias=False) for _ in range(4))
        self.gate, self.up = (nn.Linear(width, inner, bias=False) for _ in range(2))
        self.down = nn.Linear(inner, width, bias=False)
        self.first, self.second = LlamaNorm(width), LlamaNorm(width)

    def forward(self, x: Tensor, cosine: Tensor, sine: Tensor) -> Tensor:
        """The sequences after this layer."""
        rows, places, width = x.shape
        h = self.first(x)
        q, k, v = (
            f(h).view(rows, places, CONFIG.heads, -1).transpose(1, 2)
            for f in (self.q, self.k, self.v)
        )
        q, k = (a * cosine + rotated(a) * sine for a in (q, k))
        heard = functional.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.o(heard.transpose(1, 2).contiguous().view(rows, places, width))
        h = self.second(x)
        return x + self.down(functional.silu(self.gate(h)) * self.up(h))


class Llama(nn.Module):
    """Features and logits by a Llama: the real one, or its likeness."""

    def __init__(self) -> None:
        super().__init__()
        try:
            theirs = importlib.import_module("transformers")
        except ImportError:
            self.real = None
            self.embedding = nn.Embedding(VOCABULARY, CONFIG.width)
            self.layers = nn.ModuleList(LlamaLayer() for _ in range(CONFIG.layers))
            self.norm = LlamaNorm(CONFIG.width)
            for parameter in self.parameters():
                if parameter.ndim == 2:
                    nn.init.normal_(parameter, std=0.02)
        else:
            self.real = theirs.LlamaModel(
                theirs.LlamaConfig(
                    vocab_size=VOCABULARY, hidden_size=CONFIG.width, use_cache=False,
                    intermediate_size=CONFIG.feed_forward, num_hidden_layers=CONFIG.layers,
                    num_attention_heads=CONFIG.heads, max_position_embeddings=PLACES,
                )
            )  # fmt: skip
            self.embedding = self.real.embed_tokens

    def forward(self, tokens: Tensor) -> Tensor:
        """Features of each place."""
        if self.real is not None:
            return self.real(tokens).last_hidden_state
        x = self.embedding(tokens)
        speeds = 10_000.0 ** -(torch.arange(0, CONFIG.head_width, 2) / CONFIG.head_width)
        angles = torch.outer(torch.arange(tokens.shape[1]).float(), speeds)
        angles = torch.cat((angles, angles), -1)
        for layer in self.layers:
            x = layer(x, angles.cos().to(x.dtype), angles.sin().to(x.dtype))
        return self.norm(x)

    def logits(self, features: Tensor) -> Tensor:
        """How much speaks for each token."""
        return functional.linear(features, self.embedding.weight)


def step(
    network: Network | Llama, optimiser: torch.optim.Optimizer, tokens: Tensor, half: bool
) -> float:
    """One step; the loss before it."""
    optimiser.zero_grad()
    with torch.autocast("cpu", torch.bfloat16, enabled=half):
        logits = network.logits(network(tokens[:, :-1]))
    loss = functional.cross_entropy(logits.float().flatten(0, 1), tokens[:, 1:].flatten())
    loss.backward()
    optimiser.step()
    return loss.item()


def made_up(rows: int, places: int) -> Tensor:
    """Phrases of eight tokens that come again, with a wrong note here and there."""
    phrases = torch.randint(0, VOCABULARY, (24, 8), generator=torch.Generator().manual_seed(0))
    tokens = phrases[torch.randint(0, 24, (rows, places // 8 + 1))].flatten(1)[:, :places]
    wrong = torch.rand(tokens.shape) < 0.05
    return torch.where(wrong, torch.randint_like(tokens, VOCABULARY), tokens)


def main() -> None:
    """Run, and print a line for each precision."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--losses", type=int, default=0)
    asked = parser.parse_args()
    torch.set_num_threads(asked.threads)
    clock = time.process_time if asked.threads == 1 else time.perf_counter
    for half in (False, True):
        torch.manual_seed(0)
        both: dict[str, Network | Llama] = {
            "ours": Network(CONFIG).train(),
            "llama": Llama().train(),
        }
        turns = {n: torch.optim.AdamW(net.parameters(), 1e-3) for n, net in both.items()}
        best = dict.fromkeys(both, float("inf"))
        for number in range(asked.rounds + 1):
            tokens = made_up(BATCH, PLACES + 1)
            for name, network in both.items():
                began = clock()
                step(network, turns[name], tokens, half)
                if number:  # the first warms up
                    best[name] = min(best[name], clock() - began)
        rate = {name: BATCH * PLACES / seconds for name, seconds in best.items()}
        print(
            f"{'bfloat16' if half else 'float32'}: ours {rate['ours']:,.0f}, llama "
            f"{rate['llama']:,.0f} tokens a second: {rate['ours'] / rate['llama']:.2f} times",
            flush=True,
        )
        for _ in range(asked.losses):
            tokens = made_up(4, 257)
            ended = {n: step(network, turns[n], tokens, half) for n, network in both.items()}
        if asked.losses:
            print("losses at the end: " + ", ".join(f"{n} {x:.3f}" for n, x in ended.items()))


if __name__ == "__main__":
    main()
