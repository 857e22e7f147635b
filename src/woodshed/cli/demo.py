"""`woodshed demo`: the way on music that Woodshed writes itself. So far: write, read, look."""

from __future__ import annotations

import click


@click.command()
@click.option(
    "-o",
    "--out",
    default="demo",
    show_default=True,
    metavar="FOLDER",
    help="The folder to write the demo's files to.",
)
def demo(out: str) -> None:
    """Write a small folder of music, read it as a stranger's, and show what is in it.

    \b
    Example:
      woodshed demo
      woodshed demo -o /tmp/woodshed-demo
    """
    from ..corpus.survey import Totals, survey
    from ..music.lineup import load_lineup
    from ..recipes.demo import write_demo_folder
    from .audition_show import show_info, show_list, show_stats

    files = write_demo_folder(out)
    click.echo(f"Wrote {len(files)} files to {out}, two of them damaged on purpose.\n")
    outcomes = list(survey(out))
    show_list(out, outcomes)
    click.echo()
    totals = Totals(load_lineup("band"))
    for outcome in outcomes:
        totals.add(outcome)
    show_stats(out, totals)
    click.echo()
    show_info(outcomes[0].unwrap())
    click.echo(f"\nNext: woodshed audition stats FOLDER, with a folder of yours instead of {out}.")
