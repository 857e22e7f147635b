"""The demo: `learn` on a corpus that is composed first, with one piece for each feel and family.

Needs no network and no system package; the Transformer takes part where PyTorch is installed. Knows
nothing of flags.
"""

from __future__ import annotations

import dataclasses
import importlib.util
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..corpus.starter import StarterSummary, write_starter
from ..corpus.watch import Watch, unwatched
from ..errors import UsageError
from ..listening.sound_settings import SoundSettings
from ..models.neural.needed import COMMAND, load_problem
from ..training.progress import Report
from .learn import Clock, Learnt, finish
from .learn_page import Story
from .learn_place import Place, State
from .learn_play import Wish
from .learn_settings import LearnSettings
from .learn_warm import Warming

CORPUS, STARTER, DAMAGED = "corpus", "starter", "damaged"
PIECES, STARTER_SEED = 300, 1
FORM = "twelve"
FEELS = (("shuffle", 24), ("straight", 24), ("slow", 12), ("funk", 24))
"""The feels, and how many bars of each are played: one chorus or two of a twelve-bar blues."""

BROKEN = {
    "cut-in-the-middle.mid": b"MThd\x00\x00\x00\x06\x00\x01\x00\x01\x01\xe0MTrk\x00\x00\x10\x00"
    b"\x00\x90\x3c\x40\x60\x80\x3c",
    "not-music.mid": b"<html><body>404: the download failed</body></html>\n",
}
"""Two files as they lie about in real folders, so that one sees what becomes of them."""

STEPS = 260
TRAINING: Mapping[str, Any] = {
    "context": 256,
    "batch": 8,
    "transpose": "none",
    "warm_up": 20,
    "coherence_weight": 1.0,
    "repetition_weight": 1.0,
    "grammar_ramp_steps": 100,
    "grammar_every_row": 8,
    "validate_every": 10**9,
    "validation_tokens": 20_000,
    "monitor_tokens": 128,
}
"""How the Transformer of the demo learns; it ends by its steps, or the bytes were others each time.

The blues are in all keys, so they need no transposing. It is validated and heard once, at the end.

So many steps come to 6.06 bits for each note and a grammar score of 0.53. Measured with 450 of them
on 300 blues: 71 seconds of one processor with loading PyTorch, 5.43 bits for each note, a grammar
score of 0.72. Coherence and repetition weighing 5 and 3, as is usual, come to the same bits and a
score of 0.59. Without echoes, in about as long: 6.52 bits; then batches of 4, 800 of them,
come to 6.66, half the learning rate to 6.64, twice that to 6.94, a context of 128 to 6.43, but to a
lower score.
"""

NETWORK = "transformer"
"""The family that learns beside the n-gram."""
LEFT_OUT = (
    f"The Transformer was left out, as it needs PyTorch and safetensors; `{COMMAND}` brings both, "
    "and the demo called again adds what it plays."
)
BROKEN_HERE = (
    "The Transformer was left out, because PyTorch and safetensors are here, but cannot be loaded "
    "({problem}); install them anew, and the demo called again adds what it plays."
)


@dataclass(frozen=True, slots=True)
class Demo:
    """What the demo made: a corpus, and what was learnt from it.

    `hint` says what was left out and how to get it; it is empty where nothing was.
    """

    composed: StarterSummary
    learnt: Learnt
    hint: str


def make_demo(
    out: str | os.PathLike[str],
    pieces: int = PIECES,
    bars: int | None = None,
    steps: int = STEPS,
    *,
    force: bool = False,
    report: Report | None = None,
    watch: Watch = unwatched,
) -> Demo:
    """Make the demo in the folder `out`, or bring it up to date there; the same bytes each time.

    `pieces` is how many the corpus has, `bars` how long each new piece is where not as `FEELS` has
    it, and `steps` how long the Transformer learns, where it can; `report` is told how that goes.
    Raises `UsageError` where the folder holds anything else, so that nobody's files are touched.
    """
    from .. import __version__

    place = Place(out, (CORPUS,))
    settings = LearnSettings(len(FEELS), bars)
    corpus = Path(place.out) / CORPUS
    asked = {
        "folder": os.path.abspath(corpus), "lineup": "band", "language": "events",
        "composed": pieces, "pieces": settings.pieces, "bars": bars, "seed": settings.seed,
        "steps": steps,
    }  # fmt: skip
    place.check(asked, force=force)
    _check_corpus(place.path / CORPUS)
    before, clock = place.state(), Clock()
    place.prepare()
    place.say(State(__version__, asked, before.files, {} if force else before.models))
    with Warming() as warming:
        families, hint = families_here()  # beside what is compiled, as loading takes time
        settings = dataclasses.replace(settings, families=",".join(families))
        with clock.phase("compose"):
            is_there = before.woodshed == __version__ and before.asked == asked and not force
            known = _composed_before(corpus, pieces) if is_there else None
            composed = known or _compose(corpus, pieces, watch)
        learnt = finish(
            corpus,
            place,
            asked,
            settings,
            warming,
            clock,
            training={**TRAINING, "steps": steps},
            wishes=[Wish(feel, {"feel": feel, "form": FORM}, bars) for feel, bars in FEELS],
            story=_story(composed, families, hint),
            sound=SoundSettings(synth="builtin"),
            limits=None,
            force=force,
            report=report,
            watch=watch,
        )
    return Demo(composed, learnt, hint)


def families_here() -> tuple[tuple[str, ...], str]:
    """The families that can learn here, and a sentence on what was left out; loads PyTorch."""
    problem = load_problem()
    if problem is None:
        return ("ngram", NETWORK), ""
    there = all(importlib.util.find_spec(name) is not None for name in ("torch", "safetensors"))
    return ("ngram",), BROKEN_HERE.format(problem=problem) if there else LEFT_OUT


def _compose(corpus: Path, pieces: int, watch: Watch) -> StarterSummary:
    corpus.mkdir(exist_ok=True)
    composed = write_starter(corpus / STARTER, pieces, STARTER_SEED, force=True, watch=watch)
    (corpus / DAMAGED).mkdir(exist_ok=True)
    for name, data in BROKEN.items():
        (corpus / DAMAGED / name).write_bytes(data)
    return composed


def _composed_before(corpus: Path, pieces: int) -> StarterSummary | None:
    """What an earlier run composed; None where it is not there, or not whole."""
    try:
        text = (corpus / STARTER / "starter.json").read_text(encoding="utf-8")
        entries: list[dict[str, Any]] = json.loads(text)["pieces"]
        files = [corpus / STARTER / entry["file"] for entry in entries]
        files += [corpus / DAMAGED / name for name in BROKEN]
        if len(entries) != pieces or not all(file.is_file() for file in files):
            return None
        seconds = sum(float(entry["seconds"]) for entry in entries)
        notes = sum(int(entry["notes"]) for entry in entries)
        kinds = [_count([str(entry[kind]) for entry in entries]) for kind in KINDS]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    place = os.fspath(corpus / STARTER)
    return StarterSummary(place, pieces, round(seconds, 1), notes, *kinds)


KINDS = ("feel", "form", "key")


def _count(words: list[str]) -> dict[str, int]:
    return {word: words.count(word) for word in sorted(set(words))}


def _check_corpus(corpus: Path) -> None:
    """Refuse a corpus with what is not the demo's; `write_starter` looks into its own folder."""
    for folder, own in ((corpus, {STARTER, DAMAGED}), (corpus / DAMAGED, set(BROKEN))):
        for path in sorted(folder.iterdir()) if folder.is_dir() else ():
            if path.name not in own and not path.name.startswith("."):
                raise UsageError(
                    f"{path} is none of the demo's own files; give the demo a folder of its own"
                )


def _story(composed: StarterSummary, families: Sequence[str], hint: str) -> Story:
    feels = ", ".join(f"{count:,} {feel}" for feel, count in composed.by_feel.items())
    plays = (
        "learnt them as it would learn a stranger's folder, and plays"
        if len(families) == 1
        else "let two families of models learn them as they would learn a stranger's folder, and "
        "each plays"
    )
    return Story(
        "Blues by a model that learnt them"
        if len(families) == 1
        else "Blues by models that learnt them",
        f"Woodshed composed {composed.pieces:,} blues from rules and a seed ({feels}; "
        f"{composed.notes:,} notes in {composed.music_seconds / 3600:.1f} hours), {plays} "
        "one new piece for each feel with the built-in synthesiser. No sample, no soundfont and no "
        "network was used.",
        hint,
    )
