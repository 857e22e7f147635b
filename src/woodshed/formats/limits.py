"""What one file from a stranger may cost before its reader is stopped."""

from __future__ import annotations

import os
from dataclasses import dataclass

from ..errors import UsageError
from ..settings import setting


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds on the reading of one file, and how many readers work side by side."""

    seconds: float = setting(10.0, "Longest time one file may take, in seconds.")
    memory_mb: int = setting(1024, "Most memory one reader may take, in megabytes.")
    workers: int | None = setting(None, "Readers side by side; one for each processor unless set.")

    def __post_init__(self) -> None:
        if not self.seconds > 0:
            raise UsageError(f"--seconds {self.seconds:g} leaves no time to read; use 1 or more")
        if self.memory_mb < 64:
            raise UsageError(f"--memory-mb {self.memory_mb} is too little to read with; use 64 or more")
        if self.workers is not None and not 1 <= self.workers <= 256:
            raise UsageError(f"--workers {self.workers} makes no sense; use 1 to 256")

    @property
    def worker_count(self) -> int:
        """How many readers work side by side."""
        return self.workers or available_processors()


def available_processors() -> int:
    """Processors this process may use, which in a container are often fewer than there are."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
