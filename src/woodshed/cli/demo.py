"""`woodshed demo`: the way on music that Woodshed writes itself. So far: compose, read, hear."""

from __future__ import annotations

import click


@click.command()
@click.option(
    "-o",
    "--out",
    default="demo",
    show_default=True,
    metavar="FOLDER",
    help="The folder to write the demo to.",
)
def demo(out: str) -> None:
    """Compose a corpus of blues, read it as a stranger's, play two pieces, and make a page of it.

    \b
    Example:
      woodshed demo
      woodshed demo -o /tmp/woodshed-demo
    """
    from ..recipes.demo import make_demo
    from .audition_show import show_stats
    from .output import progress

    made = make_demo(out, watch=progress)
    show_stats(out, made.totals)
    click.echo()
    for sound in made.heard:
        click.echo(
            f"  {sound.paths[0]}  {sound.seconds // 60:.0f}:{sound.seconds % 60:02.0f}, "
            f"{sound.loudness_lufs:.1f} LUFS"
        )
    click.echo(f"\nTo hear and see it, open {made.page} in a browser.")
    click.echo("Next: woodshed audition stats FOLDER, with a folder of yours.")
