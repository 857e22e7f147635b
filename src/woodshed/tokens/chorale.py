"""The language `chorale`: soprano, alto, tenor and bass in sixteenths, four tokens a step.

    START  (S A T B)…  END        each of them a pitch that sounds, or a rest: S_67 A_62 T_REST B_43

A note goes on by being told again, so one struck anew on its own pitch cannot be told from one that
is held. No tempo, metre or key: a bar is 16 steps from the first, and 80 quarters make a minute.
The grid, the order and the tokens counted are those of the published figures on Bach's chorales;
there voices share one set of pitches, here each has its own, which says the same, as the order says
whose turn it is. Run this module to see the table.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from ..errors import BadMusic
from ..music.grid import rescale
from ..music.notes import Notes
from ..music.score import Part, Score
from ..music.time import TempoMap
from ..settings import setting
from .grammar import Effect, EffectRule, Grammar, Guard, GuardRule
from .language import Group, Language, TokenIds

VOICES = ("S", "A", "T", "B")
RESTS = tuple(f"{voice}_REST" for voice in VOICES)
PART_NAMES = ("Soprano", "Alto", "Tenor", "Bass")
ALSO_CALLED = (
    ("soprano", "sopran", "cantus", "s"),
    ("alto", "alt", "altus", "contralto", "a"),
    ("tenor", "tenore", "t"),
    ("bass", "basso", "bassus", "b"),
)
"""Whole names of parts that say which voice they are, letter case and figures aside."""

STEPS_PER_QUARTER = 4
STEPS_PER_BAR = 16
QUARTERS_PER_MINUTE = 80
STEP_NS = 60_000_000_000 // (QUARTERS_PER_MINUTE * STEPS_PER_QUARTER)
CHOIR, VELOCITY = 52, 80

SILENT = -1
"""A cell in which a voice rests."""
MOST_CHORDS = 0.1
"""A voice is one line: in a larger share of its notes together with others, it is none."""
MOST_STEPS = 20_000
"""More than an hour. Every sixteenth is four tokens, whatever happens in it."""

REST_VALUE, NOTHING_YET = 128, 129
"""What a register says of the last cell of a voice that is no pitch."""
REGISTERS = ("still", "rests", *(f"last_{voice}" for voice in VOICES))

Cells = NDArray[np.int64]
"""(steps, 4): the pitch each voice has at each step, or `SILENT`."""


@dataclass(frozen=True, slots=True)
class ChoraleLimits:
    """How far generated chorales may go, in the measure of their corpus (see `limits`)."""

    still: int = setting(64, "Most steps in a row in which every voice stays where it is.")
    rests: int = setting(32, "Most steps in a row in which nobody sings.")
    lead_rests: int = setting(32, "Most of them before the first note.")


@dataclass(frozen=True)
class Chorale:
    """The language; there is only one."""

    @cached_property
    def language(self) -> Language:
        """The table."""
        return Language(
            "chorale",
            (
                *(Group.numbers(voice, range(128), "pitch") for voice in VOICES),
                *(Group.single(rest) for rest in RESTS),
                Group.single("START"),
                Group.single("END"),
            ),
        )

    @cached_property
    def voice_of(self) -> NDArray[np.int64]:
        """For each token the row of the voice it is a cell of, -1 for START and END."""
        rows = [*range(4), *range(4), -1, -1]
        return np.array(rows)[self.language.group_of]

    def refusal(self, score: Score, slots: Sequence[int | None] | None = None) -> str | None:
        """Why a score cannot be told, in a sentence; None where it can."""
        try:
            cells_of(score, slots)
        except BadMusic as error:
            return str(error)
        return None

    def reduce(self, score: Score, slots: Sequence[int | None] | None = None) -> Score:
        """The score as this language sees it: four lines in sixteenths. Raises as `encode`."""
        return _score(cells_of(score, slots))

    def encode(self, score: Score, slots: Sequence[int | None] | None = None) -> TokenIds:
        """The tokens of a score. Drum parts, and parts whose slot is None, are left out.

        Raises `BadMusic` where four voices cannot be told apart, or where it lasts too long.
        """
        return self.told(cells_of(score, slots))

    def encoded_or_empty(self, score: Score, slots: Sequence[int | None] | None = None) -> TokenIds:
        """As `encode`; a score that cannot be told has no step, as drums have no note elsewhere."""
        try:
            return self.encode(score, slots)
        except BadMusic:
            return self.told(np.empty((0, 4), np.int64))

    def told(self, cells: Cells) -> TokenIds:
        """The tokens of cells."""
        first = self.language.first
        pitches = np.array([first[voice] for voice in VOICES])
        rests = np.array([first[rest] for rest in RESTS])
        inner = np.where(cells == SILENT, rests, pitches + cells).reshape(-1)
        return np.concatenate([[first["START"]], inner, [first["END"]]]).astype(np.uint16)

    def cells(self, tokens: NDArray[np.integer]) -> Cells:
        """The steps that tokens tell whole; tokens out of place are passed over."""
        ids = np.asarray(tokens, np.int64)
        voice = self.voice_of[ids]
        ids, voice = ids[voice >= 0], voice[voice >= 0]
        at = np.arange(max(len(ids) - 3, 0))
        for row in range(4):
            at = at[voice[at + row] == row]
        told = ids[at[:, None] + np.arange(4)]
        is_pitch = self.language.group_of[told] < len(VOICES)
        return np.asarray(np.where(is_pitch, self.language.value_of[told], SILENT))

    def decode(self, tokens: NDArray[np.integer]) -> Score:
        """The score that tokens tell; a pitch told again at the next step is held."""
        return _score(self.cells(tokens))

    def grammar(
        self, limits: ChoraleLimits | None = None, available: NDArray[np.bool_] | None = None
    ) -> Grammar:
        """What may follow what, under `limits`, for a vocabulary of the tokens `available`.

        A voice that has only one token is not held to limits: it has no other way on.
        """
        limits = limits or ChoraleLimits()
        language = self.language
        available = np.ones(len(language), bool) if available is None else available
        phases = []
        for row, (voice, rest) in enumerate(zip(VOICES, RESTS, strict=True)):
            after = VOICES[(row + 1) % 4]
            phases.append((voice, {voice: after, rest: after}))
        phases[0][1]["END"] = "end"
        guards, effects = [], []
        for voice, rest in zip(VOICES, RESTS, strict=True):
            last = f"last_{voice}"
            count = int(available[language.first[voice] :][:128].sum())
            if count + available[language.first[rest]] > 1:
                guards.append(GuardRule(voice, Guard.MOVES, "still", last, 4 * limits.still))
            if count:
                guards.append(GuardRule(rest, Guard.BELOW, "rests", n=4 * limits.rests))
            effects += [
                EffectRule("START", Effect.SET, last, NOTHING_YET),
                EffectRule(voice, Effect.STILL, "still", 0, last),
                EffectRule(voice, Effect.VALUE, last, 0),
                EffectRule(voice, Effect.SET, "rests", 0),
                EffectRule(rest, Effect.STILL, "still", REST_VALUE, last),
                EffectRule(rest, Effect.VALUE, last, REST_VALUE),
                EffectRule(rest, Effect.ADD, "rests", 1),
            ]
        lead = 4 * (limits.rests - limits.lead_rests)
        effects.append(EffectRule("START", Effect.SET, "rests", lead))
        return Grammar(
            language,
            REGISTERS,
            (("begin", {"START": "S"}), *phases, ("end", {"END": "end"})),
            tuple(guards),
            tuple(effects),
        )


def cells_of(score: Score, slots: Sequence[int | None] | None = None) -> Cells:
    """The four voices of a score on the grid. Raises `BadMusic` where they cannot be told apart."""
    voices = voices_of(score, slots)
    notes, quarter = score.notes, score.ticks_per_quarter
    starts = rescale(notes.start_ticks, STEPS_PER_QUARTER, quarter)
    ends = np.maximum(rescale(notes.end_ticks, STEPS_PER_QUARTER, quarter), starts + 1)
    heard = np.isin(notes.part, [part for part in voices if part is not None])
    steps = int(ends[heard].max(initial=0))
    if steps > MOST_STEPS:
        raise BadMusic(
            f"it lasts {steps:,} sixteenths, and each of them is four tokens; "
            f"cut it to {MOST_STEPS:,} or fewer"
        )
    cells = np.full((steps, 4), SILENT)
    for row, part in enumerate(voices):
        if part is not None:
            own = notes.part == part
            line = starts[own], ends[own], notes.pitch[own].astype(np.int64)
            _check_is_line(line[0], line[2], score.parts[part])
            _sing(*line, cells[:, row])
    sung = np.flatnonzero((cells != SILENT).any(axis=1))
    return cells[: int(sung[-1]) + 1] if len(sung) else cells[:0]


def _check_is_line(start: Cells, pitch: Cells, part: Part) -> None:
    moments = np.unique(np.stack([start, pitch], axis=1), axis=0)[:, 0]
    together = len(moments) - len(np.unique(moments))
    if together > MOST_CHORDS * len(moments):
        raise BadMusic(
            f"its part {part.name or 'without a name'!r} plays chords, and a voice of chorale is "
            "one line; give each voice a part of its own"
        )


def _sing(start: Cells, end: Cells, pitch: Cells, line: Cells) -> None:
    """Write notes into the line of a voice: each lasts until the next begins at the latest.

    Of notes that begin together the highest is taken.
    """
    order = np.lexsort((end, pitch, start))
    start, end, pitch = start[order], end[order], pitch[order]
    stays = np.diff(start, append=start[-1:] + 1) != 0
    start, end, pitch = start[stays], end[stays], pitch[stays]
    end[:-1] = np.minimum(end[:-1], start[1:])
    length = end - start
    within = np.arange(int(length.sum())) - np.repeat(np.cumsum(length) - length, length)
    line[np.repeat(start, length) + within] = np.repeat(pitch, length)


def voices_of(score: Score, slots: Sequence[int | None] | None = None) -> list[int | None]:
    """The parts that are soprano, alto, tenor and bass, by their names or by how high they lie.

    None for a voice without a part, where all others say by their names which they are. Raises
    `BadMusic` where this gives no four voices.
    """
    counts = np.bincount(score.notes.part, minlength=len(score.parts))
    stays = [
        n
        for n, part in enumerate(score.parts)
        if not part.is_drum and (slots is None or slots[n] is not None)
    ]
    named = {n: row for n in stays if (row := _named(score.parts[n].name)) is not None}
    playing = [n for n in stays if counts[n]]
    distinct = len(set(named.values())) == len(named)
    if distinct and (len(named) == 4 or (len(named) > 1 and set(playing) <= set(named))):
        part_of = {row: n for n, row in named.items()}
        return [part_of.get(row) for row in range(4)]
    if len(playing) != 4:
        count = len(playing)
        raise BadMusic(
            f"it has {count} melodic part{'s' if count != 1 else ''} where chorale tells four "
            "voices; give soprano, alto, tenor and bass a track or a channel each"
        )
    heights = {n: _height(score, n) for n in playing}
    return [*sorted(playing, key=lambda n: -heights[n])]


def _named(name: str) -> int | None:
    word = re.sub(r"[\W\d_]+", "", name.lower())
    return next((row for row, names in enumerate(ALSO_CALLED) if word in names), None)


def _height(score: Score, part: int) -> float:
    """The pitch of a part in the middle, longer notes counting more."""
    own = score.notes.take(score.notes.part == part)
    return float(np.average(own.pitch, weights=np.maximum(own.duration_ticks, 1)))


def _score(cells: Cells) -> Score:
    if not len(cells):
        return Score(ticks_per_quarter=STEPS_PER_QUARTER, tempos=_TEMPO)
    changes = np.ones(cells.shape, bool)
    changes[1:] = cells[1:] != cells[:-1]
    part, start = np.nonzero(changes.T)
    end = np.append(start[1:], len(cells))
    end[:-1][part[1:] != part[:-1]] = len(cells)
    pitch = cells[start, part]
    sounds = pitch != SILENT
    part, start, end, pitch = part[sounds], start[sounds], end[sounds], pitch[sounds]
    return Score(
        ticks_per_quarter=STEPS_PER_QUARTER,
        notes=Notes(
            start,
            end - start,
            pitch.astype(np.uint8),
            np.full(len(start), VELOCITY, np.uint8),
            part.astype(np.uint16),
        ),
        parts=tuple(Part(name, CHOIR) for name in PART_NAMES),
        tempos=_TEMPO,
    )


_TEMPO = TempoMap.constant(QUARTERS_PER_MINUTE)


if __name__ == "__main__":
    print(Chorale().language.describe())
