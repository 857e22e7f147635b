"""What one file from a stranger may cost before its reader is stopped."""

from __future__ import annotations

import os
from dataclasses import dataclass

from ..errors import UsageError
from ..settings import setting

ROOM_MB = 384
"""What NumPy and the compiler take in a reader before any file does; limits count on top of it."""

LONGEST_SECONDS = 86_400
LARGEST_MB = 2**20


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds on the reading of one file, and how many readers work side by side."""

    seconds: float = setting(10.0, "Longest time one file may take, in seconds.")
    memory_mb: int = setting(1024, "Most memory one reader may take, in megabytes.")
    workers: int | None = setting(None, "Readers side by side; one for each processor unless set.")

    def __post_init__(self) -> None:
        if not 0 < self.seconds <= LONGEST_SECONDS:
            raise UsageError(
                f"--seconds {self.seconds:g} makes no sense; use 1 to {LONGEST_SECONDS:,}"
            )
        if not 64 <= self.memory_mb <= LARGEST_MB:
            raise UsageError(
                f"--memory-mb {self.memory_mb} makes no sense; use 64 to {LARGEST_MB:,}"
            )
        if self.workers is not None and not 1 <= self.workers <= 256:
            raise UsageError(f"--workers {self.workers} makes no sense; use 1 to 256")

    @property
    def worker_count(self) -> int:
        """How many readers work side by side."""
        return self.workers or available_processors()

    @property
    def memory_reason(self) -> str:
        """What a file is told that takes too much."""
        return f"it takes more than {self.memory_mb} MB to read"


def available_processors() -> int:
    """Processors this process may use, which in a container are often fewer than there are."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
