"""Writing files whole or not at all: a temporary neighbour first, then one rename."""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Iterator
from pathlib import Path

from ..errors import CannotWrite, OutputExists


@contextlib.contextmanager
def written_whole(path: str | os.PathLike[str], *, force: bool = False) -> Iterator[Path]:
    """Give a temporary path to write to; when the block ends well, it becomes `path` at once.

    When the block fails, or the disk is full, nothing is left behind and what was there stays.
    Raises `OutputExists` unless `force`, and `CannotWrite` with the system's reason.
    """
    target = Path(path)
    if target.is_dir():
        raise CannotWrite(target, "there is a folder of that name")
    if target.exists() and not force:
        raise OutputExists(target)
    temporary = target.with_name(f".{target.name}.{secrets.token_hex(4)}.part")
    try:
        yield temporary
        # A full disk may show itself only when the data is forced out.
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        os.replace(temporary, target)
    except OSError as error:
        raise CannotWrite(target, error.strerror or str(error)) from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def write_whole(path: str | os.PathLike[str], data: bytes | str, *, force: bool = False) -> None:
    """Write `data` to `path` whole or not at all; text as UTF-8."""
    with written_whole(path, force=force) as temporary:
        temporary.write_bytes(data.encode() if isinstance(data, str) else data)
