"""Tags of pieces: `song.yaml` beside `song.mid`, or one `tags.json` for a folder; and licences.

A tag is a name with words, a number, true or false, or a list of these. A tag or a file that cannot
be understood is told with its line and left unread; the others never notice. docs/dataset.md
describes both forms. Knows nothing of what tags mean, but for the licence.
"""

from __future__ import annotations

import json
import math
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..errors import BadFile
from .texts import read_text

TagValue = str | int | float | bool | tuple[str | int | float | bool, ...]
Tags = Mapping[str, TagValue]

FOLDER_TAGS = "tags.json"
SIDECAR_SUFFIXES = (".yaml", ".yml")
LICENCE_TAGS = ("licence", "license")
MOST_SIDECAR_BYTES = 2**18
MOST_FOLDER_BYTES = 2**26
SHORT_LETTERS = 1024
LONGEST_WORDS = 400
MOST_VALUES = 100
"""How many tags a piece may have, and how many values one of them."""

_NAME = re.compile(r"[^\W\d_][\w .-]{0,63}")
_WHAT_FITS = "use words, a number, true or false, or a list of these"


@dataclass(frozen=True, slots=True)
class FolderTags:
    """All tags of a folder. Paths are relative to it, with slashes.

    `not_read` are tags, or whole files of them, that could not be understood; `unused` are files
    and entries of `tags.json` that belong to no music there.
    """

    by_path: Mapping[str, Tags] = field(default_factory=dict)
    not_read: tuple[BadFile, ...] = ()
    unused: tuple[str, ...] = ()

    def of(self, path: str) -> Tags:
        """The tags of one piece, its licence left out; empty where there are none."""
        tags = self.by_path.get(path, {})
        return {name: value for name, value in tags.items() if name not in LICENCE_TAGS}

    def licence(self, path: str) -> str | None:
        """What a `licence` tag says of one piece."""
        tags = self.by_path.get(path, {})
        found = next((tags[name] for name in LICENCE_TAGS if name in tags), None)
        return None if found is None else str(found)


def read_tags(folder: str | os.PathLike[str], paths: Iterable[str]) -> FolderTags:
    """Read the tags of the music at `paths` below `folder`, given relative to it, with slashes.

    Where both forms speak of a piece, both count, and `song.yaml` is right where they differ.
    Raises nothing: what cannot be read is listed.
    """
    root = Path(folder)
    music = set(paths)
    by_path: dict[str, dict[str, TagValue]] = {}
    not_read: list[BadFile] = []
    unused: list[str] = []
    for path, tags in _folder_entries(root, not_read):
        if path in music:
            by_path[path] = tags
        else:
            unused.append(f"{FOLDER_TAGS}: {path}")
    owners: dict[str, list[str]] = {}
    for path in music:
        owners.setdefault(path[: -len(Path(path).suffix)].casefold(), []).append(path)
    for sidecar in _sidecars(root, music):
        stem = sidecar[: -len(Path(sidecar).suffix)].casefold()
        if stem not in owners:
            unused.append(sidecar)
            continue
        try:
            tags = _read_sidecar(root / sidecar, sidecar, not_read)
        except BadFile as error:
            not_read.append(error)
            continue
        for path in owners[stem]:
            by_path[path] = by_path.get(path, {}) | tags
    return FolderTags(by_path, tuple(not_read), tuple(sorted(unused)))


def _read_sidecar(path: Path, name: str, not_read: list[BadFile]) -> dict[str, TagValue]:
    """The tags in one YAML file, called `name`; those that are none go to `not_read`.

    Raises `BadFile` with the line where it is no YAML of tags at all.
    """
    import yaml

    text = read_text(path, name, MOST_SIDECAR_BYTES)
    # The loader in C is ten times as fast, but lists a few ten thousand deep overflow its stack and
    # take the process down. So short a text cannot lie that deep.
    quick = len(text) <= SHORT_LETTERS and hasattr(yaml, "CSafeLoader")
    loader = (yaml.CSafeLoader if quick else yaml.SafeLoader)(text)
    try:
        root = loader.get_single_node()
        return {} if root is None else _Sidecar(name, loader, yaml).tags(root, not_read)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"line {mark.line + 1}: " if mark else ""
        raise BadFile(name, f"{where}{error.problem or 'it is no YAML'}; mend that place") from None
    except yaml.YAMLError as error:
        raise BadFile(name, f"it is no YAML ({str(error).splitlines()[0]})") from None
    except RecursionError:
        raise BadFile(name, "line 1: its lists lie too deep within one another") from None
    finally:
        loader.dispose()


class _Sidecar:
    """Takes a YAML file's nodes apart, so that every complaint can name its line."""

    def __init__(self, name: str, loader: Any, yaml: Any) -> None:
        self.name, self.loader, self.yaml = name, loader, yaml

    def tags(self, root: Any, not_read: list[BadFile]) -> dict[str, TagValue]:
        if root.tag != "tag:yaml.org,2002:map":
            raise self._bad(root, 'there are no tags here; write lines such as "style: blues"')
        if len(root.value) > MOST_VALUES:
            raise self._bad(root, f"{len(root.value)} tags are more than the {MOST_VALUES} allowed")
        tags: dict[str, TagValue] = {}
        for key, value in root.value:
            try:
                if value.tag == "tag:yaml.org,2002:seq":
                    _put(tags, self._plain(key), [self._plain(item) for item in value.value])
                else:
                    _put(tags, self._plain(key), self._plain(value))
            except ValueError as error:
                not_read.append(self._bad(key, str(error)))
        return tags

    def _plain(self, node: Any) -> Any:
        if not isinstance(node, self.yaml.ScalarNode):
            return node  # its type says enough for the complaint
        try:
            return self.loader.construct_object(node)
        except ValueError as error:  # such as the 40th of May
            raise ValueError(f"{node.value!r} makes no sense ({error})") from None

    def _bad(self, node: Any, sentence: str) -> BadFile:
        return BadFile(self.name, f"line {node.start_mark.line + 1}: {sentence}")


def _folder_entries(
    root: Path, not_read: list[BadFile]
) -> Iterator[tuple[str, dict[str, TagValue]]]:
    """The entries of the folder's `tags.json`, where there is one."""
    file = root / FOLDER_TAGS
    if not os.path.lexists(file):
        return
    try:
        text = read_text(file, FOLDER_TAGS, MOST_FOLDER_BYTES)
        entries = json.loads(text, object_pairs_hook=_Pairs)
    except BadFile as error:
        not_read.append(error)
        return
    except json.JSONDecodeError as error:
        reason = f"line {error.lineno}: {error.msg}; mend that place"
        not_read.append(BadFile(FOLDER_TAGS, reason))
        return
    except (RecursionError, ValueError) as error:
        not_read.append(BadFile(FOLDER_TAGS, f"line 1: it is no JSON of tags ({error})"))
        return
    if not isinstance(entries, _Pairs):
        reason = 'line 1: there are no tags here; write {"song.mid": {"style": "blues"}}'
        not_read.append(BadFile(FOLDER_TAGS, reason))
        return
    seen: set[str] = set()
    for path, tags in entries:
        complaints: list[str] = []
        if path in seen:
            complaints.append("it stands here twice, and the first one counts")
        else:
            seen.add(path)
            yield path.replace("\\", "/").removeprefix("./"), _checked_entry(tags, complaints)
        line = text.count("\n", 0, max(text.find(json.dumps(path, ensure_ascii=False)), 0)) + 1
        not_read += [BadFile(FOLDER_TAGS, f"line {line}: {path}: {each}") for each in complaints]


class _Pairs(list[tuple[str, Any]]):
    """A JSON object as it stands in the file, so that a name that stands there twice is seen."""


def _checked_entry(entry: Any, complaints: list[str]) -> dict[str, TagValue]:
    """The tags of one piece; what is wrong with the others goes to `complaints`."""
    tags: dict[str, TagValue] = {}
    if not isinstance(entry, _Pairs):
        complaints.append(f'{_shown(entry)} are no tags; write {{"style": "blues"}}')
    elif len(entry) > MOST_VALUES:
        complaints.append(f"{len(entry)} tags are more than the {MOST_VALUES} allowed")
    else:
        for label, value in entry:
            try:
                _put(tags, label, value)
            except ValueError as error:
                complaints.append(str(error))
    return tags


def _put(tags: dict[str, TagValue], label: Any, value: Any) -> None:
    """Add one tag to those of a piece. Raises `ValueError` with a sentence where it cannot be."""
    name = _checked_name(label)
    if name in tags:
        raise ValueError(f"the tag {name!r} stands here twice, and the first one counts")
    checked = _checked(name, value)
    if name in LICENCE_TAGS:
        if any(other in tags for other in LICENCE_TAGS):
            raise ValueError("it names both a licence and a license; keep one")
        if not isinstance(checked, str):
            raise ValueError(f"the {name} is {_shown(value)}; write its name, such as CC-BY-4.0")
    tags[name] = checked


def _checked_name(label: Any) -> str:
    if not isinstance(label, str) or not _NAME.fullmatch(label.strip()):
        raise ValueError(
            f"{_shown(label)} cannot name a tag; begin with a letter and use letters, digits, "
            "spaces, dots, - and _, 64 at most"
        )
    return label.strip()


def _checked(name: str, value: Any) -> TagValue:
    """One tag's value. Raises `ValueError` with a sentence where no tag can have it."""
    if isinstance(value, list) and not isinstance(value, _Pairs):
        if not value:
            raise ValueError(f"the tag {name!r} has an empty list; give it a value or drop it")
        if len(value) > MOST_VALUES:
            raise ValueError(f"the tag {name!r} has {len(value)} values; {MOST_VALUES} are allowed")
        return tuple(_checked_plain(name, item) for item in value)
    return _checked_plain(name, value)


def _checked_plain(name: str, value: Any) -> str | int | float | bool:
    if value is None or value == "":
        raise ValueError(f"the tag {name!r} has no value; give it one or drop it")
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"the tag {name!r} is {value}, which is no number to learn from")
    if isinstance(value, str) and len(value) > LONGEST_WORDS:
        raise ValueError(f"the tag {name!r} has {len(value)} letters; {LONGEST_WORDS} are allowed")
    if isinstance(value, int) and abs(value) >= 2**53:
        raise ValueError(f"the tag {name!r} is {value}, too large a number; put it in quotes")
    if not isinstance(value, str | int | float | bool):
        raise ValueError(f"the tag {name!r} is {_shown(value)}; {_WHAT_FITS}")
    return value


def _shown(value: Any) -> str:
    """A misfit in words: its kind, and itself where it is short."""
    kinds = {"MappingNode": "a table", "SequenceNode": "a list", "_Pairs": "a table"}
    kind = kinds.get(type(value).__name__)
    if kind is not None:
        return kind
    kind = {"date": "a date", "datetime": "a time", "bytes": "binary data", "set": "a set"}.get(
        type(value).__name__, ""
    )
    words = repr(str(value)[:40])
    return f"{kind} ({words}; quotes would make it words)" if kind else words


def _sidecars(root: Path, paths: Iterable[str]) -> list[str]:
    """YAML files in the folders that hold music, relative to `root`, sorted."""
    found = []
    for place in sorted({path.rpartition("/")[0] for path in paths}):
        try:
            names = sorted(os.listdir(root / place))
        except OSError:
            continue  # the music there will be told to be unreadable
        found += [
            f"{place}/{name}" if place else name
            for name in names
            if name.lower().endswith(SIDECAR_SUFFIXES) and not name.startswith(".")
        ]
    return found
