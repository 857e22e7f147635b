"""A training that is killed goes on as if nothing had been."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from woodshed.corpus.dataset import Dataset
from woodshed.tokens.cache import TokenCache

ROOT = Path(__file__).parents[2]
KILLS = (
    "calls:5", "calls:11", "calls:24", "calls:28", "calls:12", "calls:44", "calls:34",
    "seconds:0.15",
)  # fmt: skip
"""Before there is a state; while one, the best weights or the model are put in place; after all
that, while the states are taken away; and anywhere."""


SOME_KILLS = ("calls:24", "calls:34")
"""For the other backbones, which the loop does not know apart."""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("family", "kills"), [("transformer", KILLS), ("mamba", SOME_KILLS), ("lstm", SOME_KILLS)]
)
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork, to kill many at little cost")
def test_killed_anywhere_again_and_again_it_ends_with_the_same_model(
    family: str, kills: tuple[str, ...], songs: Dataset, events: TokenCache, tmp_path: Path
) -> None:
    command = ["tests.training.killed", str(songs.path), str(tmp_path), family, *kills]
    ran = subprocess.run(
        [sys.executable, "-m", *command],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert ran.returncode == 0, ran.stderr
    whole, often = map(json.loads, ran.stdout.splitlines())
    assert often["model"] == whole["model"]
    assert often["beside"] == whole["beside"] == []
    runs = often["killed"]
    assert len(runs) >= len(kills) - 1
    steps = {run["step"] for run in runs}
    assert len(steps) >= min(len(kills), 3), "they were killed all along the way"
    loaded = [run["loaded"] for run in runs]
    assert loaded.count(True) >= min(len(kills) - 1, 3)
    assert False not in loaded
