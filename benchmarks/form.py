"""Listen whether generated blues keep their form: I, IV and V at bars 1, 5 and 9 of the chorus.

The ear hears notes alone, never chord markers: for each bar the root whose seventh chord best fits
the time that pitch classes sound, the bass counting most. Where the choruses begin is not told, as
a piece may have an intro: of the first twelve bars the one is taken after which bars 2, 3, 4, 6, 7,
8 and 11 fit best, so that the bars that are judged do not choose. That is done once for each piece.
The real starter pieces give the ceiling of this ear, their bars in random order its floor.

Trains on the starter corpus, or takes `--model`. `--write` adds the figures to RESULTS.md.
"""

from __future__ import annotations

import argparse
import json
import platform
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from woodshed.corpus.starter import write_starter
from woodshed.formats.midi_read import read_midi
from woodshed.models.family import Conditions
from woodshed.models.load import load_model
from woodshed.music.chords import chord_map
from woodshed.music.score import Score
from woodshed.music.transform import drum_notes
from woodshed.recipes.generate import generate
from woodshed.recipes.train import train
from woodshed.sampling.settings import SamplingSettings

HERE = Path(__file__).resolve().parent
RESULTS = HERE / "RESULTS.md"
FEELS = ("shuffle", "straight", "slow", "funk")
CHORUS = 12
JUDGED = {0: 0, 4: 5, 8: 7}
"""Which degree, in semitones, bars 1, 5 and 9 must have."""
ALIGNING = {1: 0, 2: 0, 3: 0, 5: 5, 6: 0, 7: 0, 10: 0}
"""By which bars the chorus is found."""
BASS_COUNTS = 3.0
TONES = {0: 1.0, 4: 0.8, 3: 0.5, 7: 0.7, 10: 0.7, 2: 0.2, 9: 0.3}
"""How well each interval above a root fits it; others count against it."""
STRANGE = -0.4


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was heard in some pieces: shares of choruses, and of bars with the root of a marker."""

    pieces: int
    choruses: int
    first: float
    fifth: float
    ninth: float
    all_three: float
    with_marker: float


def heard_roots(score: Score) -> NDArray[np.int64]:
    """The root of each bar as a pitch class, -1 where nothing sounds; whole bars only."""
    starts = np.append(score.bars().start_ticks, score.end_ticks).astype(np.int64)
    melodic = score.notes.take(~drum_notes(score))
    fit = np.full((12, 12), STRANGE)
    for root in range(12):
        for interval, weight in TONES.items():
            fit[root, (root + interval) % 12] = weight
    roots = []
    for begin, end in zip(starts[:-1].tolist(), starts[1:].tolist(), strict=True):
        sounding = np.minimum(melodic.end_ticks, end) - np.maximum(melodic.start_ticks, begin)
        rows = sounding > 0
        if not rows.any():
            roots.append(-1)
            continue
        weight, pitch = sounding[rows].astype(float), melodic.pitch[rows].astype(int)
        classes = np.bincount(pitch % 12, weight, minlength=12)
        # The bass: at each moment a note begins the lowest that sounds, longest in the first half.
        low = pitch < min(pitch.min() + 16, 56)
        early = melodic.start_ticks[rows] < begin + (end - begin) // 2
        bass = np.bincount(
            pitch[low] % 12, weight[low] * np.where(early[low], 2.0, 1.0), minlength=12
        )
        evidence = fit @ (classes / classes.sum())
        if bass.sum():
            evidence += BASS_COUNTS / 2 * bass / bass.sum() + fit @ (bass / bass.sum()) / 2
        roots.append(int(evidence.argmax()))
    return np.array(roots, np.int64)


def marked_roots(score: Score) -> NDArray[np.int64]:
    """The root that a marker names for each bar, -1 where none does."""
    chords = chord_map(score.texts)
    row = np.searchsorted(chords.ticks, score.bars().start_ticks, side="right")
    return np.append(-1, np.where(chords.kind < 0, -1, chords.root)).astype(np.int64)[row]


def tonic_of(score: Score) -> int:
    """The keynote that the file names."""
    return int(score.keys.sharps[0] * 7 + (9 if score.keys.minor[0] else 0)) % 12


def chorus_begins(degrees: NDArray[np.int64]) -> int:
    """After how many bars the first chorus begins."""
    fits = [
        sum(degrees[at + bar] == degree for bar, degree in ALIGNING.items())
        for at in range(min(CHORUS, max(len(degrees) - CHORUS + 1, 1)))
        if at + CHORUS <= len(degrees)
    ]
    return int(np.argmax(fits)) if fits else 0


def choruses(degrees: NDArray[np.int64]) -> Iterator[tuple[bool, bool, bool]]:
    """For each whole chorus whether bars 1, 5 and 9 are right."""
    at = chorus_begins(degrees)
    while at + CHORUS <= len(degrees):
        one, five, nine = (bool(degrees[at + bar] == deg) for bar, deg in JUDGED.items())
        yield one, five, nine
        at += CHORUS


def verdict(scores: Sequence[Score], shuffled: bool = False, by_marker: bool = False) -> Verdict:
    """Judge pieces by ear, or by their markers, or with their bars in random order."""
    chance = np.random.default_rng(1)
    found: list[tuple[bool, bool, bool]] = []
    agree: list[NDArray[np.bool_]] = []
    for score in scores:
        by_ear, told = heard_roots(score), marked_roots(score)
        size = min(len(by_ear), len(told))
        named = told[:size] >= 0
        agree.append((by_ear[:size] == told[:size])[named])
        roots = told if by_marker else by_ear
        degrees = np.where(roots < 0, -1, (roots - tonic_of(score)) % 12)
        if shuffled:
            degrees = chance.permutation(degrees)
        found += choruses(degrees)
    table = np.array(found, bool).reshape(-1, 3)
    share = table.mean(0) if len(table) else np.zeros(3)
    every = np.concatenate(agree) if agree else np.zeros(0, bool)
    first, fifth, ninth = (round(float(x), 3) for x in share)
    return Verdict(
        pieces=len(scores),
        choruses=len(table),
        first=first,
        fifth=fifth,
        ninth=ninth,
        all_three=round(float(table.all(1).mean()), 3) if len(table) else 0.0,
        with_marker=round(float(every.mean()), 3) if len(every) else float("nan"),
    )


def real_pieces(folder: Path) -> list[Score]:
    """The starter pieces that have the form."""
    entries = json.loads((folder / "starter.json").read_text(encoding="utf-8"))["pieces"]
    return [read_midi(folder / entry["file"]) for entry in entries if entry["form"] == "twelve"]


def generated(model: Path, feel: str, args: argparse.Namespace) -> list[Score]:
    """New pieces of a feel, in the form, from its start."""
    result = generate(
        load_model(model),
        None,
        SamplingSettings(
            bars=args.bars, seed=args.seed, temperature=args.temperature, top_p=args.top_p
        ),
        count=args.pieces,
        conditions=Conditions({"feel": feel, "form": "twelve"}, args.strength),
    )
    return [piece.made.score for piece in result.pieces]


def rows(args: argparse.Namespace, place: Path) -> Iterator[tuple[str, Verdict]]:
    """Every line of the table."""
    music, model = place / "music", args.model
    write_starter(music, args.corpus)
    if model is None:
        model = place / "model"
        train(music, model)
    real = real_pieces(music)
    yield "starter, twelve bars: ceiling", verdict(real)
    yield "starter, by its markers", verdict(real, by_marker=True)
    yield "starter, bars shuffled: floor", verdict(real, shuffled=True)
    everything: list[Score] = []
    for feel in FEELS:
        scores = generated(model, feel, args)
        everything += scores
        yield f"generated, {feel}", verdict(scores)
    yield "generated, all", verdict(everything)
    yield "generated, by their markers", verdict(everything, by_marker=True)
    yield "generated, bars shuffled", verdict(everything, shuffled=True)


TITLES = ("", "pieces", "choruses", "I at 1", "IV at 5", "V at 9", "all three", "root as marked")


def main() -> None:
    """Measure, print, and write where asked."""
    parse = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parse.add_argument("--model", type=Path, help="A model; without it one is trained.")
    parse.add_argument("--corpus", type=int, default=300, help="How many starter pieces.")
    parse.add_argument("--pieces", type=int, default=60, help="How many of each feel.")
    parse.add_argument("--bars", type=int, default=36)
    parse.add_argument("--seed", type=int, default=1)
    parse.add_argument("--temperature", type=float, default=SamplingSettings().temperature)
    parse.add_argument("--top-p", type=float, default=SamplingSettings().top_p)
    parse.add_argument("--strength", type=float, default=1.0)
    parse.add_argument("--write", action="store_true", help="Add the table to RESULTS.md.")
    args = parse.parse_args()
    lines = [f"| {' | '.join(TITLES)} |", "|---" * len(TITLES) + "|"]
    print(*lines, sep="\n", flush=True)
    with tempfile.TemporaryDirectory() as place:
        for name, v in rows(args, Path(place)):
            shares = (v.first, v.fifth, v.ninth, v.all_three, v.with_marker)
            cells = (name, str(v.pieces), str(v.choruses), *(f"{x:.1%}" for x in shares))
            lines.append(f"| {' | '.join(cells)} |")
            print(lines[-1], flush=True)
    if args.write:
        _write(args, lines)


def _write(args: argparse.Namespace, lines: list[str]) -> None:
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"],
        cwd=HERE,
        capture_output=True,
        text=True,
        check=False,
    ).stdout.strip()
    told = (
        f"\n## Form of generated blues, {datetime.now(UTC):%Y-%m-%d}\n\n"
        f"Commit {commit or 'unknown'}, {platform.machine()}. {args.pieces} pieces a feel, "
        f"{args.bars} bars, seed {args.seed}, temperature {args.temperature:g}, top-p "
        f"{args.top_p:g}; {args.corpus} starter pieces. `benchmarks/form.py` says how it "
        "listens.\n\n"
    )
    with RESULTS.open("a", encoding="utf-8") as file:
        file.write(told + "\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
