"""Other readers see what we see: mido and pretty_midi on every real file.

mido gives raw messages, from which the slow and obvious reading below is made. pretty_midi has
rules of its own for overlapping and empty notes and for programs, so it is asked only where those
do not matter.
"""

from __future__ import annotations

import warnings
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import mido
import numpy as np
import pretty_midi
import pytest
from mido.midifiles.meta import KeySignatureError

from woodshed.corpus.folder import list_midi
from woodshed.formats.midi_read import read_midi
from woodshed.music.score import Score

SLICES = 16
"""The files are shared out to as many tests, so that they can run side by side."""

Note = tuple[int, int, int, int, int, int]
Place = tuple[int, int, int]


def real_files(folder: Path, number: int) -> list[Path]:
    paths = [Path(p) for p in list_midi(folder).paths if "torture" not in p]
    return paths[number::SLICES]


@pytest.mark.slow
@pytest.mark.parametrize("number", range(SLICES))
def test_mido_and_pretty_midi_see_the_same(test_data: Path, number: int) -> None:
    compared = Counter[str]()
    for path in real_files(test_data, number):
        try:
            raw = mido.MidiFile(str(path), clip=True)
        except KeySignatureError:  # mido gives a file up for this; we mend it
            compared["refused by mido"] += 1
            continue
        score = read_midi(path)
        kinds = {r.kind for r in score.source.repairs} if score.source else set()
        # None of these damage the reading by either library; anything else must be looked at.
        assert kinds <= {
            "overlap",
            "orphan_off",
            "zero_length",
            "hanging",
            "foreign_text",
            "bad_key",
            "replaced",
            "control_character",
        }
        expected = _obvious(raw)
        assert _notes(score, expected.hung) == expected.notes, path
        assert _tempos(score) == expected.tempos, path
        assert _metres(score) == expected.metres, path
        compared["mido"] += 1
        found = _compare_with_pretty_midi(raw, score, kinds, expected.one_program_each)
        compared.update(found)
    # The second oracle must not quietly fall silent.
    assert compared["refused by mido"] <= 1
    for what in ("notes", "programs", "maps"):
        assert compared[what] > 0.6 * compared["mido"], f"{what} of {compared[what]} files only"


class _obvious:  # noqa: N801 - reads as what it is
    """A file read message by message, in the simplest way that could be right."""

    def __init__(self, raw: mido.MidiFile) -> None:
        self.notes: Counter[Note] = Counter()
        self.hung: set[Place] = set()
        channel_programs: dict[int, list[tuple[int, int]]] = defaultdict(list)
        for _, tick, message in _messages(raw):
            if message.type == "program_change":
                channel_programs[message.channel].append((tick, message.program))
        programs: dict[tuple[int, int], int] = {}
        sounding: dict[Place, list[tuple[int, int, int]]] = defaultdict(list)
        own_programs: dict[tuple[int, int], list[int]] = defaultdict(list)
        first_note: dict[tuple[int, int], int] = {}
        tempos: dict[int, int] = {}
        metres: dict[int, tuple[int, int]] = {}
        for track, tick, message in _messages(raw):
            if message.type == "program_change":
                programs[track, message.channel] = message.program
                own_programs[track, message.channel].append(tick)
            elif message.type == "note_on" and message.velocity > 0:
                place = (track, message.channel, message.note)
                first_note.setdefault((track, message.channel), tick)
                program = programs.get((track, message.channel))
                if program is None:
                    changes = sorted(channel_programs[message.channel], key=lambda c: c[0])
                    program = next((p for at, p in reversed(changes) if at <= tick), 0)
                sounding[place].append((tick, message.velocity, program))
            elif message.type in ("note_on", "note_off"):
                place = (track, message.channel, message.note)
                if sounding[place]:
                    start, velocity, program = sounding[place].pop(0)
                    duration, channel = max(tick - start, 1), message.channel
                    self.notes[start, duration, message.note, velocity, channel, program] += 1
            elif message.type == "set_tempo" and message.tempo:
                tempos[tick] = message.tempo
            elif message.type == "time_signature":
                metres[tick] = (message.numerator, message.denominator)
        # pretty_midi takes programs per track, and the one that holds when a note ends.
        self.one_program_each = all(
            max(ticks) <= first_note[place]
            for place, ticks in own_programs.items()
            if place in first_note
        ) and not any(
            program
            for place in first_note
            if place not in own_programs
            for _, program in channel_programs[place[1]]
        )
        self.hung = {place for place, notes in sounding.items() if notes}
        channels = {(channel, pitch) for _, channel, pitch in self.hung}
        for note in list(self.notes):
            if (note[4], note[2]) in channels:
                del self.notes[note]
        self.tempos = _in_time(tempos, 500_000)
        self.metres = _in_time(metres, (4, 4))


def _messages(raw: mido.MidiFile) -> Iterator[tuple[int, int, Any]]:
    for number, track in enumerate(raw.tracks):
        tick = 0
        for message in track:
            tick += message.time
            yield number, tick, message


def _in_time(changes: dict[int, Any], default: Any) -> list[tuple[int, Any]]:
    return sorted(({0: default} | changes).items())


def _notes(score: Score, hung: set[Place]) -> Counter[Note]:
    left_out = {(channel, pitch) for _, channel, pitch in hung}
    n = score.notes
    parts = [(p.channel, p.program) for p in score.parts]
    rows = zip(
        n.start_ticks.tolist(), n.duration_ticks.tolist(), n.pitch.tolist(),
        n.velocity.tolist(), n.part.tolist(), strict=True,
    )  # fmt: skip
    return Counter(
        (start, duration, pitch, velocity, parts[part][0] or 0, parts[part][1])
        for start, duration, pitch, velocity, part in rows
        if (parts[part][0], pitch) not in left_out
    )


def _tempos(score: Score) -> list[tuple[int, int]]:
    t = score.tempos
    return list(zip(t.ticks.tolist(), t.microseconds_per_quarter.tolist(), strict=True))


def _metres(score: Score) -> list[tuple[int, tuple[int, int]]]:
    m = score.metres
    pairs = zip(m.numerator.tolist(), m.denominator.tolist(), strict=True)
    return list(zip(m.ticks.tolist(), pairs, strict=True))


def _compare_with_pretty_midi(
    raw: mido.MidiFile, score: Score, kinds: set[str], one_program: bool
) -> Iterator[str]:
    """Compare what pretty_midi reads as we do; yields what was compared. Uses `raw` up."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        other = pretty_midi.PrettyMIDI(mido_object=raw)
    if not kinds & {"overlap", "zero_length", "hanging"}:
        assert _played(score, programs=False) == _played_of(other, programs=False)
        yield "notes"
        if one_program:
            assert _played(score, programs=True) == _played_of(other, programs=True)
            yield "programs"
    if not any("non-zero tracks" in str(w.message) for w in caught):
        # Its list of tempos leaves some out, and says others twice; what they do must be the same.
        onsets = np.unique(score.notes.start_ticks)
        seconds = [other.tick_to_time(tick) for tick in onsets.tolist()]
        assert np.allclose(seconds, score.seconds(onsets), rtol=0, atol=1e-6)
        metres = {other.time_to_tick(m.time): (m.numerator, m.denominator)
                  for m in other.time_signature_changes}  # fmt: skip
        assert _in_time(metres, (4, 4)) == _metres(score)
        yield "maps"


Played = tuple[int, int, int, int, int, bool]


def _played(score: Score, *, programs: bool) -> Counter[Played]:
    n = score.notes
    rows = zip(
        n.start_ticks.tolist(), n.end_ticks.tolist(), n.pitch.tolist(), n.velocity.tolist(),
        n.part.tolist(), strict=True,
    )  # fmt: skip
    return Counter(
        # pretty_midi knows no drums beside channel 10; ours obey system exclusive messages, too.
        (
            start,
            end,
            pitch,
            velocity,
            score.parts[p].program * programs,
            score.parts[p].channel == 9,
        )
        for start, end, pitch, velocity, p in rows
    )


def _played_of(other: pretty_midi.PrettyMIDI, *, programs: bool) -> Counter[Played]:
    return Counter(
        (
            other.time_to_tick(note.start), other.time_to_tick(note.end), note.pitch, note.velocity,
            instrument.program * programs, instrument.is_drum,
        )
        for instrument in other.instruments
        for note in instrument.notes
    )  # fmt: skip
