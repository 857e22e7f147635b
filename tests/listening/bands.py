"""Small scores and engines for the tests of sound."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from woodshed.listening.playing import Playing
from woodshed.music.notes import Bends, Controls, Notes
from woodshed.music.score import Part, Score
from woodshed.music.time import TempoMap

QUARTER = 480
BAR = 4 * QUARTER  # two seconds at 120 quarters a minute

GUITAR, BASS, DRUMS = range(3)


def trio(bars: int = 4) -> Score:
    """Guitar on the quarters, bass on one and three, a kick on every beat."""
    rows = []
    for bar in range(bars):
        for beat in range(4):
            start = bar * BAR + beat * QUARTER
            rows.append((start, QUARTER // 2, 60 + beat, 90, GUITAR))
            rows.append((start, 60, 36, 110, DRUMS))
            if beat % 2 == 0:
                rows.append((start, QUARTER, 36, 100, BASS))
    return Score(
        QUARTER,
        Notes.from_rows(rows),
        (Part("Guitar", 27), Part("Bass", 36), Part("Drums", 0, is_drum=True, channel=9)),
    )


def one_part(
    rows: list[tuple[int, int, int, int, int]],
    *,
    controls: list[tuple[int, int, int, int]] | None = None,
    bends: list[tuple[int, int, int]] | None = None,
    part: Part | None = None,
) -> Score:
    """A score of one part; at 120 quarters a minute 960 ticks are a second."""
    return Score(
        QUARTER,
        Notes.from_rows(rows),
        (part or Part("Piano", 4),),
        tempos=TempoMap.constant(120),
        controls=Controls.from_rows(controls or []),
        bends=Bends.from_rows(bends or []),
    )


class Sines:
    """A real engine, if a poor one: a sine for every note, as loud as it was struck."""

    def __init__(self, level: float = 0.2) -> None:
        self.level = level

    def blocks(
        self,
        playing: Playing,
        sample_rate: int = 44100,
        from_seconds: float = 0.0,
        block_frames: int = 4096,
    ) -> Iterator[NDArray[np.float32]]:
        total = int((playing.seconds - from_seconds + 0.5) * sample_rate)
        for first in range(0, total, block_frames):
            count = min(block_frames, total - first)
            at = from_seconds + (first + np.arange(count)) / sample_rate
            block = np.zeros((len(playing.stems), count, 2), np.float32)
            sounding = (playing.start_seconds < at[-1] + 1) & (playing.end_seconds > at[0])
            for n in np.flatnonzero(sounding):
                on = (at >= playing.start_seconds[n]) & (at < playing.end_seconds[n])
                hertz = 440 * 2 ** ((int(playing.pitch[n]) - 69) / 12)
                wave = np.sin(2 * np.pi * hertz * (at - playing.start_seconds[n])) * on
                stem = playing.tracks[playing.track[n]].stem
                block[stem] += (self.level * playing.velocity[n] / 127 * wave)[:, None].astype(
                    np.float32
                )
            yield block


class Hum:
    """An engine that takes no time: every stem hums the same all the way."""

    def blocks(
        self,
        playing: Playing,
        sample_rate: int = 44100,
        from_seconds: float = 0.0,
        block_frames: int = 4096,
    ) -> Iterator[NDArray[np.float32]]:
        total = int((playing.seconds - from_seconds) * sample_rate)
        wave = 0.1 * np.sin(2 * np.pi * 40 * np.arange(block_frames) / block_frames)
        shape = (len(playing.stems), block_frames, 2)
        block = np.broadcast_to(wave[None, :, None], shape).astype(np.float32)
        for first in range(0, total, block_frames):
            yield block[:, : total - first]
