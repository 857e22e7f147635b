"""What a piece is asked to begin with: tempo, key, metre, players and tags.

A header is told by tokens like everything else, so what was asked for is forced and the rest is
left to the model. Knows nothing of prompts.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..errors import UsageError
from ..models.family import NO_CONDITIONS, Conditions
from ..models.info import ModelInfo
from ..tokens import nearest
from ..tokens.events import KEY_NAMES, TEMPOS_BPM, Events
from ..tokens.grammar import State

OTHER_SPELLINGS = {
    "C#": "Db", "D#": "Eb", "E#": "F", "Fb": "E", "Gb": "F#", "G#": "Ab", "A#": "Bb", "B#": "C",
    "Cb": "B",
}  # fmt: skip
SLOTS_BEFORE = ("tempo", "key", "slots")
TAGS_BEFORE = ("slots", "tags")


@dataclass(frozen=True, slots=True)
class Header:
    """What was asked for; None leaves it to the model. `tempo` is in quarters a minute."""

    tempo: float | None = None
    key: str | None = None
    metre: str | None = None
    slots: tuple[str, ...] | None = None

    def __bool__(self) -> bool:
        return any(x is not None for x in (self.tempo, self.key, self.metre, self.slots))


@dataclass(frozen=True, slots=True)
class Forced:
    """Tokens a header must have, counted as the model counts; None leaves it to the model.

    `metre` is the only BAR there is. Of `tags` each comes, and no other of the same name.
    """

    tempo: int | None = None
    key: int | None = None
    metre: int | None = None
    slots: tuple[int, ...] | None = None
    tags: tuple[int, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.tags) or any(x is not None for x in (self.tempo, self.key, self.slots))


def forced(
    info: ModelInfo, header: Header, conditions: Conditions = NO_CONDITIONS
) -> tuple[Forced, tuple[str, ...]]:
    """The tokens of what was asked for, and sentences on what had to become another.

    Raises `UsageError` for what the model does not know, with what it does.
    """
    check_conditions(info, conditions)
    if not header and not conditions.tags:
        return Forced(), ()
    if not isinstance(info.language, Events):
        raise UsageError(
            f"the model's language {info.language.language.name} tells no tempo, key, metre, "
            "players or tags; leave them out"
        )
    words = _Words(info, info.language)
    tempo, said = words.tempo(header.tempo)
    tags = [f"TAG_{name}={value}" for name, value in conditions.tags.items()]
    return (
        Forced(
            tempo,
            words.key(header.key),
            words.metre(header.metre),
            words.slots(header.slots),
            tuple(sorted(words.id_of[tag] for tag in tags if tag in words.id_of)),
        ),
        said,
    )


def check_conditions(info: ModelInfo, conditions: Conditions) -> None:
    """Refuse tags and values that the corpus does not have. Raises `UsageError`."""
    for name, value in conditions.tags.items():
        if not info.tags:
            raise UsageError(f"--cond {name}={value}: the model's corpus has no tags; leave it out")
        if name not in info.tags:
            raise UsageError(
                f"--cond {name}={value}: the model knows no tag {name!r}; "
                f"it knows {', '.join(sorted(info.tags))}"
            )
        if value not in info.tags[name]:
            raise UsageError(
                f"--cond {name}={value}: {name} is never {value!r} in the model's corpus; "
                f"it is {', '.join(sorted(info.tags[name]))}"
            )
    if not (math.isfinite(conditions.strength) and conditions.strength >= 0):
        raise UsageError(
            f"--cond-strength {conditions.strength:g} makes no sense; use 0 (not at all) or more"
        )


class _Words:
    """The tokens of a vocabulary by what people call them."""

    def __init__(self, info: ModelInfo, language: Events) -> None:
        self.language = language
        self.id_of = {name: number for number, name in enumerate(info.vocabulary.names)}

    def labels(self, group: str) -> list[str]:
        """The values of a group that the model knows."""
        prefix = f"{group}_"
        return [n.removeprefix(prefix) for n in self.id_of if n.startswith(prefix)]

    def tempo(self, bpm: float | None) -> tuple[int | None, tuple[str, ...]]:
        if bpm is None:
            return None, ()
        if not (math.isfinite(bpm) and bpm > 0):
            raise UsageError(f"--tempo {bpm:g} is no tempo; use quarters a minute, such as 120")
        known = [int(label) for label in self.labels("TEMPO")]
        if not known:
            raise UsageError("the model has never seen a tempo, so it can play none")
        best = min(known, key=lambda tempo: abs(math.log(tempo / bpm)))
        said = f"tempo {bpm:g}: the nearest the model knows is {best}"
        is_near = min(TEMPOS_BPM, key=lambda tempo: abs(math.log(tempo / bpm))) == best
        return self.id_of[f"TEMPO_{best}"], () if is_near and best == bpm else (said,)

    def key(self, name: str | None) -> int | None:
        if name is None:
            return None
        label = key_label(name)
        known = self.labels("KEY")
        if label in known:
            return self.id_of[f"KEY_{label}"]
        if not known:
            raise UsageError(f"--key {name}: the model's corpus names no keys; leave it out")
        rows = [*KEY_NAMES, *(f"{tonic}m" for tonic in KEY_NAMES)]
        near = nearest.nearest_key([rows.index(k) for k in known], rows.index(label))
        assert near is not None
        raise UsageError(
            f"--key {name}: the model has never seen this key; the nearest it knows is "
            f"{rows[near]}, of {', '.join(known)}"
        )

    def metre(self, name: str | None) -> int | None:
        if name is None:
            return None
        known = self.labels("BAR")
        if name not in known:
            raise UsageError(
                f"--metre {name}: the model has never seen this metre; it knows "
                f"{', '.join(known) or 'none'}"
            )
        return self.id_of[f"BAR_{name}"]

    def slots(self, names: Sequence[str] | None) -> tuple[int, ...] | None:
        if names is None:
            return None
        known = self.labels("SLOT")
        for name in names:
            if name not in known:
                raise UsageError(
                    f"--slots {','.join(names)}: the model knows no player {name!r}; "
                    f"it knows {', '.join(known)}"
                )
        if not names:
            raise UsageError(f"--slots names nobody; name some of {', '.join(known)}")
        return tuple(sorted({self.id_of[f"SLOT_{name}"] for name in names}))


def key_label(name: str) -> str:
    """A key as tokens call it: "Am", "A minor" and "a min" are Am, "C#" is Db.

    Raises `UsageError` for what is no key.
    """
    words = name.strip().replace("♯", "#").replace("♭", "b").split()
    tonic, mode = (words[0], "".join(words[1:]).lower()) if words else ("", "")
    if len(tonic) > 1 and tonic[-1] == "m":
        tonic, mode = tonic[:-1], mode or "m"
    tonic = tonic[:1].upper() + tonic[1:]
    tonic = OTHER_SPELLINGS.get(tonic, tonic)
    if tonic not in KEY_NAMES or mode not in ("", "m", "min", "minor", "maj", "major"):
        raise UsageError(f"--key {name} is no key; write it as C, F#, Bb, Am or Ebm")
    return tonic + ("m" if mode in ("m", "min", "minor") else "")


class HeaderPlan:
    """Forces what was asked for, row by row, until every row has its first bar."""

    def __init__(self, info: ModelInfo, wanted: Forced, rows: Iterable[set[int]]) -> None:
        self._info, self._wanted = info, wanted
        self._said = list(rows)
        names = info.vocabulary.names
        self._slots = np.array([name.startswith("SLOT_") for name in names])
        self._bars = np.array([name.startswith("BAR_") for name in names])
        self._tags = np.array([name.startswith("TAG_") for name in names])
        asked = tuple(names[tag].partition("=")[0] + "=" for tag in wanted.tags)
        self._same_names = np.array([bool(asked) and name.startswith(asked) for name in names])
        self._phases = [name for name, _ in info.grammar.phases]
        self._header = {"begin", "start", *SLOTS_BEFORE, *TAGS_BEFORE}

    def restrict(self, state: State, permitted: NDArray[np.bool_]) -> bool:
        """See `engine.Plan`."""
        phases = [self._phases[number] for number in state.phase.tolist()]
        for row, phase in enumerate(phases):
            if phase in self._header:
                self._restrict(phase, self._said[row], permitted[row])
        return any(phase in self._header for phase in phases)

    def take(self, tokens: NDArray[np.int64]) -> None:
        """See `engine.Plan`."""
        for said, token in zip(self._said, tokens.tolist(), strict=True):
            said.add(token)

    def keep(self, rows: NDArray[np.integer]) -> HeaderPlan:
        """See `engine.Plan`."""
        said = (set(self._said[row]) for row in rows.tolist())
        return HeaderPlan(self._info, self._wanted, said)

    def _restrict(self, phase: str, said: set[int], permitted: NDArray[np.bool_]) -> None:
        wanted = self._wanted
        if phase == "start" and wanted.tempo is not None:
            _only(wanted.tempo, permitted)
        elif phase == "tempo" and wanted.key is not None:
            _only(wanted.key, permitted)
        else:
            if phase in SLOTS_BEFORE and wanted.slots is not None:
                missing = [slot for slot in wanted.slots if slot not in said]
                if missing:
                    _only(missing[0], permitted)
                    return
                permitted &= ~self._slots
            if phase in TAGS_BEFORE:
                self._restrict_tags(said, permitted)

    def _restrict_tags(self, said: set[int], permitted: NDArray[np.bool_]) -> None:
        missing = [tag for tag in self._wanted.tags if tag not in said]
        permitted &= ~self._same_names
        if missing:
            permitted &= ~self._bars
            later = self._tags.copy()
            later[: missing[0]] = False
            permitted &= ~later
            permitted[missing[0]] = True


def _only(token: int, permitted: NDArray[np.bool_]) -> None:
    permitted[:] = False
    permitted[token] = True


def conditions_of(pairs: Iterable[str], strength: float = 1.0) -> Conditions:
    """Conditions as they are written: name=value. Raises `UsageError` for anything else."""
    tags: dict[str, str] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not (name and equals and value):
            raise UsageError(f"--cond {pair} is no condition; write name=value, such as feel=slow")
        if tags.setdefault(name, value) != value:
            raise UsageError(f"--cond {name} is asked to be {tags[name]} and {value}; choose one")
    return Conditions(tags, strength)


def told_of(info: ModelInfo, wanted: Forced) -> Mapping[str, object]:
    """What was forced, by the names of the tokens."""
    names = info.vocabulary.names
    return {
        "tempo": None if wanted.tempo is None else names[wanted.tempo],
        "key": None if wanted.key is None else names[wanted.key],
        "metre": None if wanted.metre is None else names[wanted.metre],
        "slots": None if wanted.slots is None else [names[slot] for slot in wanted.slots],
        "tags": [names[tag] for tag in wanted.tags],
    }
