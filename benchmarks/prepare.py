"""Speed and memory of all of `woodshed prepare`.

    python benchmarks/prepare.py speed [--peer PYTHON]     every file of the folder of real music
    python benchmarks/prepare.py large [--pieces 100000]   as many files, made of those with changes

`--peer` names a Python that has MidiTok (`pip install miditok`); then one core does both in turn,
ours everything, MidiTok only parsing and tokenising. Reads below WOODSHED_TEST_DATA.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

import numpy as np
import psutil

from woodshed.corpus.folder import list_midi
from woodshed.errors import WoodshedError
from woodshed.formats.midi_contained import read_many
from woodshed.formats.midi_write import midi_bytes
from woodshed.music.score import Score
from woodshed.music.transform import scale_tempo, transpose

PEER = """
import sys, time
from pathlib import Path
from miditok import REMI, TokenizerConfig
from symusic import Score
remi = REMI(TokenizerConfig(use_programs=True, one_token_stream_for_programs=True))
began, tokens, failed = time.perf_counter(), 0, 0
for path in sys.stdin.read().splitlines():
    try:
        tokens += len(remi(Score(path)).ids)
    except Exception:
        failed += 1
print(time.perf_counter() - began, tokens, failed)
"""


def main() -> int:
    """Measure what is asked for and print it."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("what", choices=("speed", "large"))
    parser.add_argument("--runs", type=int, default=5, help="how often each is measured (5)")
    parser.add_argument("--peer", help="a Python with MidiTok")
    parser.add_argument("--pieces", type=int, default=100_000, help="files of `large` (100,000)")
    wanted = parser.parse_args()
    folder = os.environ.get("WOODSHED_TEST_DATA")
    if not folder:
        print("WOODSHED_TEST_DATA is not set; there is no music to measure with")
        return 1
    if wanted.what == "large":
        large(Path(folder), wanted.pieces)
    else:
        speed(Path(folder), wanted.runs, wanted.peer)
    return 0


def speed(folder: Path, runs: int, peer: str | None) -> None:
    """All of `prepare`, and beside it, on one core, what MidiTok does with the same files."""
    files = list_midi(folder).paths
    with elsewhere() as place:
        prepare(folder, place / "warm")  # compiles, and the files come into the system's memory
        times = [prepare(folder, place / f"run{n}")[0] for n in range(runs)]
        print(f"prepare, {os.cpu_count()} processors: {spread([len(files) / t for t in times])}")
        if peer is None:
            return
        ours, theirs = [], []
        for number in range(runs):
            ours.append(prepare(folder, place / f"one{number}", one_core=True)[0])
            theirs.append(tokenise(peer, files))
        ratios = [b / a for a, b in zip(ours, theirs, strict=True)]
        print(f"prepare, one core: {spread([len(files) / t for t in ours])}")
        print(f"MidiTok, one core: {spread([len(files) / t for t in theirs])}")
        print(f"as many times as fast: {spread(ratios, 2)}")


def large(folder: Path, pieces: int) -> None:
    """The parent's memory and the time with very many files, and when one of them is new."""
    with elsewhere() as place:
        music = place / "music"
        print(f"making {pieces:,} files ...", file=sys.stderr)
        made = make_many(folder, music, pieces)
        seconds, peak = prepare(music, place / "dataset")
        print(f"{made:,} files: {made / seconds:,.0f} files/s, parent {peak:,.0f} MB at most")
        (music / "new.mid").write_bytes(midi_bytes(changed(one_score(folder), 1)))
        seconds, peak = prepare(music, place / "dataset")
        print(f"one file more: {seconds:,.1f} s, parent {peak:,.0f} MB at most")
        seconds, peak = prepare(music, place / "dataset")
        print(f"nothing new: {seconds:,.1f} s, parent {peak:,.0f} MB at most")


def make_many(folder: Path, out: Path, pieces: int) -> int:
    """Copies of every readable file, each changed in key, tempo and a tenth of its notes."""
    files = list_midi(folder).paths
    made = 0
    out.mkdir()
    for copy in range(-(-pieces // len(files)) + 1):
        for outcome in read_many(files):
            if outcome.value is None or not len(outcome.value.notes):
                continue
            try:
                data = midi_bytes(changed(outcome.value, made) if copy else outcome.value)
            except WoodshedError:
                continue
            (out / f"{made // 1000}").mkdir(exist_ok=True)
            (out / f"{made // 1000}" / f"{made}.mid").write_bytes(data)
            made += 1
            if made == pieces:
                return made
    return made


def changed(score: Score, seed: int) -> Score:
    """A copy that is not the same piece byte by byte."""
    dice = np.random.default_rng(seed)
    moved = transpose(scale_tempo(score, float(dice.uniform(0.8, 1.25))), int(dice.integers(-5, 6)))
    rows = np.flatnonzero(dice.random(len(moved.notes)) < 0.1)
    pitch = moved.notes.pitch.copy()
    pitch[rows] = np.clip(pitch[rows].astype(int) + dice.choice((-2, -1, 1, 2), len(rows)), 0, 127)
    return moved.replace(notes=moved.notes.replace(pitch=pitch).sorted())


def one_score(folder: Path) -> Score:
    """The first file that can be read."""
    return next(outcome.value for outcome in read_many(list_midi(folder).paths) if outcome.value)


def prepare(folder: Path, out: Path, *, one_core: bool = False) -> tuple[float, float]:
    """Seconds the command takes, and the most memory of its parent process in MB."""
    began = time.perf_counter()
    process = psutil.Popen(
        [sys.executable, "-m", "woodshed", "prepare", str(folder), "-o", str(out), "--json"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        preexec_fn=on_one_core if one_core else None,
    )
    peak = 0
    while process.poll() is None:
        try:
            peak = max(peak, process.memory_info().rss)
        except psutil.Error:
            break
        time.sleep(0.02)
    if process.wait():
        raise SystemExit(f"prepare failed on {folder}")
    return time.perf_counter() - began, peak / 1e6


def tokenise(peer: str, files: tuple[str, ...]) -> float:
    """Seconds that MidiTok needs for the files, its start-up left out."""
    answer = subprocess.run(
        [peer, "-c", PEER],
        input="\n".join(files),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        check=True,
        preexec_fn=on_one_core,
    )
    return float(answer.stdout.split()[0])


def on_one_core() -> None:
    """Keep this process and its children on the first processor it may use."""
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})


def spread(values: list[float], digits: int = 0) -> str:
    """The median, the least and the most."""
    return " – ".join(f"{v:,.{digits}f}" for v in (median(values), min(values), max(values)))


@contextmanager
def elsewhere() -> Iterator[Path]:
    """A folder that goes away."""
    place = Path(tempfile.mkdtemp(prefix="woodshed-bench-"))
    try:
        yield place
    finally:
        shutil.rmtree(place)


if __name__ == "__main__":
    sys.exit(main())
