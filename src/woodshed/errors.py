"""Every error Woodshed raises on purpose, drawn here as one tree.

    WoodshedError               anything a person can mend; exit status 1
    ├── BadFile                 one file cannot be read: names the file and the reason
    ├── BadFolder               a folder is missing, empty, or has no music in it
    ├── BadMusic                notes or maps that cannot be music, such as a pitch of 300
    ├── BadDataset              a dataset is damaged, or of another version
    ├── BadModel                a model is damaged, of another version, or no model
    ├── BadLineup               a lineup file that does not parse or contradicts itself
    ├── OutputExists            writing would destroy something; `--force` allows it
    ├── CannotFetch             a download that failed: names the address and the reason
    ├── CannotWrite             the disk is full, or the place may not be written to
    └── UsageError              the request itself makes no sense; exit status 2

A message says what happened, shows the offending value, and says what to do next.
"""

from __future__ import annotations

import os

__all__ = [
    "BadDataset",
    "BadFile",
    "BadFolder",
    "BadLineup",
    "BadModel",
    "BadMusic",
    "CannotFetch",
    "CannotWrite",
    "OutputExists",
    "UsageError",
    "WoodshedError",
]


class WoodshedError(Exception):
    """Anything that went wrong in a way a person can understand and mend."""

    exit_status = 1
    is_told = False
    """Whether a result has been handed over already that says what is wrong."""


class BadFile(WoodshedError):
    """One file cannot be read. `path` names it and `reason` says why, in words."""

    def __init__(self, path: str | os.PathLike[str], reason: str) -> None:
        super().__init__(path, reason)
        self.path = os.fspath(path)
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}"


class BadFolder(WoodshedError):
    """A folder is missing, empty, or has no music in it."""


class BadMusic(WoodshedError):
    """Notes, parts or maps that cannot be music."""


class BadDataset(WoodshedError):
    """A dataset is damaged, of another version, or no dataset. `path` names it."""

    def __init__(self, path: str | os.PathLike[str], reason: str) -> None:
        super().__init__(path, reason)
        self.path = os.fspath(path)
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}"


class BadModel(WoodshedError):
    """A model is damaged, of another version, or no model. `path` names it."""

    def __init__(self, path: str | os.PathLike[str], reason: str) -> None:
        super().__init__(path, reason)
        self.path = os.fspath(path)
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}"


class BadLineup(WoodshedError):
    """A lineup file does not parse or contradicts itself."""

    exit_status = 2


class OutputExists(WoodshedError):
    """Writing here would destroy something that is already there."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        super().__init__(path)
        self.path = os.fspath(path)

    def __str__(self) -> str:
        return f"{self.path} already exists; choose another name or add --force to replace it"


class CannotFetch(WoodshedError):
    """Something could not be brought from the network. `url` says what, `reason` why."""

    def __init__(self, url: str, reason: str) -> None:
        super().__init__(url, reason)
        self.url = url
        self.reason = reason

    def __str__(self) -> str:
        return f"cannot fetch {self.url}: {self.reason}"


class CannotWrite(WoodshedError):
    """The system refused to write. Nothing half-written is left behind."""

    def __init__(self, path: str | os.PathLike[str], reason: str) -> None:
        super().__init__(path, reason)
        self.path = os.fspath(path)
        self.reason = reason

    def __str__(self) -> str:
        way_out = "free some space" if "space" in self.reason else "check the name"
        return f"cannot write {self.path}: {self.reason}; {way_out} or choose another place"


class UsageError(WoodshedError):
    """The request itself makes no sense, whatever the files hold."""

    exit_status = 2
