"""The scan in its two forms, and what happens where the compiled one cannot be had or kept."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from scripts.mutants import Mutants, made_seeds
from tests.formats import smf
from woodshed.formats import midi_scan

SCAN = """
    from woodshed.formats import midi_scan
    form = midi_scan.compiled_pass()
    scan = midi_scan._run(form, bytes.fromhex("00903C40 60803C40"), [(0, 8)], successive=False)
    print(type(form).__name__, *scan.note_start, *scan.note_end)
"""


def scan_elsewhere(**environment: str) -> str:
    """What a fresh process prints that scans one note."""
    program = "\n".join(line.strip() for line in SCAN.splitlines())
    found = subprocess.run(
        [sys.executable, "-c", program],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=True,
    )
    return found.stdout.strip()


def test_without_numba_the_plain_scan_serves(tmp_path: Path) -> None:
    (tmp_path / "numba.py").write_text("raise ImportError('not made for this Python yet')\n")
    paths = [str(tmp_path), str(Path(midi_scan.__file__).parents[2])]
    assert scan_elsewhere(PYTHONPATH=os.pathsep.join(paths)) == "function 0 96"


def test_where_compiled_code_cannot_be_kept_it_is_compiled_anew() -> None:
    # The only place numba may look for is inside a ZIP file, and there is none.
    answer = scan_elsewhere(NUMBA_CACHE_LOCATOR_CLASSES="_ZipCacheLocator")
    assert answer == "CPUDispatcher 0 96"


def test_a_full_disk_does_not_stop_the_compiled_scan(tmp_path: Path) -> None:
    full = tmp_path / "full"
    full.mkdir()
    (full / "numba.py").write_text(
        "from functools import wraps\n"
        "def njit(cache=False, nogil=False):\n"
        "    def compile(function):\n"
        "        @wraps(function)\n"
        "        def compiled(*arguments):\n"
        "            if cache:\n"
        "                raise OSError(28, 'No space left on device')\n"
        "            return function(*arguments)\n"
        "        return compiled\n"
        "    return compile\n"
    )
    paths = [str(full), str(Path(midi_scan.__file__).parents[2])]
    assert scan_elsewhere(PYTHONPATH=os.pathsep.join(paths)) == "function 0 96"


@pytest.mark.parametrize("successive", [False, True])
def test_both_forms_say_the_same_of_damaged_tracks(successive: bool) -> None:
    mutants = Mutants(made_seeds(), seed=11)
    for number in range(200):
        data = mutants.make(number)[:4_000]
        half = len(data) // 2
        tracks = [(0, half), (half, len(data))]
        plain, compiled = (
            midi_scan._run(form, data, tracks, successive=successive)
            for form in (midi_scan._pass, midi_scan.compiled_pass())
        )
        for field in midi_scan.Scan.__slots__:
            assert np.array_equal(getattr(plain, field), getattr(compiled, field)), (number, field)


def test_files_of_some_size_are_scanned_by_compiled_code(monkeypatch: pytest.MonkeyPatch) -> None:
    used: list[str] = []

    def seen(name: str) -> midi_scan.Pass:
        def form(*arguments: object) -> tuple[int, int]:
            used.append(name)
            return 0, 0

        return form

    def after(size: int) -> midi_scan.Pass | None:
        return seen("compiled") if size > 1000 else None

    monkeypatch.setattr(midi_scan, "_pass", seen("plain"))
    monkeypatch.setattr(midi_scan, "_SCAN", SimpleNamespace(after=after))
    for data in (smf.one("00 90 3C 40"), bytes(1001)):
        midi_scan.scan_tracks(data, [])
    assert used == ["plain", "compiled"]
