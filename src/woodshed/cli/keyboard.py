"""Single keys from a terminal, without waiting for Enter."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from types import TracebackType

from ..errors import WoodshedError
from ..listening.card import WAY_OUT

ARROWS = {b"\x1b[C": "n", b"\x1b[B": "n", b"\x1b[D": "p", b"\x1b[A": "p"}
"""Right and down are the next piece, left and up the one before."""

NAP_SECONDS = 0.02


class Keyboard:
    """The keys of the terminal this program runs in; use it in a `with`, which gives them back.

    Raises `WoodshedError` where there is no terminal.
    """

    def __enter__(self) -> Keyboard:
        if sys.stdin is None or not sys.stdin.isatty():
            raise WoodshedError(
                f"playing is steered with keys, and there is no terminal here; {WAY_OUT}"
            )
        if sys.platform != "win32":
            import termios
            import tty

            self._file = sys.stdin.fileno()
            self._before = termios.tcgetattr(self._file)
            self._typed = b""
            tty.setcbreak(self._file, termios.TCSADRAIN)  # what was typed already counts
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if sys.platform != "win32":
            import termios

            with contextlib.suppress(termios.error):  # the terminal may be gone
                termios.tcsetattr(self._file, termios.TCSADRAIN, self._before)

    def poll(self, wait_seconds: float) -> str | None:
        """The next key; None if none comes within that time."""
        if sys.platform == "win32":
            return _poll_windows(wait_seconds)
        import select

        if not self._typed:
            if not select.select([self._file], [], [], wait_seconds)[0]:
                return None
            self._typed = os.read(self._file, 64)
            if not self._typed:  # the terminal was closed
                return "q"
        # An arrow arrives as several bytes at once.
        length = 3 if self._typed[:3] in ARROWS else 1
        key, self._typed = self._typed[:length], self._typed[length:]
        return ARROWS.get(key) or key.decode("ascii", "replace").lower()


if sys.platform == "win32":

    def _poll_windows(wait_seconds: float) -> str | None:
        import msvcrt

        until = time.monotonic() + wait_seconds
        while not msvcrt.kbhit():
            if time.monotonic() >= until:
                return None
            time.sleep(NAP_SECONDS)
        key = msvcrt.getwch()
        if key in ("\x00", "\xe0"):  # an arrow: its letter follows
            return {"M": "n", "P": "n", "K": "p", "H": "p"}.get(msvcrt.getwch())
        return key.lower()
