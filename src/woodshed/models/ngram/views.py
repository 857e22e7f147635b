"""Ways to look at a history: which tokens make the context, and which are foretold from it.

A view turns a piece into streams of symbols. Performed velocities break every long match, so some
views do not look at them; what others play breaks a player's own line, so some hear one slot alone.
Tables only; `hearing` runs them.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ...tokens.chorale import RESTS, STEPS_PER_BAR, VOICES
from ...tokens.language import Language
from ...tokens.spoken import Spoken
from ...tokens.vocabulary import Vocabulary

Symbol = Literal[
    "token", "kind", "place", "chord and place", "chord and stay", "tag", "chord, stay and tag",
    "place and tag", "note", "note and tag", "none",
]  # fmt: skip
"""What a token leaves in the context: itself, its kind, where in the bar it stands, that and the
chord, the chord and how many bars it has stayed, itself if it tells the view's tag, the chord, its
bars and what was told of that tag, where it stands and what was told, that a note is told at such a
place, that and what was told, or nothing."""

SYMBOLS: tuple[Symbol, ...] = (
    "none", "token", "kind", "place", "chord and place", "chord and stay", "tag",
    "chord, stay and tag", "place and tag", "note", "note and tag",
)  # fmt: skip

PLACES = 384
"""Steps within the longest bar."""
COARSE = 3
"""How many steps make one place beside a chord."""


@dataclass(frozen=True, slots=True)
class View:
    """One way to look at a history.

    `leaves` says for each group what its tokens leave in the context (groups not named: nothing);
    `foretells` which groups are foretold, and `after` after which it says something. Of the groups
    in `vague` it foretells that they come, not which of their tokens. `by_slot`: the history of the
    slot that plays alone. `kinds`: it also foretells which kind comes. `remembers`: it is also kept
    for the piece at hand. `tag`: of the piece's tags it hears those of this name alone.
    """

    name: str
    why: str
    leaves: Mapping[str, Symbol]
    foretells: frozenset[str]
    after: frozenset[str]
    vague: frozenset[str] = frozenset()
    by_slot: bool = False
    kinds: bool = False
    remembers: bool = False
    tag: str = ""


HEAD = ("START", "END", "TEMPO", "KEY", "SLOT", "TAG")
NOTE = ("VEL", "PITCH", "DRUM", "DUR")
BODY = ("BAR", "CUT", "CHORD", "SHIFT", "INST")
ALL = (*HEAD, *BODY, *NOTE)


def _all(symbol: Symbol, *groups: str, **others: Symbol) -> dict[str, Symbol]:
    return {**dict.fromkeys(groups, symbol), **others}


PLAIN = View(
    "plain",
    "the tokens as they are",
    _all("token", *ALL),
    frozenset(ALL),
    frozenset(ALL),
    kinds=True,
)

FORM, RHYTHM = "form", "rhythm"
TIMED = ("deaf to touch", RHYTHM)
"""The views that tell when something comes, and hear shifts as places in the bar."""
SLOW = frozenset({"BAR", "CHORD"})
"""What the form alone says: beside it, views of what is played only blur it."""

EVENTS_VIEWS: tuple[View, ...] = (
    dataclasses.replace(PLAIN, vague=SLOW),
    View(
        "deaf to touch",
        "no velocities, and places in the bar instead of shifts: what matches does so on the beat",
        _all("token", *(g for g in ALL if g != "VEL"), VEL="note", SHIFT="place"),
        frozenset(ALL),
        frozenset(ALL),
        SLOW,
        kinds=True,
        remembers=True,
    ),
    View(
        "own line",
        "what the slot itself has played, and where in the bar",
        _all("token", "PITCH", "DRUM", "DUR", INST="place", VEL="kind"),
        frozenset(NOTE),
        frozenset({"INST", *NOTE}),
        by_slot=True,
        remembers=True,
    ),
    View(
        RHYTHM,
        "who plays when, whatever it is",
        _all("token", *HEAD, "BAR", "CUT", "INST", SHIFT="place", VEL="note", DRUM="note",
             DUR="note"),
        frozenset((*HEAD, "BAR", "CUT", "CHORD", "SHIFT", "INST", "VEL")),
        frozenset((*HEAD, *BODY, "DRUM", "DUR")),
        SLOW,
        kinds=True,
        remembers=True,
    ),
    View(
        "touch",
        "how hard the slot has played, and where in the bar",
        _all("token", "VEL", INST="place"),
        frozenset({"VEL"}),
        frozenset({"INST", "DRUM", "DUR"}),
        by_slot=True,
        remembers=True,
    ),
    View(
        "harmony",
        "what the slot plays over this chord at this place",
        _all("token", "PITCH", "DRUM", INST="chord and place", VEL="kind"),
        frozenset({"PITCH", "DRUM", "VEL"}),
        frozenset({"INST", "VEL", "DRUM", "PITCH", "DUR"}),
        by_slot=True,
        remembers=True,
    ),
    View(
        f"{FORM} of bars",
        "bar lines alone, so that a metre holds",
        _all("token", "BAR", "CUT"),
        frozenset({"BAR"}),
        frozenset({"SLOT", "TAG", "BAR", "CUT", "CHORD", "DRUM", "DUR"}),
    ),
    View(
        FORM,
        "bar lines and chords alone, so that the form holds however much is played",
        _all("token", "BAR", "CUT", CHORD="chord and stay"),
        frozenset({"BAR", "CHORD"}),
        frozenset({"SLOT", "TAG", "BAR", "CUT", "CHORD", "DRUM", "DUR"}),
    ),
)  # fmt: skip

PERFORMED = ("START", "END", "NOTE_ON", "NOTE_OFF", "SHIFT", "VELOCITY")
PERFORMANCE_VIEWS: tuple[View, ...] = (
    View(
        "plain", "the tokens as they are", _all("token", *PERFORMED), frozenset(PERFORMED),
        frozenset(PERFORMED), kinds=True,
    ),
    View(
        "deaf to touch", "no velocities, and that time passes, not how much",
        _all("token", "START", "END", "NOTE_ON", "NOTE_OFF", VELOCITY="kind", SHIFT="kind"),
        frozenset(PERFORMED), frozenset(PERFORMED), kinds=True, remembers=True,
    ),
    View(
        "line", "the notes that began, alone", _all("token", "NOTE_ON"), frozenset({"NOTE_ON"}),
        frozenset({"SHIFT", "VELOCITY", "NOTE_ON", "NOTE_OFF", "START"}), remembers=True,
    ),
    View(
        "rhythm", "time alone", _all("token", "SHIFT", NOTE_ON="kind", NOTE_OFF="kind",
                                     VELOCITY="kind", START="kind"),
        frozenset(PERFORMED) - {"NOTE_ON", "NOTE_OFF"}, frozenset(PERFORMED), kinds=True,
    ),
    View(
        "touch", "velocities alone", _all("token", "VELOCITY"), frozenset({"VELOCITY"}),
        frozenset({"SHIFT", "NOTE_ON", "NOTE_OFF", "START"}),
    ),
)  # fmt: skip

IN_TURN = -2
"""In place of the row of INST: voices come in turn, and the value of a token is its voice."""
VOICE_COUNT = len(VOICES)
TURN_STEPS = STEPS_PER_BAR
"""Steps of a bar, where voices come in turn; bars are counted from the first step."""
SUNG = (*VOICES, *RESTS)
HEARD = ("START", "END", *SUNG)
CHORALE_VIEWS: tuple[View, ...] = (
    View(
        "plain", "the cells as they are: the chord so far, and the steps before",
        _all("token", *HEARD), frozenset(HEARD), frozenset(HEARD), kinds=True, remembers=True,
    ),
    View(
        "own line", "what the voice itself has sung", _all("token", *SUNG), frozenset(SUNG),
        frozenset(HEARD), by_slot=True, remembers=True,
    ),
    View(
        "chord and place", "the chord so far, the step before, and where in the bar",
        _all("token", *VOICES[:3], *RESTS[:3], B="place", B_REST="place"), frozenset(HEARD),
        frozenset(HEARD), kinds=True,
    ),
    View(
        "outer voices", "soprano and bass alone", _all("token", "S", "S_REST", "B", "B_REST"),
        frozenset(SUNG), frozenset(HEARD), remembers=True,
    ),
)  # fmt: skip

VIEWS: Mapping[str, tuple[View, ...]] = {
    "events": EVENTS_VIEWS, "performance": PERFORMANCE_VIEWS, "chorale": CHORALE_VIEWS,
}  # fmt: skip


REVISION = 2
"""To be raised when weights get another meaning."""
MOST_SYMBOLS = 65534
"""Two bytes tell so many symbols apart, and one that is none."""
MOST_TAGS, MOST_VALUES = 4, 16
"""How many tags have a view of their own, and how many values such a tag may have: with more of
them there are too few pieces of each."""
FINE = 2
"""How many steps make one place beside a tag: sixteenths and triplets are told apart."""
STAYS = PLACES // COARSE // MOST_VALUES
"""Beside a tag, bars that a chord has stayed are counted up to this."""


def form_by(tag: str) -> View:
    """Metre and chords as the pieces of a tag have them; every chord tells the tag again."""
    return dataclasses.replace(
        EVENTS_VIEWS[-1],
        name=f"{FORM} by {tag}",
        why=f"bar lines and chords as pieces of this {tag} have them",
        leaves=_all("token", "BAR", "CUT", TAG="tag", CHORD="chord, stay and tag"),
        tag=tag,
    )


def by_rhythm(view: View, tag: str) -> View:
    """A view that hears time as pieces of a tag have it: a shuffle is none for one bar alone.

    Every note and every moment tells the tag again, so however little matches, it does with that.
    """
    told: dict[Symbol, Symbol] = {"note": "note and tag", "place": "place and tag"}
    leaves = {name: told.get(symbol, symbol) for name, symbol in view.leaves.items()}
    return dataclasses.replace(
        view,
        name=f"{view.name} by {tag}",
        why=f"{view.why}, in pieces of this {tag}",
        leaves={**leaves, "TAG": "tag", "BAR": "place and tag"},
        tag=tag,
    )


def slots_of(language: Spoken) -> int:
    """How many slots have a history of their own."""
    return slots_told(language.language)


def slots_told(table: Language) -> int:
    """How many players a table tells apart: slots, or voices that take turns."""
    if takes_turns(table):
        return len(VOICES)
    return next((len(group) for group in table.groups if group.name == "INST"), 1)


def takes_turns(table: Language) -> bool:
    """Whether four voices come in turn, one token each."""
    return VOICES[0] in table.first


def alone(view: View) -> View:
    """A view that has no others beside it, and must tell everything itself."""
    return dataclasses.replace(view, vague=frozenset(), remembers=False)


def views_for(
    vocabulary: Vocabulary, *, rhythm_tag: str = "", plain: bool = False
) -> tuple[View, ...]:
    """The views that say something about a vocabulary: without chords, not that of harmony.

    `rhythm_tag` is the tag that says most of the rhythm, where one does.
    """
    language = vocabulary.language
    used = {name for name, (count, _) in vocabulary.report().items() if count}
    views = VIEWS[language.name]
    if plain:
        return (alone(views[0]),)
    kept = [view for view in views if view.name != "harmony" or "CHORD" in used]
    tags = few_valued(vocabulary)
    if rhythm_tag:
        kept = [by_rhythm(view, rhythm_tag) if view.name in TIMED else view for view in kept]
        tags.sort(key=rhythm_tag.__ne__)  # it is among those that have a view
    return (*kept, *map(form_by, sorted(tags[:MOST_TAGS])))


def few_valued(vocabulary: Vocabulary) -> list[str]:
    """The names of tags that have several values, but not too many."""
    values = Counter(map(tag_of, vocabulary.names))
    del values[""]
    return [tag for tag, count in sorted(values.items()) if 1 < count <= MOST_VALUES]


def tag_of(name: str) -> str:
    """The name of the tag that a token tells a value of, or nothing."""
    return name.removeprefix("TAG_").partition("=")[0] if name.startswith("TAG_") else ""


@dataclass(frozen=True)
class Tables:
    """Views of a vocabulary as arrays, for `hearing` and `mixing`.

    Symbols are: every token, every kind, every place of every metre, every chord with every coarse
    place, where a view asks for them every place of every metre with every value of a tag, places
    of either kind once more for notes, and the beginning of a piece. The value of a bar line is the
    number of its metre; that of a token that tells a tag is the number of that tag among those that
    have a view, times `MOST_VALUES`, and which of its values it is; or -1.
    """

    vocabulary: Vocabulary
    views: tuple[View, ...]
    slots: int
    rules: NDArray[np.int64] = field(init=False)
    group_of: NDArray[np.int64] = field(init=False)
    value_of: NDArray[np.int64] = field(init=False)
    special: NDArray[np.int64] = field(init=False)
    first_of: NDArray[np.int64] = field(init=False)
    after: NDArray[np.bool_] = field(init=False)
    flags: NDArray[np.bool_] = field(init=False)
    tells: NDArray[np.bool_] = field(init=False)
    slotted: NDArray[np.bool_] = field(init=False)

    def __post_init__(self) -> None:
        language: Language = self.vocabulary.language
        names = [g.name for g in language.groups]
        ids = self.vocabulary.ids
        group_of = language.group_of[ids]
        rules = np.zeros((len(self.views), len(names), 3), np.int64)
        after = np.zeros((len(self.views), len(names)), np.bool_)
        flags = np.zeros((len(self.views), 4), np.bool_)
        tells = np.zeros((len(self.views), len(names)), np.bool_)
        tags = sorted({view.tag for view in self.views if view.tag})
        value_of = np.array(language.value_of[ids])
        for tag in {tag_of(name) for name in self.vocabulary.names} - {""}:
            own = [n for n, name in enumerate(self.vocabulary.names) if tag_of(name) == tag]
            cells = tags.index(tag) * MOST_VALUES + np.arange(len(own)) if tag in tags else -1
            value_of[own] = cells
        for row, view in enumerate(self.views):
            for group in view.leaves.keys() & set(names):
                rules[row, names.index(group), 0] = SYMBOLS.index(view.leaves[group])
            for group in view.foretells & set(names):
                rules[row, names.index(group), 1] = 1
            for group in (view.foretells - view.vague) & set(names):
                tells[row, names.index(group)] = True
            for group in view.after & set(names):
                after[row, names.index(group)] = True
            if view.tag:
                rules[row, :, 2] = tags.index(view.tag)
            flags[row] = (view.by_slot, view.kinds, view.remembers, view.foretells <= SLOW)
        number = [
            names.index(n) if n in names else -1 for n in ("BAR", "SHIFT", "INST", "CHORD", "TAG")
        ]
        if takes_turns(language):  # START and END are the bass's: the soprano comes after
            number[2] = IN_TURN
            voice = [VOICES.index(name[0]) if name in SUNG else len(VOICES) - 1 for name in names]
            value_of[:] = np.array(voice)[group_of]
        kinds_at = len(ids)
        places_at = kinds_at + len(names)
        metres = np.flatnonzero(group_of == number[0])
        value_of[metres] = np.arange(len(metres))
        chords_at = places_at + PLACES * max(len(metres), 1)
        chord_count = len(language.groups[number[3]]) + 1 if number[3] >= 0 else 1
        tag_places_at = chords_at + chord_count * (PLACES // COARSE)
        timed = {view.tag for view in self.views if "place and tag" in view.leaves.values()}
        values = sum(tag_of(name) in timed for name in self.vocabulary.names)
        notes_at = tag_places_at + values * (PLACES // FINE) * max(len(metres), 1)
        tag_notes_at = notes_at + PLACES * max(len(metres), 1)
        begin = tag_notes_at + notes_at - tag_places_at
        self._set("rules", rules)
        self._set("after", after)
        self._set("flags", flags)
        self._set("tells", tells)
        self._set("slotted", np.asarray((tells & flags[:, :1]).any(axis=0)))
        self._set("group_of", group_of)
        self._set("value_of", value_of)
        starts = (kinds_at, places_at, chords_at, tag_places_at, notes_at, tag_notes_at, begin)
        self._set("special", np.array([*number, len(metres), *starts]))
        self._set("first_of", np.searchsorted(group_of, np.arange(len(names) + 1)))

    def _set(self, name: str, value: NDArray[np.generic]) -> None:
        object.__setattr__(self, name, value)

    @cached_property
    def layout(self) -> str:
        """A hash of all that gives the numbers of an index and of its weights their meaning."""
        from . import asking, memory

        told = hashlib.sha256()
        for array in (self.rules, self.after, self.flags, self.tells, self.special,
                      memory.LENGTHS, asking.LENGTH_CLASS):  # fmt: skip
            told.update(np.ascontiguousarray(array).tobytes())
        sizes = (
            asking.LONG, asking.OFTEN, asking.MANY, asking.SURE, asking.RIPE, asking.SHORT,
            memory.RECALLED, REVISION,
        )  # fmt: skip
        told.update(repr((sizes, memory.FADES)).encode())
        return told.hexdigest()

    @property
    def symbols(self) -> int:
        """How many symbols there are."""
        return int(self.special[-1]) + 1

    @property
    def streams(self) -> int:
        """How many histories a view keeps at most: one for each slot, and one for all."""
        return self.slots + 1
