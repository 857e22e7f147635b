"""The folder of the starter corpus: MIDI files, tags beside them, and an index that knows all.

The folder appears whole or not at all. Refuses to know how music is made.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shutil
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ...errors import CannotWrite, OutputExists, UsageError
from ...formats.midi_write import midi_bytes
from ...music.score import Score
from ..watch import Watch, unwatched
from .arrange import make_plan
from .piece import compose
from .plan import Plan

LICENCE = "Apache-2.0"
INDEX = "starter.json"
MOST_PIECES = 100_000


@dataclass(frozen=True, slots=True)
class StarterSummary:
    """What was written: how many pieces, how long and how many notes, and of which kinds."""

    folder: str
    pieces: int
    music_seconds: float
    notes: int
    by_feel: Mapping[str, int]
    by_form: Mapping[str, int]
    by_key: Mapping[str, int]


def write_starter(
    out: str | os.PathLike[str],
    count: int = 300,
    seed: int = 1,
    force: bool = False,
    watch: Watch = unwatched,
) -> StarterSummary:
    """Compose `count` pieces into the folder `out`; the same seed gives the same bytes.

    A piece does not depend on how many there are. Raises `OutputExists` where the folder has
    something in it; with `force` an earlier starter corpus is replaced, and `UsageError` raised
    where anything else lies there, so that nobody's files are touched. Raises `CannotWrite` where
    the system refuses.
    """
    if not 1 <= count <= MOST_PIECES:
        raise UsageError(f"{count} pieces make no corpus; use --count 1 to {MOST_PIECES:,}")
    if not 0 <= seed < 2**63:
        raise UsageError(f"{seed} is no seed; use --seed 0 or more")
    target = Path(os.path.abspath(out))
    _check_folder(target, out, force)
    entries = []
    notes, seconds = 0, 0.0
    with _folder_at_once(target, out) as place:
        for number in watch(range(count), count, "pieces composed"):
            plan = make_plan(number, seed)
            score = compose(plan)
            name = piece_name(plan)
            (place / f"{name}.mid").write_bytes(midi_bytes(score))
            (place / f"{name}.yaml").write_text(sidecar(plan), encoding="utf-8")
            entries.append(_entry(plan, name, score))
            notes += len(score.notes)
            seconds += score.duration_seconds
        index = {"seed": seed, "licence": LICENCE, "pieces": entries}
        text = json.dumps(index, ensure_ascii=False, separators=(",", ":"))
        # A line for each piece: to be read by people, too, and compared line by line.
        (place / INDEX).write_text(text.replace('{"file"', '\n{"file"') + "\n", encoding="utf-8")
    return StarterSummary(
        folder=os.fspath(out),
        pieces=count,
        music_seconds=round(seconds, 1),
        notes=notes,
        by_feel=_counts(entry["feel"] for entry in entries),
        by_form=_counts(entry["form"] for entry in entries),
        by_key=_counts(entry["key"] for entry in entries),
    )


def piece_name(plan: Plan) -> str:
    """The name of a piece's files, without suffix: `0007-slow-in-f-sharp-minor`."""
    key = plan.key.name.removesuffix(" major").replace("#", "-sharp").replace(" ", "-").lower()
    return f"{plan.number + 1:04}-{plan.feel.name}-in-{key}"


def sidecar(plan: Plan) -> str:
    """The tags of a piece. Nothing that only one piece has: each value becomes a token."""
    sections = ", ".join(dict.fromkeys(section.name for section in plan.sections))
    return (
        f"feel: {plan.feel.name}\n"
        f"key: {plan.key.name}\n"
        f"form: {plan.form.name}\n"
        f"intensity: {plan.mood}\n"
        f"section: [{sections}]\n"
        f"licence: {LICENCE}\n"
    )


def _entry(plan: Plan, name: str, score: Score) -> dict[str, object]:
    """All that is known of a piece, for tests and whoever asks a model for more of it."""
    return {
        "file": f"{name}.mid",
        "title": plan.title,
        "feel": plan.feel.name,
        "key": plan.key.name,
        "form": plan.form.name,
        "intensity": plan.mood,
        "bpm": plan.bpm,
        "metre": "{}/{}".format(*plan.feel.metre),
        "seconds": round(score.duration_seconds, 2),
        "notes": len(score.notes),
        "players": [score.parts[part].name for part in np.unique(score.notes.part).tolist()],
        "sections": [
            {
                "name": section.name,
                "first_bar": section.first_bar,
                "bars": section.bars,
                "intensity": section.intensity,
                **({"soloist": section.soloist} if section.soloist else {}),
            }
            for section in plan.sections
        ],
        "chords": [" ".join(change.chord.name for change in bar.chords) for bar in plan.bars],
    }


def _counts(words: Iterator[object]) -> dict[str, int]:
    return dict(sorted(Counter(str(word) for word in words).items()))


def _check_folder(target: Path, out: str | os.PathLike[str], force: bool) -> None:
    """Refuse a folder with something in it, unless it is an earlier corpus and `force` is given."""
    if not os.path.lexists(target):
        return
    if not target.is_dir():
        raise CannotWrite(out, "a file has that name, and a folder is wanted")
    held = sorted(entry.name for entry in target.iterdir())
    if not held:
        return
    if not force:
        raise OutputExists(out)
    own = _own_names(target)
    foreign = next((name for name in held if name not in own), None)
    if foreign is not None:
        raise UsageError(
            f"{target / foreign} is none of the starter corpus's own files; "
            "move it away, or give the corpus a folder of its own"
        )


def _own_names(folder: Path) -> set[str]:
    """The files that an earlier run wrote, by its index; none where there is no such index."""
    try:
        index = json.loads((folder / INDEX).read_text(encoding="utf-8"))
        stems = [str(entry["file"]).removesuffix(".mid") for entry in index["pieces"]]
    except (OSError, ValueError, TypeError, KeyError):
        return set()
    return {INDEX, *(f"{stem}{suffix}" for stem in stems for suffix in (".mid", ".yaml"))}


@contextlib.contextmanager
def _folder_at_once(target: Path, out: str | os.PathLike[str]) -> Iterator[Path]:
    """A hidden folder that takes the place of `target` when the block ends well."""
    token = secrets.token_hex(4)
    place = target.with_name(f".{target.name}.{token}.part")
    former = target.with_name(f".{target.name}.{token}.former")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        place.mkdir()
        yield place
        if target.exists():
            os.replace(target, former)
        os.replace(place, target)
    except OSError as error:
        if former.exists() and not target.exists():
            os.replace(former, target)
        raise CannotWrite(out, error.strerror or str(error)) from error
    finally:
        shutil.rmtree(place, ignore_errors=True)
        shutil.rmtree(former, ignore_errors=True)
