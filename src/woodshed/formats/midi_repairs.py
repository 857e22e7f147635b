"""Everything a MIDI reader may have to mend or leave out, each with its sentence: one table.

The table is the single source for reports and for `docs/midi.md`.
"""

from __future__ import annotations

from ..music.score import Repair

MENDED = {
    "HANGING": "notes without an end; ended at the next onset of their pitch or with their track",
    "ORPHAN_OFF": "note-offs without a note; ignored",
    "ZERO_LENGTH": "notes of no length; given one tick",
    "OVERLAP": "notes begun while their pitch still sounded; ended first in, first out",
    "NO_STATUS": "bytes that belong to no message; skipped",
    "BAD_DATA": "values over 127; velocities taken as 127, other messages dropped",
    "ILLEGAL_STATUS": "messages that may not stand in a file; skipped",
    "LATE_RUNNING_STATUS": "messages that go on with a status a meta event had ended; accepted",
    "LONG_NUMBER": "numbers of more than four bytes; read by their last 28 bits",
    "CUT_EVENT": "events cut off by the end of their track; dropped",
    "NO_END": "tracks without an end; ended with their last event",
    "AFTER_END": "bytes after the end of a track; ignored",
    "TOO_LONG": "tracks that go on beyond the longest time there is; cut there",
    "TRUNCATED": "tracks longer than the file; read as far as it goes",
    "BAD_LENGTH": "tracks whose length is wrong; read to the next track",
    "JUNK": "bytes between the tracks; skipped",
    "LEADING_JUNK": "bytes before the header; skipped",
    "TRACK_COUNT": "tracks more or fewer than the header says; read as found",
    "ODD_HEADER": "header of an unusual length; read anyway",
    "UNKNOWN_TYPE": "file type beyond 2; read as type 1",
    "BAD_TEMPO": "tempos of 0 or cut short; ignored",
    "BAD_METRE": "time signatures that make no sense; ignored",
    "BAD_KEY": "key signatures that make no sense; ignored",
    "SMPTE_TEMPO": "tempos in a file that counts in film frames, where they mean nothing; ignored",
    "REPLACED": "tempos, metres or keys followed by another at the same tick; the last one holds",
    "CONTROL_CHARACTER": "texts with control characters; those left out",
    "FOREIGN_TEXT": "texts not in UTF-8; read as Windows-1252",
}

LEFT_OUT = {
    "AFTERTOUCH": "aftertouch messages",
    "RELEASE_VELOCITY": "how fast keys were released",
    "SYSTEM_EXCLUSIVE": "system exclusive messages (drum parts they declare are obeyed)",
    "OTHER_META": "meta events of other kinds (sequencer data, ports, SMPTE offsets, …)",
    "UNHEARD_CONTROL": "controllers and bends on channels that play no note",
    "UNKNOWN_CHUNK": "chunks that are not tracks, of the file or of its RIFF wrapper",
}


class Ledger:
    """Counts what one reading mended and left out."""

    __slots__ = ("_counts",)

    def __init__(self) -> None:
        self._counts: dict[str, int] = {}

    def note(self, kind: str, count: int) -> None:
        """Add `count` cases of `kind`; none leaves no trace."""
        if count:
            self._counts[kind] = self._counts.get(kind, 0) + count

    def repairs(self) -> tuple[Repair, ...]:
        """What was mended, in the order of the table."""
        return self._listed(MENDED)

    def left_out(self) -> tuple[Repair, ...]:
        """What was left out, in the order of the table."""
        return self._listed(LEFT_OUT)

    def _listed(self, table: dict[str, str]) -> tuple[Repair, ...]:
        if not self._counts:
            return ()
        return tuple(
            Repair(kind.lower(), self._counts[kind], sentence)
            for kind, sentence in table.items()
            if kind in self._counts
        )
