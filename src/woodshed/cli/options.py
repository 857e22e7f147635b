"""Options that many commands share, and settings dataclasses as options."""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Callable, Collection
from typing import Any, TypeVar

import click

Command = TypeVar("Command", bound=Callable[..., Any])


def out_option(what: str) -> Callable[[Command], Command]:
    """`-o/--out FILE` and `--force`, handed on as `out` and `force`."""

    def add(command: Command) -> Command:
        command = click.option(
            "--force", is_flag=True, help="Replace the output file if it exists."
        )(command)
        return click.option("-o", "--out", metavar="FILE", help=what)(command)

    return add


def json_option(command: Command) -> Command:
    """`--json`, handed on as `as_json`."""
    return click.option(
        "--json", "as_json", is_flag=True, help="Print the result as JSON on standard output."
    )(command)


def settings_options(
    settings: type, *, leave_out: Collection[str] = (), of: str | None = None
) -> Callable[[Command], Command]:
    """One option for each field of a settings dataclass, with the field's own help and default.

    Some may be left out. `of` says first whom the options are for.
    """

    def add(command: Command) -> Command:
        kinds = typing.get_type_hints(settings)
        for field in reversed(dataclasses.fields(settings)):
            if field.name in leave_out:
                continue
            told = field.metadata["help"]
            flag = "--" + field.name.replace("_", "-")
            kind = _plain(kinds[field.name])
            switch: dict[str, Any] = {"is_flag": True} if kind is bool else {"type": kind}
            command = click.option(
                flag,
                field.name,
                default=field.default,
                show_default=field.default is not None and kind is not bool,
                help=told if of is None else f"{of}: {told[0].lower()}{told[1:]}",
                **switch,
            )(command)
        return command

    return add


def _plain(kind: Any) -> type:
    """The type of an option's value; `int | None` is an int that may be left out."""
    if isinstance(kind, types.UnionType):
        (kind,) = (k for k in typing.get_args(kind) if k is not type(None))
    assert isinstance(kind, type)
    return kind
