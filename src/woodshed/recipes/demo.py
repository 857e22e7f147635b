"""The demo: `learn` on a corpus that is composed first, with one piece for each feel.

Needs no network and no system package. Knows nothing of flags.
"""

from __future__ import annotations

import dataclasses
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..corpus.starter import StarterSummary, write_starter
from ..corpus.watch import Watch, unwatched
from ..errors import UsageError
from ..listening.sound_settings import SoundSettings
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


@dataclass(frozen=True, slots=True)
class Demo:
    """What the demo made: a corpus, and what was learnt from it."""

    composed: StarterSummary
    learnt: Learnt


def make_demo(
    out: str | os.PathLike[str],
    pieces: int = PIECES,
    bars: int | None = None,
    *,
    force: bool = False,
    watch: Watch = unwatched,
) -> Demo:
    """Make the demo in the folder `out`, or bring it up to date there; the same bytes each time.

    `pieces` is how many the corpus has, `bars` how long each new piece is where not as `FEELS` has
    it. Raises `UsageError` where the folder holds anything else,
    so that nobody's files are touched.
    """
    from .. import __version__

    place = Place(out, (CORPUS,))
    settings = LearnSettings(len(FEELS), bars)
    corpus = Path(place.out) / CORPUS
    asked = {
        "folder": os.path.abspath(corpus), "lineup": "band", "language": "events",
        "composed": pieces, **dataclasses.asdict(settings),
    }  # fmt: skip
    place.check(asked, force=force)
    _check_corpus(place.path / CORPUS)
    before, clock = place.state(), Clock()
    place.prepare()
    place.say(State(__version__, asked, before.files, {} if force else before.model))
    with Warming() as warming:
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
            wishes=[Wish(feel, {"feel": feel, "form": FORM}, bars) for feel, bars in FEELS],
            story=_story(composed),
            sound=SoundSettings(synth="builtin"),
            limits=None,
            force=force,
            watch=watch,
        )
    return Demo(composed, learnt)


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


def _story(composed: StarterSummary) -> Story:
    feels = ", ".join(f"{count:,} {feel}" for feel, count in composed.by_feel.items())
    return Story(
        "Blues by a model that learnt them",
        f"Woodshed composed {composed.pieces:,} blues from rules and a seed ({feels}; "
        f"{composed.notes:,} notes in {composed.music_seconds / 3600:.1f} hours), learnt them as "
        "it would learn a stranger's folder, and plays one new piece for each feel with the "
        "built-in synthesiser. No sample, no soundfont and no network was used.",
    )
