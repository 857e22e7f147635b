"""Which files of a folder are music, by their names. Reading them is another room's business."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from ..errors import BadFolder, UsageError

MIDI_SUFFIXES = (".mid", ".midi", ".kar", ".rmi", ".smf", ".midi2")
"""MIDI 2.0 clips cannot be read yet; they are found so that they are listed with that reason."""


@dataclass(frozen=True, slots=True)
class Listing:
    """The MIDI files below a folder, sorted by path, and the folders that could not be opened."""

    folder: str
    paths: tuple[str, ...]
    unreadable: tuple[str, ...] = ()


def list_midi(folder: str | os.PathLike[str]) -> Listing:
    """Find every MIDI file below `folder`, in an order that depends on nothing but the names.

    Hidden files and folders are passed over, links to folders not followed. Raises `BadFolder`
    where there is no folder, it is a file, or it has no MIDI files in it.
    """
    root = os.fspath(folder)
    if not os.path.lexists(root):
        raise BadFolder(f"there is no folder {root}; check the spelling")
    if not os.path.isdir(root):
        raise UsageError(
            f"{root} is a file, and a folder is wanted here; give the folder it lies in"
        )
    unreadable: list[str] = []
    found: list[str] = []
    for place, folders, files in os.walk(
        root, onerror=lambda e: unreadable.append(str(e.filename))
    ):
        folders[:] = sorted(f for f in folders if not f.startswith((".", "__MACOSX")))
        found += [
            os.path.join(place, name)
            for name in files
            if not name.startswith(".") and Path(name).suffix.lower() in MIDI_SUFFIXES
        ]
    if not found:
        reason = (
            f"{len(unreadable)} of its folders cannot be opened" if unreadable else "it has none"
        )
        raise BadFolder(
            f"no MIDI files in {root}: {reason}; Woodshed looks for {', '.join(MIDI_SUFFIXES)}"
        )
    return Listing(root, tuple(sorted(found)), tuple(unreadable))
