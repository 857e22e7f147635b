"""A network: tokens come in, a backbone makes features of them, heads make numbers of those.

The place where backbones are chosen by name. Knows nothing of what tokens mean, nor of how the
network is trained or stored.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from .config import NetworkConfig
from .transformer import Transformer

BACKBONES = {"transformer": Transformer}


class Network(nn.Module):
    """A backbone between an embedding, which is its output, too, and an auxiliary head."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.config = config
        self.embedding = nn.Embedding(config.vocabulary, config.width)
        self.backbone = BACKBONES[config.backbone](config)
        self.ahead_head = nn.Linear(config.width, config.ahead) if config.ahead else None
        self.scale = math.sqrt(config.width)
        nn.init.normal_(self.embedding.weight, std=0.02)
        if self.ahead_head is not None:
            nn.init.zeros_(self.ahead_head.bias)

    def forward(self, tokens: Tensor) -> Tensor:
        """Features (rows, places, width) of tokens (rows, places), no more than the context."""
        return self.backbone(self._embedded(tokens))  # type: ignore[no-any-return]

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
    def step(self, tokens: Tensor, state: Any) -> tuple[Tensor, Any]:
        """What speaks for each token after these (rows, places): (rows, vocabulary), and the state.

        `state` is changed; the one that comes back is the one to go on with.
        """
        features, state = self.backbone.step(self._embedded(tokens), state)
        return self.logits(features[:, -1]), state

    @torch.no_grad()
    def play(self, tokens: Tensor, rows: list[int], state: Any) -> Tensor:
        """Features (n, width) of the next tokens (n) of `rows`, changing `state`.

        A row may come several times, for as many tokens in their order.
        """
        return self.backbone.play(self._embedded(tokens), rows, state)

    def _embedded(self, tokens: Tensor) -> Tensor:
        x = self.embedding(tokens) * self.scale
        if self.config.dropout:
            x = functional.dropout(x, self.config.dropout, self.training)
        return x  # type: ignore[no-any-return]
