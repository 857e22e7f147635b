"""Where a training computes: one device, or one of many under `torchrun`.

PyTorch's own parallelism does the work: every process computes its rows of a step, and gradients
are averaged. Knows nothing of what is computed.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from ..errors import UsageError
from .devices import place_among
from .settings import TrainingSettings

EMPTY_EVERY = 50
"""Steps between two times that Apple's devices are asked to give memory back."""

_MEMORY_WORDS = ("out of memory", "can't allocate memory", "not enough memory")


@dataclass(frozen=True, slots=True)
class Engine:
    """One process of a training: its device, what it computes in, and its place among others."""

    device: torch.device
    in_bf16: bool
    rank: int = 0
    world: int = 1

    @property
    def leads(self) -> bool:
        """Whether it is this process that writes and tells."""
        return self.rank == 0

    @property
    def may_halve(self) -> bool:
        """Whether a step may go on with less at once, where memory ran out."""
        return self.world == 1 and self.device.type != "cpu"

    def computing(self) -> contextlib.AbstractContextManager[Any]:
        """Compute in the precision chosen."""
        if not self.in_bf16:
            return contextlib.nullcontext()
        return torch.autocast(self.device.type, torch.bfloat16)

    def shared(self, module: nn.Module) -> nn.Module:
        """The module, whose gradients are those of all processes."""
        if self.world == 1:
            return module
        from torch.nn.parallel import DistributedDataParallel

        where = None if self.device.type == "cpu" else [self.device.index]
        return DistributedDataParallel(module, device_ids=where)

    def unsent(self, module: nn.Module, is_last: bool) -> contextlib.AbstractContextManager[Any]:
        """Keep gradients to oneself until the last batch of a step."""
        if self.world == 1 or is_last:
            return contextlib.nullcontext()
        found: contextlib.AbstractContextManager[Any] = module.no_sync()  # type: ignore[operator]
        return found

    def mean(self, value: Tensor) -> Tensor:
        """The mean of a number over all processes."""
        if self.world > 1:
            torch.distributed.all_reduce(value)
            value /= self.world
        return value

    def agreed(self, values: list[float]) -> list[float]:
        """The numbers of the leading process, in every process."""
        if self.world == 1:
            return values
        told = torch.tensor(values, dtype=torch.float64)
        if self.device.type == "cuda":
            told = told.to(self.device)
        torch.distributed.broadcast(told, 0)
        return [float(value) for value in told.tolist()]

    def tidy(self, step: int) -> None:
        """Give back memory now and then, where that helps."""
        if self.device.type == "mps" and step % EMPTY_EVERY == 0:
            torch.mps.empty_cache()

    def forget(self) -> None:
        """Give back what a failed step took."""
        if self.device.type == "cuda":
            torch.cuda.empty_cache()
        elif self.device.type == "mps":
            torch.mps.empty_cache()


@contextlib.contextmanager
def engine_for(settings: TrainingSettings) -> Iterator[Engine]:
    """The engine of this process, until the block ends. Raises `UsageError` for no such device."""
    rank, world, local = place_among()
    device = _device(settings.device, local)
    engine = Engine(device, _is_bf16(settings.precision, device), rank, world)
    if world == 1:
        yield engine
        return
    if device.type == "mps":
        raise UsageError(
            "several processes cannot share an Apple device; start one, or --device cpu"
        )
    torch.distributed.init_process_group("nccl" if device.type == "cuda" else "gloo")
    try:
        yield engine
    finally:
        torch.distributed.destroy_process_group()


def _device(wanted: str, local: int) -> torch.device:
    there = {
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
        "cpu": True,
    }
    if wanted == "auto":
        wanted = next(kind for kind, is_there in there.items() if is_there)
    if not there[wanted]:
        others = " or ".join(f"--device {kind}" for kind, is_there in there.items() if is_there)
        raise UsageError(f"PyTorch finds no device {wanted} here; use {others}")
    if wanted != "cuda":
        return torch.device(wanted)
    if local >= torch.cuda.device_count():
        raise UsageError(
            f"there are {torch.cuda.device_count()} devices, and this is process {local + 1} of "
            "this machine; start fewer"
        )
    torch.cuda.set_device(local)
    return torch.device("cuda", local)


def _is_bf16(precision: str, device: torch.device) -> bool:
    """Whether to compute in bf16: where asked for, or where the device is made for it."""
    if precision != "auto":
        return precision == "bf16"
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if device.type == "cpu":
        return bool(
            getattr(torch.cpu, "_is_avx512_bf16_supported", bool)()
            or getattr(torch.cpu, "_is_amx_tile_supported", bool)()
        )
    return False


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory ran out, on any device."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    text = str(error).lower()
    return isinstance(error, RuntimeError) and any(words in text for words in _MEMORY_WORDS)
