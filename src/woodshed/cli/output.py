"""How results reach a person, a program or a file: tables for 80 columns, JSON, CSV, progress."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import shutil
import sys
import time
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Protocol, TypeVar

import click

from ..errors import UsageError
from ..formats.files import check_output, write_whole

T = TypeVar("T")

NARROW = 80


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table on screen: its title, and whether its cells are figures.

    A `wide` column gives way where space is short, its cells cut with an ellipsis, paths at their
    beginning. Figures are never cut: half a figure is a wrong figure.
    """

    title: str
    figures: bool = False
    wide: bool = False
    path: bool = False


def print_table(columns: Sequence[Column], rows: Iterable[Sequence[str]]) -> None:
    """Print a table, 80 columns wide, or as wide as the terminal."""
    cells = [[column.title for column in columns]]
    cells += [[printable(cell) for cell in row] for row in rows]
    widths = [max(_width(row[n]) for row in cells) for n in range(len(columns))]
    room = shutil.get_terminal_size().columns if sys.stdout.isatty() else NARROW
    too_much = sum(widths) + 2 * (len(widths) - 1) - room
    for number, column in enumerate(columns):
        if column.wide and too_much > 0:
            given = min(too_much, max(widths[number] - 8, 0))
            widths[number] -= given
            too_much -= given
    for row in cells:
        fitted = (
            _fit(cell, width, column)
            for cell, width, column in zip(row, widths, columns, strict=True)
        )
        click.echo("  ".join(fitted).rstrip())


def _fit(cell: str, width: int, column: Column) -> str:
    if _width(cell) > width:
        ellipsis = printable("…")
        while cell and _width(cell) > width - 1:
            cell = cell[1:] if column.path else cell[:-1]
        cell = ellipsis + cell if column.path else cell + ellipsis
    space = " " * (width - _width(cell))
    return space + cell if column.figures else cell + space


def _width(text: str) -> int:
    """Columns a text takes: East Asian characters take two, accents of their own none."""
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1
        for c in text
    )


def printable(text: str) -> str:
    """A text that no terminal will obey and every encoding can print."""
    plain = "".join(c if c.isprintable() else "�" for c in text)
    encoding = sys.stdout.encoding or "utf-8"
    return plain.encode(encoding, "replace").decode(encoding)


def json_text(result: Any) -> str:
    """A result as JSON text, with a line break at its end."""
    return json.dumps(result, indent=2, ensure_ascii=False) + "\n"


def csv_text(titles: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """Rows as CSV text with a line of titles."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(titles)
    writer.writerows(rows)
    return text.getvalue()


def choose_outputs(
    out: str | None,
    *,
    json: bool,
    csv: bool,
    force: bool,
    forms: Sequence[str] = ("json", "csv"),
) -> tuple[tuple[str, str | None], ...]:
    """Where a result goes, each time its form and the file; None stands for standard output.

    The ending of `out`, one of `forms`, decides the form of that file; flags that of standard
    output. With neither it is a "table" there. An output that may not be written is refused here,
    before the work instead of after it.
    """
    outputs: list[tuple[str, str | None]] = []
    if out is not None:
        form = Path(out).suffix.lower().removeprefix(".")
        if form not in forms:
            *others, last = (f".{form}" for form in forms)
            raise UsageError(
                f"--out {out} does not end in {', '.join(others)} or {last}; add one of them"
            )
        check_output(out, force=force)
        outputs.append((form, out))
    if json and csv:
        raise UsageError("--json and --csv exclude each other; choose one")
    if json or csv:
        outputs.append(("json" if json else "csv", None))
    return tuple(outputs) or (("table", None),)


def deliver(text: str, out: str | None, *, force: bool) -> None:
    """Write `text` to the file `out`, whole or not at all, or to standard output."""
    # File names need not be Unicode; in JSON the escape is the name, and nothing is lost.
    text = text.encode("utf-8", "backslashreplace").decode("utf-8")
    if out is None:
        click.echo(text, nl=False)
        return
    write_whole(out, text, force=force)
    click.echo(f"written: {printable(out)}", err=True)


def progress(items: Iterable[T], total: int, what: str) -> Iterator[T]:
    """Pass `items` on; a terminal sees a bar with pace and time left on standard error."""
    if not sys.stderr.isatty():
        yield from items
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    with Progress(
        TextColumn(what),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[pace]}"),
        console=Console(stderr=True),
        transient=True,
    ) as bar:
        task = bar.add_task(what, total=total, pace="")
        started = time.monotonic()
        for done, item in enumerate(items, 1):
            yield item
            bar.update(task, completed=done, pace=pace(done, total, time.monotonic() - started))


class Tell(Protocol):
    """Something that is told how much is done, of how much."""

    def __call__(self, done: float, total: float | None = 1.0, /) -> None:
        """Show it."""
        ...


@contextlib.contextmanager
def progress_bar(what: str, *, of_bytes: bool = False) -> Iterator[Tell | None]:
    """A bar for one long work on standard error, where that is a terminal."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich import progress as rich
    from rich.console import Console

    share = rich.TextColumn("{task.percentage:>3.0f}%")
    amounts = (rich.DownloadColumn(), rich.TransferSpeedColumn()) if of_bytes else (share,)
    with rich.Progress(
        rich.TextColumn(what),
        rich.BarColumn(),
        *amounts,
        rich.TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
    ) as bar:
        task = bar.add_task("", total=None)

        def tell(done: float, total: float | None = 1.0, /) -> None:
            bar.update(task, completed=done, total=total)

        yield tell


def clock(seconds: float) -> str:
    """A length of music as minutes and seconds, and hours where there are some: 2:05, 1:02:05."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def pace(done: int, total: int, seconds: float) -> str:
    """How many a second, and how long the rest will take; nothing before that means anything."""
    if seconds < 1:
        return ""
    rate = done / seconds
    left = timedelta(seconds=round(max(total - done, 0) / rate))
    return f"{rate:,.0f}/s, {left} left" if rate >= 10 else f"{rate:.1f}/s, {left} left"
