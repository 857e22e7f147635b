"""A Transformer's score of a piece: each token after the header and half a context at least."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from woodshed.models.neural.config import NetworkConfig, header_told  # noqa: E402
from woodshed.models.neural.network import Network  # noqa: E402
from woodshed.models.neural.scoring import log_likelihood  # noqa: E402

HEADINGS = 8
"""Tokens below it are of headers."""


@pytest.mark.parametrize("header", [0, 2, 5, 6, 30])
@pytest.mark.parametrize("context", [20, 21])
def test_each_token_is_scored_after_the_header_and_enough(context: int, header: int) -> None:
    """Looked for among all windows that would do, each computed by itself."""
    torch.manual_seed(2)
    config = NetworkConfig(40, 16, layers=1, heads=2, kv_heads=2, feed_forward=16, context=context)
    network = Network(config).eval()
    with torch.no_grad():
        network.embedding.weight.mul_(20)
    chance = np.random.default_rng(header)
    piece = chance.integers(HEADINGS, 40, 70)
    piece[:header] = chance.integers(0, HEADINGS, header)
    in_header = np.arange(40) < HEADINGS
    (found,) = log_likelihood(network, None, [piece.astype(np.uint16)], in_header)
    told = header_told(header, context)
    assert told == min(header, context // 4)
    tokens = torch.from_numpy(piece)
    scored_by = []
    with torch.no_grad():
        for n in range(1, 70):
            ways = {}
            if n <= context:
                ways[0] = tokens[:n]
            else:
                for first in range(n - (context - told), n - context // 2 + 1):
                    ways[first] = torch.cat([tokens[:told], tokens[first:n]])
            said = {
                first: float(network.logits(network(way[None])[0, -1]).log_softmax(-1)[piece[n]])
                for first, way in ways.items()
            }
            best = min(said, key=lambda first: abs(said[first] - found[n]))
            assert said[best] == pytest.approx(found[n], abs=1e-5)
            scored_by.append(best)
    assert scored_by == sorted(scored_by)
    assert len(set(scored_by)) <= 1 + -(-(70 - context) // (context // 4))
