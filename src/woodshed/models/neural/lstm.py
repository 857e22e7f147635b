"""The LSTM backbone: PyTorch's own for whole sequences, and the same by hand for one place.

Each layer hears what comes in at one size, and what its cells say is added to it through a matrix,
so that many layers learn as well as few. The weights lie in plain matrices, so that optimisers and
adapters find them like those of any other backbone. Knows vectors only, nothing of tokens.
"""

from __future__ import annotations

import warnings

import torch
from torch import Tensor, nn

from .config import NetworkConfig
from .recurrent import Kept, Recurrent, RecurrentLayer, depth, drawn
from .transformer import Norm

# cuDNN would rather have its weights beside each other; it copies them then.
warnings.filterwarnings("ignore", message=".*single contiguous chunk")

REMEMBERS = 1.0
"""How much speaks for remembering at first, beside what comes in."""


class Lstm(Recurrent):
    """Layers of long short-term memory."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__(config, [LstmLayer(config) for _ in range(config.layers)])


class LstmLayer(RecurrentLayer):
    """Cells that forget, take in and say as far as their gates let them.

    The gates lie one after the other: take in, forget, what is new, say.
    """

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__(config)
        self.cells = config.state
        self.cell_norm = Norm(config.width)
        self.cell_in = nn.Linear(config.width, 4 * config.state)
        self.cell_again = nn.Linear(config.state, 4 * config.state, bias=False)
        self.cell_out = nn.Linear(config.state, config.width, bias=False)
        for linear in (self.cell_in, self.cell_again):
            drawn(linear)
        drawn(self.cell_out, depth(config))
        nn.init.zeros_(self.cell_in.bias)
        nn.init.constant_(self.cell_in.bias[self.cells : 2 * self.cells], REMEMBERS)

    def shapes(self) -> tuple[tuple[int, ...], ...]:
        """What the cells say, and what they hold."""
        return (self.cells,), (self.cells,)

    def whole(self, x: Tensor, kept: Kept | None) -> tuple[Tensor, Kept]:
        """Whole sequences; see `RecurrentLayer`."""
        kind = x.device.type
        half = kind == "cuda" and torch.is_autocast_enabled(kind)
        x = self.cell_norm(x).to(torch.get_autocast_dtype(kind) if half else torch.float32)
        weights = [
            weight.to(x.dtype)
            for weight in (self.cell_in.weight, self.cell_again.weight, self.cell_in.bias)
        ]
        weights.append(torch.zeros_like(weights[-1]))
        with torch.autocast(kind, enabled=False):
            if kept is None:
                kept = (x.new_zeros(x.shape[0], self.cells),) * 2
            said, last, held = torch.lstm(
                x, [each.to(x.dtype)[None] for each in kept], weights,
                has_biases=True, num_layers=1, dropout=0.0, train=self.training,
                bidirectional=False, batch_first=True,
            )  # fmt: skip
        return self.cell_out(said), (last[0], held[0])

    def once(self, x: Tensor, kept: Kept) -> tuple[Tensor, Kept]:
        """One place; see `RecurrentLayer`."""
        before, held = kept
        gates = self.cell_in(self.cell_norm(x)) + self.cell_again(before)
        takes, remembers, new, says = gates.chunk(4, -1)
        held = remembers.sigmoid() * held + takes.sigmoid() * new.tanh()
        said = says.sigmoid() * held.tanh()
        return self.cell_out(said), (said, held)
