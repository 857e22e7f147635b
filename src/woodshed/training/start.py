"""The network a training begins with: a fresh one of a fitting size, or that of a stored model.

A stored model goes on in another vocabulary by the names of its tokens. Low-rank adapters leave
its weights as they are and are added to them in the end; so are the rows of tokens new to it. Knows
nothing of steps.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from ..errors import UsageError
from ..models.info import ModelInfo
from ..models.neural.config import ECHO_WAYS, NetworkConfig
from ..models.neural.network import Network
from ..models.neural.sizing import size_for
from ..models.neural.storage import config_of, load_network
from ..models.store import read_info
from ..tokens.language import Language
from ..tokens.vocabulary import Vocabulary
from .losses import AheadTargets
from .settings import CONTEXT, TrainingSettings

FREE_SHARE = 0.7
"""How much of the free memory a training may take."""
NAMED = 8
"""So many new tokens are named; the others are counted."""


@dataclass(frozen=True, slots=True)
class Beginning:
    """The sizes of the network, its vocabulary, and sentences about both.

    `weights` are those of a stored model, in the new vocabulary; None for a fresh network. `fresh`
    names the tokens that are new to that model.
    """

    config: NetworkConfig
    vocabulary: Vocabulary
    notes: tuple[str, ...]
    weights: Mapping[str, Tensor] | None = None
    fresh: tuple[str, ...] = ()


def beginning(
    tokens: int, vocabulary: Vocabulary, family: str, settings: TrainingSettings,
    memory_bytes: int | None = None,
) -> Beginning:  # fmt: skip
    """The network for so many tokens, of the sizes the settings ask for, or of `--init`."""
    if settings.init is not None:
        return from_model(settings.init, vocabulary, family, settings)
    ahead = AheadTargets(vocabulary).outputs if settings.ahead_weight else 0
    context = settings.context or CONTEXT
    size = "small" if settings.no_auto_size and settings.size == "auto" else settings.size
    sized = size_for(
        tokens, len(settings.semitones) - 1, len(vocabulary), size=size,
        max_width=settings.max_d_model, memory=memory_bytes,
        tokens_per_parameter=settings.tokens_per_parameter, context=context,
        batch_tokens=settings.batch * context, backbone=family, dropout=settings.dropout,
        ahead=ahead, echoes=0 if settings.no_echoes else ECHO_WAYS,
    )  # fmt: skip
    return Beginning(sized.config, vocabulary, (sized.reason,))


def from_model(
    path: str, vocabulary: Vocabulary, family: str, settings: TrainingSettings
) -> Beginning:
    """The network of a stored model, for what it knows and what the corpus brings.

    Raises `BadModel` for a damaged one, and `UsageError` where it does not fit.
    """
    info = read_info(path)
    if info.family != family:
        raise UsageError(
            f"--init {path} is of the family {info.family}, and this is a training of {family}"
        )
    language = vocabulary.language
    if info.language.language.name != language.name:
        raise UsageError(
            f"--init {path} speaks {info.language.language.name}, and this is a training in "
            f"{language.name}; add --language {info.language.language.name}, or choose another "
            "model"
        )
    old = config_of(path, info)
    if settings.context is not None and settings.context > old.context and not old.is_recurrent:
        raise UsageError(
            f"--context {settings.context:,} is longer than the {old.context:,} tokens that "
            f"{path} knows; use {old.context} or less, or leave it out"
        )
    both = _united(info, vocabulary)
    ahead = AheadTargets(both).outputs if settings.ahead_weight else 0
    config = dataclasses.replace(
        old, vocabulary=len(both), dropout=settings.dropout, ahead=ahead,
        context=settings.context or old.context, echoes=0 if settings.no_echoes else old.echoes,
    )  # fmt: skip
    weights = dict(load_network(path, info).state_dict())
    deaf: tuple[str, ...] = ()
    if not config.echoes:
        weights = {n: w for n, w in weights.items() if not n.startswith(("echo_", "sure_"))}
        deaf = () if settings.no_echoes else (f"it hears no echoes, as {path} does not",)
    chance = torch.Generator().manual_seed(settings.seed)
    for name in [name for name in weights if name.startswith(("embedding", "echo_embedding"))]:
        known = len(info.vocabulary)  # what echoes tell has a row more, for nothing
        told = _mapped(weights[name][:known], info.vocabulary, both, chance)
        weights[name] = torch.cat([told, weights[name][known:]])
    if old.ahead != ahead or info.language.language.identity != language.identity:
        weights = {name: value for name, value in weights.items() if "ahead" not in name}
    old_names = frozenset(info.vocabulary.names)
    fresh = tuple(name for name in both.names if name not in old_names)
    lost = sorted(old_names - set(both.names))
    notes = (
        *_counted(fresh, "are new to it"),
        *_counted(lost, "of it have no place in the corpus' language"),
    )
    return Beginning(config, both, (f"it begins as {path}", *notes, *deaf), weights, fresh)


def _counted(names: Sequence[str], what: str) -> list[str]:
    """A sentence on so many tokens, the first of them named; none where there are none."""
    more = ", …" if len(names) > NAMED else ""
    return [f"{len(names):,} tokens {what}: {', '.join(names[:NAMED])}{more}"] if names else []


def _united(info: ModelInfo, vocabulary: Vocabulary) -> Vocabulary:
    """What the model knows and what the corpus has, as far as the corpus' language has it."""
    language = vocabulary.language
    known = [language.id_of[name] for name in info.vocabulary.names if name in language.id_of]
    ids = np.union1d(vocabulary.ids, np.array(known, np.uint16)).astype(np.uint16)
    return Vocabulary(language, ids)


def _mapped(weights: Tensor, old: Vocabulary, new: Vocabulary, chance: torch.Generator) -> Tensor:
    """Rows of the old vocabulary for the new one; what is new begins near the mean of its kind."""
    rows = {name: row for row, name in enumerate(old.names)}
    kinds = _kinds(old.language, old)
    found = weights.new_empty(len(new), weights.shape[1])
    for at, (name, kind) in enumerate(zip(new.names, _kinds(new.language, new), strict=True)):
        if name in rows:
            found[at] = weights[rows[name]]
            continue
        alike = [row for row, other in enumerate(kinds) if other == kind]
        mean = (weights[alike] if alike else weights).mean(0)
        found[at] = mean + 0.1 * weights.std() * torch.randn(mean.shape, generator=chance)
    return found


def _kinds(language: Language, vocabulary: Vocabulary) -> list[str]:
    return [language.groups[row].name for row in language.group_of[vocabulary.ids].tolist()]


def begun(config: NetworkConfig, weights: Mapping[str, Tensor] | None, seed: int) -> Network:
    """The network itself: drawn from the seed, with the weights given."""
    torch.manual_seed(seed)
    network = Network(config)
    if weights is not None:
        network.load_state_dict(dict(weights), strict=False)
    return network


class LowRank(nn.Module):
    """A matrix with a change of low rank, which begins as none."""

    def __init__(self, rows: int, columns: int, rank: int) -> None:
        super().__init__()
        self.down = nn.Parameter(torch.randn(rank, columns) / columns**0.5)
        self.up = nn.Parameter(torch.zeros(rows, rank))

    def forward(self, matrix: Tensor) -> Tensor:
        """The matrix, changed."""
        return matrix + self.up @ self.down


class NewRows(nn.Module):
    """A table of tokens whose rows stay as they are but for some, which may change."""

    def __init__(self, rows: Sequence[int], columns: int) -> None:
        super().__init__()
        self.register_buffer("rows", torch.tensor(rows), persistent=False)
        self.change = nn.Parameter(torch.zeros(len(rows), columns))

    def forward(self, table: Tensor) -> Tensor:
        """The table, changed."""
        assert isinstance(self.rows, Tensor)
        return table.index_add(0, self.rows, self.change.to(table.dtype))


def adapt(network: Network, rank: int, fresh: Sequence[int] = ()) -> None:
    """Freeze a network but for adapters of its matrices, and for the rows of tokens new to it.

    Its auxiliary head, which nothing that is played comes from, learns as a whole.
    """
    network.requires_grad_(False)
    for name, module in list(network.named_modules()):
        if isinstance(module, nn.Linear):
            rows, columns = module.weight.shape
            if "ahead" in name:
                module.requires_grad_(True)
            else:
                change = LowRank(rows, columns, min(rank, rows, columns))
                parametrize.register_parametrization(module, "weight", change)
    for table in (network.embedding, *network.echo_embedding) if fresh else ():
        assert isinstance(table, nn.Embedding)
        new = NewRows(fresh, table.weight.shape[1])
        parametrize.register_parametrization(table, "weight", new)


def merged(network: Network) -> dict[str, Tensor]:
    """The weights of a network by their plain names, changes added."""
    found: dict[str, Tensor] = {}
    for name, module in network.named_modules():
        prefix = f"{name}." if name else ""
        if "parametrizations" in name:
            continue
        if parametrize.is_parametrized(module):
            found[f"{prefix}weight"] = module.weight.detach()
        for own, value in module.named_parameters(recurse=False):
            found[prefix + own] = value.detach()
    return {name: value.to("cpu", torch.float32).contiguous() for name, value in found.items()}


def free_memory(device: torch.device) -> int:
    """Bytes a training may take on a device, about."""
    if device.type == "cuda":
        return int(FREE_SHARE * torch.cuda.mem_get_info(device)[0])
    import psutil

    return int(FREE_SHARE * psutil.virtual_memory().available)
