"""The language `events`: bars, moments, players and notes.

    START TEMPO [KEY] SLOT… [TAG…]
    BAR [CUT] [CHORD]  (SHIFT  (INST  (VEL PITCH DUR | VEL DRUM)…)…)…  BAR …  END

A BAR names its metre and moves to the next bar line; CUT says that the bar ends early, CHORD which
chord holds where it begins. A SHIFT moves within the bar, so one never follows another: longer
rests are told by bars. INST says who plays at this moment, in the order of the lineup, and each
one's notes rise in pitch. Steps are 24ths of a quarter.

Music has one form here, `reduce`, and encoding loses nothing beyond it: the slots of a lineup for
parts, starts and lengths on the grid, one tempo and one key, chords that change at bar lines, no
controllers. Run this module to see the table.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import UsageError
from ..music.chords import CHORD_NAMES
from ..music.compiled import WhenItPays, settled
from ..music.grid import STEPS_PER_QUARTER, Grid
from ..music.lineup import Lineup, Slot
from ..music.notes import Notes
from ..music.score import Part, Score
from ..music.time import KeyMap, MetreMap, TempoMap
from .events_chords import NOTHING, chord_changes, chords_in_steps, chords_of_bars
from .events_pass import FIRST_OF, MOST_TEMPOS, one_pass
from .language import Group, Language, TokenIds

LONGEST_BAR_STEPS = 16 * STEPS_PER_QUARTER
METRES = tuple(
    (numerator, denominator)
    for denominator in (1, 2, 4, 8, 16)
    for numerator in range(1, 33)
    if numerator * 4 * STEPS_PER_QUARTER // denominator <= LONGEST_BAR_STEPS
)
METRE_STEPS = np.array([n * 4 * STEPS_PER_QUARTER // d for n, d in METRES])
METRE_OF = {metre: number for number, metre in enumerate(METRES)}
METRE_TABLE = np.full((33, 17), -1)
METRE_TABLE[tuple(np.transpose(METRES))] = np.arange(len(METRES))

TEMPOS_BPM = tuple(round(30 * 2 ** (step / 14)) for step in range(47))
"""From 30 to 293 quarters a minute, five in a hundred apart; 60, 120 and 240 are among them."""
TEMPO_BOUNDS = 60e6 / np.sqrt(np.array(TEMPOS_BPM[:-1]) * TEMPOS_BPM[1:])
"""How many µs a quarter lasts half-way, as ears count, from each tempo to the next."""

DURATION_STEPS = np.concatenate(
    [np.arange(1, 48), *(np.arange(n, 2 * n, n // 24) for n in (48, 96, 192, 384))]
)
"""Every length up to two quarters, then ever coarser ones up to 31 quarters and a third."""

DRUM_STEPS = 6
"""How long a drum hit lasts; its length says nothing, so it is not told."""

VELOCITY_BINS = 32
VELOCITIES = np.arange(VELOCITY_BINS) * 4 + 2
"""What a velocity bin sounds as; bin n holds velocities 4n to 4n + 3."""

MAJOR_TONIC = {sharps: (7 * sharps) % 12 for sharps in range(-7, 8)}
SHARPS_OF_TONIC = {(7 * sharps) % 12: sharps for sharps in range(-5, 7)}
KEY_NAMES = ("C", "Db", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B")

COMPILE_FROM_NOTES = 50_000
"""Some thirty pieces: a process that tells so many is about to tell a folder, and there it pays."""


@dataclass(frozen=True)
class Events:
    """The language for one lineup, and tags if the corpus has some."""

    lineup: Lineup
    tags: tuple[str, ...] = ()

    @cached_property
    def language(self) -> Language:
        """The table."""
        slots = tuple(slot.name for slot in self.lineup.slots)
        return Language(
            "events",
            (
                Group.single("START"),
                Group.single("END"),
                Group.numbers("TEMPO", TEMPOS_BPM),
                Group("KEY", (*KEY_NAMES, *(f"{k}m" for k in KEY_NAMES)), "key"),
                Group("SLOT", slots),
                Group("TAG", self.tags),
                Group("BAR", tuple(f"{n}/{d}" for n, d in METRES)),
                Group.numbers("CUT", range(1, LONGEST_BAR_STEPS)),
                Group("CHORD", CHORD_NAMES, "chord"),
                Group.numbers("SHIFT", range(1, LONGEST_BAR_STEPS)),
                Group("INST", slots),
                Group.numbers("VEL", VELOCITIES.tolist()),
                Group.numbers("PITCH", range(128), "pitch"),
                Group.numbers("DRUM", range(128)),
                Group.numbers("DUR", DURATION_STEPS.tolist()),
            ),
        )

    def encode(
        self, score: Score, slots: Sequence[int | None], tags: Iterable[str] = ()
    ) -> TokenIds:
        """The tokens of a score whose parts take `slots` of the lineup; None leaves one out."""
        tags = tuple(tags)
        run = _PASS.after(len(score.notes))
        if run is not None:
            tokens = _in_one_pass(run, score, slots, self, tags)
            if len(tokens):
                return tokens
        return _write(_reduced(score, slots), self, tags)

    @cached_property
    def _drums(self) -> NDArray[np.bool_]:
        """Whether each slot drums."""
        return np.array([slot.drums for slot in self.lineup.slots], bool)

    @cached_property
    def _first(self) -> NDArray[np.int64]:
        """The first ids that the one pass asks for."""
        return np.array([self.language.first[name] for name in FIRST_OF])

    def reduce(self, score: Score, slots: Sequence[int | None]) -> Score:
        """The score as this language sees it: what `decode` gives back after `encode`."""
        return _score(_reduced(score, slots), self.lineup)

    def decode(self, tokens: NDArray[np.integer]) -> Score:
        """The score that tokens tell. Tokens out of place are passed over."""
        return _score(_read(np.asarray(tokens, np.int64), self), self.lineup)


@dataclass(frozen=True, slots=True)
class _Music:
    """Music in the form of this language. Notes are sorted by step, slot and pitch.

    `velocity` and `duration` are bins, `tempo`, `key` (None: not told) and `metre` rows of their
    tables; `cut` is the length in steps of a bar that ends early, else 0. `chord` is that of each
    bar, as a number of its group, below 0 for none.
    """

    tempo: int
    key: int | None
    slots: NDArray[np.int64]
    bar_start: NDArray[np.int64]
    metre: NDArray[np.int64]
    cut: NDArray[np.int64]
    chord: NDArray[np.int64]
    step: NDArray[np.int64]
    slot: NDArray[np.int64]
    pitch: NDArray[np.int64]
    velocity: NDArray[np.int64]
    duration: NDArray[np.int64]


def _in_one_pass(
    run: Any, score: Score, slots: Sequence[int | None], events: Events, tags: Sequence[str]
) -> TokenIds:
    """The tokens as `run`, a form of `one_pass`, tells them; none where it cannot."""
    notes, tempos, metres = score.notes, score.tempos, score.metres
    if len(tempos) > MOST_TEMPOS:
        tempos = TempoMap(np.zeros(1, np.int64), np.array([_longest_tempo(score)], np.int32))
    key, tag_ids = _key(score), _tag_ids(tags, events)
    chord_steps, chords = chords_in_steps(score)
    tokens: TokenIds = run(
        settled(notes.start_ticks), settled(notes.duration_ticks), settled(notes.pitch),
        settled(notes.velocity), settled(notes.part),
        settled(tempos.ticks), settled(tempos.microseconds_per_quarter),
        settled(metres.ticks), settled(metres.numerator), settled(metres.denominator),
        score.ticks_per_quarter, -1 if key is None else key, _slot_of(score, slots),
        np.array(tag_ids, np.int64) if tag_ids else NOTHING, chord_steps, chords,
        events._drums, events._first, TEMPO_BOUNDS, METRE_TABLE, METRE_STEPS, _DURATION_BIN,
    )  # fmt: skip
    return tokens


def _warm_up(run: Any) -> None:
    _in_one_pass(run, Score(), (), Events(Lineup("", (Slot("anyone", rest=True),))), ())


_PASS = WhenItPays(one_pass, _warm_up, from_work=COMPILE_FROM_NOTES)


def _tag_ids(tags: Sequence[str], events: Events) -> list[int]:
    id_of = events.language.id_of
    for tag in tags:
        if f"TAG_{tag}" not in id_of:
            known = f"use {', '.join(events.tags)}" if events.tags else "it was made without any"
            raise UsageError(f"the language has no tag {tag!r}; {known}")
    return sorted({id_of[f"TAG_{tag}"] for tag in tags})


def _slot_of(score: Score, slots: Sequence[int | None]) -> NDArray[np.int64]:
    """The slot of each part, -1 for one left out."""
    if len(slots) != len(score.parts):
        raise UsageError(f"{len(slots)} slots for {len(score.parts)} parts; give one for each part")
    return np.array([-1 if s is None else s for s in slots], np.int64)


def _reduced(score: Score, slots: Sequence[int | None]) -> _Music:
    slot = _slot_of(score, slots)[score.notes.part]
    notes = score.notes
    if len(slot) and slot.min() < 0:
        notes, slot = notes.take(slot >= 0), slot[slot >= 0]
    grid = Grid.of(score.replace(notes=notes) if len(notes) < len(score.notes) else score)
    step = grid.steps(notes.start_ticks)
    length = np.maximum(grid.steps(notes.end_ticks) - step, 1)
    pitch = notes.pitch.astype(np.int64)
    velocity = notes.velocity.astype(np.int64) >> 2
    duration = duration_bins(length)

    # One number sorts by step, slot and pitch; doubled notes then stand side by side.
    key = (step << 24) | (slot << 8) | pitch
    order = np.argsort(key, kind="stable")
    key = key[order]
    new = np.ones(len(key), bool)
    np.not_equal(key[1:], key[:-1], out=new[1:])
    firsts = np.flatnonzero(new)
    if len(firsts) < len(key):
        velocity = np.maximum.reduceat(velocity[order], firsts)
        duration = np.maximum.reduceat(duration[order], firsts)
        order = order[firsts]
    else:
        velocity, duration = velocity[order], duration[order]
    bar_start, metre, cut = _bars(grid, int(step.max()) if len(step) else 0)
    chord = chords_of_bars(score, bar_start)
    return _Music(
        _tempo(score), _key(score), np.flatnonzero(np.bincount(slot)), bar_start, metre, cut, chord,
        step[order], slot[order], pitch[order], velocity, duration,
    )  # fmt: skip


def duration_bins(steps: NDArray[np.int64]) -> NDArray[np.int64]:
    """The bin nearest to each length in steps; of two as near, the shorter."""
    return _DURATION_BIN[np.minimum(steps, len(_DURATION_BIN) - 1)]


def _nearest_bins() -> NDArray[np.int64]:
    lengths = np.arange(DURATION_STEPS[-1] + 1)
    nearest: NDArray[np.int64] = np.abs(lengths[:, None] - DURATION_STEPS).argmin(axis=1)
    return nearest


_DURATION_BIN = _nearest_bins()


def _tempo(score: Score) -> int:
    """The tempo that holds for most quarters, as a row of its table."""
    return int(np.count_nonzero(_longest_tempo(score) < TEMPO_BOUNDS))


def _longest_tempo(score: Score) -> int:
    """The tempo that holds for most quarters, in µs a quarter; of two, the faster."""
    tempos = score.tempos
    if len(tempos) == 1:
        return int(tempos.microseconds_per_quarter[0])
    end = max(score.end_ticks, 1)
    held = np.diff(np.minimum(np.append(tempos.ticks, end), end))
    values, which = np.unique(tempos.microseconds_per_quarter, return_inverse=True)
    return int(values[np.argmax(np.bincount(which.reshape(-1), held))])


def _key(score: Score) -> int | None:
    """The first key signature as tonic, or tonic + 12 for minor; None without one."""
    keys = score.keys
    if not len(keys):
        return None
    tonic = MAJOR_TONIC[int(keys.sharps[0])]
    return (tonic + 9) % 12 + 12 if keys.minor[0] else tonic


def _bars(
    grid: Grid, last_step: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Start, metre and cut of every bar up to the last note's, in metres the table has."""
    bars = grid.bars
    count = int(grid.bar_of(last_step)) + 1
    start = bars.start_steps[:count]
    length = bars.length_steps[:count]
    pair = bars.numerator[:count].astype(np.int64) * 256 + bars.denominator[:count]
    codes, which = np.unique(pair, return_inverse=True)
    known = np.array([METRE_OF.get(divmod(code, 256), -1) for code in codes.tolist()])[which]
    if known.min() >= 0 and np.all(METRE_STEPS[known] >= length):
        cut = np.where(length < METRE_STEPS[known], length, 0)
        cut[-1] = 0  # nobody hears where the last bar ends
        return start, known, cut
    starts: list[int] = []
    metres: list[int] = []
    cuts: list[int] = []
    for at, steps, code in zip(start.tolist(), length.tolist(), pair.tolist(), strict=True):
        for piece in _pieces(steps):
            metre = METRE_OF.get((code // 256, code % 256))
            if metre is None or METRE_STEPS[metre] < piece:
                metre = _metre_for(piece)
            starts.append(at)
            metres.append(metre)
            cuts.append(piece if piece < METRE_STEPS[metre] else 0)
            at += piece
    keep = int(np.searchsorted(starts, last_step, side="right"))
    cuts[keep - 1] = 0
    return np.array(starts[:keep]), np.array(metres[:keep]), np.array(cuts[:keep])


def _pieces(steps: int) -> list[int]:
    """A bar in lengths the table has: itself, or as many whole notes as fit and the rest."""
    if steps <= LONGEST_BAR_STEPS:
        return [steps]
    whole = 4 * STEPS_PER_QUARTER
    return [whole] * (steps // whole) + ([steps % whole] if steps % whole else [])


def _metre_for(steps: int) -> int:
    """The shortest metre of at least `steps`, in quarters if there is one."""
    fits = np.flatnonzero(steps <= METRE_STEPS)
    shortest = fits[METRE_STEPS[fits] == METRE_STEPS[fits].min()]
    return int(next((m for m in shortest if METRES[m][1] == 4), shortest[0]))


def _write(music: _Music, events: Events, tags: Sequence[str]) -> TokenIds:
    first = events.language.first
    header = [first["START"], first["TEMPO"] + music.tempo]
    header += [] if music.key is None else [first["KEY"] + music.key]
    header += (first["SLOT"] + music.slots).tolist()
    header += _tag_ids(tags, events)

    count = len(music.step)
    drums = events._drums[music.slot]
    bar = np.searchsorted(music.bar_start, music.step, side="right") - 1
    since = np.diff(music.step, prepend=-1)  # 0: still the same moment
    in_bar = music.step - music.bar_start[bar]
    new_bar = np.diff(bar, prepend=-1) > 0
    moment = since > 0
    shift = np.where(new_bar, in_bar, since) * moment
    enters = moment | (np.diff(music.slot, prepend=-1) != 0)
    size = (shift > 0) + enters.astype(np.int64) + 3 - drums

    # Where each note's tokens end, counted without bars; then every bar pushes what follows it.
    ends = np.cumsum(size)
    cuts, chords = music.cut > 0, music.chord >= 0
    bar_size = 1 + cuts.astype(np.int64) + chords
    bars_before = np.cumsum(bar_size)
    ends += bars_before[bar] + len(header)
    notes_before = np.searchsorted(music.step, music.bar_start)
    sizes = np.concatenate([np.zeros(1, np.int64), np.cumsum(size)])
    bar_at = len(header) + bars_before - bar_size + sizes[notes_before]

    total = len(header) + int(bars_before[-1]) + int(sizes[-1]) + 1
    tokens = np.empty(total, np.int64)
    tokens[: len(header)] = header
    tokens[bar_at] = first["BAR"] + music.metre
    tokens[bar_at[cuts] + 1] = first["CUT"] + music.cut[cuts] - 1
    tokens[(bar_at + cuts)[chords] + 1] = first["CHORD"] + music.chord[chords]
    last = ends - 1
    if count:
        tokens[last] = np.where(drums, first["DRUM"] + music.pitch, first["DUR"] + music.duration)
        pitch_at = last - 1 + drums
        melodic = np.flatnonzero(~drums)
        tokens[pitch_at[melodic]] = first["PITCH"] + music.pitch[melodic]
        tokens[pitch_at - 1] = first["VEL"] + music.velocity
        entering = np.flatnonzero(enters)
        tokens[pitch_at[entering] - 2] = first["INST"] + music.slot[entering]
        shifting = np.flatnonzero(shift)
        tokens[pitch_at[shifting] - 3] = first["SHIFT"] + shift[shifting] - 1
    tokens[-1] = first["END"]
    return tokens.astype(np.uint16)


def _read(tokens: NDArray[np.int64], events: Events) -> _Music:
    language = events.language
    group, value = language.group_of[tokens], language.value_of[tokens]
    rows = {g.name: row for row, g in enumerate(language.groups)}

    def first_of(name: str) -> int | None:
        found = np.flatnonzero(group == rows[name])
        return int(value[found[0]]) if len(found) else None

    is_bar = group == rows["BAR"]
    bar_rows = np.flatnonzero(is_bar)
    metre = value[bar_rows]
    cut = np.zeros(len(bar_rows), np.int64)
    cut_rows = np.flatnonzero((group[1:] == rows["CUT"]) & is_bar[:-1]) + 1
    bar_number = np.cumsum(is_bar) - 1
    cut[bar_number[cut_rows]] = value[cut_rows] + 1
    chord = np.full(len(bar_rows), -1)
    chord_rows = np.concatenate([bar_rows, cut_rows]) + 1
    chord_rows = chord_rows[chord_rows < len(tokens)]
    chord_rows = chord_rows[group[chord_rows] == rows["CHORD"]]
    chord[bar_number[chord_rows]] = value[chord_rows]
    length = np.where(cut > 0, np.minimum(cut, METRE_STEPS[metre]), METRE_STEPS[metre])
    bar_start = np.cumsum(length) - length

    shifted = np.cumsum(np.where(group == rows["SHIFT"], value + 1, 0))
    # Before the first bar, -1 picks the last; nothing is read there.
    line = bar_start - shifted[bar_rows]
    here = shifted + (line[bar_number] if len(line) else 0)

    who = np.where(group == rows["INST"], np.arange(len(tokens)), -1)
    who = np.maximum.accumulate(who) if len(who) else who
    after_velocity = np.zeros(len(tokens), bool)
    after_velocity[1:] = group[:-1] == rows["VEL"]
    before_duration = np.zeros(len(tokens), bool)
    before_duration[:-1] = group[1:] == rows["DUR"]
    told = (bar_number >= 0) & (who >= 0) & after_velocity
    drums = told & (group == rows["DRUM"])
    at = np.flatnonzero(drums | (told & (group == rows["PITCH"]) & before_duration))
    duration = np.where(drums[at], 0, value[np.minimum(at + 1, len(tokens) - 1)])
    tempo = first_of("TEMPO")
    return _Music(
        tempo=int(np.abs(np.array(TEMPOS_BPM) - 120).argmin()) if tempo is None else tempo,
        key=first_of("KEY"),
        slots=np.unique(value[group == rows["SLOT"]]),
        bar_start=bar_start,
        metre=metre,
        cut=cut,
        chord=chord,
        step=here[at],
        slot=value[who[at]],
        pitch=value[at],
        velocity=value[at - 1],
        duration=duration,
    )


def _score(music: _Music, lineup: Lineup) -> Score:
    drums = np.array([slot.drums for slot in lineup.slots])
    playing = np.union1d(music.slots, music.slot).astype(np.int64)
    row_of = np.zeros(len(lineup.slots), np.int64)
    row_of[playing] = np.arange(len(playing))
    length = np.where(drums[music.slot], DRUM_STEPS, DURATION_STEPS[music.duration])
    key = music.key
    keys = KeyMap.empty()
    if key is not None:
        tonic = (key - 12 + 3) % 12 if key >= 12 else key
        keys = KeyMap.from_rows([(0, SHARPS_OF_TONIC[tonic], key >= 12)])
    return Score(
        ticks_per_quarter=STEPS_PER_QUARTER,
        notes=Notes(
            music.step,
            length,
            music.pitch.astype(np.uint8),
            VELOCITIES[music.velocity].astype(np.uint8),
            row_of[music.slot].astype(np.uint16),
        ),
        parts=tuple(
            Part(slot.name, slot.playback, slot.drums)
            for slot in (lineup.slots[number] for number in playing)
        ),
        tempos=TempoMap.constant(TEMPOS_BPM[music.tempo]),
        metres=_metre_map(music),
        keys=keys,
        texts=chord_changes(music.chord, music.bar_start).texts(),
    )


def _metre_map(music: _Music) -> MetreMap:
    """Rows where the metre changes, and where a bar ended early."""
    if not len(music.metre):
        return MetreMap.constant()
    new = np.ones(len(music.metre), bool)
    new[1:] = (music.metre[1:] != music.metre[:-1]) | (music.cut[:-1] > 0)
    pairs = np.array([METRES[m] for m in music.metre[new].tolist()])
    return MetreMap(
        music.bar_start[new], pairs[:, 0].astype(np.uint8), pairs[:, 1].astype(np.uint8)
    )


if __name__ == "__main__":
    from ..music.lineup import load_lineup

    print(Events(load_lineup("band")).language.describe())
