"""Writing files whole or not at all: a temporary neighbour first, then one rename."""

from __future__ import annotations

import contextlib
import os
import secrets
import stat
from collections.abc import Iterator
from pathlib import Path

from ..errors import CannotWrite, OutputExists


def check_output(path: str | os.PathLike[str], *, force: bool = False) -> None:
    """Refuse an output that cannot or may not be written, before the work instead of after it.

    Raises `OutputExists` without `force`, and `CannotWrite` where a folder, a device or a pipe has
    that name or where there is no folder to write into.
    """
    target = _target(path)
    try:
        if os.path.lexists(target):
            if not stat.S_ISREG(os.lstat(target).st_mode):
                raise CannotWrite(path, "a folder, a device or a pipe has that name")
            if not force:
                raise OutputExists(path)
        elif not target.parent.is_dir():
            raise CannotWrite(path, f"there is no folder {target.parent}")
    except OSError as error:
        raise CannotWrite(path, error.strerror or str(error)) from error


@contextlib.contextmanager
def written_whole(path: str | os.PathLike[str], *, force: bool = False) -> Iterator[Path]:
    """Give a temporary path to write to; when the block ends well, it becomes `path` at once.

    When the block fails, or the disk is full, nothing is left behind and what was there stays. A
    link stays a link, and a file that is replaced keeps its permissions. Raises `OutputExists`
    unless `force`, and `CannotWrite` with the system's reason.
    """
    check_output(path, force=force)
    target = _target(path)
    temporary = target.with_name(f".{secrets.token_hex(6)}.part")
    try:
        yield temporary
        # A full disk may show itself only when the data is forced out.
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        if target.exists():
            temporary.chmod(stat.S_IMODE(target.stat().st_mode))
        os.replace(temporary, target)
    except OSError as error:
        raise CannotWrite(path, error.strerror or str(error)) from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def write_whole(path: str | os.PathLike[str], data: bytes | str, *, force: bool = False) -> None:
    """Write `data` to `path` whole or not at all; text as UTF-8."""
    with written_whole(path, force=force) as temporary:
        temporary.write_bytes(data.encode() if isinstance(data, str) else data)


def _target(path: str | os.PathLike[str]) -> Path:
    """The file itself, where `path` is a link to it."""
    return Path(os.path.realpath(path))
