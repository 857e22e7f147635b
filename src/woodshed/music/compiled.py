"""Machine code where it pays: plain functions that numba compiles, and when they are worth it.

Loading numba takes about half a second and compiling a function some seconds more, once for each
installation. Thus a process begins without, and whoever calls has a form that needs no compiler.
Knows nothing of what is computed.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable
from functools import cache
from typing import Any, Generic, TypeVar

from numpy.typing import NDArray

Function = TypeVar("Function", bound=Callable[..., Any])


def compiled(function: Function, warm_up: Callable[[Function], object]) -> Function | None:
    """`function` as machine code, from the cache on disk where there is one; None without numba.

    `warm_up` calls what it is given once, with arguments of the types it will meet, so that all
    compiling or loading happens here. The function lets other threads run, so it must not touch
    Python objects.
    """
    try:
        import numba
    except (ImportError, OSError):  # a new Python may arrive before its numba; memory may be short
        return None
    compiler: Callable[..., Callable[[Function], Function]] = numba.njit
    try:
        _forget_stale(os.path.dirname(function.__code__.co_filename))
        form = compiler(cache=True, nogil=True)(function)
        warm_up(form)
    except (OSError, RuntimeError):  # nowhere to keep it: a full disk, a home that is read-only
        form = compiler(nogil=True)(function)
    return form


def settled(column: NDArray[Any]) -> NDArray[Any]:
    """The same values read-only, without gaps and aligned, copied only where they are not so.

    To numba, arrays that differ in this are of different types, and for each combination a
    function is compiled anew. Columns that came from another process are not all aligned.
    """
    flags = column.flags
    if flags.c_contiguous and flags.aligned and not flags.writeable:
        return column
    values = column.view() if flags.c_contiguous and flags.aligned else column.copy()
    values.flags.writeable = False
    return values


class WhenItPays(Generic[Function]):
    """A function that is compiled once a process has seen so much work that it pays.

    It pays, too, where numba is loaded already. `from_work` is in any unit the caller counts in.
    """

    def __init__(
        self, function: Function, warm_up: Callable[[Function], object], from_work: int
    ) -> None:
        self.from_work = from_work
        self._function, self._warm_up = function, warm_up
        self._form: Function | None = None
        self._tried = False
        self._seen = 0

    def after(self, work: int) -> Function | None:
        """The compiled function, `work` counted in; None before it pays, and without numba."""
        if self._tried:
            return self._form
        self._seen += work
        if self._seen > self.from_work or "numba" in sys.modules:
            return self.form
        return None

    @property
    def form(self) -> Function | None:
        """The compiled function whether or not it pays; None without numba."""
        if not self._tried:
            self._form = compiled(self._function, self._warm_up)
            self._tried = True
        return self._form


def kernel(function: Function) -> Any:
    """`function` as machine code from its first call on, for loops that call one another.

    For modules that are loaded only where their loops are needed: loading one loads numba. Without
    numba functions run as they are.
    """
    try:
        import numba
    except (ImportError, OSError):
        return function
    compiler: Callable[..., Callable[[Function], Function]] = numba.njit
    try:
        _forget_stale(os.path.dirname(function.__code__.co_filename))
        return compiler(cache=True, nogil=True)(function)
    except RuntimeError:  # nowhere to keep what is compiled
        return compiler(nogil=True)(function)


@cache
def _forget_stale(folder: str) -> None:
    """Remove what was compiled of a package before any of its files changed.

    What is kept of a loop holds the loops it calls, too, and numba looks at the loop's own file
    alone: after a change elsewhere, old loops would run over new arrays.
    """
    with contextlib.suppress(OSError):
        newest = max(file.stat().st_mtime for file in os.scandir(folder) if file.is_file())
        for kept in os.scandir(os.path.join(folder, "__pycache__")):
            if kept.name.endswith(".nbi") and kept.stat().st_mtime < newest:
                os.unlink(kept.path)
