"""What was sampled, as music, as a list of events, and as a MIDI file that says how it was made."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..models.info import ModelInfo
from ..music.score import Score
from ..tokens.chorale import STEPS_PER_BAR, VOICES, Chorale
from ..tokens.events import METRE_STEPS, Events
from ..tokens.language import TokenIds
from ..tokens.performance import STEP_MS
from .engine import Piece
from .settings import SamplingSettings


def score_of(
    info: ModelInfo, piece: Piece, settings: SamplingSettings, *, only_new: bool = False
) -> Score:
    """The music of a piece. `only_new` leaves out the prompt, and begins where it ended.

    Where bars were asked for, nothing sounds on after the last of them.
    """
    told = tokens_of(info, piece, only_new=only_new)
    score = info.language.decode(told)
    if settings.bars is not None and isinstance(info.language, Events):
        end = _end_of_bars(told, info.language)
        notes = score.notes
        fitted = np.minimum(notes.end_ticks, end) - notes.start_ticks
        score = score.replace(notes=notes.replace(duration_ticks=fitted))
    return score


def tokens_of(info: ModelInfo, piece: Piece, *, only_new: bool = False) -> TokenIds:
    """The tokens of a piece in the full table; without its prompt a sentence all the same."""
    told = info.vocabulary.globalise(piece.tokens)
    if not only_new:
        return told
    table = info.language.language
    prompt, new = told[: piece.new_from], told[piece.new_from :]
    groups = table.group_of[prompt]
    if isinstance(info.language, Events):
        bars = np.flatnonzero(groups == table.row("BAR"))
        head = prompt[: bars[0]] if len(bars) else prompt
    elif isinstance(info.language, Chorale):
        head = prompt[:1]
    else:  # a velocity holds until the next
        head = np.concatenate([prompt[:1], prompt[groups == table.row("VELOCITY")][-1:]])
    return np.concatenate([head, new])


def _end_of_bars(tokens: TokenIds, events: Events) -> int:
    """The step on which the last bar ends."""
    return sum(steps for _, steps in _bars(tokens, events))


def _bars(tokens: NDArray[np.integer], events: Events) -> Iterator[tuple[int, int]]:
    """The place of each BAR, and how many steps its bar has."""
    table = events.language
    group, value = table.group_of[tokens], table.value_of[tokens]
    for at in np.flatnonzero(group == table.row("BAR")).tolist():
        is_cut = at + 1 < len(tokens) and group[at + 1] == table.row("CUT")
        yield at, int(value[at + 1]) + 1 if is_cut else int(METRE_STEPS[value[at]])


def bar_count(info: ModelInfo, piece: Piece) -> int | None:
    """How many new bars a piece has, begun ones among them; None where its language tells none."""
    if isinstance(info.language, Chorale):
        new = info.vocabulary.globalise(piece.tokens)[piece.new_from :]
        return -(-len(info.language.cells(new)) // STEPS_PER_BAR)
    if not isinstance(info.language, Events):
        return None
    new = info.vocabulary.globalise(piece.tokens)[piece.new_from :]
    return sum(1 for _ in _bars(new, info.language))


def event_list(info: ModelInfo, piece: Piece) -> list[dict[str, Any]]:
    """Every token of a piece by its name, and when it stands.

    In `events` that is the bar (counted from 1; 0 is the header) and the step in it, a 24th of a
    quarter; in `chorale` the bar and the sixteenth in it; in `performance` milliseconds. What
    belongs to the prompt says so.
    """
    told = info.vocabulary.globalise(piece.tokens)
    table = info.language.language
    bar = step = 0
    events = []
    is_events, is_chorale = (isinstance(info.language, kind) for kind in (Events, Chorale))
    for place, token in enumerate(told.tolist()):
        name = table.names[token]
        if name.startswith("BAR_"):
            bar, step = bar + 1, 0
        elif name.startswith("SHIFT_"):
            step += int(table.value_of[token]) + 1
        when = {"bar": bar, "step": step} if is_events else {"ms": step * STEP_MS}
        if is_chorale:
            when = {"bar": step // STEPS_PER_BAR + 1, "step": step % STEPS_PER_BAR}
            step += name.startswith(f"{VOICES[-1]}_")
        event: dict[str, Any] = {"token": name, **when}
        if place < piece.new_from:
            event["prompt"] = True
        events.append(event)
    return events


def note_list(score: Score) -> list[dict[str, Any]]:
    """Every note with its bar (counted from 1), where in it, and for how long, in quarters."""
    notes = score.notes
    bars = score.bar(notes.start_ticks).tolist()
    lines = score.bars().start_ticks
    quarter = score.ticks_per_quarter
    return [
        {
            "bar": bar + 1,
            "quarter": round((start - int(lines[bar])) / quarter, 4),
            "quarters": round(length / quarter, 4),
            "player": score.parts[part].name,
            "pitch": pitch,
            "velocity": velocity,
        }
        for bar, start, length, part, pitch, velocity in zip(
            bars,
            notes.start_ticks.tolist(),
            notes.duration_ticks.tolist(),
            notes.part.tolist(),
            notes.pitch.tolist(),
            notes.velocity.tolist(),
            strict=True,
        )
    ]
