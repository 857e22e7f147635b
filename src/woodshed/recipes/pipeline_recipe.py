"""A recipe file: steps in TOML, each a command of Woodshed's with its arguments, read and checked.

All that can be wrong is found before anything is done, and told with its line. Which commands there
are and what they take is given from outside. Knows nothing of doing them.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from ..errors import BadFile

Value = str | int | float | bool | list[str | int | float]

REFERENCE = re.compile(r"\{([A-Za-z][\w-]*)(?:\.(\d+))?\}")
NAME = re.compile(r"[A-Za-z][\w-]*")
OWN_KEYS = ("name", "command")
NOT_KEYS = ("json", "csv", "force", "help")
"""Options that the runner gives itself, or that make no sense in a step."""


@dataclass(frozen=True, slots=True)
class Key:
    """An argument of a command: the flag it is given with (None: by place), and what it holds.

    `check` raises `ValueError` with a sentence for a value that cannot be.
    """

    flag: str | None
    is_required: bool
    is_switch: bool
    takes_many: bool
    is_input: bool
    is_output: bool
    check: Callable[[Any], object]


@dataclass(frozen=True, slots=True)
class Shape:
    """What a command takes, by key; `forces` says that it knows `--force`."""

    keys: Mapping[str, Key]
    forces: bool


@dataclass(frozen=True, slots=True)
class Step:
    """A step as written: its values by key; `line` is where it begins."""

    name: str
    command: str
    shape: Shape
    values: Mapping[str, Value]
    line: int


@dataclass(frozen=True, slots=True)
class Recipe:
    """A recipe file: its steps, and the folder for what they make."""

    path: Path
    out: Path
    steps: tuple[Step, ...]


def read_recipe(path: str | os.PathLike[str], shapes: Mapping[str, Shape]) -> Recipe:
    """Read and check a recipe. Raises `BadFile` with the line of what is wrong."""
    place = Path(path)
    try:
        text = place.read_text(encoding="utf-8")
        told = tomllib.loads(text)
    except (OSError, UnicodeDecodeError) as error:
        raise BadFile(path, f"it cannot be read ({error})") from None
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise BadFile(path, f"it is no TOML: {error}") from None
    reader = _Reader(place, text.splitlines(), shapes)
    for key in told:
        if key not in ("out", "step"):
            raise reader.wrong(1, f"there is no key {key!r} {_nearest(key, ('out', 'step'))}", key)
    out = told.get("out", place.stem)
    if not isinstance(out, str) or not out:
        raise reader.wrong(1, "out must be the name of a folder", "out")
    steps = told.get("step")
    if not isinstance(steps, list) or not steps or not all(isinstance(s, dict) for s in steps):
        raise BadFile(path, "it has no steps; write [[step]] above each")
    read: list[Step] = []
    for number, step in enumerate(steps):
        read.append(reader.step(number, step, read))
    target = place.parent / out
    if target.resolve() == place.parent.resolve():
        raise reader.wrong(1, "out is the folder of the recipe itself; name one in it", "out")
    return Recipe(place, target, tuple(read))


class _Reader:
    """Checks steps, and finds the line of whatever is wrong with them."""

    def __init__(self, path: Path, lines: Sequence[str], shapes: Mapping[str, Shape]) -> None:
        self.path, self.lines, self.shapes = path, lines, shapes
        heads = re.compile(r"\s*\[\[\s*step\s*\]\]")
        self.heads = [n for n, line in enumerate(lines, 1) if heads.match(line)]

    def wrong(self, line: int, sentence: str, key: str | None = None, step: str = "") -> BadFile:
        """The error, with the line of the key where that is found below `line`."""
        if key is not None:
            begins = re.compile(rf"\s*[\"']?{re.escape(key)}[\"']?\s*=")
            below = range(line, len(self.lines) + 1)
            line = next((n for n in below if begins.match(self.lines[n - 1])), line)
        named = f"step {step}: " if step else ""
        return BadFile(self.path, f"line {line}: {named}{sentence}")

    def step(self, number: int, told: Mapping[str, Any], earlier: Sequence[Step]) -> Step:
        """One step, checked."""
        line = self.heads[number] if number < len(self.heads) else 1
        command = told.get("command")
        if not isinstance(command, str):
            raise self.wrong(line, f"step {number + 1} has no command; it names one of Woodshed's")
        shape = self.shapes.get(command)
        if shape is None:
            raise self.wrong(
                line, f"there is no command {command!r} {_nearest(command, self.shapes)}", "command"
            )
        name = told.get("name", command.replace(" ", "-"))
        if not isinstance(name, str) or not NAME.fullmatch(name):
            raise self.wrong(line, f"{name!r} is no name; use letters, digits, - and _", "name")
        if name in {step.name for step in earlier}:
            raise self.wrong(line, f"a step {name} is there already; give each its name", "name")
        values: dict[str, Value] = {}
        for key, value in told.items():
            if key not in OWN_KEYS:
                values[key.replace("_", "-")] = self._value(line, name, key, value, shape, earlier)
        for key, wanted in shape.keys.items():
            if wanted.is_required and key not in values:
                raise self.wrong(line, f"{command} needs {key}", None, name)
        return Step(name, command, shape, values, line)

    def _value(
        self, line: int, name: str, key: str, value: Any, shape: Shape, earlier: Sequence[Step]
    ) -> Value:
        wanted = shape.keys.get(key.replace("_", "-"))
        if wanted is None:
            known = [*shape.keys, *OWN_KEYS]
            raise self.wrong(line, f"there is no key {key!r} {_nearest(key, known)}", key, name)
        values = value if isinstance(value, list) else [value]
        if isinstance(value, list) and not wanted.takes_many:
            raise self.wrong(line, f"{key} takes one value, not a list", key, name)
        if wanted.is_switch and not isinstance(value, bool):
            raise self.wrong(line, f"{key} is a switch; use true or false", key, name)
        for each in values:
            if not isinstance(each, str | int | float) or (
                isinstance(each, bool) and not wanted.is_switch
            ):
                raise self.wrong(line, f"{key} cannot be {each!r}", key, name)
            if isinstance(each, str):
                self._references(line, name, key, each, earlier)
            if wanted.is_output and Path(str(each)).is_absolute():
                raise self.wrong(line, f"{key} must lie in the recipe's own folder", key, name)
            if not (isinstance(each, str) and REFERENCE.search(each)):
                try:
                    wanted.check(each)
                except ValueError as error:
                    raise self.wrong(line, f"{key}: {error}", key, name) from None
        return list(values) if isinstance(value, list) else values[0]

    def _references(
        self, line: int, name: str, key: str, text: str, earlier: Sequence[Step]
    ) -> None:
        by_name = {step.name: step for step in earlier}
        for found in REFERENCE.finditer(text):
            step = by_name.get(found[1])
            if step is None:
                raise self.wrong(
                    line, f"{key} names {found[0]}, and no earlier step is called {found[1]} "
                    f"{_nearest(found[1], by_name)}", key, name,
                )  # fmt: skip
            made = planned_outputs(step)
            number = int(found[2]) if found[2] else 1
            if not made:
                raise self.wrong(line, f"the step {step.name} makes no file", key, name)
            if not 1 <= number <= len(made) or (found[2] is None and len(made) > 1):
                raise self.wrong(
                    line, f"the step {step.name} makes {len(made)}; write {{{step.name}.1}} to "
                    f"{{{step.name}.{len(made)}}}", key, name,
                )  # fmt: skip


def planned_outputs(step: Step) -> list[str]:
    """What a step makes, by its `out`, in the recipe's folder; `count` makes several files."""
    out = step.values.get("out")
    if not isinstance(out, str):
        return []
    count = step.values.get("count", 1)
    path = Path(out)
    if not isinstance(count, int) or count <= 1 or not path.suffix:
        return [out]
    width = len(str(count))
    return [
        path.with_name(f"{path.stem}-{number:0{width}}{path.suffix}").as_posix()
        for number in range(1, count + 1)
    ]


def _nearest(word: str, known: Any) -> str:
    """Which known word is meant, in a clause; all of them where none is near."""
    near = get_close_matches(word, list(known), 1, 0.6)
    listed = ", ".join(sorted(known))
    return f"(did you mean {near[0]}?)" if near else f"(there are {listed})" if listed else ""
