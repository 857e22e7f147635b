"""How a piece was made, told inside its MIDI file: enough to make it again, and no paths.

One text event at the beginning, JSON behind a word to know it by. Knows nothing of where models
lie.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from ..errors import UsageError
from ..formats.midi_write import midi_bytes
from ..models.family import Conditions
from ..models.info import ModelInfo
from ..music.score import Score, Text
from .accompaniment import given_of, told_given
from .engine import Piece
from .header import Forced, told_of
from .prompt import Opening
from .result import score_of
from .settings import SamplingSettings
from .tables import resolved

MARK = "woodshed made this: "


@dataclass(frozen=True, slots=True)
class Made:
    """A piece as a MIDI file, the music in it, and how it was made."""

    midi: bytes
    score: Score
    provenance: Mapping[str, Any]


def made(
    info: ModelInfo, piece: Piece, settings: SamplingSettings, begins: Opening,
    conditions: Conditions, *, only_new: bool = False,
    mix: Mapping[str, Any] | None = None,
) -> Made:  # fmt: skip
    """A piece with its provenance. `mix` is what a mixture tells of its other model."""
    from .. import __version__

    score = score_of(info, piece, settings, only_new=only_new)
    provenance = {
        "woodshed": __version__,
        "family": info.family,
        "language": info.language.language.name,
        "model": info.hash,
        "data": info.data_hash,
        "licences": list(info.licences),
        "settings": resolved(info, settings),
        "conditions": dict(sorted(conditions.tags.items())),
        "condition_strength": conditions.strength,
        "header": told_of(info, begins.wanted),
        "prompt": {
            "notes": begins.prompt_notes,
            "sha256": begins.prompt_sha256,
            "tokens": begins.told.tolist(),
            "opens": begins.opens.tolist(),
        },
        "given": told_given(begins.given),
        "only_new": only_new,
        "piece": piece.number,
        "music": hashlib.sha256(midi_bytes(score)).hexdigest(),
        **({} if mix is None else {"mix": dict(mix)}),
    }
    text = Text(0, "text", MARK + json.dumps(provenance, sort_keys=True))
    return Made(midi_bytes(score.replace(texts=(*score.texts, text))), score, provenance)


def provenance_in(score: Score) -> dict[str, Any] | None:
    """What a file says of how it was made; None where it says nothing that can be read."""
    for text in score.texts:
        if text.text.startswith(MARK):
            try:
                found = json.loads(text.text.removeprefix(MARK))
            except (ValueError, RecursionError):
                return None
            return found if isinstance(found, dict) else None
    return None


@dataclass(frozen=True, slots=True)
class Recipe:
    """What a provenance asks for: everything `sample` and `made` need but the model."""

    settings: SamplingSettings
    begins: Opening
    conditions: Conditions
    number: int
    only_new: bool


def recipe_of(provenance: Mapping[str, Any], info: ModelInfo) -> Recipe:
    """How to make a piece again with its model.

    Raises `UsageError` where the provenance is damaged, or of a version that knows other settings.
    """
    known = {f.name for f in fields(SamplingSettings)}
    try:
        values = dict(provenance["settings"])
        strange = sorted(set(values) ^ known)
        if strange:
            raise UsageError(
                f"it was made by woodshed {provenance['woodshed']}, whose settings are not this "
                f"version's ({', '.join(strange)}); use that version"
            )
        if type(values["seed"]) is not int:
            raise ValueError("it has no seed")
        number, strength = provenance["piece"], float(provenance["condition_strength"])
        if type(number) is not int or not 1 <= number < 2**31:
            raise ValueError(f"it is piece {number!r}")
        if not 0 <= strength < math.inf:
            raise ValueError(f"its conditions weigh {strength}")
        size = len(info.vocabulary)
        prompt = provenance["prompt"]
        told = _ids(prompt["tokens"], size)
        if info.vocabulary.names[told[0]] != "START":
            raise ValueError("its tokens do not begin with START")
        wanted, given = _forced(provenance["header"], info), provenance.get("given")
        if given is not None:
            given = given_of(given, _ids(given["tokens"], size), info, wanted)
        return Recipe(
            SamplingSettings(**values),
            Opening(
                told,
                _ids(prompt["opens"], size),
                wanted,
                prompt_notes=int(prompt["notes"]),
                prompt_sha256=prompt["sha256"],
                given=given,
            ),
            Conditions(dict(provenance["conditions"]), strength),
            number,
            bool(provenance["only_new"]),
        )
    except (AttributeError, LookupError, TypeError, ValueError) as error:
        raise UsageError(
            f"what it says of how it was made is damaged ({type(error).__name__}: {error}); "
            "take an undamaged copy"
        ) from None


def _ids(tokens: Any, size: int) -> Any:
    ids = np.array(tokens, np.int64).reshape(-1)
    if len(ids) and not 0 <= ids.min() <= ids.max() < size:
        raise ValueError(f"a token beyond the {size} of the model")
    return ids.astype(np.uint16)


def _forced(header: Mapping[str, Any], info: ModelInfo) -> Forced:
    id_of = {name: number for number, name in enumerate(info.vocabulary.names)}

    def one(name: str) -> int | None:
        token = header[name]
        return None if token is None else id_of[token]

    slots = header["slots"]
    return Forced(
        one("tempo"),
        one("key"),
        one("metre"),
        None if slots is None else tuple(id_of[slot] for slot in slots),
        tuple(id_of[tag] for tag in header["tags"]),
    )
