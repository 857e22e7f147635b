"""Prompts in `events`: read as music of values a model knows, and told anew."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from ..errors import UsageError
from . import nearest
from .events import Events
from .known import Known, words
from .rebar import Bar, Note, barred


def told_events(tokens: NDArray[np.int64], known: Known, events: Events) -> tuple[list[int], int]:
    """The prompt in known tokens, and how many notes were merged into others."""
    prompt = _Prompt(known, events)
    for group, value in words(tokens, known.language):
        prompt.read(group, value)
    prompt.close()
    bars, notes = barred(prompt.bars, prompt.notes, known) if prompt.bars else ([], [])
    moved = sorted(_moved(bars, notes, known))
    apart: dict[tuple[int, int, int], Note] = {}
    for note in moved:
        place = (note.step, note.slot, note.pitch)
        twin = apart.get(place, note)
        velocity = max(note.velocity, twin.velocity)
        duration = max(note.duration or 0, twin.duration or 0)
        apart[place] = Note(*place, velocity, None if note.duration is None else duration)
    told = [*prompt.header(), *_body(bars, list(apart.values()), known)]
    return told + [known.language.first["END"]] * prompt.ends, len(moved) - len(apart)


class _Prompt:
    """A prompt as it is read, word by word: its header, bars and notes.

    Players, pitches, lengths and velocities are such as the model knows; bars and times are still
    the prompt's own.
    """

    def __init__(self, known: Known, events: Events) -> None:
        self.known, self.lineup = known, events.lineup
        self.pitches, self.hits = known.rows("PITCH"), known.rows("DRUM")
        self.durations, self.velocities = known.rows("DUR"), known.rows("VEL")
        self.chords = known.rows("CHORD")
        self.is_drums = [slot.drums for slot in events.lineup.slots]
        kinds = {False: self.pitches and self.durations, True: self.hits}
        self.players = [
            slot
            for slot in known.rows("SLOT")
            if slot in known.rows("INST") and self.velocities and kinds[self.is_drums[slot]]
        ]
        self.head: dict[str, int] = {}
        self.slots: set[int] = set()
        self.tags: list[int] = []
        self.bars: list[Bar] = []
        self.notes: list[Note] = []
        self.ends = self.now = 0
        self.player: int | None = None
        self.open: dict[str, int] = {}
        """Words since the last whole note or bar."""

    def read(self, group: str, value: int) -> None:
        """Take one word in."""
        known = self.known
        if group in ("START", "END"):
            self.head |= {"START": 0} if group == "START" else {}
            self.ends += group == "END"
        elif group == "TEMPO":
            self._head(known.value(group, value, nearest.nearest_tempo, known.needed(group)), group)
        elif group == "KEY":
            self._head(known.value(group, value, nearest.nearest_key, known.rows(group)), group)
        elif group == "SLOT":
            slot = self._player(group, value)
            self.slots |= set() if slot is None else {slot}
        elif group == "TAG":
            if known.value(group, value, lambda *_: None, known.rows(group)) is not None:
                self.tags.append(value)
        elif group == "BAR":
            self.now = self.bars[-1].end if self.bars else 0
            self.bars.append(Bar(self.now, value))
        elif group == "CUT" and self.bars:
            self.bars[-1] = Bar(self.now, self.bars[-1].metre, value + 1)
        elif group == "CHORD" and self.bars:
            chord = known.value(group, value, nearest.nearest_chord, self.chords)
            self.bars[-1] = dataclasses.replace(self.bars[-1], chord=chord)
        else:
            self._word_of_a_note(group, value)

    def close(self) -> None:
        """Tell what the prompt broke off in; `UsageError` where nobody is left to play."""
        for group, value in self.open.items():
            self.known.tell([self.known.name(group, value)], [])
        if not self.slots and any(name.startswith("SLOT_") for name, _ in self.known.changes):
            names = ", ".join(self.lineup.slots[slot].name for slot in self.players)
            raise UsageError(
                "the model knows none of the players of this prompt, nor any that could stand in; "
                f"it knows {names or 'nobody'}: give a prompt for these"
            )

    def header(self) -> Iterator[int]:
        """The tokens before the first bar."""
        first = self.known.language.first
        yield from (first[group] + value for group, value in self.head.items())
        yield from (first["SLOT"] + slot for slot in sorted(self.slots))
        yield from (first["TAG"] + tag for tag in self.tags)

    def _head(self, value: int | None, group: str) -> None:
        if value is not None:
            self.head[group] = value

    def _player(self, group: str, value: int) -> int | None:
        def rule(among: Sequence[int], slot: int) -> int | None:
            return nearest.nearest_slot(among, slot, self.lineup)

        return self.known.value(group, value, rule, self.players)

    def _word_of_a_note(self, group: str, value: int) -> None:
        self.open[group] = value
        if group == "SHIFT":
            self.now += value + 1
        elif group == "INST":
            self.player = self._player(group, value)
        elif group in ("DUR", "DRUM"):
            word, self.open = self.open, {}
            is_whole = "VEL" in word and ("DRUM" in word or "PITCH" in word)
            if self.bars and is_whole and self.player is not None:
                self._note(word, self.player)

    def _note(self, word: dict[str, int], player: int) -> None:
        known = self.known
        velocity = known.value("VEL", word["VEL"], nearest.nearest_value, self.velocities)
        duration: int | None = None
        if self.is_drums[player]:
            pitch = known.value("DRUM", word["DRUM"], nearest.nearest_drum, self.hits)
        else:
            pitch = known.value("PITCH", word["PITCH"], nearest.nearest_pitch, self.pitches)
            duration = known.value("DUR", word["DUR"], nearest.nearest_duration, self.durations)
        if pitch is not None and velocity is not None:
            self.notes.append(Note(self.now, player, pitch, velocity, duration))


def _moved(bars: list[Bar], notes: list[Note], known: Known) -> Iterator[Note]:
    """The notes at the nearest moments that known shifts lead to; moments may become one."""
    shifts = [row + 1 for row in known.rows("SHIFT")]
    starts = [bar.start for bar in bars]
    told = wanted = 0  # where the last moment is, and where it should be
    here: Bar | None = None
    for note in sorted(notes, key=lambda note: note.step):
        bar = bars[int(np.searchsorted(starts, note.step, side="right")) - 1]
        if bar != here:
            here, told, wanted = bar, bar.start, bar.start
        if note.step > wanted:
            reach = [*(told + shift for shift in shifts if told + shift < bar.end), told]
            moment = min(reach, key=lambda step: abs(step - note.step))
            shift = note.step - wanted
            if moment - told != shift:
                became = [known.name("SHIFT", moment - told - 1)] if moment > told else []
                known.tell([known.name("SHIFT", shift - 1)], became)
            told, wanted = moment, note.step
        yield Note(told, note.slot, note.pitch, note.velocity, note.duration)


def _body(bars: list[Bar], notes: list[Note], known: Known) -> Iterator[int]:
    first = known.language.first
    left = iter(notes)
    note = next(left, None)
    for bar in bars:
        yield first["BAR"] + bar.metre
        if bar.cut is not None:
            yield first["CUT"] + bar.cut - 1
        if bar.chord is not None:
            yield first["CHORD"] + bar.chord
        at, player = bar.start, -1
        while note is not None and note.step < bar.end:
            if note.step > at:
                yield first["SHIFT"] + note.step - at - 1
                at, player = note.step, -1
            if note.slot != player:
                yield first["INST"] + note.slot
                player = note.slot
            yield first["VEL"] + note.velocity
            if note.duration is None:
                yield first["DRUM"] + note.pitch
            else:
                yield first["PITCH"] + note.pitch
                yield first["DUR"] + note.duration
            note = next(left, None)
