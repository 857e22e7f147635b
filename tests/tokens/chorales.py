"""Chorales drawn at random, and small ones that are written as MIDI files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

from woodshed.formats.midi_write import write_midi
from woodshed.music.score import Score
from woodshed.tokens.chorale import SILENT, Cells, Chorale

CHORALE = Chorale()
CHORDS = ((67, 62, 59, 43), (69, 60, 57, 45), (72, 64, 55, 48), (71, 62, 55, 50), (74, 66, 57, 38))


def cells(least_steps: int = 0) -> st.SearchStrategy[Cells]:
    """Up to 24 steps of four voices, which often stay where they are and may cross."""
    pitches = st.sampled_from((SILENT, 48, 60, 67)) | st.integers(0, 127)
    step = st.tuples(*[pitches] * 4)
    steps = st.lists(st.tuples(step, st.integers(1, 4)), min_size=least_steps, max_size=6)
    return steps.map(
        lambda held: np.array([s for s, count in held for _ in range(count)], np.int64).reshape(
            -1, 4
        )
    )


def progression(seed: int, chords: int = 16) -> Cells:
    """Chords of a quarter each, some with a passing note in one voice."""
    rng = np.random.default_rng(seed)
    told: NDArray[np.int64] = np.array(CHORDS)[rng.integers(len(CHORDS), size=chords)]
    steps = np.repeat(told + rng.integers(-2, 3), 4, axis=0)
    for chord in np.flatnonzero(rng.random(chords) < 0.4).tolist():
        steps[4 * chord + 2 : 4 * chord + 4, rng.integers(4)] += 2
    return steps


def score_of(told: Cells) -> Score:
    """Cells as a score of four parts."""
    return CHORALE.decode(CHORALE.told(told))


def write_chorales(folder: Path, count: int) -> None:
    """So many chorales of four tracks each."""
    folder.mkdir(parents=True, exist_ok=True)
    for seed in range(count):
        write_midi(score_of(progression(seed)), folder / f"{seed:02}.mid")
