"""Words from people and for people: small files they write, names of files as Unicode, counts.

Knows nothing of what the words mean.
"""

from __future__ import annotations

import os
import re
import stat

from ..errors import BadFile

_LOOKS_ESCAPED = re.compile(r"\\ud[89a-f][0-9a-f]{2}")


def read_text(path: str | os.PathLike[str], name: str, most_bytes: int) -> str:
    """A text in UTF-8. Raises `BadFile`, calling the file `name`, with what is wrong and where.

    Only regular files are opened: a pipe could keep us waiting for ever.
    """
    try:
        status = os.stat(path)
        if not stat.S_ISREG(status.st_mode) and not stat.S_ISDIR(status.st_mode):
            raise BadFile(name, "it is a pipe or a device, not a regular file")
        if status.st_size > most_bytes:
            raise BadFile(name, f"it has {status.st_size:,} bytes; {most_bytes:,} are allowed")
        with open(path, "rb") as file:
            data = file.read()
    except OSError as error:
        raise BadFile(
            name, f"it cannot be opened ({error.strerror or error}); check the path"
        ) from None
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise BadFile(name, f"line {line}: it is not in UTF-8; save it as UTF-8") from None


def unicode_name(path: str) -> str:
    r"""A path with bytes that are not Unicode written as `\udce9`; two paths never become one."""
    plain = path.encode("utf-8", "backslashreplace").decode("utf-8")
    if not _LOOKS_ESCAPED.search(plain):
        return path
    return path.replace("\\", r"\\").encode("utf-8", "backslashreplace").decode("utf-8")


def counted(count: int, noun: str) -> str:
    """A count with its noun: "1 file", "2,000 files"."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"
