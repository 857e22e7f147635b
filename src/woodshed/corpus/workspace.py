"""Where a dataset is built: a hidden folder beside it, which becomes the dataset with one rename.

Killed work is found there and goes on; a failed write leaves nothing. Only one process at a time
works there. Nothing but a dataset is ever replaced. Knows nothing of how one is built.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path
from typing import Any, Self

from ..errors import BadDataset, CannotWrite, WoodshedError
from .dataset_layout import ASIDE, FILES, FORMAT, INFO, PIECES, REJECTED, expected_files
from .dataset_write import force_to_disk

_OWN = frozenset((*expected_files(), PIECES, REJECTED, FILES, ASIDE, INFO))
_TOKENS = "tokens"
"""The folder in which token languages keep their caches."""
_CLUTTER = (".DS_Store", "Thumbs.db", "desktop.ini")
"""What systems put into any folder that somebody looks at."""


class Workspace:
    """The hidden folder beside `out`. Use it in a `with` block.

    An `OSError` in the block becomes `CannotWrite`, and what was built goes. After any other error,
    Ctrl-C among them, the journal stays to go on with.
    """

    def __init__(self, out: Path) -> None:
        self.out = out
        self.path = out.parent / f".{out.name}.prepare"
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
        check_replaceable(self.out)
        try:
            self.path.mkdir(exist_ok=True)
            self._lock = (self.path / "lock").open("a+b")
            if not lock_file(self._lock):
                raise WoodshedError(
                    f"another `woodshed prepare` is writing {self.out}; wait until it has ended"
                )
            self._put_back()
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
        check_replaceable(self.out)
        if self.out.exists():
            os.replace(self.out, self.replaced)
        os.replace(built, self.out)
        self._published = True

    def _put_back(self) -> None:
        """Put a dataset back that was taken away for one to replace it, which then never came."""
        if not self.out.exists() and (self.replaced / INFO).is_file():
            os.replace(self.replaced, self.out)

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
    """Put a dataset back that a killed process had taken away to replace it."""
    workspace = Workspace(out)
    if not out.exists() and (workspace.replaced / INFO).is_file():
        with workspace:
            pass


def clear(out: Path) -> None:
    """Remove what a killed process left, as there is nothing to go on with."""
    workspace = Workspace(out)
    if workspace.path.is_dir():
        with workspace:
            workspace.forget()


def check_is_dataset(place: Path) -> None:
    """Raise `BadDataset` unless `place` is free, or a dataset of whatever version and damage.

    A folder is one by what its `dataset.json` says, or as it has every single file of a dataset.
    """
    if is_free(place) or _files_mentioned(place) is not None:
        return
    if not all((place / name).is_file() for name in _OWN):
        raise BadDataset(
            place,
            "something else has that name, which Woodshed will not touch; choose another name, "
            "or remove it by hand",
        )


def check_replaceable(place: Path) -> None:
    """Raise `BadDataset` unless `place` is free, or a dataset without files of somebody else."""
    check_is_dataset(place)
    known = _OWN | (_files_mentioned(place) or set())
    strange = sorted(name for name in _files_below(place) if name not in known)
    if strange:
        raise BadDataset(
            place, f"{strange[0]} in it is no part of the dataset and would be lost; move it away"
        )


def is_free(place: Path) -> bool:
    """Whether nothing is there, or an empty folder."""
    return not os.path.lexists(place) or (place.is_dir() and not any(place.iterdir()))


def _files_mentioned(place: Path) -> set[str] | None:
    """What the `dataset.json` of any version mentions; None where it is not that of a dataset."""
    try:
        values = json.loads((place / INFO).read_bytes()) if (place / INFO).is_file() else None
    except (ValueError, RecursionError):
        return None
    if not isinstance(values, dict) or values.get("format") != FORMAT:
        return None
    files = values.get("files")
    return set(files) if isinstance(files, dict) else set()


def _files_below(place: Path) -> set[str]:
    """All files below a folder but token caches, by their names there; links count as files."""
    found: set[str] = set()
    for folder, folders, files in os.walk(place):
        if Path(folder) == place and _TOKENS in folders:
            folders.remove(_TOKENS)
        links = [name for name in folders if os.path.islink(os.path.join(folder, name))]
        found.update(
            Path(folder, name).relative_to(place).as_posix()
            for name in (*files, *links)
            if name not in _CLUTTER
        )
    return found


def lock_file(file: Any) -> bool:
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
