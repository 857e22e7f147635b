"""Where a dataset is built: a hidden folder beside it, which becomes the dataset with one rename.

Killed work is found there and goes on; a failed write leaves nothing. Only one process at a time
works there. Knows nothing of what is built.
"""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from typing import Any, Self

from ..errors import CannotWrite, WoodshedError
from .dataset_layout import INFO
from .dataset_write import force_to_disk


class Workspace:
    """The hidden folder beside `out`. Use it in a `with` block.

    An `OSError` in the block becomes `CannotWrite`, and what was built goes. After any other error,
    Ctrl-C among them, the journal stays to go on with.
    """

    def __init__(self, out: Path) -> None:
        self.out = out
        self.path = out.with_name(f".{out.name}.prepare")
        self._lock: Any = None
        self._published = False

    @property
    def journal(self) -> Path:
        """What was done so far."""
        return self.path / "journal"

    @property
    def replaced(self) -> Path:
        """Where the dataset that is being replaced waits for the moment between two renames."""
        return self.path / "replaced"

    def __enter__(self) -> Self:
        if not self.out.parent.is_dir():
            raise CannotWrite(self.out, f"there is no folder {self.out.parent}")
        try:
            self.path.mkdir(exist_ok=True)
            self._lock = (self.path / "lock").open("a+b")
            if not _lock(self._lock):
                raise WoodshedError(
                    f"another `woodshed prepare` is writing {self.out}; wait until it has ended"
                )
            self._tidy()
        except OSError as error:
            self._unlock()
            raise CannotWrite(self.out, error.strerror or str(error)) from error
        except BaseException:
            self._unlock()
            raise
        return self

    def __exit__(self, _kind: object, error: BaseException | None, _traceback: object) -> None:
        failed = isinstance(error, OSError) and not isinstance(error, BrokenPipeError)
        if failed or self._published:
            self._unlock()
            shutil.rmtree(self.path, ignore_errors=True)
            if failed:
                assert isinstance(error, OSError)
                raise CannotWrite(self.out, error.strerror or str(error)) from error
        self._unlock()

    def fresh(self, name: str) -> Path:
        """An empty folder to build in."""
        place = self.path / name
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir()
        return place

    def forget(self) -> None:
        """Leave nothing behind, as there is nothing to go on with."""
        self._published = True

    def publish(self, built: Path) -> None:
        """Make what was built the dataset, in place of the one that was there."""
        force_to_disk(built)
        if self.out.exists():
            os.replace(self.out, self.replaced)
        os.replace(built, self.out)
        self._published = True

    def _tidy(self) -> None:
        """Clear away what a process was building that was killed."""
        for leftover in self.path.iterdir():
            if leftover.is_dir():
                shutil.rmtree(leftover, ignore_errors=True)

    def _unlock(self) -> None:
        if self._lock is not None:
            self._lock.close()
            self._lock = None


def recover(out: Path) -> None:
    """Put a dataset back that was taken away for one to replace it, which then never came."""
    waiting = Workspace(out).replaced
    if not out.exists() and (waiting / INFO).is_file():
        try:
            os.replace(waiting, out)
        except OSError as error:
            raise CannotWrite(out, error.strerror or str(error)) from error


def _lock(file: Any) -> bool:
    """Lock a file until it is closed, or its process ends; False where another process has it."""
    try:
        if sys.platform == "win32":
            import msvcrt

            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        if sys.platform == "win32":
            return False
        raise error
    return True
