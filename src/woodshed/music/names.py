"""What the names of parts say: patterns of words, written for musicians.

A pattern is one or more words; `*` stands for any letters, `!` in front excludes, `=` in front asks
for the whole name. Knows what instruments are called (instruments.toml); refuses to know slots.
"""

from __future__ import annotations

import re
import tomllib
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cache, lru_cache
from importlib import resources
from typing import TypeVar

from ..errors import BadLineup

LONGEST_NAME = 100
"""Only so many characters of a name are read; what goes on longer is a text."""

_HUMP = re.compile(r"(?<=[a-z])(?=[A-Z])")
_SEPARATORS = re.compile(r"[\W\d_]+")

Meaning = TypeVar("Meaning")


def name_reader(
    entries: Iterable[tuple[Sequence[str], Meaning]], otherwise: Meaning
) -> Callable[[str], Meaning]:
    """Return a function from a name to the meaning of the first entry whose patterns know it.

    The function remembers names, since thousands of files share a few. Raises `BadLineup` for what
    is no pattern.
    """
    knowers = [(_knower(patterns), meaning) for patterns, meaning in entries]

    @lru_cache(maxsize=50_000)
    def read(name: str) -> Meaning:
        words = _bare_words(name).strip()
        return next((meaning for knows, meaning in knowers if knows(words)), otherwise)

    return lambda name: read(name[:LONGEST_NAME])


def check_patterns(patterns: Sequence[str]) -> None:
    """Raise `BadLineup` for what is no pattern."""
    _knower(patterns)


def spell_out(patterns: Iterable[str]) -> Iterator[str]:
    """Put the names of guitars in place of "@guitar"; `BadLineup` for an unknown group."""
    for pattern in patterns:
        if not isinstance(pattern, str):
            raise BadLineup(f"{pattern!r} is no pattern; write words in quotes")
        if not pattern.startswith("@"):
            yield pattern
        elif pattern[1:] in _instruments():
            yield from _instruments()[pattern[1:]]
        else:
            raise BadLineup(f"there is no group {pattern!r}; use @{', @'.join(_instruments())}")


@cache
def _instruments() -> Mapping[str, list[str]]:
    file = resources.files(__package__) / "instruments.toml"
    return tomllib.loads(file.read_text(encoding="utf-8"))


def _knower(patterns: Sequence[str]) -> Callable[[str], bool]:
    """Return a function that tells whether words fit a pattern and none that excludes."""
    wanted = _expression(pattern for pattern in patterns if not pattern.startswith("!"))
    excluded = _expression(pattern[1:] for pattern in patterns if pattern.startswith("!"))
    return lambda words: bool(wanted.search(words)) and not excluded.search(words)


def _expression(patterns: Iterable[str]) -> re.Pattern[str]:
    choices = ["(?!)"]  # alone, it matches nothing
    for pattern in patterns:
        text = pattern.removeprefix("=")
        if not re.search(r"[^\W\d_]", text) or re.search(r"[!=@]", text):
            raise BadLineup(
                f"{pattern!r} is no pattern; write words, with * for any letters, "
                "! in front to exclude, = in front for the whole name"
            )
        words = _glob(text)
        choices.append(f"^{words}$" if pattern.startswith("=") else f"(?:^| ){words}(?= |$)")
    return re.compile("|".join(choices))


def _glob(text: str) -> str:
    first, *others = [_bare_words(piece) for piece in text.split("*")]
    if not others:
        return first.strip()
    # Atomic groups: without them, a pattern of many stars would try every way to share the letters.
    middle = "".join(f"(?>[^ ]*?{piece})" for piece in others[:-1])
    return f"{first.lstrip()}{middle}[^ ]*{others[-1].rstrip()}"


def _bare_words(text: str) -> str:
    """Lower-case letters without accents, and one space for whatever separates them."""
    decomposed = unicodedata.normalize("NFKD", text)
    letters = "".join(letter for letter in decomposed if not unicodedata.combining(letter))
    return _SEPARATORS.sub(" ", _HUMP.sub(" ", letters).casefold())
