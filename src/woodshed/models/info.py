"""What a trained model says of itself: `model.json`. Knows nothing of any family's insides."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..corpus.dataset_layout import lineup_from_dict, lineup_to_dict
from ..errors import UsageError
from ..tokens.chorale import Chorale, ChoraleLimits
from ..tokens.events import Events
from ..tokens.events_grammar import EventLimits, events_grammar
from ..tokens.grammar import Grammar
from ..tokens.performance import Performance, PerformanceLimits
from ..tokens.spoken import NOTES, Spoken, SpokenLimits
from ..tokens.vocabulary import Vocabulary

FORMAT = "woodshed model"
SCHEMA_VERSION = 1


@dataclass(frozen=True)
class ModelInfo:
    """What a model is and where it comes from.

    `data_hash` is the content hash of the dataset it learned from. `settings` are those it was
    trained with, resolved; `training` is what came of it (pieces, notes, tokens, seconds, bits per
    note); `own` is what only its family understands. `files` gives the size and SHA-256 of every
    other file of the model.
    """

    family: str
    language: Spoken
    vocabulary: Vocabulary
    limits: SpokenLimits
    data_hash: str
    licences: tuple[str, ...]
    settings: Mapping[str, Any]
    training: Mapping[str, Any]
    own: Mapping[str, Any]
    files: Mapping[str, tuple[int, str]]

    @cached_property
    def hash(self) -> str:
        """The identity of the model: of everything it says, and so of every file it has."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()

    @cached_property
    def tags(self) -> Mapping[str, tuple[str, ...]]:
        """The tags of its corpus, and the values each of them has there."""
        found: dict[str, list[str]] = {}
        for tag in self.language.tags if isinstance(self.language, Events) else ():
            name, _, value = tag.partition("=")
            found.setdefault(name, []).append(value)
        return {name: tuple(values) for name, values in found.items()}

    def check_tags(self, wanted: Mapping[str, str]) -> None:
        """Raise `UsageError` for a tag, or a value of one, that the corpus does not have."""
        for name, value in wanted.items():
            if name not in self.tags:
                known = ", ".join(self.tags) or "none"
                raise UsageError(f"the corpus has no tag {name!r}; it has: {known}")
            if value not in self.tags[name]:
                known = ", ".join(self.tags[name])
                raise UsageError(f"the tag {name} is never {value!r} in the corpus; it is: {known}")

    @cached_property
    def grammar(self) -> Grammar:
        """The grammar of its language, under the limits of its corpus, for its vocabulary."""
        if isinstance(self.language, Events):
            assert isinstance(self.limits, EventLimits)
            return events_grammar(self.language, self.limits, self.vocabulary.available)
        if isinstance(self.language, Chorale):
            assert isinstance(self.limits, ChoraleLimits)
            return self.language.grammar(self.limits, self.vocabulary.available)
        assert isinstance(self.limits, PerformanceLimits)
        return self.language.grammar(self.limits)

    def to_json(self) -> str:
        """The text of `model.json`; the same model, the same text."""
        language: dict[str, Any] = {
            "name": self.language.language.name, "identity": self.language.language.identity
        }  # fmt: skip
        if isinstance(self.language, Events):
            language |= {
                "lineup": lineup_to_dict(self.language.lineup), "tags": list(self.language.tags)
            }  # fmt: skip
        values = {
            "format": FORMAT,
            "schema_version": SCHEMA_VERSION,
            "family": self.family,
            "language": language,
            "vocabulary": list(self.vocabulary.names),
            "limits": asdict(self.limits),
            "data_hash": self.data_hash,
            "licences": list(self.licences),
            "settings": dict(self.settings),
            "training": dict(self.training),
            "own": dict(self.own),
            "files": {name: list(of) for name, of in sorted(self.files.items())},
        }
        return json.dumps(values, indent=1, ensure_ascii=False) + "\n"

    @classmethod
    def from_values(cls, values: Mapping[str, Any]) -> ModelInfo:
        """What `to_json` wrote, parsed.

        Raises `ValueError`, `KeyError`, `TypeError` or an error of its parts where that cannot be.
        """
        told = values["language"]
        language: Spoken
        limits: SpokenLimits
        if told["name"] == "events":
            language = Events(lineup_from_dict(told["lineup"]), tuple(map(str, told["tags"])))
            limits = EventLimits(**values["limits"])
        elif told["name"] == "performance":
            language = Performance()
            limits = PerformanceLimits(**values["limits"])
        elif told["name"] == "chorale":
            language = Chorale()
            limits = ChoraleLimits(**values["limits"])
        else:
            raise ValueError(f"there is no language {told['name']!r}")
        if told["identity"] != language.language.identity:
            raise ValueError(
                f"its language {told['name']} is another one than this version's; train it again"
            )
        if any(not isinstance(n, int) or n < 0 for n in values["limits"].values()):
            raise ValueError("its limits make no sense")
        files = {str(name): (int(of[0]), str(of[1])) for name, of in values["files"].items()}
        for name in files:
            if not name or "/" in name or "\\" in name or name.startswith("."):
                raise ValueError(f"{name!r} is no name of one of its files")
        for name, kind in (("settings", dict), ("training", dict), ("own", dict)):
            if not isinstance(values[name], kind):
                raise TypeError(f"{name} is no table")
        return cls(
            family=str(values["family"]),
            language=language,
            vocabulary=Vocabulary.of_names(language.language, values["vocabulary"]),
            limits=limits,
            data_hash=str(values["data_hash"]),
            licences=tuple(map(str, values["licences"])),
            settings=values["settings"],
            training=values["training"],
            own=values["own"],
            files=files,
        )

    def pitched(self) -> NDArray[np.bool_]:
        """For each token of the vocabulary, whether it tells a pitch (see `spoken.NOTES`).

        That is a note, but in `chorale` a cell; `spoken.note_count` counts notes in all of them.
        """
        language = self.language.language
        names = [g.name for g in language.groups]
        rows = [names.index(n) for n in NOTES if n in names]
        return np.isin(language.group_of[self.vocabulary.ids], rows)
