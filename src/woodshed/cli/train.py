"""`woodshed train`: a model of a dataset, or of a folder of music."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import click

from ..formats.limits import Limits
from ..models.ngram.settings import NgramSettings
from .audition import lineup_option
from .options import json_option, settings_options
from .output import json_text, printable, progress


@click.command()
@click.argument("source", metavar="DATASET_OR_FOLDER")
@click.option("-o", "--out", required=True, metavar="MODEL", help="The folder to make.")
@click.option("--force", is_flag=True, help="Replace a model that is there.")
@click.option("--family", default="ngram", show_default=True, help="The family of models: ngram.")
@click.option(
    "--language",
    default="events",
    show_default=True,
    help="How music is told: events (bars, players, notes) or performance (one piano, in ms).",
)
@lineup_option
@json_option
@settings_options(NgramSettings)
@settings_options(Limits)
def train(
    source: str,
    out: str,
    force: bool,
    family: str,
    language: str,
    lineup: str,
    as_json: bool,
    **settings: Any,
) -> None:
    """Train a model on a dataset, or on a folder of MIDI files, which becomes a dataset first.

    Stopped, it goes on when it is called again.

    \b
    Example:
      woodshed train songs -o songs.model
      woodshed train songs.dataset -o songs.model --memory 500MB
    """
    from ..recipes.train import train as make

    limits = Limits(**{name: settings.pop(name) for name in Limits.__dataclass_fields__})
    trained = make(
        source,
        out,
        family,
        language,
        NgramSettings(**settings),
        lineup=lineup,
        limits=limits,
        force=force,
        watch=progress,
    )
    info = trained.info
    if as_json:
        told = {
            "path": trained.path,
            "dataset": trained.dataset,
            "prepared": trained.prepared,
            "family": info.family,
            "language": info.language.language.name,
            "hash": info.hash,
            "vocabulary": len(info.vocabulary),
            "limits": asdict(info.limits),
            "settings": dict(info.settings),
            "training": dict(info.training),
        }
        click.echo(json_text(told), nl=False)
        return
    click.echo(f"{printable(trained.path)}: {info.family}, {info.language.language.name}\n")
    for name, value in info.training.items():
        shown = "none" if value is None else f"{value:,}"
        click.echo(f"  {name.replace('_', ' '):32} {shown}")
    if trained.prepared:
        click.echo(f"\nThe dataset is {printable(trained.dataset)}.")
    much = "--bars 16" if info.language.language.name == "events" else "--seconds 40"
    click.echo(f"\nNext: woodshed generate {printable(trained.path)} -o out.mid {much}")
