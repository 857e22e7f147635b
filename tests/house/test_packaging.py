"""The wheel holds what it must, weighs what we say, and works alone in an empty environment."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
CONSTRAINTS = (ROOT / "constraints.txt").read_text(encoding="utf-8")


def run(*command: object, folder: Path, seconds: int = 300) -> str:
    """Run a program to its end in `folder` and give what it printed; fail with all it said."""
    done = subprocess.run(
        [str(word) for word in command],
        cwd=folder,
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=seconds,
        check=False,
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def requirement_name(requirement: str) -> str:
    """Give the name in `name>=1.2; marker` in the spelling that indexes use."""
    match = re.match(r"[A-Za-z0-9._-]+", requirement)
    assert match, requirement
    return re.sub(r"[-_.]+", "-", match[0]).lower()


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    run(sys.executable, "-m", "build", "--wheel", "--no-isolation", "-o", folder, ROOT, folder=ROOT)
    (path,) = folder.glob(f"woodshed-{PROJECT['version']}-*.whl")
    return path


def test_wheel_holds_the_package_and_its_data(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    source = ROOT / "src"
    wanted = {
        path.relative_to(source).as_posix()
        for pattern in ("*.py", "*.toml", "py.typed")
        for path in (source / "woodshed").rglob(pattern)
    }
    assert {"woodshed/py.typed", "woodshed/cli/__init__.py"} <= wanted
    assert [name for name in wanted if "/lineups/" in name and name.endswith("band.toml")]
    assert wanted - names == set()
    assert [name for name in names if "__pycache__" in name or name.startswith("tests")] == []
    assert [name for name in names if name.endswith("/licenses/LICENSE")]


def test_wheel_asks_for_no_torch_unless_told(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        lines = archive.read(name).decode().splitlines()
    asked = [line for line in lines if line.startswith("Requires-Dist:")]
    needed = [line for line in asked if "extra ==" not in line]
    assert sorted(requirement_name(line.split(": ")[1]) for line in needed) == sorted(
        requirement_name(text) for text in PROJECT["dependencies"]
    )
    assert not [line for line in needed if "torch" in line]
    assert [line for line in asked if "torch" in line and "extra == 'neural'" in line]


@pytest.mark.slow
def test_wheel_works_alone(wheel: Path, tmp_path: Path) -> None:
    venv.create(tmp_path / "alone", with_pip=True)
    (scripts,) = {path.parent for path in (tmp_path / "alone").glob("*/activate*")}
    python = scripts / "python"
    pip = (python, "-m", "pip", "--quiet", "--disable-pip-version-check")
    constrained = ("-c", ROOT / "constraints.txt")
    probe = subprocess.run(
        [*pip, "download", "--no-deps", "-d", tmp_path / "probe", *constrained, "click"],
        capture_output=True,
        timeout=120,
        check=False,
    )
    if probe.returncode != 0:
        pytest.skip("pip cannot reach a package index from here")
    run(*pip, "install", *constrained, wheel, folder=tmp_path)
    said = run(scripts / "woodshed", "--version", folder=tmp_path)
    assert said.split() == ["woodshed", PROJECT["version"]]
    assert "audition" in run(scripts / "woodshed", "--help", folder=tmp_path)
    run(python, "-m", "woodshed.recipes.learn_warm", folder=tmp_path, seconds=120)
    run(scripts / "woodshed", "demo", folder=tmp_path, seconds=120)
    run(python, "-m", "pip", "check", folder=tmp_path)
    installed = run(python, "-m", "pip", "freeze", folder=tmp_path)
    names = {requirement_name(line) for line in installed.splitlines()}
    assert "woodshed" in names
    assert names & {"torch", "pytest", "symusic", "mido"} == set()


def test_constraints_are_bare_pins() -> None:
    lines = [line for line in CONSTRAINTS.splitlines() if not line.startswith("#")]
    assert [line for line in lines if not re.fullmatch(r"[A-Za-z0-9._-]+==[0-9][\w.]*", line)] == []
    assert "torch==2.13.0" in lines


def test_every_dependency_is_pinned_and_explained() -> None:
    pinned = {requirement_name(line) for line in CONSTRAINTS.splitlines() if "==" in line}
    explained = (ROOT / "docs" / "dependencies.md").read_text(encoding="utf-8").lower()
    extras = [text for extra in PROJECT["optional-dependencies"].values() for text in extra]
    for name in map(requirement_name, PROJECT["dependencies"] + extras):
        assert name in pinned
        assert f"| {name} |" in explained, f"docs/dependencies.md does not say why {name} is needed"
