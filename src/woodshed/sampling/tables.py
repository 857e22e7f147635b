"""A model's vocabulary and settings as the arrays that the compiled rules read.

Settings that make no sense for this model are refused here. Knows nothing of loops.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import UsageError
from ..models.info import ModelInfo
from ..models.ngram.views import slots_told
from ..music.grid import STEPS_PER_QUARTER
from ..tokens.chorale import RESTS, STEP_NS, STEPS_PER_BAR, Chorale, ChoraleLimits
from ..tokens.events import DURATION_STEPS, METRE_STEPS, TEMPOS_BPM, Events
from ..tokens.performance import STEP_MS
from . import layout
from .settings import SamplingSettings

DEFAULT_AT_ONCE = 4
MOST_TOKENS = 16_384
MOST_PIECES_LONG = 3
"""A piece nobody set an end to is brought to one, at the end of its bar, when it has become three
times as long as the pieces of the corpus are on average, or after so many tokens."""

GRID_STEPS = {"straight": STEPS_PER_QUARTER // 4, "triplet": STEPS_PER_QUARTER // 3}


@dataclass(frozen=True)
class Tables:
    """What the rules need to know of a model and of what was asked; see `layout`.

    `described` is the grammar's table for the tokens of the vocabulary alone, so that masks and
    tokens are counted as the model counts them.
    """

    words: NDArray[np.int64]
    described: NDArray[np.int64]
    grammar: tuple[NDArray[np.int64], ...]
    bounds: NDArray[np.int64]
    dials: NDArray[np.float64]
    slots: int
    step_ns: int
    bar_steps: int


def tables_of(info: ModelInfo, settings: SamplingSettings) -> Tables:
    """The arrays for a model under some settings. Raises `UsageError` where they contradict it."""
    check_fit(info, settings)
    language = info.language.language
    described, *grammar = info.grammar.tables_for_machine
    ids = info.vocabulary.ids.astype(np.int64)
    events, chorale = (isinstance(info.language, kind) for kind in (Events, Chorale))
    step_ns = STEP_NS if chorale else STEP_MS * 1_000_000
    return Tables(
        words_of(info),
        np.ascontiguousarray(described[:, ids]),
        tuple(grammar),
        _bounds(info, settings, int(np.flatnonzero(ids == language.first["END"])[0])),
        _dials(settings),
        slots_told(language),
        round(60e9 / 120 / STEPS_PER_QUARTER) if events else step_ns,
        STEPS_PER_BAR if chorale else 0,
    )


def words_of(info: ModelInfo) -> NDArray[np.int64]:
    """For each token of the vocabulary its kind, its amount, whether of drums, and its voice."""
    table = info.language.language
    words = np.zeros((layout.WORDS, len(table)), np.int64)
    words[layout.AMOUNT] = table.value_of
    if isinstance(info.language, Chorale):
        words[layout.VOICE] = info.language.voice_of
        rests = np.isin(table.group_of, [table.row(rest) for rest in RESTS])
        words[layout.AMOUNT, rests] = layout.REST
    for group in table.groups:
        rows = slice(table.first[group.name], table.first[group.name] + len(group))
        words[layout.KIND, rows] = layout.KINDS.get(group.name, layout.OTHER)
        if group.name in _AMOUNTS:
            words[layout.AMOUNT, rows] = _AMOUNTS[group.name][: len(group)]
        if group.name == "DRUM":
            words[layout.DRUMS, rows] = 1
        if group.name == "INST":
            assert isinstance(info.language, Events)
            words[layout.DRUMS, rows] = [slot.drums for slot in info.language.lineup.slots]
    return np.ascontiguousarray(words[:, info.vocabulary.ids])


_AMOUNTS: dict[str, Any] = {
    "TEMPO": np.rint(60e9 / np.array(TEMPOS_BPM) / STEPS_PER_QUARTER).astype(np.int64),
    "BAR": METRE_STEPS,
    "CUT": np.arange(1, METRE_STEPS.max()),
    "SHIFT": np.arange(1, METRE_STEPS.max()),
    "DUR": DURATION_STEPS,
}


def resolved(info: ModelInfo, settings: SamplingSettings) -> dict[str, Any]:
    """All settings by name, with what the corpus decides where nothing was said."""
    values = asdict(settings)
    if settings.max_notes_per_step is None and not isinstance(info.limits, ChoraleLimits):
        values["max_notes_per_step"] = max(DEFAULT_AT_ONCE, info.limits.at_once)
    return values


def check_fit(info: ModelInfo, settings: SamplingSettings) -> None:
    """Refuse settings that this model can do nothing with. Raises `UsageError`."""
    if isinstance(info.language, Chorale):
        _check_chorale(settings)
        return
    if not isinstance(info.language, Events):
        for name in ("bars", "grid", "max_silence_bars", "max_streak"):
            if getattr(settings, name) is not None:
                reason = "has one player" if name == "max_streak" else "tells no bars"
                way_out = "use --seconds or --notes" if name == "bars" else "leave it out"
                raise UsageError(
                    f"--{name.replace('_', '-')} makes no sense here: the model's language "
                    f"{info.language.language.name} {reason}; {way_out}"
                )
        if settings.drum_bonus:
            raise UsageError(
                f"--drum-bonus {settings.drum_bonus:g} makes no sense here: the model's language "
                f"{info.language.language.name} has no drums; leave it out"
            )
        return
    words = words_of(info)
    if settings.drum_bonus and not np.any((words[0] == layout.PLAYER) & (words[2] == 1)):
        raise UsageError(
            f"--drum-bonus {settings.drum_bonus:g} makes no sense here: the model knows no "
            "drums; leave it out"
        )
    if settings.grid is not None:
        grid = GRID_STEPS[settings.grid]
        shifts = words[layout.AMOUNT][words[layout.KIND] == layout.MOVE]
        off_beat = shifts % STEPS_PER_QUARTER
        if not np.any((off_beat % grid == 0) & (off_beat > 0)):
            other = next(name for name in GRID_STEPS if name != settings.grid)
            raise UsageError(
                f"--grid {settings.grid} would leave nothing between the beats: the model has "
                f"never learned to step there; try --grid {other}, or leave it out"
            )


def _check_chorale(settings: SamplingSettings) -> None:
    """Refuse what four voices that always sing in turn know nothing of."""
    reasons = {
        "grid": "starts every note on a sixteenth",
        "max_silence_bars": "keeps to the rests of its corpus",
        "max_streak": "has four voices that take turns",
        "max_notes_per_step": "has four voices that take turns",
    }
    for name, reason in reasons.items():
        if getattr(settings, name) is not None:
            raise _senseless(f"--{name.replace('_', '-')}", reason)
    if settings.drum_bonus:
        raise _senseless(f"--drum-bonus {settings.drum_bonus:g}", "has no drums")
    if settings.repetition_penalty != 1:
        raise _senseless(
            f"--repetition-penalty {settings.repetition_penalty:g}",
            "holds a note by telling its pitch again",
        )


def _senseless(flag: str, reason: str) -> UsageError:
    return UsageError(
        f"{flag} makes no sense here: the model's language chorale {reason}; leave it out"
    )


def most_tokens(info: ModelInfo) -> int:
    """How long a piece may become that nobody set an end to."""
    pieces, tokens = (info.training.get(name) for name in ("pieces", "tokens"))
    if isinstance(pieces, int) and isinstance(tokens, int) and pieces > 0 and tokens > 0:
        return min(MOST_TOKENS, math.ceil(MOST_PIECES_LONG * tokens / pieces))
    return MOST_TOKENS


def _bounds(info: ModelInfo, settings: SamplingSettings, end: int) -> NDArray[np.int64]:
    events = isinstance(info.language, Events)
    in_time = settings.bars is not None or settings.seconds is not None
    bounds = np.full(layout.BOUNDS, layout.NONE)
    values = {
        layout.MOST_BARS: settings.bars,
        layout.MOST_NOTES: settings.notes,
        layout.MOST_NS: None if settings.seconds is None else round(settings.seconds * 1e9),
        layout.MOST_TOKENS: None if settings.is_limited else most_tokens(info),
        layout.MOST_AT_ONCE: resolved(info, settings)["max_notes_per_step"],
        layout.MOST_STREAK: settings.max_streak,
        layout.MOST_SILENT: settings.max_silence_bars,
        layout.TOP_K: settings.top_k,
        layout.GRID_STEPS: None if settings.grid is None else GRID_STEPS[settings.grid],
        layout.HAS_BARS: int(events),
        layout.STOPS: int(events and in_time and settings.endings > 1),
        layout.END_ID: end,
    }
    for cell, value in values.items():
        if value is not None:
            bounds[cell] = min(value, layout.NONE)
    return bounds


def _dials(settings: SamplingSettings) -> NDArray[np.float64]:
    last = settings.temperature_end
    dials = np.zeros(layout.DIALS)
    dials[layout.TEMPERATURE] = settings.temperature
    dials[layout.TEMPERATURE_END] = settings.temperature if last is None else last
    dials[layout.TOP_P] = settings.top_p
    dials[layout.MIN_P] = settings.min_p
    dials[layout.DRUM_BONUS] = settings.drum_bonus
    dials[layout.LOG_PENALTY] = math.log(settings.repetition_penalty)
    return dials
