"""Pipelines: the steps of a recipe in order, each only where something changed since it was done.

Killed, a run goes on with the step it was at. How a command is called is given from outside, so
every command can be a step. Knows nothing of screens.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..corpus.watch import Watch, unwatched
from ..corpus.workspace import lock_file
from ..errors import CannotWrite, UsageError, WoodshedError
from .pipeline_recipe import REFERENCE, Recipe, Shape, Step, planned_outputs, read_recipe
from .pipeline_state import MISSING, Done, mark_of, read_state, write_state

Call = Callable[[str, Sequence[str]], None]
"""Calls a command with its arguments; raises a `WoodshedError` where it fails."""

GOES_ON = ("demo", "fetch soundfont", "learn", "prepare")
"""Commands that bring up to date what is there; they are forced only when asked otherwise."""


@dataclass(frozen=True, slots=True)
class StepDone:
    """A step: whether it was done now (or would be), why, its command line, and its outputs."""

    name: str
    command: str
    is_done_now: bool
    because: str
    arguments: tuple[str, ...]
    outputs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Run:
    """What became of a recipe. `dry` says that nothing was done."""

    recipe: str
    out: str
    dry: bool
    steps: tuple[StepDone, ...]


def run(
    recipe: str | os.PathLike[str],
    shapes: Mapping[str, Shape],
    call: Call,
    *,
    dry: bool = False,
    force: bool = False,
    watch: Watch = unwatched,
) -> Run:
    """Do the steps of a recipe that are not done yet, or of which something changed.

    `shapes` says what each command takes. With `dry` nothing is done; with `force` all is done
    anew, and what somebody else put where a step writes is replaced. Raises `BadFile` for what is
    wrong with the recipe, `WoodshedError` naming the step that failed, and `CannotWrite`.
    """
    read = read_recipe(recipe, shapes)
    pipeline = _Pipeline(read, call, force)
    if dry:
        steps = [pipeline.look(step) for step in read.steps]
    else:
        with _Locked(read.out):
            watched = watch(read.steps, len(read.steps), "steps")
            steps = [pipeline.do(step) for step in watched]
    return Run(os.fspath(read.path), os.fspath(read.out), dry, tuple(steps))


class _Locked:
    """One run at a time in a folder, which is made where there is none."""

    def __init__(self, out: Path) -> None:
        self.out = out

    def __enter__(self) -> None:
        try:
            self.out.mkdir(exist_ok=True)
            self._file = (self.out / ".run.lock").open("a+b")
            if not lock_file(self._file):
                self._file.close()
                raise WoodshedError(f"another run writes {self.out}; wait until it has ended")
        except OSError as error:
            raise CannotWrite(self.out, error.strerror or str(error)) from error

    def __exit__(self, *_: object) -> None:
        self._file.close()


class _Pipeline:
    """The steps of a recipe against what is known of them."""

    def __init__(self, recipe: Recipe, call: Call, force: bool) -> None:
        from .. import __version__

        self.recipe, self.call, self.force = recipe, call, force
        self.version = __version__
        self.state = read_state(recipe.out)
        self.marks: dict[Path, str] = {}
        self.changing: set[str] = set()
        """Steps that a dry run would do, so that what they make is not known."""

    def look(self, step: Step) -> StepDone:
        """What would become of a step."""
        because, is_due = self._because(step)
        if is_due:
            self.changing.add(step.name)
        return self._told(step, because, is_due=is_due)

    def do(self, step: Step) -> StepDone:
        """Do a step where it is due."""
        self.marks = {}
        because, is_due = self._because(step)
        told = self._told(step, because, is_due=is_due)
        if not is_due:
            return told
        arguments = list(told.arguments)
        if step.shape.forces and self._may_replace(step):
            arguments.append("--force")
        self._make_room(step)
        before = self.state.get(step.name)
        outputs = before.outputs if before is not None else {}
        began = Done(self.version, dict(step.values), self._inputs(step), outputs)
        self._remember(step.name, began)
        try:
            self.call(step.command, arguments)
        except WoodshedError as error:
            if error.is_told:
                raise WoodshedError(f"step {step.name} ({step.command}) failed") from error
            kind = UsageError if error.exit_status == UsageError.exit_status else WoodshedError
            where = f"{self.recipe.path}: line {step.line}, step {step.name}"
            raise kind(f"{where} ({step.command}): {error}") from error
        made = {name: mark_of(self.recipe.out / name) for name in told.outputs}
        lacking = next((name for name, mark in made.items() if mark == MISSING), None)
        if lacking is not None:
            raise WoodshedError(f"step {step.name} ({step.command}) ended without {lacking}")
        self._remember(step.name, Done(self.version, began.values, began.inputs, made, True))
        return told

    def _remember(self, name: str, done: Done) -> None:
        self.state[name] = done
        write_state(self.recipe.out, self.state)

    def _because(self, step: Step) -> tuple[str, bool]:
        """Why a step is to be done, or not."""
        done = self.state.get(step.name)
        if self.force:
            return "asked for with --force", True
        if done is None:
            return "never done", True
        if not done.is_whole:
            return "stopped before it was whole", True
        if done.woodshed != self.version:
            return f"done by woodshed {done.woodshed}", True
        for key in dict.fromkeys((*done.values, *step.values)):
            if done.values.get(key) != step.values.get(key):
                had, has = done.values.get(key), step.values.get(key)
                return f"{key} was {_shown(had)} and is {_shown(has)}", True
        for text in _texts(step):
            for found in REFERENCE.finditer(text):
                if found[1] in self.changing:
                    return f"reads what step {found[1]} makes anew", True
        for name, mark in self._inputs(step).items():
            if done.inputs.get(name) != mark:
                return f"{name} has changed", True
        for name in self._outputs(step):
            mark = self._mark(self.recipe.out / name)
            if mark == MISSING:
                return f"{name} is not there", True
            if done.outputs.get(name) != mark:
                return f"{name} is not as it was made", True
        return "nothing has changed", False

    def _may_replace(self, step: Step) -> bool:
        """Whether what lies at the outputs is our own to replace."""
        done = self.state.get(step.name)
        if self.force:
            return True
        if done is None:
            return False
        if step.command in GOES_ON:
            return dict(done.values) != dict(step.values)
        return True

    def _make_room(self, step: Step) -> None:
        """Make the folders outputs lie in. Raises `WoodshedError` for somebody else's output."""
        for name in self._outputs(step):
            path = self.recipe.out / name
            if not path.resolve().is_relative_to(self.recipe.out.resolve()):
                raise UsageError(f"step {step.name} writes {name}, outside {self.recipe.out}")
            if step.name not in self.state and not self.force and os.path.lexists(path):
                raise WoodshedError(
                    f"step {step.name}: {path} is there and no step of this recipe made it; move "
                    "it away, or add --force to replace it"
                )
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise CannotWrite(path, error.strerror or str(error)) from error

    def _told(self, step: Step, because: str, *, is_due: bool) -> StepDone:
        return StepDone(
            step.name, step.command, is_due, because, tuple(self._arguments(step)),
            tuple(self._outputs(step)),
        )  # fmt: skip

    def _arguments(self, step: Step) -> list[str]:
        """The command line: what goes by place last, behind a mark that nothing else follows."""
        named: list[str] = []
        placed: list[str] = []
        for key, wanted in step.shape.keys.items():
            if key not in step.values:
                continue
            value = step.values[key]
            for each in value if isinstance(value, list) else [value]:
                if wanted.is_switch:
                    named += [wanted.flag] if each and wanted.flag else []
                elif wanted.flag is None:
                    placed.append(self._resolved(step, key, each))
                else:
                    named.append(f"{wanted.flag}={self._resolved(step, key, each)}")
        return [*named, "--", *placed] if placed and placed[0].startswith("-") else named + placed

    def _resolved(self, step: Step, key: str, value: Any) -> str:
        """A value as the command gets it: paths from where the recipe lies."""
        text = str(value)
        wanted = step.shape.keys[key]
        if REFERENCE.search(text):
            return REFERENCE.sub(lambda found: self._reference(found[1], found[2]), text)
        if wanted.is_output:
            return os.fspath(self.recipe.out / text)
        return os.fspath(self._path(key, step, text) or text)

    def _reference(self, name: str, number: str | None) -> str:
        step = next(step for step in self.recipe.steps if step.name == name)
        made = planned_outputs(step)
        return os.fspath(self.recipe.out / made[int(number or 1) - 1])

    def _path(self, key: str, step: Step, text: str) -> Path | None:
        """The path a value is; None for other words, such as the name of a lineup."""
        wanted = step.shape.keys[key]
        if not wanted.is_input or "://" in text:
            return None
        path = self.recipe.path.parent / Path(text).expanduser()
        return path if wanted.flag is None or path.exists() else None

    def _inputs(self, step: Step) -> dict[str, str]:
        """By what every input is known, by the name the recipe gives it."""
        found = {}
        for key, value in step.values.items():
            for each in value if isinstance(value, list) else [value]:
                text = str(each)
                if step.shape.keys[key].is_input and REFERENCE.search(text):
                    found[text] = self._mark(Path(self._resolved(step, key, text)))
                    continue
                path = self._path(key, step, text)
                if path is not None:
                    found[text] = self._mark(path)
        return found

    def _outputs(self, step: Step) -> list[str]:
        keys = step.shape.keys
        others = [
            str(value) for key, value in step.values.items()
            if keys[key].is_output and key != "out"
        ]  # fmt: skip
        return planned_outputs(step) + others

    def _mark(self, path: Path) -> str:
        if path not in self.marks:
            self.marks[path] = mark_of(path)
        return self.marks[path]


def _texts(step: Step) -> list[str]:
    values = [v if isinstance(v, list) else [v] for v in step.values.values()]
    return [str(each) for value in values for each in value]


def _shown(value: Any) -> str:
    return "not given" if value is None else str(value)
