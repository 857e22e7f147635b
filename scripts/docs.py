"""Write docs/commands.md from the commands themselves; --check only says whether it is current.

Knows click and nothing of what the commands do.
"""

from __future__ import annotations

import argparse
import inspect
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import click

PAGE = Path(__file__).resolve().parent.parent / "docs" / "commands.md"
INTRODUCTION = """\
# Commands

Made by `make docs` from the commands themselves: change their help, not this page.
Every command answers `--help`.
"""


@dataclass(frozen=True, slots=True)
class Entry:
    """One command with the context that knows its full name."""

    path: str
    command: click.Command
    context: click.Context

    @property
    def is_leaf(self) -> bool:
        """Whether it does something, rather than hold further commands."""
        return not isinstance(self.command, click.Group)


def walk(
    command: click.Command, name: str = "woodshed", parent: click.Context | None = None
) -> Iterator[Entry]:
    """Give `command` and every command under it that help shows, in the order of the help."""
    context = click.Context(command, info_name=name, parent=parent)
    yield Entry(context.command_path, command, context)
    if isinstance(command, click.Group):
        for child_name in command.list_commands(context):
            child = command.get_command(context, child_name)
            if child is not None and not child.hidden:
                yield from walk(child, child_name, context)


def is_shown(parameter: click.Parameter) -> bool:
    """Whether a parameter belongs on the page: hidden ones and `--help` itself do not."""
    return not getattr(parameter, "hidden", False) and "--help" not in parameter.opts


def help_text(command: click.Command) -> str:
    """Give the words of a command's help, examples included, without its parameters."""
    parts = [command.help or command.short_help or "", command.epilog or ""]
    return "\n\n".join(inspect.cleandoc(part) for part in parts if part).split("\f")[0]


def render(root: click.Command) -> str:
    """Give the page for a tree of commands as Markdown."""
    return "\n".join([INTRODUCTION, *(_section(entry) for entry in walk(root))])


def _section(entry: Entry) -> str:
    usage = " ".join([entry.path, *entry.command.collect_usage_pieces(entry.context)])
    level = "##" if entry.context.parent is None else "##" + "#" * (entry.path.count(" ") - 1)
    blocks = [f"{level} {entry.path}", f"    {usage}", _prose(help_text(entry.command))]
    parameters = entry.command.get_params(entry.context)
    for title, kind in (("Arguments", click.Argument), ("Options", click.Option)):
        records = [
            parameter.get_help_record(entry.context)
            for parameter in parameters
            if isinstance(parameter, kind) and is_shown(parameter)
        ]
        lines = [
            f"- `{name}` – {' '.join(text.split())}" for name, text in filter(None, records) if text
        ]
        if lines:
            blocks.append(f"**{title}**\n\n" + "\n".join(lines))
    return "\n\n".join(block for block in blocks if block) + "\n"


def _prose(text: str) -> str:
    r"""Turn click's paragraphs into Markdown: one marked \b is shown as it stands."""
    blocks = []
    for paragraph in text.split("\n\n"):
        first, _, rest = paragraph.partition("\n")
        if first.strip() == "\b":
            blocks.append("\n".join(f"    {line}".rstrip() for line in rest.splitlines()))
        else:
            blocks.append(paragraph)
    return "\n\n".join(blocks)


def main() -> int:
    """Write the page, or compare it with the commands."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--check", action="store_true", help="exit 1 if the page is out of date")
    check_only = parser.parse_args().check

    from woodshed.cli import root

    page = render(root)
    on_disk = PAGE.read_text(encoding="utf-8") if PAGE.exists() else None
    if page == on_disk:
        return 0
    if check_only:
        print(f"{PAGE.name} is not what the commands say; run `make docs`", file=sys.stderr)
        return 1
    PAGE.parent.mkdir(exist_ok=True)
    PAGE.write_text(page, encoding="utf-8", newline="\n")
    print(f"wrote {PAGE}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
