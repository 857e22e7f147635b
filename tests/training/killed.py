"""A program that trains and is killed, really, and says what was there afterwards.

    python killed.py DATASET FOLDER KILL…

Each KILL is `calls:N`, at the Nth time that the system is asked to write something through or to
rename it, or `seconds:S`. Each begins a training of its own, which goes on until it is done. For
each a line of JSON is printed: the hash of the model, how often it was begun, and whether a model
that was there after a kill could be loaded. The first line is that of a training never killed.
"""

from __future__ import annotations

import hashlib
import json
import os
import signal
import sys
import threading
from pathlib import Path
from typing import Any

import torch

from tests.training.quick import quick
from woodshed.corpus.dataset import Dataset
from woodshed.models.load import load_model
from woodshed.tokens.cache import open_cache
from woodshed.training.train import train_neural

CALLS = ("fsync", "replace", "unlink")


def dying(kill: str) -> None:
    """Arrange for this process to be killed."""
    kind, _, number = kill.partition(":")
    if kind == "seconds":
        threading.Timer(float(number), os.kill, (os.getpid(), signal.SIGKILL)).start()
        return
    left = [int(number)]

    def counted(real: Any) -> Any:
        def call(*arguments: Any, **named: Any) -> Any:
            left[0] -= 1
            if left[0] == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            return real(*arguments, **named)

        return call

    for name in CALLS:
        setattr(os, name, counted(getattr(os, name)))


def one(dataset: Dataset, cache: Any, out: Path, kill: str | None) -> dict[str, Any]:
    begun, loaded, killed = 0, True, 0
    if kill is None:  # in this process: what takes time to load is loaded for all that follow
        train_neural(dataset, cache, out, quick())
    while kill is not None:
        child = os.fork()
        if child == 0:
            if begun == 0:
                dying(kill)
            try:
                train_neural(dataset, cache, out, quick(), resume=True)
                os._exit(0)
            except BaseException as error:
                print(error, file=sys.stderr)
                os._exit(1)
        _, status = os.waitpid(child, 0)
        begun += 1
        killed += os.WIFSIGNALED(status)
        if out.exists():
            loaded = loaded and load_model(out).info.family == "transformer"
        if os.WIFEXITED(status):
            assert os.WEXITSTATUS(status) == 0, "a training that was killed does not go on"
            break
    weights = hashlib.sha256()
    for path in sorted(out.iterdir()):  # all that a model is, not only its weights
        weights.update(path.read_bytes())
    beside = sorted(path.name for path in out.parent.iterdir() if path.name.startswith("."))
    return {"weights": weights.hexdigest(), "killed": killed, "loaded": loaded, "beside": beside}


def main() -> None:
    dataset, folder = Dataset.open(sys.argv[1]), Path(sys.argv[2])
    torch.set_num_threads(1)
    cache = open_cache(dataset, "events")
    for number, kill in enumerate((None, *sys.argv[3:])):
        print(json.dumps(one(dataset, cache, folder / f"{number}.model", kill)), flush=True)


if __name__ == "__main__":
    main()
