"""From a folder of music to a dataset: each file by itself, then all beside one another.

Every file is read, placed, judged and cut into passages in a worker; then copies are left out,
near-duplicates found and kept whole, the pieces split, and the dataset written. Killed work goes
on, an unchanged folder is no work, an added file the only work. docs/dataset.md tells the rest.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import BadDataset, BadFile, UsageError
from ..formats.limits import Limits
from ..music.lineup import Lineup, load_lineup
from .build import REJECTED_COLUMNS, Order, build
from .dataset import Dataset
from .dataset_layout import (
    REJECTED,
    SCHEMA_VERSION,
    file_checksum,
    lineup_to_dict,
)
from .dataset_write import read_csv
from .folder import list_midi
from .gather import Earlier, gather
from .journal import Journal, Stamp
from .piece import prepare_task
from .quality_settings import DEFAULT_QUALITY, QualitySettings
from .splits import (
    SHARES,
    SPLITS,
    OfficialSplits,
    Split,
    official_splits,
    split_by_group,
    split_warning,
)
from .summary import Summary
from .tags import read_tags
from .texts import counted
from .watch import Watch, unwatched
from .workspace import Workspace, check_is_dataset, clear, is_free, recover


@dataclass(frozen=True, slots=True)
class FileLeftOut:
    """A file that is no piece: the kind of reason, and a sentence."""

    path: str
    left_out_by: str
    because: str


@dataclass(frozen=True, slots=True)
class PrepareReport:
    """What is in a dataset now, and what this run had to do for it.

    `unchanged` says that there was nothing to do. `read_now` counts the files that were read, the
    others were known from before; `removed` those that are no longer in the folder.
    """

    dataset: str
    content_hash: str
    lineup: str
    summary: Summary
    limits: Mapping[str, Any]
    left_out: tuple[FileLeftOut, ...]
    tags_not_read: tuple[BadFile, ...]
    tags_unused: tuple[str, ...]
    warnings: tuple[str, ...]
    unchanged: bool
    read_now: int
    removed: int
    seconds: float


def prepare(
    folder: str | os.PathLike[str],
    out: str | os.PathLike[str],
    lineup: Lineup | str = "band",
    quality: QualitySettings = DEFAULT_QUALITY,
    shares: tuple[float, float, float] = SHARES,
    splits_csv: str | os.PathLike[str] | None = None,
    *,
    licence: str | None = None,
    limits: Limits | None = None,
    force: bool = False,
    watch: Watch = unwatched,
) -> PrepareReport:
    """Make the dataset `out` of all MIDI files below `folder`, or bring it up to date.

    `shares` are those of train, validation and test, unless `splits_csv` names an official split of
    each file. `licence` holds for pieces whose tags name none. Where `out` is a dataset made with
    other settings, or is damaged, `force` replaces it. Raises `BadFolder` where no file becomes a
    piece, `BadDataset` where `out` cannot be brought up to date, `CannotWrite`, and whatever is
    wrong with lineup or splits.
    """
    started = time.monotonic()
    target = Path(os.path.realpath(out))
    order = _order(folder, lineup, quality, shares, splits_csv, licence, limits, watch)
    earlier = _earlier(target, order, force)
    if earlier is not None and _is_up_to_date(earlier, order):
        clear(target)
        return _report(earlier.dataset, order, started, read_now=0, removed=0, unchanged=True)
    if earlier is not None:
        _verify(earlier.dataset, watch)
    with Workspace(target) as workspace:
        with Journal(workspace.journal, _journal_recipe(order)) as journal:
            task = prepare_task(order.lineup, order.quality)
            gathered = gather(
                order.root, order.stamps, task, journal, earlier, order.limits, order.watch
            )
            built = build(order, gathered.entries, journal, earlier, workspace)
        workspace.publish(built)
    removed = len(set(earlier.entries) - set(order.stamps)) if earlier else 0
    return _report(
        Dataset.open(target),
        order,
        started,
        read_now=gathered.read_now,
        removed=removed,
        unchanged=False,
    )


def _order(
    folder: str | os.PathLike[str],
    lineup: Lineup | str,
    quality: QualitySettings,
    shares: tuple[float, float, float],
    splits_csv: str | os.PathLike[str] | None,
    licence: str | None,
    limits: Limits | None,
    watch: Watch,
) -> Order:
    from .. import __version__

    lineup = load_lineup(lineup) if isinstance(lineup, str) else lineup
    listing = list_midi(folder)
    root = Path(os.path.abspath(folder))
    paths = sorted(Path(os.path.relpath(path, folder)).as_posix() for path in listing.paths)
    split_by_group((), (), shares)  # which says what is wrong with them, before the work
    official = None if splits_csv is None else official_splits(splits_csv, paths)
    if official is not None and not official.splits:
        raise UsageError(
            f"{splits_csv} names none of the MIDI files in {root}, but such as "
            f"{official.missing[0]}; give the splits of this folder"
        )
    tags = read_tags(root, paths)
    spoken = json.dumps([sorted(tags.by_path.items()), [str(bad) for bad in tags.not_read]])
    return Order(
        root=root,
        lineup=lineup,
        recipe={
            "woodshed_version": __version__,
            "quality": dataclasses.asdict(quality),
            "shares": list(shares),
            "splits_csv": None if splits_csv is None else Path(splits_csv).name,
            "licence": licence,
        },
        state={
            "tags": hashlib.sha256(spoken.encode()).hexdigest(),
            "splits_csv": None if splits_csv is None else file_checksum(splits_csv),
        },
        stamps={path: Stamp.of(root / path) for path in paths},
        tags=tags,
        quality=quality,
        shares=shares,
        official=official,
        licence=licence,
        limits=limits or Limits(),
        watch=watch,
        warnings=(
            *(f"the folder {place} cannot be opened" for place in listing.unreadable),
            *_about_official(official),
        ),
    )


def _about_official(official: OfficialSplits | None) -> Iterator[str]:
    """What official splits and the folder do not share."""
    if official is not None and official.missing:
        yield (
            f"the folder lacks {counted(len(official.missing), 'file')} that {official.source} "
            f"names, such as {official.missing[0]}"
        )
    if official is not None and official.unlisted:
        yield (
            f"left out: {counted(len(official.unlisted), 'file')} of the folder that "
            f"{official.source} does not name, such as {official.unlisted[0]}"
        )


def _journal_recipe(order: Order) -> str:
    """Where files are, and what becomes of each; only such a journal can be gone on with."""
    version = order.recipe["woodshed_version"]
    quality = dataclasses.asdict(order.quality)
    lineup = lineup_to_dict(order.lineup)
    return json.dumps([version, SCHEMA_VERSION, str(order.root), lineup, quality])


def _earlier(out: Path, order: Order, force: bool) -> Earlier | None:
    """The dataset to bring up to date; None where there is none, or it is to be replaced."""
    recover(out)
    if is_free(out):
        return None
    check_is_dataset(out)
    if force:
        return None
    dataset = Dataset.open(out)
    info = dataset.info
    wanted = {"folder": str(order.root), "lineup": order.lineup} | _flat(order.recipe)
    found = {"folder": info.folder, "lineup": info.lineup} | _flat(info.recipe)
    differ = [_difference(name, found.get(name), wanted[name]) for name in wanted]
    told = "; ".join(difference for difference in differ if difference)
    if told:
        raise BadDataset(
            out,
            f"it was made otherwise: {told}; choose another name, or add --force to replace it",
        )
    return Earlier(dataset)


def _verify(dataset: Dataset, watch: Watch) -> None:
    """See to it that what is taken over is what was written, or damage would get a new checksum."""
    files = dataset.info.files
    for name in watch(files, len(files), "verifying"):
        dataset.verify(name)


def _flat(recipe: Mapping[str, Any]) -> dict[str, Any]:
    """A recipe with the settings of quality among the others."""
    quality = recipe.get("quality")
    rest = {name: value for name, value in recipe.items() if name != "quality"}
    return rest | (quality if isinstance(quality, dict) else {})


def _difference(name: str, found: Any, wanted: Any) -> str | None:
    if found == wanted:
        return None
    told = name.replace("_", " ")
    if isinstance(found, Lineup) and isinstance(wanted, Lineup):
        if found.name == wanted.name:
            return f"{told} {found.name} has been changed since"
        found, wanted = found.name, wanted.name
    return f"{told} was {json.dumps(found)} and is {json.dumps(wanted)}"


def _is_up_to_date(earlier: Earlier, order: Order) -> bool:
    return earlier.dataset.info.state == order.state and earlier.is_unchanged(
        order.root, order.stamps
    )


def _report(
    dataset: Dataset,
    order: Order,
    started: float,
    *,
    read_now: int,
    removed: int,
    unchanged: bool,
) -> PrepareReport:
    rejected = read_csv(dataset.path, REJECTED, REJECTED_COLUMNS)
    left_out = tuple(FileLeftOut(*row) for row in rejected)
    pieces = dataset.pieces
    warning = split_warning(pieces.duplicate_group, [_split(name) for name in pieces.split])
    return PrepareReport(
        dataset=str(dataset.path),
        content_hash=dataset.content_hash,
        lineup=dataset.lineup.name,
        summary=dataset.info.summary,
        limits=dataset.info.limits,
        left_out=left_out,
        tags_not_read=order.tags.not_read,
        tags_unused=order.tags.unused,
        warnings=(*order.warnings, *([warning] if warning else [])),
        unchanged=unchanged,
        read_now=read_now,
        removed=removed,
        seconds=round(time.monotonic() - started, 3),
    )


def _split(name: str) -> Split:
    """A split by its name; any other word is none, and counts as training."""
    return next((split for split in SPLITS if split == name), "train")
