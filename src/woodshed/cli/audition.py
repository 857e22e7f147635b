"""`woodshed audition`: what is in a folder or a file, before anything is done with it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import asdict, fields
from typing import TYPE_CHECKING, Any

import click

from ..corpus.texts import counted
from ..errors import BadFolder, UsageError
from ..formats.limits import Limits
from ..listening.sound_settings import SoundSettings
from .audition_show import show_info, show_list, show_stats
from .options import json_option, out_option, settings_options
from .output import choose_outputs, csv_text, deliver, json_text, printable, progress
from .sound_options import from_zero, programs_option, reader_options, taken_limits, taken_sound

if TYPE_CHECKING:
    from ..corpus.survey import FileFacts, Totals
    from ..formats.contain import Outcome
    from ..listening.playing import Programs


@click.group()
def audition() -> None:
    """Look at a folder of MIDI files, or at one file.

    \b
    Example:
      woodshed audition stats songs
    """


lineup_option = click.option(
    "--lineup",
    default="band",
    show_default=True,
    metavar="NAME|FILE.toml",
    help="The slots that parts are placed in: band, quartet, piano, kit, gm, or a file of yours.",
)
csv_option = click.option(
    "--csv", "as_csv", is_flag=True, help="Print the result as CSV on standard output."
)


@audition.command()
@click.argument("folder", metavar="FOLDER")
@lineup_option
@json_option
@csv_option
@out_option("Write the result to FILE (.json or .csv) instead.")
@settings_options(Limits)
def stats(
    folder: str,
    lineup: str,
    as_json: bool,
    as_csv: bool,
    out: str | None,
    force: bool,
    **limits: Any,
) -> None:
    """Totals over a folder: files, notes, tempos, slots before and after the program fallback.

    \b
    Example:
      woodshed audition stats songs
      woodshed audition stats songs --lineup quartet --json
    """
    from ..corpus.survey import Totals
    from ..music.lineup import load_lineup

    outputs = choose_outputs(out, json=as_json, csv=as_csv, force=force)
    totals = Totals(load_lineup(lineup))
    for outcome in _survey(folder, lineup, Limits(**limits)):
        totals.add(outcome)
    for form, place in outputs:
        if form == "json":
            deliver(json_text(_stats(totals)), place, force=force)
        elif form == "csv":
            titles = ("slot", "parts", "notes_by_name", "notes")
            rows = [[getattr(slot, t) for t in titles] for slot in totals.slots.values()]
            deliver(csv_text(titles, rows), place, force=force)
        else:
            show_stats(folder, totals)
    if not totals.files:
        raise _nothing_readable(folder, len(totals.rejected))


@audition.command("list")
@click.argument("folder", metavar="FOLDER")
@lineup_option
@json_option
@csv_option
@out_option("Write the list to FILE (.json or .csv) instead.")
@settings_options(Limits)
def list_(
    folder: str,
    lineup: str,
    as_json: bool,
    as_csv: bool,
    out: str | None,
    force: bool,
    **limits: Any,
) -> None:
    """A line for each file: length, bars, tempo, metre, parts and notes, or why it is rejected.

    CSV and JSON also name the slots that play.

    \b
    Example:
      woodshed audition list songs
      woodshed audition list songs -o songs.csv
    """
    outputs = choose_outputs(out, json=as_json, csv=as_csv, force=force)
    outcomes = list(_survey(folder, lineup, Limits(**limits)))
    for form, place in outputs:
        if form == "json":
            deliver(json_text([_as_row(o) for o in outcomes]), place, force=force)
        elif form == "csv":
            rows = [list(_as_row(o).values()) for o in outcomes]
            deliver(csv_text(ROW, rows), place, force=force)
        else:
            show_list(folder, outcomes)
    if all(outcome.bad is not None for outcome in outcomes):
        raise _nothing_readable(folder, len(outcomes))


@audition.command()
@click.argument("file", metavar="FILE")
@lineup_option
@json_option
@csv_option
@out_option("Write the result to FILE (.json or .csv) instead.")
@settings_options(Limits)
def info(
    file: str, lineup: str, as_json: bool, as_csv: bool, out: str | None, force: bool, **limits: Any
) -> None:
    """One file: its parts with name, drum flag, program, slot, notes and range; what was mended.

    \b
    Example:
      woodshed audition info songs/blues.mid
    """
    from ..corpus.survey import PartFacts, inspect

    outputs = choose_outputs(out, json=as_json, csv=as_csv, force=force)
    if os.path.isdir(file):
        raise UsageError(
            f"{file} is a folder, and a file is wanted here; `woodshed audition list {file}` "
            "shows its files"
        )
    facts = inspect(file, lineup, Limits(**limits))
    for form, place in outputs:
        if form == "json":
            deliver(json_text(asdict(facts)), place, force=force)
        elif form == "csv":
            titles = tuple(field.name for field in fields(PartFacts))
            rows = [list(asdict(part).values()) for part in facts.parts]
            deliver(csv_text(titles, rows), place, force=force)
        else:
            show_info(facts)


@audition.command()
@click.argument("path", metavar="FILE|FOLDER")
@lineup_option
@programs_option
@click.option("--solo", metavar="SLOT", help="Only this slot, to begin with.")
@click.option("--start-bar", type=int, help="Begin with this bar, counted from 1.")
@settings_options(SoundSettings)
@reader_options
def play(
    path: str,
    lineup: str,
    programs: Programs,
    solo: str | None,
    start_bar: int | None,
    **settings: Any,
) -> None:
    """Listen to a file or a folder, through the sound card.

    Keys: space pauses, n is the next piece and p the one before, 1 to 9 let one slot be heard
    alone (once more, or 0: all of them), q stops. Needs the extra `play`: pip install
    woodshed[play].

    \b
    Example:
      woodshed audition play songs
      woodshed audition play songs/blues.mid --solo bass --start-bar 13
    """
    from .play import play_path

    sound = taken_sound(settings)
    play_path(path, sound, lineup, programs, solo, from_zero(start_bar), taken_limits(settings))


def _nothing_readable(folder: str, files: int) -> BadFolder:
    error = BadFolder(f"of {counted(files, 'MIDI file')} in {folder} none could be read")
    error.is_told = True
    return error


def _survey(folder: str, lineup: str, limits: Limits) -> Iterator[Outcome[FileFacts]]:
    from ..corpus.folder import list_midi
    from ..corpus.survey import survey_files

    listing = list_midi(folder)
    for unreadable in listing.unreadable:
        click.echo(f"not opened: {printable(unreadable)}", err=True)
    outcomes = survey_files(listing.paths, lineup, limits)
    return progress(outcomes, len(listing.paths), "reading")


ROW = (
    "path", "duration_seconds", "bars", "tempo_bpm", "metres", "parts", "notes", "slots",
    "repairs", "rejected_because",
)  # fmt: skip


def _as_row(outcome: Outcome[FileFacts]) -> dict[str, Any]:
    if outcome.bad is not None:
        empty: dict[str, Any] = dict.fromkeys(ROW)
        return empty | {"path": outcome.path, "rejected_because": outcome.bad.reason}
    facts = outcome.unwrap()
    values = (
        facts.path, facts.duration_seconds, facts.bars, facts.tempo_bpm, " ".join(facts.metres),
        len(facts.parts), facts.notes, " ".join(dict.fromkeys(p.slot for p in facts.parts)),
        sum(r.count for r in facts.repairs), None,
    )  # fmt: skip
    return dict(zip(ROW, values, strict=True))


def _stats(totals: Totals) -> dict[str, Any]:
    return {
        "files": totals.files,
        "rejected": [{"path": b.path, "reason": b.reason} for b in totals.rejected],
        "files_without_notes": totals.silent,
        "duration_seconds": round(totals.duration_seconds, 3),
        "bars": totals.bars,
        "notes": totals.notes,
        "parts": totals.parts,
        "unnamed_parts": totals.unnamed_parts,
        "median_tempo_bpm": totals.median_tempo_bpm,
        "metres": dict(totals.metres.most_common()),
        "lineup": totals.lineup.name,
        "slots": [asdict(slot) for slot in totals.slots.values()],
        "repaired_files": totals.repaired_files,
        "repairs": _counts(totals.repairs),
        "left_out": _counts(totals.left_out),
    }


def _counts(table: dict[tuple[str, str], int]) -> list[dict[str, Any]]:
    return [
        {"kind": kind, "count": count, "sentence": sentence}
        for (kind, sentence), count in sorted(table.items(), key=lambda item: -item[1])
    ]
