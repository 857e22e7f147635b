"""`woodshed generate`: music from a model."""

from __future__ import annotations

import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from ..errors import UsageError
from ..sampling.settings import SamplingSettings
from .options import json_option, settings_options
from .output import Column, clock, json_text, print_table, printable, progress

if TYPE_CHECKING:
    from ..recipes.generate import Generated


@click.command()
@click.argument("model", metavar="MODEL")
@click.option(
    "-o",
    "--out",
    metavar="FILE",
    required=True,
    help="The MIDI file; - is standard output. With --count there are FILE-1.mid, FILE-2.mid …",
)
@click.option("--count", default=1, show_default=True, help="How many pieces.")
@click.option("--jobs", default=1, show_default=True, help="How many are played side by side.")
@click.option("--prompt", metavar="FILE.mid", default=None, help="A phrase to go on from.")
@click.option(
    "--prompt-bars", type=int, default=None, help="Only the last so many bars of the prompt."
)
@click.option("--only-new", is_flag=True, help="Leave the prompt out of the result.")
@click.option("--tempo", type=float, default=None, help="In quarters a minute.")
@click.option("--key", default=None, help="Such as C, F#, Bb or Am.")
@click.option("--metre", default=None, help="Such as 4/4 or 6/8, for every bar.")
@click.option("--slots", metavar="NAME,NAME,…", default=None, help="Who plays.")
@click.option(
    "--cond",
    "conditions",
    metavar="NAME=VALUE",
    multiple=True,
    help="A tag the music should have, such as feel=slow. May be given again for others.",
)
@click.option(
    "--cond-strength", default=1.0, show_default=True, help="How much tags weigh; 0 is nothing."
)
@click.option(
    "--with",
    "given",
    metavar="FILE.mid",
    default=None,
    help="Parts to play around; they come out as they are.",
)
@click.option("--add", metavar="NAME,NAME,…", default=None, help="Who plays around them.")
@click.option(
    "--look-ahead",
    type=int,
    default=None,
    help="By how many ways, judged by what is given next; 1 is off.  [default: 6]",
)
@click.option(
    "--mix",
    type=float,
    default=None,
    help="The share of an n-gram model in what a network plays: 0 none, 1 all.",
)
@click.option(
    "--mix-with",
    metavar="MODEL",
    default=None,
    help="That n-gram model. Without it, the one beside MODEL that `woodshed learn` made.",
)
@click.option("--events", metavar="FILE.json", default=None, help="Also write all events as JSON.")
@settings_options(SamplingSettings)
@json_option
@click.option("--force", is_flag=True, help="Replace output files that exist.")
def generate(
    model: str,
    out: str,
    count: int,
    jobs: int,
    prompt: str | None,
    prompt_bars: int | None,
    only_new: bool,
    tempo: float | None,
    key: str | None,
    metre: str | None,
    slots: str | None,
    conditions: tuple[str, ...],
    cond_strength: float,
    given: str | None,
    add: str | None,
    look_ahead: int | None,
    mix: float | None,
    mix_with: str | None,
    events: str | None,
    as_json: bool,
    force: bool,
    **settings: Any,
) -> None:
    """Play a model, and write what it plays as MIDI.

    What comes is legal in every token. The seed is printed; with the same seed the same bytes come.
    Every file says how it was made, and `woodshed again` makes it once more. docs/generate.md says
    more.

    \b
    Example:
      woodshed generate blues.model -o out.mid --bars 12 --seed 7
      woodshed generate blues.model -o out.mid --prompt riff.mid --prompt-bars 4 --bars 8
      woodshed generate blues.model -o take.mid --count 20 --cond feel=slow --tempo 70
      woodshed generate blues.model -o out.mid --with drums.mid --add bass,guitar
      woodshed generate net.model -o out.mid --mix 0.3 --mix-with blues.model
    """
    from ..recipes import generate as recipe
    from ..sampling.header import Header, conditions_of

    if out == "-":
        _check_standard_output(count, as_json=as_json)
    result = recipe.generate(
        model,
        None if out == "-" else out,
        SamplingSettings(**settings),
        count=count,
        jobs=jobs,
        prompt=prompt,
        prompt_bars=prompt_bars,
        only_new=only_new,
        header=Header(tempo, key, metre, None if slots is None else _names(slots)),
        conditions=conditions_of(conditions, cond_strength),
        given=given,
        add=() if add is None else _names(add),
        look_ahead=look_ahead,
        mix=mix,
        mix_with=mix_with,
        events=events,
        force=force,
        watch=progress,
    )
    for sentence in result.said:
        click.echo(f"note: {printable(sentence)}", err=True)
    if out == "-":
        sys.stdout.buffer.write(result.pieces[0].made.midi)
        click.echo(f"seed {result.seed}", err=True)
    elif as_json:
        click.echo(json_text(_as_json(result)), nl=False)
    else:
        _show(result)


def _check_standard_output(count: int, *, as_json: bool) -> None:
    if count > 1:
        raise UsageError(f"standard output takes one piece, not {count}; name a file with --out")
    if as_json:
        raise UsageError("-o - and --json both take standard output; choose one")


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip())


def _as_json(result: Generated) -> dict[str, Any]:
    return {
        "seed": result.seed,
        "model": result.model_hash,
        "mix": result.mix,
        "settings": asdict(result.settings),
        "events": result.events_path,
        "said": list(result.said),
        "pieces": [
            {
                "path": piece.path,
                "number": piece.number,
                "bars": piece.bars,
                "notes": piece.notes,
                "seconds": round(piece.seconds, 3),
                "tokens": piece.tokens,
                "ended_by": piece.ended_by,
                "price_of_legality": asdict(piece.price),
                "bits_per_note": round(piece.bits_per_note, 4),
            }
            for piece in result.pieces
        ],
    }


def _show(result: Generated) -> None:
    columns = (
        Column("file", wide=True, path=True),
        Column("bars", figures=True),
        Column("notes", figures=True),
        Column("time", figures=True),
        Column("mass removed", figures=True),
    )
    rows = [
        (
            str(piece.path),
            "" if piece.bars is None else str(piece.bars),
            f"{piece.notes:,}",
            clock(piece.seconds),
            f"{piece.price.removed:.1%}",
        )
        for piece in result.pieces
    ]
    print_table(columns, rows)
    click.echo(f"seed {result.seed}")
    if result.events_path is not None:
        click.echo(f"written: {printable(result.events_path)}")
