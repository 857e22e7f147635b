"""`woodshed check`: what a token language does to the pieces of a dataset."""

from __future__ import annotations

from typing import Any

import click

from ..errors import WoodshedError
from .options import json_option, out_option
from .output import (
    Column,
    choose_form,
    csv_text,
    deliver,
    json_text,
    print_table,
    progress,
)

MOST_SHOWN = 20


@click.command()
@click.argument("dataset", metavar="DATASET")
@click.option(
    "--language",
    default="events",
    show_default=True,
    metavar="NAME",
    help="The token language: events or performance.",
)
@json_option
@click.option("--csv", "as_csv", is_flag=True, help="Print a line for each piece as CSV.")
@out_option("Write the result to FILE (.json or .csv) instead.")
def check(
    dataset: str, language: str, as_json: bool, as_csv: bool, out: str | None, force: bool
) -> None:
    """Take every piece into tokens and back, and tell what grid and bins changed.

    \b
    Example:
      woodshed check blues.data
      woodshed check blues.data --language performance -o check.csv
    """
    from ..corpus.dataset import Dataset
    from ..tokens.check import check_pieces

    form = choose_form(out, json=as_json, csv=as_csv, force=force)
    opened = Dataset.open(dataset)
    rows: list[dict[str, Any]] = list(
        progress(check_pieces(opened, language), len(opened), "checking")
    )
    if form == "json":
        deliver(json_text(rows), out, force=force)
    elif form == "csv":
        deliver(csv_text(tuple(rows[0]), [list(r.values()) for r in rows]), out, force=force)
    else:
        _show(rows, language)
    broken = [row["path"] for row in rows if not row["is_exact"]]
    if broken:
        raise WoodshedError(
            f"{len(broken)} of {len(rows)} pieces do not come back exactly, {broken[0]} among "
            "them; please report this"
        )


def _show(rows: list[dict[str, Any]], language: str) -> None:
    notes = sum(row["notes"] for row in rows)
    kept = sum(row["notes_kept"] for row in rows)
    tokens = sum(row["tokens"] for row in rows)
    exact = sum(row["is_exact"] for row in rows)
    click.echo(
        f"{exact:,} of {len(rows):,} pieces come back exactly from {language}\n\n"
        f"  tokens    {tokens:,}, {tokens / max(kept, 1):.2f} a note\n"
        f"  notes     {notes:,}, of which {kept:,} are told (the rest doubled another, or drums)\n"
    )
    click.echo("The pieces that change most:\n")
    figures = ("notes", "told", "shift ms", "most ms", "velocity", "grammar")
    columns = [Column("piece", wide=True, path=True), *(Column(f, figures=True) for f in figures)]
    worst = sorted(rows, key=lambda row: -row["onset_shift_ms"])[:MOST_SHOWN]
    print_table(
        columns,
        (
            (
                row["path"],
                f"{row['notes']:,}",
                f"{row['notes_kept']:,}",
                f"{row['onset_shift_ms']:.1f}",
                f"{row['most_onset_shift_ms']:.0f}",
                f"{row['velocity_shift']:.1f}",
                f"{row['grammar_score']:.2f}",
            )
            for row in worst
        ),
    )
