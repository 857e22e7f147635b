"""The songs and models of the tests of models, for the tests of how they compare."""

from __future__ import annotations

from tests.models.conftest import (
    events,
    ngram,
    ngram_path,
    ngram_performance,
    performance,
    songs,
    transformer,
    transformer_path,
)

__all__ = [
    "events",
    "ngram",
    "ngram_path",
    "ngram_performance",
    "performance",
    "songs",
    "transformer",
    "transformer_path",
]
