"""Dataclasses from what a reader process sent: every field is checked before it is believed.

Knows nothing of what the fields mean; a class checks that itself, by being built.
"""

from __future__ import annotations

import math
import types
import typing
from collections.abc import Callable
from dataclasses import MISSING, fields, is_dataclass
from functools import lru_cache
from typing import Any, TypeVar

T = TypeVar("T")


def believe(kind: type[T], sent: Any) -> T:
    """A `kind` from the dictionary that `fields_of` made of one and JSON brought over.

    Fields with a default are not taken over. Raises `TypeError` or `KeyError` where a value is of
    another type or missing, and whatever `kind` raises where it makes no sense.
    """
    hint: Any = kind
    built: T = _reader(hint)(sent)
    return built


@lru_cache(maxsize=256)
def _reader(hint: Any) -> Callable[[Any], Any]:
    """A function that takes a value of a type apart and builds it anew, or refuses it."""
    if is_dataclass(hint):
        hints = typing.get_type_hints(hint)
        readers = [(f.name, _reader(hints[f.name])) for f in fields(hint) if f.default is MISSING]
        build: Any = hint
        return lambda sent: build(**{name: read(sent[name]) for name, read in readers})
    if typing.get_origin(hint) is tuple:
        read_each = _reader(typing.get_args(hint)[0])
        return lambda sent: tuple(read_each(each) for each in _exactly(list, sent))
    if isinstance(hint, types.UnionType):
        (read_some,) = (_reader(h) for h in typing.get_args(hint) if h is not types.NoneType)
        return lambda sent: None if sent is None else read_some(sent)
    if hint is float:
        return _finite
    return lambda sent: _exactly(hint, sent)


def _exactly(kind: type[T], sent: Any) -> T:
    if type(sent) is not kind:  # isinstance would take true for a number
        raise TypeError(f"{sent!r} came where a {kind.__name__} was due")
    return sent


def _finite(sent: Any) -> float:
    number = _exactly(float, sent)
    if not math.isfinite(number):
        raise TypeError(f"{number} came where a number was due")
    return number
