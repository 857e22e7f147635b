"""Writing the tables of a dataset, and its checksums.

The same pieces in the same order give the same bytes. Knows nothing of where pieces come from.
"""

from __future__ import annotations

import csv
import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from ..music.lineup import Lineup
from .dataset_layout import (
    PIECES,
    SCHEMA_VERSION,
    Pieces,
    damaged,
    expected_files,
    file_checksum,
    lineup_to_dict,
)
from .watch import Watch


def write_pieces(folder: Path, pieces: Pieces) -> None:
    """Write `pieces.parquet`."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns = {
        f.name: pa.array(
            getattr(pieces, f.name),
            pa.string() if f.metadata["dtype"] is str else pa.from_numpy_dtype(f.metadata["dtype"]),
        )
        for f in fields(Pieces)
    }
    pq.write_table(pa.table(columns), folder / PIECES, compression="zstd")


def write_csv(path: Path, titles: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Write a table as CSV; names of files that are not Unicode keep their bytes."""
    with path.open("w", encoding="utf-8", errors="surrogateescape", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(titles)
        writer.writerows(rows)


def read_csv(folder: Path, name: str, titles: Sequence[str]) -> Iterator[list[str]]:
    """The rows that `write_csv` wrote. Raises `BadDataset` where the file is another."""
    try:
        with (folder / name).open(encoding="utf-8", errors="surrogateescape", newline="") as file:
            reader = csv.reader(file)
            if next(reader, []) != list(titles):
                raise ValueError(f"its first line is not {','.join(titles)}")
            for row in reader:
                if len(row) != len(titles):
                    raise ValueError(f"line {reader.line_num} has {len(row)} cells")
                yield row
    except (OSError, ValueError, csv.Error) as error:
        raise damaged(folder, name, error) from error


def content_hash(files: Mapping[str, tuple[int, str]], pieces: Pieces, lineup: Lineup) -> str:
    """What is in a dataset as one number: its format, lineup, columns and pieces.

    `files` are the fingerprints of its columns. The bytes of the Parquet file do not count: they
    depend on its writer.
    """
    whole = hashlib.sha256()

    def add(value: Any) -> None:
        whole.update(json.dumps(value, sort_keys=True).encode() + b"\n")

    add([SCHEMA_VERSION, lineup_to_dict(lineup)])
    for name in expected_files():
        add([name, files[name][1]])
    for f in fields(Pieces):
        values = getattr(pieces, f.name)
        add([f.name, list(values) if isinstance(values, tuple) else values.tolist()])
    return whole.hexdigest()


def fingerprints(folder: Path, watch: Watch) -> dict[str, tuple[int, str]]:
    """Size and SHA-256 of every file below a folder, by its name there."""
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    return {
        path.relative_to(folder).as_posix(): (path.stat().st_size, file_checksum(path))
        for path in watch(files, len(files), "checksumming")
    }


def force_to_disk(folder: Path) -> None:
    """See to it that everything below a folder is on the disk; a full one may show only here."""
    for path in folder.rglob("*"):
        if path.is_file():
            with path.open("rb+") as file:
                os.fsync(file.fileno())
