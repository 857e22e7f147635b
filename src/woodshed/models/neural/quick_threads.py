"""Rows shared among threads, so many as PyTorch may use. Knows not what is done with them."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache

import numpy as np
import torch
from numpy.typing import NDArray

FEWEST = 4
"""Rows that are worth a thread of their own."""


def shared(rows: NDArray[np.int64], job: Callable[[slice], object]) -> None:
    """Do a job for parts of the rows, in as many threads as PyTorch may use.

    Rows that are the same lie together, and fall into the same part.
    """
    if len(rows) < 2 * FEWEST:
        job(slice(0, len(rows)))
        return
    begins = np.flatnonzero(np.diff(rows, prepend=-1))
    many = min(torch.get_num_threads(), len(begins) // FEWEST)
    if many < 2:
        job(slice(0, len(rows)))
        return
    cuts = [0, *(int(begins[len(begins) * n // many]) for n in range(1, many)), len(rows)]
    waiting = [_pool(many).submit(job, slice(cuts[n], cuts[n + 1])) for n in range(1, many)]
    job(slice(0, cuts[1]))
    for one in waiting:
        one.result()


@cache
def _pool(threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads, thread_name_prefix="play")
