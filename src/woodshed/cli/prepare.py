"""`woodshed prepare`: a folder of music becomes a clean, split dataset."""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from ..corpus.quality_settings import QualitySettings
from ..errors import UsageError
from ..formats.limits import Limits
from .audition import lineup_option
from .options import json_option, settings_options
from .output import json_text, progress

if TYPE_CHECKING:
    from ..corpus.prepare import PrepareReport


@click.command()
@click.argument("folder", metavar="FOLDER")
@click.option(
    "-o",
    "--out",
    required=True,
    metavar="DATASET",
    help="The folder to make; a dataset that is there already is brought up to date.",
)
@lineup_option
@click.option(
    "--splits",
    "splits_csv",
    metavar="FILE.csv",
    help="Official splits: a CSV with a file and train, validation or test in each row.",
)
@click.option(
    "--shares",
    default="80/10/10",
    show_default=True,
    metavar="TRAIN/VALIDATION/TEST",
    help="How to split, in percent, where no official splits are given.",
)
@click.option("--licence", metavar="NAME", help="The licence of pieces whose tags name none.")
@json_option
@click.option("--force", is_flag=True, help="Make the dataset anew, whatever is there of it.")
@settings_options(QualitySettings)
@settings_options(Limits)
def prepare(
    folder: str,
    out: str,
    lineup: str,
    splits_csv: str | None,
    shares: str,
    licence: str | None,
    as_json: bool,
    force: bool,
    **settings: Any,
) -> None:
    """Make a dataset of a folder of MIDI files: placed in slots, judged and split.

    Killed, it goes on when it is called again. A folder that has not changed is no work, and an
    added file is the only work.

    \b
    Example:
      woodshed prepare songs -o songs.dataset
      woodshed prepare maestro -o maestro.dataset --lineup piano --splits maestro-v3.0.0.csv
    """
    from ..corpus.prepare import prepare as make

    limits = Limits(**{name: settings.pop(name) for name in Limits.__dataclass_fields__})
    report = make(
        folder,
        out,
        lineup,
        QualitySettings(**settings),
        _shares(shares),
        splits_csv,
        licence=licence,
        limits=limits,
        force=force,
        watch=progress,
    )
    if as_json:
        click.echo(json_text(_as_json(report)), nl=False)
    else:
        from .prepare_show import show_report

        show_report(folder, report)


def _shares(text: str) -> tuple[float, float, float]:
    """Three shares from percentages such as 80/10/10, or from fractions such as 0.8/0.1/0.1."""
    example = "give three percentages that sum to 100, such as 80/10/10"
    try:
        train, validation, test = (float(part) for part in text.split("/"))
    except ValueError:
        raise UsageError(f"--shares {text} makes no sense; {example}") from None
    whole = train + validation + test
    if not (math.isfinite(whole) and min(train, validation, test) >= 0):
        raise UsageError(f"--shares {text} makes no sense; {example}")
    for unit in (1, 100):
        if math.isclose(whole, unit, rel_tol=1e-6):
            return train / unit, validation / unit, test / unit
    raise UsageError(f"--shares {text} sum to {whole:g}; {example}")


def _as_json(report: PrepareReport) -> dict[str, Any]:
    told = asdict(report)
    told["tags_not_read"] = [{"path": b.path, "reason": b.reason} for b in report.tags_not_read]
    return told
