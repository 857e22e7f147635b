"""The shape of a network: which backbone, how wide, how deep, and how many numbers that makes.

Knows nothing of arrays, so that sizes can be chosen and told where PyTorch is missing.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from ...errors import UsageError

BACKBONES = ("transformer", "mamba", "lstm")
"""The backbones there are; `network` knows where each one is."""
RECURRENT = frozenset({"mamba", "lstm"})
"""Those that carry a state on: what they hear ends with no context."""

MAMBA_REACH = 4
"""How many places Mamba mixes before anything else, each number by itself."""

LARGEST = 2**20
"""No size of a network is larger; a number beyond it is a mistake or a trap."""

ECHO_WAYS, ECHO_CLASSES = 3, 7
"""In how many ways a piece is heard again, and how sure an echo can be: nothing came before, or how
long the context was that came before."""

LONGEST_CONTEXT = 2**16
"""The most tokens that are seen at once."""


def header_told(header: int, context: int) -> int:
    """How much of so long a header is told again where a context begins within a piece.

    A quarter of the context at most; what is longer is cut.
    """
    return min(header, context // 4)


@dataclass(frozen=True, slots=True)
class NetworkConfig:
    """The sizes of a network.

    `vocabulary` and `ahead` count outputs: of the next token, and of the auxiliary head, 0 for
    none. `width` numbers stand for a token; `heads` attend, each `kv_heads` of them apart sharing
    keys and values. In Mamba, heads fade, each with a table of `state` rows; in an LSTM, `state`
    counts the cells of a layer. What a backbone has not is 0. `context` is how many tokens are
    seen at once, while learning at least, `echoes` in how many ways a piece is told what came when
    it stood here before, see `echoes`. Raises `UsageError` for sizes that do not go together.
    """

    vocabulary: int
    width: int
    layers: int
    heads: int
    kv_heads: int
    feed_forward: int
    context: int
    backbone: str = "transformer"
    dropout: float = 0.0
    ahead: int = 0
    echoes: int = 0
    state: int = 0

    def __post_init__(self) -> None:
        if self.backbone not in BACKBONES:
            raise UsageError(
                f"there is no backbone {self.backbone!r}; there is {', '.join(BACKBONES)}"
            )
        for name in SIZES:
            value, least = getattr(self, name), self._least(name)
            if not isinstance(value, int) or isinstance(value, bool):
                raise UsageError(f"a network's {name} cannot be {value!r}; use a whole number")
            if not least <= value <= LARGEST:
                raise UsageError(
                    f"a network's {name} cannot be {value:,}; use {least} to {LARGEST:,}"
                )
        if not 2 <= self.context <= LONGEST_CONTEXT:
            raise UsageError(
                f"a context of {self.context:,} tokens cannot be; use 2 to {LONGEST_CONTEXT:,}"
            )
        self._check_shares()
        if self.echoes not in (0, ECHO_WAYS):
            raise UsageError(f"a network hears no echoes or {ECHO_WAYS}, not {self.echoes:,}")
        if not 0 <= self.dropout < 1:
            raise UsageError(f"a dropout of {self.dropout!r} cannot be; use 0 up to 0.9")

    def _least(self, name: str) -> int:
        """The least a size may be; what a backbone has not may be 0."""
        return 0 if name in NONE_ALLOWED or name in HAS_NOT[self.backbone] else 1

    def _check_shares(self) -> None:
        """Raise `UsageError` for what cannot be shared among the heads, or is not there."""
        for name in HAS_NOT[self.backbone] - MAY_HAVE[self.backbone]:
            if getattr(self, name):
                raise UsageError(f"the backbone {self.backbone} has no {name}; use 0")
        if self.backbone == "lstm":
            if not self.state:
                raise UsageError("a network's state cannot be 0; an lstm has cells")
        elif self.backbone == "mamba":
            if not self.state:
                raise UsageError("a network's state cannot be 0; a mamba keeps tables")
            if 2 * self.width % self.heads:
                raise UsageError(
                    f"twice a width of {self.width} cannot be shared by {self.heads} heads; "
                    "use a number that divides it"
                )
        elif self.width % (2 * self.heads):
            raise UsageError(
                f"a width of {self.width} cannot be shared by {self.heads} heads, each of which "
                f"takes an even number; use a multiple of {2 * self.heads}"
            )
        elif self.heads % self.kv_heads:
            raise UsageError(
                f"{self.heads} heads cannot share {self.kv_heads} keys evenly; "
                "use a number that divides them"
            )

    @property
    def head_width(self) -> int:
        """How many numbers each head of a Transformer looks at."""
        return self.width // self.heads

    @property
    def is_recurrent(self) -> bool:
        """Whether a state is carried on, without end."""
        return self.backbone in RECURRENT

    @property
    def parameters(self) -> int:
        """How many numbers are learnt; input and output share their embedding."""
        layer = self._mixing + self.width
        if self.feed_forward:
            layer += 3 * self.width * self.feed_forward + self.width
        head = (self.width + 1) * self.ahead
        tables = self.vocabulary + self.echoes * (self.vocabulary + 1 + ECHO_CLASSES)
        return tables * self.width + self.layers * layer + self.width + head

    @property
    def _mixing(self) -> int:
        """How many numbers of a layer are learnt that mix places, without norms of its width."""
        if self.backbone == "lstm":
            return self.state * (5 * self.width + 4 * self.state + 4)
        if self.backbone == "mamba":
            inner, mixed = 2 * self.width, 2 * self.width + 2 * self.state
            matrices = self.width * (inner + mixed + self.heads) + inner * self.width
            return matrices + (MAMBA_REACH + 1) * mixed + 3 * self.heads + inner
        return self.width * self.head_width * 2 * (self.heads + self.kv_heads)

    def to_dict(self) -> dict[str, Any]:
        """Its fields, as JSON holds them."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """What `to_dict` gave. Raises `UsageError` where that cannot be a network."""
        known = {field.name for field in dataclasses.fields(cls)}
        if strange := sorted(set(values) - known):
            raise UsageError(f"a network has no {strange[0]!r}; it has {', '.join(sorted(known))}")
        if missing := sorted({*SIZES} - NONE_ALLOWED - set(values)):
            raise UsageError(f"a network needs a {missing[0]}")
        return cls(**values)


SIZES = (
    "vocabulary", "width", "layers", "heads", "kv_heads", "feed_forward", "context", "ahead",
    "echoes", "state",
)  # fmt: skip
"""The fields that count something."""
NONE_ALLOWED = frozenset({"ahead", "echoes", "state"})
"""Those that may be 0, and are where a stored model does not name them."""
HAS_NOT = {
    "transformer": frozenset({"state"}),
    "mamba": frozenset({"kv_heads", "feed_forward"}),
    "lstm": frozenset({"heads", "kv_heads", "feed_forward"}),
}
"""What each backbone has not, or need not have."""
MAY_HAVE = {
    "transformer": frozenset[str](),
    "mamba": frozenset({"feed_forward"}),
    "lstm": frozenset({"feed_forward"}),
}
"""What of that it may have."""
