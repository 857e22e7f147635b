"""Where pieces begin: with nothing, with a header that was asked for, or after a phrase.

A phrase is placed in the model's slots, told in its language, and mapped to what the model knows,
with a sentence for each change. New music begins at the bar line after it, in its metre; in
`performance`, which has no bars, at once. Knows nothing of files.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ..corpus.piece import place
from ..errors import UsageError
from ..formats.midi_write import midi_bytes
from ..models.family import NO_CONDITIONS, Conditions
from ..models.info import ModelInfo
from ..music.score import Score
from ..music.transform import slice_bars
from ..tokens.chorale import STEPS_PER_BAR, VOICES, Chorale
from ..tokens.events import Events
from ..tokens.language import TokenIds
from ..tokens.pieces import heard
from . import layout
from .engine import Plan, Start
from .given import Given
from .header import Forced, Header, HeaderPlan, forced
from .settings import SamplingSettings
from .tables import words_of

MOST_CHANGES_SAID = 8


@dataclass(frozen=True)
class Opening:
    """What every piece of a request begins with, in tokens as the model counts them.

    `told` is START, or a prompt; `opens` the bar line after a prompt. `said` are sentences on what
    had to be changed; `prompt_notes` and `prompt_sha256` tell of the prompt as it was given.
    `given` are parts to play around.
    """

    told: TokenIds
    opens: TokenIds = field(default_factory=lambda: np.empty(0, np.uint16))
    wanted: Forced = field(default_factory=Forced)
    said: tuple[str, ...] = ()
    prompt_notes: int = 0
    prompt_sha256: str | None = None
    given: Given | None = None

    def starts(self, numbers: Sequence[int]) -> list[Start]:
        """Where the pieces of these numbers begin."""
        return [Start(number, self.told, self.opens) for number in numbers]

    def permitted(self, info: ModelInfo, settings: SamplingSettings) -> NDArray[np.bool_]:
        """Which tokens may come at all.

        One metre if it was asked for, and no bar cut short where whole bars are counted.
        """
        kinds = words_of(info)[layout.KIND]
        allowed = np.ones(len(kinds), np.bool_)
        if self.wanted.metre is not None:
            allowed[kinds == layout.BAR] = False
            allowed[self.wanted.metre] = True
        if settings.bars is not None:
            allowed[kinds == layout.CUT] = False
        return allowed

    def plan_for(self, info: ModelInfo) -> Callable[[Sequence[Start]], Plan] | None:
        """What forces the header, where one was asked for."""
        if not self.wanted or len(self.told) > 1:
            return None
        return lambda starts: HeaderPlan(info, self.wanted, (set() for _ in starts))


def opening(
    info: ModelInfo,
    header: Header | None = None,
    conditions: Conditions = NO_CONDITIONS,
    prompt: Score | None = None,
    prompt_bars: int | None = None,
) -> Opening:
    """Where pieces begin that go on from the last `prompt_bars` of `prompt`, or from a header.

    Raises `UsageError` for what the model does not know, and for a prompt it can hear nothing in.
    """
    header = header or Header()
    wanted, said = forced(info, header, conditions)
    if prompt is None:
        if prompt_bars is not None:
            raise UsageError(
                f"--prompt-bars {prompt_bars} needs a prompt; give one with --prompt, or drop it"
            )
        return Opening(_local(info, "START"), wanted=wanted, said=said)
    if header:
        raise UsageError(
            "a prompt has its own tempo, key, metre and players, and the music goes on in them; "
            "leave out --tempo, --key, --metre and --slots, or the prompt"
        )
    return _after(info, _last_bars(prompt, prompt_bars), wanted, conditions)


def _last_bars(prompt: Score, bars: int | None) -> Score:
    if not len(prompt.notes):
        raise UsageError("the prompt has no notes, so there is nothing to go on from")
    if bars is None:
        return prompt
    if bars < 1:
        raise UsageError(f"--prompt-bars {bars} makes no sense; use 1 or more, or leave it out")
    count = prompt.bar_count
    last = slice_bars(prompt, max(count - bars, 0), min(bars, count))
    if not len(last.notes):
        raise UsageError(
            f"in the last {bars} bars of the prompt no note begins; "
            f"use more of its {count} bars with --prompt-bars, or leave that out"
        )
    return last


def _after(info: ModelInfo, prompt: Score, wanted: Forced, conditions: Conditions) -> Opening:
    language = info.language
    if isinstance(language, Events):
        placed = place(prompt, language.lineup)
        if not len(placed.score.notes):
            raise UsageError(
                "the model has no player for any part of this prompt; it knows "
                + ", ".join(slot.name for slot in language.lineup.slots)
            )
        tags = tuple(f"{name}={value}" for name, value in conditions.tags.items())
        # Chords stand in the texts of a score; the words of others are nobody's business.
        score = placed.score.replace(texts=placed.chords.texts())
        tokens = language.encode(score, placed.slots.tolist(), tags)
        lost = len(prompt.notes) - len(score.notes)
    elif isinstance(language, Chorale):
        if reason := language.refusal(prompt):
            raise UsageError(
                f"the model goes on from four voices, and the prompt cannot be one: {reason}"
            )
        score = language.reduce(prompt)
        if not len(score.notes):
            raise UsageError("the prompt has no note to go on from in any of its voices")
        tokens = language.encode(prompt)
        lost = 0
    else:
        score = heard(prompt, language)
        tokens = language.encode(score)
        lost = sum(prompt.parts[part].is_drum for part in prompt.notes.part.tolist())
        if lost == len(prompt.notes):
            raise UsageError(
                f"the prompt has only drums, and {language.language.name} tells none; "
                "give another prompt, or a model in events"
            )
    localised = info.vocabulary.localise(tokens, language)
    told = localised.tokens[:-1]  # the END of the phrase is not the end
    said = [_change(change.brought, change.became, change.count) for change in localised.changes]
    if len(said) > MOST_CHANGES_SAID:
        said[MOST_CHANGES_SAID:] = [f"and {len(said) - MOST_CHANGES_SAID} further changes"]
    if localised.merged:
        said.append(f"{localised.merged} notes of the prompt became one with another")
    if lost:
        said.append(f"{lost} notes of the prompt have no player in this model and are left out")
    if isinstance(language, Chorale):
        told, more = _to_the_bar_line(info, told)
        if more:
            said.append(
                f"the prompt ends within a bar of {STEPS_PER_BAR} sixteenths: its last chord is "
                f"held for {more} more, to the bar line"
            )
    if not isinstance(language, Events):
        return _opening(told, wanted, said, prompt)
    kinds = words_of(info)[layout.KIND]
    bars = told[kinds[told] == layout.BAR]
    if not np.any(kinds[told] == layout.NOTE):
        raise UsageError(
            "the model knows none of the notes of this prompt, nor any that could stand in; "
            "give another prompt"
        )
    wanted = dataclasses.replace(wanted, metre=int(bars[-1]))
    opens = bars[-1:]
    last_start = int(score.notes.start_ticks.max())
    open_bars = score.bar_count - 1 - int(score.bar(last_start))
    for extra in range(open_bars, 0, -1):  # bars in which the prompt only rings on
        held = np.concatenate([told, np.repeat(opens, extra)])
        tried = info.vocabulary.globalise(np.concatenate([held, opens]))
        if info.grammar.legal(tried)[len(told) :].all():
            told = held
            break
    told, silent = _without_silence(info, told, opens)
    if silent:
        said.append(
            f"the last {silent} bars of the prompt have nothing the model knows, more than its "
            "music ever pauses, and are left out"
        )
    return dataclasses.replace(_opening(told, wanted, said, prompt), opens=opens)


def _without_silence(info: ModelInfo, told: TokenIds, opens: TokenIds) -> tuple[TokenIds, int]:
    """A prompt without as many empty bars at its end as forbid another, and how many those are."""
    kinds, whole = words_of(info)[layout.KIND], len(told)
    while kinds[told[-1]] == layout.BAR:
        tried = info.vocabulary.globalise(np.concatenate([told, opens]))
        if info.grammar.legal(tried)[len(told) :].all():
            break
        told = told[:-1]
    return told, whole - len(told)


def _to_the_bar_line(info: ModelInfo, told: TokenIds) -> tuple[TokenIds, int]:
    """The steps of a chorale with the last chord held to the bar line, and for how many steps.

    Where the grammar lets nobody stay that long, they are left as they are.
    """
    steps = (len(told) - 1) // len(VOICES)
    missing = -steps % STEPS_PER_BAR
    held = np.concatenate([told, np.tile(told[-len(VOICES) :], missing)])
    is_legal = info.grammar.legal(info.vocabulary.globalise(held))[len(told) :].all()
    return (held, missing) if is_legal else (told, 0)


def _opening(told: TokenIds, wanted: Forced, said: Sequence[str], prompt: Score) -> Opening:
    return Opening(
        told,
        wanted=wanted,
        said=tuple(said),
        prompt_notes=len(prompt.notes),
        prompt_sha256=hashlib.sha256(midi_bytes(prompt)).hexdigest(),
    )


def _change(brought: str, became: str | None, count: int) -> str:
    times = f", {count} times" if count > 1 else ""
    if became is None:
        return f"the model has never seen {brought}: left out{times}"
    return f"the model has never seen {brought}: became {became}{times}"


def _local(info: ModelInfo, name: str) -> TokenIds:
    return np.array([info.vocabulary.names.index(name)], np.uint16)
