"""Again: make a piece once more from what its file says of how it was made, byte for byte.

The model is found by its hash. Where that cannot be, or something else comes out, what differs is
said precisely.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import BadFile, BadModel, UsageError
from ..formats.files import check_output, write_whole
from ..formats.limits import Limits
from ..formats.midi_contained import read_contained
from ..formats.midi_write import midi_bytes
from ..models.family import Model
from ..models.info import ModelInfo
from ..models.mixed import Mixed
from ..models.playing import played_as
from ..sampling.particles import played
from ..sampling.provenance import Made, made, provenance_in, recipe_of
from .mix import ngram_beside

VARIABLE = "WOODSHED_MODELS"
MODEL_FILE = "model.json"
MOST_FOLDERS = 10_000


@dataclass(frozen=True, slots=True)
class Again:
    """What was made again. `is_same` says whether the file given is the same to the byte.

    Where it is not, the music is, and the file was changed after it was made. `model` is the folder
    where the model was found, `version` what made the file.
    """

    path: str | None
    midi: bytes
    is_same: bool
    model: str
    version: str
    seed: int
    mix_with: str | None = None


def again(
    file: str | os.PathLike[str],
    out: str | os.PathLike[str] | None = None,
    *,
    model: str | os.PathLike[str] | None = None,
    mix_with: str | os.PathLike[str] | None = None,
    force: bool = False,
    limits: Limits | None = None,
) -> Again:
    """Make the piece in `file` again, and write it to `out` where one is given.

    Without `model` it is looked for beside the file, in folders below its own and below the working
    folder, and in those that WOODSHED_MODELS names. So is the n-gram model of a mixture, without
    `mix_with`, and also beside the other model. Raises `BadFile` for a file that does not say
    how it was made, whose model cannot be found, or where other music comes out, and `BadModel`
    for another model than its own.
    """
    from .. import __version__
    from ..models.load import load_model

    if out is not None:
        check_output(out, force=force)
    provenance = provenance_in(read_contained(file, limits))
    if provenance is None:
        raise BadFile(
            file,
            "it does not say how it was made: Woodshed did not make it, or another program took "
            "that out",
        )
    wanted = str(provenance.get("model"))
    folder = _found(wanted, Path(file)) if model is None else Path(model)
    if folder is None:
        raise BadFile(
            file,
            f"the {provenance.get('family')} model {wanted[:12]} made it, which is neither near "
            "it nor near here; name its folder with --model, or the folder of your models in "
            f"{VARIABLE}",
        )
    player = load_model(folder)
    _check_model(player.info, provenance, folder)
    try:
        other = _other(provenance, Path(file), folder, mix_with)
        if other is not None:
            player = Mixed(player, load_model(other), _share_of(provenance))
        file_again, said = _make(player, provenance)
    except UsageError as error:
        raise BadFile(file, str(error)) from None
    if hashlib.sha256(midi_bytes(file_again.score)).hexdigest() != provenance.get("music"):
        version = provenance.get("woodshed")
        differs = said or (
            f"woodshed {version} made it and this is {__version__}: use that"
            if version != __version__
            else "version, model and settings are the same, so another processor, another version "
            "of a library, or a change to what it says of itself is left"
        )
        raise BadFile(file, f"with its model, settings and seed other music comes out; {differs}")
    if out is not None:
        write_whole(out, file_again.midi, force=force)
    return Again(
        None if out is None else os.fspath(out),
        file_again.midi,
        Path(file).read_bytes() == file_again.midi,
        os.fspath(folder),
        str(provenance.get("woodshed")),
        int(provenance["settings"]["seed"]),
        None if other is None else os.fspath(other),
    )


def _make(model: Model, provenance: Mapping[str, Any]) -> tuple[Made, str | None]:
    """The piece, and what this machine cannot do as the one that made it."""
    recipe = recipe_of(provenance, model.info)
    begins, asked = recipe.begins, recipe.settings
    model, _, said = played_as(model, asked.engine, asked.weights, asked.device)
    (piece,) = played(model, begins, [recipe.number], recipe.settings, recipe.conditions)
    file = made(
        model.info, piece, recipe.settings, begins, recipe.conditions, only_new=recipe.only_new,
        mix=model.told() if isinstance(model, Mixed) else None,
    )  # fmt: skip
    return file, said


def _other(
    provenance: Mapping[str, Any],
    file: Path,
    folder: Path,
    mix_with: str | os.PathLike[str] | None,
) -> Path | None:
    """The folder of the n-gram model of a mixture; None where one model made the file.

    Raises `UsageError` for a model that was not in it, or where it cannot be found.
    """
    mix = provenance.get("mix")
    if mix is None:
        if mix_with is not None:
            raise UsageError(
                f"one model made it, so there is nothing to mix in; leave --mix-with "
                f"{os.fspath(mix_with)} out"
            )
        return None
    wanted = str(mix.get("model")) if isinstance(mix, dict) else ""
    if mix_with is not None:
        if _hash_of(Path(mix_with)) != wanted:
            raise UsageError(
                f"{os.fspath(mix_with)} is not the n-gram model {wanted[:12]} that was mixed in; "
                "name that one"
            )
        return Path(mix_with)
    beside = ngram_beside(folder)
    if beside is not None and _hash_of(beside) == wanted:
        return beside
    found = _found(wanted, file, folder.resolve().parent)
    if found is None:
        raise UsageError(
            f"the n-gram model {wanted[:12]} was mixed in, which is neither near it, nor near "
            "here, nor beside the other model; name its folder with --mix-with, or the folder of "
            f"your models in {VARIABLE}"
        )
    return found


def _share_of(provenance: Mapping[str, Any]) -> float:
    """The share of the n-gram model. Raises `UsageError` where that is damaged."""
    share = provenance["mix"].get("share")
    if not isinstance(share, int | float) or not 0 <= share <= 1:
        raise UsageError(
            f"what it says of how it was made is damaged (its mixture is {share!r}); take an "
            "undamaged copy"
        )
    return float(share)


def _check_model(info: ModelInfo, provenance: Mapping[str, Any], folder: Path) -> None:
    """Refuse another model than the one that made it, and say in what it is another."""
    pairs = {
        "family": (provenance.get("family"), info.family),
        "data": (str(provenance.get("data"))[:12], info.data_hash[:12]),
        "model": (str(provenance.get("model"))[:12], info.hash[:12]),
    }
    if provenance.get("model") != info.hash:
        differs = [
            f"{name} {had} there, {has} here" for name, (had, has) in pairs.items() if had != has
        ]
        raise BadModel(folder, f"it is not the model that made this file: {'; '.join(differs)}")


def _found(model_hash: str, file: Path, *near: Path) -> Path | None:
    """The folder of the model with this hash, in the places where models lie."""
    for folder in _places(file, *near):
        if _hash_of(folder) == model_hash:
            return folder
    return None


def _hash_of(folder: Path) -> str | None:
    """The hash of the model in a folder; None where there is none."""
    try:
        return hashlib.sha256((folder / MODEL_FILE).read_bytes()).hexdigest()
    except OSError:
        return None


def _places(file: Path, *near: Path) -> Iterator[Path]:
    """Folders that have a model, each once: near the file, near here, and where the user says."""
    roots = [file.resolve().parent, Path.cwd(), *near]
    roots += [Path(p) for p in os.environ.get(VARIABLE, "").split(os.pathsep) if p]
    seen: set[Path] = set()
    for root in roots:
        for folder in _folders(root):
            if folder not in seen:
                seen.add(folder)
                yield folder


def _folders(root: Path) -> Iterable[Path]:
    """A folder and those in it, two deep, as far as they can be read."""
    yield root
    looked = 0
    level = [root]
    for _ in range(2):
        below: list[Path] = []
        for folder in level:
            try:
                inside = sorted(p for p in folder.iterdir() if p.is_dir())
            except OSError:
                continue
            below += [p for p in inside if not p.name.startswith(".")]
            looked += len(inside)
            if looked > MOST_FOLDERS:
                return
        yield from below
        level = below
