"""Splits: which pieces train a model, which choose it, and which only judge it.

A split follows from content alone: not from names, order or machine. Pieces that are one piece of
music stay together. Official splits are honoured, and what they leak is found. Knows groups and
checksums; refuses to know music.
"""

from __future__ import annotations

import csv
import hashlib
import io
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from ..errors import BadFile, UsageError
from .texts import counted, read_text

Split = Literal["train", "validation", "test"]
SPLITS: tuple[Split, ...] = get_args(Split)
SHARES = (0.8, 0.1, 0.1)
MOST_TABLE_BYTES = 2**28
FEW_GROUPS = 30
"""With fewer groups than this, a held-out split has too few to say much."""

_SPELLINGS: dict[str, Split] = {
    "train": "train",
    "training": "train",
    "validation": "validation",
    "valid": "validation",
    "val": "validation",
    "dev": "validation",
    "test": "test",
}
_PATH_COLUMNS = ("midi_filename", "path", "file", "filename", "midi_performance")
_SPLIT_COLUMNS = ("split", "maestro_v3_split")


def split_by_group(
    groups: Sequence[int] | NDArray[np.integer],
    content: Sequence[str],
    shares: tuple[float, float, float] = SHARES,
) -> list[Split]:
    """The split of each piece: whole groups, in about the `shares` of train, validation, test.

    `content` is a checksum of each piece's music. The groups are shuffled by their checksums; from
    the front, validation and then test take what fits their share. A piece more moves at most a few
    groups at the borders. Three groups suffice for three splits; with fewer, see `split_warning`.
    Raises `UsageError` where the lengths differ or the shares do not sum to 1.
    """
    if len(groups) != len(content):
        raise UsageError(
            f"{len(groups)} groups and {len(content)} checksums; give one of each for a piece"
        )
    fits = len(shares) == len(SPLITS) and all(0 <= share <= 1 for share in shares)  # no NaN, too
    if not fits or abs(sum(shares) - 1) > 1e-6:
        given = " ".join(f"{share:g}" for share in shares)
        raise UsageError(f"shares of {given} are no split; give three that sum to 1: 0.8 0.1 0.1")
    members: dict[int, list[str]] = {}
    numbers = np.asarray(groups).tolist()
    for group, checksum in zip(numbers, content, strict=True):
        members.setdefault(group, []).append(_scrambled(checksum))
    # The smallest is scrambled again: else a large group, with its many tries, would be in front.
    waiting = sorted(members, key=lambda group: (_scrambled(min(members[group])), group))
    chosen: dict[int, Split] = {}
    for split, share in zip(SPLITS[1:], shares[1:], strict=True):
        taken = _fitting(waiting, members, share * len(content))
        if not taken and share and len(waiting) > 1:
            taken = [min(waiting, key=lambda group: len(members[group]))]
        chosen.update(dict.fromkeys(taken, split))
        waiting = [group for group in waiting if group not in chosen]
    return [chosen.get(group, "train") for group in numbers]


def split_warning(
    groups: Sequence[int] | NDArray[np.integer], splits: Sequence[Split]
) -> str | None:
    """A sentence for a corpus too small to judge a model by; None where it is not."""
    members: dict[Split, set[int]] = {split: set() for split in SPLITS}
    for group, split in zip(np.asarray(groups).tolist(), splits, strict=True):
        members[split].add(group)
    count = len(set().union(*members.values()))
    empty = [split for split in SPLITS if not members[split]]
    if empty:
        reason = (
            f"{counted(count, 'different piece')} cannot fill {len(SPLITS)} splits; add more "
            "music, or trust no figure that needs held-out pieces"
            if count < len(SPLITS)
            else "a model needs pieces to learn from, and others to be judged by"
        )
        return f"nothing is in {' and '.join(empty)}: {reason}"
    if count < FEW_GROUPS:
        held_out = len(members["validation"]) + len(members["test"])
        return (
            f"only {count} different pieces, {held_out} of them held out: scores on so few "
            "say little, and another piece among them would change them; add more music"
        )
    return None


@dataclass(frozen=True, slots=True)
class OfficialSplits:
    """What a table of splits says about the files at hand, and what the two do not share.

    `splits` has every path that the table lists; `unlisted` are the others. `missing` are the
    table's files that are not here, as it spells them.
    """

    source: str
    splits: Mapping[str, Split]
    unlisted: tuple[str, ...]
    missing: tuple[str, ...]


def official_splits(csv_path: str | os.PathLike[str], paths: Sequence[str]) -> OfficialSplits:
    """Read a table of splits, such as MAESTRO's CSV, and look up each path by how it ends.

    The table needs a column `midi_filename` or `path` and a column `split`, with commas, semicolons
    or tabs between. Letter case counts, the kind of slash does not. A path that is the whole entry
    comes before those that only end so. Raises `BadFile` with the line where it cannot be
    understood, where it says two things about one file, or where one of its entries could be
    several of the paths.
    """
    name = os.fspath(csv_path)
    wanted = _read_table(name)
    lengths = {len(entry) for entry in wanted}
    ending: dict[tuple[str, ...], list[str]] = {}
    for path in paths:
        parts = _parts(path)
        for length in lengths:
            if length <= len(parts):
                ending.setdefault(parts[-length:], []).append(path)
    splits: dict[str, Split] = {}
    # Longer entries first: they say more about which file is meant.
    for entry, (split, line) in sorted(wanted.items(), key=lambda item: -len(item[0])):
        found = [path for path in ending.get(entry, ()) if path not in splits]
        found = [path for path in found if _parts(path) == entry] or found
        if len(found) > 1:
            raise BadFile(
                name,
                f"line {line}: {'/'.join(entry)} could be {found[0]} or {found[1]}; "
                "write more of the path",
            )
        splits.update(dict.fromkeys(found, split))
    return OfficialSplits(
        name,
        splits,
        tuple(path for path in paths if path not in splits),
        tuple("/".join(entry) for entry in wanted if entry not in ending),
    )


def drop_leaks(
    groups: Sequence[int] | NDArray[np.integer], splits: Sequence[Split | None]
) -> list[int]:
    """The rows of training pieces that share a group with a held-out piece: drop and list them."""
    numbers = np.asarray(groups).tolist()
    held_out = {
        group
        for group, split in zip(numbers, splits, strict=True)
        if split in ("validation", "test")
    }
    return [
        row
        for row, (group, split) in enumerate(zip(numbers, splits, strict=True))
        if split == "train" and group in held_out
    ]


def _fitting(waiting: list[int], members: dict[int, list[str]], wanted: float) -> list[int]:
    """The groups from the front that make up `wanted` pieces, passing over those too large."""
    taken: list[int] = []
    count = 0
    for group in waiting:
        size = len(members[group])
        if count + size / 2 <= wanted:
            taken.append(group)
            count += size
    return taken


def _scrambled(text: str) -> str:
    """Letters that look random, the same everywhere."""
    return hashlib.sha256(b"woodshed split " + text.encode()).hexdigest()


def _read_table(name: str) -> dict[tuple[str, ...], tuple[Split, int]]:
    """Each path of the table in parts, with its split and its line."""
    text = read_text(name, name, MOST_TABLE_BYTES)
    first = text.partition("\n")[0]
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=max(",;\t", key=first.count))
    wanted: dict[tuple[str, ...], tuple[Split, int]] = {}
    try:
        head = next(reader, [])
        path_at = _column(name, head, _PATH_COLUMNS)
        split_at = _column(name, head, _SPLIT_COLUMNS)
        for row in reader:
            if any(cell.strip() for cell in row):
                _add(name, reader.line_num, row, path_at, split_at, wanted)
    except csv.Error as error:
        raise BadFile(
            name, f"line {reader.line_num}: this is no table of splits: {error}"
        ) from None
    if not wanted:
        raise BadFile(name, "it lists no files; give a table with columns path and split")
    return wanted


def _column(name: str, head: list[str], choice: tuple[str, ...]) -> int:
    cells = [cell.strip().lower() for cell in head]
    for column in choice:
        if column in cells:
            return cells.index(column)
    raise BadFile(
        name, f"line 1: no column {' or '.join(choice[:2])}; it has {', '.join(head) or 'none'}"
    )


def _add(
    name: str,
    line: int,
    row: list[str],
    path_at: int,
    split_at: int,
    wanted: dict[tuple[str, ...], tuple[Split, int]],
) -> None:
    if len(row) <= max(path_at, split_at):
        raise BadFile(
            name, f"line {line}: it has {counted(len(row), 'column')}, fewer than the first line"
        )
    split = _SPELLINGS.get(row[split_at].strip().lower())
    if split is None:
        raise BadFile(name, f"line {line}: {row[split_at]!r} is no split; use {', '.join(SPLITS)}")
    entry = _parts(row[path_at])
    if not entry:
        raise BadFile(name, f"line {line}: it names no file; give the path of a MIDI file")
    known = wanted.setdefault(entry, (split, line))
    if known[0] != split:
        raise BadFile(
            name,
            f"line {line}: {'/'.join(entry)} is {split} here and {known[0]} in line {known[1]}; "
            "drop one",
        )


def _parts(path: str) -> tuple[str, ...]:
    return tuple(
        part for part in path.strip().replace("\\", "/").split("/") if part not in ("", ".")
    )
