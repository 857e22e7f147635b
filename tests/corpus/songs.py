"""Small songs for the tests of datasets: each its own music, the same for the same number."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from woodshed.formats.midi_write import midi_bytes
from woodshed.music.chords import ROOTS
from woodshed.music.notes import SUSTAIN, Controls, Notes
from woodshed.music.score import Part, Score, Text
from woodshed.music.time import KeyMap, MetreMap, TempoMap

PARTS = (Part("Lead vocals", 52), Part("", 33), Part("", 27), Part("Kit", 0, is_drum=True))


def song(number: int, bars: int = 8, parts: tuple[Part, ...] = PARTS) -> Score:
    """Eighths at random in every part, a metre, tempo, key and chord change, and a pedal."""
    chance = np.random.default_rng(number)
    rows = [
        (
            240 * step,
            int(chance.choice([120, 240, 480])),
            int(pitch),
            int(chance.integers(40, 120)),
            n,
        )
        for n, part in enumerate(parts)
        for step, pitch in enumerate(
            chance.integers(35, 52, 8 * bars) if part.is_drum else chance.integers(48, 80, 8 * bars)
        )
        if chance.random() < 0.8
    ]
    return Score(
        notes=Notes.from_rows(rows),
        parts=parts,
        tempos=TempoMap.from_rows([(0, 500_000), (1920, 400_000 + number)]),
        metres=MetreMap.from_rows([(0, 4, 4), (1920 * 6, 3, 4)]),
        keys=KeyMap.from_rows([(0, number % 8, number % 2)]),
        controls=Controls.from_rows([(0, SUSTAIN, 127, 0), (0, 7, 100, 0), (960, SUSTAIN, 0, 0)]),
        texts=(
            Text(0, "title", "A song"),
            Text(0, "marker", "Am"),
            Text(1920, "marker", f"{ROOTS[number % 12]}9/E"),
        ),
    )


def write_songs(folder: Path, numbers: Iterable[int], prefix: str = "song") -> Path:
    """Write songs as `song-0003.mid`, some of them in a folder of their own."""
    for number in numbers:
        place = folder / "more" if number % 3 == 2 else folder
        place.mkdir(parents=True, exist_ok=True)
        (place / f"{prefix}-{number:04}.mid").write_bytes(midi_bytes(song(number)))
    return folder
