"""What `woodshed prepare` shows a person."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

import click

from ..corpus.texts import counted
from .output import NARROW, Column, print_table, printable

if TYPE_CHECKING:
    from ..corpus.prepare import PrepareReport

MOST_LISTED = 10

# What the kinds of reasons are called; a setting of quality has its own name.
KINDS = {
    "unreadable": "no MIDI that can be read",
    "lineup": "no part that has a slot",
    "copy": "the same bytes as another file",
    "leak": "the music of a held-out piece",
    "unlisted": "not named by the official splits",
}
MEASURES = {
    "most_notes_on_a_step": "most notes on a step",
    "longest_rest_quarters": "longest rest, quarters",
    "bars": "bars",
    "notes": "notes",
    "parts": "parts",
}


def show_report(folder: str, report: PrepareReport) -> None:
    """What is in the dataset, what is not and why, and what was done for it now."""
    summary = report.summary
    click.echo(f"{printable(folder)}: {_work(report)}\n")
    _pairs(
        ("dataset", printable(report.dataset)),
        ("files", f"{summary.files:,}"),
        ("pieces", f"{summary.pieces:,}"),
        ("notes", f"{summary.notes:,} in {counted(summary.bars, 'bar')}"),
        ("length", f"{summary.duration_seconds / 3600:,.1f} h"),
        ("mended", f"{summary.repaired:,} of the pieces had faults"),
        ("tags", f"{summary.tagged:,} of the pieces have some"),
        ("licences", ", ".join(f"{printable(k.kind)} {k.count:,}" for k in summary.licences)),
        (
            "shared",
            f"{summary.near_duplicates:,} of the pieces have their music in common with others, "
            f"in {counted(summary.near_duplicate_groups, 'group')}",
        ),
    )
    _show_splits(report)
    _show_slots(report)
    _show_limits(report)
    _show_left_out(report)
    _show_list("Tags not read:", [str(bad) for bad in report.tags_not_read])
    _show_list("Tags that belong to no music:", list(report.tags_unused))
    for warning in report.warnings:
        click.echo("\n" + _filled(f"Mind: {warning}.", NARROW))


def _work(report: PrepareReport) -> str:
    if report.unchanged:
        return "nothing has changed, so there was nothing to do"
    known = report.summary.files - report.read_now
    words = [f"{counted(report.read_now, 'file')} read in {report.seconds:,.1f} s"]
    if known:
        words.append(f"{known:,} known from before")
    if report.removed:
        words.append(f"{report.removed:,} no longer there")
    return ", ".join(words)


def _pairs(*pairs: tuple[str, str]) -> None:
    for name, value in pairs:
        lines = textwrap.wrap(value, NARROW - 12) or [""]
        click.echo(f"  {name:<9} " + ("\n" + " " * 12).join(lines))


def _show_splits(report: PrepareReport) -> None:
    click.echo()
    titles = ("pieces", "groups", "bars", "notes")
    columns = [Column("split"), *(Column(title, figures=True) for title in titles)]
    print_table(
        columns,
        (
            (s.split, f"{s.pieces:,}", f"{s.groups:,}", f"{s.bars:,}", f"{s.notes:,}")
            for s in report.summary.splits
        ),
    )


def _show_slots(report: PrepareReport) -> None:
    whole = report.summary.notes + report.summary.notes_left_out
    click.echo(f"\nNotes for each slot of the lineup {printable(report.lineup)}:\n")
    titles = ("parts", "by name alone", "with programs", "notes")
    columns = [Column("slot"), *(Column(title, figures=True) for title in titles)]
    print_table(
        columns,
        (
            (
                slot.slot,
                f"{slot.parts:,}",
                f"{slot.notes_by_name / whole:.1%}",
                f"{slot.notes / whole:.1%}",
                f"{slot.notes:,}",
            )
            for slot in report.summary.slots
        ),
    )


def _show_limits(report: PrepareReport) -> None:
    click.echo("\nWhat the pieces to train on keep to:\n")
    titles = ("half", "90%", "98%", "all")
    columns = [Column("measure"), *(Column(title, figures=True) for title in titles)]
    print_table(
        columns,
        (
            (
                MEASURES.get(measure, measure),
                *(f"{value:,.10g}" for key, value in of.items() if key != "measure"),
            )
            for measure, of in report.limits.items()
            if measure in MEASURES
        ),
    )


def _show_left_out(report: PrepareReport) -> None:
    if not report.left_out:
        return
    click.echo(
        f"\nLeft out, {len(report.left_out):,} of {counted(report.summary.files, 'file')}:\n"
    )
    for kind in report.summary.left_out:
        name = KINDS.get(kind.kind, kind.kind.replace("_", " "))
        click.echo(f"  {kind.count:>8,}  {name}")
    click.echo()
    for each in report.left_out[:MOST_LISTED]:
        click.echo("  " + printable(each.path))
        click.echo(textwrap.indent(_filled(each.because, NARROW - 6), " " * 6))
    if len(report.left_out) > MOST_LISTED:
        more = len(report.left_out) - MOST_LISTED
        click.echo(f"  … and {more:,} more; rejected.csv in the dataset has all of them")


def _show_list(title: str, lines: list[str]) -> None:
    if not lines:
        return
    click.echo(f"\n{title}")
    for line in lines[:MOST_LISTED]:
        click.echo(textwrap.indent(_filled(line, NARROW - 4), "  "))
    if len(lines) > MOST_LISTED:
        click.echo(f"  … and {len(lines) - MOST_LISTED:,} more; --json has all of them")


def _filled(text: str, width: int) -> str:
    """A sentence in lines; names of files are not divided."""
    return textwrap.fill(printable(text), width, break_long_words=False, break_on_hyphens=False)
