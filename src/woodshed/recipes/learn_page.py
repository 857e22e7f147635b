"""The page of what was learnt: pieces to hear, what went in, what did not and why, how to go on.

In plain words. Knows nothing of how any of it was made.
"""

from __future__ import annotations

import dataclasses
import os
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any

from ..corpus.prepare import FileLeftOut, PrepareReport
from ..corpus.texts import counted
from ..formats.limits import Limits
from ..training.settings import flag
from .learn_place import DATASET
from .learn_player import player, table, whole_page
from .learn_settings import LearnSettings, learns_networks

if TYPE_CHECKING:
    from ..models.info import ModelInfo
    from .generate import GeneratedPiece

MOST_FILES = 5
"""Of each reason so many files are shown; a CSV beside the page has all."""

USUAL = {"lineup": "band", "language": "events"}
"""What is asked besides settings, where nobody says otherwise."""
LONGER, LEAST_MINUTES = 3, 60
"""A network learns longer: so many times as long as it was let, and so many minutes at least."""

CODE = re.compile("`([^`]*)`")

REASONS = {
    "unreadable": "no MIDI that can be read",
    "lineup": "nobody plays whom the lineup has",
    "copy": "the same bytes as another file",
    "leak": "the music of a piece that is held out",
    "unlisted": "not named by the official splits",
}


FAMILIES = {
    "ngram": (
        "The n-gram model",
        "It keeps an index of everything the music does. It looks up where the music was most like "
        "what it has just played, at every length at once, and goes on as it went on there.",
    ),
    "transformer": (
        "The Transformer",
        "A small neural network. It learnt by foreseeing token after token of the music, and keeps "
        "what it learnt as numbers, not as music.",
    ),
    "mamba": (
        "The Mamba",
        "A small neural network. It learnt by foreseeing token after token of the music, and "
        "remembers what it has heard in tables that fade, some at once and some slowly.",
    ),
    "lstm": (
        "The LSTM",
        "A small neural network. It learnt by foreseeing token after token of the music, and "
        "remembers what it has heard in cells that learn what to keep and what to forget.",
    ),
}
"""Each family in plain words: a heading, and what it is."""


@dataclass(frozen=True, slots=True)
class Story:
    """What a page begins with, where it is not about a folder of somebody's own.

    `hint` is a sentence that stands after the families, with code between backticks.
    """

    title: str
    told: str
    hint: str = ""


@dataclass(frozen=True, slots=True)
class PagePiece:
    """A piece to be heard: `sound` and `file` are paths relative to the page."""

    name: str
    file: str
    sound: str
    seed: int
    tags: Mapping[str, str]
    piece: GeneratedPiece
    engine: str


@dataclass(frozen=True, slots=True)
class Section:
    """What a family learnt and plays: `model` is a folder, relative to the page.

    `seconds` is how long training took, where that is known.
    """

    family: str
    model: str
    info: ModelInfo
    seconds: float | None
    shown: Sequence[PagePiece]


def learn_page(
    sections: Sequence[Section],
    folder: str | os.PathLike[str],
    out: str | os.PathLike[str],
    report: PrepareReport,
    asked: Mapping[str, Any],
    limits: Limits | None = None,
    story: Story | None = None,
) -> str:
    """The page as HTML. `folder` and `out` are as the user named them, for commands to copy.

    So that these do the same once more, `asked` and `limits` become flags where they are not usual.
    """
    summary = report.summary
    name = os.path.basename(os.path.abspath(folder))
    onwards = (
        ("learn a folder of yours", "woodshed learn FOLDER -o learnt")
        if story is not None
        else (
            "after you added music to the folder",
            f"woodshed learn {shlex.quote(os.fspath(folder))} -o {shlex.quote(os.fspath(out))}"
            + _flags(asked, limits),
        )
    )
    story = story or Story(
        f"What Woodshed learnt from {name}",
        f"The pieces below are new: {_who(len(sections))} that learnt the folder "
        f"{'plays' if len(sections) == 1 else 'play'} them.",
    )
    facts = (
        f"{counted(summary.pieces, 'piece')} of {counted(summary.files, 'file')} were learnt from: "
        f"{counted(summary.notes, 'note')}, {_length(summary.duration_seconds)} of music."
    )
    return whole_page(
        f"Woodshed: {story.title}",
        f"<h1>{escape(story.title)}</h1>",
        f"<p>{escape(story.told)}</p>",
        f"<p>{escape(facts)} Click into a roll to play from there.</p>",
        *(part for section in sections for part in _section(section, out)),
        *([_with_code(story.hint)] if story.hint else []),
        *_learnt(report, sections[0].info.licences),
        *_left_out(report.left_out, summary.files),
        *_going_on(sections, out, asked, limits, onwards),
    )


def _with_code(sentence: str) -> str:
    """A paragraph in which what stands between backticks is code."""
    told = CODE.sub(r"<code>\1</code>", escape(sentence))
    return f"<p>{told}</p>"


def _who(count: int) -> str:
    return "a model" if count == 1 else f"{count} models"


def _flags(asked: Mapping[str, Any], limits: Limits | None, *only: str) -> str:
    """Flags for what was asked otherwise than usual, of all that was or of some alone."""
    usual = {**USUAL, **dataclasses.asdict(LearnSettings()), **dataclasses.asdict(Limits())}
    given = {**asked, **dataclasses.asdict(limits or Limits())}
    told = {
        name: f"{value:g}" if isinstance(value, float) else str(value)
        for name, value in given.items()
        if name in (only or usual) and value is not None and value != usual[name]
    }
    return "".join(f" {flag(name)} {shlex.quote(value)}" for name, value in told.items())


def _section(section: Section, out: str | os.PathLike[str]) -> Iterator[str]:
    """A family: what it is, what it learnt and how well, and what it plays."""
    heading, told = FAMILIES[section.family]
    yield f"<h2>{escape(heading)}</h2>"
    yield f"<p>{escape(told)}</p>"
    yield f"<p>{escape(' '.join(_how_well(section)))}</p>"
    for number, each in enumerate(section.shown, 1):
        yield _piece(number, each, _path(out, section.model), out)


def _how_well(section: Section) -> Iterator[str]:
    """How much a family learnt, how long that took, and how well it knows the music now."""
    info, training = section.info, section.info.training
    much = (
        f"{int(training.get('tokens', 0)):,} tokens of "
        f"{counted(int(training.get('pieces', 0)), 'piece')}, in the language "
        f"{info.language.language.name}"
    )
    if "parameters" in training:
        yield (
            f"Its {int(training['parameters']):,} parameters were set in "
            f"{counted(int(training['steps']), 'step')}, each on passages from {much}."
        )
    else:
        yield f"It learnt {much}."
    if section.seconds is not None:
        yield f"That took {section.seconds:.1f} seconds."
    bits = training.get("bits_per_note_while_learning")
    if bits is not None:
        unseen = int(training.get("held_out_pieces", training.get("validation_pieces", 0)))
        where = counted(unseen, "piece")
        if "held_out_pieces" not in training:
            where = f"passages of {where}"
        yield (
            f"On {where} that it had not seen it needed {bits:g} bits for "
            "each note; the fewer, the better it foresees the music."
        )
    score = training.get("grammar_score")
    if score is not None:
        yield (
            f"What it plays without a mask has a grammar score of {score:g}, of 1 at most; the "
            "pieces here are played with the mask, and are legal."
        )


def _piece(number: int, each: PagePiece, model: str, out: str | os.PathLike[str]) -> str:
    piece = each.piece
    asked = ", ".join(f"{name} {value}" for name, value in each.tags.items())
    told = [asked, *([counted(piece.bars, "bar")] if piece.bars else [])]
    told += [counted(piece.notes, "note"), f"seed {each.seed}"]
    again = f"woodshed again {_path(out, each.file)} -o again.mid --model {model}"
    title = f"{number}. {each.name.capitalize() or 'Piece'}"
    return player(
        title,
        " · ".join(word for word in told if word),
        piece.made.score,
        each.sound,
        each.file,
        f"<details><summary>Make it again</summary><pre>{escape(again)}</pre></details>",
    )


def _learnt(report: PrepareReport, known: Sequence[str]) -> Iterator[str]:
    """What went in, how it was split, and the licences that are `known`."""
    summary = report.summary
    yield "<h2>What was learnt</h2>"
    shared = (
        f"{counted(summary.near_duplicates, 'piece')} share their music with another one, in "
        f"{counted(summary.near_duplicate_groups, 'group')}; a group is kept on one side of "
        "the splits."
        if summary.near_duplicates
        else "No two pieces have their music in common."
    )
    splits = ", ".join(f"{split.pieces:,} for {split.split}" for split in summary.splits)
    yield f"<p>{escape(shared)} Pieces: {escape(splits)}.</p>"
    rows = [(s.slot, f"{s.notes:,}") for s in summary.slots if s.notes]
    yield table(("player", "notes"), rows)
    licences = ", ".join(known)
    told = f"Licences of the music: {licences}." if licences else "No licence is known."
    yield f"<p>{escape(told)}</p>"
    for warning in report.warnings:
        yield f"<p>Mind: {escape(warning)}.</p>"


def _left_out(left_out: Sequence[FileLeftOut], files: int) -> Iterator[str]:
    """The files that are no pieces, by reason, the commonest first."""
    yield "<h2>What was left out</h2>"
    if not left_out:
        yield "<p>Nothing: every file became a piece.</p>"
        return
    kinds: dict[str, list[FileLeftOut]] = {}
    for each in left_out:
        kinds.setdefault(each.left_out_by, []).append(each)
    yield (
        f"<p>{len(left_out):,} of {escape(counted(files, 'file'))}. "
        f'<a href="{DATASET}/rejected.csv">rejected.csv</a> has them all.</p>'
    )
    for kind, found in sorted(kinds.items(), key=lambda item: -len(item[1])):
        reason = REASONS.get(kind, kind.replace("_", " "))
        yield f"<h3>{escape(reason[:1].upper() + reason[1:])}: {len(found):,}</h3><ul>"
        for each in found[:MOST_FILES]:
            yield f"<li>{escape(each.path)}<br><span class=soft>{escape(each.because)}</span></li>"
        if len(found) > MOST_FILES:
            yield f"<li class=soft>… and {len(found) - MOST_FILES:,} more</li>"
        yield "</ul>"


def _going_on(
    sections: Sequence[Section],
    out: str | os.PathLike[str],
    asked: Mapping[str, Any],
    limits: Limits | None,
    onwards: tuple[str, str],
) -> Iterator[str]:
    """Commands to copy, with the names of this very place."""
    reading = _flags(asked, limits, "language", *Limits.__dataclass_fields__)
    minutes = max(LONGER * asked.get("max_minutes", 0), LEAST_MINUTES)
    first = sections[0].shown[0]
    long = "--seconds 60" if first.piece.bars is None else "--bars 24"
    cond = "".join(
        f" --cond {shlex.quote(f'{name}={value}')}" for name, value in first.tags.items()
    )
    synth = " --synth builtin" if first.engine == "builtin" else ""
    lines = []
    for section in sections:
        model = _path(out, section.model)
        by = f", by {_as_inside(FAMILIES[section.family][0])}" if len(sections) > 1 else ""
        lines += [
            (f"more of it{by}, another each time",
             f"woodshed generate {model} -o new.mid {long}{cond}"),
            (f"go on from a phrase of yours{by}",
             f"woodshed generate {model} -o more.mid --prompt phrase.mid {long}"),
        ]  # fmt: skip
        if learns_networks(section.family):
            name = _as_inside(FAMILIES[section.family][0])
            longer = f"woodshed train {_path(out, DATASET)} -o longer-{section.family}.model"
            command = f"{longer} --family {section.family} --max-minutes {minutes:g}{reading}"
            lines.append((f"let {name} learn longer, from the beginning", command))
    lines += [
        ("any of it as sound", f"woodshed render {_path(out, first.file)} -o out.wav{synth}"),
        ("see what the model reads", f"woodshed check {_path(out, DATASET)}{reading}"),
        onwards,
    ]
    text = "\n".join(f"# {told}\n{command}" for told, command in lines)
    yield f"<h2>How to go on</h2><pre>{escape(text)}</pre>"


def _as_inside(heading: str) -> str:
    """A heading as it stands within a sentence."""
    return heading[:1].lower() + heading[1:]


def _path(out: str | os.PathLike[str], name: str) -> str:
    return shlex.quote(os.path.join(out, name))


def _length(seconds: float) -> str:
    """A length in words, in the unit that fits."""
    if seconds < 100:
        return counted(round(seconds), "second")
    if seconds < 100 * 60:
        return counted(round(seconds / 60), "minute")
    return f"{seconds / 3600:,.1f} hours"
