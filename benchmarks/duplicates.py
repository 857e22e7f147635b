"""How many near-duplicates are found, which merges are made, and how time grows with the corpus.

    python benchmarks/duplicates.py recall FOLDER    planted copies and known groups
    python benchmarks/duplicates.py merges FOLDER    every merge of different titles, for judging
    python benchmarks/duplicates.py time             1,000 to 100,000 made-up pieces

FOLDER is the folder of real music that the tests use. Everything is seeded.
"""

from __future__ import annotations

import argparse
import resource
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from woodshed.corpus.duplicates import find_duplicates
from woodshed.corpus.passages import PassagePrints, passage_prints
from woodshed.formats.midi_read import read_midi
from woodshed.music.notes import Notes
from woodshed.music.score import Part, Score
from woodshed.music.transform import drum_notes, scale_tempo, transpose

MULTITRACK = ("freedoom", "blasphemer", "simutrans", "openmsx", "dubroom")
TUNES = "nottingham/*.mid"
CORPORA: dict[str, tuple[str, ...]] = {
    "pop909": ("pop909/*/*.mid",),
    "asap-maestro": ("asap-maestro/**/*.mid",),
    "nottingham": (TUNES,),
    "nottingham, melodies alone": ("nottingham/melody/*.mid",),
    "nottingham, chords alone": ("nottingham/chords/*.mid",),
    "multitrack": tuple(f"{name}/**/*.mid" for name in MULTITRACK),
    "piano-midi-de": ("piano-midi-de/**/*.mid",),
    "lieder-lyrics": ("lieder-lyrics/**/*.mid",),
    "groove-midi (drums)": ("groove-midi/**/*.mid",),
}
EVERYTHING = ("pop909-versions/**/*.mid", "giantmidi-eval/**/*.mid")


def read(folder: Path, patterns: tuple[str, ...]) -> dict[str, Score]:
    """The scores below `folder` that match and have notes, by their path."""
    paths = sorted({path for pattern in patterns for path in folder.glob(pattern)})
    scores = {path.relative_to(folder).as_posix(): read_midi(path) for path in paths}
    return {name: score for name, score in scores.items() if len(score.notes)}


def planted(score: Score, rng: np.random.Generator, changed: float) -> Score:
    """A copy in another key and tempo, its parts shuffled, `changed` of its notes spoilt.

    A third of the changed notes is left out, a third moved by a sixteenth to a quarter, a third
    given another pitch, up to a fifth away.
    """
    copy = scale_tempo(transpose(score, int(rng.integers(-5, 7))), float(rng.uniform(0.6, 1.6)))
    order = rng.permutation(len(copy.parts))
    notes, quarter = copy.notes, copy.ticks_per_quarter
    start = notes.start_ticks.copy()
    pitch = notes.pitch.astype(np.int64)
    spoilt = rng.permutation(len(notes))[: round(changed * len(notes))]
    out, moved, bent = (spoilt[kind::3] for kind in range(3))
    away = rng.choice((-1, 1), len(moved)) * rng.integers(quarter // 4, quarter + 1, len(moved))
    start[moved] = np.maximum(start[moved] + away, 0)
    pitch[bent] += rng.choice((-1, 1), len(bent)) * rng.integers(1, 8, len(bent))
    kept = np.ones(len(notes), np.bool_)
    kept[out] = False
    return Score(
        copy.ticks_per_quarter,
        notes.replace(start_ticks=start, pitch=pitch.clip(0, 127), part=order[notes.part]).take(
            kept
        ),
        tuple(copy.parts[row] for row in np.argsort(order)),
        copy.tempos,
        copy.metres,
    )


def recall(folder: Path) -> None:
    """Planted copies in each corpus, then the groups that are known, all corpora together."""
    print("planted copies found, unchanged notes / a tenth of the notes changed")
    for corpus, patterns in CORPORA.items():
        scores = list(read(folder, patterns).values())
        rng = np.random.default_rng(0)
        chosen = rng.permutation(len(scores))[:300]
        prints = [passage_prints(score) for score in scores]
        told = []
        for changed in (0.0, 0.1):
            copies = [passage_prints(planted(scores[row], rng, changed)) for row in chosen]
            groups = find_duplicates(prints + copies).groups
            found = groups[chosen] == groups[len(prints) :]
            told.append(f"{found.mean():7.1%}")
            if corpus.startswith("groove") and changed:
                hits = np.array([len(scores[row].notes) for row in chosen])
                told += [f"({(found[hits >= n]).mean():.1%} from {n} hits)" for n in (50, 200)]
        print(f"  {corpus:28} {len(chosen):4} copies {' '.join(told)}")
    known(folder)


def known(folder: Path) -> None:
    """Versions, performances and scores of one piece, among every other file."""
    scores = read(folder, (*(p for patterns in CORPORA.values() for p in patterns), *EVERYTHING))
    names = list(scores)
    begun = time.perf_counter()
    prints = [passage_prints(score) for score in scores.values()]
    read_seconds = time.perf_counter() - begun
    found = find_duplicates(prints)
    seconds = time.perf_counter() - begun - read_seconds
    group = dict(zip(names, found.groups.tolist(), strict=True))
    print(f"all {len(names)} files: prints {read_seconds:.1f} s, groups {seconds:.2f} s")
    versions = [n for n in names if n.startswith("pop909-versions/")]
    songs = {n.split("/")[1]: group[n] for n in names if n.startswith("pop909/")}
    with_song = [n for n in versions if group[n] == songs.get(n.split("/")[1])]
    lost = sorted(set(versions) - set(with_song))
    print(f"  versions with their song: {len(with_song)} of {len(versions)}; not {lost}")
    movements = defaultdict(list)
    for name in names:
        if name.startswith("asap-maestro/"):
            movements[name.rsplit("/", 1)[0]].append(name)
    together = several = met = performances = 0
    for members in movements.values():
        played = [group[n] for n in members if not n.endswith("midi_score.mid")]
        if len(played) > 1:
            together += Counter(played).most_common(1)[0][1]
            several += len(played)
        for score in (group[n] for n in members if n.endswith("midi_score.mid")):
            met += played.count(score)
            performances += len(played)
    print(f"  performances of one movement together: {together} of {several}")
    print(f"  performances with their quantised score: {met} of {performances}")
    works = [group[n] for n in names if n.startswith("giantmidi-eval/")]
    print(f"  giantmidi-eval, 28 works in 3 versions: {len(set(works))} groups of {len(works)}")


def merges(folder: Path) -> None:
    """Every pair of different titles that made a group, with how much their tunes share."""
    for corpus in ("pop909", "nottingham", "nottingham, melodies alone", "multitrack"):
        scores = list(read(folder, CORPORA[corpus]).items())
        pairs = find_duplicates([passage_prints(score) for _, score in scores]).pairs
        print(f"{corpus}: {len(scores)} pieces, {len(pairs)} merges")
        for pair in sorted(pairs, key=lambda p: -p.share):
            (name, one), (other_name, other) = scores[pair.a], scores[pair.b]
            part, shift = shared_tune(tune(one), tune(other))
            kind = "the same notes" if pair.is_whole else f"{part:4.0%} of the tune"
            print(f"  {pair.evidence:5.1f} {pair.share:4.0%}  {kind:15} {name} | {other_name}")
            if not pair.is_whole and part < 0.5:
                print(f"        bar {pair.bars[0] + 1}: {spelt(tune(one)[:40], shift)}")
                print(f"        bar {pair.bars[1] + 1}: {spelt(tune(other)[:40], 0)}")


def tune(score: Score) -> list[int]:
    """The highest melodic pitch at each onset."""
    notes = score.notes.take(~drum_notes(score))
    if not len(notes):
        return []
    starts = np.flatnonzero(np.diff(notes.start_ticks, prepend=-1))
    return [int(pitch) for pitch in np.maximum.reduceat(notes.pitch, starts)]


def shared_tune(one: list[int], other: list[int], run: int = 6) -> tuple[float, int]:
    """How much of the shorter tune lies in runs of six notes of the other, at the best distance."""
    short, long = sorted((one, other), key=len)
    best = (0.0, 0)
    for shift in range(-12, 13):
        runs = {tuple(long[n : n + run]) for n in range(len(long) - run + 1)}
        covered = np.zeros(max(len(short), 1), np.bool_)
        for n in range(len(short) - run + 1):
            if tuple(pitch + shift for pitch in short[n : n + run]) in runs:
                covered[n : n + run] = True
        best = max(best, (float(covered.mean()), shift if short is one else -shift))
    return best


def spelt(pitches: list[int], shift: int) -> str:
    """Pitches as note names."""
    names = "C C# D Eb E F F# G Ab A Bb B".split()
    return " ".join(names[(pitch + shift) % 12] for pitch in pitches)


def made_up(count: int, seed: int = 0) -> Iterator[tuple[Score, int | None]]:
    """Walks of two parts, every tenth a spoilt copy of an earlier one, and the row of that one.

    The walks move mostly by step within a scale and share a stock of a hundred phrases, so that
    there are passages which hundreds of pieces have.
    """
    rng = np.random.default_rng(seed)
    scale = np.array([0, 2, 4, 5, 7, 9, 11])
    phrases = rng.choice((-2, -1, -1, 1, 1, 2), (100, 12))
    kept: list[tuple[int, Score]] = []
    for row in range(count):
        if row % 10 == 9:
            at, original = kept[int(rng.integers(len(kept)))]
            yield planted(original, rng, 0.1), at
            continue
        tables = []
        for part, middle in enumerate((35, 21)):
            size = int(rng.integers(80, 240))
            steps = rng.choice((-3, -2, -1, -1, 0, 1, 1, 2, 3), size)
            for begin in rng.integers(0, size - 12, 3):
                steps[begin : begin + 12] = phrases[rng.integers(100)]
            degrees = middle + (np.cumsum(steps) + 14) % 28 - 14
            pitch = 12 * (degrees // 7) + scale[degrees % 7]
            gaps = rng.choice((120, 240, 240, 480), size)
            start = np.cumsum(gaps) - gaps
            part_column = np.full(size, part)
            tables.append(Notes(start, gaps, pitch, np.full(size, 80), part_column))
        score = Score(480, Notes.concatenate(tables), (Part("lead"), Part("bass")))
        if len(kept) < 500:
            kept.append((row, score))
        else:
            kept[int(rng.integers(500))] = (row, score)
        yield score, None


def timing(largest: int) -> None:
    """Seconds for prints and groups, and the memory that grouping took on top."""
    print("  pieces   prints s   groups s   prints   peak MB   copies found")
    prints: list[PassagePrints] = []
    copy_of: list[int | None] = []
    begun = time.perf_counter()
    spent = 0.0
    sizes = [n for n in (1_000, 3_000, 10_000, 30_000, 100_000) if n <= largest]
    for score, original in made_up(largest):
        start = time.perf_counter()
        prints.append(passage_prints(score))
        spent += time.perf_counter() - start
        copy_of.append(original)
        if len(prints) in sizes:
            begun = time.perf_counter()
            groups = find_duplicates(prints).groups
            seconds = time.perf_counter() - begun
            copies = [(row, at) for row, at in enumerate(copy_of) if at is not None]
            rate = np.mean([groups[row] == groups[at] for row, at in copies])
            total = sum(len(p) for p in prints)
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
            print(
                f"{len(prints):8,} {spent:10.1f} {seconds:10.2f} {total:8,} "
                f"{peak:9.0f} {rate:14.1%}"
                f"   {len(set(groups.tolist())):,} groups, {len(prints) - len(copies):,} originals"
            )


def main() -> None:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("what", choices=("recall", "merges", "time"))
    parser.add_argument("folder", nargs="?", type=Path, help="the folder of real music")
    parser.add_argument("--largest", type=int, default=100_000, help="most made-up pieces")
    given = parser.parse_args()
    if given.what == "time":
        timing(given.largest)
        return
    if given.folder is None:
        parser.error(f"{given.what} needs the folder of real music")
    run: Callable[[Path], None] = recall if given.what == "recall" else merges
    run(given.folder)


if __name__ == "__main__":
    main()
