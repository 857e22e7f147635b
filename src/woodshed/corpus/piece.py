"""One file on its way into a dataset: read, placed in slots, judged, and cut into passages.

This is the whole work on a file. It runs in a worker process, and what crosses over to the parent
is either everything a dataset keeps of the piece, or the reason why it keeps nothing.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import BadFile
from ..formats.contain import Task
from ..formats.frames import DamagedFrame, Frame
from ..formats.midi_read import read_bytes, read_midi
from ..music.chords import ChordMap, chord_map
from ..music.columns import Columns, runs, schema
from ..music.grid import STEPS_PER_QUARTER, rescale
from ..music.lineup import Lineup
from ..music.notes import SUSTAIN, Bends
from ..music.score import Part, Score
from .dataset_layout import NO_SLOT, TABLES, lineup_from_dict, lineup_to_dict
from .passages import PassagePrints, passage_prints
from .quality import judge
from .quality_settings import QualitySettings
from .survey import main_tempo, metres_by_length

UNREADABLE, NO_PLACE = "unreadable", "lineup"
"""Why a file becomes no piece; a poor one is told by the setting of quality that it breaks."""


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Why a file is no piece: the kind of reason, and a sentence."""

    kind: str
    because: str


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of a piece by itself; the columns of `Pieces` that need no other piece."""

    bars: int
    notes: int
    notes_left_out: int
    parts: int
    slots: str
    duration_seconds: float
    tempo_bpm: float
    metre: str
    quality: float
    is_performed: bool
    most_notes_on_a_step: int
    longest_rest_quarters: float
    repairs: int


@dataclass(frozen=True, slots=True)
class Prepared:
    """What became of one file: a piece with its columns by "table.column", or why it is none."""

    checksum: str
    facts: Facts | None = None
    left_out: LeftOut | None = None
    arrays: Mapping[str, NDArray[Any]] = dataclasses.field(default_factory=dict)


def prepare_task(lineup: Lineup, quality: QualitySettings) -> Task[Prepared]:
    """The work on each file, for `contained`."""
    function = f"{__name__}:{prepare_in_worker.__name__}"
    return Task(function, prepared_from_frame, settings_to_send(lineup, quality))


def settings_to_send(lineup: Lineup, quality: QualitySettings) -> dict[str, Any]:
    """What a worker must know, as text: then it can tell at once that it knows it already."""
    return {"settings": json.dumps([lineup_to_dict(lineup), dataclasses.asdict(quality)])}


def prepare_in_worker(name: str, data: bytes | None, settings: dict[str, Any]) -> Frame:
    """What the worker does."""
    lineup, quality = settings_sent(settings)
    content = read_bytes(name) if data is None else data
    checksum = hashlib.sha256(content).hexdigest()
    try:
        score = read_midi(content)
    except BadFile as error:
        return frame_of(Prepared(checksum, left_out=LeftOut(UNREADABLE, error.reason)))
    return frame_of(prepare_score(score, checksum, lineup, quality))


def settings_sent(settings: Mapping[str, Any]) -> tuple[Lineup, QualitySettings]:
    """What `settings_to_send` said."""
    return _settings(settings["settings"])


@lru_cache(maxsize=4)
def _settings(text: str) -> tuple[Lineup, QualitySettings]:
    lineup, quality = json.loads(text)
    return lineup_from_dict(lineup), QualitySettings(**quality)


def prepare_score(
    score: Score, checksum: str, lineup: Lineup, quality: QualitySettings
) -> Prepared:
    """Everything that happens to a score on its way into a dataset."""
    placed = place(score, lineup)
    if not len(placed.score.notes) and len(score.notes):
        names = ", ".join(sorted({p.name or "a part without a name" for p in score.parts})[:4])
        because = f"none of its parts has a slot in the lineup {lineup.name}: {names}"
        return Prepared(checksum, left_out=LeftOut(NO_PLACE, because))
    verdict = judge(placed.score, quality)
    if verdict.rejected_because is not None:
        kind = str(verdict.rejected_by)
        return Prepared(checksum, left_out=LeftOut(kind, verdict.rejected_because))
    piece = placed.score
    playing = sorted(set(placed.slots.tolist()))
    repairs = piece.source.repairs if piece.source else ()
    return Prepared(
        checksum,
        Facts(
            bars=piece.bar_count,
            notes=len(piece.notes),
            notes_left_out=len(score.notes) - len(piece.notes),
            parts=len(piece.parts),
            slots=" ".join(lineup.slots[slot].name for slot in playing),
            duration_seconds=round(piece.duration_seconds, 3),
            tempo_bpm=main_tempo(piece),
            metre=metres_by_length(piece)[0],
            quality=verdict.score,
            is_performed=bool(verdict.is_performed),
            most_notes_on_a_step=_most_on_a_step(piece),
            longest_rest_quarters=_longest_rest(piece),
            repairs=sum(repair.count for repair in repairs),
        ),
        arrays=_columns(placed),
    )


@dataclass(frozen=True, slots=True)
class Placed:
    """A score of the parts that play and have a slot, their slots, and the chords of the piece."""

    score: Score
    slots: NDArray[np.uint8]
    slots_by_name: NDArray[np.uint8]
    chords: ChordMap


def place(score: Score, lineup: Lineup) -> Placed:
    """Leave out parts that do not play or have no slot, and all controllers but the pedal."""
    counts = np.bincount(score.notes.part, minlength=len(score.parts))
    playing = np.flatnonzero(counts).tolist()
    parts = [score.parts[row] for row in playing]
    slots, by_name = _slots(lineup, tuple((p.name, p.program, p.is_drum, p.channel) for p in parts))
    stays = [n for n, slot in enumerate(slots) if slot is not None]
    new_row = np.full(len(score.parts), len(score.parts), np.int64)
    new_row[[playing[n] for n in stays]] = np.arange(len(stays))

    def renumbered(rows: Any) -> Any:
        row = new_row[rows.part]
        keep = row < len(score.parts)
        if keep.all() and np.array_equal(row, rows.part):
            return rows
        return rows.take(keep).replace(part=row[keep])

    pedal = score.controls.take(score.controls.number == SUSTAIN)
    return Placed(
        score.replace(
            notes=renumbered(score.notes),
            parts=tuple(parts[n] for n in stays),
            controls=renumbered(pedal),
            bends=Bends.empty(),
            texts=(),
        ),
        np.array([slots[n] for n in stays], np.uint8),
        np.array([NO_SLOT if (s := by_name[n]) is None else s for n in stays], np.uint8),
        chord_map(score.texts),
    )


_Slots = list[int | None]


@lru_cache(maxsize=1024)
def _slots(lineup: Lineup, parts: tuple[tuple[Any, ...], ...]) -> tuple[_Slots, _Slots]:
    """The slots of parts, and those that names alone would give. Files of one source are alike."""
    known = [Part(*part) for part in parts]
    return (
        [place.slot for place in lineup.place(known)],
        [place.slot for place in lineup.place_by_name(known)],
    )


def _columns(placed: Placed) -> dict[str, NDArray[Any]]:
    """The piece as the flat columns of a dataset."""
    score = placed.score
    names = [part.name.encode("utf-8", "replace")[:65535] for part in score.parts]
    tables: dict[str, Columns] = {
        "notes": score.notes,
        "tempos": score.tempos,
        "metres": score.metres,
        "keys": score.keys,
        "chords": placed.chords,
        "controls": score.controls,
        "passages": passage_prints(score),
    }
    by_hand: dict[str, tuple[Any, ...]] = {
        "parts": (
            placed.slots,
            placed.slots_by_name,
            [part.program for part in score.parts],
            [part.is_drum for part in score.parts],
            np.bincount(score.notes.part, minlength=len(score.parts)),
            [len(name) for name in names],
        ),
        "names": (np.frombuffer(b"".join(names), np.uint8),),
        "times": ([score.ticks_per_quarter],),
    }
    columns = {}
    for table, layout in TABLES.items():
        rows = tables.get(table)
        values = by_hand[table] if rows is None else [getattr(rows, name) for name in layout]
        for (name, dtype), value in zip(layout.items(), values, strict=True):
            columns[f"{table}.{name}"] = np.asarray(value).astype(dtype, copy=False)
    return columns


def _most_on_a_step(score: Score) -> int:
    """The most notes that begin on one step of the finest common grid."""
    steps = rescale(score.notes.start_ticks, STEPS_PER_QUARTER, score.ticks_per_quarter)
    return int(runs(steps)[1].max())


def _longest_rest(score: Score) -> float:
    """The longest time between notes in which nothing sounds, in quarters."""
    sounded = np.maximum.accumulate(score.notes.end_ticks)
    rests = score.notes.start_ticks[1:] - sounded[:-1]
    return round(max(int(rests.max(initial=0)), 0) / score.ticks_per_quarter, 3)


def frame_of(prepared: Prepared) -> Frame:
    """What became of a file, as a message."""
    facts, left_out = prepared.facts, prepared.left_out
    return Frame(
        {
            "checksum": prepared.checksum,
            "facts": [getattr(facts, name) for name in _FACTS] if facts else None,
            "left_out": [left_out.kind, left_out.because] if left_out else None,
        },
        prepared.arrays,
    )


def prepared_from_frame(frame: Frame) -> Prepared:
    """What became of a file. Raises `DamagedFrame` where a message does not say that."""
    head = frame.head
    try:
        checksum, facts, left_out = head["checksum"], head["facts"], head["left_out"]
        if not isinstance(checksum, str) or len(checksum) not in (0, 64):
            raise TypeError(f"its checksum is {checksum!r}")
        if left_out is not None:
            kind, because = left_out
            return Prepared(checksum, left_out=LeftOut(str(kind), str(because)))
        known = Facts(*(_fact(v, t) for v, t in zip(facts, _FACTS.values(), strict=True)))
        _check_arrays(frame.arrays, known)
    except (KeyError, TypeError, ValueError) as error:
        raise DamagedFrame(f"what came is no piece ({error})") from error
    return Prepared(checksum, known, arrays=frame.arrays)


_KINDS: dict[str, type] = {"int": int, "float": float, "bool": bool, "str": str}
_FACTS = {f.name: _KINDS[str(f.type)] for f in dataclasses.fields(Facts)}


def _fact(value: Any, kind: type) -> Any:
    if kind is float and type(value) is int:  # JSON may say 3 for 3.0
        return float(value)
    out_of_bounds = (type(value) is int and not 0 <= value < 2**31) or (
        type(value) is float and not math.isfinite(value)
    )
    if type(value) is not kind or out_of_bounds:
        raise TypeError(f"{value!r} is no {kind.__name__} there can be")
    return value


def _check_arrays(arrays: Mapping[str, NDArray[Any]], facts: Facts) -> None:
    """Check lengths and types; whether the values are music, `Dataset.score` checks."""
    wanted = {f"{table}.{name}" for table, layout in TABLES.items() for name in layout}
    if set(arrays) != wanted:
        raise ValueError(f"its columns are {sorted(set(arrays) ^ wanted)} too few or too many")
    for table, layout in TABLES.items():
        rows = len(arrays[f"{table}.{next(iter(layout))}"])
        for name, dtype in layout.items():
            found = arrays[f"{table}.{name}"]
            if found.dtype != dtype or len(found) != rows:
                raise ValueError(f"{table}.{name} has {len(found)} values of {found.dtype}")
    lengths = [len(arrays["notes.pitch"]), len(arrays["parts.slot"]), len(arrays["times." + _TPQ])]
    if lengths != [facts.notes, facts.parts, 1]:
        raise ValueError(f"{lengths} rows where {facts.notes}, {facts.parts}, 1 were told")
    if int(arrays["parts.name_bytes"].sum(dtype=np.int64)) != len(arrays["names.utf8"]):
        raise ValueError("the names are longer or shorter than told")


_TPQ = next(iter(TABLES["times"]))

assert [f.name for f in dataclasses.fields(Part)][:3] == ["name", "program", "is_drum"]
assert all(name in schema(PassagePrints)[n] for n, name in enumerate(TABLES["passages"]))
