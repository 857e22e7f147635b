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
from ..sampling.particles import played
from ..sampling.provenance import Made, made, provenance_in, recipe_of

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


def again(
    file: str | os.PathLike[str],
    out: str | os.PathLike[str] | None = None,
    *,
    model: str | os.PathLike[str] | None = None,
    force: bool = False,
    limits: Limits | None = None,
) -> Again:
    """Make the piece in `file` again, and write it to `out` where one is given.

    Without `model` it is looked for beside the file, in folders below its own and below the working
    folder, and in those that WOODSHED_MODELS names. Raises `BadFile` for a file that does not say
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
        file_again = _make(player, provenance)
    except UsageError as error:
        raise BadFile(file, str(error)) from None
    if hashlib.sha256(midi_bytes(file_again.score)).hexdigest() != provenance.get("music"):
        version = provenance.get("woodshed")
        differs = (
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
    )


def _make(model: Model, provenance: Mapping[str, Any]) -> Made:
    recipe = recipe_of(provenance, model.info)
    begins = recipe.begins
    (piece,) = played(model, begins, [recipe.number], recipe.settings, recipe.conditions)
    return made(
        model.info, piece, recipe.settings, begins, recipe.conditions, only_new=recipe.only_new
    )


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


def _found(model_hash: str, file: Path) -> Path | None:
    """The folder of the model with this hash, in the places where models lie."""
    for folder in _places(file):
        try:
            text = (folder / MODEL_FILE).read_bytes()
        except OSError:
            continue
        if hashlib.sha256(text).hexdigest() == model_hash:
            return folder
    return None


def _places(file: Path) -> Iterator[Path]:
    """Folders that have a model, each once: near the file, near here, and where the user says."""
    roots = [file.resolve().parent, Path.cwd()]
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
