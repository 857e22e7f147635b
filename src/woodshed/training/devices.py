"""How much devices take at once, and which process this is. Loads nothing."""

from __future__ import annotations

import os
from collections.abc import MutableMapping

LARGEST_ON_MPS = 8
"""Sequences at once on Apple's devices, which share their memory with all else."""


def at_once(batch: int, accumulate: int, kind: str) -> tuple[int, int]:
    """How many sequences at once, and how often for a step, on a kind of device.

    The step is made of as many sequences as ever.
    """
    while kind == "mps" and batch > LARGEST_ON_MPS and batch % 2 == 0:
        batch, accumulate = batch // 2, accumulate * 2
    return batch, accumulate


def place_among(environment: MutableMapping[str, str] | None = None) -> tuple[int, int, int]:
    """Which process this is, of how many, and which one on its machine, as `torchrun` says it."""
    environment = os.environ if environment is None else environment
    told = {
        name: int(environment[name]) if environment.get(name, "").isdigit() else default
        for name, default in (("RANK", 0), ("WORLD_SIZE", 1), ("LOCAL_RANK", 0))
    }
    return told["RANK"], max(told["WORLD_SIZE"], 1), told["LOCAL_RANK"]
