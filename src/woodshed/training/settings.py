"""What can be set when a neural model is trained.

Knows nothing of PyTorch: settings are read, checked and shown where it is missing.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from ..errors import UsageError
from ..models.neural.config import LONGEST_CONTEXT
from ..models.neural.sizing import WIDTHS
from ..settings import setting
from .grammar_settings import GRAMMAR_BOUNDS, GrammarSettings

CHOICES = {
    "size": ("auto", "tiny", "small", "medium"),
    "optimiser": ("muon", "adamw"),
    "precision": ("auto", "float32", "bf16"),
    "device": ("auto", "cpu", "cuda", "mps"),
    "decay": ("linear", "cosine", "none"),
}
"""The words some settings take."""

FREE = frozenset(
    ("max_minutes", "patience", "least_grammar", "grammar_patience", "device", "learning_rate",
     "clip", "precision", "compile", "plain", "tensorboard")
)  # fmt: skip
"""What may be set anew when a stopped training goes on; all else makes it another training."""

RATES = {"adamw": 4e-3, "muon": 2e-2}
"""The learning rate of each optimiser, unless set."""
RATES_OF = {"lstm": {"muon": 4e-2}}
"""That of families for which another was measured to be better."""

EPOCHS = 40.0
"""How long a training lasts at most where nothing else says so."""
CONTEXT = 512


@dataclass(frozen=True, slots=True)
class TrainingSettings(GrammarSettings):
    """How a neural model is trained; fields are flags of `woodshed train`.

    Raises `UsageError` for values that make no sense.
    """

    size: str = setting("auto", "How large the network is: auto, tiny, small or medium.")
    no_auto_size: bool = setting(
        False, "As --size small: the corpus does not decide how large the network is."
    )
    tokens_per_parameter: float = setting(
        8.0, "How many tokens of the corpus a parameter needs, for --size auto."
    )
    max_d_model: int | None = setting(None, "Most numbers that may stand for a token.")
    context: int | None = setting(
        None, "Tokens the network sees at once; 512, or what the model of --init sees."
    )
    transpose: str = setting(
        "-5,-3,-1,1,3,5", "Semitones pieces are also heard in, drums untouched; or none."
    )
    batch: int = setting(16, "Sequences computed at once on each device.")
    accumulate: int = setting(1, "Batches that make one step.")
    steps: int | None = setting(None, "Most steps.")
    epochs: float | None = setting(
        None, "Most rounds through the corpus; 40 where neither steps nor minutes are set."
    )
    max_minutes: float | None = setting(None, "Most minutes to train.")
    optimiser: str = setting(
        "muon", "What makes the steps: muon for the matrices and adamw for the rest, or adamw."
    )
    learning_rate: float | None = setting(
        None, "Size of the steps at their height; by the optimiser and the family unless set."
    )
    warm_up: int = setting(50, "Steps until the learning rate is at its height.")
    decay: str = setting("linear", "How the learning rate falls after that: linear, cosine, none.")
    weight_decay: float = setting(0.1, "How much weights are drawn to zero.")
    clip: float = setting(1.0, "Longest gradient of a step; 0 lets any pass.")
    dropout: float = setting(0.0, "Share of numbers left out at random while training.")
    smoothing_kind: float = setting(
        0.0, "Share of each target that is spread over tokens of any kind."
    )
    smoothing_value: float = setting(
        0.0, "Share of each target that is spread over values of its own kind."
    )
    ahead_weight: float = setting(
        0.05, "Weight of predicting polyphony and who plays next; 0 for none."
    )
    no_echoes: bool = setting(
        False, "Do not tell with each token what came the last time the piece stood there."
    )
    validate_every: int = setting(100, "Steps between validations, each a checkpoint and a look.")
    validation_tokens: int = setting(40_000, "Most tokens of validation pieces that are scored.")
    patience: int = setting(25, "Validations without a better one before training ends.")
    precision: str = setting("auto", "Numbers to compute with: auto, float32 or bf16.")
    device: str = setting("auto", "Where to compute: auto, cpu, cuda or mps.")
    compile: bool = setting(False, "Compile the network first; pays in long trainings on GPUs.")
    plain: bool = setting(False, "Tell progress in lines, for logs, not in a panel.")
    tensorboard: str | None = setting(
        None, "A folder for the log of TensorBoard, which must be installed."
    )
    init: str | None = setting(None, "A model to begin with, which is trained further.")
    adapters: int | None = setting(
        None,
        "With --init: train low-rank adapters of this rank, and leave the weights as they are but "
        "for those of tokens that are new to the model.",
    )
    seed: int = setting(0, "Where all chance comes from.")

    def __post_init__(self) -> None:
        self._check_kinds()
        for name, words in CHOICES.items():
            value = getattr(self, name)
            if value not in words:
                raise UsageError(
                    f"{flag(name)} cannot be {value!r}; use {', '.join(words[:-1])} or {words[-1]}"
                )
        for name, (low, high) in BOUNDS.items():
            value = getattr(self, name)
            if value is None:
                continue
            whole = "int" in str(self.__dataclass_fields__[name].type)  # as it is written above
            if isinstance(value, bool) or not isinstance(value, int if whole else int | float):
                kind = "a whole number" if whole else "a number"
                raise UsageError(f"{flag(name)} cannot be {value!r}; use {kind}")
            if not low <= value <= high:  # also catches what is no number
                raise UsageError(f"{flag(name)} cannot be {value:,}; use {low:g} to {high:,}")
        if self.smoothing_kind + self.smoothing_value >= 1:
            raise UsageError(
                f"--smoothing-kind {self.smoothing_kind:g} and --smoothing-value "
                f"{self.smoothing_value:g} leave nothing of the target; use less than 1 together"
            )
        if self.adapters is not None and self.init is None:
            raise UsageError("--adapters needs a model to adapt; add --init MODEL")
        if self.init is not None and (self.no_auto_size or self.size != "auto"):
            asked = "--no-auto-size" if self.no_auto_size else f"--size {self.size}"
            raise UsageError(
                f"{asked} makes a new network, and --init {self.init} brings its own; leave one out"
            )
        _ = self.semitones

    def _check_kinds(self) -> None:
        """Raise `UsageError` unless words are words, and what is on or off is that."""
        for name, field in self.__dataclass_fields__.items():
            value, kind = getattr(self, name), str(field.type)
            if kind == "bool" and not isinstance(value, bool):
                raise UsageError(f"{flag(name)} cannot be {value!r}; use true or false")
            if kind.startswith("str") and not isinstance(value, str):
                if value is None and kind.endswith("None"):
                    continue
                raise UsageError(f"{flag(name)} cannot be {value!r}; use a word in quotes")

    @property
    def semitones(self) -> tuple[int, ...]:
        """The shifts pieces are heard in: first 0, then those asked for, each once."""
        text = self.transpose.strip()
        words = [] if text in ("", "none", "0") else text.split(",")
        try:
            shifts = [int(word) for word in words]
        except ValueError:
            shifts = [99]
        if any(not -11 <= shift <= 11 for shift in shifts):
            raise UsageError(
                f"--transpose {self.transpose} is no list of semitones; write -5,-3,-1,1,3,5 or "
                "none, each from -11 to 11"
            )
        return tuple(dict.fromkeys((0, *shifts)))

    @property
    def rate(self) -> float:
        """The learning rate at its height."""
        return self.learning_rate if self.learning_rate is not None else RATES[self.optimiser]

    def rate_of(self, family: str) -> float:
        """The learning rate at its height in the training of a family."""
        if self.learning_rate is not None:
            return self.learning_rate
        return RATES_OF.get(family, {}).get(self.optimiser, self.rate)

    def to_dict(self) -> dict[str, Any]:
        """Its fields, as JSON holds them."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """What `to_dict` gave; what is not said is as usual."""
        known = cls.__dataclass_fields__
        return cls(**{name: value for name, value in values.items() if name in known})


BOUNDS: dict[str, tuple[float, float]] = {
    **GRAMMAR_BOUNDS,
    "tokens_per_parameter": (0.01, 10_000),
    "max_d_model": (WIDTHS[0], 65_536),
    "context": (8, LONGEST_CONTEXT),
    "batch": (1, 2**16),
    "accumulate": (1, 2**16),
    "steps": (1, 10**9),
    "epochs": (0.001, 10**6),
    "max_minutes": (0.001, 10**6),
    "learning_rate": (1e-9, 10),
    "warm_up": (0, 10**9),
    "weight_decay": (0, 10),
    "clip": (0, 10**6),
    "dropout": (0, 0.9),
    "smoothing_kind": (0, 0.9),
    "smoothing_value": (0, 0.9),
    "ahead_weight": (0, 100),
    "validate_every": (1, 10**9),
    "validation_tokens": (1, 10**12),
    "patience": (1, 10**9),
    "adapters": (1, 65_536),
    "seed": (0, 2**63 - 1),
}
"""The least and the most each number may be."""


def flag(name: str) -> str:
    """What a setting is called on the command line."""
    return "--" + name.replace("_", "-")


def rate_at(step: int, done: float, settings: TrainingSettings) -> float:
    """The learning rate of a step, as a share of its height; `done` is how much of all is over.

    It never falls below a hundredth.
    """
    rising = min(1.0, (step + 1) / (settings.warm_up + 1))
    done = min(max(done, 0.0), 1.0)
    if settings.decay == "none":
        return rising
    left = 1 - done if settings.decay == "linear" else 0.5 * (1 + math.cos(math.pi * done))
    return rising * max(left, 0.01)


def changed(before: TrainingSettings, after: TrainingSettings) -> list[str]:
    """The settings that differ and would make it another training."""
    return [
        name
        for name in before.__dataclass_fields__
        if name not in FREE and getattr(before, name) != getattr(after, name)
    ]
