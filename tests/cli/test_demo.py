"""`woodshed demo` hands on what it is asked and says what came of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli.test_audition import Run
from woodshed.recipes import demo


def test_demo(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = demo.make_demo

    def small(out: str, **how: Any) -> demo.Demo:
        return whole(out, 8, 1, **how)

    monkeypatch.setattr(demo, "make_demo", small)
    ask = ("demo", "-o", str(tmp_path / "demo"))
    run = Run(capsys, *ask)
    assert run.status == 0, run.err
    assert run.out.startswith("8 pieces of 10 files, ")
    assert "Seconds: compose " in run.out
    assert "Next: woodshed learn FOLDER -o OUT" in run.out
    told = json.loads(Run(capsys, *ask, "--json").out)
    assert told["page"] == str(tmp_path / "demo" / "index.html")
    assert [piece["tags"]["feel"] for piece in told["pieces"]] == [f for f, _ in demo.FEELS]
    assert not told["trained"]
