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


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork, to kill many at little cost")
def test_killed_anywhere_again_and_again_it_ends_with_the_same_model(
    songs: Dataset, events: TokenCache, tmp_path: Path
) -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "tests.training.killed", str(songs.path), str(tmp_path), *KILLS],
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
    assert len(runs) >= len(KILLS) - 1
    assert len({run["step"] for run in runs}) >= 3, "they were killed all along the way"
    loaded = [run["loaded"] for run in runs]
    assert loaded.count(True) >= 3
    assert False not in loaded
