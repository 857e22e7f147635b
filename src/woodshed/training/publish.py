"""The model that a training has so far, put in its place whole, so that it can be played at once.

Knows nothing of what is in it.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

from ..corpus.workspace import lock_file
from ..errors import CannotWrite, WoodshedError
from ..models.store import INFO, check_model_place

_STATE = re.compile(r"state-(\d{9})\.json")
_AT_CWD, _EXCHANGE, _SWAP = -100, 2, 2


class ModelPlace:
    """Where a model is to be, and the hidden names beside it."""

    def __init__(self, out: str | os.PathLike[str]) -> None:
        self.out = Path(os.path.realpath(out))
        self.training, self.replaced, self.lock = (
            self.out.with_name(f".{self.out.name}.{ending}") for ending in ("run", "old", "lock")
        )

    def stopped_at(self) -> int | None:
        """The step at which a training was stopped; None where none was."""
        return next(iter(stored_steps(self.training)), None)

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """Keep others out until the block ends. Raises `WoodshedError` where somebody is in."""
        try:
            file = self.lock.open("a+b")
        except OSError as error:
            raise CannotWrite(self.out, error.strerror or str(error)) from error
        with file:
            try:
                # Whoever is done takes the file away: it must still be the one that is locked.
                is_ours = lock_file(file) and os.path.samestat(
                    os.fstat(file.fileno()), self.lock.stat()
                )
            except OSError as error:
                raise CannotWrite(self.out, error.strerror or str(error)) from error
            if not is_ours:
                raise WoodshedError(f"another training writes {self.out}; wait until it has ended")
            try:
                if (self.replaced / INFO).is_file() and not self.out.exists():
                    os.replace(self.replaced, self.out)  # killed between two renames
                shutil.rmtree(self.replaced, ignore_errors=True)
                yield
            finally:
                with contextlib.suppress(OSError):  # where an open file may not be taken away
                    self.lock.unlink()

    @contextlib.contextmanager
    def model(self) -> Iterator[Path]:
        """Give a folder to build a model in, which takes its place when the block ends well.

        Raises `CannotWrite`, and then what was there before is as it was.
        """
        built = self.training / "model"
        try:
            shutil.rmtree(built, ignore_errors=True)
            built.mkdir()
            yield built
            for path in built.iterdir():
                with path.open("rb") as written:
                    os.fsync(written.fileno())
            check_model_place(self.out, force=True)
            if not self.out.exists():
                os.replace(built, self.out)
            elif not exchanged(built, self.out):
                os.replace(self.out, self.replaced)
                os.replace(built, self.out)
                shutil.rmtree(self.replaced, ignore_errors=True)
        except OSError as error:
            raise CannotWrite(self.out, error.strerror or str(error)) from error
        finally:
            shutil.rmtree(built, ignore_errors=True)


def stored_steps(folder: Path) -> list[int]:
    """The steps of the states in the folder of a training, the newest first."""
    if not folder.is_dir():
        return []
    found = (_STATE.fullmatch(path.name) for path in folder.iterdir())
    return sorted((int(match[1]) for match in found if match), reverse=True)


def check_place(place: ModelPlace, *, force: bool, resume: bool) -> None:
    """Refuse to write over a model, or over a training that was stopped."""
    step = place.stopped_at()
    if step is not None and not force and not resume:
        raise WoodshedError(
            f"a training of {place.out} was stopped at step {step:,}; add --resume to go on with "
            "it, or --force to begin anew"
        )
    check_model_place(place.out, force=force or resume)


def exchanged(one: Path, other: Path) -> bool:
    """Let two folders change their names in one moment; False where the system cannot."""
    names = os.fsencode(one), os.fsencode(other)
    try:
        library = ctypes.CDLL(None, use_errno=True)
        if sys.platform == "darwin":
            done = library.renamex_np(*names, _SWAP)
        elif sys.platform == "linux":
            done = library.renameat2(_AT_CWD, names[0], _AT_CWD, names[1], _EXCHANGE)
        else:
            return False
    except (AttributeError, OSError, TypeError):
        return False
    if done and ctypes.get_errno() == errno.ENOSPC:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    return bool(done == 0)
