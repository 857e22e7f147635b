"""A network: tokens come in, a backbone makes features of them, heads make numbers of those.

The place where backbones are chosen by name. Knows nothing of what tokens mean, nor of how the
network is trained or stored.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from .config import ECHO_CLASSES, NetworkConfig
from .lstm import Lstm
from .mamba import Mamba
from .recurrent import Recurrent
from .transformer import Transformer

BACKBONES: Mapping[str, Callable[[NetworkConfig], Transformer | Recurrent]] = {
    "transformer": Transformer, "mamba": Mamba, "lstm": Lstm,
}  # fmt: skip


class Network(nn.Module):
    """A backbone between an embedding, which is its output, too, and an auxiliary head.

    Where it hears echoes, tokens have one more dimension: each comes with what `Echoes` tells.
    """

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.config = config
        self.embedding = nn.Embedding(config.vocabulary, config.width)
        self.echo_embedding = nn.ModuleList(
            nn.Embedding(config.vocabulary + 1, config.width) for _ in range(config.echoes)
        )
        self.sure_embedding = nn.ModuleList(
            nn.Embedding(ECHO_CLASSES, config.width) for _ in range(config.echoes)
        )
        self.backbone = BACKBONES[config.backbone](config)
        self.ahead_head = nn.Linear(config.width, config.ahead) if config.ahead else None
        self.scale = math.sqrt(config.width)
        for embedding in (self.embedding, *self.echo_embedding, *self.sure_embedding):
            assert isinstance(embedding, nn.Embedding)
            nn.init.normal_(embedding.weight, std=0.02)
        if self.ahead_head is not None:
            nn.init.zeros_(self.ahead_head.bias)

    def forward(self, tokens: Tensor) -> Tensor:
        """Features (rows, places, width) of tokens (rows, places), no more than the context."""
        found: Tensor = self.backbone(self.embedded(tokens))
        return found

    def logits(self, features: Tensor) -> Tensor:
        """How much speaks for each next token (…, vocabulary), by features (…, width)."""
        return functional.linear(features, self.embedding.weight)

    def ahead(self, features: Tensor) -> Tensor:
        """What the auxiliary head says (…, ahead); only where there is one."""
        assert self.ahead_head is not None, "this network has no auxiliary head"
        return self.ahead_head(features)  # type: ignore[no-any-return]

    def begin(self, rows: int, device: torch.device | str | None = None) -> Any:
        """The state of rows that have seen nothing, where the network is unless told."""
        return self.backbone.begin(rows, device)

    @torch.no_grad()
    def follow(self, tokens: Tensor, state: Any, echo: float = 1.0) -> Tensor:
        """Features (rows, places, width) of the next tokens of every row, changing `state`.

        Only where the backbone is recurrent: as fast as whole sequences, but equal to what `play`
        says up to rounding only.
        """
        assert isinstance(self.backbone, Recurrent), "this network carries no state on"
        return self.backbone.follow(self.embedded(tokens, echo), state)

    @torch.no_grad()
    def play(
        self, tokens: Tensor, rows: list[int], state: Any, echo: float = 1.0,
        headings: Sequence[bool] = (),
    ) -> Tensor:  # fmt: skip
        """Features (n, width) of the next tokens (n) of `rows`, changing `state`.

        A row may come several times, for as many tokens in their order. `echo` is how much of what
        echoes tell is heard: 1 as learnt, 0 as where there are none. `headings` says which of the
        tokens hold for the whole piece: where they come first, they are never forgotten.
        """
        return self.backbone.play(self.embedded(tokens, echo), rows, state, headings)

    def embedded(self, tokens: Tensor, echo: float = 1.0) -> Tensor:
        """The numbers (…, width) that stand for tokens, and for what is told with them."""
        x = self.embedding(tokens[..., 0] if self.config.echoes else tokens)
        for way, (came, sure) in enumerate(
            zip(self.echo_embedding, self.sure_embedding, strict=True)
        ):
            told = came(tokens[..., 1 + 2 * way]) + sure(tokens[..., 2 + 2 * way])
            if echo != 1.0:
                none = tokens.new_full((), self.config.vocabulary)
                nothing = came(none) + sure(torch.zeros_like(none))
                told = nothing + echo * (told - nothing)
            x = x + told
        x = x * self.scale
        if self.config.dropout:
            x = functional.dropout(x, self.config.dropout, self.training)
        return x  # type: ignore[no-any-return]
