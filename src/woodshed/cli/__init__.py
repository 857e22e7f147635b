"""The command `woodshed`: a thin skin. Commands are loaded when they are called."""

from __future__ import annotations

from .root import main, root

__all__ = ["main", "root"]
