"""What can be set of the grammar in training: its terms in the loss, the monitor, the filter.

The settings of a training are these and more. Knows nothing of PyTorch, so that help comes fast.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from ..errors import UsageError
from ..settings import setting
from ..tokens.check_settings import LEAST_SCORE


@dataclass(frozen=True, slots=True)
class GrammarSettings:
    """How the grammar takes part in training."""

    illegal_weight: float = setting(
        1.0, "Weight of the probability that is spent on tokens the grammar forbids."
    )
    pairing_weight: float = setting(
        0.0, "Weight of the probability of breaking a note: begun and not told whole, or ended."
    )
    coherence_weight: float = setting(
        5.0, "Weight of the probability beyond the limits of the corpus: avalanches and silence."
    )
    repetition_weight: float = setting(
        3.0, "Weight of the probability of saying again what was said where music goes on anew."
    )
    grammar_ramp_steps: int = setting(
        500, "Steps in which the weights of the grammar rise from nothing to their full size."
    )
    grammar_every_row: int = setting(
        4, "Of so many sequences of a batch the grammar judges one, at each step another."
    )
    monitor_pieces: int = setting(8, "Pieces it plays for a look.")
    monitor_tokens: int = setting(256, "Tokens of each of these pieces.")
    least_grammar: float = setting(
        0.8, "Grammar score of a look below which there is a warning, from 0 to 1."
    )
    grammar_patience: int = setting(
        5, "Looks in a row below that score, after one above it, that end the training."
    )
    least_score: float = setting(
        LEAST_SCORE, "Lowest grammar score a piece may have to be learned from, from 0 to 1."
    )

    def __post_init__(self) -> None:
        for name, (least, most) in GRAMMAR_BOUNDS.items():
            value = getattr(self, name)
            if not (math.isfinite(value) and least <= value <= most):
                raise UsageError(
                    f"--{name.replace('_', '-')} cannot be {value:,}; use {least:g} to {most:,}"
                )


GRAMMAR_BOUNDS: dict[str, tuple[float, float]] = {
    "illegal_weight": (0, 1000),
    "pairing_weight": (0, 1000),
    "coherence_weight": (0, 1000),
    "repetition_weight": (0, 1000),
    "grammar_ramp_steps": (0, 10**9),
    "grammar_every_row": (1, 10**6),
    "monitor_pieces": (1, 10**4),
    "monitor_tokens": (16, 2**20),
    "least_grammar": (0, 1),
    "grammar_patience": (1, 10**9),
    "least_score": (0, 1),
}
"""The least and the most each number may be."""
