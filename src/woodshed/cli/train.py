"""`woodshed train`: a model of a dataset, or of a folder of music."""

from __future__ import annotations

import dataclasses
from dataclasses import asdict
from typing import Any

import click
from click.core import ParameterSource

from ..errors import UsageError
from ..formats.limits import Limits
from ..models.neural.config import BACKBONES
from ..models.ngram.settings import NgramSettings
from ..training.devices import place_among
from ..training.progress import report_for
from ..training.settings import TrainingSettings, flag
from .audition import lineup_option
from .options import json_option, settings_options
from .output import json_text, printable, progress

OF_NGRAM = frozenset(field.name for field in dataclasses.fields(NgramSettings))
OF_NEURAL = frozenset(field.name for field in dataclasses.fields(TrainingSettings))
OF_BOTH = OF_NGRAM & OF_NEURAL


@click.command()
@click.argument("source", metavar="DATASET_OR_FOLDER")
@click.option("-o", "--out", required=True, metavar="MODEL", help="The folder to make.")
@click.option("--force", is_flag=True, help="Replace a model that is there, and begin anew.")
@click.option("--resume", is_flag=True, help="networks: go on with a training that was stopped.")
@click.option(
    "--family",
    default="ngram",
    show_default=True,
    help="The family of models: ngram (minutes, any machine), or a network, which needs PyTorch: "
    "transformer, mamba or lstm.",
)
@click.option(
    "--language",
    default="events",
    show_default=True,
    help="How music is told: events (bars, players, notes), performance (one piano, in ms) or "
    "chorale (four voices, in sixteenths).",
)
@lineup_option
@json_option
@click.option(
    "--plain",
    is_flag=True,
    help="ngram: one view only, the tokens as they are: a smaller, faster model that hears less. "
    "networks: progress in lines, for logs, not in a panel.",
)
@settings_options(NgramSettings, leave_out=OF_BOTH, of="ngram")
@click.option(
    "--settings",
    "settings_file",
    metavar="FILE",
    help="networks: settings from a TOML or YAML file; flags go before it.",
)
@settings_options(TrainingSettings, leave_out=OF_BOTH, of="networks")
@settings_options(Limits)
@click.pass_context
def train(
    ctx: click.Context,
    /,
    source: str,
    out: str,
    force: bool,
    resume: bool,
    family: str,
    language: str,
    lineup: str,
    as_json: bool,
    settings_file: str | None,
    **settings: Any,
) -> None:
    """Train a model on a dataset, or on a folder of MIDI files, which becomes a dataset first.

    Stopped, an n-gram training goes on when it is called again, that of a network with --resume.
    While a network learns, MODEL is the best so far, and can be played.

    \b
    Example:
      woodshed train songs -o songs.model
      woodshed train songs.dataset -o songs.model --memory 500MB
      woodshed train songs.dataset -o songs.model --family transformer --max-minutes 20
    """
    from ..recipes.train import train as make

    limits = Limits(**{name: settings.pop(name) for name in Limits.__dataclass_fields__})
    given = {
        name
        for name in (*settings, "resume", "settings_file")
        if ctx.get_parameter_source(name) is not ParameterSource.DEFAULT
    }
    chosen: Any
    if family == "ngram":
        _refuse(given & (OF_NEURAL - OF_BOTH | {"resume", "settings_file"}), BACKBONES)
        chosen = NgramSettings(**{name: settings[name] for name in OF_NGRAM})
    else:
        _refuse(given & (OF_NGRAM - OF_BOTH), ("ngram",))
        chosen = _from_file(settings_file) | {name: settings[name] for name in given & OF_NEURAL}
        TrainingSettings.from_dict(chosen)  # says now, and not after preparing, what makes no sense
    report = report_for(bool(settings["plain"])) if family != "ngram" else None
    try:
        trained = make(
            source,
            out,
            family,
            language,
            chosen,
            lineup=lineup,
            limits=limits,
            force=force,
            resume=resume,
            report=report,
            watch=progress,
        )
    finally:
        if report is not None:
            report.close()
    info = trained.info
    if place_among()[0]:  # the first of many processes speaks for all
        return
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
        click.echo(f"  {name.replace('_', ' '):32} {_shown(value)}")
    if trained.prepared:
        click.echo(f"\nThe dataset is {printable(trained.dataset)}.")
    much = "--seconds 40" if info.language.language.name == "performance" else "--bars 16"
    click.echo(f"\nNext: woodshed generate {printable(trained.path)} -o out.mid {much}")


def _refuse(given: set[str], others: tuple[str, ...]) -> None:
    """Refuse flags that say something to other families only."""
    if given:
        name = min(given)
        told = "--settings" if name == "settings_file" else flag(name)
        *first, last = others
        what, named = (
            ("networks", f"{', '.join(first)} or {last}") if first else (f"the family {last}", last)
        )
        raise UsageError(f"{told} is for {what}; leave it out, or choose --family {named}")


def _from_file(path: str | None) -> dict[str, Any]:
    if path is None:
        return {}
    from ..training.settings_file import read_settings

    return read_settings(path)


def _shown(value: object) -> str:
    if value is None:
        return "none"
    return f"{value:,}" if isinstance(value, int | float) else str(value)
