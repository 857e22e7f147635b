"""What tests ask of sampled pieces, read off their tokens the slow and obvious way."""

from __future__ import annotations

from typing import Any

from woodshed.models.family import Model
from woodshed.sampling.engine import Piece, sample
from woodshed.sampling.header import Header
from woodshed.sampling.prompt import opening
from woodshed.sampling.settings import SamplingSettings


def play(
    model: Model, count: int = 1, *, first: int = 1, header: Header | None = None, **settings: Any
) -> list[Piece]:
    """Pieces of a model, from number `first` on."""
    wanted = SamplingSettings(**{"seed": 7, **settings})
    begins = opening(model.info, header)
    return sample(
        model,
        begins.starts(range(first, first + count)),
        wanted,
        permitted=begins.permitted(model.info, wanted),
        plan_for=begins.plan_for(model.info),
    )


def words(model: Model, piece: Piece) -> list[str]:
    """The names of all tokens of a piece."""
    names = model.info.vocabulary.names
    return [names[token] for token in piece.tokens.tolist()]


def new_words(model: Model, piece: Piece) -> list[str]:
    """The names of its tokens without those of a prompt."""
    return words(model, piece)[piece.new_from :]


def count_of(told: list[str], *groups: str) -> int:
    """How many tokens of some groups there are."""
    return sum(word.partition("_")[0] in groups for word in told)


def is_legal(model: Model, piece: Piece) -> bool:
    """Whether the grammar of the model allows every token where it stands."""
    return bool(model.info.grammar.legal(model.info.vocabulary.globalise(piece.tokens)).all())


def starts_of_notes(told: list[str]) -> list[tuple[int, int, str]]:
    """Of each note in `events`: its bar, the step in it, and who plays."""
    bar = step = 0
    who = ""
    notes = []
    for word in told:
        group, _, label = word.partition("_")
        if group == "BAR":
            bar, step = bar + 1, 0
        elif group == "SHIFT":
            step += int(label)
        elif group == "INST":
            who = label
        elif group in ("PITCH", "DRUM"):
            notes.append((bar, step, who))
    return notes
