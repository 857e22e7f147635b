"""The README opens with the two commands that matter, and everything it shows runs.

Blocks marked `sh`, `console` or `python` run in order of appearance, in one temporary folder that
holds `my-music/` with a few small MIDI files. In `console` blocks the lines that begin with `$ `
are the commands; lines below one are what it prints, to the letter but for spaces at their ends.
Lines that do not call `woodshed` are not run.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import mido

ROOT = Path(__file__).parents[2]
BLOCK = re.compile(r"^```(\w+)[^\n]*\n(.*?)^```", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True, slots=True)
class Step:
    """One command line, or one whole piece of Python, and what the page says it prints."""

    language: str
    text: str
    prints: str | None = None


def steps_of(markdown: str) -> list[Step]:
    """Give the commands and Python blocks of a page in order."""
    steps = []
    for language, block in BLOCK.findall(markdown):
        if language == "python":
            steps.append(Step(language, block))
        elif language == "sh":
            lines = (line.partition(" #")[0].strip() for line in unfolded(block).splitlines())
            steps += [Step("sh", line) for line in lines if line and not line.startswith("#")]
        elif language == "console":
            for part in re.split(r"^\$ ", unfolded(block), flags=re.MULTILINE)[1:]:
                command, _, printed = part.partition("\n")
                steps.append(Step("sh", command, tidy(printed) or None))
    return steps


def unfolded(text: str) -> str:
    """Join the lines that end with a backslash to the next."""
    return re.sub(r"\\\n\s*", "", text)


def tidy(text: str) -> str:
    """Take away what nobody sees: spaces at the ends of lines, empty lines at both ends."""
    return "\n".join(line.rstrip() for line in text.splitlines()).strip("\n")


STEPS = steps_of((ROOT / "README.md").read_text(encoding="utf-8"))
COMMANDS = [step.text for step in STEPS if step.language == "sh"]


def run(step: Step, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run one step as a reader would, with the program of this very environment."""
    scripts = Path(sys.executable).parent
    environment = os.environ | {
        "PATH": f"{scripts}{os.pathsep}{os.environ['PATH']}",
        "PYTHONUTF8": "1",
        "COLUMNS": "80",
    }
    return subprocess.run(
        [sys.executable, "-c", step.text] if step.language == "python" else step.text,
        shell=step.language != "python",
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=300,
        check=False,
    )


def write_music(folder: Path) -> None:
    """Write three little songs: a bass line, a beat, and a tune over a beat."""
    folder.mkdir()
    for name, parts in {
        "bass.mid": [(0, "Bass", 33, (36, 36, 43, 41))],
        "beat.mid": [(9, "Drums", 0, (36, 42, 38, 42))],
        "song.mid": [(0, "Lead", 73, (72, 74, 76, 79)), (9, "", 0, (36, 42, 38, 42))],
    }.items():
        midi = mido.MidiFile(ticks_per_beat=480)
        for channel, title, program, pitches in parts:
            track = midi.add_track(title or None)
            track.append(mido.Message("program_change", channel=channel, program=program))
            for pitch in pitches:
                on = {"channel": channel, "note": pitch}
                track.append(mido.Message("note_on", velocity=90, time=0, **on))
                track.append(mido.Message("note_off", velocity=0, time=480, **on))
        midi.save(folder / name)


def test_opens_with_demo_and_test() -> None:
    assert COMMANDS[:2] == ["make demo", "make test"]


def test_make_targets_exist() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    wanted = {word for line in COMMANDS if line.startswith("make ") for word in line.split()[1:]}
    assert wanted
    assert {name for name in wanted if not re.search(rf"^{name}:", makefile, re.MULTILINE)} == set()


def test_some_commands_are_run() -> None:
    assert [line for line in COMMANDS if line.split()[0] == "woodshed"]


def test_everything_shown_runs(tmp_path: Path) -> None:
    write_music(tmp_path / "my-music")
    for step in STEPS:
        if step.language == "sh" and step.text.split()[0] != "woodshed":
            continue
        done = run(step, tmp_path)
        assert done.returncode == 0, f"{step.text}\n{done.stdout}\n{done.stderr}"
        if step.prints is not None:
            assert tidy(done.stdout) == step.prints, f"{step.text} prints something else"


def test_blocks_are_read_as_a_reader_would() -> None:
    page = """\
```sh
make demo    # hear it
# a comment
woodshed scan my-music \\
    -o list.csv
```
```text
woodshed not a command
```
```python
import woodshed
```
```console
$ woodshed audition list my-music
bass.mid   4 bars

beat.mid   4 bars
$ woodshed demo
```
"""
    assert steps_of(page) == [
        Step("sh", "make demo"),
        Step("sh", "woodshed scan my-music -o list.csv"),
        Step("python", "import woodshed\n"),
        Step("sh", "woodshed audition list my-music", "bass.mid   4 bars\n\nbeat.mid   4 bars"),
        Step("sh", "woodshed demo"),
    ]


def test_a_failing_step_is_seen(tmp_path: Path) -> None:
    assert run(Step("sh", "exit 3"), tmp_path).returncode == 3
    assert run(Step("sh", "woodshed no-such-thing"), tmp_path).returncode == 2
    assert run(Step("python", "raise SystemExit(4)"), tmp_path).returncode == 4
