"""Parts that are given, such as one's own drums: read, placed and told by the tokens of a model.

What a model cannot tell is mapped as a prompt is, and said. Knows nothing of how others play around
them, nor of files.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..corpus.key import estimate_key
from ..corpus.piece import place
from ..errors import UsageError
from ..formats.midi_write import midi_bytes
from ..models.family import NO_CONDITIONS, Conditions
from ..models.info import ModelInfo
from ..music.grid import Grid
from ..music.score import Score
from ..music.time import KeyMap
from ..music.transform import slice_bars
from ..tokens.chorale import Chorale
from ..tokens.events import Events
from ..tokens.language import TokenIds
from .given_notes import Parts, limits_for, parts_of
from .header import Forced, Header, forced

LOOK_AHEAD = 6
MOST_LOOK_AHEAD = 256
MOST_CHANGES_SAID = 8


@dataclass(frozen=True)
class Given:
    """Parts that are given, and who plays around them.

    `tokens` tell the parts from START to END, counted as the model counts; `added` are the names of
    the slots that the model plays. `look_ahead` is how many ways are tried side by side, 1 for no
    looking ahead. `notes` and `sha256` tell of the parts as they were given.
    """

    tokens: TokenIds
    added: tuple[str, ...]
    look_ahead: int = LOOK_AHEAD
    notes: int = 0
    sha256: str | None = None


def given_parts(
    info: ModelInfo,
    score: Score,
    add: Sequence[str],
    header: Header | None = None,
    conditions: Conditions = NO_CONDITIONS,
    bars: int | None = None,
    look_ahead: int = LOOK_AHEAD,
) -> tuple[Given, Forced, tuple[str, ...]]:
    """The parts as the model tells them, the header for all, and sentences on what had to change.

    `add` are the slots that the model shall play, `bars` how many bars of the parts are taken.
    Raises `UsageError` for what the model cannot play around, with the way out.
    """
    header = header or Header()
    language = info.language
    if not isinstance(language, Events):
        players = "the same four voices" if isinstance(language, Chorale) else "one player"
        raise UsageError(
            f"the model's language {language.language.name} has {players}, so nothing can be "
            "played around given parts; use a model trained with --language events"
        )
    _check_request(info, add, header, look_ahead)
    wanted, _ = forced(info, Header(key=header.key), conditions)
    music = _first_bars(score, bars)
    tokens, said = _told(info, language, music, bars)
    parts = parts_of(info, tokens)
    _check_slots(info, parts, add)
    said += _beyond(info, tokens)
    key = parts.key
    if key is not None and header.key is not None:
        raise UsageError(
            f"--key {header.key}: the given parts name their key, "
            f"{info.vocabulary.names[key].removeprefix('KEY_')}, and all play in it; "
            "leave out --key"
        )
    id_of = {name: number for number, name in enumerate(info.vocabulary.names)}
    asked = {id_of[f"SLOT_{name}"] for name in add}
    slots = {id_of[f"SLOT_{language.lineup.slots[slot].name}"] for slot in parts.slots}
    wanted = dataclasses.replace(
        wanted,
        tempo=parts.tempo,
        key=wanted.key if key is None else key,
        slots=tuple(sorted(slots | asked)),
    )
    if wanted.key is None:
        found = _heard_key(info, music)
        if found is not None:
            wanted = dataclasses.replace(wanted, key=id_of[f"KEY_{found}"])
            said.append(
                f"the given parts name no key and sound like {found}, which all play in; "
                "--key sets another"
            )
    given = Given(
        tokens,
        tuple(sorted(set(add), key=lambda name: id_of[f"SLOT_{name}"])),
        look_ahead,
        len(score.notes),
        hashlib.sha256(midi_bytes(score)).hexdigest(),
    )
    return given, wanted, tuple(said)


def _check_request(info: ModelInfo, add: Sequence[str], header: Header, look_ahead: int) -> None:
    for name in ("tempo", "metre", "slots"):
        if getattr(header, name) is not None:
            raise UsageError(
                f"given parts have their own tempo, metre and players; leave out --{name}"
                + (", and name who shall play with --add" if name == "slots" else "")
            )
    names = set(info.vocabulary.names)
    assert isinstance(info.language, Events)
    slots = [slot.name for slot in info.language.lineup.slots]
    known = [name for name in slots if {f"SLOT_{name}", f"INST_{name}"} <= names]
    if not add:
        raise UsageError(
            f"nobody is asked to play around the given parts; name some of {', '.join(known)} "
            "with --add"
        )
    for name in add:
        if name not in known:
            raise UsageError(
                f"--add {','.join(add)}: the model knows no player {name!r}; "
                f"it knows {', '.join(known)}"
            )
    if not 1 <= look_ahead <= MOST_LOOK_AHEAD:
        raise UsageError(
            f"--look-ahead {look_ahead} makes no sense; use 1 (off) to {MOST_LOOK_AHEAD}"
        )


def _first_bars(score: Score, bars: int | None) -> Score:
    if not len(score.notes):
        raise UsageError("the given file has no notes; give one with the parts to play around")
    if bars is None:
        return score
    if bars > score.bar_count:
        raise UsageError(
            f"--bars {bars}: the given parts have {score.bar_count} bars; use so many or fewer"
        )
    first = slice_bars(score, 0, bars)
    lines = score.bars()
    end = lines.start_ticks[bars - 1] + lines.length_ticks[bars - 1]
    grid = Grid.of(first)
    # What is played a little early for the next bar is the next bar's.
    first = first.replace(
        notes=first.notes.take(grid.steps(first.notes.start_ticks) < grid.steps(end))
    )
    if not len(first.notes):
        raise UsageError(
            f"in the first {bars} bars of the given parts no note begins; "
            f"use more of their {score.bar_count} bars with --bars, or leave that out"
        )
    return first


def _told(
    info: ModelInfo, language: Events, score: Score, bars: int | None
) -> tuple[TokenIds, list[str]]:
    """The tokens of parts, as the model counts them, and what had to change."""
    placed = place(score, language.lineup)
    if not len(placed.score.notes):
        raise UsageError(
            "the model has no player for any of the given parts; it knows "
            + ", ".join(slot.name for slot in language.lineup.slots)
        )
    music = placed.score.replace(texts=placed.chords.texts())
    tokens = language.encode(music, placed.slots.tolist())
    grid = Grid.of(music)
    told = int(grid.bar_of(grid.steps(music.notes.start_ticks.max()))) + 1
    rest = max(len(grid.bars), bars or 0) - told
    if rest:  # bars in which notes only ring on
        metre = tokens[language.language.group_of[tokens] == language.language.row("BAR")][-1]
        tokens = np.concatenate([tokens[:-1], np.repeat(metre, rest), tokens[-1:]])
    try:
        localised = info.vocabulary.localise(tokens, language)
    except UsageError:
        raise UsageError(
            "the model knows none of the players of the given parts, nor any that could stand in; "
            f"it knows {_known_slots(info)}"
        ) from None
    if not info.pitched()[localised.tokens].any():
        raise UsageError(
            "the model knows none of the notes of the given parts, nor any that could stand in; "
            "give others"
        )
    said = [
        f"the model has never seen {change.brought}: "
        + ("left out" if change.became is None else f"became {change.became}")
        + (f", {change.count} times" if change.count > 1 else "")
        for change in localised.changes
    ]
    if len(said) > MOST_CHANGES_SAID:
        said[MOST_CHANGES_SAID:] = [f"and {len(said) - MOST_CHANGES_SAID} further changes"]
    if localised.merged:
        said.append(f"{localised.merged} given notes became one with another")
    lost = len(score.notes) - len(placed.score.notes)
    if lost:
        said.append(f"{lost} given notes have no player in this model and are left out")
    return localised.tokens, said


def _known_slots(info: ModelInfo) -> str:
    prefix = "SLOT_"
    names = [n.removeprefix(prefix) for n in info.vocabulary.names if n.startswith(prefix)]
    return ", ".join(names) or "nobody"


def _check_slots(info: ModelInfo, parts: Parts, add: Sequence[str]) -> None:
    assert isinstance(info.language, Events)
    given = [info.language.lineup.slots[slot].name for slot in parts.slots]
    for name in add:
        if name in given:
            raise UsageError(
                f"{name} is given and asked for with --add; leave it out of --add, or take it "
                f"out of the given parts, which play {', '.join(given)}"
            )


def _heard_key(info: ModelInfo, score: Score) -> str | None:
    """The key that parts sound like, where the model knows it by name."""
    found = estimate_key(score)
    if found is None or not isinstance(info.language, Events):
        return None
    keyed = score.replace(keys=KeyMap.from_rows([(0, found.sharps, found.is_minor)]))
    told = info.language.encode(keyed, [0] * len(keyed.parts))
    name = info.language.language.names[told[2]]
    return name.removeprefix("KEY_") if name in info.vocabulary.names else None


def _beyond(info: ModelInfo, tokens: TokenIds) -> list[str]:
    wide = limits_for(info, tokens)
    if wide == info.limits:
        return []
    beyond = {
        "at_once": "notes at once", "load": "crowded moments in a row",
        "empty_bars": "bars of rest", "lead_bars": "bars before the first note",
    }  # fmt: skip
    found = [said for name, said in beyond.items() if getattr(wide, name) > _of(info, name)]
    return [f"the given parts have more {' and '.join(found)} than the model's corpus: they stay"]


def _of(info: ModelInfo, name: str) -> int:
    return int(getattr(info.limits, name))
