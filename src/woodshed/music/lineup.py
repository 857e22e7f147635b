"""Lineups: which slot of the band each part of a score plays in.

A lineup is a TOML file of slots with the names and programs that belong to them, described in
docs/lineups.md. Knows the names, programs and drum flags of parts; refuses to know notes.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from pathlib import Path
from typing import Any, Literal

from ..errors import BadLineup
from .names import check_patterns, name_reader, spell_out
from .score import DRUM_CHANNEL, Part

Reason = Literal[
    "drum flag",  # the file marks the part as drums
    "channel 10",  # it plays on the drum channel
    "drum name",  # its name is a drum's
    "name",  # its name is one the slot knows
    "program",  # its name says nothing, and the slot claims its program
    "further voice",  # its slot was taken, and passes further parts on to this one
    "rest",  # neither name nor program decides
    "no drum slot",  # left out: drums, in a lineup without them
    "left out",  # left out: nothing decides, and no slot takes the rest
]

_SHIPPED = resources.files(__package__) / "lineups"
_ENTRIES: Mapping[str, tuple[type, str]] = {  # every key of a file: its type, and how to write it
    "leave_out": (bool, "true or false"),
    "slot": (list, "tables that begin with [[slot]], in double brackets"),
    "name": (str, 'a name in quotes, such as "bass"'),
    "playback": (int, "a program, such as 33"),
    "names": (list, 'a list of patterns, such as ["bass", "contrab*"]'),
    "always": (list, 'a list of patterns, such as ["lead voc*"]'),
    "programs": (list, 'a list of programs and ranges, such as [32, "34-39"]'),
    "drums": (bool, "true or false"),
    "rest": (bool, "true or false"),
    "further": (str, "the name of another slot in quotes"),
}


@dataclass(frozen=True, slots=True)
class Slot:
    """One player of a lineup, and the parts that belong to it.

    `names` and `always` are patterns; `always` is tried before the `names` of any slot. `further`
    names the slot that takes all parts after the first, except those that `always` knows.
    `playback` is the General MIDI program the slot sounds with; in a drum slot, the kit.
    """

    name: str
    playback: int = 0
    names: tuple[str, ...] = ()
    always: tuple[str, ...] = ()
    programs: tuple[int, ...] = ()
    drums: bool = False
    rest: bool = False
    further: str | None = None

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[^\W\d_][\w-]*", self.name):
            raise BadLineup(f"{self.name!r} cannot name a slot; use letters, digits, - and _")
        for program in (self.playback, *self.programs):
            if not 0 <= program <= 127:
                raise BadLineup(f"program {program} is outside 0 to 127; count from 0")
        if self.drums and (self.rest or self.further):
            entry = "rest" if self.rest else "further"
            raise BadLineup(f"a drum slot takes only drums; leave out either drums or {entry}")
        for entry in ("names", "always"):
            patterns = tuple(spell_out(getattr(self, entry)))
            check_patterns(patterns)
            object.__setattr__(self, entry, patterns)


@dataclass(frozen=True, slots=True)
class Placement:
    """Where a part plays: the row of its slot, `None` where it is left out, and why."""

    slot: int | None
    reason: Reason


@dataclass(frozen=True, slots=True)
class Lineup:
    """The slots of a band, in order. `leave_out` says that parts no slot knows are left out."""

    name: str
    slots: tuple[Slot, ...]
    leave_out: bool = False

    def __post_init__(self) -> None:
        names = [slot.name for slot in self.slots]
        rest = [slot.name for slot in self.slots if slot.rest]
        if not names:
            raise BadLineup("there are no slots; begin one with [[slot]]")
        for name in names:
            if names.count(name) > 1:
                raise BadLineup(f"two slots are called {name!r}; rename one")
        if len(rest) > 1:
            raise BadLineup(f"slots {rest[0]!r} and {rest[1]!r} both take the rest; only one can")
        if rest and self.leave_out:
            raise BadLineup(
                f"leave_out contradicts slot {rest[0]!r}, which takes the rest; drop one"
            )
        if not rest and not self.leave_out:
            raise BadLineup(
                "no slot takes the rest; give one rest = true, or put leave_out = true at the top"
            )
        self._check_patterns()
        self._check_claims()

    def _check_patterns(self) -> None:
        for entry in ("names", "always"):
            known: dict[str, str] = {}
            for slot in self.slots:
                for pattern in getattr(slot, entry):
                    rival = known.setdefault(" ".join(pattern.casefold().split()), slot.name)
                    if rival != slot.name and not pattern.startswith("!"):
                        raise BadLineup(
                            f"slots {rival!r} and {slot.name!r} both have {pattern!r} in {entry}; "
                            "take it from one"
                        )

    def _check_claims(self) -> None:
        claimed: dict[int, str] = {}
        melodic = [slot.name for slot in self.slots if not slot.drums]
        for slot in self.slots:
            for program in slot.programs:
                rival = claimed.setdefault(program, slot.name)
                if rival != slot.name:
                    raise BadLineup(
                        f"slots {rival!r} and {slot.name!r} both claim program {program}; "
                        "take it from one"
                    )
            if slot.further is not None and slot.further not in set(melodic) - {slot.name}:
                raise BadLineup(
                    f"slot {slot.name!r} passes further parts on to {slot.further!r}; "
                    "name another slot without drums"
                )

    def place(self, parts: Sequence[Part]) -> tuple[Placement, ...]:
        """Find a slot for each part of one score: drums first, then by name, program, and the rest.

        Give the parts that have notes, in the order of the score: the first voice is the lead.
        """
        return _place(self, parts, by_program=True)

    def place_by_name(self, parts: Sequence[Part]) -> tuple[Placement, ...]:
        """Place parts as if no slot claimed a program: what names alone achieve."""
        return _place(self, parts, by_program=False)


def shipped_lineups() -> tuple[str, ...]:
    """The names of the lineups that come with Woodshed."""
    files = (file.name for file in _SHIPPED.iterdir())
    return tuple(sorted(name.removesuffix(".toml") for name in files if name.endswith(".toml")))


def load_lineup(name_or_path: str | os.PathLike[str]) -> Lineup:
    """Load a shipped lineup by its name, or anyone's by the path of its .toml file.

    Raises `BadLineup`, which names the file, what is wrong in it and what to write instead.
    """
    given = os.fspath(name_or_path)
    shipped = given in shipped_lineups()
    if not shipped and Path(given).suffix.lower() != ".toml":
        choice = ", ".join(shipped_lineups())
        raise BadLineup(f"there is no lineup {given!r}; use {choice} or the path of a .toml file")
    file = _SHIPPED / f"{given}.toml" if shipped else Path(given)
    if not shipped and Path(given).exists() and not Path(given).is_file():
        raise BadLineup(f"cannot read {given}: it is no file; check the path")
    try:
        text = file.read_bytes().decode("utf-8-sig")  # Notepad puts a mark in front
        return _lineup(Path(given).stem, tomllib.loads(text))
    except OSError as error:
        raise BadLineup(f"cannot read {given}: {error.strerror}; check the path") from None
    except (ValueError, RecursionError) as error:
        raise BadLineup(f"{given} is no TOML in UTF-8: {error}; mend that place") from None
    except BadLineup as error:
        raise BadLineup(f"{given}: {error}") from None


def _lineup(name: str, table: Mapping[str, Any]) -> Lineup:
    _check_entries(table, ("leave_out", "slot"))
    slots = []
    for number, entries in enumerate(table.get("slot", ()), start=1):
        label = f"slot {number}"
        try:
            if not isinstance(entries, dict) or "name" not in entries:
                raise BadLineup('it has no name; add one, such as name = "bass"')
            label = f"slot {entries['name']!r}"
            _check_entries(entries, Slot.__dataclass_fields__)
            programs = tuple(_programs(entries.get("programs", ())))
            slots.append(Slot(**{**entries, "programs": programs}))
        except BadLineup as error:
            raise BadLineup(f"{label}: {error}") from None
    return Lineup(name, tuple(slots), table.get("leave_out", False))


def _check_entries(table: Mapping[str, Any], allowed: Iterable[str]) -> None:
    for key, value in table.items():
        if key not in allowed:
            raise BadLineup(f"unknown key {key!r}; use {', '.join(allowed)}")
        kind, example = _ENTRIES[key]
        if type(value) is not kind:  # isinstance would take true for a program
            raise BadLineup(f"{key} = {value!r} should be {example}")


def _programs(entries: Iterable[object]) -> Iterator[int]:
    for entry in entries:
        ends = re.fullmatch(r" *([0-9]{1,3}) *(?:[-–] *([0-9]{1,3}) *)?", str(entry))
        if not ends or int(ends[1]) > int(ends[2] or ends[1]):
            raise BadLineup(
                f'programs has {entry!r}; write a number from 0 to 127 or a range such as "24-31"'
            )
        yield from range(int(ends[1]), int(ends[2] or ends[1]) + 1)


@dataclass(frozen=True, slots=True)
class _Clue:
    """What a name says: a drum's or not, the slot that knows it, and whether by `always`."""

    is_drum: bool = False
    slot: int | None = None
    always: bool = False


@lru_cache(maxsize=16)
def _name_reader(lineup: Lineup) -> Callable[[str], _Clue]:
    entries: list[tuple[Sequence[str], _Clue]] = []
    for drums in (True, False):
        rows = [(row, slot) for row, slot in enumerate(lineup.slots) if slot.drums == drums]
        entries += [(slot.always, _Clue(drums, row, always=True)) for row, slot in rows]
        entries += [(slot.names, _Clue(drums, row)) for row, slot in rows]
        if drums and not rows:  # drums are left out here, so their names must be known all the same
            entries.append((tuple(spell_out(["@drums", "@percussion"])), _Clue(drums)))
    return name_reader(entries, otherwise=_Clue())


def _place(lineup: Lineup, parts: Sequence[Part], *, by_program: bool) -> tuple[Placement, ...]:
    rows = {slot.name: row for row, slot in enumerate(lineup.slots)}
    programs = {p: rows[slot.name] for slot in lineup.slots for p in slot.programs if by_program}
    first_drums = next((rows[slot.name] for slot in lineup.slots if slot.drums), None)
    rest = next((rows[slot.name] for slot in lineup.slots if slot.rest), None)
    read = _name_reader(lineup)

    def place_alone(part: Part, clue: _Clue) -> tuple[int | None, Reason]:
        on_drum_channel = part.channel == DRUM_CHANNEL
        if part.is_drum or on_drum_channel or clue.is_drum:
            slot = clue.slot if clue.is_drum else first_drums
            if slot is None:
                return None, "no drum slot"
            if part.is_drum:
                return slot, "drum flag"
            return slot, "channel 10" if on_drum_channel else "drum name"
        if clue.slot is not None:
            return clue.slot, "name"
        if part.program in programs:
            return programs[part.program], "program"
        return rest, "left out" if rest is None else "rest"

    placements = []
    taken: set[int] = set()
    for part in parts:
        clue = read(part.name)
        slot, reason = place_alone(part, clue)
        if slot is not None:
            further = lineup.slots[slot].further
            if slot in taken and further is not None and not clue.always:
                slot, reason = rows[further], "further voice"
            taken.add(slot)
        placements.append(Placement(slot, reason))
    return tuple(placements)
