"""`woodshed run`: a pipeline from a recipe file. Gives the recipe the commands there are."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from ..errors import UsageError, WoodshedError
from .options import json_option
from .output import json_text, printable, progress

if TYPE_CHECKING:
    from ..recipes.pipeline_recipe import Shape

PATHS = ("FILE", "FOLDER", "DATASET", "MODEL", "OUT")
"""How the names of values begin that are paths, in the help of commands."""
ALSO_PATHS = ("lineup", "soundfont")
"""Options that take a path or a word."""
OUTPUTS = ("out", "events")
NOT_STEPS = ("run", "studio")


@click.command()
@click.argument("recipe", metavar="RECIPE.toml")
@click.option("--dry-run", "dry", is_flag=True, help="Only say what would be done, and why.")
@click.option("--force", is_flag=True, help="Do every step anew.")
@json_option
def run(recipe: str, dry: bool, force: bool, as_json: bool) -> None:
    """Run the steps of a recipe, each a command, and only those of which something changed.

    Stopped, it goes on when it is called again. docs/recipes.md shows recipes.

    \b
    Example:
      woodshed run blues.toml
      woodshed run blues.toml --dry-run
    """
    from ..recipes.pipeline import run as make

    done = make(recipe, shapes(), call, dry=dry, force=force, watch=progress)
    if as_json:
        click.echo(json_text(asdict(done)), nl=False)
        return
    for step in done.steps:
        word = ("would do" if dry else "done") if step.is_done_now else "kept"
        click.echo(printable(f"{word:<8}  {step.name}: {step.command}; {step.because}"))
    click.echo(f"\nWhat the steps make lies in {printable(done.out)}.")


def shapes() -> Mapping[str, Shape]:
    """What every command takes that can be a step, by its full name."""
    return _Shapes()


class _Shapes(Mapping[str, "Shape"]):
    """Shapes by name; a command is loaded when somebody asks for it."""

    def __getitem__(self, name: str) -> Shape:
        command = _command(name)
        if command is None:
            raise KeyError(name)
        return _shape(command)

    def __iter__(self) -> Any:
        from .root import COMMANDS

        for name in sorted(COMMANDS):
            if name in NOT_STEPS:
                continue
            command = _command(name, whole=False)
            if isinstance(command, click.Group):
                yield from (f"{name} {word}" for word in sorted(command.commands))
            else:
                yield name

    def __len__(self) -> int:
        return sum(1 for _ in self)


def _command(name: str, *, whole: bool = True) -> click.Command | None:
    """The command of a full name such as `fetch soundfont`; None where there is none."""
    from .root import root

    found: click.Command | None = root
    for word in name.split():
        if not isinstance(found, click.Group) or word in NOT_STEPS:
            return None
        found = found.get_command(click.Context(found), word)
    return None if whole and isinstance(found, click.Group) else found


def _shape(command: click.Command) -> Shape:
    from ..recipes.pipeline_recipe import NOT_KEYS, Key, Shape

    keys = {}
    for parameter in command.params:
        flags = [name for name in parameter.opts if name.startswith("--")]
        is_option = isinstance(parameter, click.Option)
        name = (flags[0].removeprefix("--") if is_option else str(parameter.name)).lower()
        if name in NOT_KEYS:
            continue
        metavar = parameter.metavar or ""
        keys[name] = Key(
            flag=flags[0] if is_option else None,
            is_required=parameter.required,
            is_switch=isinstance(parameter, click.Option) and parameter.is_flag,
            takes_many=parameter.multiple or parameter.nargs == -1,
            is_input=name not in OUTPUTS
            and (not is_option or metavar.startswith(PATHS) or name in ALSO_PATHS),
            is_output=name in OUTPUTS,
            check=_checker(parameter),
        )
    forces = any("--force" in parameter.opts for parameter in command.params)
    return Shape(keys, forces)


def _checker(parameter: click.Parameter) -> Callable[[Any], object]:
    def check(value: Any) -> object:
        try:
            return parameter.type.convert(value, parameter, None)
        except click.BadParameter as error:
            raise ValueError(error.message) from None

    return check


def call(command: str, arguments: Sequence[str]) -> None:
    """Call a command as the command line does; what it prints goes to standard error."""
    from .root import root

    click.echo(f"{command} {' '.join(map(printable, arguments))}", err=True)
    try:
        with contextlib.redirect_stdout(sys.stderr):
            status = root.main(
                [*command.split(), *arguments], prog_name="woodshed", standalone_mode=False
            )
    except click.ClickException as error:
        raise UsageError(error.format_message()) from None
    if isinstance(status, int) and status:
        raise WoodshedError(f"it ended with status {status}")
