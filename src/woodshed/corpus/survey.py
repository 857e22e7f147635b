"""What is in a folder of MIDI: facts of each file, the slots its parts take, and totals.

The facts are gathered in worker processes; only they cross over, so a hundred thousand files fit.
Knows nothing of tables on a screen.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from statistics import median
from typing import Any

import numpy as np

from ..errors import BadFile, BadMusic
from ..formats.contain import Outcome, Task, Upload, contained
from ..formats.frames import DamagedFrame, Frame, fields_of
from ..formats.limits import Limits
from ..formats.midi_read import read_midi
from ..music.lineup import Lineup, load_lineup
from ..music.score import Part, Repair, Score
from .crossing import believe
from .folder import list_midi

NO_SLOT = "left out"
"""Where parts go that a lineup has no slot for."""


@dataclass(frozen=True, slots=True)
class PartFacts:
    """One part: as the file has it, and the slot it takes. Pitches are MIDI note numbers."""

    name: str
    is_drum: bool
    channel: int | None
    program: int
    notes: int
    lowest_pitch: int
    highest_pitch: int
    slot: str = NO_SLOT
    reason: str = ""
    slot_by_name: str = NO_SLOT

    def __post_init__(self) -> None:
        _ = self.part  # which checks its own values

    @property
    def part(self) -> Part:
        """The part as a lineup wants to see it."""
        return Part(self.name, self.program, self.is_drum, self.channel)


@dataclass(frozen=True, slots=True)
class FileFacts:
    """One MIDI file in figures. The tempo is the one that holds longest; so is the first metre."""

    path: str
    midi_type: int
    duration_seconds: float
    bars: int
    tempo_bpm: float
    metres: tuple[str, ...]
    notes: int
    parts: tuple[PartFacts, ...]
    repairs: tuple[Repair, ...]
    left_out: tuple[Repair, ...]

    def __post_init__(self) -> None:
        if not self.metres:
            raise BadMusic(f"{self.path} has no metre; every score has at least one")


@dataclass(slots=True)
class SlotTotal:
    """What one slot received over a folder, by track names alone and with the program fallback."""

    slot: str
    parts: int = 0
    notes_by_name: int = 0
    notes: int = 0


@dataclass(slots=True)
class Totals:
    """Sums over a folder, built file by file."""

    lineup: Lineup
    files: int = 0
    rejected: list[BadFile] = field(default_factory=list)
    silent: int = 0
    duration_seconds: float = 0.0
    bars: int = 0
    notes: int = 0
    parts: int = 0
    unnamed_parts: int = 0
    repaired_files: int = 0
    repairs: Counter[tuple[str, str]] = field(default_factory=Counter)
    left_out: Counter[tuple[str, str]] = field(default_factory=Counter)
    metres: Counter[str] = field(default_factory=Counter)
    tempos_bpm: list[float] = field(default_factory=list)
    slots: dict[str, SlotTotal] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.slots = {s.name: SlotTotal(s.name) for s in self.lineup.slots}

    @property
    def median_tempo_bpm(self) -> float | None:
        """The tempo of the middle file; None where no file has notes."""
        return round(median(self.tempos_bpm), 3) if self.tempos_bpm else None

    def add(self, outcome: Outcome[FileFacts]) -> None:
        """Count one file."""
        if outcome.bad is not None:
            self.rejected.append(outcome.bad)
            return
        facts = outcome.unwrap()
        self.files += 1
        self.duration_seconds += facts.duration_seconds
        self.bars += facts.bars
        self.notes += facts.notes
        self.parts += len(facts.parts)
        self.repaired_files += bool(facts.repairs)
        for table, kinds in ((self.repairs, facts.repairs), (self.left_out, facts.left_out)):
            for kind in kinds:
                table[kind.kind, kind.sentence] += kind.count
        self.silent += not facts.notes
        if facts.notes:
            self.metres[facts.metres[0]] += 1
            self.tempos_bpm.append(facts.tempo_bpm)
        for part in facts.parts:
            self.unnamed_parts += not part.name
            for name in (part.slot, part.slot_by_name):
                self.slots.setdefault(name, SlotTotal(name))
            self.slots[part.slot].parts += 1
            self.slots[part.slot].notes += part.notes
            self.slots[part.slot_by_name].notes_by_name += part.notes


def survey(
    folder: str | os.PathLike[str],
    lineup: Lineup | str = "band",
    limits: Limits | None = None,
) -> Iterator[Outcome[FileFacts]]:
    """Facts of every MIDI file below `folder`, by path; bad files are outcomes, too."""
    listing = list_midi(folder)
    for place in listing.unreadable:
        yield Outcome(place, None, BadFile(place, "this folder cannot be opened"))
    yield from survey_files(listing.paths, lineup, limits)


def survey_files(
    paths: tuple[str, ...], lineup: Lineup | str = "band", limits: Limits | None = None
) -> Iterator[Outcome[FileFacts]]:
    """Facts of the files given, in their order."""
    lineup = load_lineup(lineup) if isinstance(lineup, str) else lineup
    for outcome in contained(FACTS, paths, limits):
        yield (
            outcome
            if outcome.value is None
            else Outcome(outcome.path, placed(outcome.value, lineup))
        )


def inspect(
    source: str | os.PathLike[str] | bytes,
    lineup: Lineup | str = "band",
    limits: Limits | None = None,
    *,
    name: str = "<bytes>",
) -> FileFacts:
    """Facts of one file, from its path or its bytes. Raises `BadFile`."""
    lineup = load_lineup(lineup) if isinstance(lineup, str) else lineup
    item = Upload(name, source) if isinstance(source, bytes) else os.fspath(source)
    (outcome,) = contained(FACTS, [item], limits)
    return placed(outcome.unwrap(), lineup)


def facts_of(score: Score, path: str) -> FileFacts:
    """A score in figures; its parts are not placed in slots yet."""
    notes = score.notes
    counts = np.bincount(notes.part, minlength=len(score.parts))
    # By part, then pitch: each part's lowest note comes first and its highest last.
    ends = np.cumsum(counts)
    ordered = np.sort((notes.part.astype(np.int32) << 7) | notes.pitch)
    playing = np.flatnonzero(counts)
    lowest, highest = np.full(len(counts), 127), np.zeros(len(counts), np.int64)
    lowest[playing] = ordered[(ends - counts)[playing]] & 127
    highest[playing] = ordered[ends[playing] - 1] & 127
    source = score.source
    assert source is not None and source.midi_type is not None
    return FileFacts(
        path=path,
        midi_type=source.midi_type,
        duration_seconds=round(score.duration_seconds, 3),
        bars=score.bar_count if len(notes) else 0,
        tempo_bpm=main_tempo(score),
        metres=metres_by_length(score),
        notes=len(notes),
        parts=tuple(
            PartFacts(part.name, part.is_drum, part.channel, part.program, count, low, high)
            for part, count, low, high in zip(
                score.parts, counts.tolist(), lowest.tolist(), highest.tolist(), strict=True
            )
        ),
        repairs=source.repairs,
        left_out=source.left_out,
    )


def main_tempo(score: Score) -> float:
    """The tempo that holds longest, in quarters a minute, to three digits."""
    tempos = score.tempos
    if len(tempos) == 1:
        return round(float(tempos.bpm[0]), 3)
    ends = np.append(tempos.ticks[1:], max(score.end_ticks, int(tempos.ticks[-1])))
    held = (np.minimum(ends, score.end_ticks) - tempos.ticks).clip(0)
    held = held * tempos.microseconds_per_quarter
    values, which = np.unique(tempos.microseconds_per_quarter, return_inverse=True)
    return round(float(60e6 / values[np.argmax(np.bincount(which.reshape(-1), held))]), 3)


def metres_by_length(score: Score) -> tuple[str, ...]:
    """Every metre there is music in, the one that holds longest first."""
    metres = score.metres
    if len(metres) == 1:
        return (f"{metres.numerator[0]}/{metres.denominator[0]}",)
    ends = np.append(metres.ticks[1:], max(score.end_ticks, 1))
    held: Counter[str] = Counter()
    for numerator, denominator, ticks in zip(
        metres.numerator.tolist(),
        metres.denominator.tolist(),
        (np.minimum(ends, max(score.end_ticks, 1)) - metres.ticks).tolist(),
        strict=True,
    ):
        if ticks > 0:
            held[f"{numerator}/{denominator}"] += ticks
    return tuple(metre for metre, _ in held.most_common())


def placed(facts: FileFacts, lineup: Lineup) -> FileFacts:
    """The same facts, each part with the slot it takes in `lineup`."""
    parts = [part.part for part in facts.parts]
    names = [slot.name for slot in lineup.slots]
    in_slots = tuple(
        replace(
            part,
            slot=NO_SLOT if place.slot is None else names[place.slot],
            reason=place.reason,
            slot_by_name=NO_SLOT if by_name.slot is None else names[by_name.slot],
        )
        for part, place, by_name in zip(
            facts.parts, lineup.place(parts), lineup.place_by_name(parts), strict=True
        )
    )
    return replace(facts, parts=in_slots)


def facts_in_worker(name: str, data: bytes | None, _settings: dict[str, Any]) -> Frame:
    """What the worker does."""
    return Frame(fields_of(facts_of(read_midi(name if data is None else data), name)))


def _understand(frame: Frame) -> FileFacts:
    try:
        return believe(FileFacts, frame.head)
    except (BadMusic, KeyError, TypeError, ValueError) as error:
        raise DamagedFrame(f"what came are no facts ({error})") from error


FACTS = Task(f"{__name__}:{facts_in_worker.__name__}", _understand)
