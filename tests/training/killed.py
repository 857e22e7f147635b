"""A program that trains and is killed, really, and says what was there afterwards.

    python killed.py DATASET FOLDER FAMILY KILL…

Two trainings are the same, but one is never killed, and the other at each KILL of its runs in turn:
`calls:N`, at the Nth time that a run asks the system to write something through, to rename it or to
take it away, or `seconds:S`. Then it runs until it is done. A line of JSON is printed for each: the
hash of the model, what lies beside it, and for each run that was killed the step it stood at, and
whether the model that was there, if one was, could be loaded.
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
from woodshed.training.publish import ModelPlace
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


def killed(
    dataset: Dataset, cache: Any, out: Path, family: str, kills: list[str]
) -> list[dict[str, Any]]:
    """Train until it is done, each run but the last killed; what was there after each kill."""
    found = []
    for kill in (*kills, None):
        child = os.fork()
        if child == 0:
            try:
                if kill is not None:
                    dying(kill)
                train_neural(dataset, cache, out, quick(), family=family, resume=True)
                os._exit(0)
            except BaseException as error:
                print(error, file=sys.stderr)
                os._exit(1)
        _, status = os.waitpid(child, 0)
        if os.WIFEXITED(status):
            assert os.WEXITSTATUS(status) == 0, "a training that was killed does not go on"
            break
        step = ModelPlace(out).stopped_at()
        loaded = load_model(out).info.family == family if out.exists() else None
        found.append({"step": step, "loaded": loaded})
    return found


def told(out: Path, runs: list[dict[str, Any]]) -> None:
    """Print what came of a training."""
    model = hashlib.sha256()
    for path in sorted(out.iterdir()):  # all that a model is, not only its weights
        model.update(path.read_bytes())
    beside = sorted(path.name for path in out.parent.iterdir() if path.name.startswith("."))
    print(json.dumps({"model": model.hexdigest(), "killed": runs, "beside": beside}), flush=True)


def main() -> None:
    dataset, folder = Dataset.open(sys.argv[1]), Path(sys.argv[2])
    family, kills = sys.argv[3], sys.argv[4:]
    torch.set_num_threads(1)
    cache = open_cache(dataset, "events")
    # In this process: what takes time to load is loaded for all that follow.
    train_neural(dataset, cache, folder / "whole.model", quick(), family=family)
    told(folder / "whole.model", [])
    told(folder / "killed.model", killed(dataset, cache, folder / "killed.model", family, kills))


if __name__ == "__main__":
    main()
