"""The Mamba backbone in its second form: states that fade, each head by one number at a place.

A head keeps a table (state, head_width). At each place it fades by `exp(-rate x step)`, takes in
`step x told x heard`, and is asked; step, told and asked follow from what comes in. So whole
sequences are products of matrices: within a chunk who hears whom, and between chunks the states.
Logarithms of what fades are summed, never divided by, so nothing overflows in 32 bits. Knows
vectors only, nothing of tokens.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from .config import MAMBA_REACH, NetworkConfig
from .recurrent import Kept, Recurrent, RecurrentLayer, depth, drawn
from .scan import convolved, scanned
from .transformer import Norm

STEPS_AT_FIRST = 1e-3, 1e-1
"""The least and the longest step at first."""
RATES_AT_FIRST = 1.0, 16.0
"""How fast the slowest and the fastest head fade at first, for a step of 1."""


class Mamba(Recurrent):
    """Layers of fading states."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__(config, [MambaLayer(config) for _ in range(config.layers)])


class MambaLayer(RecurrentLayer):
    """Fading states between two matrices, let through by a gate."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__(config)
        self.heads, self.state, self.inner = config.heads, config.state, 2 * config.width
        self.mixed = self.inner + 2 * self.state  # what is convolved: heard, told, asked
        self.mix_norm = Norm(config.width)
        self.mix_in = nn.Linear(config.width, self.inner + self.mixed + self.heads, bias=False)
        self.conv = nn.Parameter(torch.empty(MAMBA_REACH, self.mixed))
        self.conv_bias = nn.Parameter(torch.zeros(self.mixed))
        self.step_bias = nn.Parameter(torch.empty(self.heads))
        self.rate_log = nn.Parameter(torch.empty(self.heads))
        self.skip = nn.Parameter(torch.ones(self.heads))
        self.gate_norm = Norm(self.inner)
        self.mix_out = nn.Linear(self.inner, config.width, bias=False)
        drawn(self.mix_in)
        drawn(self.mix_out, depth(config))
        nn.init.uniform_(self.conv, -(MAMBA_REACH**-0.5), MAMBA_REACH**-0.5)
        with torch.no_grad():
            low, high = (math.log(step) for step in STEPS_AT_FIRST)
            steps = torch.exp(low + (high - low) * torch.rand(self.heads))
            self.step_bias.copy_(steps + torch.log(-torch.expm1(-steps)))
            self.rate_log.copy_(torch.empty(self.heads).uniform_(*RATES_AT_FIRST).log())

    def shapes(self) -> tuple[tuple[int, ...], ...]:
        """What came in last, before it was convolved, and the states, (state, heads x width)."""
        return (MAMBA_REACH - 1, self.mixed), (self.state, self.inner)

    def whole(self, x: Tensor, kept: Kept | None) -> tuple[Tensor, Kept]:
        """Whole sequences; see `RecurrentLayer`."""
        gate, mixed, steps = self._asked(x)
        before, state = (None, None) if kept is None else kept
        with torch.autocast(x.device.type, enabled=False):  # what fades is summed in 32 bits
            found = convolved(mixed, self.conv, self.conv_bias, before)
            heard, told, asked = self._parted(found)
            steps, fades = self._steps(steps)
            by_head = self._by_head(heard)
            said, state = scanned(by_head * steps[..., None], fades, told, asked, state)
        made = self._said(said + by_head * self.skip[:, None], gate)
        last = mixed[:, -(MAMBA_REACH - 1) :].float()
        if last.shape[1] < MAMBA_REACH - 1:
            earlier = torch.zeros_like(mixed[:, :1]).expand(-1, MAMBA_REACH - 1, -1)
            last = torch.cat([earlier if before is None else before, last], 1)
        return made, (last[:, -(MAMBA_REACH - 1) :], state)

    def once(self, x: Tensor, kept: Kept) -> tuple[Tensor, Kept]:
        """One place; see `RecurrentLayer`."""
        gate, mixed, steps = self._asked(x)
        seen = torch.cat([kept[0], mixed[:, None].float()], 1)
        found = functional.silu((seen * self.conv).sum(1) + self.conv_bias)
        heard, told, asked = self._parted(found)
        steps, fades = self._steps(steps)
        by_head = self._by_head(heard)
        taken = (by_head * steps[..., None]).flatten(-2)
        by_state = self._by_head(kept[1]) * fades.exp()[:, None, :, None]
        state = torch.baddbmm(by_state.flatten(-2), told[..., None], taken[:, None])
        said = self._by_head(torch.bmm(asked[:, None], state)[:, 0])
        return self._said(said + by_head * self.skip[:, None], gate), (seen[:, 1:], state)

    def _asked(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The gate, what is convolved, and the steps, all as they come out of the matrix."""
        found: Tensor = self.mix_in(self.mix_norm(x))
        gate, mixed, steps = torch.split(found, [self.inner, self.mixed, self.heads], -1)
        return gate, mixed, steps

    def _parted(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        heard, told, asked = torch.split(x, [self.inner, self.state, self.state], -1)
        return heard, told, asked

    def _by_head(self, x: Tensor) -> Tensor:
        return x.reshape(*x.shape[:-1], self.heads, -1)

    def _steps(self, steps: Tensor) -> tuple[Tensor, Tensor]:
        """How long the steps are (…, heads), and the logarithm of how much stays over them."""
        steps = functional.softplus(steps.float() + self.step_bias)
        return steps, -steps * self.rate_log.exp()

    def _said(self, said: Tensor, gate: Tensor) -> Tensor:
        """What is made of what the states said (…, heads, head_width)."""
        found: Tensor = self.mix_out(self.gate_norm(said.flatten(-2) * functional.silu(gate)))
        return found
