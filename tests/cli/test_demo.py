"""`woodshed demo` hands on what it is asked and says what came of it."""

from __future__ import annotations

import json
import re
import sys
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
        return whole(out, 8, 1, 2, **how)

    monkeypatch.setattr(demo, "make_demo", small)
    ask = ("demo", "-o", str(tmp_path / "demo"))
    run = Run(capsys, *ask)
    assert run.status == 0, run.err
    assert run.out.startswith("8 pieces of 10 files, ")
    assert re.search(
        r"; ngram: [\d.]+ bits per note, transformer: [\d.]+ bits per note on", run.out
    )
    assert re.search(r"Seconds: compose .* train transformer [\d.]+, ", run.out)
    assert "left out, as it needs" not in run.out
    assert "Next: woodshed learn FOLDER -o OUT" in run.out
    told = json.loads(Run(capsys, *ask, "--json").out)
    assert told["page"] == str(tmp_path / "demo" / "index.html")
    assert [(piece["family"], piece["tags"]["feel"]) for piece in told["pieces"]] == [
        (family, feel) for family in ("ngram", "transformer") for feel, _ in demo.FEELS
    ]
    assert not told["trained"]
    assert [(model["family"], Path(model["path"]).name) for model in told["models"]] == [
        ("ngram", "model"), ("transformer", "transformer")
    ]  # fmt: skip
    assert told["model"] == told["models"][0]["path"]
    assert told["hint"] is None
    monkeypatch.setitem(sys.modules, "torch", None)
    run = Run(capsys, *ask)
    assert run.status == 0, run.err
    assert "The Transformer was left out" in run.out
    assert "`pip install 'woodshed[neural]'`" in run.out
