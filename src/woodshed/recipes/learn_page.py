"""The page of what was learnt: pieces to hear, what went in, what did not and why, how to go on.

In plain words. Knows nothing of how any of it was made.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

from ..corpus.prepare import FileLeftOut, PrepareReport
from ..corpus.texts import counted
from .learn_place import DATASET, MODEL
from .learn_player import player, table, whole_page

if TYPE_CHECKING:
    from ..models.info import ModelInfo
    from .generate import GeneratedPiece

MOST_FILES = 5
"""Of each reason so many files are shown; a CSV beside the page has all."""

REASONS = {
    "unreadable": "no MIDI that can be read",
    "lineup": "nobody plays whom the lineup has",
    "copy": "the same bytes as another file",
    "leak": "the music of a piece that is held out",
    "unlisted": "not named by the official splits",
}


@dataclass(frozen=True, slots=True)
class Story:
    """What a page begins with, where it is not about a folder of somebody's own."""

    title: str
    told: str


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


def learn_page(
    shown: Sequence[PagePiece],
    folder: str | os.PathLike[str],
    out: str | os.PathLike[str],
    report: PrepareReport,
    info: ModelInfo,
    seconds: float | None,
    story: Story | None = None,
) -> str:
    """The page as HTML. `folder` and `out` are as the user named them, for commands to copy.

    `seconds` is how long training took, where that is known.
    """
    summary = report.summary
    name = os.path.basename(os.path.abspath(folder))
    onwards = (
        ("learn a folder of yours", "woodshed learn FOLDER -o learnt")
        if story is not None
        else (
            "after you added music to the folder",
            f"woodshed learn {shlex.quote(os.fspath(folder))} -o {shlex.quote(os.fspath(out))}",
        )
    )
    story = story or Story(
        f"What Woodshed learnt from {name}",
        "The pieces below are new: a model that learnt the folder plays them.",
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
        *(_piece(number, each, out) for number, each in enumerate(shown, 1)),
        *_learnt(report, info, seconds),
        *_left_out(report.left_out, summary.files),
        *_going_on(shown, out, onwards),
    )


def _piece(number: int, each: PagePiece, out: str | os.PathLike[str]) -> str:
    piece = each.piece
    asked = ", ".join(f"{name} {value}" for name, value in each.tags.items())
    told = [asked, *([counted(piece.bars, "bar")] if piece.bars else [])]
    told += [counted(piece.notes, "note"), f"seed {each.seed}"]
    again = f"woodshed again {_path(out, each.file)} -o again.mid --model {_path(out, MODEL)}"
    title = f"{number}. {each.name.capitalize() or 'Piece'}"
    return player(
        title,
        " · ".join(word for word in told if word),
        piece.made.score,
        each.sound,
        each.file,
        f"<details><summary>Make it again</summary><pre>{escape(again)}</pre></details>",
    )


def _learnt(report: PrepareReport, info: ModelInfo, seconds: float | None) -> Iterator[str]:
    """What went in, how it was split, and how well the model knows it."""
    summary, training = report.summary, info.training
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
    bits = training.get("bits_per_note_while_learning")
    words = [
        f"The model is of the family {info.family} and reads the language "
        f"{info.language.language.name}. It learnt {int(training.get('tokens', 0)):,} tokens of "
        f"{counted(int(training.get('pieces', 0)), 'piece')}."
    ]
    if seconds is not None:
        words.append(f"That took {seconds:.1f} seconds.")
    if bits is not None:
        words.append(
            f"On {counted(int(training.get('held_out_pieces', 0)), 'piece')} that it had not seen "
            f"it needed {bits:g} bits for each note; the fewer, the better it foresees the music."
        )
    licences = ", ".join(info.licences)
    words.append(f"Licences of the music: {licences}." if licences else "No licence is known.")
    yield f"<p>{escape(' '.join(words))}</p>"
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
    shown: Sequence[PagePiece], out: str | os.PathLike[str], onwards: tuple[str, str]
) -> Iterator[str]:
    """Commands to copy, with the names of this very place."""
    model, first = _path(out, MODEL), _path(out, shown[0].file)
    long = "--seconds 60" if shown[0].piece.bars is None else "--bars 24"
    tags = shown[0].tags
    cond = "".join(f" --cond {shlex.quote(f'{name}={value}')}" for name, value in tags.items())
    lines = [
        ("more of it, another each time", f"woodshed generate {model} -o new.mid {long}{cond}"),
        ("go on from a phrase of yours",
         f"woodshed generate {model} -o more.mid --prompt phrase.mid {long}"),
        ("any of it as sound", f"woodshed render {first} -o out.wav"),
        ("see what the model reads", f"woodshed check {_path(out, DATASET)}"),
        onwards,
    ]  # fmt: skip
    text = "\n".join(f"# {told}\n{command}" for told, command in lines)
    yield f"<h2>How to go on</h2><pre>{escape(text)}</pre>"


def _path(out: str | os.PathLike[str], name: str) -> str:
    return shlex.quote(os.path.join(out, name))


def _length(seconds: float) -> str:
    """A length in words, in the unit that fits."""
    if seconds < 100:
        return counted(round(seconds), "second")
    if seconds < 100 * 60:
        return counted(round(seconds / 60), "minute")
    return f"{seconds / 3600:,.1f} hours"
