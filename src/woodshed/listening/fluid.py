"""FluidSynth as an engine: the program itself, one process for each stem, samples through a pipe.

A program and not a library: it needs no binding, and when it crashes or hangs nothing else does.
Knows what is to sound. Refuses to know scores, lineups and how loud a mix should be.
"""

from __future__ import annotations

import contextlib
import functools
import os
import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray

from .engines import BLOCK_FRAMES, EngineFailed
from .fluid_midi import stem_midi
from .mix import Block
from .playing import Playing

TAIL_SECONDS = 5.0
"""How long the last notes may ring: most of a cymbal, all of the room."""

CHECK_SECONDS = 10.0
STALL_SECONDS = 30.0
"""How long FluidSynth may think before a block. Loading a large soundfont takes some seconds."""

SHORT_SECONDS = 1.0
"""What may be missing at the end; FluidSynth counts in blocks of its own."""

SILENT = 1e-5
"""Without a soundfont it plays on, but for the noise of its room all is silent."""

FRAME_BYTES = 8
REASON_LETTERS = 200


@dataclass(frozen=True, slots=True)
class FluidSynth:
    """The program and the soundfont it plays."""

    program: str
    soundfont: str
    stall_seconds: float = STALL_SECONDS

    def blocks(
        self,
        playing: Playing,
        sample_rate: int = 44100,
        from_seconds: float = 0.0,
        block_frames: int = BLOCK_FRAMES,
    ) -> Iterator[Block]:
        """Play. Raises `EngineFailed` when FluidSynth crashes, hangs, or plays nothing at all."""
        end_seconds = max(playing.seconds - from_seconds, 0.0) + TAIL_SECONDS
        wanted = round(end_seconds * sample_rate) if playing.stems else 0
        frames, peak = 0, 0.0
        with contextlib.ExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="woodshed-")))
            watch = stack.enter_context(_Watch(self.stall_seconds))
            for stem in range(len(playing.stems)):
                midi = stem_midi(playing, stem, from_seconds, end_seconds)
                watch.players.append(stack.enter_context(self._player(folder, midi, sample_rate)))
            # Some versions play on for a while after the end.
            while frames < wanted:
                block = watch.read(min(block_frames, wanted - frames))
                if not block.shape[1]:
                    for player in watch.players:
                        player.check_end()
                    break
                frames += block.shape[1]
                peak = max(peak, float(np.abs(block).max()))
                yield block
        if frames < wanted - SHORT_SECONDS * sample_rate:
            raise EngineFailed(f"FluidSynth stopped after {frames / sample_rate:.1f} s")
        if peak < SILENT and (playing.end_seconds > from_seconds).any():
            raise EngineFailed(f"FluidSynth played nothing with {self.soundfont}")
        if not np.isfinite(peak):
            raise EngineFailed("FluidSynth answered numbers that are no sound")

    def _player(self, folder: Path, midi: bytes, sample_rate: int) -> _Player:
        file = folder / f"{len(list(folder.iterdir()))}.mid"
        file.write_bytes(midi)
        font = os.path.abspath(self.soundfont)
        arguments = [
            self.program,
            "-q", "-n", "-i",  # no greeting, no MIDI port, no shell
            "-f", os.devnull,  # a person's own settings could send the sound elsewhere
            "-o", "synth.dynamic-sample-loading=1",  # a large soundfont then opens in no time
            "-o", f"synth.default-soundfont={font}",  # or it would play another if this is damaged
            "-r", str(sample_rate),
            "-O", "float", "-T", "raw", "-F", "-",
            font,
            os.fspath(file),
        ]  # fmt: skip
        return _Player(arguments, folder)


class _Player:
    """One process of FluidSynth that plays one stem."""

    def __init__(self, arguments: list[str], folder: Path) -> None:
        # Its complaints go into a file: a pipe nobody reads would fill up and stop it.
        self._complaints: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - open as long as it
        try:
            self._process = subprocess.Popen(
                arguments,
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=self._complaints,
            )
        except OSError as error:
            self._complaints.close()
            raise EngineFailed(f"FluidSynth did not start ({error.strerror})") from None

    def __enter__(self) -> _Player:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()
        if self._process.stdout is not None:
            self._process.stdout.close()
        self._process.wait()
        self._complaints.close()

    def kill(self) -> None:
        """End the process at once."""
        self._process.kill()

    def read(self, frames: int) -> NDArray[np.float32]:
        """The next frames; fewer only at the end."""
        assert self._process.stdout is not None
        data = self._process.stdout.read(frames * FRAME_BYTES)
        whole = len(data) - len(data) % FRAME_BYTES
        return np.frombuffer(data[:whole], "<f4").reshape(-1, 2).astype(np.float32, copy=False)

    def check_end(self) -> None:
        """Raise `EngineFailed` unless it ended well."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(CHECK_SECONDS)
        if self._process.returncode != 0:
            raise EngineFailed(f"FluidSynth broke down{self._last_words()}")

    def _last_words(self) -> str:
        self._complaints.seek(0)
        lines = self._complaints.read().decode("utf-8", "replace").split("\n")
        said = [line.strip() for line in lines if line.strip()]
        status = self._process.returncode
        return f" ({said[-1][:REASON_LETTERS]})" if said else f" (status {status})"


class _Watch:
    """Reads from all players in step, and kills them when one takes too long."""

    def __init__(self, stall_seconds: float) -> None:
        self.players: list[_Player] = []
        self._stall_seconds = stall_seconds
        self._reading_since: float | None = None
        self._stalled = False
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)

    def __enter__(self) -> _Watch:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def read(self, frames: int) -> Block:
        """A block of every stem; those that end earlier are silent until all do."""
        self._reading_since = time.monotonic()
        parts = [player.read(frames) for player in self.players]
        self._reading_since = None
        if self._stalled:
            raise EngineFailed(f"FluidSynth did not go on for {self._stall_seconds:g} s")
        longest = max((len(part) for part in parts), default=0)
        block = np.zeros((len(parts), longest, 2), np.float32)
        for row, part in zip(block, parts, strict=True):
            row[: len(part)] = part
        return block

    def _look(self) -> None:
        while not self._over.wait(min(0.5, self._stall_seconds / 4)):
            since = self._reading_since
            if since is not None and time.monotonic() - since > self._stall_seconds:
                self._stalled = True
                for player in list(self.players):
                    player.kill()


def find_program() -> str | None:
    """Where the program `fluidsynth` is, if it is on the PATH."""
    return shutil.which("fluidsynth")


@functools.cache
def program_fault(program: str) -> str | None:
    """What is wrong with a FluidSynth that cannot even say its version; None if it can."""
    try:
        done = subprocess.run(
            [program, "--version"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=CHECK_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"{program} does not answer"
    except OSError as error:
        return f"{program} does not start ({error.strerror})"
    if done.returncode != 0:
        said = done.stderr.decode("utf-8", "replace").strip().split("\n")[-1][:REASON_LETTERS]
        return f"{program} is broken ({said or f'status {done.returncode}'})"
    return None
