"""A few notes for the synthesiser, and measures of what comes out: pitch, brightness, loudness."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from woodshed.listening.playing import Playing, Track
from woodshed.listening.synth import Synth

RATE = 44100

Note = tuple[float, float, int, int, int]  # start, end, pitch, velocity, track
Sound = NDArray[np.float32]


def playing(
    notes: Sequence[Note],
    tracks: Sequence[Track],
    controls: Sequence[tuple[float, int, int, int]] = (),  # seconds, track, number, value
    bends: Sequence[tuple[float, int, float]] = (),  # seconds, track, semitones
) -> Playing:
    n = np.array(sorted(notes), np.float64).reshape(-1, 5)
    c = np.array(sorted(controls), np.float64).reshape(-1, 4)
    b = np.array(sorted(bends), np.float64).reshape(-1, 3)
    return Playing(
        stems=tuple(f"stem {k}" for k in range(max(t.stem for t in tracks) + 1)),
        tracks=tuple(tracks),
        start_seconds=n[:, 0],
        end_seconds=n[:, 1],
        pitch=n[:, 2].astype(np.uint8),
        velocity=n[:, 3].astype(np.uint8),
        track=n[:, 4].astype(np.uint16),
        control_seconds=c[:, 0],
        control_track=c[:, 1].astype(np.uint16),
        control_number=c[:, 2].astype(np.uint8),
        control_value=c[:, 3].astype(np.uint8),
        bend_seconds=b[:, 0],
        bend_track=b[:, 1].astype(np.uint16),
        bend_semitones=b[:, 2],
        seconds=float(n[:, 1].max(initial=0.0)),
    )


def program(number: int) -> Track:
    return Track(program=number, is_drum=False, stem=0)


DRUMS = Track(program=0, is_drum=True, stem=0)


def stems(music: Playing, rate: int = RATE, from_seconds: float = 0.0, block: int = 4096) -> Sound:
    return np.concatenate(list(Synth().blocks(music, rate, from_seconds, block)), axis=1)


def sound(music: Playing, rate: int = RATE) -> Sound:
    return np.asarray(stems(music, rate).sum(axis=0))


def one_note(number: int, pitch: int = 60, velocity: int = 100, seconds: float = 1.0) -> Sound:
    return sound(playing([(0.0, seconds, pitch, velocity, 0)], [program(number)]))


def drum(key: int, velocity: int = 100) -> Sound:
    return sound(playing([(0.0, 0.1, key, velocity, 0)], [DRUMS]))


def part(heard: Sound, start: float, end: float, rate: int = RATE) -> Sound:
    return heard[int(start * rate) : int(end * rate)]


def loudness(heard: Sound) -> float:
    """Root mean square in decibels."""
    return float(10 * np.log10(np.square(heard, dtype=np.float64).mean() + 1e-20))


def hertz_of(pitch: float) -> float:
    return float(440.0 * 2.0 ** ((pitch - 69) / 12))


def cents_off(heard: Sound, hertz: float, rate: int = RATE) -> float:
    """How far the partial nearest to `hertz` is from it: the top of a parabola through the peak."""
    mono = heard.sum(axis=1) * np.blackman(len(heard))
    size = 1 << (4 * len(mono) - 1).bit_length()
    loud = np.abs(np.fft.rfft(mono, size))
    low, high = (int(hertz * 2.0 ** (c / 1200) * size / rate) for c in (-90, 90))
    top = low + int(np.argmax(loud[low : high + 1]))
    a, b, c = np.log(loud[top - 1 : top + 2] + 1e-20)
    found = (top + (a - c) / (2 * (a - 2 * b + c))) * rate / size
    return float(1200 * np.log2(found / hertz))


def tuning_cents(heard: Sound, hertz: float, rate: int = RATE) -> float:
    """How far the fundamental is off, or the strongest low partial where that nearly drowns it.

    Behind an amplifier the fundamental may be 35 dB below its partials, and what lies beside it
    moves its peak. Hear it without the room, whose own resonances outlast a muted string.
    """
    loud = np.abs(np.fft.rfft(heard.sum(axis=1) * np.blackman(len(heard))))
    places = np.arange(1, 7) * hertz * len(heard) / rate
    heights = [loud[round(at) - 4 : round(at) + 5].max(initial=0.0) for at in places]
    buried = heights[0] < 0.04 * max(heights)
    return cents_off(heard, hertz * (1 + int(np.argmax(heights)) if buried else 1), rate)


def centroid(heard: Sound, rate: int = RATE) -> float:
    """Where the middle of the spectrum is, in hertz, by amplitude."""
    loud = np.abs(np.fft.rfft(heard.sum(axis=1) * np.hanning(len(heard))))
    return float((loud * np.fft.rfftfreq(len(heard), 1 / rate)).sum() / loud.sum())


def roughest(heard: Sound, start: float, end: float) -> float:
    """The largest jump of the high-passed sound between two moments: what a click would raise."""
    return float(np.abs(np.diff(part(heard, start, end), n=3, axis=0)).max())
