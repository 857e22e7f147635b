"""Watching work: something that passes items on, and may show how far they are.

Knows nothing of the work, nor of screens.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Protocol, TypeVar

T = TypeVar("T")


class Watch(Protocol):
    """Something that passes items on and shows how far they are."""

    def __call__(self, items: Iterable[T], total: int, what: str, /) -> Iterator[T]:
        """Pass on `items`, `total` in number, to which `what` is done."""
        ...


def unwatched(items: Iterable[T], _total: int, _what: str, /) -> Iterator[T]:
    """Show nothing."""
    yield from items
