"""What makes the steps: AdamW for all weights, or Muon for matrices and AdamW for the rest.

Both are PyTorch's own. Knows nothing of losses.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor, nn

from .settings import TrainingSettings

BETAS = (0.9, 0.95)
ADAM_SHARE = 0.2
"""What AdamW takes of Muon's learning rate for the weights that are no matrices within."""


class Optimiser:
    """One or two optimisers of PyTorch as one."""

    def __init__(
        self, network: nn.Module, settings: TrainingSettings, device: torch.device
    ) -> None:
        named = [(name, p) for name, p in network.named_parameters() if p.requires_grad]
        vectors = [p for name, p in named if p.ndim < 2 or _is_by_number(name)]
        edges = [p for name, p in named if p.ndim >= 2 and _is_edge(name)]
        matrices = [
            p for name, p in named if p.ndim >= 2 and not (_is_edge(name) or _is_by_number(name))
        ]
        self.parameters = [p for _, p in named]
        self._clip = settings.clip
        self.parts: list[torch.optim.Optimizer] = []
        if settings.optimiser == "muon" and matrices:
            self.parts.append(
                torch.optim.Muon(
                    matrices, lr=settings.rate, weight_decay=settings.weight_decay,
                    adjust_lr_fn="match_rms_adamw",
                )
            )  # fmt: skip
            matrices = []
        groups = [
            {"params": matrices + edges, "weight_decay": settings.weight_decay},
            {"params": vectors, "weight_decay": 0.0},
        ]
        groups = [group for group in groups if group["params"]]
        rate = settings.rate * (ADAM_SHARE if self.parts else 1.0)
        if groups:
            fused = device.type in ("cpu", "cuda")
            self.parts.append(torch.optim.AdamW(groups, lr=rate, betas=BETAS, fused=fused))
        self._heights = [[group["lr"] for group in part.param_groups] for part in self.parts]

    def step(self, share: float) -> Tensor:
        """Make a step at a share of the learning rate; how long the gradient was.

        A gradient that is no number changes nothing.
        """
        most = self._clip or float("inf")
        length = torch.nn.utils.clip_grad_norm_(self.parameters, most)
        if length.device.type == "cpu" and not torch.isfinite(length):
            return length
        for part, heights in zip(self.parts, self._heights, strict=True):
            for group, height in zip(part.param_groups, heights, strict=True):
                group["lr"] = height * share
            part.step()
        return length

    def forget_gradients(self) -> None:
        """Make ready for the next step."""
        for part in self.parts:
            part.zero_grad(set_to_none=True)

    def tensors(self) -> dict[str, Tensor]:
        """All it remembers, by name."""
        found = {}
        for at, part in enumerate(self.parts):
            for number, parameter in enumerate(_all(part)):
                for name, value in part.state.get(parameter, {}).items():
                    found[f"{at}.{number}.{name}"] = torch.as_tensor(value)
        return found

    def remember(self, tensors: Mapping[str, Tensor]) -> None:
        """Take what `tensors` gave. Raises `KeyError` or `ValueError` for what it cannot be."""
        for part in self.parts:
            part.state.clear()
        for name, value in tensors.items():
            at, number, key = name.split(".", 2)
            part = self.parts[int(at)]
            parameter = _all(part)[int(number)]
            if value.ndim and value.shape != parameter.shape:
                raise ValueError(f"{name} has another shape than its weights")
            place = "cpu" if key == "step" and not _counts_there(part) else parameter.device
            part.state[parameter][key] = value.to(place, copy=True)


def _is_edge(name: str) -> bool:
    """Whether weights belong to tokens or to a head, not to the backbone."""
    return "embedding" in name or "head" in name


def _is_by_number(name: str) -> bool:
    """Whether a table of weights is no matrix: each column is for one number by itself."""
    return name.endswith(".conv")


def _all(part: torch.optim.Optimizer) -> list[Tensor]:
    return [p for group in part.param_groups for p in group["params"]]


def _counts_there(part: torch.optim.Optimizer) -> bool:
    """Whether steps are counted where the weights are."""
    return any(group.get("fused") for group in part.param_groups)


def all_finite(tensors: Iterable[Tensor]) -> bool:
    """Whether every number is one."""
    return all(bool(torch.isfinite(tensor).all()) for tensor in tensors)
