"""Sound in blocks: at once, the same bytes however it is cut, in bounded memory."""

from __future__ import annotations

import time
import tracemalloc

import numpy as np
import pytest

from woodshed.listening import synth_plucked, synth_struck, synth_tones
from woodshed.listening.playing import Playing, Track
from woodshed.listening.synth import Synth
from woodshed.listening.synth_notes import prepared
from woodshed.listening.synth_sounds import sounds
from woodshed.listening.synth_voices import CHUNK, QUANTA, Loop

from . import sounding as s

BAND = [
    Track(52, False, 0), Track(25, False, 1), Track(33, False, 2), Track(0, True, 3),
    Track(0, False, 4), Track(30, False, 1),
]  # fmt: skip


def song(seconds: float, notes_each_second: int = 20) -> Playing:
    """Notes without sense, but with all that a band does."""
    chance = np.random.default_rng(1)
    count = int(seconds * notes_each_second)
    starts = np.sort(chance.uniform(0, seconds, count))
    track = chance.integers(0, len(BAND), count)
    pitch = np.where(track == 3, chance.integers(35, 60, count), chance.integers(40, 76, count))
    ends = starts + chance.uniform(0.1, 0.8, count)
    rows = zip(starts, ends, pitch, chance.integers(40, 120, count), track, strict=True)
    controls = [(t, 1, 11, int(60 + t % 60)) for t in np.arange(0.0, seconds, 0.5)]
    bends = [(t, 5, float(t % 2)) for t in np.arange(0.0, seconds, 0.3)]
    notes = [(float(a), float(b), int(p), int(v), int(t)) for a, b, p, v, t in rows]
    return s.playing(notes, BAND, controls, bends)


def test_the_same_bytes_twice():
    music = song(4.0)
    assert s.stems(music).tobytes() == s.stems(music).tobytes()


@pytest.mark.parametrize("block", [100, 1024, 5000, 50_000])
def test_the_same_bytes_in_other_blocks(block):
    music = song(3.0)
    blocks = list(Synth().blocks(music, block_frames=block))
    assert all(b.shape[1] == block for b in blocks[:-1])
    assert all(b.dtype == np.float32 and b.flags.c_contiguous for b in blocks)
    assert np.concatenate(blocks, axis=1).tobytes() == s.stems(music).tobytes()


def test_blocks_go_on_until_the_tail_has_died_away():
    music = song(2.0)
    heard = s.stems(music)
    assert heard.shape[0] == len(music.stems)
    assert music.seconds <= heard.shape[1] / s.RATE < music.seconds + 8.2
    assert np.abs(heard[:, -100:]).max() < 1e-3


def test_no_notes_are_silence():
    silent = s.playing([], [Track(0, False, 0)])
    assert np.abs(s.stems(silent)).sum() == 0


def test_starting_later_is_hearing_the_rest():
    notes = [(0.5 * n, 0.5 * n + 0.2, 48 + n, 100, 0) for n in range(8)]
    music = s.playing(notes, [s.program(11)])
    whole, rest = s.stems(music), s.stems(music, from_seconds=2.0)
    size = int(1.5 * s.RATE)
    late = whole[0, 2 * s.RATE :][:size]
    # Notes before are not heard, and micro-variations are those of the same notes.
    assert s.loudness(rest[0, : s.RATE]) == pytest.approx(s.loudness(late[: s.RATE]), abs=2)
    assert rest.shape[1] == pytest.approx(whole.shape[1] - 2 * s.RATE, abs=2 * CHUNK)


def test_starting_later_cuts_into_notes_that_last():
    music = s.playing([(0.0, 4.0, 60, 100, 0)], [s.program(48)])
    heard = s.stems(music, from_seconds=2.0)[0]
    assert s.loudness(s.part(heard, 0.5, 1.5)) > -40
    assert heard.shape[0] / s.RATE < 5


def test_the_first_block_comes_at_once():
    music = song(30.0)
    next(Synth().blocks(music))  # warm
    begun = time.perf_counter()
    block = next(Synth().blocks(music))
    assert time.perf_counter() - begun < 0.3
    assert block.shape == (5, 4096, 2)


def test_an_hour_needs_no_more_memory_than_a_minute():
    def peak(seconds: float) -> int:
        notes = [(float(t), t + 0.9, 60, 90, 0) for t in np.arange(0, seconds, 1.0)]
        notes.append((0.0, seconds, 48, 90, 1))  # one note all the way
        music = s.playing(notes, [s.program(4), s.program(19)])
        tracemalloc.start()
        blocks = Synth().blocks(music)
        for _ in range(60):
            next(blocks)
        held = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return held

    next(Synth().blocks(song(1.0)))
    peak(10.0)
    assert peak(3600.0) < peak(60.0) + 2_000_000


def test_voices_are_given_back():
    """A long piece with many notes does not grow: rows are used again."""
    music = song(20.0, 40)
    blocks = Synth().blocks(music)
    next(blocks)
    tracemalloc.start()
    for _ in range(100):
        next(blocks)
    first = tracemalloc.get_traced_memory()[0]
    for _ in range(90):
        next(blocks)
    assert tracemalloc.get_traced_memory()[0] < first + 6_000_000
    tracemalloc.stop()


@pytest.mark.parametrize(
    ("loop", "make", "number", "pitch"),
    [
        (synth_struck.RING, synth_struck.struck_voices, 11, 60),
        (synth_plucked.PLUCK, synth_plucked.plucked_voices, 25, 52),
        (synth_tones.SING, synth_tones.tone_voices, 73, 67),
    ],
)
def test_machine_code_does_what_plain_python_does(loop: Loop, make, number, pitch):
    note = prepared(sounds().programs[number], pitch, 100, 0, s.RATE)
    heard = []
    for form in (loop.form, loop._function):
        voices = make(s.RATE)
        plain = Loop(loop._function, loop._nothing)
        plain._form = form
        voices._loop = plain
        bus = np.zeros((1, 2, CHUNK), np.float32)
        voices.start(note, 0, pitch, 100.0, 2500.0)
        voices.sound(np.full((1, QUANTA), 1.01), bus, 0)
        heard.append(bus)
    assert np.abs(heard[0]).max() > 0.003
    np.testing.assert_allclose(heard[0], heard[1], atol=2e-5)
