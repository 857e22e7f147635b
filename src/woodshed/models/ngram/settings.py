"""What can be set when an n-gram model is trained."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ...errors import UsageError
from ...settings import setting


@dataclass(frozen=True, slots=True)
class NgramSettings:
    """How an n-gram model is trained; fields are flags of `woodshed train`."""

    plain: bool = setting(
        False, "One view only, the tokens as they are: a smaller, faster model that hears less."
    )
    memory: str = setting(
        "4GB", "Most memory for sorting, such as 500MB; larger corpora are sorted in shards."
    )
    min_count: int = setting(1, "Contexts that occurred less often say nothing.")
    held_out_tokens: int = setting(
        40_000, "How many tokens of held-out pieces the weights are learnt on."
    )


LEAST_MB = 1
_UNITS = {"": 1, "K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}


def memory_bytes(text: str) -> int:
    """How many bytes `500MB` or `1GB` are. Raises `UsageError` for what is no such size."""
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([KMGT]?)i?B?\s*", text, re.IGNORECASE)
    size = int(float(found[1]) * _UNITS[found[2].upper()]) if found else 0
    if size < LEAST_MB * 2**20:
        raise UsageError(f"--memory {text} is no size to sort in; write 500MB or 1GB, 1MB or more")
    return size
