"""How a setting is declared: a dataclass field that carries its own help and unit.

The same field feeds flags, docs and saved run settings. Knows nothing of any particular setting.
"""

from __future__ import annotations

import dataclasses
from typing import Any


def setting(default: Any, help: str) -> Any:  # noqa: A002 - the word users and click know
    """A dataclass field with its help text; the unit belongs into the field's name."""
    return dataclasses.field(default=default, metadata={"help": help})
