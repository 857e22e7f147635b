"""Hypothesis strategies for music. `scores()` makes everything a score can hold, within bounds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import get_args

from hypothesis import strategies as st

from woodshed.music.notes import SUSTAIN, Bends, Controls, Notes
from woodshed.music.score import Part, Score, Text, TextKind
from woodshed.music.time import KeyMap, MetreMap, TempoMap

TICKS_PER_QUARTER = (1, 24, 25, 96, 100, 120, 480, 960, 32767)
DENOMINATORS = (1, 2, 4, 8, 16, 32, 64)
COMMON_METRES = ((4, 4), (3, 4), (6, 8), (7, 8), (5, 4), (2, 2), (12, 8))
VOLUME = 7
KITS = (0, 8, 25)
DRUM_PITCHES = (35, 36, 38, 40, 42, 46, 49, 51)

WORDS = st.text(st.characters(exclude_categories=("C", "Z")), max_size=8)


def moments(ticks_per_quarter: int, max_quarters: int = 12) -> st.SearchStrategy[int]:
    """Ticks: on the first beats, where things coincide, on sixteenths, and anywhere."""
    beats = st.integers(0, min(max_quarters, 4)).map(lambda n: n * ticks_per_quarter)
    sixteenths = st.integers(0, 4 * max_quarters).map(lambda n: n * ticks_per_quarter // 4)
    return beats | sixteenths | st.integers(0, max_quarters * ticks_per_quarter)


@st.composite
def tempo_maps(draw: st.DrawFn, ticks_per_quarter: int = 480, max_quarters: int = 12) -> TempoMap:
    """One to five tempos, most of them musical, some at the ends of what MIDI holds."""
    tempos = st.integers(200_000, 1_500_000) | st.integers(1, 2**24 - 1)
    rows = draw(st.dictionaries(moments(ticks_per_quarter, max_quarters), tempos, max_size=4))
    return TempoMap.from_rows(sorted({0: draw(tempos), **rows}.items()))


@st.composite
def metre_maps(
    draw: st.DrawFn, ticks_per_quarter: int = 480, max_quarters: int = 12, odd: bool = True
) -> MetreMap:
    """One to five metres, changing on bar lines and in the middle of bars.

    `odd` allows 3/64 and 255/1 beside the common metres.
    """
    metres = st.sampled_from(COMMON_METRES)
    if odd:
        numerators = st.integers(1, 15) | st.integers(1, 255)
        metres |= st.tuples(numerators, st.sampled_from(DENOMINATORS))
    rows = draw(st.dictionaries(moments(ticks_per_quarter, max_quarters), metres, max_size=4))
    return MetreMap.from_rows(
        [(t, *metre) for t, metre in sorted({0: draw(metres), **rows}.items())]
    )


@st.composite
def key_maps(draw: st.DrawFn, ticks_per_quarter: int = 480, max_quarters: int = 12) -> KeyMap:
    """No key at all, or up to three."""
    keys = st.tuples(st.integers(-7, 7), st.booleans())
    rows = draw(st.dictionaries(moments(ticks_per_quarter, max_quarters), keys, max_size=3))
    return KeyMap.from_rows([(t, *key) for t, key in sorted(rows.items())])


@st.composite
def notes(
    draw: st.DrawFn,
    parts: Sequence[Part],
    ticks_per_quarter: int = 480,
    *,
    max_notes: int = 24,
    max_quarters: int = 12,
    overlaps: bool = True,
    every_part_plays: bool = False,
) -> Notes:
    """Notes for `parts`, unsorted.

    Pitches come from few, so that they repeat, and from all. Without `overlaps`, a note of a part
    ends at the latest where its pitch starts again in that part.
    """
    if not parts:
        return Notes.empty()
    quarters = st.integers(1, 4).map(lambda n: n * ticks_per_quarter)
    durations = quarters | st.integers(1, ticks_per_quarter)
    velocities = st.integers(1, 127)

    def rows(part: int) -> st.SearchStrategy[tuple[int, ...]]:
        few = DRUM_PITCHES if parts[part].is_drum else (21, 60, 64, 108)
        pitches = st.sampled_from(few) | st.integers(0, 127)
        starts = moments(ticks_per_quarter, max_quarters)
        return st.tuples(starts, durations, pitches, velocities, st.just(part))

    anyone = st.integers(0, len(parts) - 1).flatmap(rows)
    played = draw(st.lists(anyone, max_size=max_notes))
    if every_part_plays:
        played += [draw(rows(part)) for part in range(len(parts))]
    return Notes.from_rows(played if overlaps else _apart(played))


def _apart(rows: list[tuple[int, ...]]) -> list[tuple[int, ...]]:
    by_voice: dict[tuple[int, int], dict[int, tuple[int, ...]]] = {}
    for row in rows:
        start, _, pitch, _, part = row
        by_voice.setdefault((part, pitch), {})[start] = row
    apart = []
    for voice in by_voice.values():
        starts = sorted(voice)
        for start, following in zip(starts, [*starts[1:], None], strict=True):
            _, duration, *rest = voice[start]
            room = duration if following is None else following - start
            apart.append((start, min(duration, room), *rest))
    return apart


@st.composite
def controls(
    draw: st.DrawFn, parts: int, ticks_per_quarter: int = 480, max_quarters: int = 12
) -> Controls:
    """Up to twelve controller changes, many of pedal and volume; unsorted."""
    if not parts:
        return Controls.empty()
    row = st.tuples(
        moments(ticks_per_quarter, max_quarters),
        st.sampled_from((SUSTAIN, VOLUME)) | st.integers(0, 119),
        st.sampled_from((0, 63, 64, 127)) | st.integers(0, 127),
        st.integers(0, parts - 1),
    )
    return Controls.from_rows(draw(st.lists(row, max_size=12)))


@st.composite
def bends(
    draw: st.DrawFn, parts: int, ticks_per_quarter: int = 480, max_quarters: int = 12
) -> Bends:
    """Up to six pitch bends; unsorted."""
    if not parts:
        return Bends.empty()
    row = st.tuples(
        moments(ticks_per_quarter, max_quarters),
        st.integers(-8192, 8191),
        st.integers(0, parts - 1),
    )
    return Bends.from_rows(draw(st.lists(row, max_size=6)))


@st.composite
def texts(
    draw: st.DrawFn,
    parts: int,
    ticks_per_quarter: int = 480,
    max_quarters: int = 12,
    kinds: Sequence[TextKind] = get_args(TextKind),
    words: st.SearchStrategy[str] = WORDS,
) -> tuple[Text, ...]:
    """Up to four texts, of parts and of the whole score, to which alone a title belongs."""

    def text(kind: TextKind) -> st.SearchStrategy[Text]:
        owners: st.SearchStrategy[int | None] = st.none()
        if parts and kind != "title":
            owners |= st.integers(0, parts - 1)
        when = moments(ticks_per_quarter, max_quarters)
        return st.builds(Text, when, st.just(kind), words, owners)

    return tuple(draw(st.lists(st.sampled_from(kinds).flatmap(text), max_size=4)))


def parts(
    drums: bool | None = None,
    min_parts: int = 0,
    max_parts: int = 4,
    words: st.SearchStrategy[str] = WORDS,
) -> st.SearchStrategy[list[Part]]:
    """Parts: melodic and drumming (`drums` None), only drumming (True) or only melodic (False)."""
    melodic = st.builds(Part, words, st.integers(0, 127), st.just(False))
    drumming = st.builds(Part, words, st.sampled_from(KITS), st.just(True))
    part = melodic | drumming if drums is None else drumming if drums else melodic
    return st.lists(part, min_size=min_parts, max_size=max_parts)


@st.composite
def scores(
    draw: st.DrawFn,
    *,
    ticks_per_quarter: int | None = None,
    drums: bool | None = None,
    min_parts: int = 0,
    max_parts: int = 4,
    max_notes: int = 24,
    max_quarters: int = 12,
    overlaps: bool = True,
    every_part_plays: bool = False,
    odd_metres: bool = True,
    text_kinds: Sequence[TextKind] = get_args(TextKind),
    words: st.SearchStrategy[str] = WORDS,
) -> Score:
    """A score with everything in it: maps, parts, notes, controllers, bends and texts.

    `ticks_per_quarter` None draws one, odd ones among them. The other settings are those of the
    strategies above: `drums` of `parts`, `overlaps` and `every_part_plays` of `notes`, `odd_metres`
    of `metre_maps`, `text_kinds` of `texts`; `words` are names and texts.
    """
    resolution = ticks_per_quarter or draw(st.sampled_from(TICKS_PER_QUARTER))
    players = draw(parts(drums, min_parts, max_parts, words))
    played = notes(
        players,
        resolution,
        max_notes=max_notes,
        max_quarters=max_quarters,
        overlaps=overlaps,
        every_part_plays=every_part_plays,
    )
    return Score(
        resolution,
        draw(played),
        tuple(players),
        draw(tempo_maps(resolution, max_quarters)),
        draw(metre_maps(resolution, max_quarters, odd_metres)),
        draw(key_maps(resolution, max_quarters)),
        draw(controls(len(players), resolution, max_quarters)),
        draw(bends(len(players), resolution, max_quarters)),
        draw(texts(len(players), resolution, max_quarters, text_kinds, words)),
    )
