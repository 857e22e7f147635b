"""By what a network is played: the engine, how exact its weights are, and on which device.

Knows no network, and loads PyTorch only to ask for a device: help shows these words.
"""

from __future__ import annotations

import importlib
import re
from dataclasses import dataclass, replace
from typing import Any

from ..errors import UsageError

ENGINES = ("auto", "compiled", "graphs", "torch")
WEIGHTS = ("float32", "bfloat16")


@dataclass(frozen=True, slots=True)
class Playing:
    """How a network is played.

    `engine` is compiled (loops for processors), graphs (captured once, for NVIDIA's and AMD's
    devices), torch (the reference), or auto: whichever is fastest there. `weights` may be kept as
    bfloat16 where loops are compiled: half as much to read.
    """

    engine: str = "auto"
    weights: str = "float32"
    device: str = "cpu"

    def __post_init__(self) -> None:
        for name, value, known in (
            ("engine", self.engine, ENGINES),
            ("weights", self.weights, WEIGHTS),
        ):
            if value not in known:
                raise UsageError(
                    f"--{name} cannot be {value!r}; use {', '.join(known[:-1])} or {known[-1]}"
                )
        if not re.fullmatch(r"cpu|mps|cuda(:\d+)?", self.device):
            raise UsageError(f"--device cannot be {self.device!r}; use cpu, cuda, cuda:1 … or mps")


AS_USUAL = Playing()


def resolved(playing: Playing) -> tuple[Playing, str | None]:
    """What this machine can do of it, and a sentence where that is not what was asked for."""
    said = []
    device, engine, weights = playing.device, playing.engine, playing.weights
    if device != "cpu" and not _has_device(device):
        said.append(f"there is no {device} here; it plays on the CPU")
        device = "cpu"
    kind = device.split(":")[0]
    runs = {"compiled": kind == "cpu" and _has_numba(), "graphs": kind == "cuda", "torch": True}
    if engine == "auto":
        engine = next(name for name, can in runs.items() if can)
    elif not runs[engine]:
        best = next(name for name, can in runs.items() if can)
        why = (
            f"the engine {engine} does not run on {kind}"
            if kind != "cpu" or engine == "graphs"
            else "compiled loops need numba, which cannot be loaded (`pip install numba`)"
        )
        said.append(f"{why}; {best} plays instead")
        engine = best
    if weights != "float32" and engine != "compiled":
        said.append(f"weights stay float32, as only compiled loops take {weights}")
        weights = "float32"
    done = replace(playing, engine=engine, weights=weights, device=device)
    return done, "; ".join(said) or None


def played_as(
    model: Any, engine: str | None, weights: str | None, device: str | None
) -> tuple[Any, Playing | None, str | None]:
    """A model as it was asked to be played, what this machine does of that, and a sentence.

    None is as it is played already. Raises `UsageError` where something is asked of a model that is
    no network.
    """
    asked = {"engine": engine, "weights": weights, "device": device}
    if not hasattr(model, "played_by"):
        for name, value in asked.items():
            if value is not None:
                raise UsageError(
                    f"--{name} {value} changes nothing: an {model.info.family} model is no "
                    "network; leave it out"
                )
        return model, None, None
    told = {name: value for name, value in asked.items() if value is not None}
    playing, said = resolved(replace(model.playing, **told))
    if playing != resolved(model.playing)[0]:
        model = model.played_by(playing)
    return model, playing, said


def _has_numba() -> bool:
    try:
        importlib.import_module("numba")
    except (ImportError, OSError):
        return False
    return True


def _has_device(device: str) -> bool:
    torch = importlib.import_module("torch")
    if device.startswith("cuda"):
        _, _, number = device.partition(":")
        return bool(torch.cuda.is_available()) and int(number or 0) < torch.cuda.device_count()
    return bool(torch.backends.mps.is_available())
