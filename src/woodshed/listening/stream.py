"""Music as it is heard now: blocks of a finished mix, its slots turned on and off while it plays.

For the sound card and the studio. Unlike a rendering, a stream cannot listen to the whole piece
before it begins. What the built-in synthesiser will make of it, the notes tell. Of FluidSynth they
tell a first level only; while it plays, it is listened to where most is going on.
"""

from __future__ import annotations

import contextlib
import math
import threading
from collections.abc import Collection, Generator, Iterator

import numpy as np
from numpy.typing import NDArray

from ..errors import UsageError
from .engines import Chosen, EngineFailed, builtin, choose, stop
from .expected import expected_lufs
from .loudness import Meter
from .mix import Block, Limiter, decibels, factor, load_kernels, quiet_height
from .playing import Playing
from .sound_settings import SoundSettings

BLOCK_FRAMES = 1024
"""Some 20 ms: the longest a key is not heard."""

PROBE_SECONDS = 1.5
"""For how long FluidSynth is listened to."""

FLUID_OVER_BUILTIN_LU = -1.9
"""So much louder FluidSynth plays than the built-in synthesiser, about."""

UNHEARD_SECONDS = 2.0
"""So much may play before its level is known; then it waits for that."""

QUIETER = 0.99
"""Rounding must not bring it over what needs no limiter."""

GLIDE_DB_A_SECOND = 12.0
"""How fast the first level goes over into the one that was heard."""

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
        self._listener: _Listener | None = None
        self._gain = factor(self._gain_db(guessed_lufs(playing, chosen.name)))
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
        self._stop_listening()

    def _mixed(self) -> Generator[NDArray[np.float32], None, None]:
        silent = 0
        for block in self._blocks():
            self._glide(block)
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
                if not played and self._engine.name == "fluidsynth":
                    self._listener = _Listener(self.playing, self._engine, self.sample_rate)
                elif played and self._listener is not None:
                    self._listener.start()
                played += block.shape[1]
                yield block
        except EngineFailed as failure:
            if self._engine.name == "builtin":
                raise
            self.warnings.append(f"{failure}, so the built-in synthesiser goes on")
            self._stop_listening()
            self._engine = builtin()
            self._gain = factor(self._gain_db(guessed_lufs(self.playing, "builtin")))
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

    def _gain_db(self, lufs: float) -> float:
        return min(self.sound.loudness - lufs, MOST_GAIN_DB) if math.isfinite(lufs) else 0.0

    def _glide(self, block: Block) -> None:
        """Go on towards the level that was heard, if one was by now."""
        listener = self._listener
        if listener is None:
            return
        if self._frames > UNHEARD_SECONDS * self.sample_rate:
            listener.wait()
        if not listener.has_limiter:  # its machine code is still being loaded
            height = float(np.abs(block.sum(axis=0)).max(initial=0.0))
            self._gain = min(self._gain, QUIETER * quiet_height() / max(height, SILENT))
        elif listener.is_done:
            now, goal = decibels(self._gain), self._gain_db(listener.lufs)
            step = GLIDE_DB_A_SECOND * block.shape[1] / self.sample_rate
            self._gain = factor(now + min(max(goal - now, -step), step))
            if abs(goal - now) <= step:
                self._stop_listening()

    def _stop_listening(self) -> None:
        if self._listener is not None:
            self._listener.stop()
            self._listener = None


class _Listener:
    """Hears beside the music how loud an engine plays its busiest moment."""

    def __init__(self, playing: Playing, chosen: Chosen, sample_rate: int) -> None:
        self.has_limiter = False
        self.lufs = -math.inf
        self._playing, self._chosen, self._sample_rate = playing, chosen, sample_rate
        self._is_unwanted = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin, if it has not: only once something was heard, as it takes time from all else."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._listen, daemon=True)
            self._thread.start()

    @property
    def is_done(self) -> bool:
        return self._thread is not None and not self._thread.is_alive()

    def wait(self) -> None:
        if self._thread is not None:
            self._thread.join()

    def stop(self) -> None:
        self._is_unwanted.set()
        self.wait()

    def _listen(self) -> None:
        load_kernels()
        self.has_limiter = True
        # Should it break down, then where it is heard, too, and there that is told.
        self.lufs = guessed_lufs(self._playing, self._chosen.name)
        with contextlib.suppress(EngineFailed):
            self.lufs = probed_lufs(
                self._playing, self._chosen, self._sample_rate, self._is_unwanted
            )


def probed_lufs(
    playing: Playing,
    chosen: Chosen,
    sample_rate: int,
    is_unwanted: threading.Event | None = None,
) -> float:
    """How loud an engine plays a piece, by its busiest moment.

    By how much that is louder than the whole, the notes tell.
    """
    if not len(playing.start_seconds):
        return -math.inf
    meter, left = Meter(sample_rate), int(PROBE_SECONDS * sample_rate)
    begin = busiest_seconds(playing)
    louder = expected_lufs(playing, begin, PROBE_SECONDS) - expected_lufs(playing)
    blocks = chosen.engine.blocks(playing, sample_rate, begin)
    try:
        for block in blocks:
            meter.add(block.sum(axis=0, dtype=np.float32))
            left -= block.shape[1]
            if left <= 0 or (is_unwanted is not None and is_unwanted.is_set()):
                break
    finally:
        stop(blocks)
    return meter.lufs - (louder if math.isfinite(louder) else 0.0)


def guessed_lufs(playing: Playing, engine: str) -> float:
    """How loud an engine of this name plays a piece, about, by its notes alone."""
    return expected_lufs(playing) + (FLUID_OVER_BUILTIN_LU if engine == "fluidsynth" else 0.0)


def busiest_seconds(playing: Playing) -> float:
    """Where the notes of `PROBE_SECONDS` are most and loudest together."""
    start = playing.start_seconds
    force = np.concatenate([[0.0], np.cumsum((playing.velocity / 127.0) ** 2)])
    ends = np.searchsorted(start, start + PROBE_SECONDS)
    return float(start[np.argmax(force[ends] - force[np.arange(len(start))])])
