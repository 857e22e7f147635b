"""`woodshed fetch`: brings what Woodshed can use but does not carry along."""

from __future__ import annotations

from dataclasses import asdict

import click

from ..corpus.texts import counted
from .options import json_option
from .output import Column, clock, json_text, print_table, printable, progress, progress_bar


@click.group()
def fetch() -> None:
    """Bring music and sounds: from the network, or composed on the spot.

    \b
    Example:
      woodshed fetch starter -o blues
      woodshed fetch soundfont
    """


@fetch.command()
@click.option("-o", "--out", metavar="FOLDER", required=True, help="The folder for the pieces.")
@click.option("--count", type=int, default=300, show_default=True, help="How many pieces.")
@click.option("--seed", type=int, default=1, show_default=True, help="Another seed, other pieces.")
@click.option("--force", is_flag=True, help="Replace a starter corpus that is there already.")
@json_option
def starter(out: str, count: int, seed: int, force: bool, as_json: bool) -> None:
    """Blues that Woodshed composes itself, with tags and chords: music to begin with.

    No network is needed, and the same seed gives the same bytes.

    \b
    Example:
      woodshed fetch starter -o blues
    """
    from ..corpus.starter import write_starter

    made = write_starter(out, count, seed, force, progress)
    if as_json:
        click.echo(json_text(asdict(made)), nl=False)
        return
    hours = f"{made.music_seconds / 3600:.1f} hours"
    length = hours if made.music_seconds >= 3600 else f"{clock(made.music_seconds)} minutes"
    click.echo(f"{counted(made.pieces, 'piece')}, {length}, {counted(made.notes, 'note')}")
    for title, counts in (("feel", made.by_feel), ("form", made.by_form)):
        click.echo(f"{title}: " + ", ".join(f"{name} {n:,}" for name, n in counts.items()))
    click.echo(f"written: {printable(out)}")


@fetch.command()
@click.argument("name", required=False)
@click.option("-o", "--out", metavar="FILE", help="Where to keep it instead of the data folder.")
@click.option("--url", help="Bring it from this address; without NAME, any soundfont.")
@click.option("--sha256", metavar="HEX", help="What its checksum must be.")
@click.option("--list", "only_list", is_flag=True, help="Say which there are, and bring none.")
@click.option("--force", is_flag=True, help="Bring it even if it is there.")
@json_option
def soundfont(
    name: str | None,
    out: str | None,
    url: str | None,
    sha256: str | None,
    only_list: bool,
    force: bool,
    as_json: bool,
) -> None:
    """A free soundfont for FluidSynth; `woodshed render` uses it from then on.

    A download that was interrupted goes on where it stopped, and what came is checked.

    \b
    Example:
      woodshed fetch soundfont
      woodshed fetch soundfont --list
      woodshed fetch soundfont --url http://localhost:8000/mine.sf2 -o mine.sf2
    """
    from ..listening.soundfont import fetch_soundfont

    if only_list:
        _list(as_json=as_json)
        return
    with progress_bar("fetching", of_bytes=True) as tell:
        font = fetch_soundfont(name, out, url=url, sha256=sha256, force=force, progress=tell)
    if as_json:
        click.echo(json_text(asdict(font)), nl=False)
        return
    size = f"{font.size_bytes / 1e6:,.1f} MB"
    if not font.is_new:
        click.echo(f"it is there already, whole: {printable(font.path)} ({size})")
        return
    click.echo(f"fetched: {printable(font.path)} ({size})")
    if not font.is_checked:
        click.echo(f"not compared with a known checksum; its SHA-256 is {font.sha256}")


def _list(*, as_json: bool) -> None:
    from ..listening.soundfont import free_fonts

    fonts = free_fonts()
    if as_json:
        click.echo(json_text({name: asdict(font) for name, font in fonts.items()}), nl=False)
        return
    columns = [Column("name"), Column("what"), Column("MB", figures=True), Column("licence")]
    rows = [
        (name, font.title, f"{font.size_bytes / 1e6:.0f}", font.licence)
        for name, font in fonts.items()
    ]
    print_table(columns, rows)
