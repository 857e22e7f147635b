"""A request to play around given parts, as where pieces begin. Knows nothing of files."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from ..errors import UsageError
from ..models.family import NO_CONDITIONS, Conditions
from ..models.info import ModelInfo
from ..music.score import Score
from ..tokens.language import TokenIds
from .given import LOOK_AHEAD, MOST_LOOK_AHEAD, Given, given_parts
from .given_notes import limits_for, parts_of
from .header import Forced, Header
from .prompt import Opening, opening
from .settings import SamplingSettings


def around(
    info: ModelInfo,
    settings: SamplingSettings,
    score: Score,
    add: Sequence[str],
    header: Header | None = None,
    conditions: Conditions = NO_CONDITIONS,
    look_ahead: int | None = None,
) -> Opening:
    """Where pieces begin that play the slots `add` around the parts in `score`.

    Raises `UsageError` for what the model cannot play around, and settings that say otherwise.
    """
    for name in ("seconds", "notes"):
        value = getattr(settings, name)
        if value is not None:
            raise UsageError(
                f"--{name} {value:g}: given parts say how long the music is; leave it out, or take "
                "fewer of their bars with --bars"
            )
    given, wanted, said = given_parts(
        info,
        score,
        add,
        header,
        conditions,
        settings.bars,
        LOOK_AHEAD if look_ahead is None else look_ahead,
    )
    return dataclasses.replace(opening(info), wanted=wanted, given=given, said=said)


def check_request(given: Any, add: Sequence[str], look_ahead: int | None, prompt: Any) -> None:
    """Refuse half a request, and one of two kinds. Raises `UsageError`."""
    if given is None:
        if add:
            raise UsageError(
                f"--add {','.join(add)} needs parts to play around; name their file with --with, "
                "or who plays with --slots"
            )
        if look_ahead is not None:
            raise UsageError(
                f"--look-ahead {look_ahead} looks at given parts; give some with --with, or drop it"
            )
    elif prompt is not None:
        raise UsageError(
            "--with gives parts to play around, --prompt a phrase to go on from; choose one"
        )


def told_given(given: Given | None) -> dict[str, Any] | None:
    """Given parts as a provenance tells them."""
    if given is None:
        return None
    return {
        "tokens": given.tokens.tolist(),
        "added": list(given.added),
        "look_ahead": given.look_ahead,
        "notes": given.notes,
        "sha256": given.sha256,
    }


def given_of(told: Mapping[str, Any], tokens: TokenIds, info: ModelInfo, wanted: Forced) -> Given:
    """Given parts from what a provenance tells, and their tokens.

    Raises `ValueError` or `LookupError` where that is damaged.
    """
    added = tuple(str(name) for name in told["added"])
    look_ahead = int(told["look_ahead"])
    if not 1 <= look_ahead <= MOST_LOOK_AHEAD:
        raise ValueError(f"it looks ahead by {look_ahead}")
    given = Given(tokens, added, look_ahead, int(told["notes"]), told["sha256"])
    names = info.vocabulary.names
    told_names = [names[token] for token in tokens.tolist()]
    if told_names[:1] != ["START"] or told_names.count("END") != 1 or told_names[-1] != "END":
        raise ValueError("its given parts do not begin with START and end with END")
    wide = dataclasses.replace(info, limits=limits_for(info, tokens))
    if not wide.grammar.legal(info.vocabulary.globalise(tokens)).all():
        raise ValueError("its given parts are no music")
    parts = parts_of(info, tokens)
    players = {names.index(f"SLOT_{name}") for name in added}
    theirs = {names.index(name) for name in told_names if name.startswith("SLOT_")}
    is_whole = parts.notes and wanted.tempo == parts.tempo and parts.key in (None, wanted.key)
    if not is_whole or players & theirs or wanted.slots != tuple(sorted(players | theirs)):
        raise ValueError("its header is not that of its given parts")
    return given
