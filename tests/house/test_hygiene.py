"""Nothing in the repository belongs to one machine, and the source stays tidy."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "woodshed"
LONGEST_MODULE = 500

# Built from pieces, so that this file does not break its own rule.
MACHINE_PATH = re.compile(r"(?<![\w.~$}/*-])/(?:work|root|home|Users|mnt|srv|opt)/" + r"[\w.-]")
INDEX = re.compile(
    "|".join(
        [
            r"pypi" + r"\.org",
            r"python" + r"hosted\.",
            r"download\." + r"pytorch",
            r"--(?:extra-)?index" + r"-url",
            r"--find" + r"-links",
            r"--trusted" + r"-host",
            r"arti" + r"factory",
        ]
    )
)
UNFINISHED = re.compile(r"\b(?:TODO|FIXME|XXX|HACK)\b")


def tracked() -> list[Path]:
    """Give every file that is, or would be, in the repository."""
    if not (ROOT / ".git").exists():
        pytest.skip("not a git checkout, so nothing is tracked")
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    ).stdout
    paths = (ROOT / name.decode() for name in listed.split(b"\0") if name)
    return [path for path in paths if path.is_file()]


def lines_with(pattern: re.Pattern[str], paths: list[Path]) -> list[str]:
    """Give `file:line: text` for every line of a text file that matches."""
    found = []
    for path in paths:
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
        found += [
            f"{path.name}:{number}: {line.strip()}"
            for number, line in enumerate(text.splitlines(), 1)
            if pattern.search(line)
        ]
    return found


def test_no_path_of_one_machine() -> None:
    assert lines_with(MACHINE_PATH, tracked()) == []


def test_no_package_index() -> None:
    assert lines_with(INDEX, tracked()) == []


def test_nothing_unfinished_in_the_source() -> None:
    assert lines_with(UNFINISHED, sorted(SOURCE.rglob("*.py"))) == []


def test_modules_stay_readable() -> None:
    lengths = {
        path.relative_to(SOURCE).as_posix(): len(path.read_text(encoding="utf-8").splitlines())
        for path in SOURCE.rglob("*.py")
    }
    assert {name: n for name, n in lengths.items() if n > LONGEST_MODULE} == {}


@pytest.mark.parametrize(
    ("pattern", "line"),
    [
        (MACHINE_PATH, "see /" + "work/shared/data"),
        (MACHINE_PATH, 'open("/' + 'home/me/x.mid")'),
        (MACHINE_PATH, "/" + "root/.cache"),
        (INDEX, "pip install --index" + "-url=x torch"),
        (INDEX, "https://pypi" + ".org/simple"),
        (UNFINISHED, "# TODO: sing"),
    ],
)
def test_a_breach_is_seen(tmp_path: Path, pattern: re.Pattern[str], line: str) -> None:
    path = tmp_path / "notes.txt"
    path.write_text(f"fine\n{line}\n", encoding="utf-8")
    assert lines_with(pattern, [path]) == [f"notes.txt:2: {line}"]


@pytest.mark.parametrize(
    "line", ["../shared/data", "files.work/x", "tests/work/x", "~/home/x", "https://a.org/home/x"]
)
def test_harmless_paths_pass(line: str) -> None:
    assert not MACHINE_PATH.search(line)


def test_binary_files_are_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "x.mid"
    path.write_bytes(b"\xff\xfe TODO")
    assert lines_with(UNFINISHED, [path]) == []
