"""Good files that are no pieces beside the others, kept so that nobody must read them again.

One file of records, as in a journal, in the order of their paths. Knows nothing of why they are no
pieces.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from pathlib import Path

from ..errors import BadDataset
from ..formats.frames import DamagedFrame
from .dataset_layout import AGAIN, ASIDE
from .journal import read_record, record, skip_record
from .piece import Prepared, frame_of, prepared_from_frame


def write_aside(folder: Path, prepared: Iterable[Prepared]) -> None:
    """Write what became of some files, one after another."""
    with (folder / ASIDE).open("wb") as file:
        for each in prepared:
            file.write(record(frame_of(each)))


class Aside:
    """What `write_aside` wrote, in the same order."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._starts = array("q")
        with (folder / ASIDE).open("rb") as file:
            at = 0
            while skip_record(file):
                self._starts.append(at)
                at = file.tell()

    def read(self, number: int) -> Prepared:
        """Everything about one of them. Raises `BadDataset` where it is not what was written."""
        try:
            with (self.folder / ASIDE).open("rb") as file:
                file.seek(self._starts[number])
                frame = read_record(file)
            if frame is None:
                raise DamagedFrame("it ends too soon")
            return prepared_from_frame(frame)
        except (DamagedFrame, IndexError) as error:
            raise BadDataset(self.folder, f"{ASIDE} does not parse ({error}); {AGAIN}") from error
