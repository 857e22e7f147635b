"""FluidSynth: the file it is handed, how it is driven, and what happens when it is broken."""

from __future__ import annotations

import functools
import io
import os
import shutil
import sys
from pathlib import Path

import mido
import numpy as np
import pytest

from tests.listening.bands import BAR, BASS, QUARTER, one_part, trio
from woodshed.errors import BadFile, UsageError
from woodshed.listening.engines import EngineFailed, choose
from woodshed.listening.fluid import FluidSynth, find_program
from woodshed.listening.fluid_midi import stem_midi
from woodshed.listening.playing import Playing, playing
from woodshed.listening.render import render
from woodshed.listening.sound_settings import SoundSettings
from woodshed.listening.soundfont import find_soundfont
from woodshed.listening.stream import Stream
from woodshed.music.notes import Notes
from woodshed.music.score import Part, Score

posix = pytest.mark.skipif(sys.platform == "win32", reason="the false programs are shell scripts")


@functools.cache
def real() -> tuple[str, str] | None:
    """The program and a soundfont, where this machine has both."""
    program, font = find_program(), find_soundfont()
    return (program, font) if program and font else None


needs_fluidsynth = pytest.mark.skipif(
    real() is None, reason="no FluidSynth with a soundfont on this machine"
)


def events(heard: Playing, stem: int, begin: float = 0.0) -> list[tuple[float, mido.Message]]:
    """What mido reads in the file of a stem: seconds and messages."""
    data = stem_midi(heard, stem, begin, heard.seconds - begin + 1)
    now, found = 0.0, []
    for message in mido.MidiFile(file=io.BytesIO(data)):
        now += message.time
        found.append((round(now, 3), message))
    return found


def notes_on(heard: Playing, stem: int = 0, begin: float = 0.0) -> list[tuple[float, int, int]]:
    return [(at, m.channel, m.note) for at, m in events(heard, stem, begin) if m.type == "note_on"]


def test_what_is_set_long_after_the_last_note_is_left_out() -> None:
    """Nor does it keep the file from ending."""
    rows = [(0, QUARTER, 60, 100, 0)]
    late = one_part(rows, controls=[(0, 7, 90, 0), (960 * 60, 7, 0, 0)], bends=[(960 * 70, 99, 0)])
    heard = events(playing(late), 0)
    assert heard[-1][0] <= playing(late).seconds + 1
    values = [m.value for _, m in heard if m.type == "control_change" and m.control == 7]
    assert values == [90]


def test_a_stem_as_a_file() -> None:
    heard = playing(trio(1))
    bass = events(heard, BASS)
    assert [(m.program, m.channel) for _, m in bass if m.type == "program_change"] == [(33, 0)]
    assert notes_on(heard, BASS) == [(0.0, 0, 36), (1.0, 0, 36)]
    assert [at for at, m in bass if m.type == "note_off"] == [0.5, 1.5]
    assert bass[-1][0] == pytest.approx(heard.seconds + 1, abs=1e-3)
    assert {channel for _, channel, _ in notes_on(heard, 2)} == {9}


def test_later_notes_only_and_what_was_set_before() -> None:
    score = one_part(
        [(0, BAR, 60, 90, 0), (BAR + QUARTER, QUARTER, 64, 90, 0)],
        controls=[(0, 7, 50, 0)],
        bends=[(QUARTER, 4096, 0)],
    )
    found = events(playing(score), 0, begin=1.0)
    assert notes_on(playing(score), 0, begin=1.0) == [(0.0, 0, 60), (1.5, 0, 64)]
    first = [m for at, m in found if at == 0.0]
    kinds = [m.type for m in first if not m.is_meta]
    assert kinds == ["program_change", "control_change", "pitchwheel", "note_on"]
    assert next(m.pitch for m in first if m.type == "pitchwheel") == 4096


def test_wide_bends_are_given_their_range() -> None:
    score = one_part(
        [(0, BAR, 60, 90, 0)],
        controls=[(0, 101, 0, 0), (0, 100, 0, 0), (0, 6, 12, 0)],
        bends=[(0, -8192, 0), (QUARTER, 4096, 0)],
    )
    found = [m for _, m in events(playing(score), 0)]
    assert [(m.control, m.value) for m in found if m.type == "control_change"][:3] == [
        (101, 0), (100, 0), (6, 12)
    ]  # fmt: skip
    assert [m.pitch for m in found if m.type == "pitchwheel"] == [-8192, 4096]


def test_a_note_struck_again_is_not_ended_by_the_first() -> None:
    score = one_part([(0, BAR, 60, 90, 0), (QUARTER, BAR, 60, 80, 0)])
    kinds = [(at, m.type) for at, m in events(playing(score), 0) if m.type.startswith("note")]
    assert kinds == [(0.0, "note_on"), (0.5, "note_off"), (0.5, "note_on"), (2.5, "note_off")]


def test_more_parts_than_channels_keep_their_sounds() -> None:
    parts = tuple(Part(f"Keys {n}", n) for n in range(20))
    notes = Notes.from_rows([(n * QUARTER, 60, 60, 90, n) for n in range(20)])
    heard = playing(Score(QUARTER, notes, parts), lineup="gm", programs="file")
    programs: dict[int, int] = {}
    sounded = []
    for stem in range(len(heard.stems)):
        for _, message in events(heard, stem):
            if message.type == "program_change":
                programs[message.channel] = message.program
            elif message.type == "note_on":
                assert message.channel != 9
                sounded.append(programs[message.channel])
    assert sorted(sounded) == list(range(20))


def test_waits_longer_than_midi_can_count() -> None:
    hours = 9
    score = one_part([(0, 60, 60, 90, 0), (hours * 3600 * 960, 60, 62, 90, 0)])
    assert notes_on(playing(score))[1][0] == pytest.approx(hours * 3600, abs=0.01)


def fake(folder: Path, script: str) -> str:
    """A program called fluidsynth that does something else."""
    folder.mkdir(exist_ok=True)
    program = folder / "fluidsynth"
    program.write_text("#!/bin/sh\n" + script)
    program.chmod(0o755)
    return os.fspath(program)


VERSION = 'if [ "$1" = --version ]; then exit 0; fi\n'
SILENT = VERSION + "head -c 8000000 /dev/zero\n"
CRASHES = VERSION + "head -c 200000 /dev/zero\necho 'fluidsynth: error: out of reeds' >&2\nexit 3\n"
HANGS = VERSION + "exec sleep 60\n"
STOPS_EARLY = VERSION + "printf '\\001\\002\\003\\004\\005\\006\\007\\010'\n"


@pytest.fixture
def font(tmp_path: Path) -> str:
    path = tmp_path / "some.sf2"
    path.write_bytes(b"RIFF\4\0\0\0sfbk" + bytes(100))
    return os.fspath(path)


@posix
@pytest.mark.parametrize(
    ("script", "reason"),
    [
        (CRASHES, r"broke down \(fluidsynth: error: out of reeds\)"),
        (SILENT, "played nothing"),
        (HANGS, r"did not go on for 0\.5 s"),
        (STOPS_EARLY, r"stopped after 0\.0 s"),
    ],
)
def test_a_broken_program_is_found_out(tmp_path: Path, font: str, script: str, reason: str) -> None:
    engine = FluidSynth(fake(tmp_path / "bin", script), font, stall_seconds=0.5)
    with pytest.raises(EngineFailed, match=reason):
        for _ in engine.blocks(playing(trio(1))):
            pass


@posix
@pytest.mark.parametrize(
    ("script", "said"),
    [
        (CRASHES, "FluidSynth broke down"),
        (SILENT, "FluidSynth played nothing"),
        (
            "echo 'libfluidsynth.so.3: cannot open' >&2\nexit 127\n",
            "libfluidsynth.so.3: cannot open",
        ),
    ],
    ids=["crashes", "silent", "library missing"],
)
def test_the_built_in_synthesiser_steps_in_and_says_so(
    tmp_path: Path, font: str, monkeypatch: pytest.MonkeyPatch, script: str, said: str
) -> None:
    fake(tmp_path / "bin", script)
    monkeypatch.setenv("PATH", os.pathsep.join([str(tmp_path / "bin"), os.environ["PATH"]]))
    sound = SoundSettings(soundfont=font)
    result = render(trio(1), tmp_path / "x.wav", sound=sound)
    assert result.engine == "builtin"
    assert result.soundfont is None
    assert said in result.warnings[0]
    assert "so the built-in synthesiser plays instead" in result.warnings[0]
    assert np.isfinite(result.loudness_lufs)


@posix
def test_a_stream_goes_on_where_the_program_broke_down(
    tmp_path: Path, font: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake(tmp_path / "bin", CRASHES)
    monkeypatch.setenv("PATH", os.pathsep.join([str(tmp_path / "bin"), os.environ["PATH"]]))
    with Stream(playing(trio(2)), SoundSettings(soundfont=font)) as stream:
        frames = np.concatenate(list(stream))
        assert "the built-in synthesiser goes on" in stream.warnings[-1]
    assert len(frames) >= stream.playing.seconds * 44100
    assert np.abs(frames[44100:]).max() > 0.01


@posix
def test_no_program_is_left_running(tmp_path: Path, font: str) -> None:
    script = VERSION + f"echo $$ >> {tmp_path}/pids\nexec cat /dev/zero\n"
    engine = FluidSynth(fake(tmp_path / "bin", script), font)
    blocks = engine.blocks(playing(trio(1)))
    next(blocks)
    pids = [int(line) for line in (tmp_path / "pids").read_text().split()]
    blocks.close()  # type: ignore[attr-defined]
    assert len(pids) == 3
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


def test_what_is_asked_for_by_name_must_be_there(
    tmp_path: Path, font: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", os.fspath(tmp_path))
    with pytest.raises(UsageError, match="no program fluidsynth here"):
        choose("fluidsynth")
    with pytest.raises(UsageError, match="no program fluidsynth here"):
        choose("auto", font)
    with pytest.raises(UsageError, match="plays no soundfonts"):
        choose("builtin", font)
    assert choose("auto").name == "builtin"


def test_a_soundfont_that_is_none(tmp_path: Path) -> None:
    page = tmp_path / "page.sf2"
    page.write_text("<html>not found</html>")
    with pytest.raises(BadFile, match=r"page\.sf2: it is no soundfont"):
        choose("auto", os.fspath(page))
    with pytest.raises(BadFile, match=r"gone\.sf2: it cannot be read"):
        choose("auto", os.fspath(tmp_path / "gone.sf2"))


@posix
def test_without_a_soundfont_the_built_in_plays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake(tmp_path / "bin", VERSION)
    monkeypatch.setenv("PATH", os.fspath(tmp_path / "bin"))
    for name in ("HOME", "XDG_DATA_HOME", "XDG_DATA_DIRS"):
        monkeypatch.setenv(name, os.fspath(tmp_path / "nothing"))
    monkeypatch.delenv("WOODSHED_SOUNDFONT", raising=False)
    if find_soundfont() is None:  # Homebrew's place cannot be moved
        assert choose("auto").name == "builtin"
        with pytest.raises(UsageError, match="woodshed fetch soundfont"):
            choose("fluidsynth")


@needs_fluidsynth
def test_the_real_program_plays_stems_in_tune(tmp_path: Path) -> None:
    found = real()
    assert found is not None
    engine = FluidSynth(*found)
    blocks = list(engine.blocks(playing(trio(2)), block_frames=1000))
    assert {block.shape[:2] for block in blocks[:-1]} == {(3, 1000)}
    sound = np.concatenate(blocks, axis=1)
    assert sound.shape[1] / 44100 == pytest.approx(3.75 + 5, abs=0.2)
    assert (np.abs(sound[:, : 3 * 44100]).max(axis=(1, 2)) > 0.001).all()
    bass = sound[1, :22050, 0]
    spectrum = np.abs(np.fft.rfft(bass * np.hanning(len(bass)), 2**19))
    hertz = np.fft.rfftfreq(2**19, 1 / 44100)
    near = (hertz > 60) & (hertz < 70)
    assert hertz[near][spectrum[near].argmax()] == pytest.approx(65.41, rel=0.01)


@needs_fluidsynth
def test_the_real_program_begins_in_the_middle() -> None:
    found = real()
    assert found is not None
    blocks = FluidSynth(*found).blocks(playing(trio(8)), from_seconds=13.9)
    sound = np.concatenate(list(blocks), axis=1)
    assert sound.shape[1] / 44100 == pytest.approx(15.75 - 13.9 + 5, abs=0.2)
    onset = np.flatnonzero(np.abs(sound[2]).max(axis=1) > 0.01)[0] / 44100
    assert onset == pytest.approx(0.1, abs=0.05)


@needs_fluidsynth
def test_a_damaged_soundfont_ends_with_the_built_in(tmp_path: Path, font: str) -> None:
    result = render(trio(1), sound=SoundSettings(soundfont=font))
    assert result.engine == "builtin"
    assert "FluidSynth" in result.warnings[0]


@needs_fluidsynth
def test_a_rendering_by_the_real_program(tmp_path: Path) -> None:
    shutil.copy(real()[1], tmp_path / "font with spaces.sf2")  # type: ignore[index]
    sound = SoundSettings(
        soundfont=os.fspath(tmp_path / "font with spaces.sf2"), synth="fluidsynth"
    )
    result = render(trio(2), tmp_path / "x.ogg", sound=sound)
    assert (result.engine, result.warnings) == ("fluidsynth", ())
    assert result.loudness_lufs == pytest.approx(-16, abs=0.3)
