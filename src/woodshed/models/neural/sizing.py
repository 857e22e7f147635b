"""How large a network a corpus deserves, and why: so many tokens for each parameter.

Knows numbers of tokens only, nothing of what they say, nor of arrays.
"""

from __future__ import annotations

from dataclasses import dataclass

from ...errors import UsageError
from .config import NetworkConfig

TOKENS_PER_PARAMETER = 8.0
TRANSPOSED_COUNTS = 0.25
"""What a piece in another key counts beside the piece: the same music, and yet other tokens."""

WIDE = 512
"""From so wide on a head takes 64 numbers, which kernels are made for, and before 32."""
SHARING_FROM_HEADS = 16
"""From so many heads on, two share their keys: less to keep while playing."""
MAMBA_HEAD, MAMBA_STATE = 64, 64
"""How many numbers fade together in Mamba, and how many rows their table has."""

FIXED = {"tiny": 128, "small": 256, "medium": 512}
"""The widths of the sizes that have names."""
WIDTHS = (96, *range(128, 512, 32), *range(512, 2049, 128))
"""The widths to choose from. The first is the floor: below it nothing is learnt faster."""

BYTES_A_PARAMETER = 16
"""While training: the parameter, its gradient, and two averages of it, four bytes each."""
BYTES_A_PLACE = 92
"""While training, for each token of a batch, layer and number of the width, about."""


@dataclass(frozen=True, slots=True)
class Sized:
    """The sizes of a network, and a sentence that says why these."""

    config: NetworkConfig
    reason: str


def size_for(
    tokens: int,
    transpositions: int,
    vocabulary: int,
    *,
    size: str = "auto",
    max_width: int | None = None,
    memory: int | None = None,
    tokens_per_parameter: float = TOKENS_PER_PARAMETER,
    context: int = 512,
    batch_tokens: int = 8192,
    backbone: str = "transformer",
    dropout: float = 0.0,
    ahead: int = 0,
    echoes: int = 0,
) -> Sized:
    """The network for `tokens` of a corpus that is also heard in so many `transpositions`.

    `size` is auto or the name of a fixed one. With auto, the width is `max_width` at most, and
    training with `batch_tokens` at a time takes no more than `memory` bytes. Raises `UsageError`
    for a size there is not, or limits that no network keeps.
    """

    def shaped(width: int) -> NetworkConfig:
        layers, heads, kv_heads, feed_forward, state = _shape(backbone, width)
        return NetworkConfig(
            vocabulary, width, layers, heads, kv_heads, feed_forward, context,
            backbone, dropout, ahead, echoes, state,
        )  # fmt: skip

    if size != "auto":
        if size not in FIXED:
            raise UsageError(f"there is no size {size!r}; use auto, {', '.join(FIXED)}")
        fixed = shaped(FIXED[size])
        return Sized(fixed, f"{described(fixed)}, as --size {size} asks")
    if tokens_per_parameter <= 0:
        raise UsageError(
            f"{tokens_per_parameter:g} tokens for a parameter make no sense; use more than 0"
        )
    if max_width is not None and max_width < WIDTHS[0]:
        raise UsageError(f"--max-d-model {max_width} is too narrow; use {WIDTHS[0]} or more")
    counted = tokens * (1 + TRANSPOSED_COUNTS * transpositions)
    budget = counted / tokens_per_parameter
    known = [shaped(width) for width in WIDTHS if max_width is None or width <= max_width]
    in_memory = [c for c in known if memory is None or training_bytes(c, batch_tokens) <= memory]
    if not in_memory:
        least = training_bytes(known[0], batch_tokens)
        raise UsageError(
            f"{(memory or 0) / 1e9:.1f} GB of memory are too little for the smallest network, "
            f"which takes {least / 1e9:.1f} GB while training; use smaller batches"
        )
    fitting = [c for c in in_memory if c.parameters <= budget]
    chosen = (fitting or in_memory[:1])[-1]
    reason = f"{described(chosen)}: {tokens:,} tokens"
    if transpositions:
        reason += (
            f", counted as {round(counted):,} with {transpositions} transpositions at "
            f"{TRANSPOSED_COUNTS:g} each"
        )
    reason += f", are worth {_short(budget)} at {tokens_per_parameter:g} tokens for each"
    if not fitting:
        reason += "; no network is smaller"
    elif chosen is known[-1] and max_width is not None:
        reason += f"; --max-d-model {max_width} allows no more"
    elif chosen is in_memory[-1] and len(in_memory) < len(known):
        reason += f"; {(memory or 0) / 1e9:.1f} GB of memory allow no more"
    return Sized(chosen, reason)


def training_bytes(config: NetworkConfig, batch_tokens: int) -> int:
    """How much memory training takes with so many tokens in a batch, about."""
    places = config.layers * config.width * BYTES_A_PLACE + 12 * config.vocabulary
    return BYTES_A_PARAMETER * config.parameters + batch_tokens * places


def described(config: NetworkConfig) -> str:
    """The sizes in words: `5.2M parameters (256 wide, 6 layers)`."""
    return f"{_short(config.parameters)} parameters ({config.width} wide, {config.layers} layers)"


def _shape(backbone: str, width: int) -> tuple[int, int, int, int, int]:
    """Layers, heads, heads with keys, the width of the feed-forward networks, and the state.

    A width means about as many parameters in every backbone: Mamba's layers take half of theirs to
    mix places, and an LSTM has half as many layers, each twice as large, since places follow each
    other in each of them.
    """
    layers = _layers(width)
    if backbone == "mamba":
        return layers, 2 * width // MAMBA_HEAD, 0, 2 * width, MAMBA_STATE
    if backbone == "lstm":
        return max(2, round(layers / 2)), 0, 0, 0, 2 * width
    heads = width // (64 if width >= WIDE else 32)
    kv_heads = heads // 2 if heads >= SHARING_FROM_HEADS else heads
    return layers, heads, kv_heads, 3 * width, 0


def _layers(width: int) -> int:
    """Three at least; one for 43 numbers of the width, and beyond 256 one for 85."""
    return max(3, round(min(width, 256) * 3 / 128 + max(width - 256, 0) * 3 / 256))


def _short(number: float) -> str:
    if number < 1e6:
        return f"{number / 1e3:.0f}K"
    return f"{number / 1e6:.1f}M" if number < 1e8 else f"{number / 1e6:,.0f}M"
