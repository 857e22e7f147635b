"""What `woodshed check` shows a person."""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from typing import TYPE_CHECKING

import click

from .output import NARROW, Column, clock, print_table

if TYPE_CHECKING:
    from ..tokens.check import CheckReport, PieceCheck

BECAUSE = {
    "performance": "performance has no drums: ",
    "chorale": "chorale tells four voices, each a part of its own: ",
}
WHY_LEFT_OUT = {"chorale": "as they are in no voice"}
MOST_SHOWN = 20
MOST_LISTED = 10


def show_check(report: CheckReport) -> None:
    """What comes back, what was lost on the way, and which tokens are used."""
    empty, pieces = len(report.empty), len(report.pieces)
    exact = pieces - len(report.broken) - sum(piece.trip.is_exact for piece in report.empty)
    click.echo(f"{exact:,} of {pieces:,} pieces come back exactly from {report.language}")
    if empty:
        because = BECAUSE.get(report.language, "")
        are = "is" if empty == 1 else "are"
        click.echo(f"{because}{empty:,} of the pieces {are} empty in it")
    _show_totals(report)
    if empty == pieces:
        return
    _show_left_out(report)
    _show_vocabulary(report)
    _show_pieces(report)


def _show_totals(report: CheckReport) -> None:
    total = report.totals
    told = f"{total['notes']:,}, of which {total['notes_told']:,} are told"
    lost = [
        f"{total[name]:,} {what}"
        for name, what in (
            ("notes_merged", "merged as they doubled another"),
            (
                "notes_left_out",
                "left out, " + WHY_LEFT_OUT.get(report.language, "as they are drums"),
            ),
        )
        if total[name]
    ]
    each = f", {total['tokens'] / total['notes_told']:.2f} a note" if total["notes_told"] else ""
    lines = [
        ("tokens", f"{total['tokens']:,}{each}"),
        ("notes", told),
        *(("", line) for line in lost),
    ]
    if total["notes_told"]:
        lines += _changes(report)
    click.echo()
    for name, text in lines:
        click.echo(f"  {name:<9} " + ("\n" + " " * 12).join(textwrap.wrap(text, NARROW - 12)))


def _changes(report: CheckReport) -> list[tuple[str, str]]:
    """How far what is told has moved, and what is not told."""
    total = report.totals
    dropped = [
        f"{total[name]:,} {what}"
        for name, what in (
            ("tempo_changes_dropped", "tempo changes"),
            ("metre_changes_dropped", "metre changes"),
            ("keys_dropped", "keys"),
            ("pedal_events_dropped", "pedal events"),
        )
        if total[name]
    ]
    held = total["pedal_events"] - total["pedal_events_dropped"]
    lines = [
        ("starts", _moved(total["onset_shift_ms"], total["most_onset_shift_ms"])),
        ("lengths", _moved(total["length_shift_ms"], total["most_length_shift_ms"])),
        ("velocity", f"moved by {total['velocity_shift']:.1f} of 127 in the middle piece"),
        (
            "time",
            f"{clock(total['seconds_before'])} before, {clock(total['seconds_after'])} after",
        ),
        ("dropped", ", ".join(dropped) or "nothing"),
    ]
    if held:
        lines.append(("pedal", f"{held:,} events written into the lengths of the notes"))
    return lines


def _moved(middle: float, most: float) -> str:
    return f"moved by {middle:,.1f} ms in the middle piece, by {most:,.0f} ms at most"


def _show_left_out(report: CheckReport) -> None:
    """The pieces that training leaves out, empty ones aside, which have been told."""
    low = [piece for piece in report.left_out if piece.trip.notes_told]
    if not low:
        return
    click.echo(f"\nLeft out of training, as their grammar score is under {report.least_score:g}:\n")
    low.sort(key=lambda piece: piece.grammar_score)
    print_table(
        [Column("piece", wide=True, path=True), Column("score", figures=True)],
        ((piece.path, f"{piece.grammar_score:.2f}") for piece in low[:MOST_LISTED]),
    )
    if len(low) > MOST_LISTED:
        click.echo(f"… and {len(low) - MOST_LISTED:,} more; --json has all of them")


def _show_vocabulary(report: CheckReport) -> None:
    by = " ".join(f"±{number}" for number in report.semitones if number > 0)
    click.echo("\nTokens that the pieces to train on use:\n")
    columns = [Column("group"), Column("as they are", figures=True)]
    columns += [Column(f"also {by}", figures=True)] if by else []
    columns += [Column("left out", figures=True), Column("of", figures=True)]
    rows = [(g.group, g.used, g.used_transposed, g.tokens) for g in report.vocabulary if g.tokens]
    rows.append(("all", *(sum(column) for column in list(zip(*rows, strict=True))[1:])))
    print_table(
        columns,
        (
            (
                group,
                f"{used:,}",
                *((f"{transposed:,}",) if by else ()),
                f"{tokens - transposed:,}",
                f"{tokens:,}",
            )
            for group, used, transposed, tokens in rows
        ),
    )


# Few, so that names can be read in 80 columns; those in which no piece has anything are not shown.
_COLUMNS: tuple[tuple[str, Callable[[PieceCheck], float], str], ...] = (
    ("lost", lambda piece: piece.trip.notes_merged + piece.trip.notes_left_out, ",.0f"),
    ("start ms", lambda piece: piece.trip.onset_shift_ms, ",.1f"),
    ("tempos", lambda piece: piece.trip.tempo_changes_dropped, ",.0f"),
    ("pedal", lambda piece: piece.trip.pedal_events_dropped, ",.0f"),
)


def _show_pieces(report: CheckReport) -> None:
    changed = sorted(report.pieces, key=_change, reverse=True)[:MOST_SHOWN]
    shown = [column for column in _COLUMNS if any(column[1](piece) for piece in changed)]
    click.echo("\nThe pieces that change most, and how many notes, tempo changes and pedal events")
    click.echo("they lose; -o check.csv has all pieces and more columns:\n")
    titles = (*(title for title, _, _ in shown), "before", "after")
    print_table(
        [Column("piece", wide=True, path=True), *(Column(t, figures=True) for t in titles)],
        (
            (
                piece.path,
                *(format(figure(piece), form) for _, figure, form in shown),
                clock(piece.trip.seconds_before),
                clock(piece.trip.seconds_after),
            )
            for piece in changed
        ),
    )


def _change(piece: PieceCheck) -> tuple[float, float]:
    """How much shorter or longer a piece becomes, then how far its notes move."""
    trip = piece.trip
    stretched = abs(trip.seconds_after - trip.seconds_before) / max(trip.seconds_before, 1.0)
    return round(stretched, 2), trip.onset_shift_ms
