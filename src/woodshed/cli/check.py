"""`woodshed check`: what a token language does to the pieces of a dataset."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from ..errors import UsageError, WoodshedError
from ..formats.limits import Limits
from ..tokens.check_settings import CheckSettings
from .options import json_option, out_option, settings_options
from .output import choose_outputs, csv_text, deliver, json_text, progress

if TYPE_CHECKING:
    from ..tokens.check import CheckReport

MOST_SEMITONES = 60


@click.command()
@click.argument("dataset", metavar="DATASET")
@click.option(
    "--language",
    default="events",
    show_default=True,
    metavar="NAME",
    help="The token language: events, performance or chorale.",
)
@click.option(
    "--transpose",
    default="1,3,5",
    show_default=True,
    metavar="N,N,…",
    help="Also count the tokens that training will use transposed by so many semitones, up and "
    "down; 0 for none.",
)
@json_option
@click.option("--csv", "as_csv", is_flag=True, help="Print a line for each piece as CSV.")
@out_option("Write the result to FILE (.json or .csv) instead.")
@settings_options(CheckSettings)
@settings_options(Limits)
def check(
    dataset: str,
    language: str,
    transpose: str,
    as_json: bool,
    as_csv: bool,
    out: str | None,
    force: bool,
    least_score: float,
    **limits: Any,
) -> None:
    """Take every piece into tokens and back, and tell what grid and bins changed.

    The tokens are kept in the dataset, checked, and made anew where they do not fit. Pieces under
    --least-score are listed; training leaves them out.

    \b
    Example:
      woodshed check blues.data
      woodshed check blues.data --language performance -o check.csv
    """
    from ..tokens.check import check as compare

    outputs = choose_outputs(out, json=as_json, csv=as_csv, force=force)
    report = compare(
        dataset,
        language,
        settings=CheckSettings(least_score),
        semitones=_semitones(transpose),
        limits=Limits(**limits),
        watch=progress,
    )
    if report.rebuilt_because:
        click.echo(
            f"the tokens kept in {report.cache} did not fit ({report.rebuilt_because}); "
            "they were made anew",
            err=True,
        )
    for form, place in outputs:
        if form == "json":
            deliver(json_text(_as_json(report)), place, force=force)
        elif form == "csv":
            rows = _as_json(report)["pieces"]
            text = csv_text(tuple(rows[0]), [list(row.values()) for row in rows])
            deliver(text, place, force=force)
        else:
            from .check_show import show_check

            show_check(report)
    _complain(report)


def _semitones(text: str) -> tuple[int, ...]:
    """Up and down by each of the numbers in a list such as 1,3,5."""
    try:
        numbers = {abs(int(number)) for number in text.split(",")} - {0}
    except ValueError:
        numbers = {MOST_SEMITONES + 1}
    if max(numbers, default=0) > MOST_SEMITONES:
        raise UsageError(
            f"--transpose {text} makes no sense; give semitones up to {MOST_SEMITONES}, "
            "such as 1,3,5"
        )
    return tuple(sorted({sign * number for number in numbers for sign in (-1, 1)}))


def _as_json(report: CheckReport) -> dict[str, Any]:
    told = asdict(report)
    pieces = told.pop("pieces")
    for piece in pieces:
        piece |= piece.pop("trip")
    return told | {"totals": report.totals, "pieces": pieces}


TELLS_NO_MORE = {"chorale": "tells four voices, each a part of its own"}


def _complain(report: CheckReport) -> None:
    """End with an error where a language fails on a piece, or has nothing for a dataset."""
    if report.broken:
        error = WoodshedError(
            f"{len(report.broken):,} of {len(report.pieces):,} pieces do not come back exactly, "
            f"{report.broken[0].path} among them; please report this"
        )
    elif len(report.empty) == len(report.pieces):
        error = WoodshedError(
            f"no piece of {report.dataset} has a note in {report.language}, which "
            f"{TELLS_NO_MORE.get(report.language, 'has no drums')}; "
            "use --language events"
        )
    else:
        return
    error.is_told = True
    raise error
