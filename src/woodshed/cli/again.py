"""`woodshed again`: a generated piece once more, to the byte."""

from __future__ import annotations

import sys

import click

from ..errors import UsageError
from .options import json_option
from .output import json_text, printable


@click.command()
@click.argument("file", metavar="FILE.mid")
@click.option(
    "-o", "--out", metavar="FILE", required=True, help="The file to write; - is standard output."
)
@click.option(
    "--model",
    metavar="MODEL",
    default=None,
    help="The model that made it. Without it, it is looked for near the file, near here, and in "
    "the folders that WOODSHED_MODELS names.",
)
@click.option(
    "--mix-with",
    metavar="MODEL",
    default=None,
    help="The n-gram model that was mixed in, where one was; it is looked for likewise.",
)
@json_option
@click.option("--force", is_flag=True, help="Replace the output file if it exists.")
def again(
    file: str, out: str, model: str | None, mix_with: str | None, as_json: bool, force: bool
) -> None:
    """Make a piece again from what its file says: model, settings and seed.

    The same bytes come out, or it is said what differs. docs/generate.md says more.

    \b
    Example:
      woodshed again out.mid -o same.mid
      woodshed again out.mid -o same.mid --model blues.model
    """
    from ..recipes.again import again as recipe

    if out == "-" and as_json:
        raise UsageError("-o - and --json both take standard output; choose one")
    result = recipe(file, None if out == "-" else out, model=model, mix_with=mix_with, force=force)
    if not result.is_same:
        click.echo(
            f"note: {printable(file)} was changed after it was made; this is how it was", err=True
        )
    if out == "-":
        sys.stdout.buffer.write(result.midi)
    elif as_json:
        found = {
            "path": result.path,
            "is_same": result.is_same,
            "model": result.model,
            "mix_with": result.mix_with,
            "version": result.version,
            "seed": result.seed,
        }
        click.echo(json_text(found), nl=False)
    else:
        same = "the same to the byte" if result.is_same else "as it was made"
        click.echo(f"written: {printable(out)}, {same}")
