"""A dataset opened for reading: the notes of many pieces, as scores or as flat columns.

Columns are mapped into memory, not loaded, so a dataset of a hundred thousand pieces opens at once.
Nothing in it is code: JSON, Parquet, CSV and plain arrays, each checked before it is believed.
docs/dataset.md describes every file. Knows nothing of how a dataset is made, nor of tokens.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import fields
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from ..errors import BadDataset, BadMusic
from ..music.chords import ChordMap
from ..music.lineup import Lineup
from ..music.notes import Controls, Notes
from ..music.score import Part, Score
from ..music.time import KeyMap, MetreMap, TempoMap
from .dataset_layout import (
    AGAIN,
    ASIDE,
    FILES,
    INFO,
    PIECES,
    REJECTED,
    Info,
    Pieces,
    damaged,
    expected_files,
    file_checksum,
    read_info,
    tags_from_json,
)
from .flat_columns import FlatColumns
from .passages import PassagePrints
from .splits import Split
from .tags import Tags
from .workspace import recover


class Dataset:
    """A dataset opened for reading. Pieces are counted from 0, in the order of their paths."""

    def __init__(self, path: Path, info: Info) -> None:
        self.path, self.info = path, info
        self.columns = FlatColumns(path)

    @classmethod
    def open(cls, path: str | os.PathLike[str], *, verify: bool = False) -> Self:
        """Open the dataset at `path`, checking that every file is there at its full size.

        `verify` reads every byte and compares checksums. Raises `BadDataset` with what does not
        fit.
        """
        place = Path(path)
        recover(Path(os.path.realpath(path)))
        dataset = cls(place, read_info(place))
        for name, (size, _) in dataset.info.files.items():
            file = place / name
            if not file.is_file():
                raise BadDataset(place, f"{name} is missing; {AGAIN}")
            found = file.stat().st_size
            if found != size:
                raise BadDataset(
                    place, f"{name} has {found:,} bytes where {size:,} were written; {AGAIN}"
                )
        for name in (*expected_files(), PIECES, REJECTED, FILES, ASIDE):
            if name not in dataset.info.files:
                raise BadDataset(place, f"{INFO} does not mention {name}; {AGAIN}")
        for name in dataset.info.files if verify else (PIECES,):
            dataset.verify(name)
        return dataset

    def verify(self, name: str) -> None:
        """Read every byte of one of its files. Raises `BadDataset` where the checksum differs."""
        if file_checksum(self.path / name) != self.info.files[name][1]:
            reason = f"{name} is not what was written, by its checksum; {AGAIN}"
            raise BadDataset(self.path, reason)

    def __len__(self) -> int:
        return len(self.columns)

    @property
    def lineup(self) -> Lineup:
        """The lineup its parts were placed with."""
        return self.info.lineup

    @property
    def content_hash(self) -> str:
        """What is in the dataset as one number: the same pieces and splits have the same."""
        return self.info.content_hash

    @cached_property
    def pieces(self) -> Pieces:
        """What is known of each piece; read when first asked for."""
        return Pieces(**self.piece_columns([each.name for each in fields(Pieces)]))

    def piece_columns(self, names: Sequence[str]) -> dict[str, Any]:
        """Some columns of `pieces`, read now."""
        import pyarrow.parquet as pq

        dtypes = {each.name: each.metadata["dtype"] for each in fields(Pieces)}
        columns: dict[str, Any] = {}
        try:
            # Threads, and all that `read_table` can do besides, would take 50 MB.
            with pq.ParquetFile(self.path / PIECES) as file:
                table = file.read(columns=list(names), use_threads=False)
            for name in names:
                if dtypes[name] is str:
                    known: dict[str, str] = {}  # splits, slots and tags are few, pieces many
                    values = table.column(name).to_pylist()
                    columns[name] = tuple(known.setdefault(value, value) for value in values)
                else:
                    columns[name] = table.column(name).to_numpy().astype(dtypes[name])
        except Exception as error:  # pyarrow has errors of many kinds
            raise damaged(self.path, PIECES, error) from error
        if table.num_rows != len(self):
            reason = f"{PIECES} has {table.num_rows:,} rows for {len(self):,} pieces; {AGAIN}"
            raise BadDataset(self.path, reason)
        return columns

    def split(self, name: Split) -> NDArray[np.int64]:
        """The numbers of the pieces in a split, rising."""
        return np.flatnonzero(np.array(self.pieces.split) == name)

    def tags(self, piece: int) -> Tags:
        """The tags of one piece."""
        return tags_from_json(self.pieces.tags[piece])

    def slots(self, piece: int) -> NDArray[np.uint8]:
        """The slot of every part of one piece, as rows of the lineup's slots."""
        slots = self.columns.table("parts", piece)["slot"]
        if len(slots) and slots.max() >= len(self.lineup.slots):
            raise self._damaged(piece, f"a part has slot {slots.max()}")
        return slots

    def score(self, piece: int) -> Score:
        """One piece as a score: the parts that have a slot, the pedal, and chords as markers."""
        rows = self.columns.wide_table
        try:
            return Score(
                ticks_per_quarter=int(rows("times", piece)[0].item()),
                notes=Notes(*rows("notes", piece)),
                parts=self._parts(piece),
                tempos=TempoMap(*rows("tempos", piece)),
                metres=MetreMap(*rows("metres", piece)),
                keys=KeyMap(*rows("keys", piece)),
                controls=Controls(*rows("controls", piece)),
                texts=ChordMap(*rows("chords", piece)).texts(),
            )
        except (BadMusic, ValueError) as error:
            raise self._damaged(piece, str(error)) from error

    def passages(self, piece: int) -> PassagePrints:
        """The passages of one piece, by which shared music is found."""
        return PassagePrints(*self.columns.table("passages", piece).values())

    def _parts(self, piece: int) -> tuple[Part, ...]:
        rows = self.columns.table("parts", piece)
        names = self.columns.table("names", piece)["utf8"].tobytes()
        ends = np.cumsum(rows["name_bytes"], dtype=np.int64).tolist()
        starts = [0, *ends[:-1]]
        return tuple(
            Part(names[start:end].decode("utf-8", "replace"), program, is_drum)
            for start, end, program, is_drum in zip(
                starts, ends, rows["program"].tolist(), rows["is_drum"].tolist(), strict=True
            )
        )

    def _damaged(self, piece: int, reason: str) -> BadDataset:
        return BadDataset(self.path, f"piece {piece} is damaged ({reason}); {AGAIN}")

    def __repr__(self) -> str:
        return f"Dataset({str(self.path)!r}, {len(self)} pieces, lineup {self.lineup.name})"
