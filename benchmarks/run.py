"""Measure what Woodshed promises about speed and memory: medians, and ratios within one run.

Each measurement runs in a process of its own, several times, in turn with the others. `--write`
adds the figures to `RESULTS.md`. Reads the MIDI files below WOODSHED_TEST_DATA, or else its own.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from statistics import median
from typing import Any

HERE = Path(__file__).resolve().parent
RESULTS = HERE / "RESULTS.md"
OWN_FILES = 600
MIDO_FILES = 60
SCAN_FILES = 300
START_UPS = 5
STRETCH_FILES = 1000
AHEAD_FILES = 100
"""A worker has read up to this many files before anybody asks for them; they are not timed."""

Figures = dict[str, float]


# What is measured. Each runs in a fresh process, gets the files, and gives figures by name.


def contained_scores(paths: list[str]) -> Figures:
    """Reading as scores, start-up included; two workers."""
    return _contained("scores", paths)


def contained_facts(paths: list[str]) -> Figures:
    """Reading as the facts of a survey, start-up included; two workers."""
    return _contained("facts", paths)


def price_scores(paths: list[str]) -> Figures:
    """What containment adds to reading scores."""
    return _price("scores", paths)


def price_facts(paths: list[str]) -> Figures:
    """What containment adds to a survey."""
    return _price("facts", paths)


def yardsticks(paths: list[str]) -> Figures:
    """Other parsers and ours in one process, on files that symusic reads, too."""
    import mido
    import symusic

    from woodshed.formats.midi_read import read_midi

    paths = [path for path in paths if _reads(symusic.Score.from_file, path)]
    few = paths[:: max(1, len(paths) // MIDO_FILES)]
    _read_all(read_midi, paths)  # to have the scan compiled
    ours, ours_few = _speed(read_midi, paths), _speed(read_midi, few)
    return {
        "files_per_second": ours,
        "to_symusic": ours / _speed(symusic.Score.from_file, paths),
        "to_mido": ours_few / _speed(lambda path: mido.MidiFile(path, clip=True), few),
    }


def scan_forms(paths: list[str]) -> Figures:
    """The scan compiled and as plain Python, over the same bytes."""
    from woodshed.formats import midi_scan
    from woodshed.formats.midi_file import lay_out
    from woodshed.formats.midi_repairs import Ledger

    few = paths[:: max(1, len(paths) // SCAN_FILES)]
    layouts = [lay_out(Path(path).read_bytes(), path, Ledger()) for path in few]
    megabytes = sum(len(layout.data) for layout in layouts) / 1e6

    def speed(form: midi_scan.Pass) -> float:
        started = time.perf_counter()
        for layout in layouts:
            midi_scan._run(form, layout.data, layout.tracks, successive=False)
        return megabytes / (time.perf_counter() - started)

    plain, compiled = speed(midi_scan._pass), speed(midi_scan.compiled_pass())
    return {"mb_per_second": compiled, "plain_mb_per_second": plain, "to_plain": compiled / plain}


def start_up(_: list[str]) -> Figures:
    """What one waits for before anything happens."""
    bare, imported, helped = (
        median(_wall(*arguments) for _ in range(START_UPS))
        for arguments in (("-c", "pass"), ("-c", "import woodshed"), ("-m", "woodshed", "--help"))
    )
    return {
        "python_seconds": bare,
        "import_seconds": imported - bare,
        "help_seconds": helped,
    }


def audition_stats(paths: list[str]) -> Figures:
    """`woodshed audition stats` on the whole folder, from start to end."""
    folder = os.path.commonpath(paths)
    return {"seconds": _wall("-m", "woodshed", "audition", "stats", folder, "--json")}


@dataclass(frozen=True, slots=True)
class Measurement:
    """A function above, and whether it gets only files that can be read."""

    run: Callable[[list[str]], Figures]
    good_files_only: bool = False


MEASUREMENTS = {
    measurement.run.__name__: measurement
    for measurement in (
        Measurement(contained_scores),
        Measurement(contained_facts),
        Measurement(price_scores, good_files_only=True),
        Measurement(price_facts, good_files_only=True),
        Measurement(yardsticks, good_files_only=True),
        Measurement(scan_forms, good_files_only=True),
        Measurement(start_up),
        Measurement(audition_stats),
    )
}


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the report: what it says, which figure, how to print it, and what is promised."""

    label: str
    figure: str
    form: str
    least: float | None = None
    most: float | None = None


FILES, SHARE, TIMES, SECONDS = "{:,.0f} files/s", "{:.0%}", "{:.2f}×", "{:.3f} s"

ROWS = (
    Row("scores, contained, two workers", "contained_scores.files_per_second", FILES, least=1500),
    Row("facts, contained, two workers", "contained_facts.files_per_second", FILES, least=1500),
    Row("peak memory of the parent", "contained_scores.peak_parent_mb", "{:,.0f} MB", most=300),
    Row("scores, in process, one core", "price_scores.alone_files_per_second", FILES),
    Row("scores, one warm worker", "price_scores.contained_files_per_second", FILES),
    Row("… throughput lost", "price_scores.throughput_lost", SHARE, most=0.2),
    Row("… processor time added", "price_scores.cpu_added", SHARE),
    Row("… throughput lost from a cold start", "price_scores.throughput_lost_cold", SHARE),
    Row("facts, in process, one core", "price_facts.alone_files_per_second", FILES),
    Row("facts, one warm worker", "price_facts.contained_files_per_second", FILES),
    Row("… throughput lost", "price_facts.throughput_lost", SHARE, most=0.2),
    Row("… processor time added", "price_facts.cpu_added", SHARE),
    Row("… throughput lost from a cold start", "price_facts.throughput_lost_cold", SHARE),
    Row("`read_midi` as a multiple of symusic", "yardsticks.to_symusic", TIMES),
    Row("`read_midi` as a multiple of mido", "yardsticks.to_mido", TIMES),
    Row("compiled scan", "scan_forms.mb_per_second", "{:,.0f} MB/s"),
    Row("… as a multiple of the plain one", "scan_forms.to_plain", TIMES),
    Row("`python -c pass`", "start_up.python_seconds", SECONDS),
    Row("`import woodshed`, beyond that", "start_up.import_seconds", SECONDS, most=0.1),
    Row("`woodshed --help`", "start_up.help_seconds", SECONDS, most=0.3),
    Row("`woodshed audition stats` on all files", "audition_stats.seconds", SECONDS),
)


# How it is measured.


def _outcomes(what: str, paths: list[str], workers: int) -> Iterator[Any]:
    from woodshed.corpus.survey import FACTS
    from woodshed.formats.contain import contained
    from woodshed.formats.limits import Limits
    from woodshed.formats.midi_contained import READ

    task: Any = READ if what == "scores" else FACTS
    return contained(task, paths, Limits(workers=workers))


def _reader(what: str) -> Callable[[str], Any]:
    """What the workers do, for this process."""
    from woodshed.corpus.survey import facts_of
    from woodshed.formats.midi_read import read_midi

    return read_midi if what == "scores" else lambda path: facts_of(read_midi(path), path)


def _contained(what: str, paths: list[str]) -> Figures:
    started = time.perf_counter()
    for _ in _outcomes(what, paths, workers=2):
        pass
    speed = len(paths) / (time.perf_counter() - started)
    return {"files_per_second": speed, "peak_parent_mb": _peak_mb()}


def _price(what: str, paths: list[str]) -> Figures:
    """One worker against this process, in turn, stretch by stretch of the same files."""
    read = _reader(what)
    paths = paths * -(-2 * STRETCH_FILES // len(paths))  # a few files, over and over
    _read_all(read, paths)
    before = _cpu()
    cold = len(paths) / _drain(_outcomes(what, paths, workers=1))
    cold_cpu, before = _cpu() - before, _cpu()
    outcomes, alone_cpu = _outcomes(what, paths * 3, workers=1), 0.0
    alone, contained = [], []
    for start in range(0, 3 * len(paths), STRETCH_FILES):
        files = (paths * 3)[start : start + STRETCH_FILES]
        cpu = time.thread_time()
        alone.append(_speed(read, files[AHEAD_FILES:]))
        alone_cpu += time.thread_time() - cpu
        _drain(outcomes, AHEAD_FILES)
        contained.append(len(files[AHEAD_FILES:]) / _drain(outcomes, len(files[AHEAD_FILES:])))
    _drain(outcomes)
    read_alone = 3 * len(paths) * (1 - AHEAD_FILES / STRETCH_FILES)
    warm_cpu = (_cpu() - before - alone_cpu - cold_cpu) / (2 * len(paths))
    lost = [1 - two / one for one, two in zip(alone[1:-1], contained[1:-1], strict=True)]
    return {
        "alone_files_per_second": median(alone[1:-1]),
        "contained_files_per_second": median(contained[1:-1]),
        "throughput_lost": median(lost),
        "throughput_lost_cold": 1 - cold / median(alone),
        "cpu_added": warm_cpu / (alone_cpu / read_alone) - 1,
    }


def _drain(outcomes: Iterator[Any], count: int | None = None) -> float:
    """Seconds until so many outcomes, or all, have come."""
    started = time.perf_counter()
    for _ in islice(outcomes, count):
        pass
    return time.perf_counter() - started


def _read_all(read: Callable[[str], Any], paths: list[str]) -> None:
    for path in paths:
        read(path)


def _reads(read: Callable[[str], Any], path: str) -> bool:
    try:
        read(path)
    except Exception:  # other parsers raise whatever comes
        return False
    return True


def _speed(read: Callable[[str], Any], paths: list[str]) -> float:
    started = time.perf_counter()
    _read_all(read, paths)
    return len(paths) / (time.perf_counter() - started)


def _cpu() -> float:
    """Processor time of this process and of its children that have ended, in seconds."""
    spent = os.times()
    return spent.user + spent.system + spent.children_user + spent.children_system


def _wall(*arguments: str) -> float:
    started = time.perf_counter()
    subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - started


def _peak_mb() -> float:
    import resource

    unit = 2**20 if sys.platform == "darwin" else 2**10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit


@contextmanager
def music() -> Iterator[tuple[str, list[str]]]:
    """What is read, in words, and the files."""
    from woodshed.corpus.folder import list_midi
    from woodshed.corpus.starter import write_starter

    if folder := os.environ.get("WOODSHED_TEST_DATA"):
        paths = list(list_midi(folder).paths)
        yield "the folder of real music", paths
        return
    print("WOODSHED_TEST_DATA is not set: measured on files made here", file=sys.stderr)
    with tempfile.TemporaryDirectory() as temporary:
        write_starter(temporary, OWN_FILES)
        yield "files made here", list(list_midi(temporary).paths)


def measure(runs: int, chosen: list[str], paths: list[str]) -> dict[str, list[float]]:
    """Every figure of the chosen measurements, run by run."""
    good = [outcome.path for outcome in _outcomes("facts", paths, workers=2) if not outcome.bad]
    found: dict[str, list[float]] = {}
    for run in range(runs):
        for name in chosen:
            print(f"run {run + 1} of {runs}: {name}", file=sys.stderr)
            given = good if MEASUREMENTS[name].good_files_only else paths
            answer = subprocess.run(
                [sys.executable, __file__, "--child", name],
                input=json.dumps(given),
                stdout=subprocess.PIPE,
                text=True,
                check=True,
            ).stdout
            for figure, value in json.loads(answer).items():
                found.setdefault(f"{name}.{figure}", []).append(value)
    return found


def report(found: dict[str, list[float]], files: str, runs: int) -> str:
    """The figures as a section of `RESULTS.md`."""
    lines = [
        f"## {datetime.now(UTC):%Y-%m-%d %H:%M} UTC, commit {_commit()}",
        "",
        f"{_machine()}; Python {platform.python_version()}; {files}; {runs} runs, "
        f"load {os.getloadavg()[0]:.1f} at the end.",
        "",
        "| what | median | least – most | promised | |",
        "| --- | ---: | ---: | ---: | --- |",
    ]
    lines += [_line(row, found[row.figure]) for row in ROWS if row.figure in found]
    return "\n".join([*lines, ""])


def _line(row: Row, values: list[float]) -> str:
    middle = median(values)
    promised, kept = "", ""
    if row.least is not None:
        promised = "≥ " + row.form.format(row.least)
        kept = "yes" if middle >= row.least else "**no**"
    if row.most is not None:
        promised = "< " + row.form.format(row.most)
        kept = "yes" if middle < row.most else "**no**"
    spread = f"{row.form.format(min(values))} – {row.form.format(max(values))}"
    return f"| {row.label} | {row.form.format(middle)} | {spread} | {promised} | {kept} |"


def _commit() -> str:
    def git(*arguments: str) -> str:
        command = ["git", "-C", str(HERE), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()

    changed = git("status", "--porcelain", "--", "../src", ".")
    return (git("rev-parse", "--short", "HEAD") or "unknown") + (" with changes" if changed else "")


def _machine() -> str:
    from woodshed.formats.limits import available_processors

    name = platform.processor() or platform.machine()
    with open("/proc/cpuinfo") if Path("/proc/cpuinfo").exists() else open(os.devnull) as lines:
        for line in lines:
            if line.startswith("model name"):
                name = line.partition(":")[2].strip()
                break
    return f"{name}, {available_processors()} processors, {platform.system()}"


def write(section: str) -> None:
    """Put a section on top of the log."""
    title, _, rest = RESULTS.read_text(encoding="utf-8").partition("\n## ")
    older = f"\n## {rest}" if rest else ""
    RESULTS.write_text(f"{title.rstrip()}\n\n{section}{older}", encoding="utf-8")


def main() -> int:
    """Measure what the command line asks for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--runs", type=int, default=5, help="how often each is measured (5)")
    parser.add_argument("--only", nargs="+", choices=MEASUREMENTS, help="measure only these")
    parser.add_argument("--write", action="store_true", help="add the figures to RESULTS.md")
    parser.add_argument("--child", choices=MEASUREMENTS, help=argparse.SUPPRESS)
    wanted = parser.parse_args()
    if wanted.child:
        print(json.dumps(MEASUREMENTS[wanted.child].run(json.load(sys.stdin))))
        return 0
    with music() as (what, paths):
        found = measure(wanted.runs, wanted.only or list(MEASUREMENTS), paths)
        section = report(found, f"{len(paths):,} MIDI files, {what}", wanted.runs)
    print(section)
    if wanted.write:
        write(section)
    return 0


if __name__ == "__main__":
    sys.exit(main())
