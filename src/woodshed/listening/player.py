"""Playing through a list of pieces: pause, next, previous, one slot alone, all while it sounds.

Knows blocks, keys and something that takes sound. Refuses to know sound cards and terminals.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ..errors import BadFile, WoodshedError
from .engines import load_ahead
from .playing import Playing
from .sound_settings import SoundSettings
from .stream import Stream

PAUSE_KEY, NEXT_KEY, PREVIOUS_KEY, ALL_KEY = " ", "n", "p", "0"
QUIT_KEYS = ("q", "\x1b", "\x03")
IDLE_SECONDS = 0.1

Load = Callable[[str], Playing]


class Output(Protocol):
    """Something that takes sound: a sound card, or a list in a test."""

    def write(self, frames: NDArray[np.float32]) -> None:
        """Take frames of shape (frames, 2), and wait until there is room for more."""
        ...

    def drop(self) -> None:
        """Be silent at once, whatever was taken and not heard yet; go on with the next write."""
        ...

    def close(self) -> None:
        """Give the device back."""
        ...


class Keys(Protocol):
    """Something that says which key was pressed."""

    def poll(self, wait_seconds: float) -> str | None:
        """The next key; None if none comes within that time."""
        ...


@dataclass(frozen=True, slots=True)
class State:
    """What a person should see: which piece, where in it, and who is heard."""

    number: int
    path: str
    seconds: float
    length_seconds: float
    is_paused: bool
    stems: tuple[str, ...]
    solo: str | None


class Player:
    """Plays pieces one after another and does what keys ask for.

    `show` is told the state whenever there is something new to see, and `note` gets sentences:
    files that cannot be read, engines that broke down.
    """

    def __init__(
        self,
        paths: Sequence[str],
        load: Load,
        output: Output,
        sound: SoundSettings | None = None,
        solo: str | None = None,
        show: Callable[[State], None] = lambda _: None,
        note: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.paths = list(paths)
        self.number, self.is_paused, self.solo = 0, False, solo
        self._sound = sound or SoundSettings()
        self._load, self._output, self._show, self._note = load, output, show, note
        self._reader = ThreadPoolExecutor(1, thread_name_prefix="woodshed-next")
        self._read: dict[int, Future[Playing]] = {}
        self._bad: set[int] = set()
        self._stream: Stream | None = None
        self._told = 0
        self._shown: State | None = None

    def run(self, keys: Keys) -> None:
        """Play until the last piece ends or a key says so. Leaves nothing behind.

        Raises `WoodshedError` where none of the pieces can be read.
        """
        try:
            load_ahead(self._sound.synth, self._sound.soundfont)  # while the first piece is read
            self._open(0, 1)
            while self._stream is not None:
                key = keys.poll(IDLE_SECONDS if self.is_paused else 0.0)
                if key is not None and not self.press(key):
                    break
                if not self.is_paused and self._stream is not None:
                    self._step()
        finally:
            self.close()

    def press(self, key: str) -> bool:
        """Do what a key asks for; False if it asks to stop."""
        if key in QUIT_KEYS:
            return False
        if key == PAUSE_KEY:
            self.is_paused = not self.is_paused
            if self.is_paused:
                self._output.drop()
        elif key == NEXT_KEY:
            self._skip(1)
        elif key == PREVIOUS_KEY:
            self._skip(-1)
        elif key == ALL_KEY:
            self._hear(None)
        elif key.isascii() and key.isdigit() and self._stream is not None:
            stems = self._stream.playing.stems
            if int(key) <= len(stems):
                name = stems[int(key) - 1]
                self._hear(None if name == self.solo else name)
        self._tell()
        return True

    def close(self) -> None:
        """Stop everything."""
        if self._stream is not None:
            self._stream.close()
            self._stream = None
        self._reader.shutdown(wait=True, cancel_futures=True)
        self._output.close()

    def _step(self) -> None:
        """Play one block, or begin the next piece."""
        assert self._stream is not None
        block = next(iter(self._stream), None)
        for warning in self._stream.warnings[self._told :]:
            self._note(warning)
        self._told = len(self._stream.warnings)
        if block is None:
            self._open(self.number + 1, 1)
        else:
            self._output.write(block)
        self._tell()

    def _skip(self, way: int) -> None:
        """To another piece, at once. Before the first is the first, from its beginning."""
        self._output.drop()
        self.is_paused = False
        self._open(max(self.number + way, 0), way)

    def _open(self, number: int, way: int) -> None:
        """Begin a piece; pieces that cannot be read are passed over in the direction of `way`."""
        if self._stream is not None:
            self._stream.close()
            self._stream = None
        while 0 <= number < len(self.paths):
            try:
                playing = self._fetch(number).result()
            except BadFile as bad:
                if number not in self._bad:
                    self._note(str(bad))
                    self._bad.add(number)
                if len(self._bad) == len(self.paths):
                    raise WoodshedError(
                        f"none of the {len(self.paths)} pieces can be read"
                    ) from None
                way = 1 if number == 0 else way
                number += way
                continue
            self.number, self._told = number, 0
            self._stream = Stream(playing, self._sound)
            self._hear(self.solo)
            if number + 1 < len(self.paths):
                self._fetch(number + 1)
            self._forget_far()
            self._tell()
            return

    def _fetch(self, number: int) -> Future[Playing]:
        """A piece that is read, or being read in the background."""
        if number not in self._read:
            self._read[number] = self._reader.submit(self._load, self.paths[number])
        return self._read[number]

    def _forget_far(self) -> None:
        for number in list(self._read):
            if abs(number - self.number) > 1:
                del self._read[number]

    def _hear(self, solo: str | None) -> None:
        """One slot alone, where this piece has it; a choice stays for the pieces that follow."""
        self.solo = solo
        if self._stream is not None:
            stems = self._stream.playing.stems
            self._stream.hear([solo] if solo in stems else None)

    def _tell(self) -> None:
        if self._stream is None:
            return
        stems = self._stream.playing.stems
        state = State(
            self.number,
            self.paths[self.number],
            float(int(self._stream.seconds)),
            self._stream.playing.seconds,
            self.is_paused,
            stems,
            self.solo if self.solo in stems else None,
        )
        if state != self._shown:
            self._shown = state
            self._show(state)
