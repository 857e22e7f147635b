"""The demo: compose a corpus, read it as a stranger's, play two pieces, and show all on a page.

Needs no network and no system package. Knows nothing of flags.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..corpus.starter import StarterSummary, write_starter
from ..corpus.survey import Totals, survey
from ..corpus.watch import Watch, unwatched
from ..errors import UsageError
from ..formats.files import write_whole
from ..formats.midi_contained import read_contained
from ..listening.render import Rendering, render
from ..listening.sound_settings import SoundSettings
from ..music.lineup import load_lineup
from .demo_page import DemoPiece, demo_page

PAGE, MUSIC, SOUND, DAMAGED = "index.html", "music", "sound", "damaged"
PIECES = 300
HEARD = (("shuffle", "major"), ("slow", "minor"))
"""Of which feel and mode the pieces are that one can hear."""

BROKEN = {
    "cut-in-the-middle.mid": b"MThd\x00\x00\x00\x06\x00\x01\x00\x01\x01\xe0MTrk\x00\x00\x10\x00"
    b"\x00\x90\x3c\x40\x60\x80\x3c",
    "not-music.mid": b"<html><body>404: the download failed</body></html>\n",
}
"""Two files as they lie about in real folders, so that one sees what becomes of them."""


@dataclass(frozen=True, slots=True)
class Demo:
    """What the demo made: the page, the folder of music, and what was found.

    `totals` also count the damaged files.
    """

    page: str
    music: str
    composed: StarterSummary
    totals: Totals
    heard: tuple[Rendering, ...]


def make_demo(out: str | os.PathLike[str], pieces: int = PIECES, watch: Watch = unwatched) -> Demo:
    """Make the demo in the folder `out`, or make it anew there; the same bytes each time.

    Raises `UsageError` where the folder holds anything else, so that nobody's files are touched.
    """
    place = Path(out)
    _check_folder(place)
    with _tidied(place):
        return _make(place, pieces, watch)


@contextlib.contextmanager
def _tidied(place: Path) -> Iterator[None]:
    """Where there was no demo before, leave nothing of one that was stopped or failed."""
    is_new = not place.exists() or not any(place.iterdir())
    made = [folder for folder in (place, *place.parents) if not folder.exists()]
    try:
        yield
    except BaseException:
        if is_new:
            for name in (MUSIC, SOUND, DAMAGED):
                shutil.rmtree(place / name, ignore_errors=True)
            with contextlib.suppress(OSError):
                (place / PAGE).unlink(missing_ok=True)
            for folder in made:
                with contextlib.suppress(OSError):  # somebody else's file lies there
                    folder.rmdir()
        raise


def _make(place: Path, pieces: int, watch: Watch) -> Demo:
    music, sound, broken = place / MUSIC, place / SOUND, place / DAMAGED
    composed = write_starter(music, pieces, force=True, watch=watch)
    broken.mkdir(exist_ok=True)
    for name, data in BROKEN.items():
        (broken / name).write_bytes(data)
    totals = Totals(load_lineup("band"))
    for outcome in survey(place):
        totals.add(outcome)
    entries = json.loads((music / "starter.json").read_text(encoding="utf-8"))["pieces"]
    sound.mkdir(exist_ok=True)
    shown, heard = [], []
    chosen = list(_chosen(entries))
    for entry in watch(chosen, len(chosen), "pieces played"):
        file = music / entry["file"]
        target = sound / f"{file.stem}{_ending()}"
        heard.append(render(file, target, sound=SoundSettings(synth="builtin"), force=True))
        shown.append(
            DemoPiece(
                entry["title"],
                f"{entry['feel']} feel, {entry['form']} form, {entry['key']}, {entry['bpm']} BPM",
                read_contained(file),
                f"{SOUND}/{target.name}",
                f"{MUSIC}/{file.name}",
            )
        )
    write_whole(place / PAGE, _page(composed, shown).encode(), force=True)
    return Demo(str(place / PAGE), str(music), composed, totals, tuple(heard))


def _check_folder(place: Path) -> None:
    """Refuse a folder that holds what is not the demo's; `write_starter` looks into its own."""
    own = {PAGE, MUSIC, SOUND, DAMAGED}
    held = sorted(p.name for p in place.iterdir()) if place.is_dir() else []
    foreign = [place / name for name in held if name not in own]
    if place.exists() and not place.is_dir():
        foreign = [place]
    for folder, names in ((place / DAMAGED, set(BROKEN)), (place / SOUND, None)):
        for path in sorted(folder.iterdir()) if folder.is_dir() else ():
            if path.name not in names if names is not None else path.suffix != _ending():
                foreign.append(path)
    if foreign:
        raise UsageError(
            f"{foreign[0]} is none of the demo's own files; give the demo a folder of its own"
        )


def _chosen(entries: Sequence[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    """For each kind to be heard the piece with most players, or any where there is none."""
    for feel, mode in HEARD:
        of_kind = [e for e in entries if e["feel"] == feel and e["key"].endswith(mode)]
        yield max(of_kind or entries, key=lambda entry: len(entry["players"]))


def _ending() -> str:
    """MP3, which every browser plays, or WAV where this libsndfile cannot write it."""
    import soundfile

    return ".mp3" if "MP3" in soundfile.available_formats() else ".wav"


def _page(composed: StarterSummary, shown: Sequence[DemoPiece]) -> str:
    told = (
        f"{composed.pieces:,} blues, {composed.music_seconds / 3600:.1f} hours and "
        f"{composed.notes:,} notes, composed from rules and a seed and played by the built-in "
        "synthesiser. No sample, no soundfont and no network was used. Click into a roll to play "
        "from there."
    )
    counts = {
        "feel": list(composed.by_feel.items()),
        "form": list(composed.by_form.items()),
        "key": list(composed.by_key.items()),
    }
    return demo_page(shown, told, counts)
