"""Feed the MIDI reader tens of thousands of damaged files and see that nothing gives way.

Every file must become a score, or a `BadFile` with a reason, within the limits, and no process may
be left. A score must cross between processes, be written, and come back the same; the compiled scan
must say what the plain one says. Files that break a rule are kept in `.fuzz`. `--coverage` lets
atheris look for new paths through the plain code instead.
"""

from __future__ import annotations

import argparse
import dataclasses
import os
import re
import sys
import time
import warnings
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from types import SimpleNamespace
from typing import Any

import numpy as np
import psutil

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))  # so that this file finds its neighbour when it is run by its path

from scripts.mutants import Mutants, damage, made_seeds, seeds_below  # noqa: E402
from woodshed.corpus.survey import facts_of  # noqa: E402
from woodshed.errors import BadFile, BadMusic  # noqa: E402
from woodshed.formats import midi_scan  # noqa: E402
from woodshed.formats.contain import Outcome, Task, Upload, contained  # noqa: E402
from woodshed.formats.frames import DamagedFrame, Frame  # noqa: E402
from woodshed.formats.limits import ROOM_MB, Limits  # noqa: E402
from woodshed.formats.midi_file import lay_out  # noqa: E402
from woodshed.formats.midi_read import read_midi  # noqa: E402
from woodshed.formats.midi_repairs import Ledger  # noqa: E402
from woodshed.formats.midi_write import midi_bytes  # noqa: E402
from woodshed.formats.score_frames import score_from_frame, score_to_frame  # noqa: E402
from woodshed.music.score import Score  # noqa: E402

KEPT = ROOT / ".fuzz"
ROUND_FILES = 2_500
"""Files read with one set of workers; after each round no process may be left."""

COMPARED_BYTES = 16_384
"""Files up to this size are scanned by plain Python as well, which is slow."""

NOT_A_REASON = re.compile(
    "Woodshed itself failed|its reader|it took longer|it takes more|it holds too much|it is too"
)
"""Reasons that blame the reader, or that no file this small should ever get."""


@dataclass(frozen=True, slots=True)
class Trial:
    """A score as it crossed over, what is wrong with it, and what its reader needed."""

    score: Score
    complaint: str | None
    seconds: float
    peak_mb: int


@dataclass(slots=True)
class Summary:
    """What came of all files."""

    files: int = 0
    scores: int = 0
    notes: int = 0
    repaired: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)
    slowest_seconds: float = 0.0
    peak_mb: int = 0
    seconds: float = 0.0


# In the worker.


def try_file(_: str, data: bytes | None, __: dict[str, Any]) -> Frame:
    """Read one damaged file, and look hard at the score."""
    assert data is not None
    started = time.perf_counter()
    score = read_midi(data)
    seconds = time.perf_counter() - started
    frame = score_to_frame(score)
    head = {
        "score": frame.head,
        "complaint": complaint(data, score),
        "seconds": seconds,
        "peak_mb": _peak_mb(),
    }
    return Frame(head, frame.arrays)


def complaint(data: bytes, score: Score) -> str | None:
    """What is wrong with the way this score was read; None where nothing is."""
    facts_of(score, "a damaged file")
    if len(data) <= COMPARED_BYTES and (wrong := _scans_differ(data)):
        return wrong
    try:
        written = midi_bytes(score)
    except BadMusic:  # a score may say what MIDI cannot: a wait of more than 28 bits
        return None
    again, expected = read_midi(written), as_written(score)
    differing = [
        f.name
        for f in dataclasses.fields(Score)
        if f.name != "source" and getattr(again, f.name) != getattr(expected, f.name)
    ]
    if differing:
        return f"written and read again, its {', '.join(differing)} changed"
    return None


def as_written(score: Score) -> Score:
    """The score as MIDI can say it: notes of one pitch in one part end first in, first out."""
    notes = score.notes
    ends = notes.end_ticks.copy()
    voice = notes.part.astype(np.int64) * 128 + notes.pitch
    by_start = np.lexsort((np.arange(len(voice)), voice))
    ends[by_start] = ends[np.lexsort((ends, voice))]
    return score.replace(notes=notes.replace(duration_ticks=ends - notes.start_ticks))


def _scans_differ(data: bytes) -> str | None:
    layout = lay_out(data, "a damaged file", Ledger())
    plain, compiled = (
        midi_scan._run(run, layout.data, layout.tracks, successive=layout.midi_type == 2)
        for run in (midi_scan._pass, midi_scan.compiled_pass())
    )
    for part in dataclasses.fields(plain):
        if not np.array_equal(getattr(plain, part.name), getattr(compiled, part.name)):
            return f"the compiled scan has another {part.name} than the plain one"
    return None


def _peak_mb() -> int:
    try:
        import resource
    except ImportError:
        return 0
    unit = 2**20 if sys.platform == "darwin" else 2**10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // unit


# In the parent.


def understand(frame: Frame) -> Trial:
    """A trial from what its worker says."""
    head = frame.head
    try:
        score = score_from_frame(Frame(head["score"], frame.arrays))
        return Trial(score, head["complaint"], float(head["seconds"]), int(head["peak_mb"]))
    except (KeyError, TypeError) as error:
        raise DamagedFrame(f"what came is no trial ({error})") from error


TRY = Task(f"scripts.fuzz:{try_file.__name__}", understand)


def run(mutants: Mutants, numbers: range, limits: Limits, until: float = float("inf")) -> Summary:
    """Try the damaged files of these numbers; stops after the round in which `until` comes."""
    os.environ["PYTHONPATH"] = os.pathsep.join(
        filter(None, [str(ROOT), os.environ.get("PYTHONPATH")])
    )
    summary = Summary()
    started = time.monotonic()
    before = set(psutil.Process().children(recursive=True))
    for first in range(numbers.start, numbers.stop, ROUND_FILES):
        chosen = range(first, min(first + ROUND_FILES, numbers.stop))
        items = [Upload(f"{mutants.seed}-{n}.mid", mutants.make(n)) for n in chosen]
        for item, outcome in zip(items, contained(TRY, items, limits), strict=True):
            if wrong := judge(outcome, limits, summary):
                summary.failures.append(f"{item.name}: {wrong}")
                keep(item)
        if left := set(psutil.Process().children(recursive=True)) - before:
            summary.failures.append(f"processes are left: {left}")
        summary.seconds = time.monotonic() - started
        show_progress(summary, len(numbers))
        if time.monotonic() > until:
            break
    return summary


def judge(outcome: Outcome[Trial], limits: Limits, summary: Summary) -> str | None:
    """Count one outcome; what is wrong with it, if anything."""
    summary.files += 1
    if outcome.bad is not None:
        reason = outcome.bad.reason
        kind = re.sub(r"[\d,]*\d", "N", re.sub("begins with .*, not", "begins with …, not", reason))
        summary.reasons[kind] += 1
        return reason if NOT_A_REASON.search(reason) else None
    trial = outcome.unwrap()
    summary.scores += 1
    summary.notes += len(trial.score.notes)
    summary.repaired += bool(trial.score.source and trial.score.source.repairs)
    summary.slowest_seconds = max(summary.slowest_seconds, trial.seconds)
    summary.peak_mb = max(summary.peak_mb, trial.peak_mb)
    if trial.peak_mb > ROOM_MB + limits.memory_mb:
        return f"its reader took {trial.peak_mb} MB"
    return trial.complaint


def keep(item: Upload) -> None:
    """Keep a file that broke a rule, so that it can be tried again."""
    KEPT.mkdir(exist_ok=True)
    (KEPT / item.name).write_bytes(item.data)


def show_progress(summary: Summary, wanted: int) -> None:
    """One line that is written over, where somebody is watching."""
    if sys.stderr.isatty():
        print(
            f"\r{summary.files:,} of {wanted:,} files, {len(summary.failures)} failures ",
            end="",
            file=sys.stderr,
            flush=True,
        )


def report(summary: Summary) -> None:
    """The counts, and how to see each failure again."""
    if sys.stderr.isatty():
        print(file=sys.stderr)
    speed = summary.files / summary.seconds
    print(f"{summary.files:,} damaged files in {summary.seconds:.0f} s, {speed:,.0f} a second")
    print(f"{summary.scores:>8,}  became scores, {summary.repaired:,} of them mended; ", end="")
    print(f"{summary.notes:,} notes")
    for reason, count in summary.reasons.most_common():
        print(f"{count:>8,}  {reason}")
    print(f"the slowest took {summary.slowest_seconds:.2f} s to read", end=", ")
    print(f"a reader {summary.peak_mb} MB at most")
    for failure in summary.failures[:20]:
        print(f"FAILED {failure}")
    if summary.failures:
        print(f"{len(summary.failures)} failures; see one with its traceback:")
        print("    python scripts/fuzz.py --again .fuzz/" + summary.failures[0].partition(":")[0])


def try_again(path: Path) -> int:
    """One file in this process, so that a failure shows its traceback."""
    data = path.read_bytes()
    try:
        wrong = complaint(data, read_midi(data))
    except BadFile as error:
        print(error)
        return 0
    print(wrong or "nothing is wrong with it")
    return int(wrong is not None)


def search_with_coverage(seeds: dict[str, bytes], seed: int, seconds: int) -> int:
    """Let atheris grow files that reach new branches of the plain code. Ends this process."""
    try:
        import atheris
    except ImportError:
        print("atheris is not installed, so there is no search by coverage", file=sys.stderr)
        return 1
    for name in [n for n in sys.modules if n.startswith("woodshed.formats")]:
        del sys.modules[name]  # to be imported once more, instrumented
    with atheris.instrument_imports(include=["woodshed.formats"]):
        from woodshed.errors import BadFile
        from woodshed.formats import midi_scan, midi_write
        from woodshed.formats.midi_read import read_midi
    # Compiled code has no branches to watch.
    vars(midi_scan)["_SCAN"] = SimpleNamespace(after=lambda _: None)
    found = KEPT / "corpus"
    found.mkdir(parents=True, exist_ok=True)
    for name, data in seeds.items():
        (found / re.sub(r"\W", "-", name)).write_bytes(data)
    files = list(seeds.values())

    def try_one(data: bytes) -> None:
        try:
            score = read_midi(data)
        except BadFile:
            return
        try:
            written = midi_write.midi_bytes(score)
        except BadMusic:
            return
        assert read_midi(written) == as_written(score)

    def mutate(data: bytes, most: int, dice_seed: int) -> bytes:
        dice = Random(dice_seed)
        if dice.random() < 0.5:
            return damage(data, dice.choice(files), dice)[:most]
        mutated: bytes = atheris.Mutate(data, most)
        return mutated

    options = (
        f"-max_total_time={seconds} -seed={seed} -max_len=2048 -timeout=20 -rss_limit_mb=4096"
        f" -artifact_prefix={KEPT}/ -print_final_stats=1"
    )
    atheris.Setup([sys.argv[0], *options.split(), str(found)], try_one, custom_mutator=mutate)
    atheris.Fuzz()
    return 0


def all_seeds() -> Iterator[tuple[str, bytes]]:
    """The files to be damaged: our own, and those of the folder of real music if there is one."""
    yield from made_seeds().items()
    if folder := os.environ.get("WOODSHED_TEST_DATA"):
        yield from seeds_below(Path(folder)).items()
    else:
        print("WOODSHED_TEST_DATA is not set: only files made here are damaged", file=sys.stderr)


def main() -> int:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--count", type=int, default=50_000, help="how many files (50,000)")
    parser.add_argument("--seed", type=int, default=1, help="which files (1)")
    parser.add_argument("--seconds", type=int, help="stop after this long, all files tried or not")
    parser.add_argument("--coverage", action="store_true", help="search new paths with atheris")
    parser.add_argument("--again", type=Path, metavar="FILE", help="try one kept file once more")
    wanted = parser.parse_args()
    warnings.simplefilter("error")
    if wanted.again:
        return try_again(wanted.again)
    if wanted.coverage:
        return search_with_coverage(made_seeds(), wanted.seed, wanted.seconds or 60)
    until = time.monotonic() + (wanted.seconds or float("inf"))
    summary = run(Mutants(dict(all_seeds()), wanted.seed), range(wanted.count), Limits(), until)
    report(summary)
    return int(bool(summary.failures))


if __name__ == "__main__":
    sys.exit(main())
