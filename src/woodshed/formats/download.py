"""Bringing a file from an address: resumed where it stopped, checked, and named only when whole.

What has come so far lies beside the target as `NAME.part`, with the server's mark of its version
in `NAME.part.json`. Knows addresses. Refuses to know what a file is of.
"""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import json
import os
import re
import ssl
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import CannotFetch, CannotWrite, OutputExists
from .space import check_space

TIMEOUT_SECONDS = 30.0
TRIALS = 5
"""How often a connection may break before it is given up; each trial goes on where it stopped."""

PAUSE_SECONDS = 1.0
CHUNK_BYTES = 2**18
MOST_BYTES = 2**34

Progress = Callable[[int, int | None], None]
"""Told how many bytes there are, and how many there will be, if the server says so."""


@dataclass(frozen=True, slots=True)
class Download:
    """A file that came whole: where it lies, how long it is, and its SHA-256."""

    path: str
    size_bytes: int
    sha256: str
    resumed_from: int


def download(
    url: str,
    target: str | os.PathLike[str],
    *,
    sha256: str | None = None,
    fault_of: Callable[[bytes], str | None] | None = None,
    force: bool = False,
    pause_seconds: float = PAUSE_SECONDS,
    progress: Progress | None = None,
) -> Download:
    """Bring `url` to `target`.

    `fault_of` is shown the first bytes and says what is wrong with them. Raises `CannotFetch` where
    the server refuses, the connection keeps breaking, or what came is not what was wanted;
    `OutputExists` unless `force`; `CannotWrite` where the disk is full. What came of a broken
    download stays, so that the next call goes on with it.
    """
    if urllib.parse.urlsplit(url).scheme not in ("http", "https"):
        raise CannotFetch(url, "only http and https addresses can be fetched")
    path = Path(target)
    if path.exists() and not force:
        raise OutputExists(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return _Fetch(url, path, sha256, fault_of, pause_seconds, progress).do()
    except OSError as error:
        raise CannotWrite(path, error.strerror or str(error)) from error


class _Broken(Exception):
    """The connection broke; another trial may go on."""


@dataclass(slots=True)
class _Fetch:
    """One file on its way."""

    url: str
    target: Path
    sha256: str | None
    fault_of: Callable[[bytes], str | None] | None
    pause_seconds: float
    progress: Progress | None
    resumed_from: int = 0

    @property
    def part(self) -> Path:
        return self.target.with_name(self.target.name + ".part")

    @property
    def note(self) -> Path:
        return self.target.with_name(self.target.name + ".part.json")

    def do(self) -> Download:
        self._bring()
        found = _digest(self.part)
        if self._is_wrong(found) and self.resumed_from:
            self._forget()  # the beginning was of another version: once more from the start
            self.resumed_from = 0
            self._bring()
            found = _digest(self.part)
        if self._is_wrong(found):
            self._forget()
            raise CannotFetch(
                self.url,
                f"its SHA-256 is {found[:16]}…, not {str(self.sha256)[:16]}… as it should be; "
                "it was thrown away",
            )
        with self.part.open("rb+") as file:
            os.fsync(file.fileno())
        size = self.part.stat().st_size
        os.replace(self.part, self.target)
        self._forget()
        return Download(os.fspath(self.target), size, found, self.resumed_from)

    def _is_wrong(self, found: str) -> bool:
        return self.sha256 is not None and found != self.sha256.lower()

    def _forget(self) -> None:
        for path in (self.part, self.note):
            with contextlib.suppress(FileNotFoundError):
                path.unlink()

    def _bring(self) -> None:
        """Fill the part file to its end, in as many trials as it takes."""
        failures = 0
        while True:
            before = _size(self.part)
            try:
                return self._try()
            except _Broken as broken:
                failures = 1 if _size(self.part) > before else failures + 1
                if failures >= TRIALS:
                    kept = f"; {_size(self.part):,} bytes are kept" if _size(self.part) else ""
                    reason = f"{broken}{kept}; run it again to go on"
                    raise CannotFetch(self.url, reason) from None
                time.sleep(self.pause_seconds * failures)

    def _try(self) -> None:
        """Ask once, and write what comes."""
        have = self._usable()
        request = urllib.request.Request(self.url, headers={"User-Agent": "woodshed"})
        if have:
            request.add_header("Range", f"bytes={have}-")
            if mark := self._noted().get("mark"):
                request.add_header("If-Range", mark)
        try:
            # The scheme was checked: no file:// comes this far.
            with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS) as answer:
                self._take(answer, have)
        except urllib.error.HTTPError as error:
            error.close()
            if error.code == 416 and have:  # there is nothing after what we have: all of it is here
                if self._noted().get("total") == have:
                    return
                self._forget()
                raise _Broken("the file has changed on the server") from None
            if error.code >= 500 or error.code in (408, 429):
                raise _Broken(f"the server answers {error.code} ({error.reason})") from None
            raise CannotFetch(
                self.url, f"the server answers {error.code} ({error.reason}); check the address"
            ) from None
        except (TimeoutError, http.client.HTTPException, ConnectionError, ssl.SSLError) as error:
            raise _Broken(f"the connection broke ({str(error) or type(error).__name__})") from None
        except urllib.error.URLError as error:
            raise _Broken(f"the server cannot be reached ({error.reason})") from None

    def _usable(self) -> int:
        """How much of the part file can be gone on with.

        All of it, if a checksum will tell whether it fits, or the server's mark does.
        """
        noted = self._noted()
        same = noted.get("url") == self.url and bool(noted.get("mark") or self.sha256)
        if not same:
            self._forget()
        return _size(self.part)

    def _noted(self) -> dict[str, Any]:
        try:
            noted = json.loads(self.note.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return noted if isinstance(noted, dict) else {}

    def _take(self, answer: Any, have: int) -> None:
        """Write an answer behind what we have, or from the start, if it begins there."""
        begin = _first_byte(answer) if answer.status == 206 else 0
        if begin not in (0, have):
            raise CannotFetch(self.url, f"the server sends from byte {begin}, not {have}")
        length = answer.headers.get("Content-Length")
        total = begin + int(length) if length and length.isdigit() else None
        if max(total or 0, begin) > MOST_BYTES:
            raise CannotFetch(self.url, f"it is larger than {MOST_BYTES:,} bytes")
        check_space(self.target.parent, (total or 0) - begin, self.target)
        mark = answer.headers.get("ETag") or answer.headers.get("Last-Modified")
        if mark and mark.startswith("W/"):  # a weak mark does not vouch for every byte
            mark = None
        note = {"url": self.url, "mark": mark, "total": total}
        self.note.write_text(json.dumps(note), encoding="utf-8")
        self.resumed_from = begin
        with self.part.open("ab" if begin else "wb") as file:
            done = begin
            while chunk := answer.read(CHUNK_BYTES):
                if done == 0 and self.fault_of is not None and (fault := self.fault_of(chunk)):
                    file.close()
                    self._forget()
                    raise CannotFetch(self.url, fault)
                file.write(chunk)
                done += len(chunk)
                if done > MOST_BYTES:
                    raise CannotFetch(self.url, f"it is larger than {MOST_BYTES:,} bytes")
                if self.progress is not None:
                    self.progress(done, total)
        if total is not None and done < total:
            raise _Broken(f"the connection broke after {done:,} of {total:,} bytes")


def _first_byte(answer: Any) -> int:
    match = re.match(r"bytes (\d+)-", answer.headers.get("Content-Range") or "")
    return int(match[1]) if match else -1


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
