"""Woodshed turns a folder of music into a model that plays it.

Names are loaded when they are first used: importing the package takes no time, and what needs numpy
or a compiler is not loaded by those who need neither.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .corpus.dataset import Dataset
    from .corpus.folder import list_midi
    from .corpus.inventory import scan
    from .corpus.prepare import prepare
    from .corpus.quality import judge
    from .corpus.survey import FileFacts, PartFacts, Totals, inspect, survey
    from .errors import (
        BadDataset,
        BadFile,
        BadFolder,
        BadLineup,
        BadModel,
        BadMusic,
        CannotFetch,
        CannotWrite,
        OutputExists,
        UsageError,
        WoodshedError,
    )
    from .formats.contain import Outcome
    from .formats.limits import Limits
    from .formats.midi_contained import read_contained, read_many
    from .formats.midi_read import read_midi
    from .formats.midi_write import midi_bytes, write_midi
    from .listening.playing import Playing, Track, playing
    from .listening.render import Rendering, render
    from .listening.sound_settings import SoundSettings
    from .listening.soundfont import fetch_soundfont
    from .listening.stream import Stream
    from .models.family import Conditions, Model
    from .models.load import load_model
    from .models.ngram.settings import NgramSettings
    from .music.grid import Grid
    from .music.lineup import Lineup, Slot, load_lineup
    from .music.merge import merge, split
    from .music.notes import Bends, Controls, Notes
    from .music.roll import PianoRoll, from_roll, to_roll
    from .music.score import Part, Repair, Score, Source, Text
    from .music.sustain import hold_sustain
    from .music.time import KeyMap, MetreMap, TempoMap
    from .music.transform import quantise, scale_tempo, slice_bars, transpose, with_tempo
    from .recipes.again import again
    from .recipes.compare import compare
    from .recipes.generate import generate
    from .recipes.learn import learn
    from .recipes.train import train
    from .sampling.settings import SamplingSettings
    from .tokens.cache import open_cache
    from .tokens.check import check
    from .tokens.chorale import Chorale
    from .tokens.events import Events
    from .tokens.performance import Performance
    from .training.settings import TrainingSettings

_ROOMS = {
    "corpus.dataset": ("Dataset",),
    "corpus.folder": ("list_midi",),
    "corpus.inventory": ("scan",),
    "corpus.prepare": ("prepare",),
    "corpus.quality": ("judge",),
    "corpus.survey": ("FileFacts", "PartFacts", "Totals", "inspect", "survey"),
    "errors": (
        "BadDataset",
        "BadFile",
        "BadFolder",
        "BadLineup",
        "BadModel",
        "BadMusic",
        "CannotFetch",
        "CannotWrite",
        "OutputExists",
        "UsageError",
        "WoodshedError",
    ),
    "formats.contain": ("Outcome",),
    "formats.limits": ("Limits",),
    "formats.midi_contained": ("read_contained", "read_many"),
    "formats.midi_read": ("read_midi",),
    "formats.midi_write": ("midi_bytes", "write_midi"),
    "listening.playing": ("Playing", "Track", "playing"),
    "listening.render": ("Rendering", "render"),
    "listening.sound_settings": ("SoundSettings",),
    "listening.soundfont": ("fetch_soundfont",),
    "listening.stream": ("Stream",),
    "models.family": ("Conditions", "Model"),
    "models.load": ("load_model",),
    "models.ngram.settings": ("NgramSettings",),
    "music.grid": ("Grid",),
    "music.lineup": ("Lineup", "Slot", "load_lineup"),
    "music.merge": ("merge", "split"),
    "music.notes": ("Bends", "Controls", "Notes"),
    "music.roll": ("PianoRoll", "from_roll", "to_roll"),
    "music.score": ("Part", "Repair", "Score", "Source", "Text"),
    "music.sustain": ("hold_sustain",),
    "music.time": ("KeyMap", "MetreMap", "TempoMap"),
    "music.transform": ("quantise", "scale_tempo", "slice_bars", "transpose", "with_tempo"),
    "recipes.again": ("again",),
    "recipes.compare": ("compare",),
    "recipes.generate": ("generate",),
    "recipes.learn": ("learn",),
    "recipes.train": ("train",),
    "sampling.settings": ("SamplingSettings",),
    "tokens.cache": ("open_cache",),
    "tokens.check": ("check",),
    "tokens.chorale": ("Chorale",),
    "tokens.events": ("Events",),
    "tokens.performance": ("Performance",),
    "training.settings": ("TrainingSettings",),
}
_ROOM_OF = {name: room for room, names in _ROOMS.items() for name in names}

__all__ = [
    "BadDataset",
    "BadFile",
    "BadFolder",
    "BadLineup",
    "BadModel",
    "BadMusic",
    "Bends",
    "CannotFetch",
    "CannotWrite",
    "Chorale",
    "Conditions",
    "Controls",
    "Dataset",
    "Events",
    "FileFacts",
    "Grid",
    "KeyMap",
    "Limits",
    "Lineup",
    "MetreMap",
    "Model",
    "NgramSettings",
    "Notes",
    "Outcome",
    "OutputExists",
    "Part",
    "PartFacts",
    "Performance",
    "PianoRoll",
    "Playing",
    "Rendering",
    "Repair",
    "SamplingSettings",
    "Score",
    "Slot",
    "SoundSettings",
    "Source",
    "Stream",
    "TempoMap",
    "Text",
    "Totals",
    "Track",
    "TrainingSettings",
    "UsageError",
    "WoodshedError",
    "__version__",
    "again",
    "check",
    "compare",
    "fetch_soundfont",
    "from_roll",
    "generate",
    "hold_sustain",
    "inspect",
    "judge",
    "learn",
    "list_midi",
    "load_lineup",
    "load_model",
    "merge",
    "midi_bytes",
    "open_cache",
    "playing",
    "prepare",
    "quantise",
    "read_contained",
    "read_many",
    "read_midi",
    "render",
    "scale_tempo",
    "scan",
    "slice_bars",
    "split",
    "survey",
    "to_roll",
    "train",
    "transpose",
    "with_tempo",
    "write_midi",
]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("woodshed")
    if name not in _ROOM_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f".{_ROOM_OF[name]}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
