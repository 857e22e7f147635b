"""From a score to files: levels, stems, forms, long pieces, and everything that can go wrong."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from tests.listening.bands import BAR, QUARTER, Hum, Sines, one_part, trio
from woodshed.errors import BadFile, CannotWrite, OutputExists, UsageError
from woodshed.formats.midi_write import write_midi
from woodshed.listening.engines import EngineFailed
from woodshed.listening.loudness import Meter
from woodshed.listening.mix import CEILING_DB, factor
from woodshed.listening.playing import playing
from woodshed.listening.render import Rendering, render
from woodshed.listening.sound_settings import SoundSettings
from woodshed.listening.synth import Synth, _Performance
from woodshed.music.score import Score

SINES = Sines()
LOUD = SoundSettings(loudness=-12, synth="builtin")


def sound_of(path: str | Path) -> NDArray[np.float32]:
    frames, _ = soundfile.read(path, dtype="float32", always_2d=True)
    return frames


def lufs(frames: NDArray[np.float32], rate: int = 44100) -> float:
    meter = Meter(rate)
    meter.add(frames)
    return meter.lufs


@pytest.mark.parametrize("loudness", [-30.0, -16.0, -9.0])
@pytest.mark.parametrize("rate", [44100, 48000])
def test_the_loudness_asked_for_comes_out(tmp_path: Path, loudness: float, rate: int) -> None:
    sound = SoundSettings(loudness=loudness, sample_rate=rate)
    result = render(trio(), tmp_path / "x.wav", sound=sound, engine=SINES)
    frames = sound_of(tmp_path / "x.wav")
    assert lufs(frames, rate) == pytest.approx(loudness, abs=0.3)
    assert result.loudness_lufs == pytest.approx(lufs(frames, rate), abs=0.01)
    assert np.abs(frames).max() <= factor(CEILING_DB) + 1e-4
    assert result.peak_db <= CEILING_DB + 0.1
    assert (result.limited_db > 0.5) == (loudness == -9.0)
    assert result.sample_rate == soundfile.info(tmp_path / "x.wav").samplerate == rate


@pytest.mark.parametrize(
    ("name", "bits", "subtype"),
    [
        ("x.wav", 16, "PCM_16"),
        ("x.wav", 24, "PCM_24"),
        ("x.wav", 32, "FLOAT"),
        ("x.flac", 16, "PCM_16"),
        ("x.flac", 24, "PCM_24"),
        ("x.ogg", None, "VORBIS"),
        ("X.MP3", None, "MPEG_LAYER_III"),
        ("x.flac", None, "PCM_16"),
    ],
)
def test_every_form_holds_the_music(
    tmp_path: Path, name: str, bits: int | None, subtype: str
) -> None:
    result = render(trio(2), tmp_path / name, bits=bits, engine=SINES)
    info = soundfile.info(tmp_path / name)
    assert (info.subtype, info.channels) == (subtype, 2)
    assert info.duration == pytest.approx(result.seconds, abs=0.1)
    frames = sound_of(tmp_path / name)
    assert lufs(frames) == pytest.approx(-16.0, abs=0.5)
    assert np.abs(frames).max() < 1.0
    assert os.listdir(tmp_path) == [name]


@pytest.mark.parametrize(("name", "bits"), [("x.wav", 16), ("x.wav", 24), ("x.wav", 32)])
def test_stems_sum_to_the_mix(tmp_path: Path, name: str, bits: int) -> None:
    """Loud enough for the limiter to work; every file is rounded by itself."""
    sound = SoundSettings(loudness=-8)
    result = render(trio(), tmp_path / name, stems=True, bits=bits, sound=sound, engine=SINES)
    assert list(result.stem_paths) == ["guitar", "bass", "drums"]
    assert result.paths[1:] == tuple(result.stem_paths.values())
    assert {p.name for p in tmp_path.iterdir()} == {
        "x.wav", "x.guitar.wav", "x.bass.wav", "x.drums.wav"
    }  # fmt: skip
    mix = sound_of(tmp_path / name)
    total = sum(sound_of(path).astype(np.float64) for path in result.stem_paths.values())
    step = 2.0 ** (1 - bits) if bits < 32 else 1e-6
    assert np.abs(total - mix).max() <= 2.01 * step
    assert np.abs(mix).max() > 0.5
    assert min(np.abs(sound_of(path)).max() for path in result.stem_paths.values()) > 0.01


def test_a_mix_with_stems_is_the_mix_without(tmp_path: Path) -> None:
    render(trio(), tmp_path / "a.wav", stems=True, engine=SINES)
    render(trio(), tmp_path / "b.wav", engine=SINES)
    assert sound_of(tmp_path / "a.wav") == pytest.approx(sound_of(tmp_path / "b.wav"), abs=1e-4)


def test_a_solo_is_as_long_as_the_mix_and_holds_its_slot() -> None:
    mix = render(trio(), engine=SINES)
    bass = render(trio(), engine=SINES, solo=["bass"])
    assert mix.samples is not None
    assert bass.samples is not None
    assert bass.seconds == pytest.approx(7.75)
    spectrum = np.abs(np.fft.rfft(bass.samples[:, 0]))
    hertz = np.fft.rfftfreq(len(bass.samples), 1 / 44100)
    assert hertz[spectrum.argmax()] == pytest.approx(65.4, abs=1)


def test_bars(tmp_path: Path) -> None:
    result = render(trio(4), tmp_path / "x.wav", start_bar=1, bars=2, engine=SINES)
    assert result.seconds == pytest.approx(3.75, abs=0.6)


def test_same_music_same_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        for form in ("x.wav", "y.wav", "z.flac", "z.mp3", "z.ogg"):
            bits = 32 if form == "y.wav" else None
            render(trio(1), tmp_path / name / form, bits=bits, engine=SINES)
    for path in (tmp_path / "a").iterdir():
        assert path.read_bytes() == (tmp_path / "b" / path.name).read_bytes(), path.name


def test_a_file_is_read_at_arms_length(tmp_path: Path) -> None:
    write_midi(trio(1), tmp_path / "x.mid")
    result = render(tmp_path / "x.mid", engine=SINES)
    assert result.samples is not None
    assert result.samples.shape == (round(result.seconds * 44100), 2)
    (tmp_path / "y.mid").write_bytes(b"not music")
    with pytest.raises(BadFile, match=r"y\.mid"):
        render(tmp_path / "y.mid")


def test_an_empty_score_is_silence_of_its_length(tmp_path: Path) -> None:
    empty = one_part([], controls=[(3 * 960, 7, 100, 0)])
    result = render(empty, tmp_path / "x.flac", stems=True)
    assert result.seconds == pytest.approx(3.0)
    assert result.loudness_lufs == result.peak_db == -np.inf
    assert "nothing to hear" in result.warnings[0]
    assert (result.engine, result.soundfont) == ("none", None)
    assert not sound_of(tmp_path / "x.flac").any()
    assert len(sound_of(tmp_path / "x.flac")) == 3 * 44100
    assert render(Score()).seconds == 1.0


def test_drums_alone_are_not_flattened() -> None:
    result = render(trio(1), solo=["drums"], sound=SoundSettings(loudness=-6, synth="builtin"))
    assert 7.0 < result.limited_db <= 8.2
    assert "flatten its peaks" in result.warnings[-1]


def test_a_limiter_that_may_be_heard_is_told() -> None:
    for loudness, is_told in ((-14.0, False), (-6.0, True)):
        result = render(trio(1), engine=SINES, sound=SoundSettings(loudness=loudness))
        assert (result.limited_db > 6) == is_told
        told = f"the limiter turned its highest peaks down by {result.limited_db:.1f} dB"
        assert any(told in warning for warning in result.warnings) == is_told


def test_long_silence_is_not_played() -> None:
    """Two notes far apart: between them nothing is computed, and the second sounds as it should."""

    def far_apart(seconds: int) -> Score:
        return one_part([(0, QUARTER, 60, 100, 0), (seconds * 960, QUARTER, 64, 110, 0)])

    computed: list[int] = []

    heard = []
    with pytest.MonkeyPatch.context() as patch:
        whole = _Performance._sound

        def counted(self: _Performance, first: int) -> NDArray[np.float32]:
            computed[-1] += 1
            return whole(self, first)

        patch.setattr(_Performance, "_sound", counted)
        for seconds in (20, 600):
            computed.append(0)
            result = render(far_apart(seconds), engine=Synth(), sound=LOUD)
            assert result.samples is not None
            assert result.limited_db > 1
            assert not result.samples[10 * 44100 : (seconds - 1) * 44100].any()
            heard.append(result.samples[round((seconds - 0.1) * 44100) :][:44100])
    assert computed[1] <= computed[0] + 3 < 200
    first, later = (np.square(sound, dtype=np.float64).mean() for sound in heard)
    assert 10 * np.log10(later / first) == pytest.approx(0.0, abs=0.3)


def test_what_was_set_in_silence_holds_after_it() -> None:
    """Volume changed while nothing sounds, long before the next note."""
    rows = [(0, QUARTER, 60, 100, 0), (60 * 960, QUARTER, 60, 100, 0)]
    levels = []
    for value in (100, 50):
        score = one_part(rows, controls=[(30 * 960, 7, value, 0)])
        blocks = list(Synth().blocks(playing(score, programs="file")))
        levels.append(np.abs(np.concatenate(blocks, axis=1)[0, 59 * 44100 :]).max())
    assert levels[1] == pytest.approx(levels[0] / 4, rel=0.02)


def test_what_is_hardly_there_is_not_blown_up() -> None:
    result = render(trio(1), engine=Sines(level=4e-4))
    assert result.gain_db == 40
    assert result.loudness_lufs < -20
    assert "LUFS" in result.warnings[-1]


def test_the_end_is_silent_and_not_cut_short() -> None:
    score = one_part([(0, QUARTER, 60, 100, 0)])
    result = render(score, engine=SINES)
    assert result.samples is not None
    assert result.seconds >= 0.5
    assert np.abs(result.samples[-3:]).max() < 0.005


def test_settings_that_make_no_sense() -> None:
    with pytest.raises(UsageError, match=r"--sample-rate 8000 .* 44100 or 48000"):
        SoundSettings(sample_rate=8000)
    for loudness in (0.0, -90.0, float("nan")):
        with pytest.raises(UsageError, match="-60 to -5 LUFS"):
            SoundSettings(loudness=loudness)
    with pytest.raises(UsageError, match="auto, builtin, fluidsynth"):
        render(trio(1), sound=SoundSettings(synth="moog"))


@pytest.mark.parametrize("name", ["out.xyz", "out", "out.mid"])
def test_a_form_that_is_not_known(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match=r"does not end in \.wav, \.flac, \.ogg, \.mp3"):
        render(trio(), tmp_path / name, engine=SINES)


def test_bits_that_a_form_has_not(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"\.flac has no samples of 32 bits; use 16 or 24"):
        render(trio(), tmp_path / "x.flac", bits=32, engine=SINES)


@pytest.mark.parametrize("bits", [16, 24])
@pytest.mark.parametrize("name", ["x.ogg", "x.mp3"])
def test_bits_where_there_are_none(tmp_path: Path, name: str, bits: int) -> None:
    with pytest.raises(UsageError, match=rf"{bits} bits: \.mp3 and \.ogg have no bits to choose"):
        render(trio(1), tmp_path / name, bits=bits, engine=SINES)


def test_places_that_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(CannotWrite, match="there is no folder"):
        render(trio(), tmp_path / "no" / "x.wav", engine=SINES)
    (tmp_path / "x.wav").write_bytes(b"dear")
    with pytest.raises(OutputExists, match="--force"):
        render(trio(), tmp_path / "x.wav", engine=SINES)
    (tmp_path / "y.bass.wav").write_bytes(b"dear")
    with pytest.raises(OutputExists, match=r"y\.bass\.wav"):
        render(trio(), tmp_path / "y.wav", stems=True, engine=SINES)
    assert (tmp_path / "x.wav").read_bytes() == (tmp_path / "y.bass.wav").read_bytes() == b"dear"
    render(trio(1), tmp_path / "x.wav", engine=SINES, force=True)
    assert len(sound_of(tmp_path / "x.wav"))
    with pytest.raises(UsageError, match="name the mix"):
        render(trio(), stems=True, engine=SINES)


class _Falls(Sines):
    """An engine that breaks down in the middle."""

    def blocks(self, *arguments: Any, **named: Any) -> Iterator[NDArray[np.float32]]:
        for number, block in enumerate(super().blocks(*arguments, **named)):
            if number == 5:
                raise EngineFailed("the strings broke")
            yield block


def test_another_engine_takes_over(tmp_path: Path) -> None:
    result = render(trio(2), tmp_path / "x.wav", engine=_Falls())
    assert result.engine == "builtin"
    assert result.warnings == ("the strings broke, so the built-in synthesiser plays instead",)
    assert result.seconds >= 3.75
    assert lufs(sound_of(tmp_path / "x.wav")) == pytest.approx(-16, abs=0.5)


class _Interrupted(Sines):
    def blocks(self, *arguments: Any, **named: Any) -> Iterator[NDArray[np.float32]]:
        for number, block in enumerate(super().blocks(*arguments, **named)):
            if number == 5:
                raise KeyboardInterrupt
            yield block


def test_nothing_is_left_behind_when_it_is_stopped(tmp_path: Path) -> None:
    (tmp_path / "x.wav").write_bytes(b"dear")
    with pytest.raises(KeyboardInterrupt):
        render(trio(2), tmp_path / "x.wav", stems=True, engine=_Interrupted(), force=True)
    assert [p.name for p in tmp_path.iterdir()] == ["x.wav"]
    assert (tmp_path / "x.wav").read_bytes() == b"dear"


def test_progress_rises_from_nothing_to_all() -> None:
    told: list[float] = []
    render(trio(), engine=SINES, progress=told.append)
    assert told == sorted(told)
    assert told[0] < 0.1
    assert told[-1] == 1.0


def test_a_disk_that_is_too_small_is_known_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The figures of a full disk; everything else is real."""
    usage = type(shutil.disk_usage(tmp_path))
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(10**9, 10**9 - 1000, 1000))
    with pytest.raises(CannotWrite, match=r"no space for it .*free: 0\.0 GB"):
        render(trio(), tmp_path / "x.wav", engine=SINES)
    assert list(tmp_path.iterdir()) == []


FULL_DISK = """
import resource, signal, sys
from tests.listening.bands import Hum, trio
from woodshed.errors import CannotWrite
from woodshed.listening.playing import playing
from woodshed.listening.render import render
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
render(trio(1), sys.argv[1] + "/warm.wav", engine=Hum())
raw_bytes = int(playing(trio(60)).seconds * 44100) * 8
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[3]) or raw_bytes, -1))
try:
    render(trio(60), sys.argv[1] + "/" + sys.argv[2], engine=Hum(), bits=int(sys.argv[4]))
except CannotWrite as error:
    print(error)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such limit")
@pytest.mark.parametrize(
    ("name", "limit", "bits"),
    [("x.wav", 2**20, 16), ("x.wav", 0, 32)],
    ids=["while playing", "while storing"],
)
def test_a_file_that_may_not_grow_further(tmp_path: Path, name: str, limit: int, bits: int) -> None:
    """Files of limited size stand in for a disk that fills up while it is written to."""
    command = [sys.executable, "-c", FULL_DISK, os.fspath(tmp_path), name, str(limit), str(bits)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    assert done.stdout.startswith(f"cannot write {tmp_path / name}"), done.stderr
    assert [p.name for p in tmp_path.iterdir()] == ["warm.wav"]


LONG = """
import sys, soundfile
from tests.listening.bands import Hum, one_part, BAR
from woodshed.listening.render import render
score = one_part([(bar * BAR, BAR, 60, 90, 0) for bar in range(int(sys.argv[1]) // 2)])
result = render(score, sys.argv[2], engine=Hum())
# getrusage would begin at the size of whoever started this program.
peak = int(open("/proc/self/status").read().partition("VmHWM:")[2].split()[0]) // 1024
print(peak, soundfile.info(sys.argv[2]).frames, result.seconds)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="counts memory as Linux does")
def test_memory_does_not_grow_with_the_music(tmp_path: Path) -> None:
    figures = []
    for seconds in (60, 3600):
        command = [sys.executable, "-c", LONG, str(seconds), os.fspath(tmp_path / f"{seconds}.wav")]
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=600)
        peak, frames, length = done.stdout.split()
        assert float(length) == seconds
        assert int(frames) == seconds * 44100
        figures.append(int(peak))
    assert figures[1] < figures[0] + 40


def test_a_wav_too_long_for_its_header_becomes_rf64(tmp_path: Path) -> None:
    from woodshed.formats.audio_write import audio_written_whole

    frames = np.zeros((100, 2), np.float32)
    with audio_written_whole(tmp_path / "x.wav", 44100, frames=10 * 3600 * 44100) as file:
        file.write(frames)
    assert soundfile.info(tmp_path / "x.wav").format == "RF64"


def test_files_say_what_made_them(tmp_path: Path) -> None:
    render(trio(1), tmp_path / "blues.flac", engine=SINES)
    with soundfile.SoundFile(tmp_path / "blues.flac") as file:
        assert file.title == "blues"
        assert file.software.startswith("Woodshed ")


def test_an_engine_gets_what_is_to_sound(tmp_path: Path) -> None:
    heard = playing(trio(1), solo=["drums"])
    result: Rendering = render(heard, engine=SINES)
    assert result.samples is not None
    assert result.engine == "Sines"


def test_a_hum_is_as_long_as_asked() -> None:
    score = one_part([(0, BAR, 60, 90, 0)])
    assert render(score, engine=Hum()).seconds == 2.0


def test_the_system_s_reason_is_told(tmp_path: Path) -> None:
    class Full(Sines):
        def blocks(self, *arguments: Any, **named: Any) -> Iterator[NDArray[np.float32]]:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with pytest.raises(CannotWrite, match="No space left on device; free some space"):
        render(trio(1), tmp_path / "x.wav", engine=Full())
