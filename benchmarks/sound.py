"""Speed of sound: the built-in synthesiser, whole renderings, streams, and the starter corpus.

Plays six-slot songs of the starter corpus on one core, everything warm; reads nothing else.
`python benchmarks/sound.py loudness` measures how loud every sound is, and writes what streams take
their level from, loudness.toml: to be done whenever sounds change.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median

from woodshed.corpus.starter import compose, make_plan, write_starter
from woodshed.listening import expected
from woodshed.listening.expected import KEYS, note_loudness
from woodshed.listening.playing import playing
from woodshed.listening.render import render
from woodshed.listening.sound_settings import SoundSettings
from woodshed.listening.synth import Synth
from woodshed.listening.synth_sounds import sounds
from woodshed.music.score import Score

SONGS = 6
RUNS = 5
PIECES = 300


def main() -> int:
    """Measure and print."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    songs = six_slot_songs()
    everything = [playing(song) for song in songs]
    began = time.perf_counter()
    next(Synth().blocks(everything[0]))
    print(f"first block of a process: {time.perf_counter() - began:.2f} s")
    speeds, firsts = [], []
    for play in everything * RUNS:
        began = time.perf_counter()
        blocks = Synth().blocks(play)
        next(blocks)
        firsts.append(time.perf_counter() - began)
        for _ in blocks:
            pass
        speeds.append(play.seconds / (time.perf_counter() - began))
    print(f"{len(songs)} songs of six slots and more, {sum(p.seconds for p in everything):.0f} s")
    print(f"synthesiser, times real time: {spread(speeds)}")
    print(f"first block, ms: {spread([first * 1000 for first in firsts])}")
    with tempfile.TemporaryDirectory() as place:
        for ending in (".wav", ".mp3"):
            out = Path(place) / f"song{ending}"
            took = [seconds(partial(to_file, song, out)) for song in songs]
            told = [p.seconds / t for p, t in zip(everything, took, strict=True)]
            print(f"render to {ending}, times real time: {spread(told)}")
        made = [
            seconds(partial(write_starter, Path(place) / f"starter{n}", PIECES))
            for n in range(RUNS)
        ]
        print(f"starter corpus, {PIECES} pieces, seconds: {spread(made)}")
    return 0


def write_loudness() -> int:
    """Measure every sound, and write the table."""
    lines = [
        "# How loud a note of each sound is, in LUFS at velocity 100, and how many decibels it",
        "# falls in a second. Written by `python benchmarks/sound.py loudness`.",
        "",
        f"[programs]  # at keys {', '.join(map(str, KEYS))}",
    ]
    for number in range(128):
        rows = [note_loudness(number, key) for key in KEYS]
        told = [", ".join(f"{row[n]:.1f}" for row in rows) for n in (0, 1)]
        lines.append(f"{number} = [[{told[0]}], [{told[1]}]]")
    lines += ["", "[drums]"]
    for key in sorted(sounds().drums):
        level, fall = note_loudness(None, key)
        lines.append(f"{key} = [{level:.1f}, {fall:.1f}]")
    assert expected.__file__ is not None
    (Path(expected.__file__).parent / "loudness.toml").write_text("\n".join(lines) + "\n")
    return 0


def six_slot_songs() -> list[Score]:
    """The first pieces of the starter corpus that use all slots of the band."""
    found: list[Score] = []
    number = 0
    while len(found) < SONGS:
        score = compose(make_plan(number, 1))
        if len(playing(score).stems) >= 6:
            found.append(score)
        number += 1
    return found


def to_file(song: Score, out: Path) -> None:
    """Render with the built-in synthesiser."""
    render(song, out, sound=SoundSettings(synth="builtin"), force=True)


def seconds(run: Callable[[], object]) -> float:
    """How long a call takes."""
    began = time.perf_counter()
    run()
    return time.perf_counter() - began


def spread(values: list[float]) -> str:
    """The median, the least and the most."""
    return " – ".join(f"{value:,.1f}" for value in (median(values), min(values), max(values)))


if __name__ == "__main__":
    sys.exit(write_loudness() if sys.argv[1:] == ["loudness"] else main())
