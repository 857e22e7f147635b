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


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork, to kill many at little cost")
def test_killed_anywhere_it_ends_with_the_same_weights(
    songs: Dataset, events: TokenCache, tmp_path: Path
) -> None:
    kills = ["calls:5", "calls:17", "calls:24", "calls:31", "seconds:0.3"]
    ran = subprocess.run(
        [sys.executable, "-m", "tests.training.killed", str(songs.path), str(tmp_path), *kills],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert ran.returncode == 0, ran.stderr
    whole, *others = map(json.loads, ran.stdout.splitlines())
    assert whole["killed"] == 0
    assert [each["weights"] for each in others] == [whole["weights"]] * len(kills)
    assert sum(each["killed"] for each in others) >= len(kills) - 1
    assert all(each["loaded"] for each in others)
    assert others[-1]["beside"] == []
