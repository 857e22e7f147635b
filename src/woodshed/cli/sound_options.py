"""The options of all commands that make music sound: who plays, what of it, with which sounds."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any, TypeVar

import click

from ..errors import UsageError
from ..formats.limits import LARGEST_MB, LONGEST_SECONDS, Limits
from ..listening.sound_settings import SoundSettings

Command = TypeVar("Command", bound=Callable[..., Any])

programs_option = click.option(
    "--programs",
    type=click.Choice(["slots", "file"]),
    default="slots",
    show_default=True,
    help="Sounds: one for each slot of the lineup, or those the file asks for.",
)


def passage_options(command: Command) -> Command:
    """Which slots and bars are heard, handed on as `solo`, `mute`, `start_bar` and `bars`."""
    for option in reversed(
        [
            click.option(
                "--solo", multiple=True, metavar="SLOT", help="Only this slot; repeatable."
            ),
            click.option(
                "--mute", multiple=True, metavar="SLOT", help="Not this slot; repeatable."
            ),
            click.option("--start-bar", type=int, help="Begin with this bar, counted from 1."),
            click.option("--bars", type=int, help="Play so many bars."),
        ]
    ):
        command = option(command)
    return command


def from_zero(start_bar: int | None) -> int | None:
    """A bar as Python counts it. People count from 1."""
    if start_bar is not None and start_bar < 1:
        raise UsageError(f"there is no bar {start_bar}; bars are counted from 1")
    return None if start_bar is None else start_bar - 1


def taken_sound(settings: dict[str, Any]) -> SoundSettings:
    """The settings of sound among those a command was given."""
    return SoundSettings(
        **{field.name: settings.pop(field.name) for field in dataclasses.fields(SoundSettings)}
    )


def reader_options(command: Command) -> Command:
    """What reading the one file may cost, under names that say so; `taken_limits` takes them."""
    for option in (
        click.option(
            "--reader-memory-mb",
            type=click.IntRange(64, LARGEST_MB),
            default=Limits().memory_mb,
            show_default=True,
            help="Most memory the reading of a file may take, in megabytes.",
        ),
        click.option(
            "--reader-seconds",
            type=click.FloatRange(0, LONGEST_SECONDS, min_open=True),
            default=Limits().seconds,
            show_default=True,
            help="Longest time the reading of a file may take, in seconds.",
        ),
    ):
        command = option(command)
    return command


def taken_limits(settings: dict[str, Any]) -> Limits:
    """The limits of `reader_options` among what a command was given."""
    return Limits(settings.pop("reader_seconds"), settings.pop("reader_memory_mb"))
