"""The folder that `learn` writes: what in it is its own, and what is known from an earlier run.

Nothing of anybody else's is touched. `learn.json` names the files before they are made, so a run
that was killed left nothing that the next one does not know.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..corpus.workspace import check_is_dataset, is_free
from ..errors import CannotWrite, UsageError, WoodshedError
from ..formats.files import write_whole
from ..models.store import check_model_place
from ..training.publish import ModelPlace
from .learn_settings import learns_networks

STATE, PAGE, DATASET, MUSIC, SOUND = "learn.json", "index.html", "dataset", "music", "sound"
MODELS = {"ngram": "model", "transformer": "transformer", "mamba": "mamba", "lstm": "lstm"}
"""The folder of each family's model."""
FORMAT, SCHEMA_VERSION = "woodshed learn", 1


@dataclass(frozen=True, slots=True)
class State:
    """What an earlier run said: its version, what it was asked, its files, the models it trained.

    `models` has what is known of each by its family.
    """

    woodshed: str = ""
    asked: Mapping[str, Any] = field(default_factory=dict)
    files: tuple[str, ...] = ()
    models: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


class Place:
    """The folder, and the names of everything in it. `others` are more names at its top."""

    def __init__(self, out: str | os.PathLike[str], others: Sequence[str] = ()) -> None:
        self.out = out
        self.path = Path(os.path.abspath(out))
        self.others = tuple(others)

    @property
    def page(self) -> Path:
        """The page to open."""
        return self.path / PAGE

    @property
    def dataset(self) -> Path:
        """Where the dataset lies."""
        return self.path / DATASET

    def model(self, family: str) -> Path:
        """Where the model of a family lies."""
        return self.path / MODELS[family]

    def state(self) -> State:
        """What an earlier run said; nothing where there was none, or what it said is damaged."""
        try:
            told = json.loads((self.path / STATE).read_bytes())
            if (told["format"], told["schema_version"]) != (FORMAT, SCHEMA_VERSION):
                return State()
            files = tuple(str(name) for name in told["files"])
            # One model alone is how it was told when there was but one family.
            models = told["models"] if "models" in told else {"ngram": told["model"]}
            known = {str(family): dict(model) for family, model in models.items()}
            return State(str(told["woodshed"]), dict(told["asked"]), files, known)
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
            return State()

    def say(self, state: State) -> None:
        """Write what this run says, for the next one."""
        told = {
            "format": FORMAT,
            "schema_version": SCHEMA_VERSION,
            "woodshed": state.woodshed,
            "asked": dict(state.asked),
            "files": list(state.files),
            "models": {family: dict(model) for family, model in state.models.items()},
        }
        text = json.dumps(told, indent=1, ensure_ascii=False) + "\n"
        write_whole(self.path / STATE, text.encode("utf-8", "backslashreplace"), force=True)

    def check(self, asked: Mapping[str, Any], *, force: bool = False) -> None:
        """Refuse a folder that holds what is not of `learn`, or what was asked otherwise.

        More families than before are no other question: those that are there stay.
        Raises `UsageError`, `WoodshedError` where `force` would help, and `CannotWrite`.
        """
        if os.path.lexists(self.path) and not self.path.is_dir():
            raise CannotWrite(self.out, "a file has that name, and a folder is wanted")
        if not self.path.parent.is_dir():
            raise CannotWrite(self.out, f"there is no folder {self.path.parent}")
        foreign = self._foreign()
        if foreign is not None:
            raise UsageError(
                f"{foreign} is none of the files that this makes; move it away, or name a folder "
                "of its own with --out"
            )
        before = self.state().asked
        differ = [
            f"{name} was {json.dumps(before[name])} and is {json.dumps(value)}"
            for name, value in asked.items()
            if name in before and not _goes_with(name, before, value)
        ]
        if differ and not force:
            raise WoodshedError(
                f"{self.out} was made otherwise: {'; '.join(differ)}; choose another name, or add "
                "--force to replace it"
            )

    def prepare(self) -> None:
        """Make the folders that are not there."""
        try:
            for folder in (self.path, self.path / MUSIC, self.path / SOUND):
                folder.mkdir(exist_ok=True)
        except OSError as error:
            raise CannotWrite(self.out, error.strerror or str(error)) from error

    def clear(self, *names: str) -> None:
        """Remove files of an earlier run; folders whole."""
        for name in names:
            path = self.path / name
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)

    def forget_training(self, *families: str) -> None:
        """Remove what trainings of networks left that were stopped."""
        for family in families:
            shutil.rmtree(ModelPlace(self.model(family)).training, ignore_errors=True)

    def _foreign(self) -> Path | None:
        """The first thing that somebody else put there. Hidden files are left alone."""
        if not self.path.is_dir():
            return None
        state = self.state()
        names = {STATE, PAGE, DATASET, MUSIC, SOUND, *MODELS.values(), *self.others}
        own = names if state.woodshed else set()
        for each in sorted(self.path.iterdir()):
            if each.name.startswith("."):
                continue
            if each.name not in own:
                return each
        for folder in (MUSIC, SOUND):
            place = self.path / folder
            for each in sorted(place.iterdir()) if place.is_dir() else ():
                is_own = f"{folder}/{each.name}" in state.files and each.is_file()
                if not is_own and not each.name.startswith("."):
                    return each
        if not is_free(self.dataset):
            check_is_dataset(self.dataset)
        for family in MODELS:
            if self.model(family).exists():
                check_model_place(self.model(family), force=True)
        return None


def _goes_with(name: str, before: Mapping[str, Any], value: Any) -> bool:
    """Whether what is asked now leaves valid what was made of what was asked before."""
    families = str(before.get("families", "ngram"))
    if name == "families":
        return set(families.split(",")) <= set(str(value).split(","))
    if name == "max_minutes" and not learns_networks(families):
        return True  # nothing was trained by it
    return bool(before[name] == value)
