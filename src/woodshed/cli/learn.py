"""`woodshed learn`: the whole way from a folder of music to a model that plays it."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from ..formats.limits import Limits
from ..recipes.learn_settings import LearnSettings
from .audition import lineup_option
from .options import json_option, settings_options
from .output import Column, clock, json_text, print_table, printable, progress

if TYPE_CHECKING:
    from ..recipes.learn import Learnt


@click.command()
@click.argument("folder", metavar="FOLDER")
@click.option("-o", "--out", required=True, metavar="OUT", help="The folder to make.")
@click.option("--force", is_flag=True, help="Begin anew, with other settings too.")
@click.option(
    "--language",
    default="events",
    show_default=True,
    help="How music is told: events (bars, players, notes), performance (one piano, in ms) or "
    "chorale (four voices, in sixteenths).",
)
@lineup_option
@settings_options(LearnSettings)
@settings_options(Limits)
@json_option
def learn(
    folder: str,
    out: str,
    force: bool,
    language: str,
    lineup: str,
    as_json: bool,
    **settings: Any,
) -> None:
    """Learn a folder of MIDI files: prepare, train, play four pieces, and make a page of it all.

    OUT then has the dataset, the models, music, sound, and index.html to open in a browser.
    Stopped, it goes on when it is called again; after files were added, only those are read.

    \b
    Example:
      woodshed learn ~/Music/midi -o learnt
      woodshed learn nocturnes -o learnt --lineup piano --pieces 6 --bars 32
      woodshed learn songs -o learnt --families ngram,transformer --max-minutes 10
    """
    from ..recipes.learn import learn as make
    from ..training.progress import report_for

    limits = Limits(**{name: settings.pop(name) for name in Limits.__dataclass_fields__})
    learnt = make(
        folder,
        out,
        LearnSettings(**settings),
        lineup=lineup,
        language=language,
        limits=limits,
        force=force,
        report=report_for(plain=False),
        watch=progress,
    )
    show_learnt(learnt, as_json=as_json)


def show_learnt(learnt: Learnt, hint: str = "", *, as_json: bool) -> None:
    """What came of a folder, for a person or a program; `hint` is a sentence more."""
    summary = learnt.report.summary
    if as_json:
        told = {
            "page": learnt.page,
            "dataset": learnt.dataset,
            "model": learnt.model,
            "hash": learnt.info.hash,
            "files": summary.files,
            "learnt_from": summary.pieces,
            "notes": summary.notes,
            "left_out": [asdict(each) for each in learnt.report.left_out],
            "warnings": list(learnt.report.warnings),
            "training": dict(learnt.info.training),
            "trained": learnt.trained,
            "models": [
                {
                    "family": model.family,
                    "path": model.path,
                    "hash": model.info.hash,
                    "training": dict(model.info.training),
                    "trained": model.trained,
                    "seconds": model.seconds,
                }
                for model in learnt.models
            ],
            "pieces": [dict(asdict(piece), tags=dict(piece.tags)) for piece in learnt.pieces],
            "seconds": dict(learnt.seconds),
            "hint": hint or None,
        }
        click.echo(json_text(told), nl=False)
        return
    known = [
        (model.family, model.info.training.get("bits_per_note_while_learning"))
        for model in learnt.models
    ]
    bits = [
        (f"{family}: " if len(known) > 1 else "") + f"{value:g} bits per note"
        for family, value in known
        if value is not None
    ]
    click.echo(
        f"{summary.pieces:,} pieces of {summary.files:,} files, {summary.notes:,} notes"
        + (f"; {', '.join(bits)} on pieces not learnt from" if bits else "")
    )
    for kind in summary.left_out:
        click.echo(f"left out: {kind.count:,} ({kind.kind.replace('_', ' ')})")
    click.echo()
    columns = (
        Column("piece", wide=True, path=True),
        Column("seed", figures=True),
        Column("bars", figures=True),
        Column("notes", figures=True),
        Column("time", figures=True),
    )
    rows = [
        (
            piece.path,
            str(piece.seed),
            "" if piece.bars is None else str(piece.bars),
            f"{piece.notes:,}",
            clock(piece.seconds),
        )
        for piece in learnt.pieces
    ]
    print_table(columns, rows)
    times = ", ".join(
        f"{name.replace('_', ' ')} {spent:.1f}" for name, spent in learnt.seconds.items()
    )
    if hint:
        click.echo(f"\n{hint}")
    click.echo(f"\nSeconds: {times}; {sum(learnt.seconds.values()):.1f} in all.")
    click.echo(f"To hear and see it, open {printable(learnt.page)} in a browser.")
