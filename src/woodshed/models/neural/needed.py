"""What the neural families need to be installed. Knows nothing of what they do with it."""

from __future__ import annotations

import importlib

from ...errors import WoodshedError

COMMAND = "pip install 'woodshed[neural]'"


def check_installed(family: str) -> None:
    """Raise `WoodshedError` with the command that helps unless PyTorch and safetensors load."""
    try:
        for name in ("torch", "safetensors"):
            importlib.import_module(name)
    except (ImportError, OSError) as error:
        raise WoodshedError(
            f"the family {family} needs PyTorch and safetensors, which cannot be loaded ({error}); "
            f"`{COMMAND}` installs both"
        ) from None
