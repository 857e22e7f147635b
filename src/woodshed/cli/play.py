"""What `woodshed audition play` does: a folder or a file, through the sound card."""

from __future__ import annotations

import os
import shutil
import sys
from typing import TYPE_CHECKING

import click

from ..errors import UsageError
from ..formats.limits import Limits
from ..listening.card import SoundCard
from ..listening.player import Player, State
from ..listening.playing import stem_names
from ..listening.sound_settings import SoundSettings
from ..music.lineup import load_lineup
from .keyboard import Keyboard
from .output import clock, printable

if TYPE_CHECKING:
    from ..listening.playing import Playing, Programs

HELP = "space: pause · n: next · p: previous · 1-9: one slot alone · 0: all · q: stop"


def play_path(
    path: str,
    sound: SoundSettings,
    lineup: str,
    programs: Programs,
    solo: str | None,
    start_bar: int | None,
    limits: Limits,
) -> None:
    """Play a file, or all files of a folder, until they end or somebody stops it."""
    paths = _pieces(path)
    if solo is not None and solo not in (slots := stem_names(load_lineup(lineup))):
        raise UsageError(
            f"there is no slot {solo!r} in the lineup {lineup}; it has {', '.join(slots)}"
        )

    def load(piece: str) -> Playing:
        from ..formats.midi_contained import read_contained
        from ..listening.playing import playing

        return playing(read_contained(piece, limits), lineup, programs, start_bar=start_bar)

    with Keyboard() as keys:
        card = SoundCard(sound.sample_rate)
        click.echo(HELP, err=True)
        board = _Board(len(paths), path)
        Player(paths, load, card, sound, solo, board.show, board.note).run(keys)
        board.done()


def _pieces(path: str) -> list[str]:
    if not os.path.isdir(path):
        if not os.path.exists(path):
            raise UsageError(f"there is no {path}; name a MIDI file or a folder of them")
        return [path]
    from ..corpus.folder import list_midi

    return [os.fspath(p) for p in list_midi(path).paths]


class _Board:
    """One line on standard error that says what plays, with notes above it."""

    def __init__(self, count: int, root: str) -> None:
        self._count, self._root = count, root
        self._length = 0

    def show(self, state: State) -> None:
        name = os.path.basename(state.path)
        if os.path.isdir(self._root):
            name = os.path.relpath(state.path, self._root)
        slots = " ".join(
            f"[{n}:{stem}]" if stem == state.solo else f"{n}:{stem}"
            for n, stem in enumerate(state.stems, start=1)
        )
        sign = "paused" if state.is_paused else "playing"
        times = f"{clock(state.seconds)}/{clock(state.length_seconds)}"
        solo = f"solo {state.solo} · " if state.solo else ""
        self._write(f"{sign} {state.number + 1}/{self._count} {times} · {solo}{slots} · {name}")

    def note(self, sentence: str) -> None:
        self._write("")
        click.echo(f"note: {printable(sentence)}", err=True)

    def done(self) -> None:
        self._write("")

    def _write(self, line: str) -> None:
        fitted = printable(line)[: shutil.get_terminal_size().columns - 1]
        if sys.stderr is not None:
            sys.stderr.write("\r" + fitted.ljust(self._length) + ("\r" if not line else ""))
            sys.stderr.flush()
        self._length = len(fitted)
