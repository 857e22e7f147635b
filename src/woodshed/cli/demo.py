"""`woodshed demo`: the whole way, on music that Woodshed composes itself."""

from __future__ import annotations

import click

from .options import json_option


@click.command()
@click.option(
    "-o",
    "--out",
    default="demo",
    show_default=True,
    metavar="FOLDER",
    help="The folder to write the demo to.",
)
@click.option("--force", is_flag=True, help="Make the demo anew, whatever is there of it.")
@json_option
def demo(out: str, force: bool, as_json: bool) -> None:
    """Compose a corpus of blues, learn it, play new pieces of each feel, and make a page of it.

    An n-gram model learns it, and a small Transformer, where PyTorch is installed.

    \b
    Example:
      woodshed demo
      woodshed demo -o /tmp/woodshed-demo
    """
    from ..recipes.demo import make_demo
    from ..training.progress import report_for
    from .learn import show_learnt
    from .output import progress

    made = make_demo(out, force=force, report=report_for(plain=False), watch=progress)
    show_learnt(made.learnt, made.hint, as_json=as_json)
    if not as_json:
        click.echo("Next: woodshed learn FOLDER -o OUT, with a folder of yours.")
