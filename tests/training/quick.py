"""Settings with which a training takes a second, for tests."""

from __future__ import annotations

from typing import Any

from woodshed.training.settings import TrainingSettings

QUICK: dict[str, Any] = {
    "max_d_model": 96,
    "dropout": 0.1,
    "context": 32,
    "batch": 2,
    "steps": 12,
    "warm_up": 2,
    "validate_every": 4,
    "validation_tokens": 400,
    "monitor_pieces": 2,
    "monitor_tokens": 16,
    "precision": "float32",
    "device": "cpu",
}


def quick(**changes: Any) -> TrainingSettings:
    """Such settings, some of them others."""
    return TrainingSettings(**{**QUICK, **changes})
