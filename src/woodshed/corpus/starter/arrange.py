"""Makes the plan of a piece: deals key, form, feel and tempo, lays out choruses, calls the band.

Cards are dealt by the number of the piece alone, so that piece 7 is the same in any company.
Refuses to know which notes anybody plays.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace
from functools import lru_cache
from typing import TypeVar

from .feel import Feel, feels
from .form import Change, Changes, Form, forms, read_bars
from .harmony import COLOURS, Chord, Key, chord
from .plan import (
    BASS,
    CHOIR,
    DRUMS,
    HARP,
    LEAD,
    ORGAN,
    PIANO,
    RHYTHM,
    VOICE,
    Bar,
    Plan,
    Player,
    Section,
)
from .rhythm import BAR, Hit, hits, table

Card = TypeVar("Card")

FORM_CARDS = {"twelve": 3, "quick": 3, "minor": 2, "eight": 2, "sixteen": 2, "jazz": 1}
MOODS = {"calm": 0.18, "medium": 0.32, "hot": 0.46}
"""How intense the first chorus is, from 0 to 1; the last is always much more."""

STOP_HITS = {
    "triplet": ("X.. ... ... ...", "X.. X.. ... ...", "x.x X.. ... ..."),
    "even": ("X... .... .... ....", "X... X... .... ....", "X..x X... .... ...."),
}
KEYS = "keys"
SOLO_CARDS = (LEAD, LEAD, LEAD, KEYS, KEYS, KEYS, HARP, HARP, HARP, None)
"""Who solos first: a guitar, piano or organ, or a harmonica. One piece in ten is sung through."""

SOFTER = {"stop": 0.3, "breakdown": 0.5}
_BY_CHORUSES = {
    2: ("verse out",),
    3: ("verse solo out", "verse verse out"),
    4: ("verse verse solo out", "verse solo verse out", "verse verse stop out"),
    5: (
        "verse verse solo solo out",
        "verse verse solo verse out",
        "verse stop verse solo out",
        "verse verse stop verse out",
    ),
    6: (
        "verse verse solo solo stop out",
        "verse verse solo verse breakdown out",
        "verse verse stop verse breakdown out",
    ),
    7: (
        "verse verse stop solo solo breakdown out",
        "verse verse solo stop verse solo out",
        "verse verse stop verse verse breakdown out",
    ),
    8: (
        "verse verse solo solo breakdown verse solo out",
        "verse verse stop solo verse solo verse out",
        "verse verse stop verse verse breakdown verse out",
    ),
}


def make_plan(number: int, seed: int) -> Plan:
    """The plan of piece `number`, counted from 0."""
    chance = random.Random(f"{seed}/{number}/plan")
    feel = _dealt(number, seed, "feel", tuple(f for f in feels().values() for _ in range(f.weight)))
    form = _dealt(
        number, seed, "form", tuple(f for f in forms() for _ in range(FORM_CARDS[f.name]))
    )
    tonic = _dealt(number, seed, "key", tuple(range(12)))
    mood = _dealt(number, seed, "mood", tuple(MOODS))
    place = _dealt(number, seed, "tempo", tuple(range(10)))
    key = Key(tonic, form.is_minor)
    spread = feel.fastest_bpm - feel.slowest_bpm
    bpm = round(feel.slowest_bpm + spread * ((place + chance.random()) / 10) ** 1.25)
    card = _dealt(number, seed, "solo", SOLO_CARDS)
    sections, bars = _laid_out(chance, key, form, feel, bpm, MOODS[mood], card is not None)
    band = _band(chance, feel, card)
    soloists = [p.name for p in band if p.name in (LEAD, PIANO, ORGAN, HARP)]
    wanted = (PIANO, ORGAN) if card == KEYS else (card,)
    first = next((who for who in soloists if who in wanted), LEAD)
    sections = _with_soloists(chance, sections, soloists, first)
    bars = _coloured(random.Random(f"{seed}/{number}/colours"), bars)
    owners = [section for section in sections for _ in range(section.bars)]
    owners.append(sections[-1])  # of the bar in which the last chord dies away
    bars = [replace(bar, section=owner) for bar, owner in zip(bars, owners, strict=True)]
    return Plan(
        number=number,
        seed=seed,
        title=_title(chance, feel),
        key=key,
        form=form,
        feel=feel,
        bpm=bpm,
        mood=mood,
        band=band,
        sections=tuple(sections),
        bars=tuple(bars),
    )


def _dealt(number: int, seed: int, name: str, cards: tuple[Card, ...]) -> Card:
    """The card of this piece: the deck is dealt out whole before it is shuffled again."""
    block, place = divmod(number, len(cards))
    return cards[_shuffled(block, seed, name, len(cards))[place]]


@lru_cache(maxsize=64)
def _shuffled(block: int, seed: int, name: str, cards: int) -> tuple[int, ...]:
    deck = list(range(cards))
    random.Random(f"{seed}/{name}/{block}").shuffle(deck)
    return tuple(deck)


def _laid_out(
    chance: random.Random,
    key: Key,
    form: Form,
    feel: Feel,
    bpm: int,
    calm: float,
    has_solo: bool,
) -> tuple[list[Section], list[Bar]]:
    """The sections and their bars, from the intro to where the last chord dies away."""
    chorus_seconds = form.bars * 4 * 60 / bpm
    wanted = 62 + 70 * chance.random()
    choruses = min(max(round(wanted / chorus_seconds), 2), 8)
    if chorus_seconds < 45 or has_solo:
        choruses = max(choruses, 3)
    written_out = [order for order in _BY_CHORUSES[choruses] if ("solo" in order) == has_solo]
    names = chance.choice(written_out).split()
    chart = chance.choice(form.charts)
    usual, other = chance.choice(form.turnarounds), chance.choice(form.turnarounds)
    sections: list[Section] = []
    bars: list[Bar] = []

    def add(name: str, written: list[Changes], intensity: float) -> None:
        section = Section(name, len(bars), len(written), round(intensity, 3))
        sections.append(section)
        for place, chords in enumerate(written):
            rise = 0.1 * min(place / max(len(written) - 3, 1), 1.0) - 0.05
            bars.append(Bar(len(bars), place, section, chords, intensity + rise))

    intro = _intro(chance, key, form, chart, usual, feel)
    if intro:
        add("intro", intro, calm + 0.05)
    hottest = min(0.94, calm + 0.25 + 0.13 * len(names))  # nobody boils over in two choruses
    for n, name in enumerate(names):
        progress = n / (len(names) - 1)
        intensity = calm + (hottest - calm) * progress - SOFTER.get(name, 0)
        if name == "verse" and n and names[n - 1] == "solo":
            intensity -= 0.28  # after a solo the song takes a breath
        if name == "out":
            turnaround = chance.choice(form.endings)
        else:
            turnaround = usual if chance.random() < 0.7 else other
        written = [*read_bars(chart, key), *read_bars(turnaround, key)]
        add(name, written, max(intensity, 0.1))
    bars.append(
        replace(
            bars[-1],
            number=len(bars),
            place=bars[-1].place + 1,
            is_tail=True,
            chords=(Change(0, bars[-1].chords[-1].chord),),
        )
    )
    return sections, _directed(chance, bars, feel)


def _intro(
    chance: random.Random, key: Key, form: Form, chart: str, turnaround: str, feel: Feel
) -> list[Changes]:
    """The form's last bars, as a rule; where the feel is a groove, often a vamp on I."""
    intros = table("charts")["intros"]
    if feel.family == "even" and chance.random() < 0.5:
        tonic = chord("Im7" if form.is_minor else "I7", key)
        return [(Change(0, tonic),)] * chance.choice(intros["vamps"])
    last = chance.choice(intros["last_bars"])
    written = [*read_bars(chart, key), *read_bars(turnaround, key)]
    return written[-last:] if last else []


def _coloured(chance: random.Random, bars: list[Bar]) -> list[Bar]:
    """Every chord with a colour that the whole band keeps to until the chord changes."""
    sounding: Chord | None = None
    colour = ""
    coloured = []
    for bar in bars:
        changes = []
        for change in bar.chords:
            if change.chord != sounding:
                sounding = change.chord
                colour = chance.choice(COLOURS.get(sounding.kind, ("",)))
            changes.append(change if not colour else _change_coloured(change, colour))
        coloured.append(replace(bar, chords=tuple(changes)))
    return coloured


@lru_cache(maxsize=10_000)
def _change_coloured(change: Change, colour: str) -> Change:
    return replace(change, chord=replace(change.chord, colour=colour))


def _directed(chance: random.Random, bars: list[Bar], feel: Feel) -> list[Bar]:
    """Who waits, who fills: hits in stop-time and the ending, fills, crashes."""
    stop = hits(chance.choice(STOP_HITS[feel.family]))
    directed = []
    for bar in bars[:-1]:
        is_last = bar.place == bar.section.bars - 1
        waiting = bar.section.name == "stop" and bar.place < bar.section.bars // 3
        if bar.chords[0].is_hit:
            struck = tuple(_struck(bar.chords))
        elif waiting:  # a chord that comes within the bar is struck, too
            struck = (*stop, *(Hit(c.step, 4, 1.0, "X") for c in bar.chords[1:]))
        else:
            struck = ()
        fill = 2 if is_last else int(bar.place % 4 == 3 and chance.random() < 0.75)
        crash = bar.place == 0 and bar.intensity > 0.3
        directed.append(replace(bar, hits=struck, fill=fill, has_crash=crash))
    return [*directed, bars[-1]]


def _struck(chords: Changes) -> Iterator[Hit]:
    """The hits of an ending; what is held sounds for another bar."""
    ends = [*(change.step for change in chords[1:]), BAR]
    for change, end in zip(chords, ends, strict=True):
        length = end + BAR - change.step if change.is_held else min(end - change.step, 9)
        yield Hit(change.step, length, 1.0, "!" if change.is_held else "X")


def _band(chance: random.Random, feel: Feel, card: str | None) -> tuple[Player, ...]:
    """Who plays: bass, drums and a guitar always; who solos; somebody who holds the chords, too."""
    voice = chance.random() < 0.88
    keys = chance.choice((PIANO, PIANO, ORGAN, ORGAN, None))
    rhythm = chance.random() < 0.75 or keys is None or card == KEYS
    if card == KEYS and keys is None:
        keys = chance.choice((PIANO, ORGAN))
    harp = chance.random() < 0.2 and feel.name != "funk"
    players = [
        Player(VOICE, 52) if voice else None,
        Player(CHOIR, 53) if voice and chance.random() < 0.4 else None,
        Player(LEAD, chance.choice((25, 26, 27, 27))),
        Player(RHYTHM, 27 if feel.name == "funk" else chance.choice((25, 26, 27)))
        if rhythm
        else None,
        Player(PIANO, 0) if keys == PIANO else None,
        Player(ORGAN, 16) if keys == ORGAN else None,
        Player(HARP, 22) if harp or card == HARP else None,
        Player(
            BASS,
            32 if feel.name == "shuffle" and chance.random() < 0.4 else chance.choice((33, 34)),
        ),
        Player(DRUMS, 0),
    ]
    return tuple(player for player in players if player)


def _with_soloists(
    chance: random.Random, sections: list[Section], soloists: list[str], first: str
) -> list[Section]:
    """Give each solo to somebody; two solos in a row to one who builds, or to two.

    A voice, where there is one, rests meanwhile; whoever soloed last leaves the next to another.
    """
    told: list[Section] = []
    last = None
    for section in sections:
        who = None
        if section.name == "solo":
            goes_on = told[-1].soloist is not None and chance.random() < 0.6
            others = [name for name in soloists if name != last] or soloists
            who = first if last is None else last if goes_on else chance.choice(others)
            last = who
        told.append(replace(section, soloist=who))
    return told


def _title(chance: random.Random, feel: Feel) -> str:
    words = table("words")
    drawn = [words["first"], words["second"], words["last"][feel.name]]
    return " ".join(str(chance.choice(word)) for word in drawn)
