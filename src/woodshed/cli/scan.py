"""`woodshed scan`: the inventory of a folder, file by file, with quality and what is rejected."""

from __future__ import annotations

import dataclasses
import os
import textwrap
from typing import TYPE_CHECKING, Any

import click

from ..corpus.quality_settings import QualitySettings
from ..corpus.texts import counted
from ..errors import BadFolder
from ..formats.limits import Limits
from .audition import csv_option, lineup_option
from .options import json_option, out_option, settings_options
from .output import (
    NARROW,
    Column,
    choose_outputs,
    csv_text,
    deliver,
    json_text,
    print_table,
    printable,
    progress,
)

if TYPE_CHECKING:
    from ..corpus.inventory import FileRecord, Inventory

MOST_NAMED = 20
"""How many files or groups are named in a row on screen; a file that is written has them all."""

REASONS = {
    "unreadable": "cannot be read",
    "lineup": "have no part that the lineup has a slot for",
}


@click.command()
@click.argument("folder", metavar="FOLDER")
@lineup_option
@json_option
@csv_option
@out_option("Write the inventory to FILE (.csv, .parquet or .json).")
@settings_options(QualitySettings)
@settings_options(Limits)
def scan(
    folder: str,
    lineup: str,
    as_json: bool,
    as_csv: bool,
    out: str | None,
    force: bool,
    **settings: Any,
) -> None:
    """What is in a folder, file by file: length, tempo, key, notes, quality, or why not.

    Every MIDI file below FOLDER has its line, those too that cannot be read or are no music to
    learn from; docs/quality.md says what quality means.

    \b
    Example:
      woodshed scan songs
      woodshed scan songs -o inventory.csv --least-notes 16
      woodshed scan songs -o inventory.parquet --lineup quartet
    """
    from ..corpus.folder import list_midi
    from ..corpus.inventory import inventory, look_into
    from ..music.lineup import load_lineup

    forms = ("csv", "parquet", "json")
    outputs = choose_outputs(out, json=as_json, csv=as_csv, force=force, forms=forms)
    quality = QualitySettings(**_taken(QualitySettings, settings))
    limits = Limits(**_taken(Limits, settings))
    slots = load_lineup(lineup)
    listing = list_midi(folder)
    for unreadable in listing.unreadable:
        click.echo(f"not opened: {printable(unreadable)}", err=True)
    outcomes = look_into(listing.paths, slots, limits, quality)
    found = inventory(folder, slots, progress(outcomes, len(listing.paths), "reading"))
    for form, place in outputs:
        _hand_over(found, form, place, force=force)
    _show_rejected(found, err=("table", None) not in outputs)
    if all(record.rejected_by == "unreadable" for record in found.records):
        files = counted(len(found.records), "MIDI file")
        raise BadFolder(f"of {files} in {folder} none could be read")


def _taken(kind: type, settings: dict[str, Any]) -> dict[str, Any]:
    return {field.name: settings[field.name] for field in dataclasses.fields(kind)}


def _hand_over(found: Inventory, form: str, out: str | None, *, force: bool) -> None:
    """The inventory in the form asked for, to a file or to standard output."""
    if form == "table":
        _show(found)
    elif form == "parquet":
        assert out is not None
        _write_parquet(found, out, force=force)
    elif form == "json":
        titles = tuple(found.columns)
        rows = [dict(zip(titles, row, strict=True)) for row in found.rows()]
        deliver(json_text(rows), out, force=force)
    else:
        deliver(csv_text(tuple(found.columns), found.rows()), out, force=force)


def _write_parquet(found: Inventory, out: str, *, force: bool) -> None:
    from pyarrow import parquet

    from ..formats.files import written_whole

    with written_whole(out, force=force) as temporary:
        parquet.write_table(found.to_table(), temporary)
    click.echo(f"written: {printable(out)}", err=True)


def _show(found: Inventory) -> None:
    rows = [_line(found.folder, record) for record in found.records if record.notes is not None]
    if rows:
        figures = ("length", "BPM", "metre", "key", "bars", "notes", "played", "quality")
        words = ("key", "played")
        columns = [
            Column("file", wide=True, path=True),
            *(Column(title, figures=title not in words) for title in figures),
        ]
        print_table(columns, rows)
    _show_duplicates(found)


def _line(folder: str, record: FileRecord) -> tuple[str, ...]:
    assert record.quality is not None
    minutes, seconds = divmod(round(record.duration_seconds or 0), 60)
    return (
        os.path.relpath(record.path, folder),
        f"{minutes}:{seconds:02}",
        f"{record.tempo_bpm:.0f}",
        record.metres[0] + ("…" if len(record.metres) > 1 else ""),
        record.key or "none",
        f"{record.bars:,}",
        f"{record.notes:,}",
        "by hand" if record.is_performed else "on grid",
        f"{record.quality.score:.2f}",
    )


def _show_duplicates(found: Inventory) -> None:
    """The groups of files that share their music."""
    groups = found.duplicates
    if not groups:
        return
    files = sum(len(records) for records in groups.values())
    click.echo(f"\nNear-duplicates, {files:,} files in {counted(len(groups), 'group')}:\n")
    for records in list(groups.values())[:MOST_NAMED]:
        names = (printable(os.path.relpath(record.path, found.folder)) for record in records)
        first, *others = textwrap.wrap(", ".join(names), NARROW - 6)
        click.echo("\n".join(["  " + first, *(" " * 6 + line for line in others)]))
    if len(groups) > MOST_NAMED:
        click.echo(f"  … and {len(groups) - MOST_NAMED:,} more; -o inventory.csv has all of them")


def _show_rejected(found: Inventory, *, err: bool = False) -> None:
    """How many files there are, and every reason with its count and its files."""
    rejected = found.rejected
    total = counted(len(found.records), "file")
    click.echo(f"\n{total}, {len(rejected):,} of them rejected", err=err)
    by_rule: dict[str, list[FileRecord]] = {}
    for record in rejected:
        by_rule.setdefault(str(record.rejected_by), []).append(record)
    for rule, records in sorted(by_rule.items(), key=lambda item: -len(item[1])):
        reason = REASONS.get(rule) or f"break --{rule.replace('_', '-')}"
        click.echo(f"\n{len(records):>7,}  {reason}:\n", err=err)
        for record in records[:MOST_NAMED]:
            click.echo("  " + printable(os.path.relpath(record.path, found.folder)), err=err)
            because = textwrap.fill(printable(str(record.rejected_because)), NARROW - 6)
            click.echo(textwrap.indent(because, " " * 6), err=err)
        if len(records) > MOST_NAMED:
            more = len(records) - MOST_NAMED
            click.echo(f"  … and {more:,} more; -o inventory.csv has all of them", err=err)
