"""A program that trains one model alone, and another in two processes.

    python together.py DATASET FOLDER SETTINGS SETTINGS

SETTINGS are JSON, first of `one.model`, then of `two.model`. Where the system can, the two
processes come from the one that has loaded everything.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import sys
from pathlib import Path

import torch

from woodshed.corpus.dataset import Dataset
from woodshed.tokens.cache import open_cache
from woodshed.training import loop
from woodshed.training.train import train_neural


def train(name: str, settings: str) -> None:
    """Train a model, and tell every step."""
    torch.set_num_threads(1)
    loop.LOG_EVERY = 1
    dataset = Dataset.open(sys.argv[1])
    cache = open_cache(dataset, "events")
    train_neural(dataset, cache, Path(sys.argv[2]) / name, json.loads(settings))


def one_of_two(rank: int, port: int) -> None:
    """Train in one of the two processes."""
    os.environ |= {
        "RANK": str(rank),
        "WORLD_SIZE": "2",
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
    }
    train("two.model", sys.argv[4])


def main() -> None:
    train("one.model", sys.argv[3])
    ways = multiprocessing.get_all_start_methods()
    multiprocessing.set_start_method("fork" if "fork" in ways else "spawn")
    port = 20_000 + os.getpid() % 20_000
    both = [multiprocessing.Process(target=one_of_two, args=(rank, port)) for rank in range(2)]
    for process in both:
        process.start()
    for process in both:
        process.join(100)
    sys.exit(max(1 if process.exitcode is None else abs(process.exitcode) for process in both))


if __name__ == "__main__":
    main()
