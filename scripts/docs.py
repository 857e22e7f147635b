"""Write what docs say twice from its one source; --check only says whether it is current.

`docs/commands.md` comes from the commands, the tables of `docs/midi.md` from the reader's own.
"""

from __future__ import annotations

import argparse
import inspect
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import click

DOCS = Path(__file__).resolve().parent.parent / "docs"
COMMANDS = DOCS / "commands.md"
MIDI = DOCS / "midi.md"
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


def render_midi(page: str) -> str:
    """Give `page` with its table of what a reader mends and leaves out made anew."""
    from woodshed.formats.midi_repairs import LEFT_OUT, MENDED

    lines = []
    for title, table in (("mended", MENDED), ("left out", LEFT_OUT)):
        lines += ["", f"| {title} | what it is |", "|---|---|"]
        lines += [f"| `{kind.lower()}` | {sentence} |" for kind, sentence in table.items()]
    opening, rest = page.split("<!-- repairs", 1)
    comment, rest = rest.split("-->\n", 1)
    closing = rest[rest.index("\n<!-- /repairs -->") :]
    return f"{opening}<!-- repairs{comment}-->\n" + "\n".join(lines) + "\n" + closing


def pages() -> dict[Path, str]:
    """Give every page that is made, as it should be."""
    from woodshed.cli import root

    return {COMMANDS: render(root), MIDI: render_midi(MIDI.read_text(encoding="utf-8"))}


def main() -> int:
    """Write the pages, or compare them with their sources."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--check", action="store_true", help="exit 1 if a page is out of date")
    check_only = parser.parse_args().check
    stale = {
        path: page
        for path, page in pages().items()
        if not path.exists() or path.read_text(encoding="utf-8") != page
    }
    for path, page in stale.items():
        if check_only:
            print(f"{path.name} is not what its source says; run `make docs`", file=sys.stderr)
        else:
            path.write_text(page, encoding="utf-8", newline="\n")
            print(f"wrote {path}")
    return 1 if check_only and stale else 0


if __name__ == "__main__":
    sys.exit(main())
