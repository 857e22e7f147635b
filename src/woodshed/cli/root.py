"""The root of the command tree: finding a command, and turning errors into sentences and statuses.

Exit status 0 is success, 1 a failure, 2 wrong usage, and 128 + n says that signal n ended it.
Knows nothing of what the commands do.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import math
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from types import FrameType

import click

from ..errors import WoodshedError

COMMANDS = {
    "again": "woodshed.cli.again:again",
    "audition": "woodshed.cli.audition:audition",
    "check": "woodshed.cli.check:check",
    "compare": "woodshed.cli.compare:compare",
    "demo": "woodshed.cli.demo:demo",
    "fetch": "woodshed.cli.fetch:fetch",
    "generate": "woodshed.cli.generate:generate",
    "learn": "woodshed.cli.learn:learn",
    "prepare": "woodshed.cli.prepare:prepare",
    "render": "woodshed.cli.render:render",
    "run": "woodshed.cli.run:run",
    "scan": "woodshed.cli.scan:scan",
    "train": "woodshed.cli.train:train",
}

ENDING_SIGNALS = ("SIGTERM", "SIGHUP")
"""What systems send to end a program: the first by `kill`, the second with its terminal."""

REPEAT_SECONDS = 1.0
"""A signal that comes twice, as `timeout` sends it, must not disturb the tidying."""


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
    with _ended_like_ctrl_c() as came:
        _run(arguments, came)


def _run(arguments: list[str], came: list[int]) -> None:
    try:
        status = root.main(arguments, prog_name="woodshed", standalone_mode=False)
        if sys.stdout is not None:  # a shell can close it
            sys.stdout.flush()
    except (click.exceptions.Abort, KeyboardInterrupt):
        _exit(128 + (came[0] if came else signal.SIGINT), "stopped")
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


@contextlib.contextmanager
def _ended_like_ctrl_c() -> Iterator[list[int]]:
    """Let the signals that end a program stop it as Ctrl-C does, so that it tidies up.

    The list says which came. A signal that somebody ignores or handles, as under `nohup`, is left
    alone; so are all where this is not the main thread, which alone may listen to signals.
    """
    came: list[int] = []
    heard_at = -math.inf

    def stop(number: int, _: FrameType | None) -> None:
        nonlocal heard_at
        before, heard_at = heard_at, time.monotonic()
        came.append(number)
        if heard_at - before >= REPEAT_SECONDS:
            raise KeyboardInterrupt

    ours = []
    if threading.current_thread() is threading.main_thread():
        for name in ENDING_SIGNALS:
            number = getattr(signal, name, None)  # Windows has no SIGHUP
            if number is not None and signal.getsignal(number) is signal.SIG_DFL:
                signal.signal(number, stop)
                ours.append(number)
    try:
        yield came
    finally:
        for number in ours:
            signal.signal(number, signal.SIG_DFL)


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
