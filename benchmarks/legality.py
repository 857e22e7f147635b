"""How much real music the measured limits let through, and how many collapses.

For each folder of MIDI below WOODSHED_TEST_DATA: prepare it, split its pieces at random, four to
one, near-duplicates kept together, measure limits on the larger part, and count which held-out
pieces are legal whole, and in how many splits each collapse, built by hand, is.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import mean, median

import numpy as np
from numpy.typing import NDArray

from woodshed.corpus.dataset import Dataset
from woodshed.corpus.folder import list_midi
from woodshed.corpus.prepare import prepare
from woodshed.errors import BadFolder
from woodshed.tokens.cache import open_cache
from woodshed.tokens.events import Events
from woodshed.tokens.grammars import grammars
from woodshed.tokens.language import TokenIds
from woodshed.tokens.limits import ChoraleExtremes, extremes_of, measured_limits
from woodshed.tokens.spoken import Spoken

LANGUAGES = ("events", "performance")
SPLITS = 20
FEWEST_PIECES = 10
"""Fewer have no fifth to hold out."""
NOT_MUSIC = ("torture-midi",)
BARS, MOMENTS = 64, 16
FULL, FULL_SHARE = 12, 0.41
LOWEST = 14


@dataclass(frozen=True, slots=True)
class Folder:
    """What was found for one folder in one language; a share and a verdict for each split."""

    pieces: int
    groups: int
    legal: list[float]
    collapses: dict[str, list[bool]]


def measured(pieces: list[TokenIds], group: NDArray[np.int32], language: Spoken) -> Folder:
    """Split again and again. Pieces that tell no note in the language are left out before."""
    extremes = [extremes_of(piece, language) for piece in pieces]
    kept = [
        n
        for n, extreme in enumerate(extremes)
        if not isinstance(extreme, ChoraleExtremes) and extreme.crowding.at_once
    ]
    groups = np.unique(group[kept])
    fallen = collapses(language)
    found = Folder(len(kept), len(groups), [], {name: [] for name in fallen})
    for split in range(SPLITS if len(kept) >= FEWEST_PIECES and len(groups) > 1 else 0):
        order = np.random.default_rng(split).permutation(groups)
        held = set(order[: max(1, len(groups) // 5)].tolist())
        training = (extremes[n] for n in kept if group[n] not in held)
        _, limited = grammars(language, measured_limits(training, language))
        held_out = [bool(limited.legal(pieces[n]).all()) for n in kept if group[n] in held]
        found.legal.append(mean(held_out))
        for name, tokens in fallen.items():
            found.collapses[name].append(bool(limited.legal(tokens).all()))
    return found


def collapses(language: Spoken) -> dict[str, TokenIds]:
    """What B9 forbids, 64 bars of it: each as well-formed as it can be."""
    rng = np.random.default_rng(5)
    full = [FULL if hit else 1 for hit in rng.random(BARS * MOMENTS) < FULL_SHARE]
    return {
        "41% with 12 notes": _told(language, full),
        "100 notes at once": _told(language, [100]),
        "silence": _told(language, [1] + [0] * (BARS * MOMENTS - 1) + [1]),
    }


def _told(language: Spoken, moments: list[int]) -> TokenIds:
    """So many notes on each sixteenth, by one player, detached, in a tempo of 120."""
    names = _events(language, moments) if isinstance(language, Events) else _performance(moments)
    return np.array([language.language.id_of[name] for name in names], np.uint16)


def _events(events: Events, moments: list[int]) -> list[str]:
    player = next(slot.name for slot in reversed(events.lineup.slots) if not slot.drums)
    names = ["START", "TEMPO_120", f"SLOT_{player}"]
    here = 0
    for moment, notes in enumerate(moments):
        if moment % MOMENTS == 0:
            names.append("BAR_4/4")
            here = moment
        if notes:
            names += [f"SHIFT_{6 * (moment - here)}"] * (moment > here)
            here = moment
            names.append(f"INST_{player}")
            for pitch in range(LOWEST, LOWEST + notes):
                names += ["VEL_82", f"PITCH_{pitch}", "DUR_6"]
    return [*names, "END"]


def _performance(moments: list[int]) -> list[str]:
    names = ["START", "VELOCITY_82"]
    waits_ms = 0
    for notes in moments:
        if notes:
            pitches = range(LOWEST, LOWEST + notes)
            seconds, rest_ms = divmod(waits_ms, 1000)
            names += ["SHIFT_1000"] * seconds + [f"SHIFT_{rest_ms}"] * (rest_ms > 0)
            names += [f"NOTE_ON_{pitch}" for pitch in pitches]
            names += ["SHIFT_60", *(f"NOTE_OFF_{pitch}" for pitch in pitches)]
            waits_ms = 0
        waits_ms += 60 if notes else 120
    return [*names, "END"]


def folders(data: Path) -> Iterator[tuple[str, Dataset]]:
    """Every folder with MIDI files, prepared."""
    with tempfile.TemporaryDirectory() as temporary:
        for folder in sorted(path for path in data.iterdir() if path.is_dir()):
            if folder.name in NOT_MUSIC or not _has_midi(folder):
                continue
            print(folder.name, file=sys.stderr)
            prepare(folder, Path(temporary) / folder.name)
            yield folder.name, Dataset.open(Path(temporary) / folder.name)


def _has_midi(folder: Path) -> bool:
    try:
        return bool(list_midi(folder).paths)
    except BadFolder:
        return False


def report(found: dict[tuple[str, str], Folder]) -> str:
    """The figures as a section of `RESULTS.md`."""
    names = list(next(iter(found.values())).collapses)
    lines = [
        f"### Legality, {datetime.now(UTC):%Y-%m-%d}",
        "",
        f"`benchmarks/legality.py`: Python {platform.python_version()}; {SPLITS} random splits, "
        "four to one by duplicate groups; share of held-out pieces legal whole under the limits "
        "measured on the others, and in how many splits each collapse was legal.",
        "",
        "| language | folder | pieces | groups | least | median | mean | "
        + " | ".join(names)
        + " |",
        "| --- | --- " + "| ---: " * (5 + len(names)) + "|",
    ]
    for (language, name), folder in found.items():
        row = [language, name, f"{folder.pieces:,}", f"{folder.groups:,}"]
        if folder.legal:
            row += [f"{of(folder.legal):.1%}" for of in (min, median, mean)]
            row += [f"{sum(verdicts)}" for verdicts in folder.collapses.values()]
        else:
            row += ["too few"] + [""] * (2 + len(names))
        lines.append(f"| {' | '.join(row)} |")
    return "\n".join([*lines, ""])


def main() -> int:
    """Measure and print."""
    argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0]).parse_args()
    data = os.environ.get("WOODSHED_TEST_DATA")
    if not data:
        print("WOODSHED_TEST_DATA is not set; there are no pieces to measure with")
        return 1
    found = {}
    for name, dataset in folders(Path(data)):
        group = np.array(dataset.pieces.duplicate_group)
        for language in LANGUAGES:
            cache = open_cache(dataset, language)
            pieces = [cache[piece] for piece in range(len(cache))]
            found[language, name] = measured(pieces, group, cache.language)
    print(report(dict(sorted(found.items()))))
    return 0


if __name__ == "__main__":
    sys.exit(main())
