"""`woodshed compare`: how well models foretell music they never heard."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from ..corpus.texts import counted
from ..formats.limits import Limits
from .options import json_option, out_option, settings_options
from .output import (
    Column,
    choose_outputs,
    clock,
    csv_text,
    deliver,
    json_text,
    print_table,
    printable,
    progress,
)

if TYPE_CHECKING:
    from ..evaluation.resampling import Interval
    from ..recipes.compare import Comparison, Row


@click.command()
@click.argument("models", metavar="MODEL...", nargs=-1)
@click.option(
    "--on", "dataset", metavar="DATASET", required=True, help="The dataset they learned from."
)
@click.option(
    "--split",
    default="test",
    show_default=True,
    help="The pieces to score: test, or validation, by which trainings were judged.",
)
@click.option(
    "--pieces",
    type=int,
    default=None,
    help="Score so many at most, from all over the split; what --mix learns is left as it is.",
)
@click.option(
    "--mix",
    is_flag=True,
    help="Add the best mixtures of each other model with the n-gram model among them.",
)
@click.option("--no-speed", is_flag=True, help="Do not play the models to see how fast they are.")
@click.option(
    "--unseen",
    is_flag=True,
    help="Allow models of other data, which are known never to have heard these pieces.",
)
@json_option
@click.option("--csv", "as_csv", is_flag=True, help="Print a line for each row as CSV.")
@out_option("Write the result to FILE (.json or .csv), or a picture of it (.svg), instead.")
@settings_options(Limits)
def compare(
    models: tuple[str, ...],
    dataset: str,
    split: str,
    pieces: int | None,
    mix: bool,
    no_speed: bool,
    unseen: bool,
    as_json: bool,
    as_csv: bool,
    out: str | None,
    force: bool,
    **limits: Any,
) -> None:
    """Score models on pieces they never heard: bits per note, how sure that is, and what they cost.

    Fewer bits are better. Every token is foretold from what came before it in its piece, without a
    mask: all of it, but for a Transformer, which hears half its context at least. What cannot be
    compared is refused, with the reason. docs/compare.md says more.

    \b
    Example:
      woodshed compare ngram.model net.model --on blues.data
      woodshed compare ngram.model net.model --on blues.data --mix -o compared.svg
      woodshed compare net.model --on blues.data --split validation --pieces 20 --json
    """
    from ..recipes.compare import compare as recipe

    forms = ("json", "csv", "svg")
    outputs = choose_outputs(out, json=as_json, csv=as_csv, force=force, forms=forms)
    found = recipe(
        models,
        dataset,
        split=split,  # type: ignore[arg-type]  # it is checked there
        pieces=pieces,
        mix=mix,
        unseen=unseen,
        speed=not no_speed,
        limits=Limits(**limits),
        watch=progress,
    )
    for sentence in found.said:
        click.echo(f"note: {printable(sentence)}", err=True)
    for form, place in outputs:
        if form == "json":
            deliver(json_text(_as_json(found)), place, force=force)
        elif form == "csv":
            rows = [_flat(row) for row in found.rows]
            text = csv_text(tuple(rows[0]), [list(row.values()) for row in rows])
            deliver(text, place, force=force)
        elif form == "svg":
            deliver(_picture(found), place, force=force)
        else:
            _show(found)


def _as_json(found: Comparison) -> dict[str, Any]:
    told = asdict(found)
    told["best"] = found.best.name
    told["is_sure"] = found.is_sure
    told["is_enough"] = found.is_enough
    return told


def _flat(row: Row) -> dict[str, Any]:
    """A row of figures alone."""
    behind = row.behind
    return {
        "name": row.name,
        "family": row.family,
        "bits_per_note": row.bits_per_note.value,
        "low": row.bits_per_note.low,
        "high": row.bits_per_note.high,
        "behind": 0.0 if behind is None else behind.value,
        "behind_low": None if behind is None else behind.low,
        "behind_high": None if behind is None else behind.high,
        "by_chance": row.by_chance,
        "bits_per_second": row.bits_per_second.value,
        "nats_per_token": row.nats_per_token.value,
        "parameters": None if row.held is None else row.held.parameters,
        "bytes_on_disk": None if row.held is None else row.held.bytes_on_disk,
        "tokens_a_second": None if row.speed is None else row.speed.alone,
        "tokens_a_second_together": None if row.speed is None else row.speed.together,
    }


def _picture(found: Comparison) -> str:
    from ..evaluation.picture import picture

    title = f"{counted(found.pieces, f'{found.split} piece')}, {counted(found.notes, 'note')}"
    return picture([(row.name, row.bits_per_note) for row in found.rows], title)


def _show(found: Comparison) -> None:
    told = (
        f"{found.dataset}, {found.split}: {_pieces(found)}, {counted(found.notes, 'note')}, "
        f"{clock(found.seconds)}"
    )
    click.echo(printable(told) + "\n")
    name = Column("model", wide=True, path=True)
    print_table(
        (
            name,
            Column("bits/note", figures=True),
            Column("95%", figures=True),
            Column("bits/s", figures=True),
            Column("behind the best", figures=True),
        ),
        [
            (
                row.name, f"{row.bits_per_note.value:.3f}", _ends(row.bits_per_note),
                f"{row.bits_per_second.value:.1f}", _behind(row),
            )
            for row in found.rows
        ],
    )  # fmt: skip
    if len(found.rows) > 1:
        click.echo(f"\n{_verdict(found)}\n")
    else:
        click.echo()
    costs = (
        name,
        Column("nats/token", figures=True),
        Column("parameters", figures=True),
        Column("on disk", figures=True),
        *([] if found.conditions is None else [Column("tokens/s", figures=True)]),
        *([] if found.conditions is None else [Column("together", figures=True)]),
    )
    print_table(costs, [_cost(row, speeds=found.conditions is not None) for row in found.rows])
    click.echo()
    for row in found.rows:
        if row.held is not None:
            holds = "" if row.held.holds is None else f"; {row.held.holds}"
            click.echo(printable(f"{row.name}: {_training(row.training)}{holds}"))
    how = found.conditions
    if how is not None:
        threads = f"{how.threads} thread" + "s" * (how.threads > 1)
        click.echo(
            f"\nSpeed: {how.notes_alone} notes of one piece, and {how.notes_of_each_together} of "
            f"each of {how.pieces_together} together;\n{threads}, {how.processors} processors "
            f"({how.machine}), whatever else ran there."
        )


def _pieces(found: Comparison) -> str:
    """How many pieces, and in how many groups where some share their music."""
    told = counted(found.pieces, "piece")
    return told if found.groups == found.pieces else f"{told} in {counted(found.groups, 'group')}"


def _ends(one: Interval) -> str:
    return "" if one.low is None else f"{one.low:.2f} – {one.high:.2f}"


def _behind(row: Row) -> str:
    if row.behind is None:
        return "the best"
    if row.behind.low is None:
        return f"{row.behind.value:.3f}"
    return f"{row.behind.value:.3f} ({row.behind.low:.3f} – {row.behind.high:.3f})"


def _verdict(found: Comparison) -> str:
    if not found.is_enough:
        return printable(
            f"{found.best.name} has the fewest bits; with {_pieces(found)} it cannot be said "
            "whether the difference is more than chance."
        )
    if found.is_sure:
        return printable(f"{found.best.name} is better than all others, beyond chance.")
    near = [row.name for row in found.rows if row.behind and not row.is_surely_behind]
    return printable(
        f"{found.best.name} has the fewest bits, but not surely fewer than {', '.join(near)}."
    )


def _cost(row: Row, *, speeds: bool) -> tuple[str, ...]:
    held, speed = row.held, row.speed
    cells = (
        row.name,
        f"{row.nats_per_token.value:.4f}",
        "" if held is None or held.parameters is None else f"{held.parameters:,}",
        "" if held is None else f"{held.bytes_on_disk / 1e6:,.1f} MB",
    )
    if not speeds:
        return cells
    if speed is None:
        return (*cells, "", "")
    return (*cells, f"{speed.alone:,.0f}", f"{speed.together:,.0f}")


def _training(told: dict[str, Any]) -> str:
    """What a model says of its training, in a line."""
    parts = []
    for name, noun in (("pieces", "piece"), ("tokens", "token"), ("steps", "step")):
        if isinstance(told.get(name), int):
            parts.append(counted(told[name], noun))
    if told.get("ended"):
        parts.append(str(told["ended"]))
    return "learned from " + ", ".join(parts) if parts else "says nothing of its training"
