"""What `woodshed audition` shows a person: tables that read well in 80 columns."""

from __future__ import annotations

import os
import textwrap
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import click

from .output import NARROW, Column, clock, print_table, printable

if TYPE_CHECKING:
    from ..corpus.survey import FileFacts, Totals
    from ..errors import BadFile
    from ..formats.contain import Outcome

MOST_REJECTED = 20


def show_stats(folder: str, totals: Totals) -> None:
    """Totals of a folder, and its slots before and after the program fallback."""
    rejected = f", {len(totals.rejected):,} rejected" if totals.rejected else ""
    click.echo(f"{printable(folder)}: {totals.files:,} MIDI files read{rejected}\n")
    if totals.files:
        tempo = totals.median_tempo_bpm
        metres = ", ".join(f"{metre} {n:,}" for metre, n in totals.metres.most_common(5))
        _show_pairs(
            ("length", _duration(totals.duration_seconds)),
            ("bars", f"{totals.bars:,}"),
            ("notes", f"{totals.notes:,}"),
            ("parts", f"{totals.parts:,}, {totals.unnamed_parts:,} of them without a name"),
            ("tempo", "none" if tempo is None else f"{tempo:.0f} BPM in the middle file"),
            ("metres", metres or "none"),
        )
        if totals.silent:
            _show_pairs(("no notes", _files(totals.silent)))
        click.echo(f"\nNotes for each slot of the lineup {totals.lineup.name}:\n")
        columns = (
            Column("slot"),
            Column("parts", figures=True),
            Column("by name alone", figures=True),
            Column("with programs", figures=True),
            Column("notes", figures=True),
        )
        print_table(
            columns,
            (
                (
                    slot.slot,
                    f"{slot.parts:,}",
                    _share(slot.notes_by_name, totals.notes),
                    _share(slot.notes, totals.notes),
                    f"{slot.notes:,}",
                )
                for slot in totals.slots.values()
            ),
        )
    _show_counts(f"Mended, in {_files(totals.repaired_files)}:", totals.repairs)
    _show_counts("Left out:", totals.left_out)
    _show_rejected(folder, totals.rejected, MOST_REJECTED)


def show_list(folder: str, outcomes: Iterable[Outcome[FileFacts]]) -> None:
    """A line for each file, then the files that could not be read."""
    rows, rejected = [], []
    for outcome in outcomes:
        if outcome.bad is not None:
            rejected.append(outcome.bad)
            continue
        facts = outcome.unwrap()
        rows.append(
            (
                os.path.relpath(outcome.path, folder),
                clock(facts.duration_seconds),
                f"{facts.bars:,}",
                f"{facts.tempo_bpm:.0f}",
                facts.metres[0] + ("…" if len(facts.metres) > 1 else ""),
                str(len(facts.parts)),
                f"{facts.notes:,}",
            )
        )
    if rows:
        figures = ("length", "bars", "BPM", "metre", "parts", "notes")
        columns = [
            Column("file", wide=True, path=True),
            *(Column(t, figures=True) for t in figures),
        ]
        print_table(columns, rows)
    _show_rejected(folder, rejected)


def _show_rejected(folder: str, rejected: Sequence[BadFile], most: int | None = None) -> None:
    if not rejected:
        return
    click.echo(f"\nRejected, {_files(len(rejected))}:\n")
    for bad in rejected[:most]:
        click.echo("  " + printable(os.path.relpath(bad.path, folder)))
        click.echo(textwrap.indent(textwrap.fill(printable(bad.reason), NARROW - 6), " " * 6))
    if most is not None and len(rejected) > most:
        click.echo(f"  … and {len(rejected) - most:,} more; `audition list` shows all of them")


def show_info(facts: FileFacts) -> None:
    """One file and its parts."""
    click.echo(f"{printable(facts.path)}\n")
    _show_pairs(
        ("type", f"MIDI file of type {facts.midi_type}"),
        ("length", f"{clock(facts.duration_seconds)}, {facts.bars:,} bars"),
        ("tempo", f"{facts.tempo_bpm:g} BPM for the longest time"),
        ("metres", ", ".join(facts.metres)),
        ("notes", f"{facts.notes:,}"),
    )
    click.echo()
    columns = (
        Column("part", wide=True),
        Column("channel", figures=True),
        Column("program", figures=True),
        Column("drums"),
        Column("slot"),
        Column("because of"),
        Column("notes", figures=True),
        Column("range"),
    )
    print_table(
        columns,
        (
            (
                part.name or "(no name)",
                "" if part.channel is None else str(part.channel + 1),
                str(part.program),
                "yes" if part.is_drum else "",
                part.slot,
                part.reason,
                f"{part.notes:,}",
                f"{part.lowest_pitch}–{part.highest_pitch}",
            )
            for part in facts.parts
        ),
    )
    _show_counts("Mended:", {(r.kind, r.sentence): r.count for r in facts.repairs})
    _show_counts("Left out:", {(r.kind, r.sentence): r.count for r in facts.left_out})


def _show_pairs(*pairs: tuple[str, str]) -> None:
    for name, value in pairs:
        click.echo(f"  {name:<9} {value}")


def _show_counts(title: str, table: dict[tuple[str, str], int]) -> None:
    if not table:
        return
    click.echo(f"\n{title}")
    for (_, sentence), count in sorted(table.items(), key=lambda item: -item[1]):
        lines = textwrap.wrap(sentence, NARROW - 12)
        click.echo(f"  {count:>8,}  " + ("\n" + " " * 12).join(lines))


def _files(count: int) -> str:
    return f"{count:,} file" + ("s" if count != 1 else "")


def _share(part: int, whole: int) -> str:
    return f"{part / whole:.1%}" if whole else "–"


def _duration(seconds: float) -> str:
    minutes = round(seconds / 60)
    return f"{minutes // 60:,} h {minutes % 60} min" if minutes >= 60 else clock(seconds) + " min"
