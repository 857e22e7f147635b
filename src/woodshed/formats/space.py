"""Room on a disk, looked at before the work instead of after it."""

from __future__ import annotations

import contextlib
import os
import shutil

from ..errors import CannotWrite


def check_space(
    folder: str | os.PathLike[str], needed_bytes: float, path: str | os.PathLike[str]
) -> None:
    """Raise `CannotWrite` where the disk of `folder` has less room than `path` will take."""
    with contextlib.suppress(OSError):  # some places do not say how much room they have
        free = shutil.disk_usage(folder).free
        if free < needed_bytes:
            raise CannotWrite(
                path,
                f"there is no space for it (needed while it is made: {_gigabytes(needed_bytes)}, "
                f"free: {_gigabytes(free)})",
            )


def _gigabytes(count: float) -> str:
    return f"{count / 1e9:,.1f} GB"
