"""Every command explains itself, and docs/commands.md says what the commands say."""

from __future__ import annotations

import re

import click
import pytest

from scripts.docs import COMMANDS, Entry, help_text, is_shown, pages, render, walk
from woodshed.cli import root

ENTRIES = list(walk(root))
LEAVES = [entry for entry in ENTRIES if entry.is_leaf]


def examples_of(entry: Entry) -> list[str]:
    """Give the lines of a command's help that call it by its full name."""
    lines = (line.strip().removeprefix("$ ") for line in help_text(entry.command).splitlines())
    return [line for line in lines if (line + " ").startswith(entry.path + " ")]


def faults_of(entry: Entry) -> list[str]:
    """Say what a command leaves unexplained."""
    faults = []
    if not help_text(entry.command).strip():
        faults.append("has no help")
    parameters = entry.command.get_params(entry.context)
    faults += [
        f"{parameter.human_readable_name} has no help"
        for parameter in parameters
        if isinstance(parameter, click.Option)
        and is_shown(parameter)
        and not (parameter.help or "").strip()
    ]
    if entry.is_leaf:
        examples = examples_of(entry)
        if not examples:
            faults.append(f"help shows no example (a line that begins with `{entry.path}`)")
        known = {name for parameter in parameters for name in parameter.opts}
        known |= {name for parameter in parameters for name in parameter.secondary_opts}
        for example in examples:
            used = re.findall(r"(?<=\s)--?[A-Za-z][\w-]*", example)
            faults += [
                f"the example uses {name}, unknown here" for name in used if name not in known
            ]
    return faults


def test_there_are_commands() -> None:
    assert LEAVES


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.path)
def test_command_is_explained(entry: Entry) -> None:
    assert faults_of(entry) == []


def test_made_pages_are_current() -> None:
    for path, page in pages().items():
        assert path.read_text(encoding="utf-8") == page, f"{path.name}: run `make docs`"


def test_commands_page_names_every_command_and_option() -> None:
    parts = re.split(r"^##+ (.+)$", COMMANDS.read_text(encoding="utf-8"), flags=re.MULTILINE)
    sections = dict(zip(parts[1::2], parts[2::2], strict=True))
    assert list(sections) == [entry.path for entry in ENTRIES]
    for entry in ENTRIES:
        for parameter in entry.command.get_params(entry.context):
            if isinstance(parameter, click.Option) and is_shown(parameter):
                assert parameter.opts[-1] in sections[entry.path]


@click.command(name="sing")
@click.argument("folder")
@click.option("--loud", is_flag=True)
def _unexplained(folder: str, loud: bool) -> None: ...


@click.command(name="sing")
@click.argument("folder", help="Where the songs are.")
@click.argument("tune", required=False)
@click.option("--loud", is_flag=True, help="Sing out.")
def _explained(folder: str, tune: str | None, loud: bool) -> None:
    """Sing what is in a folder.

    \b
    Example:
      woodshed sing songs --loud
    """


@click.command(name="sing", epilog="woodshed sing --softly")
def _misleading() -> None:
    """Sing."""


def test_the_check_sees_what_is_missing() -> None:
    (bad,) = walk(_unexplained, "woodshed sing")
    assert faults_of(bad) == [
        "has no help",
        "loud has no help",
        "help shows no example (a line that begins with `woodshed sing`)",
    ]
    (misleading,) = walk(_misleading, "woodshed sing")
    assert faults_of(misleading) == ["the example uses --softly, unknown here"]
    (good,) = walk(_explained, "woodshed sing")
    assert faults_of(good) == []


def test_page_of_a_made_up_command() -> None:
    assert render(_explained).split("\n\n", 2)[2] == (
        "## woodshed\n\n"
        "    woodshed [OPTIONS] FOLDER [TUNE]\n\n"
        "Sing what is in a folder.\n\n"
        "    Example:\n      woodshed sing songs --loud\n\n"
        "**Arguments**\n\n- `FOLDER` – Where the songs are.\n\n"
        "**Options**\n\n- `--loud` – Sing out.\n"
    )
