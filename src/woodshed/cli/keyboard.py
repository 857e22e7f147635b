"""Single keys from a terminal, without waiting for Enter."""

from __future__ import annotations

import contextlib
import os
import re
import sys
import time
from types import TracebackType

from ..errors import WoodshedError
from ..listening.card import WAY_OUT

ARROWS = {b"C": "n", b"B": "n", b"D": "p", b"A": "p"}
"""Right and down are the next piece, left and up the one before."""

ESCAPE = re.compile(
    rb"\x1b+(?:"
    rb"\[\[[^\x1b]"  # function keys of the Linux console
    rb"|\[[0-?]*[ -/]*(?P<csi>[@-~])"
    rb"|O[0-9;]*(?P<ss3>[@-~])"  # arrows in application mode, too
    rb"|[^\x1b\[O])",  # a letter typed with Alt
    re.DOTALL,
)
"""What one key sends that is no letter. Terminals begin it with an escape."""

BEGUN = re.compile(rb"\x1b+(?:\[\[?[0-?]*[ -/]*|O[0-9;]*)?")
ESCAPE_SECONDS = 0.05
"""The rest of what a key sends comes at once. An escape that stays alone so long is the key Esc."""

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
        if not self._typed and not self._read(wait_seconds):
            return None
        if not self._typed:  # the terminal was closed
            return "q"
        if not self._typed.startswith(b"\x1b"):
            key, self._typed = self._typed[:1], self._typed[1:]
            return key.decode("ascii", "replace").lower()
        while BEGUN.fullmatch(self._typed) and self._read(ESCAPE_SECONDS):
            pass
        whole = ESCAPE.match(self._typed) or BEGUN.match(self._typed)
        assert whole
        self._typed = self._typed[whole.end() :]
        if not whole[0].strip(b"\x1b"):
            return "\x1b"
        ends = whole.groupdict()
        return ARROWS.get(ends.get("csi") or ends.get("ss3") or b"")

    def _read(self, wait_seconds: float) -> bool:
        """Whether something came within that time: keys, or the end of the terminal."""
        import select

        if not select.select([self._file], [], [], wait_seconds)[0]:
            return False
        came = os.read(self._file, 64)
        self._typed += came
        return bool(came) or not self._typed


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
