"""The index of a whole model: every view of every shard in a few flat files, mapped into memory.

Built one view of one shard at a time, each appended to the files and noted, so that a stopped build
goes on where it was. Knows nothing of how counts become probabilities.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import BadModel
from ...music.compiled import kernel
from ..store import AGAIN, mapped
from .hearing import NONE
from .suffixes import view_suffixes
from .views import Tables

BEFORE, TARGETS, PIECES, STARTS = "before.i32", "targets.u16", "pieces.u32", "starts.i64"
DTYPES: Mapping[str, str] = {BEFORE: "<i4", TARGETS: "<u2", PIECES: "<u4", STARTS: "<i8"}
COLUMNS = tuple(DTYPES)
PROGRESS = "progress.json"
BYTES_AN_ENTRY = 20
"""What sorting takes at most, with the tokens, for each token of a shard."""


@dataclass(frozen=True, slots=True)
class Index:
    """All contexts of a corpus. `segments` (shards, views, 2) says where each lies, and how many.

    See `Suffixes` for the columns; `starts` is (shards, views, symbols + 1), `pieces`
    counts through all shards.
    """

    before: NDArray[np.int32]
    targets: NDArray[np.uint16]
    pieces: NDArray[np.uint32]
    segments: NDArray[np.int64]
    starts: NDArray[np.int64]

    def arrays(self) -> tuple[NDArray[Any], ...]:
        """What the loops want."""
        return self.before, self.targets, self.pieces, self.segments, self.starts


def open_index(
    path: str | os.PathLike[str], segments: NDArray[np.int64], tables: Tables, pieces: int
) -> Index:
    """The index of a model. Raises `BadModel` where loops would leave its arrays."""
    count = sum(segments[:, :, 1].reshape(-1).tolist())
    shape = (*segments.shape[:2], tables.symbols + 1)
    index = Index(
        mapped(path, BEFORE, DTYPES[BEFORE], (count,)),
        mapped(path, TARGETS, DTYPES[TARGETS], (count,)),
        mapped(path, PIECES, DTYPES[PIECES], (count,)),
        segments,
        mapped(path, STARTS, DTYPES[STARTS], shape),
    )
    if not _is_sound(index.arrays(), len(tables.vocabulary), pieces):
        raise BadModel(path, f"its index leads nowhere; {AGAIN}")
    return index


@kernel
def _is_sound(index: Any, tokens: int, most: int) -> bool:
    """Whether everything stays within its bounds, so that no loop leaves an array."""
    before, targets, pieces, segments, starts = index
    at = 0
    for shard in range(segments.shape[0]):
        for view in range(segments.shape[1]):
            first, count = segments[shard, view]
            if first != at or count < 0 or count > len(before) - at:
                return False
            at += count
            row = starts[shard, view]
            if row[0] != 0 or row[-1] != count:
                return False
            for n in range(len(row) - 1):
                if row[n] > row[n + 1]:
                    return False
            for n in range(first, first + count):
                if before[n] < -1 or before[n] >= count:
                    return False
    if at != len(before):
        return False
    for n in range(len(targets)):
        if (targets[n] >= tokens and targets[n] != NONE) or pieces[n] >= most:
            return False
    return True


@dataclass(frozen=True, slots=True)
class Shard:
    """Some pieces in the common key, one after another; `first` is the number of the first."""

    tokens: NDArray[np.uint16]
    offsets: NDArray[np.int64]
    first: int


class IndexBuild:
    """Appends views of shards to the files of an index in `folder`.

    `mark` says what goes in; what was built under another mark is cleared away.
    """

    def __init__(self, folder: Path, tables: Tables, mark: str) -> None:
        self.folder, self.tables, self.mark = folder, tables, mark
        self.lengths: list[int] = self._found()
        self._cut()

    def add(self, shard: Shard, number: int) -> Iterator[str]:
        """Sort the views of a shard that are not there yet, yielding their names when they are."""
        views = self.tables.views
        for row, view in enumerate(views):
            if number * len(views) + row >= len(self.lengths):
                suffixes = view_suffixes(shard.tokens, shard.offsets, self.tables, row)
                pieces = suffixes.pieces.astype("<u4") + np.uint32(shard.first)
                self._append(
                    {BEFORE: suffixes.before, TARGETS: suffixes.targets, PIECES: pieces,
                     STARTS: suffixes.starts}
                )  # fmt: skip
                self.lengths.append(len(suffixes.before))
                del suffixes, pieces
                self._note()
            yield view.name

    def segments(self) -> NDArray[np.int64]:
        """Where each view of each shard lies, and how many entries it has."""
        counts = np.array(self.lengths, np.int64)
        table = np.stack([np.cumsum(counts) - counts, counts], axis=1)
        return table.reshape(-1, len(self.tables.views), 2)

    def finish(self) -> None:
        """Nothing is to come: forget how far it was."""
        (self.folder / PROGRESS).unlink()

    def _append(self, columns: Mapping[str, NDArray[Any]]) -> None:
        for name, column in columns.items():
            with (self.folder / name).open("ab") as file:
                column.astype(DTYPES[name], copy=False).tofile(file)

    def _note(self) -> None:
        """Note how far it is, once it is on the disk."""
        for name in DTYPES:
            with (self.folder / name).open("rb") as file:
                os.fsync(file.fileno())
        text = json.dumps({"mark": self.mark, "lengths": self.lengths})
        temporary = self.folder / f"{PROGRESS}.part"
        temporary.write_text(text, encoding="utf-8")
        os.replace(temporary, self.folder / PROGRESS)

    def _found(self) -> list[int]:
        try:
            told = json.loads((self.folder / PROGRESS).read_bytes())
            lengths = [int(n) for n in told["lengths"]] if told["mark"] == self.mark else []
        except (OSError, ValueError, KeyError, TypeError):
            return []
        return lengths if all(n >= 0 for n in lengths) else []

    def _cut(self) -> None:
        """Cut the files to what is noted, and clear away everything else."""
        entries, views = sum(self.lengths), len(self.lengths)
        sizes = {name: entries * np.dtype(DTYPES[name]).itemsize for name in DTYPES}
        sizes[STARTS] = views * (self.tables.symbols + 1) * 8
        for path in self.folder.iterdir():
            if path.name not in (*sizes, PROGRESS):
                path.unlink()
        if any(_size(self.folder / name) < size for name, size in sizes.items()):
            self.lengths = []
            sizes = dict.fromkeys(sizes, 0)
        for name, size in sizes.items():
            with (self.folder / name).open("ab") as file:
                file.truncate(size)


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
