"""What the player of a model may be told: how bold it is, what it must not do, and how much.

Only what makes no sense for any model is refused here; `tables.check_fit` asks a model. Knows
nothing of how a token is chosen. Help shows these settings, so this module loads fast.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from ..errors import UsageError
from ..settings import setting

GRIDS = ("straight", "triplet")
MOST_SEED = 2**63 - 1


@dataclass(frozen=True, slots=True)
class SamplingSettings:
    """How a model's next tokens are chosen, and when the music ends.

    Of `bars`, `seconds` and `notes` what is reached first ends a piece; with none of them the model
    ends it.
    """

    temperature: float = setting(
        0.65, "How bold: 0 always takes the likeliest, 1 is as the model thinks."
    )
    temperature_end: float | None = setting(
        None, "Temperature to go to, evenly, until the end that --bars, --seconds or --notes set."
    )
    top_p: float = setting(
        0.85, "Choose among the likeliest that have this much probability together; 1 is all."
    )
    top_k: int | None = setting(None, "Choose among so many of the likeliest.")
    min_p: float = setting(
        0.0, "Choose among those at least this likely, as a share of the likeliest; 0 is all."
    )
    drum_bonus: float = setting(
        0.0, "Above 0 the drums enter more often, below 0 less: added to their log-probability."
    )
    max_notes_per_step: int | None = setting(
        None,
        "Most notes that start at one moment. Without it 4, or the corpus's own limit where that "
        "is more.",
    )
    max_streak: int | None = setting(None, "Most notes in a row by one player before another.")
    repetition_penalty: float = setting(
        1.0, "Divides the probability of a pitch its player used in the last 8 notes; 1 is off."
    )
    echo: float | None = setting(
        None,
        "How much the piece counts that is being made, beside the corpus: 1 as learnt, 0 not at "
        "all. Without it 0.5 for the n-gram model, 1 for a network.",
    )
    grid: str | None = setting(
        None, "Where notes may start: straight (sixteenths) or triplet (thirds of a beat)."
    )
    max_silence_bars: int | None = setting(
        None, "Most bars in a row without a note. Without it the corpus's own limit."
    )
    bars: int | None = setting(None, "So many whole bars, a prompt's not counted.")
    seconds: float | None = setting(
        None, "About so many seconds: to the end of the bar in which they are over."
    )
    notes: int | None = setting(None, "So many notes, a prompt's not counted.")
    endings: int = setting(
        8, "Last bars that are tried, to keep the one that ends best; 1 takes the first."
    )
    seed: int | None = setting(
        None, "Decides every choice; the same seed, the same bytes. Without it one is drawn."
    )
    engine: str | None = setting(
        None,
        "What computes a network: auto (whichever is fastest there, and so without it), compiled "
        "(loops for processors), graphs (captured once, for GPUs) or torch (the reference).",
    )
    weights: str | None = setting(
        None,
        "How exact a network's weights are while it plays: float32, or bfloat16, which is less to "
        "read.",
    )
    device: str | None = setting(
        None, "Where a network is computed: cpu, cuda, mps. Without it on the CPU."
    )

    def __post_init__(self) -> None:
        for name in ("temperature", "temperature_end"):
            value = getattr(self, name)
            if value is not None and not (math.isfinite(value) and value >= 0):
                raise _refused(name, value, "use 0 (always the likeliest) or more")
        if not 0 < self.top_p <= 1:
            raise _refused("top_p", self.top_p, "use more than 0, up to 1 (all)")
        if not 0 <= self.min_p <= 1:
            raise _refused("min_p", self.min_p, "use 0 (all) to 1 (only the likeliest)")
        if not math.isfinite(self.drum_bonus):
            raise _refused("drum_bonus", self.drum_bonus, "use a number such as 0.5")
        if not (math.isfinite(self.repetition_penalty) and self.repetition_penalty > 0):
            raise _refused("repetition_penalty", self.repetition_penalty, "use 1 (off) or more")
        for name, way_out in _COUNTS.items():
            value = getattr(self, name)
            if value is not None and (type(value) is not int or value < 1):
                raise _refused(name, value, way_out)
        if self.endings > MOST_ENDINGS:
            raise _refused("endings", self.endings, f"use 1 (take the first) to {MOST_ENDINGS}")
        if self.echo is not None and not (math.isfinite(self.echo) and 0 <= self.echo <= 10):
            raise _refused("echo", self.echo, "use 0 (the corpus alone) to 1 (as learnt)")
        if self.seconds is not None and not (math.isfinite(self.seconds) and self.seconds > 0):
            raise _refused("seconds", self.seconds, "use more than 0, or leave it out")
        if self.grid is not None and self.grid not in GRIDS:
            raise _refused("grid", self.grid, "use straight or triplet, or leave it out")
        seed = self.seed
        if seed is not None and (type(seed) is not int or not 0 <= seed <= MOST_SEED):
            raise _refused("seed", self.seed, f"use 0 to {MOST_SEED}")
        if self.temperature_end is not None and not self.is_limited:
            raise UsageError(
                f"--temperature-end {self.temperature_end:g} needs an end to go to; say how much "
                "with --bars, --seconds or --notes, too"
            )

    @property
    def is_limited(self) -> bool:
        """Whether it is said how much music is wanted."""
        return any(limit is not None for limit in (self.bars, self.seconds, self.notes))


MOST_ENDINGS = 64
"""Every try is a whole state of the model."""

_COUNTS = {
    "top_k": "use 1 (always the likeliest) or more, or leave it out for all",
    "max_notes_per_step": "use 1 or more, or leave it out",
    "max_streak": "use 1 or more, or leave it out",
    "max_silence_bars": "use 1 (every bar has a note) or more, or leave it out",
    "bars": "use 1 or more, or leave it out and the model ends by itself",
    "notes": "use 1 or more, or leave it out and the model ends by itself",
    "endings": "use 1 (take the first) or more",
}


def _refused(name: str, value: object, way_out: str) -> UsageError:
    told = f"{value:g}" if isinstance(value, float) else value
    return UsageError(f"--{name.replace('_', '-')} {told} makes no sense; {way_out}")
