"""Music to sound files: played once to a file of raw samples, then levelled, limited and stored.

However long the music, memory stays bounded: what is played waits on disk.
"""

from __future__ import annotations

import contextlib
import math
import os
import tempfile
from array import array
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray

from ..errors import CannotWrite, UsageError
from ..formats.audio_write import DEFAULT_BITS, AudioFile, audio_form, audio_written_whole
from ..formats.files import check_output
from ..formats.limits import Limits
from ..formats.midi_contained import read_contained
from ..formats.space import check_space
from ..music.lineup import Lineup
from ..music.score import Score
from .engines import BLOCK_FRAMES, Chosen, Engine, EngineFailed, builtin, choose, stop
from .loudness import Meter
from .mix import Block, Limiter, PeakFinder, decibels, factor
from .playing import Playing, Programs, playing
from .sound_settings import SoundSettings

FRAME_BYTES = 8
"""Two channels of 32 bits."""

LONGEST_TAIL_SECONDS = 15.0
SILENT_DB = -75.0
"""Below the loudest moment by so much, a tail is over."""

MASTER_FRAMES = 2**15
"""Levelling goes in longer steps than playing: it waits for nothing."""

CANCELLED = 1e-20
"""Stands for the height of a mix whose stems sound, but cancel each other out."""

FADE_SECONDS = 0.02
LEAST_SECONDS = 1.0
"""How long the silence of an empty score is at least."""

MOST_GAIN_DB = 40.0
CLOSE_LU = 0.15
MOST_TRIALS = 4
"""The limiter takes loudness away, so the gain is tried until the loudness comes out right."""

MOST_EXTRA_DB = 3.0
"""So much gain may make up for the limiter. More would flatten what is all peaks: drums alone."""

MOST_LIMITED_DB = 8.0
"""No peak is turned down by more; where it would be, the gain is lowered."""

TOO_QUIET_LU = 0.5

HEARD_LIMITED_DB = 6.0
"""Peaks turned down by more than this may be missed."""

PLAYED = 0.75
"""The share of the whole work that playing takes; the rest is levelling and storing."""

Progress = Callable[[float], None]
"""Told how much is done, from 0 to 1."""


@dataclass(frozen=True, slots=True, eq=False)
class Rendering:
    """What became of some music: files or samples, their level, and what had to be said.

    `paths` begins with the mix; `stem_paths` has one file for each slot. `loudness_lufs` and
    `peak_db` (above full scale, between samples too) are minus infinity for silence. `limited_db`
    is the most that the limiter turned a peak down. `samples` has shape (frames, 2), and is None
    where files were written.
    """

    paths: tuple[str, ...]
    stem_paths: dict[str, str]
    seconds: float
    sample_rate: int
    loudness_lufs: float
    peak_db: float
    gain_db: float
    limited_db: float
    engine: str
    soundfont: str | None
    warnings: tuple[str, ...]
    samples: NDArray[np.float32] | None = field(default=None, repr=False)


def render(
    music: Score | Playing | str | os.PathLike[str],
    out: str | os.PathLike[str] | None = None,
    *,
    sound: SoundSettings | None = None,
    lineup: str | os.PathLike[str] | Lineup = "band",
    programs: Programs = "slots",
    solo: Collection[str] = (),
    mute: Collection[str] = (),
    start_bar: int | None = None,
    bars: int | None = None,
    stems: bool = False,
    bits: int | None = None,
    force: bool = False,
    progress: Progress | None = None,
    limits: Limits | None = None,
    engine: Engine | None = None,
) -> Rendering:
    """Play a score or a MIDI file into a sound file, or into memory without `out`.

    The name of `out` says the form: .wav, .flac, .ogg or .mp3. With `stems` each slot gets a file
    beside it, `song.bass.wav` beside `song.wav`; they sum to the mix. `start_bar` counts from 0,
    `bits` are those of a sample in WAV and FLAC, 16 unless given; other forms have none to choose.
    An empty score gives silence up to its last event. `engine` plays instead of those Woodshed
    knows.

    Raises `BadFile` for music or a soundfont that cannot be read, `UsageError` for slots, bars and
    forms that do not exist, `OutputExists` unless `force`, and `CannotWrite` when the disk is full;
    then nothing is left behind.
    """
    sound = sound or SoundSettings()
    if out is None and stems:
        raise UsageError("stems are files of their own; name the mix with out")
    if out is not None:
        form = audio_form(out, DEFAULT_BITS if bits is None else bits)
        if bits is not None and None in form.subtypes:
            raise UsageError(
                f"{bits} bits: .mp3 and .ogg have no bits to choose; drop --bits, or use .wav or "
                ".flac"
            )
        check_output(out, force=force)
    chosen = (
        Chosen(engine, type(engine).__name__) if engine else choose(sound.synth, sound.soundfont)
    )
    if isinstance(music, (str, os.PathLike)):
        music = read_contained(music, limits)
    if isinstance(music, Score):
        music = playing(music, lineup, programs, solo, mute, start_bar, bars)
    place = None if out is None else Path(out)
    work = _Work(music, sound, place, stems, bits or DEFAULT_BITS, force, progress)
    return work.do(chosen)


@dataclass(slots=True)
class _Work:
    """One rendering on its way."""

    playing: Playing
    sound: SoundSettings
    out: Path | None
    stems: bool
    bits: int
    force: bool
    progress: Progress | None

    def do(self, chosen: Chosen) -> Rendering:
        stem_paths = self._stem_paths()
        for path in stem_paths.values():
            check_output(path, force=self.force)
        folder = None if self.out is None else Path(os.path.realpath(self.out)).parent
        if self.out is not None and folder is not None:
            check_space(folder, self._bytes_needed(), self.out)
        with tempfile.TemporaryFile(dir=folder, prefix=".", suffix=".part") as file:
            try:
                chosen, take = self._play(chosen, file)
            except OSError as error:
                raise CannotWrite(self.out or "a temporary file", str(error.strerror)) from error
            return self._master(chosen, take, stem_paths)

    def _stem_paths(self) -> dict[str, str]:
        if not self.stems or self.out is None:
            return {}
        return {
            name: os.fspath(self.out.with_name(f"{self.out.stem}.{name}{self.out.suffix}"))
            for name in self.playing.stems
        }

    def _rows(self) -> int:
        """How many stereo streams are kept: all stems, or their sum alone."""
        return max(len(self.playing.stems), 1) if self.stems else 1

    def _bytes_needed(self) -> float:
        assert self.out is not None
        frames = (self.playing.seconds + 5) * self.sound.sample_rate
        stored = audio_form(self.out, self.bits).bytes_a_frame
        files = self._rows() + 1 if self.stems else 1
        return frames * (FRAME_BYTES * self._rows() + stored * files)

    def _play(self, chosen: Chosen, file: IO[bytes]) -> tuple[Chosen, _Take]:
        """Play everything into `file`; should an engine break down, the built-in one begins."""
        try:
            return chosen, self._record(chosen, file)
        except EngineFailed as failure:
            if chosen.name == "builtin":
                raise
            file.seek(0)
            file.truncate()
            said = f"{failure}, so the built-in synthesiser plays instead"
            other = builtin()
            chosen = Chosen(other.engine, other.name, warnings=(*chosen.warnings, said))
            return chosen, self._record(chosen, file)

    def _record(self, chosen: Chosen, file: IO[bytes]) -> _Take:
        rate = self.sound.sample_rate
        take = _Take(file, self._rows(), Meter(rate))
        if not self.playing.stems:
            take.frames = round(max(self.playing.seconds, LEAST_SECONDS) * rate)
            return take
        most = (self.playing.seconds + LONGEST_TAIL_SECONDS) * rate
        blocks = chosen.engine.blocks(self.playing, rate, block_frames=BLOCK_FRAMES)
        try:
            for block in blocks:
                take.add(block)
                self._tell(PLAYED * min(take.frames / (self.playing.seconds * rate + 1), 1.0))
                if take.frames >= most:
                    break
        finally:
            stop(blocks)
        take.trim(round(self.playing.seconds * rate))
        return take

    def _master(self, chosen: Chosen, take: _Take, stem_paths: dict[str, str]) -> Rendering:
        """Find the gain, then limit and store."""
        gain_db, limiter = self._gain(take), Limiter(self.sound.sample_rate)
        rate, meter, peaks = self.sound.sample_rate, Meter(self.sound.sample_rate), _Peak()
        kept: list[NDArray[np.float32]] = []
        with contextlib.ExitStack() as stack:
            files = [self._open(stack, path, take.frames) for path in stem_paths.values()]
            mix_file = self._open(stack, self.out, take.frames) if self.out else None
            done = 0
            for block in take.limited(gain_db, rate, limiter):
                mix = block.sum(axis=0, dtype=np.float32)
                meter.add(mix)
                peaks.add(mix)
                for row, stem_file in zip(block, files, strict=False):
                    stem_file.write(row)
                if mix_file is not None:
                    mix_file.write(mix)
                else:
                    kept.append(mix)
                done += len(mix)
                self._tell(PLAYED + (1 - PLAYED) * done / take.frames)
        limited_db = abs(decibels(limiter.lowest_gain))
        return Rendering(
            paths=() if self.out is None else (os.fspath(self.out), *stem_paths.values()),
            stem_paths=stem_paths,
            seconds=take.frames / rate,
            sample_rate=rate,
            loudness_lufs=meter.lufs,
            peak_db=decibels(peaks.highest),
            gain_db=gain_db,
            limited_db=limited_db,
            engine=chosen.name if self.playing.stems else "none",
            soundfont=chosen.soundfont if self.playing.stems else None,
            warnings=(*chosen.warnings, *self._remarks(meter.lufs, limited_db)),
            samples=np.concatenate(kept) if self.out is None else None,
        )

    def _gain(self, take: _Take) -> float:
        """The gain that brings the limited mix to the loudness wanted."""
        lufs = take.meter.lufs
        if not math.isfinite(lufs):
            return 0.0
        gain = min(self.sound.loudness - lufs, MOST_GAIN_DB)
        most = min(gain + MOST_EXTRA_DB, MOST_GAIN_DB)
        wanted = lufs + gain
        for _ in range(MOST_TRIALS):
            meter, limiter = Meter(self.sound.sample_rate), Limiter(self.sound.sample_rate)
            for block in take.limited(gain, self.sound.sample_rate, limiter):
                meter.add(block.sum(axis=0, dtype=np.float32))
            missing = wanted - meter.lufs
            if (
                limiter.lowest_gain == 1.0
                or abs(missing) < CLOSE_LU
                or (missing > 0 and gain == most)
            ):
                break
            gain = min(gain + missing, most)
        # What the highest peak is turned down by falls with the gain, decibel for decibel.
        limiter = Limiter(self.sound.sample_rate)
        for _ in take.limited(gain, self.sound.sample_rate, limiter):
            pass
        return gain - max(-decibels(limiter.lowest_gain) - MOST_LIMITED_DB, 0.0)

    def _open(self, stack: contextlib.ExitStack, path: str | Path, frames: int) -> AudioFile:
        from .. import __version__

        file = stack.enter_context(
            audio_written_whole(
                path, self.sound.sample_rate, frames=frames, bits=self.bits, force=self.force
            )
        )
        file.describe(title=Path(path).stem, software=f"Woodshed {__version__}")
        return file

    def _remarks(self, lufs: float, limited_db: float) -> Iterator[str]:
        if limited_db > HEARD_LIMITED_DB:
            yield (
                f"the limiter turned its highest peaks down by {limited_db:.1f} dB; "
                "a lower loudness would leave them as they are"
            )
        if not self.playing.stems:
            yield "there is nothing to hear in it, so it is silence"
        elif not math.isfinite(lufs):
            yield "it is too quiet to measure, so its level was left alone"
        elif lufs < self.sound.loudness - TOO_QUIET_LU:
            yield f"it came out at {lufs:.1f} LUFS: more gain would only flatten its peaks"

    def _tell(self, share: float) -> None:
        if self.progress is not None:
            self.progress(share)


@dataclass(slots=True)
class _Take:
    """What an engine played, as raw samples on disk, with its loudness."""

    file: IO[bytes]
    rows: int
    meter: Meter
    frames: int = 0
    # Where each block ends, and its highest sample.
    ends: array[int] = field(default_factory=lambda: array("q"))
    heights: array[float] = field(default_factory=lambda: array("d"))

    def add(self, block: Block) -> None:
        """Append a block of all stems."""
        mix = block.sum(axis=0, dtype=np.float32)
        self.meter.add(mix)
        self.frames += len(mix)
        self.ends.append(self.frames)
        self.heights.append(float(np.abs(mix).max(initial=0.0)))
        if self.heights[-1] == 0.0:
            if self.rows == 1 or not block.any():  # a hole in the file, not to be read again
                self.file.seek(len(mix) * self.rows * FRAME_BYTES, os.SEEK_CUR)
                return
            self.heights[-1] = CANCELLED
        kept = mix if self.rows == 1 else block.transpose(1, 0, 2)
        self.file.write(np.ascontiguousarray(kept, "<f4").tobytes())

    def trim(self, least: int) -> None:
        """End after `least` frames, or where the tail has become silent."""
        ends, heights = np.array(self.ends), np.array(self.heights)
        loud = ends[heights > heights.max(initial=0.0) * factor(SILENT_DB)]
        self.frames = int(loud.max(initial=least))

    def limited(
        self, gain_db: float, sample_rate: int, limiter: Limiter | None = None
    ) -> Iterator[Block]:
        """All frames again, with some gain, faded out at the very end, under the ceiling."""
        limiter = limiter or Limiter(sample_rate)
        fade = min(round(FADE_SECONDS * sample_rate), self.frames)
        fade_from = self.frames - fade
        amount = np.float32(factor(gain_db))
        ends, heights = np.array(self.ends), np.array(self.heights)
        silence = np.zeros((self.rows, MASTER_FRAMES, 2), np.float32)
        for first in range(0, self.frames, MASTER_FRAMES):
            count = min(MASTER_FRAMES, self.frames - first)
            begin, last = np.searchsorted(ends, (first, first + count - 1), "right")
            if not heights[begin : last + 1].any():
                yield limiter.limit(silence[:, :count])
                continue
            block = self._read(first, count) * amount
            if first + count > fade_from:
                places = np.arange(first, first + count)
                ramp = np.clip((self.frames - places) / max(fade, 1), 0, 1).astype(np.float32)
                block *= ramp[None, :, None]
            yield limiter.limit(block)
        yield limiter.finish()

    def _read(self, first: int, count: int) -> Block:
        """Frames from `first` on; silence where less was played than the piece is long."""
        self.file.seek(first * self.rows * FRAME_BYTES)
        data = self.file.read(count * self.rows * FRAME_BYTES)
        played = np.frombuffer(data, "<f4").reshape(-1, self.rows, 2).transpose(1, 0, 2)
        block = np.zeros((self.rows, count, 2), np.float32)
        block[:, : played.shape[1]] = played
        return block


class _Peak:
    """The highest point of a mix, between samples too."""

    def __init__(self) -> None:
        self.highest = 0.0
        self._finder = PeakFinder()

    def add(self, mix: NDArray[np.float32]) -> None:
        if len(mix):
            self.highest = max(self.highest, float(self._finder.find(mix, self.highest).max()))
