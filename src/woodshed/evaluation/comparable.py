"""What may be compared: bits per note only within one language and one reduction of the music.

Everything that makes figures mean different things is refused, before the work, with its reason.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..corpus.dataset import Dataset
from ..errors import UsageError
from ..models.info import ModelInfo
from ..tokens.language import Language
from ..tokens.pieces import language_of

Named = tuple[str, ModelInfo]
"""What a model is called, and what it says of itself."""

_MEANT = {"SLOT": "lineups", "INST": "lineups", "TAG": "tags"}
"""What it is in which languages differ whose groups of these names differ."""


def check_comparable(models: Sequence[Named], dataset: Dataset, *, unseen: bool = False) -> None:
    """Raise `UsageError` for models that cannot be compared, or not on this dataset.

    `unseen` says that somebody knows that models of other data learned from none of its pieces.
    """
    if not models:
        raise UsageError("there is no model to compare; name one or more before --on")
    _check_once(models)
    first, told = models[0]
    for name, info in models[1:]:
        _check_language(first, told.language.language, name, info.language.language)
    language = language_of(dataset, told.language.language.name).language
    _check_language(first, told.language.language, str(dataset.path), language)
    for name, info in models:
        if info.data_hash != dataset.content_hash and not unseen:
            raise UsageError(
                f"{name} was trained on other data ({info.data_hash[:12]}) than {dataset.path} "
                f"({dataset.content_hash[:12]}), and a model does not tell its pieces: those it "
                "would be scored on may be among them. Compare it on its own dataset, or add "
                "--unseen where you know that it never heard them"
            )


def doubts(models: Sequence[Named], dataset: Dataset) -> list[str]:
    """Sentences on what cannot be known of models that are compared all the same."""
    said = []
    for name, info in models:
        if info.data_hash != dataset.content_hash:
            said.append(
                f"{name} was trained on other data; that it never heard these pieces is taken on "
                "trust (--unseen)"
            )
        if info.settings.get("init"):
            said.append(
                f"{name} began as another model (--init), and does not tell what that had heard"
            )
    return said


def _check_once(models: Sequence[Named]) -> None:
    known: dict[str, str] = {}
    for name, info in models:
        if info.hash in known:
            other = known[info.hash]
            same = f"{name} is given twice" if name == other else f"{name} and {other} are the same"
            raise UsageError(f"{same}; name each model once")
        known[info.hash] = name


def _check_language(name: str, language: Language, other: str, its: Language) -> None:
    if language.identity == its.identity:
        return
    if language.name != its.name:
        raise UsageError(
            f"{name} is told in {language.name} and {other} in {its.name}, in which a note "
            "takes other tokens and keeps other things of the music: bits per note are compared "
            "within one language only; compare the models of each language by themselves"
        )
    ours, theirs = ({g.name: g.labels for g in one.groups} for one in (language, its))
    differ = [n for n in dict.fromkeys([*ours, *theirs]) if ours.get(n) != theirs.get(n)]
    what = " and ".join(dict.fromkeys(_MEANT.get(name, name) for name in differ)) or "tables"
    raise UsageError(
        f"{name} and {other} tell the music differently (their {what} differ), and bits per note "
        "are compared within one reduction of the music only; use the dataset the models were "
        "trained on, and models of one dataset"
    )
