"""Building a dataset from what became of each file: which are pieces, in which split, on disk.

Copies are left out, near-duplicates kept in one split, official splits honoured. The same files and
settings give the same bytes. Knows nothing of how files are read.
"""

from __future__ import annotations

import dataclasses
import sys
from array import array
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import BadFolder
from ..formats.limits import Limits
from ..music.lineup import Lineup
from .aside import write_aside
from .dataset_layout import (
    FILES,
    INFO,
    REJECTED,
    Info,
    Pieces,
    tags_to_json,
)
from .dataset_write import (
    content_hash,
    fingerprints,
    write_csv,
    write_pieces,
)
from .duplicates import group_duplicates
from .flat_columns import ColumnsWriter, FlatColumns
from .gather import COPY, FILE_COLUMNS, FORGET_PIECES, LEAK, UNLISTED, Earlier
from .journal import Entry, Journal, Stamp
from .passages import PassagePrints
from .piece import Facts, LeftOut, Prepared
from .quality_settings import QualitySettings
from .splits import (
    SPLITS,
    OfficialSplits,
    Split,
    drop_leaks,
    split_by_group,
)
from .summary import (
    MEASURED,
    NO_LICENCE,
    SplitCount,
    Summary,
    count_kinds,
    count_slots,
    quantiles,
)
from .tags import FolderTags
from .texts import counted, unicode_name
from .watch import Watch
from .workspace import Workspace

REJECTED_COLUMNS = ("path", "left_out_by", "because")


@dataclass(frozen=True, slots=True)
class Order:
    """What was asked for, and what is in the folder."""

    root: Path
    lineup: Lineup
    recipe: Mapping[str, Any]
    state: Mapping[str, Any]
    stamps: Mapping[str, Stamp]
    tags: FolderTags
    quality: QualitySettings
    shares: tuple[float, float, float]
    official: OfficialSplits | None
    licence: str | None
    limits: Limits
    watch: Watch
    warnings: tuple[str, ...]


def build(
    order: Order,
    entries: Sequence[Entry],
    journal: Journal,
    earlier: Earlier | None,
    workspace: Workspace,
) -> Path:
    """Write the whole dataset into the workspace; where it lies there.

    Raises `BadFolder` where no file became a piece.
    """
    left_out = {entry.path: entry.left_out for entry in entries if entry.left_out}
    pieces = _without_copies(_listed(entries, order.official, left_out), order, left_out)
    if not pieces:
        workspace.forget()
        raise _nothing_left(order, left_out)
    place = workspace.fresh("candidates")
    read = _reader(journal, earlier)
    facts = _write_columns(place, pieces, read, order.watch)
    groups: NDArray[np.integer] = group_duplicates(_StoredPrints(FlatColumns(place), order.watch))
    if order.official is None:
        splits = split_by_group(groups, [entry.checksum for entry in pieces], order.shares)
    else:
        splits = [order.official.splits[entry.path] for entry in pieces]
        leaks = set(drop_leaks(groups, splits))
        for leak in leaks:
            twin = next(n for n in np.flatnonzero(groups == groups[leak]) if splits[n] != "train")
            because = f"its music is in {pieces[twin].path}, which is {splits[twin]}"
            left_out[pieces[leak].path] = LeftOut(LEAK, because)
        if leaks:
            kept = [n for n in range(len(pieces)) if n not in leaks]
            pieces, splits = [pieces[n] for n in kept], [splits[n] for n in kept]
            _, groups = np.unique(groups[kept], return_inverse=True)
            place = workspace.fresh("kept")
            facts = _write_columns(place, pieces, read, order.watch)
    table = _pieces_table(order, pieces, facts, splits, groups)
    aside = (e for e in entries if (out := left_out.get(e.path)) and out.kind in (LEAK, UNLISTED))
    write_aside(place, (read(entry) for entry in aside))
    _write_rest(place, order, entries, left_out, table)
    return place


def _reader(journal: Journal, earlier: Earlier | None) -> Callable[[Entry], Prepared]:
    """A function that fetches everything about a good file from where it is."""

    def read(entry: Entry) -> Prepared:
        if not entry.is_earlier:
            return journal.read(entry)
        assert earlier is not None
        return earlier.read(entry)

    return read


def _listed(
    entries: Sequence[Entry], official: OfficialSplits | None, left_out: dict[str, LeftOut]
) -> list[Entry]:
    """The files that may be pieces; those that official splits do not name go to `left_out`."""
    listed = []
    for entry in entries:
        if entry.left_out is not None:
            continue
        if official is None or entry.path in official.splits:
            listed.append(entry)
        else:
            because = f"{Path(official.source).name} does not name it"
            left_out[entry.path] = LeftOut(UNLISTED, because)
    return listed


def _without_copies(
    candidates: list[Entry], order: Order, left_out: dict[str, LeftOut]
) -> list[Entry]:
    """The first of the files that have the same bytes; the others go to `left_out`.

    With official splits a held-out file comes before one to train on, and a file before a link.
    """

    def rank(entry: Entry) -> tuple[int, bool, str]:
        split = 0 if order.official is None else SPLITS.index(order.official.splits[entry.path])
        return -split, (order.root / entry.path).is_symlink(), entry.path

    first: dict[str, Entry] = {}
    for entry in candidates:
        known = first.setdefault(entry.checksum, entry)
        if known is not entry:
            first[entry.checksum] = min(known, entry, key=rank)
    for entry in candidates:
        known = first[entry.checksum]
        if known is not entry:
            left_out[entry.path] = LeftOut(COPY, f"it has the same bytes as {known.path}")
    return [entry for entry in candidates if entry.path not in left_out]


class _FactColumns:
    """The facts of many pieces, column by column: in a tenth of the memory that objects take."""

    def __init__(self) -> None:
        self.columns: dict[str, Any] = {}
        kinds = {np.dtype(np.int32): "i", np.dtype(np.float64): "d", np.dtype(np.bool_): "b"}
        known = {field.name for field in dataclasses.fields(Facts)}
        for field in dataclasses.fields(Pieces):
            dtype = field.metadata["dtype"]
            if field.name in known:
                self.columns[field.name] = [] if dtype is str else array(kinds[np.dtype(dtype)])

    def add(self, facts: Facts) -> None:
        for name, column in self.columns.items():
            value = getattr(facts, name)
            column.append(sys.intern(value) if isinstance(value, str) else value)


def _write_columns(
    place: Path, pieces: Sequence[Entry], read: Callable[[Entry], Prepared], watch: Watch
) -> _FactColumns:
    facts = _FactColumns()
    with ColumnsWriter(place) as writer:
        for entry in watch(pieces, len(pieces), "writing"):
            prepared = read(entry)
            assert prepared.facts is not None
            writer.add(prepared.arrays)
            facts.add(prepared.facts)
    return facts


class _StoredPrints(Sequence[PassagePrints]):
    """The passages of all pieces, left on disk until each is asked for."""

    def __init__(self, columns: FlatColumns, watch: Watch) -> None:
        self.columns, self.watch = columns, watch
        # Pieces are asked for again and again while they are compared; these take some 5 MB.
        self._of = lru_cache(maxsize=1024)(self._read)
        self._reads = 0

    def __len__(self) -> int:
        return len(self.columns)

    def __iter__(self) -> Iterator[PassagePrints]:
        return self.watch(map(self._read, range(len(self))), len(self), "comparing")

    def __getitem__(self, piece: Any) -> Any:
        if isinstance(piece, slice):
            return [self[n] for n in range(*piece.indices(len(self)))]
        return self._of(piece)

    def _read(self, piece: int) -> PassagePrints:
        self._reads += 1
        if self._reads % FORGET_PIECES == 0:
            self.columns.forget()
        columns = self.columns.table("passages", piece)
        return PassagePrints(*(np.array(values) for values in columns.values()))


def _pieces_table(
    order: Order,
    pieces: Sequence[Entry],
    facts: _FactColumns,
    splits: Sequence[Split],
    groups: NDArray[np.integer],
) -> Pieces:
    told: dict[str, Any] = {
        "path": tuple(unicode_name(entry.path) for entry in pieces),
        "checksum": tuple(entry.checksum for entry in pieces),
        "split": tuple(splits),
        "duplicate_group": groups,
        "licence": tuple(order.tags.licence(e.path) or order.licence or "" for e in pieces),
        "tags": tuple(tags_to_json(order.tags.of(entry.path)) for entry in pieces),
    }
    columns: dict[str, Any] = {}
    for field in dataclasses.fields(Pieces):
        values = told[field.name] if field.name in told else facts.columns[field.name]
        dtype = field.metadata["dtype"]
        columns[field.name] = tuple(values) if dtype is str else np.array(values, dtype)
    return Pieces(**columns)


def _write_rest(
    place: Path,
    order: Order,
    entries: Sequence[Entry],
    left_out: Mapping[str, LeftOut],
    pieces: Pieces,
) -> None:
    """Everything but the columns; `dataset.json` last."""
    write_pieces(place, pieces)
    rejected = [(path, *dataclasses.astuple(left_out[path])) for path in sorted(left_out)]
    write_csv(place / REJECTED, REJECTED_COLUMNS, rejected)
    write_csv(place / FILES, FILE_COLUMNS, (_file_row(e, left_out.get(e.path)) for e in entries))
    files = fingerprints(place, order.watch)
    info = Info(
        content_hash=content_hash(files, pieces, order.lineup),
        folder=str(order.root),
        lineup=order.lineup,
        recipe=order.recipe,
        state=order.state,
        summary=_summary(FlatColumns(place), order, len(entries), left_out, pieces),
        limits=_limits(pieces),
        files=files,
    )
    (place / INFO).write_text(info.to_json(), encoding="utf-8")


def _limits(pieces: Pieces) -> dict[str, Any]:
    """How the pieces to train on spread, measure by measure."""
    train = np.array(pieces.split) == "train"
    spreads = [quantiles(measure, getattr(pieces, measure)[train]) for measure in MEASURED]
    return {spread.measure: dataclasses.asdict(spread) for spread in spreads}


def _file_row(entry: Entry, left_out: LeftOut | None) -> tuple[Any, ...]:
    why = ("", "") if left_out is None else (left_out.kind, left_out.because)
    return (entry.path, entry.stamp.size_bytes, entry.stamp.modified_ns, entry.checksum, *why)


def _summary(
    columns: FlatColumns,
    order: Order,
    files: int,
    left_out: Mapping[str, LeftOut],
    pieces: Pieces,
) -> Summary:
    split = np.array(pieces.split)
    _, group, sizes = np.unique(pieces.duplicate_group, return_inverse=True, return_counts=True)
    return Summary(
        files=files,
        pieces=len(pieces),
        bars=int(pieces.bars.sum(dtype=np.int64)),
        notes=int(pieces.notes.sum(dtype=np.int64)),
        notes_left_out=int(pieces.notes_left_out.sum(dtype=np.int64)),
        duration_seconds=round(float(pieces.duration_seconds.sum()), 3),
        left_out=count_kinds(each.kind for each in left_out.values()),
        near_duplicates=int(sizes[sizes > 1].sum()),
        near_duplicate_groups=int((sizes > 1).sum()),
        tagged=sum(tags != "{}" for tags in pieces.tags),
        with_chords=int(np.count_nonzero(np.diff(columns.rows_of("chords")))),
        repaired=int((pieces.repairs > 0).sum()),
        splits=tuple(
            SplitCount(
                name,
                int((rows := split == name).sum()),
                len(np.unique(group[rows])),
                int(pieces.bars[rows].sum(dtype=np.int64)),
                int(pieces.notes[rows].sum(dtype=np.int64)),
            )
            for name in SPLITS
        ),
        slots=count_slots(
            order.lineup,
            columns.column("parts", "slot"),
            columns.column("parts", "slot_by_name"),
            columns.column("parts", "notes"),
            int(pieces.notes_left_out.sum(dtype=np.int64)),
        ),
        licences=count_kinds(licence or NO_LICENCE for licence in pieces.licence),
    )


def _nothing_left(order: Order, left_out: Mapping[str, LeftOut]) -> BadFolder:
    reasons = count_kinds(each.because for each in left_out.values())
    told = "; ".join(f"{reason.kind} ({reason.count})" for reason in reasons[:3])
    files = counted(len(left_out), "MIDI file")
    return BadFolder(f"of {files} in {order.root} none became a piece: {told}")
