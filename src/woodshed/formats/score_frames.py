"""Scores as frames and back. What comes back is checked by the score's own rules, never trusted."""

from __future__ import annotations

from typing import Any

from ..errors import BadMusic
from ..music.columns import Columns, schema
from ..music.notes import Bends, Controls, Notes
from ..music.score import Part, Repair, Score, Source, Text
from ..music.time import KeyMap, MetreMap, TempoMap
from .frames import DamagedFrame, Frame

TABLES: dict[str, type[Columns]] = {
    "notes": Notes,
    "tempos": TempoMap,
    "metres": MetreMap,
    "keys": KeyMap,
    "controls": Controls,
    "bends": Bends,
}


def score_to_frame(score: Score) -> Frame:
    """A score as one frame, its columns as they lie."""
    source = score.source or Source()
    return Frame(
        {
            "ticks_per_quarter": score.ticks_per_quarter,
            "parts": [[p.name, p.program, p.is_drum, p.channel] for p in score.parts],
            "texts": [[t.ticks, t.kind, t.text, t.part] for t in score.texts],
            "path": source.path,
            "midi_type": source.midi_type,
            "repairs": [[r.kind, r.count, r.sentence] for r in source.repairs],
            "left_out": [[r.kind, r.count, r.sentence] for r in source.left_out],
        },
        {
            f"{table}.{column}": getattr(rows, column)
            for table, kind in TABLES.items()
            if len(rows := getattr(score, table))
            for column, _ in schema(kind)
        },
    )


def score_from_frame(frame: Frame) -> Score:
    """The score in a frame. Raises `DamagedFrame` where it is none."""
    head = frame.head
    try:
        path, midi_type = head["path"], head["midi_type"]
        if not (isinstance(path, str | None) and isinstance(midi_type, int | None)):
            raise TypeError(f"its source is {path!r}, {midi_type!r}")
        tables: dict[str, Any] = {
            table: kind(*(frame.arrays[f"{table}.{column}"] for column, _ in schema(kind)))
            for table, kind in TABLES.items()
            if f"{table}.{schema(kind)[0][0]}" in frame.arrays  # tables without rows are not sent
        }
        return Score(
            ticks_per_quarter=int(head["ticks_per_quarter"]),
            parts=tuple(
                Part(str(name), int(program), bool(drum), None if channel is None else int(channel))
                for name, program, drum, channel in head["parts"]
            ),
            texts=tuple(
                Text(int(ticks), kind, str(text), None if part is None else int(part))
                for ticks, kind, text, part in head["texts"]
            ),
            source=Source(
                path,
                midi_type,
                tuple(Repair(str(k), int(n), str(s)) for k, n, s in head["repairs"]),
                tuple(Repair(str(k), int(n), str(s)) for k, n, s in head["left_out"]),
            ),
            **tables,
        )
    except (BadMusic, KeyError, TypeError, ValueError, OverflowError) as error:
        raise DamagedFrame(f"what came is no score ({error})") from error
