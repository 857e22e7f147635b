"""The inventory of a folder: what each file holds, what it is worth, or why it is left out.

What a file says by itself is found in worker processes, beside the facts of `survey`; slots and
near-duplicates are decided here. Knows nothing of tables on a screen.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from operator import attrgetter
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import BadMusic
from ..formats.contain import Outcome, Task, contained
from ..formats.frames import DamagedFrame, Frame, fields_of
from ..formats.limits import Limits
from ..formats.midi_read import read_midi
from ..music.columns import schema
from ..music.lineup import Lineup, load_lineup
from ..music.notes import Notes
from ..music.score import Score
from ..music.transform import drum_notes
from .crossing import believe
from .duplicates import group_duplicates
from .folder import list_midi
from .key import estimate_key
from .passages import PassagePrints, passage_prints
from .piece import place, settings_sent, settings_to_send
from .prints_spool import PrintsSpool
from .quality import PARTS, Quality, judge
from .quality_settings import DEFAULT_QUALITY, QualitySettings
from .survey import NO_SLOT, FileFacts, facts_of, placed
from .texts import unicode_name

if TYPE_CHECKING:
    import pyarrow

UNREADABLE = "unreadable"
NO_PLACE = "lineup"
"""What rejects a file beside the settings of quality: its reader, or that no part has a slot."""


@dataclass(frozen=True, slots=True)
class FileRecord:
    """One file of an inventory. Where a file cannot be read there is only its path and the reason.

    The tempo is the one that holds longest; so is the first metre. Pitches are MIDI note numbers,
    without drums; the spread of velocities is their standard deviation. Polyphony counts the notes
    that sound at once: on the average while any does, and at most. `duplicate_group` is the path
    of the first file with the same music, None where there is no other; rejected files have none.
    `rejected_by` is the setting that a file breaks, "lineup" or "unreadable".
    """

    path: str
    duration_seconds: float | None = None
    tempo_bpm: float | None = None
    metres: tuple[str, ...] = ()
    key: str | None = None
    bars: int | None = None
    tracks: int | None = None
    notes: int | None = None
    notes_by_slot: Mapping[str, int] = field(default_factory=dict)
    lowest_pitch: int | None = None
    highest_pitch: int | None = None
    mean_polyphony: float | None = None
    most_polyphony: int | None = None
    velocity_spread: float | None = None
    quality: Quality | None = None
    duplicate_group: str | None = None
    rejected_because: str | None = None
    rejected_by: str | None = None

    @property
    def is_performed(self) -> bool | None:
        """Whether it was played by hand rather than put on the grid; None where unknown."""
        return None if self.quality is None else self.quality.is_performed


@dataclass(frozen=True, slots=True)
class Column:
    """A column of the inventory as a flat table: the type of its values, and where to get them."""

    kind: type
    value_of: Callable[[FileRecord], str | int | float | bool | None]


@dataclass(frozen=True, slots=True)
class Inventory:
    """The files of a folder by path; `slots` are those of the lineup, and "left out"."""

    folder: str
    slots: tuple[str, ...]
    records: tuple[FileRecord, ...]

    @property
    def rejected(self) -> tuple[FileRecord, ...]:
        """The files that are not music to learn from."""
        return tuple(r for r in self.records if r.rejected_because is not None)

    @property
    def duplicates(self) -> dict[str, tuple[FileRecord, ...]]:
        """The files of each group that share their music, by the path of the first."""
        groups: dict[str, list[FileRecord]] = {}
        for record in self.records:
            if record.duplicate_group is not None:
                groups.setdefault(record.duplicate_group, []).append(record)
        return {first: tuple(records) for first, records in groups.items()}

    @property
    def columns(self) -> dict[str, Column]:
        """The columns of the inventory by name, in order; a value may always be None."""
        by_slot = {
            f"notes_{slot.replace(' ', '_')}": Column(int, partial(_notes_in, slot))
            for slot in self.slots
        }
        return {**_BEFORE_SLOTS, **by_slot, **_AFTER_SLOTS}

    def rows(self) -> Iterator[tuple[str | int | float | bool | None, ...]]:
        """A row of plain values for each file, in the order of `columns`."""
        columns = tuple(self.columns.values())
        for record in self.records:
            yield tuple(column.value_of(record) for column in columns)

    def to_table(self) -> pyarrow.Table:
        """The inventory as a table of Arrow, ready for Parquet."""
        import pyarrow

        kinds = {
            str: pyarrow.string(),
            int: pyarrow.int64(),
            float: pyarrow.float64(),
            bool: pyarrow.bool_(),
        }
        return pyarrow.table(
            {
                name: pyarrow.array(
                    (_encodable(column.value_of(record)) for record in self.records),
                    kinds[column.kind],
                )
                for name, column in self.columns.items()
            }
        )


def _encodable(value: Any) -> Any:
    """File names need not be Unicode, and Arrow wants it."""
    return unicode_name(value) if isinstance(value, str) else value


def _own(kind: type, *names: str) -> dict[str, Column]:
    return {name: Column(kind, attrgetter(name)) for name in names}


def _notes_in(slot: str, record: FileRecord) -> int | None:
    return record.notes_by_slot.get(slot)


def _of_quality(name: str, record: FileRecord) -> float | None:
    return None if record.quality is None else getattr(record.quality, name)


_BEFORE_SLOTS = {
    **_own(str, "path"),
    **_own(float, "duration_seconds", "tempo_bpm"),
    "metres": Column(str, lambda record: " ".join(record.metres) or None),
    **_own(str, "key"),
    **_own(int, "bars", "tracks", "notes"),
}
_AFTER_SLOTS = {
    **_own(int, "lowest_pitch", "highest_pitch"),
    **_own(float, "mean_polyphony"),
    **_own(int, "most_polyphony"),
    **_own(float, "velocity_spread"),
    **_own(bool, "is_performed"),
    "quality": Column(float, partial(_of_quality, "score")),
    **{f"quality_{part}": Column(float, partial(_of_quality, part)) for part in PARTS},
    **_own(str, "duplicate_group", "rejected_because", "rejected_by"),
}


def scan(
    folder: str | os.PathLike[str],
    lineup: Lineup | str = "band",
    limits: Limits | None = None,
    settings: QualitySettings = DEFAULT_QUALITY,
) -> Inventory:
    """Find every MIDI file below `folder`, read it at arm's length and say what is in it.

    No file is missing from the result, whatever is wrong with it. Raises `BadFolder` where there
    are none.
    """
    lineup = load_lineup(lineup) if isinstance(lineup, str) else lineup
    listing = list_midi(folder)
    return inventory(listing.folder, lineup, look_into(listing.paths, lineup, limits, settings))


@dataclass(frozen=True, slots=True)
class Findings:
    """What a file says by itself. The columns of `FileRecord` tell what each one is."""

    facts: FileFacts
    quality: Quality
    key: str | None
    lowest_pitch: int | None
    highest_pitch: int | None
    mean_polyphony: float
    most_polyphony: int
    velocity_spread: float


@dataclass(frozen=True, slots=True)
class Look:
    """What a file says by itself, and the passages by which its music is known again."""

    findings: Findings
    prints: PassagePrints


def look_into(
    paths: Sequence[str],
    lineup: Lineup,
    limits: Limits | None = None,
    settings: QualitySettings = DEFAULT_QUALITY,
) -> Iterator[Outcome[Look]]:
    """What each file says by itself, in the order given; bad files are outcomes, too."""
    function = f"{__name__}:{look_in_worker.__name__}"
    return contained(Task(function, _understand, settings_to_send(lineup, settings)), paths, limits)


def inventory(folder: str, lineup: Lineup, outcomes: Iterable[Outcome[Look]]) -> Inventory:
    """Put together what was found in the files of a folder, and find its near-duplicates."""
    slots = (*(slot.name for slot in lineup.slots), NO_SLOT)
    records: list[FileRecord] = []
    kept: list[int] = []
    with PrintsSpool() as prints:
        for outcome in outcomes:
            record = _record(outcome, lineup, slots)
            if record.rejected_because is None:
                prints.add(outcome.unwrap().prints)
                kept.append(len(records))
            records.append(record)
        groups = group_duplicates(prints).tolist() if kept else []
    members: dict[int, list[int]] = {}
    for number, group in zip(kept, groups, strict=True):
        members.setdefault(group, []).append(number)
    for numbers in members.values():
        if len(numbers) > 1:
            first = records[numbers[0]].path
            for number in numbers:
                records[number] = replace(records[number], duplicate_group=first)
    return Inventory(folder, slots, tuple(records))


def findings_of(
    score: Score, path: str, kept: Score, settings: QualitySettings = DEFAULT_QUALITY
) -> Findings:
    """Everything that one score says by itself; judged is what a lineup `kept` of it."""
    notes = score.notes
    key = estimate_key(score)
    pitches = notes.pitch[~drum_notes(score)]
    mean_polyphony, most_polyphony = _polyphony(notes)
    return Findings(
        facts=facts_of(score, path),
        quality=judge(kept, settings),
        key=None if key is None else key.name,
        lowest_pitch=int(pitches.min()) if len(pitches) else None,
        highest_pitch=int(pitches.max()) if len(pitches) else None,
        mean_polyphony=round(mean_polyphony, 3),
        most_polyphony=most_polyphony,
        velocity_spread=round(float(notes.velocity.std()), 3) if len(notes) else 0.0,
    )


def _polyphony(notes: Notes) -> tuple[float, int]:
    """How many notes sound at once: on the average while any does, and at most."""
    if not len(notes):
        return 0.0, 0
    starts, ends = notes.start_ticks, np.sort(notes.end_ticks)
    begun = np.arange(1, len(notes) + 1)
    most = int((begun - np.searchsorted(ends, starts, side="right")).max())
    sounded_until = np.maximum.accumulate(notes.end_ticks)
    silent = int(starts[0] + np.maximum(starts[1:] - sounded_until[:-1], 0).sum())
    return float(notes.duration_ticks.sum()) / (int(sounded_until[-1]) - silent), most


def look_in_worker(name: str, data: bytes | None, settings: dict[str, Any]) -> Frame:
    """What the worker does."""
    lineup, quality = settings_sent(settings)
    score = read_midi(name if data is None else data)
    kept = place(score, lineup).score
    prints = passage_prints(kept)
    return Frame(
        fields_of(findings_of(score, name, kept, quality)),
        {column: getattr(prints, column) for column, _ in schema(PassagePrints)},
    )


def _understand(frame: Frame) -> Look:
    try:
        prints = PassagePrints(*(frame.arrays[column] for column, _ in schema(PassagePrints)))
        return Look(believe(Findings, frame.head), prints)
    except (BadMusic, KeyError, TypeError, ValueError) as error:
        raise DamagedFrame(f"what came are no findings ({error})") from error


def _record(outcome: Outcome[Look], lineup: Lineup, slots: tuple[str, ...]) -> FileRecord:
    if outcome.bad is not None:
        return FileRecord(outcome.path, rejected_because=outcome.bad.reason, rejected_by=UNREADABLE)
    found = outcome.unwrap().findings
    facts = placed(found.facts, lineup)
    notes_by_slot = dict.fromkeys(slots, 0)
    for part in facts.parts:
        notes_by_slot[part.slot] += part.notes
    because, rule = found.quality.rejected_because, found.quality.rejected_by
    if facts.notes and notes_by_slot[NO_SLOT] == facts.notes:
        because, rule = f"none of its parts has a slot in the lineup {lineup.name}", NO_PLACE
    return FileRecord(
        path=outcome.path,
        duration_seconds=facts.duration_seconds,
        tempo_bpm=facts.tempo_bpm,
        metres=facts.metres,
        key=found.key,
        bars=facts.bars,
        tracks=len(facts.parts),
        notes=facts.notes,
        notes_by_slot=notes_by_slot,
        lowest_pitch=found.lowest_pitch,
        highest_pitch=found.highest_pitch,
        mean_polyphony=found.mean_polyphony,
        most_polyphony=found.most_polyphony,
        velocity_spread=found.velocity_spread,
        quality=found.quality,
        rejected_because=because,
        rejected_by=rule,
    )
