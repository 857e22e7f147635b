"""A small folder of music for tests: four scores of different kinds, and two bad files."""

from __future__ import annotations

from pathlib import Path

from woodshed.formats.midi_write import midi_bytes
from woodshed.music.notes import Notes
from woodshed.music.score import Part, Score, Text
from woodshed.music.time import MetreMap, TempoMap

TICKS = 480
BLUES = "AAAADDAAEDAE"
"""The chord of each bar of a twelve-bar blues in A, by its root."""

ROOTS = {"A": 45, "D": 50, "E": 52}
KICK, SNARE, HAT = 36, 38, 42

Row = tuple[float, float, int, int, int]
"""Start and length in quarters, pitch, velocity, part."""


def write_samples(folder: Path) -> None:
    """Write the files into `folder`; the same bytes each time."""
    band = _blues()
    whole = midi_bytes(band)
    files = {
        "blues-in-a.mid": whole,
        "blues-without-names.mid": midi_bytes(_without_names(band)),
        "groove.mid": midi_bytes(_groove()),
        "waltz-with-pickup.mid": midi_bytes(_waltz()),
        "broken/cut-in-the-middle.mid": whole[: len(whole) * 2 // 3],
        "broken/not-music.mid": b"<html><body>404: the download failed</body></html>\n",
    }
    for name, data in files.items():
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)


def _score(
    rows: list[Row], parts: tuple[Part, ...], bpm: float, metres: MetreMap, title: str
) -> Score:
    return Score(
        ticks_per_quarter=TICKS,
        notes=Notes.from_rows(
            (round(start * TICKS), round(length * TICKS), pitch, velocity, part)
            for start, length, pitch, velocity, part in rows
        ),
        parts=parts,
        tempos=TempoMap.constant(bpm),
        metres=metres,
        texts=(Text(0, "title", title),),
    )


def _blues() -> Score:
    parts = (
        Part("Vocals", 52),
        Part("Rhythm Guitar", 26),
        Part("Organ", 16),
        Part("Bass", 33),
        Part("Drums", 0, is_drum=True),
    )
    late = 2 / 3  # a shuffle: the second eighth falls on the last third of the beat
    rows: list[Row] = []
    for bar, chord in enumerate(BLUES):
        at, root = bar * 4.0, ROOTS[chord]
        for beat, step in enumerate((0, 4, 7, 9)):
            rows.append((at + beat, 0.9, root - 12 + step, 96 - 6 * (beat % 2), 3))
            rows.append((at + beat, 0.6, root + 7, 84, 1))
            rows.append((at + beat + late, 0.3, root + 9, 70, 1))
            rows.append((at + beat, 0.1, HAT, 80, 4))
            rows.append((at + beat + late, 0.1, HAT, 56, 4))
            rows.append((at + beat, 0.1, SNARE if beat % 2 else KICK, 104, 4))
        rows += [(at, 3.8, root + 12 + step, 60, 2) for step in (4, 10)]
        if bar % 4 < 2:  # sing two bars, then listen for two
            melody = ((0.0, 12), (1.0, 15), (1.0 + late, 12), (3.0, 10))
            rows += [(at + on, 0.6, root + 12 + step, 92 + bar, 0) for on, step in melody]
    return _score(rows, parts, 112, MetreMap.constant(), "Blues in A")


def _without_names(score: Score) -> Score:
    """As most files in the wild are: no names, so that only programs tell the parts apart."""
    parts = tuple(Part("", part.program, part.is_drum) for part in score.parts)
    return score.replace(parts=parts, texts=())


def _groove() -> Score:
    rows: list[Row] = []
    for bar in range(4):
        at = bar * 4.0
        rows += [(at + n / 4, 0.1, HAT, 88 if n % 4 == 0 else 52 + n, 0) for n in range(16)]
        rows += [(at + on, 0.1, KICK, 108, 0) for on in (0, 0.75, 2.5)]
        rows += [(at + on, 0.1, SNARE, 112, 0) for on in (1, 3)]
        rows += [(at + on, 0.1, SNARE, 34, 0) for on in (1.75, 2.25)]
    return _score(rows, (Part("Funk kit", 0, is_drum=True),), 98, MetreMap.constant(), "Groove")


def _waltz() -> Score:
    metres = MetreMap.from_rows([(0, 1, 4), (TICKS, 3, 4)])
    rows: list[Row] = [(0, 1, 67, 78, 0)]
    melody = (72, 76, 79, 77, 74, 71, 72, 67)
    for bar, top in enumerate(melody):
        at = 1 + bar * 3.0
        bass = 43 if top in (77, 74, 71) else 48
        rows += [(at, 2, top, 84, 0), (at + 2, 1, top - 2, 70, 0), (at, 1, bass, 76, 1)]
        rows += [(at + beat, 0.8, bass + step, 56, 1) for beat in (1, 2) for step in (7, 12, 16)]
    parts = (Part("Right hand", 0), Part("Left hand", 0))
    return _score(rows, parts, 138, metres, "Waltz with a pickup")
