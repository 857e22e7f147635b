"""Soundfonts: whether a file is one, where they are usually kept, and a free one to fetch."""

from __future__ import annotations

import functools
import hashlib
import json
import os
import sys
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from urllib.parse import unquote, urlsplit

from ..errors import BadFile, CannotFetch, UsageError
from ..formats.download import Download, Progress, download
from ..formats.files import write_whole

VARIABLE = "WOODSHED_SOUNDFONT"
URL_VARIABLE = "WOODSHED_SOUNDFONT_URL"
ENDINGS = (".sf2", ".sf3")

RIFF_BYTES = 8
"""Before what the length of a file counts."""

LEAST_BYTES = 20
"""Its head, and that of some chunk."""

PREFERRED = ("generaluser", "musescore_general", "fluidr3_gm", "fluidr3", "default", "timgm6mb")
"""Beginnings of the names of soundfonts with all General MIDI sounds, the best first."""


def check_soundfont(path: str | os.PathLike[str]) -> None:
    """Raise `BadFile` unless a file begins as a soundfont does and is as long as it says."""
    try:
        with open(path, "rb") as file:
            head = file.read(12)
            size = os.fstat(file.fileno()).st_size
    except OSError as error:
        raise BadFile(path, f"it cannot be read ({error.strerror}); check the path") from None
    if not is_soundfont(head):
        raise BadFile(path, "it is no soundfont; one begins with RIFF and sfbk (.sf2 or .sf3)")
    if size < max(int.from_bytes(head[4:8], "little") + RIFF_BYTES, LEAST_BYTES):
        raise BadFile(path, "it is cut short; copy or fetch it again")


def is_soundfont(head: bytes) -> bool:
    """Whether these first twelve bytes are those of a soundfont."""
    return head[:4] == b"RIFF" and head[8:12] == b"sfbk"


def find_soundfont() -> str | None:
    """The soundfont to play with: the one a person chose, one that was fetched, or the system's.

    `WOODSHED_SOUNDFONT` names one; if what it names is none, that is a `BadFile`.
    """
    named = os.environ.get(VARIABLE)
    if named:
        check_soundfont(named)
        return named
    for folder in folders():
        for path in _by_preference(folder):
            try:
                check_soundfont(path)
            except BadFile:
                continue
            return os.fspath(path)
    return None


def data_folder() -> Path:
    """Where this system keeps what programs fetch for a person."""
    home = Path.home()
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA") or home / "AppData" / "Local")
    elif sys.platform == "darwin":
        base = home / "Library" / "Application Support"
    else:
        base = Path(os.environ.get("XDG_DATA_HOME") or home / ".local" / "share")
    return base / "woodshed"


def folders() -> Iterator[Path]:
    """Folders that may hold soundfonts: our own first, then a person's, then the system's."""
    yield data_folder() / "soundfonts"
    home = Path.home()
    shared = os.environ.get("XDG_DATA_DIRS") or os.pathsep.join(
        ["/usr/local/share", "/usr/share", "/" + "opt/homebrew/share"]
    )
    own = os.environ.get("XDG_DATA_HOME") or os.fspath(home / ".local" / "share")
    for base in [own, *shared.split(os.pathsep)]:
        for name in ("soundfonts", "sounds/sf2", "sounds/sf3", "sounds"):
            yield Path(base) / name
    yield home / "Library" / "Audio" / "Sounds" / "Banks"
    # Homebrew's fluid-synth brings a small one along, in a place of its own.
    yield from sorted(Path("/" + "opt/homebrew/Cellar/fluid-synth").glob("*/share/fluid-synth/sf2"))
    if sys.platform == "win32":
        yield Path(os.environ.get("PROGRAMDATA") or "C:/ProgramData") / "soundfonts"


def _by_preference(folder: Path) -> list[Path]:
    try:
        found = [path for path in folder.iterdir() if path.suffix.lower() in ENDINGS]
        return sorted(found, key=lambda path: (_rank(path.name.lower()), path.name))
    except OSError:  # most of these folders do not exist
        return []


def _rank(name: str) -> int:
    return next((n for n, start in enumerate(PREFERRED) if name.startswith(start)), len(PREFERRED))


@dataclass(frozen=True, slots=True)
class FreeFont:
    """A soundfont that may be fetched, with what is known of it."""

    title: str
    file: str
    url: str
    size_bytes: int
    sha256: str
    licence: str
    authors: str


@dataclass(frozen=True, slots=True)
class FetchedFont:
    """A soundfont that lies ready. `is_new` is false where it was there already."""

    path: str
    url: str
    size_bytes: int
    sha256: str
    licence: str | None
    is_checked: bool
    is_new: bool


@functools.cache
def free_fonts() -> Mapping[str, FreeFont]:
    """The soundfonts known by name; the first is the one to take."""
    text = resources.files(__package__).joinpath("soundfonts.toml").read_text(encoding="utf-8")
    return {name: FreeFont(**entries) for name, entries in tomllib.loads(text).items()}


def fetch_soundfont(
    name: str | None = None,
    out: str | os.PathLike[str] | None = None,
    *,
    url: str | None = None,
    sha256: str | None = None,
    force: bool = False,
    progress: Progress | None = None,
) -> FetchedFont:
    """Bring a free soundfont to where `render` finds it, or to `out`.

    With a `url` and no `name` it may be any soundfont: that it is one is checked, and its contents
    if you give their `sha256`. With a name, the contents are checked wherever they come from:
    `WOODSHED_SOUNDFONT_URL` names a mirror. Raises `UsageError` for an unknown name, `CannotFetch`,
    and `CannotWrite`.
    """
    font = None
    if name is not None or url is None:
        font = _known(name or next(iter(free_fonts())))
        url = url or os.environ.get(URL_VARIABLE) or font.url
        sha256 = sha256 or font.sha256
    assert url is not None
    target = Path(out) if out is not None else data_folder() / "soundfonts" / _file_name(font, url)
    licence = font.licence if font else None
    if target.exists() and not force and (size := _is_there(target, sha256)) is not None:
        return FetchedFont(
            os.fspath(target), url, size, sha256 or "", licence, is_checked=True, is_new=False
        )
    came = download(url, target, sha256=sha256, fault_of=_fault, force=force, progress=progress)
    _note(target, url, came, licence)
    return FetchedFont(
        came.path, url, came.size_bytes, came.sha256, licence, sha256 is not None, is_new=True
    )


def _known(name: str) -> FreeFont:
    if name not in free_fonts():
        raise UsageError(
            f"there is no soundfont {name!r} to fetch; there is {', '.join(free_fonts())}, "
            "or any other with --url"
        )
    return free_fonts()[name]


def _file_name(font: FreeFont | None, url: str) -> str:
    if font is not None:
        return font.file
    name = Path(unquote(urlsplit(url).path)).name
    if Path(name).suffix.lower() not in ENDINGS or name.startswith("."):
        raise CannotFetch(url, "its name does not end in .sf2 or .sf3; name the file with --out")
    return name


def _is_there(target: Path, sha256: str | None) -> int | None:
    """The size of a file that already has the contents wanted."""
    if sha256 is None or not target.is_file():
        return None
    with target.open("rb") as file:
        same = hashlib.file_digest(file, "sha256").hexdigest() == sha256.lower()
    return target.stat().st_size if same else None


def _fault(head: bytes) -> str | None:
    return None if is_soundfont(head) else "what comes from there is no soundfont"


def _note(target: Path, url: str, came: Download, licence: str | None) -> None:
    """Write beside a soundfont where it came from, and its checksum on that day."""
    facts = {"url": url, "size_bytes": came.size_bytes, "sha256": came.sha256, "licence": licence}
    write_whole(
        target.with_name(target.name + ".json"), json.dumps(facts, indent=2) + "\n", force=True
    )
