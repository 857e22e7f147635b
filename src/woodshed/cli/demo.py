"""`woodshed demo`: the way on music that Woodshed writes itself. So far: compose, read, hear."""

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
@json_option
def demo(out: str, as_json: bool) -> None:
    """Compose a corpus of blues, read it as a stranger's, play two pieces, and make a page of it.

    \b
    Example:
      woodshed demo
      woodshed demo -o /tmp/woodshed-demo
    """
    from ..recipes.demo import make_demo
    from .audition_show import show_stats
    from .output import clock, json_text, printable, progress

    made = make_demo(out, watch=progress)
    if as_json:
        heard = [
            {
                "path": sound.paths[0],
                "seconds": round(sound.seconds, 3),
                "loudness_lufs": round(sound.loudness_lufs, 2),
            }
            for sound in made.heard
        ]
        told = {"page": made.page, "music": made.music, "pieces": made.composed.pieces}
        click.echo(json_text({**told, "heard": heard}), nl=False)
        return
    show_stats(out, made.totals)
    click.echo()
    for sound in made.heard:
        click.echo(
            f"  {printable(sound.paths[0])}  {clock(sound.seconds)}, {sound.loudness_lufs:.1f} LUFS"
        )
    click.echo(f"\nTo hear and see it, open {printable(made.page)} in a browser.")
    click.echo("Next: woodshed audition stats FOLDER, with a folder of yours.")
