"""Woodshed turns a folder of music into a model that plays it.

Names are loaded when they are first used, so that importing the package costs nothing.
"""

from __future__ import annotations

__version__ = "0.1.0"
