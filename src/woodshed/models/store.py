"""Models on disk: `model.json`, arrays and a card, written whole or not at all, never code.

Every file has its size and SHA-256 in `model.json`, and both are checked before anything is
believed. Knows nothing of what a family keeps in its arrays.
"""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..corpus.dataset_layout import file_checksum
from ..corpus.workspace import lock_file
from ..errors import BadModel, CannotWrite, OutputExists, WoodshedError
from .info import FORMAT, SCHEMA_VERSION, ModelInfo

INFO, CARD = "model.json", "card.md"
AGAIN = "train it again with --force"


def check_model_place(out: str | os.PathLike[str], *, force: bool = False) -> None:
    """Refuse a place a model cannot or may not be written to, before the work.

    Only a model is ever replaced. Raises `OutputExists` without `force`, and `BadModel` where
    something else lies there.
    """
    place = Path(os.path.abspath(out))
    if not place.parent.is_dir():
        raise CannotWrite(out, f"there is no folder {place.parent}")
    if not os.path.lexists(place) or (place.is_dir() and not any(place.iterdir())):
        return
    try:
        told = json.loads((place / INFO).read_bytes())
        mentioned = {INFO, *told["files"]} if told["format"] == FORMAT else set()
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        mentioned = set()
    strange = (
        [p.name for p in sorted(place.iterdir()) if p.name not in mentioned]
        if mentioned
        else [place.name]
    )
    if strange:
        raise BadModel(
            out, f"{strange[0]} there is no part of a model and would be lost; choose another name"
        )
    if not force:
        raise OutputExists(out)


@contextlib.contextmanager
def model_folder(out: str | os.PathLike[str], *, force: bool = False) -> Iterator[Path]:
    """Give a hidden folder beside `out` to build a model in; when the block ends well, it is `out`.

    What a stopped training left lies there still, to go on with or to clear away; on a full disk it
    goes. What was at `out` stays until the end. `seal` must have been called.
    Raises `WoodshedError` where another process is at work there.
    """
    check_model_place(out, force=force)
    place = Path(os.path.realpath(out))
    built, replaced, lock = (
        place.with_name(f".{place.name}.{e}") for e in ("train", "old", "lock")
    )
    try:
        with lock.open("a+b") as file:
            # Whoever is done takes the lock file away: it must still be the one that is locked.
            if not lock_file(file) or not os.path.samestat(os.fstat(file.fileno()), lock.stat()):
                raise WoodshedError(f"another training writes {out}; wait until it has ended")
            try:
                if (replaced / INFO).is_file() and not place.exists():
                    os.replace(replaced, place)  # a process was killed between two renames
                shutil.rmtree(replaced, ignore_errors=True)
                built.mkdir(exist_ok=True)
                yield built
                for path in built.iterdir():
                    with path.open("rb") as written:
                        os.fsync(written.fileno())
                check_model_place(out, force=True)
                if place.exists():
                    os.replace(place, replaced)
                os.replace(built, place)
                shutil.rmtree(replaced, ignore_errors=True)
            finally:
                with contextlib.suppress(OSError):  # where an open file may not be taken away
                    lock.unlink()
    except BrokenPipeError:
        raise
    except OSError as error:
        if error.errno == errno.ENOSPC:
            shutil.rmtree(built, ignore_errors=True)
        raise CannotWrite(out, error.strerror or str(error)) from error


def seal(folder: Path, info: ModelInfo, card: str) -> ModelInfo:
    """Write the card and `model.json` of the files in `folder`; the model as it is told there."""
    (folder / CARD).write_text(card, encoding="utf-8")
    files = {
        path.name: (path.stat().st_size, file_checksum(path)) for path in sorted(folder.iterdir())
    }
    info = dataclasses.replace(info, files=files)
    (folder / INFO).write_text(info.to_json(), encoding="utf-8")
    return info


def read_info(path: str | os.PathLike[str]) -> ModelInfo:
    """What a model says of itself. Raises `BadModel` where there is none, or a damaged one."""
    place = Path(path)
    try:
        values = json.loads((place / INFO).read_bytes())
    except FileNotFoundError:
        missing = "there is nothing of that name" if not place.exists() else f"it has no {INFO}"
        raise BadModel(
            path, f"this is no model, as {missing}; `woodshed train FOLDER -o {path}` makes one"
        ) from None
    except NotADirectoryError:
        raise BadModel(path, "this is a file, and a model is a folder") from None
    except (OSError, ValueError, RecursionError) as error:
        raise BadModel(path, f"{INFO} cannot be read ({error}); {AGAIN}") from None
    if not isinstance(values, dict) or values.get("format") != FORMAT:
        raise BadModel(path, f"its {INFO} is not that of a Woodshed model")
    if values.get("schema_version") != SCHEMA_VERSION:
        raise BadModel(
            path,
            f"it has version {values.get('schema_version')!r} of the format, and this Woodshed "
            f"reads {SCHEMA_VERSION}; {AGAIN}",
        )
    try:
        return ModelInfo.from_values(values)
    except (KeyError, TypeError, ValueError, IndexError, AttributeError, WoodshedError) as error:
        raise BadModel(path, f"{INFO} says something impossible ({error}); {AGAIN}") from None


def check_files(path: str | os.PathLike[str], info: ModelInfo) -> None:
    """Raise `BadModel` unless every file is there, at its size and with its checksum."""
    for name, (size, checksum) in info.files.items():
        file = Path(path) / name
        try:
            found = file.stat().st_size
            if found != size:
                raise BadModel(
                    path, f"{name} has {found:,} bytes of {size:,}: it was cut or changed; {AGAIN}"
                )
            if file_checksum(file) != checksum:
                raise BadModel(path, f"{name} is damaged, as its checksum differs; {AGAIN}")
        except FileNotFoundError:
            raise BadModel(path, f"{name} is missing; {AGAIN}") from None
        except OSError as error:
            raise BadModel(path, f"{name} cannot be read ({error.strerror})") from error


def mapped(
    path: str | os.PathLike[str], name: str, dtype: Any, shape: tuple[int, ...]
) -> NDArray[Any]:
    """Plain numbers of a model, mapped into memory; `check_files` has seen that they are there.

    Raises `BadModel` unless the file holds just as many.
    """
    file = Path(path) / name
    expected = int(np.prod(shape)) * np.dtype(dtype).itemsize
    try:
        if file.stat().st_size != expected:
            raise BadModel(path, f"{name} holds other numbers than {INFO} says; {AGAIN}")
        if not expected:
            return np.zeros(shape, dtype)
        return np.asarray(np.memmap(file, dtype, "r", shape=shape))
    except OSError as error:
        raise BadModel(path, f"{name} cannot be read ({error.strerror})") from error
