"""Music as it is heard now: blocks of a finished mix, its slots turned on and off while it plays.

For the sound card and the studio. Unlike a rendering, a stream cannot listen to the whole piece
before it begins; it takes its level from a few seconds where most is going on.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Generator, Iterator

import numpy as np
from numpy.typing import NDArray

from ..errors import UsageError
from .engines import Chosen, EngineFailed, builtin, choose, stop
from .loudness import Meter
from .mix import Block, Limiter, factor
from .playing import Playing
from .sound_settings import SoundSettings

BLOCK_FRAMES = 1024
"""Some 20 ms: the longest a key is not heard."""

PROBE_SECONDS = 1.5
PROBE_OVER_PIECE_LU = 4.0
"""So much louder than a whole piece its busiest seconds are, about."""

FLUIDSYNTH_UNDER_BUILTIN_LU = 4.0
"""FluidSynth begins too slowly to be listened to first. It comes out so much softer, about."""

MOST_GAIN_DB = 30.0

SILENT, SILENT_SECONDS = 0.001, 0.3
"""A tail this low for so long is over."""


class Stream:
    """A piece on its way to the ear. Iterate over it for blocks of shape (frames, 2).

    `hear` chooses the slots that sound, at any time. `seconds` is the place in the piece. Close it,
    or use it in a `with`, when it is no longer wanted: engines hold processes. `warnings` say what
    happened on the way.
    """

    def __init__(
        self,
        playing: Playing,
        sound: SoundSettings | None = None,
        from_seconds: float = 0.0,
        block_frames: int = BLOCK_FRAMES,
    ) -> None:
        self.playing, self.sound = playing, sound or SoundSettings()
        self.sample_rate = self.sound.sample_rate
        self.warnings: list[str] = []
        chosen = choose(self.sound.synth, self.sound.soundfont)
        self.warnings += chosen.warnings
        self._engine = chosen
        self._block_frames = block_frames
        self._begin_seconds, self._frames = from_seconds, 0
        self._gain = factor(self._gain_db(chosen))
        self._limiter = Limiter(self.sample_rate)
        self._wanted = np.ones(len(playing.stems), np.float32)
        self._heard = self._wanted.copy()
        self._mixes = self._mixed()
        if not playing.stems:
            self.warnings.append("there is nothing to hear in it")

    def hear(self, stems: Collection[str] | None = None) -> None:
        """Let only these slots sound; all of them without a choice."""
        for name in stems or ():
            if name not in self.playing.stems:
                known = ", ".join(self.playing.stems)
                raise UsageError(f"no {name!r} plays in this piece; there is {known}")
        chosen = self.playing.stems if stems is None else stems
        self._wanted = np.array([name in chosen for name in self.playing.stems], np.float32)

    @property
    def seconds(self) -> float:
        """How far it has come."""
        return self._begin_seconds + self._frames / self.sample_rate

    def __iter__(self) -> Iterator[NDArray[np.float32]]:
        return self._mixes

    def __enter__(self) -> Stream:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop the engine."""
        self._mixes.close()

    def _mixed(self) -> Generator[NDArray[np.float32], None, None]:
        silent = 0
        for block in self._blocks():
            is_over = self.seconds > self.playing.seconds
            silent = silent + 1 if is_over and np.abs(block).max() * self._gain < SILENT else 0
            if silent * block.shape[1] > SILENT_SECONDS * self.sample_rate:
                break
            limited = self._limiter.limit(self._faded(block))
            if limited.shape[1]:
                self._frames += limited.shape[1]
                yield limited[0]
        last = self._limiter.finish()
        self._frames += last.shape[1]
        yield last[0]

    def _faded(self, block: Block) -> Block:
        """The mix of the slots that are heard; one that comes or goes does so within the block."""
        ramp = np.linspace(0, 1, block.shape[1], dtype=np.float32)
        levels = self._heard[:, None] + (self._wanted - self._heard)[:, None] * ramp
        self._heard = self._wanted
        mix = (block * levels[:, :, None]).sum(axis=0, keepdims=True) * self._gain
        return np.asarray(mix, np.float32)

    def _blocks(self) -> Iterator[Block]:
        """What the engine plays; the built-in synthesiser goes on where another breaks down."""
        played = 0
        try:
            for block in self._from(self._engine, 0):
                played += block.shape[1]
                yield block
        except EngineFailed as failure:
            if self._engine.name == "builtin":
                raise
            self.warnings.append(f"{failure}, so the built-in synthesiser goes on")
            self._engine = builtin()
            self._gain = factor(self._gain_db(self._engine))
            yield from self._from(self._engine, played)

    def _from(self, chosen: Chosen, frames: int) -> Iterator[Block]:
        if not self.playing.stems:
            return
        begin = self._begin_seconds + frames / self.sample_rate
        blocks = chosen.engine.blocks(self.playing, self.sample_rate, begin, self._block_frames)
        try:
            yield from blocks
        finally:
            stop(blocks)

    def _gain_db(self, chosen: Chosen) -> float:
        lufs = self._probe()
        if chosen.name == "fluidsynth":
            lufs -= FLUIDSYNTH_UNDER_BUILTIN_LU
        return min(self.sound.loudness - lufs, MOST_GAIN_DB) if math.isfinite(lufs) else 0.0

    def _probe(self) -> float:
        """How loud the built-in synthesiser plays the piece, by its busiest moment."""
        if not len(self.playing.start_seconds):
            return -math.inf
        meter, left = Meter(self.sample_rate), int(PROBE_SECONDS * self.sample_rate)
        begin = busiest_seconds(self.playing)
        blocks = builtin().engine.blocks(self.playing, self.sample_rate, begin)
        for block in blocks:
            meter.add(block.sum(axis=0, dtype=np.float32))
            left -= block.shape[1]
            if left <= 0:
                break
        stop(blocks)
        return meter.lufs - PROBE_OVER_PIECE_LU


def busiest_seconds(playing: Playing) -> float:
    """Where the notes of `PROBE_SECONDS` are most and loudest together."""
    start = playing.start_seconds
    force = np.concatenate([[0.0], np.cumsum((playing.velocity / 127.0) ** 2)])
    ends = np.searchsorted(start, start + PROBE_SECONDS)
    return float(start[np.argmax(force[ends] - force[np.arange(len(start))])])
