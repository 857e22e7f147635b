"""The root of the command tree: finding a command, and turning errors into sentences and statuses.

Exit status 0 is success, 1 a failure, 2 wrong usage. Knows nothing of what the commands do.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import sys

import click

from ..errors import WoodshedError

COMMANDS = {
    "audition": "woodshed.cli.audition:audition",
    "check": "woodshed.cli.check:check",
    "demo": "woodshed.cli.demo:demo",
    "fetch": "woodshed.cli.fetch:fetch",
    "prepare": "woodshed.cli.prepare:prepare",
    "render": "woodshed.cli.render:render",
    "scan": "woodshed.cli.scan:scan",
}


class _LateGroup(click.Group):
    """A group that imports a command only when somebody asks for it."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module, _, name = COMMANDS[cmd_name].partition(":")
        command: click.Command = getattr(importlib.import_module(module), name)
        return command


def _print_version(ctx: click.Context, _: click.Parameter, wanted: bool) -> None:
    if wanted and not ctx.resilient_parsing:
        from .. import __version__

        click.echo(f"woodshed {__version__}")
        ctx.exit()


@click.group(cls=_LateGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_print_version,
    help="Show the version and exit.",
)
def root() -> None:
    """Turn a folder of music into a model that plays it.

    \b
    Example:
      woodshed demo
      woodshed audition stats ~/Music/midi
    """


def main(arguments: list[str] | None = None) -> None:
    """Run `woodshed` with these arguments, or with the command line's, and exit with its status."""
    arguments = sys.argv[1:] if arguments is None else arguments
    try:
        status = root.main(arguments, prog_name="woodshed", standalone_mode=False)
        if sys.stdout is not None:  # a shell can close it
            sys.stdout.flush()
    except click.exceptions.Abort:
        _exit(130, "stopped")
    except KeyboardInterrupt:
        _exit(130, "stopped")
    except click.ClickException as error:
        if "--json" in arguments:
            _print_error("UsageError", error.format_message())
        error.show()
        sys.exit(error.exit_code)
    except WoodshedError as error:
        if "--json" in arguments and not error.is_told:
            _print_error(type(error).__name__, str(error))
        _exit(error.exit_status, str(error))
    except BrokenPipeError:
        # Whoever read our output has seen enough. Python would complain once more at its exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except OSError as error:
        named = f" ({error.filename})" if error.filename else ""
        _exit(1, f"the system refused: {error.strerror or error}{named}")
    sys.exit(status if isinstance(status, int) else 0)


def _print_error(kind: str, message: str) -> None:
    print(json.dumps({"error": {"kind": kind, "message": message}}, indent=2))


def _exit(status: int, sentence: str) -> None:
    # What is still to be written may be what failed; Python would try again, and complain, at exit.
    with contextlib.suppress(OSError, AttributeError):
        sys.stdout.flush()
    with contextlib.suppress(OSError, UnicodeError):
        # A file's name may hold what a terminal would obey.
        plain = "".join(c if c.isprintable() else "�" for c in sentence)
        print(f"woodshed: {plain}", file=sys.stderr)
    sys.exit(status)
