"""What the neural families need: PyTorch, loaded with the care that some devices want.

Knows nothing of what they do with it.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import MutableMapping

from ...errors import WoodshedError

COMMAND = "pip install 'woodshed[neural]'"


CARE = {
    # Apple's: what it cannot compute is computed on the CPU, instead of ending the training.
    "PYTORCH_ENABLE_MPS_FALLBACK": "1",
    # AMD's: memory is given back before it runs out, and kernels are not searched for minutes.
    "PYTORCH_HIP_ALLOC_CONF": "garbage_collection_threshold:0.8",
    "MIOPEN_FIND_MODE": "2",
    # Processors: threads that wait for one another sleep. Beside other work on the same cores a
    # training was eight times slower where they did not.
    "OMP_WAIT_POLICY": "PASSIVE",
}
"""Variables that PyTorch reads while it is loaded; where they mean nothing they do no harm."""


def take_care(environment: MutableMapping[str, str] | None = None) -> None:
    """Set what devices need, unless somebody has set it."""
    environment = os.environ if environment is None else environment
    for name, value in CARE.items():
        environment.setdefault(name, value)


def check_installed(family: str) -> None:
    """Load PyTorch and safetensors, or raise `WoodshedError` with the command that helps."""
    problem = load_problem()
    if problem is not None:
        raise WoodshedError(
            f"the family {family} needs PyTorch and safetensors, which cannot be loaded "
            f"({problem}); `{COMMAND}` installs both"
        )


def load_problem() -> str | None:
    """Load PyTorch and safetensors; why that cannot be done, None where it can."""
    take_care()
    try:
        for name in ("torch", "safetensors.torch"):
            importlib.import_module(name)
    except Exception as error:  # a library that is broken raises whatever it likes
        return " ".join(str(error).split()) or type(error).__name__
    return None
