"""What a dataset on disk consists of: its files, their columns and types, and `dataset.json`.

One table each says what there is: `TABLES` for the flat columns, `Pieces` for `pieces.parquet`,
`Info` for `dataset.json`. Writing, reading, checking and docs/dataset.md follow them.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from ..errors import BadDataset, BadLineup
from ..music.columns import schema
from ..music.lineup import Lineup, Slot
from .crossing import believe
from .passages import PassagePrints
from .summary import Summary
from .tags import Tags, TagValue

FORMAT = "woodshed dataset"
SCHEMA_VERSION = 4
INFO, PIECES, REJECTED, FILES = "dataset.json", "pieces.parquet", "rejected.csv", "files.csv"
ASIDE = "aside.frames"
"""Everything about good files that are no pieces beside the others: leaks, and files unlisted."""
NO_SLOT = 255
"""Stands in `parts.slot_by_name` for a part that its name alone would leave out."""

Layout = Mapping[str, np.dtype[Any]]


def _layout(**columns: DTypeLike) -> Layout:
    return {name: np.dtype(dtype).newbyteorder("<") for name, dtype in columns.items()}


# Ticks never exceed 31 bits (`MAX_TICKS`), so on disk they take half of what they take in memory.
TABLES: Mapping[str, Layout] = {
    "notes": _layout(start_ticks="i4", duration_ticks="i4", pitch="u1", velocity="u1", part="u2"),
    "tempos": _layout(ticks="i4", microseconds_per_quarter="i4"),
    "metres": _layout(ticks="i4", numerator="u1", denominator="u1"),
    "keys": _layout(ticks="i4", sharps="i1", minor="?"),
    "chords": _layout(ticks="i4", root="u1", kind="u1"),
    "controls": _layout(ticks="i4", number="u1", value="u1", part="u2"),
    "parts": _layout(
        slot="u1", slot_by_name="u1", program="u1", is_drum="?", notes="i4", name_bytes="u2"
    ),
    "names": _layout(utf8="u1"),
    "passages": {name: dtype.newbyteorder("<") for name, dtype in schema(PassagePrints)},
    "times": _layout(ticks_per_quarter="u2"),
}
"""The flat columns: the rows of all pieces, one piece after another. `times` has one row each."""


def _says(dtype: DTypeLike | type[str], meaning: str) -> dict[str, Any]:
    """The type of a column of `pieces.parquet`, and what it says."""
    return {"dtype": dtype, "help": meaning}


@dataclass(frozen=True, slots=True, eq=False)
class Pieces:
    """What is known of each piece, column by column; row i is piece i of the dataset."""

    path: tuple[str, ...] = field(metadata=_says(str, "The file, below the folder it came from."))
    checksum: tuple[str, ...] = field(metadata=_says(str, "SHA-256 of the file."))
    split: tuple[str, ...] = field(metadata=_says(str, "train, validation or test."))
    duplicate_group: NDArray[np.int32] = field(
        metadata=_says(
            np.int32, "Pieces that share their music have one number; a split never divides them."
        )
    )
    licence: tuple[str, ...] = field(
        metadata=_says(str, "The licence given for it; empty where none was.")
    )
    tags: tuple[str, ...] = field(metadata=_says(str, "Its tags, as a JSON object."))
    bars: NDArray[np.int32] = field(metadata=_says(np.int32, "Bars, to the end of the last note."))
    notes: NDArray[np.int32] = field(metadata=_says(np.int32, "Notes that have a slot."))
    notes_left_out: NDArray[np.int32] = field(
        metadata=_says(np.int32, "Notes the lineup has no slot for.")
    )
    parts: NDArray[np.int32] = field(metadata=_says(np.int32, "Parts that have a slot."))
    slots: tuple[str, ...] = field(
        metadata=_says(str, "The slots that play, in the order of the lineup.")
    )
    duration_seconds: NDArray[np.float64] = field(metadata=_says(np.float64, "How long it lasts."))
    tempo_bpm: NDArray[np.float64] = field(
        metadata=_says(np.float64, "The tempo that holds longest.")
    )
    metre: tuple[str, ...] = field(metadata=_says(str, "The metre that holds longest."))
    quality: NDArray[np.float64] = field(metadata=_says(np.float64, "Its quality, from 0 to 1."))
    is_performed: NDArray[np.bool_] = field(
        metadata=_says(np.bool_, "Whether it seems played by hand.")
    )
    most_notes_on_a_step: NDArray[np.int32] = field(
        metadata=_says(np.int32, "The most notes that begin on one twenty-fourth of a quarter.")
    )
    longest_rest_quarters: NDArray[np.float64] = field(
        metadata=_says(np.float64, "The longest silence between notes.")
    )
    repairs: NDArray[np.int32] = field(
        metadata=_says(np.int32, "How many faults of the file were mended.")
    )

    def __len__(self) -> int:
        return len(self.path)


@dataclass(frozen=True, slots=True)
class Info:
    """What `dataset.json` says. `files` gives the size and SHA-256 of every other file.

    `recipe` are the settings it was made with and `state` the checksums of what else went in, by
    which `prepare` knows that nothing has changed. `limits` are for each measure its quantiles.
    """

    content_hash: str
    folder: str
    lineup: Lineup
    recipe: Mapping[str, Any]
    state: Mapping[str, Any]
    summary: Summary
    limits: Mapping[str, Any]
    files: Mapping[str, tuple[int, str]]

    def to_json(self) -> str:
        """The text of `dataset.json`."""
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        head = {"format": FORMAT, "schema_version": SCHEMA_VERSION}
        unfolded = {"lineup": lineup_to_dict(self.lineup), "summary": asdict(self.summary)}
        return json.dumps(head | values | unfolded, indent=1) + "\n"


AGAIN = "prepare the folder again with --force"
"""The way out of every damage."""


def damaged(place: Path, name: str, error: Exception) -> BadDataset:
    """What to say of a file that cannot be read: what the system said of it, or that it is damaged.

    What the system refuses, out of memory or of rights, is not mended by preparing again.
    """
    if isinstance(error, MemoryError):
        return BadDataset(place, f"{name} cannot be read, as memory is short; free some")
    if isinstance(error, OSError) and error.errno is not None:
        said = error.strerror or error
        return BadDataset(place, f"{name} cannot be read: the system says {said}")
    return BadDataset(place, f"{name} does not parse ({error}); {AGAIN}")


def expected_files() -> list[str]:
    """Every file of flat columns that a dataset has."""
    return [f"{table}/{name}.npy" for table, layout in TABLES.items() for name in (*layout, "rows")]


def read_info(place: Path) -> Info:
    """Read `dataset.json`. Raises `BadDataset` where it is missing, damaged or of a new version."""
    try:
        values = json.loads((place / INFO).read_bytes())
    except FileNotFoundError:
        missing = "there is no folder of that name" if not place.exists() else f"it has no {INFO}"
        reason = f"this is no dataset, as {missing}; `woodshed prepare FOLDER -o {place}` makes one"
        raise BadDataset(place, reason) from None
    except NotADirectoryError:
        raise BadDataset(place, "this is a file, and a dataset is a folder") from None
    except (OSError, ValueError, RecursionError) as error:
        raise damaged(place, INFO, error) from None
    if not isinstance(values, dict) or values.get("format") != FORMAT:
        raise BadDataset(place, f"its {INFO} is not that of a Woodshed dataset")
    if values.get("schema_version") != SCHEMA_VERSION:
        raise BadDataset(
            place,
            f"it has version {values.get('schema_version')!r} of the format, and this Woodshed "
            f"reads {SCHEMA_VERSION}; {AGAIN}",
        )
    try:
        return _info(values)
    except (KeyError, TypeError, ValueError, IndexError, AttributeError, BadLineup) as error:
        reason = f"{INFO} says something impossible ({type(error).__name__}: {error}); {AGAIN}"
        raise BadDataset(place, reason) from error


def _info(values: Mapping[str, Any]) -> Info:
    entries = {f.name: values[f.name] for f in fields(Info)}
    files = {str(name): (int(of[0]), str(of[1])) for name, of in entries["files"].items()}
    for name in files:
        if name.startswith("/") or "\\" in name or ".." in Path(name).parts:
            raise ValueError(f"{name!r} lies outside")
    for name, kind in (
        ("content_hash", str), ("folder", str), ("recipe", dict), ("state", dict), ("limits", dict)
    ):  # fmt: skip
        if not isinstance(entries[name], kind):
            raise TypeError(f"{name} is {entries[name]!r}")
    lineup = lineup_from_dict(entries["lineup"])
    summary = believe(Summary, entries["summary"])
    return Info(**entries | {"files": files, "lineup": lineup, "summary": summary})


def lineup_to_dict(lineup: Lineup) -> dict[str, Any]:
    """A lineup whole, as JSON can say it, so that its file may vanish."""
    return asdict(lineup)


def lineup_from_dict(values: Mapping[str, Any]) -> Lineup:
    """The lineup that `lineup_to_dict` wrote."""
    slots = []
    for entry in values["slots"]:
        settings: dict[str, Any] = {
            key: tuple(value) if isinstance(value, list) else value for key, value in entry.items()
        }
        slots.append(Slot(**settings))
    return Lineup(str(values["name"]), tuple(slots), bool(values["leave_out"]))


def tags_to_json(tags: Tags) -> str:
    """Tags as one line of JSON, the same for the same tags."""
    return json.dumps(dict(tags), sort_keys=True, ensure_ascii=False, separators=(",", ":"))


def tags_from_json(text: str) -> dict[str, TagValue]:
    """The tags that `tags_to_json` wrote."""
    return {k: tuple(v) if isinstance(v, list) else v for k, v in json.loads(text).items()}


def file_checksum(path: str | os.PathLike[str]) -> str:
    """SHA-256 of a file, in hexadecimal digits."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
