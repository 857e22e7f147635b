"""The weights of a network on disk: one safetensors file, and its sizes in `model.json`.

Nothing in them is ever run, and nothing is believed before it was checked. Knows nothing of how
weights came about.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from ...errors import BadModel, WoodshedError
from ...tokens.vocabulary import Vocabulary
from ..info import ModelInfo
from ..store import AGAIN, check_files
from .config import NetworkConfig
from .echoes import Echoes
from .network import Network

WEIGHTS = "weights.safetensors"
NETWORK = "network"
"""Where `model.json` tells the sizes, among what is the family's own."""
HEARD = "echoes"
"""Where it tells what echoes meant while the network learnt."""


def own_of(config: NetworkConfig, vocabulary: Vocabulary) -> dict[str, Any]:
    """What a neural family tells of itself in `model.json`."""
    own = {NETWORK: config.to_dict()}
    return own | {HEARD: Echoes(vocabulary).mark} if config.echoes else own


def save_weights(network: Network, folder: str | os.PathLike[str]) -> None:
    """Write the weights of a network as they are told by `weights_of`."""
    save_file(weights_of(network), Path(folder) / WEIGHTS)


def weights_of(network: Network) -> dict[str, torch.Tensor]:
    """Every learnt number by its name, as float32 on the CPU."""
    return {
        name: value.detach().to("cpu", torch.float32).contiguous()
        for name, value in network.state_dict().items()
    }


def config_of(path: str | os.PathLike[str], info: ModelInfo) -> NetworkConfig:
    """The sizes of a stored network. Raises `BadModel` where they make no sense."""
    try:
        told = info.own[NETWORK]
        if not isinstance(told, Mapping):
            raise TypeError("its sizes are no table")
        config = NetworkConfig.from_dict(told)
        if config.backbone != info.family:
            raise ValueError(f"its backbone is {config.backbone}, and its family {info.family}")
        if config.vocabulary != len(info.vocabulary):
            raise ValueError(
                f"its network has {config.vocabulary:,} outputs for {len(info.vocabulary):,} tokens"
            )
        if WEIGHTS not in info.files:
            raise ValueError(f"it has no {WEIGHTS}")
        if config.echoes and info.own.get(HEARD) != Echoes(info.vocabulary).mark:
            raise ValueError("it was told other echoes than this version of Woodshed tells")
        # Sizes that no file of its length can hold would only fill the memory.
        if 4 * config.parameters > info.files[WEIGHTS][0]:
            raise ValueError(f"{WEIGHTS} is too small for {config.parameters:,} parameters")
    except (KeyError, TypeError, ValueError, WoodshedError) as error:
        raise BadModel(path, f"model.json says something impossible ({error}); {AGAIN}") from None
    return config


def load_network(
    path: str | os.PathLike[str], info: ModelInfo, device: torch.device | str = "cpu"
) -> Network:
    """The network of a stored model, ready to play. Raises `BadModel` where it is damaged."""
    config = config_of(path, info)
    check_files(path, info)
    return read_weights(path, config).to(device).eval()


def read_weights(path: str | os.PathLike[str], config: NetworkConfig) -> Network:
    """A network of those sizes with the weights in a folder, on the CPU.

    Raises `BadModel` where they are not that network's, or no numbers.
    """
    network = Network(config)
    into = network.state_dict()
    try:
        with safe_open(Path(path) / WEIGHTS, "pt") as file:
            names = set(file.keys())
            if names != set(into):
                strange = min(names ^ set(into))
                known = "lacks" if strange in into else "has an unknown"
                raise BadModel(path, f"{WEIGHTS} {known} {strange!r}; {AGAIN}")
            for name, value in into.items():
                shape = tuple(file.get_slice(name).get_shape())
                if shape != tuple(value.shape):
                    raise BadModel(
                        path, f"{name} in {WEIGHTS} has another form than model.json says; {AGAIN}"
                    )
                found = file.get_tensor(name)
                if not found.is_floating_point() or not found.isfinite().all():
                    raise BadModel(path, f"{name} in {WEIGHTS} holds what is no number; {AGAIN}")
                value.copy_(found)
    except (SafetensorError, OSError) as error:
        raise BadModel(path, f"{WEIGHTS} cannot be read ({error}); {AGAIN}") from None
    return network
