"""What became of each file of a folder by itself: known from before, or found out now.

Before means an earlier, killed run (its journal) or the dataset that is being brought up to date.
Files are known by path, size and time of change, or failing that by their bytes. Knows nothing of
what pieces have to do with one another.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from ..errors import BadDataset
from ..formats.contain import Outcome, Task, contained
from ..formats.limits import Limits
from .aside import Aside
from .dataset import Dataset
from .dataset_layout import AGAIN, FILES, TABLES, damaged, file_checksum
from .dataset_write import read_csv
from .journal import Entry, Journal, Stamp
from .piece import UNREADABLE, Facts, LeftOut, Prepared
from .watch import Watch

COPY, LEAK, UNLISTED = "copy", "leak", "unlisted"
"""Why a good file becomes no piece: its bytes are there already, or its music is held out, or the
official splits do not name it."""

FILE_COLUMNS = ("path", "size_bytes", "modified_ns", "checksum", "left_out_by", "because")

FORGET_PIECES = 512
"""After so many pieces the maps of a dataset are let go, or all of it would end up in memory."""


class Earlier:
    """The dataset of an earlier run, as a source of what became of each file by itself.

    The pieces are numbered as in the dataset; those that were set aside follow.
    """

    def __init__(self, dataset: Dataset) -> None:
        self.dataset = dataset
        self.entries: dict[str, Entry] = {}
        self._aside: Aside | None = None
        copies: list[Entry] = []
        first: dict[str, Entry] = {}
        piece, aside = 0, len(dataset)
        for path, size, modified, checksum, kind, because in read_csv(
            dataset.path, FILES, FILE_COLUMNS
        ):
            left_out, at = None, -1
            if kind in (LEAK, UNLISTED):
                at, aside = aside, aside + 1
            elif not kind:
                at, piece = piece, piece + 1
            else:
                left_out = LeftOut(kind, because)
            try:
                stamp = Stamp(int(size), int(modified))
            except ValueError as error:
                raise damaged(dataset.path, FILES, error) from error
            entry = Entry(path, stamp, checksum, left_out, at, is_earlier=True)
            self.entries[path] = entry
            if kind == COPY:
                copies.append(entry)
            elif left_out is None:
                first.setdefault(checksum, entry)
        if piece != len(dataset):
            reason = f"{FILES} names {piece:,} pieces of {len(dataset):,}; {AGAIN}"
            raise BadDataset(dataset.path, reason)
        for copy in copies:  # which by itself is what the other is
            other = first.get(copy.checksum)
            if other is None:
                reason = f"{FILES} names {copy.path} as the copy of nothing; {AGAIN}"
                raise BadDataset(dataset.path, reason)
            known = dataclasses.replace(other, path=copy.path, stamp=copy.stamp)
            self.entries[copy.path] = known

    def read(self, entry: Entry) -> Prepared:
        """Everything about one piece, or one that was set aside."""
        if entry.at >= len(self.dataset):
            self._aside = self._aside or Aside(self.dataset.path)
            return self._aside.read(entry.at - len(self.dataset))
        if entry.at % FORGET_PIECES == 0:
            self.dataset.columns.forget()
        facts: dict[str, Any] = {}
        for name, column in self._facts.items():
            value = column[entry.at]
            facts[name] = value if isinstance(value, str) else value.item()
        arrays = {
            f"{table}.{name}": values
            for table in TABLES
            for name, values in self.dataset.columns.table(table, entry.at).items()
        }
        return Prepared(entry.checksum, Facts(**facts), arrays=arrays)

    @cached_property
    def _facts(self) -> dict[str, Any]:
        return self.dataset.piece_columns([field.name for field in dataclasses.fields(Facts)])

    def is_unchanged(self, root: Path, stamps: Mapping[str, Stamp]) -> bool:
        """Whether these are the files it was made from, and none can be opened only now."""
        if len(stamps) != len(self.entries):
            return False
        for path, stamp in stamps.items():
            entry = self.entries.get(path)
            if entry is None or entry.stamp != stamp:
                return False
            if not entry.checksum and _checksum(root / path):
                return False
        return True


@dataclass(frozen=True, slots=True)
class Gathered:
    """What became of every file, by rising path, and how many of them were read for it now."""

    entries: tuple[Entry, ...]
    read_now: int


def gather(
    root: Path,
    stamps: Mapping[str, Stamp],
    task: Task[Prepared],
    journal: Journal,
    earlier: Earlier | None,
    limits: Limits,
    watch: Watch,
) -> Gathered:
    """Find out what became of each file, reading only those that nothing is known of.

    What is found out goes into the journal file by file.
    """
    entries: dict[str, Entry] = {}
    unknown: list[str] = []
    recall = _recall(root, journal, earlier)
    for path, stamp in stamps.items():
        entry = recall(path, stamp)
        if entry is None:
            unknown.append(path)
        else:
            entries[path] = entry
    outcomes = contained(task, [str(root / path) for path in unknown], limits)
    watched = watch(outcomes, len(unknown), "reading")
    for path, outcome in zip(unknown, watched, strict=True):
        prepared = _prepared(outcome)
        entries[path] = journal.add(path, stamps[path], prepared)
    return Gathered(tuple(entries[path] for path in stamps), len(unknown))


def _prepared(outcome: Outcome[Prepared]) -> Prepared:
    if outcome.bad is None:
        return outcome.unwrap()
    because = LeftOut(UNREADABLE, outcome.bad.reason)
    return Prepared(_checksum(Path(outcome.path)), left_out=because)


def _checksum(path: Path) -> str:
    """SHA-256 of a file; empty where it cannot be opened, so that there is nothing to know it by.

    Pipes and devices, which could keep us waiting for ever, are not opened.
    """
    try:
        return file_checksum(path) if path.is_file() else ""
    except (OSError, ValueError):
        return ""


def _recall(
    root: Path, journal: Journal, earlier: Earlier | None
) -> Callable[[str, Stamp], Entry | None]:
    """A function that says what is known of a file; None where it must be read."""
    sources = [journal.entries, earlier.entries if earlier else {}]
    by_checksum: dict[str, Entry] = {}
    sizes: set[int] = set()
    for entries in reversed(sources):  # the journal is newer
        for entry in entries.values():
            if entry.checksum:
                by_checksum[entry.checksum] = entry
                sizes.add(entry.stamp.size_bytes)

    def recall(path: str, stamp: Stamp) -> Entry | None:
        for entries in sources:
            entry = entries.get(path)
            if entry is not None and entry.checksum and entry.stamp == stamp:
                return entry
        checksum = _checksum(root / path) if stamp.size_bytes in sizes else ""
        entry = by_checksum.get(checksum)
        return None if entry is None else dataclasses.replace(entry, path=path, stamp=stamp)

    return recall
