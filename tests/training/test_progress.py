"""What is told of a training: lines, a panel, JSON lines and curves."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from woodshed.errors import UsageError
from woodshed.training.history import curves_svg, from_file, to_lines
from woodshed.training.progress import Board, Figures, Lines, clock, panel_of

FIGURES = Figures(
    step=40, steps=200, done=0.2, loss=2.5, bits_per_note=12.25, tokens_per_second=1234.5,
    epoch=1.5, epoch_seconds=75, seconds=20.0, left_seconds=80.0, best_bits_per_note=13.0,
    grammar=0.91, rate=0.001,
)  # fmt: skip
ROWS: list[dict[str, Any]] = [
    {"step": 10, "loss": 4.0, "bits_per_note": 20.0},
    {"step": 10, "validation_bits_per_note": 21.0},
    {"step": 10, "grammar": 0.4, "collapses": ["babble"]},
    {"step": 20, "loss": 3.0, "bits_per_note": 15.0},
    {"step": 20, "validation_bits_per_note": 16.0},
]


def test_lines_come_now_and_then() -> None:
    file = io.StringIO()
    lines = Lines(file, seconds=10)
    lines.note("a sentence")
    for seconds in (0.0, 3.0, 11.0):
        lines.figures(replace(FIGURES, seconds=seconds, step=int(seconds)))
    told = file.getvalue().splitlines()
    assert told[0] == "a sentence"
    assert [line.split(",")[0] for line in told[1:]] == ["step 0 of 200", "step 11 of 200"]
    for part in ("loss 2.500", "bits per note 12.25", "tokens/s 1,234", "1:15 each", "left 1:20"):
        assert part in told[1]


def test_the_panel_says_the_same() -> None:
    from rich.console import Console

    console = Console(width=100, file=io.StringIO(), record=True)
    console.print(panel_of(FIGURES), markup=False)  # as it is beside a note
    text = console.export_text()
    for part in ("40 of 200", "2.500", "12.25", "1,234", "1:15 each", "1:20", "13.000", "0.91"):
        assert part in text
    assert "[dim]" not in text


def test_clock() -> None:
    assert [clock(seconds) for seconds in (0, 65, 3725)] == ["0:00", "1:05", "1:02:05"]


def test_history_goes_to_a_file_and_back(tmp_path: Path) -> None:
    path = tmp_path / "history.jsonl"
    path.write_text(to_lines(ROWS) + '{"step": 30, "lo')
    assert from_file(path, 20) == ROWS
    assert from_file(path, 10) == ROWS[:3]
    assert from_file(tmp_path / "none", 10) == []
    assert [json.loads(line) for line in to_lines(ROWS).splitlines()] == ROWS


def test_curves_are_a_picture() -> None:
    tree = ElementTree.fromstring(curves_svg(ROWS))
    texts = [element.text for element in tree.iter("{http://www.w3.org/2000/svg}text")]
    for title in ("Loss", "Bits per note", "Grammar score without a mask", "validation"):
        assert title in texts
    paths = [e.get("d") for e in tree.iter("{http://www.w3.org/2000/svg}path") if e.get("fill")]
    assert len(paths) == 4
    # Time goes to the right, and less is lower.
    start, end = (tuple(map(float, at.split())) for at in str(paths[0])[1:].split("L"))
    assert end[0] > start[0]
    assert end[1] > start[1]
    assert "<svg" in curves_svg([])


def test_tensorboard_or_how_to_get_it(tmp_path: Path) -> None:
    if find_spec("tensorboard") is None:
        with pytest.raises(UsageError, match="is not installed; `pip install tensorboard`"):
            Board(str(tmp_path / "log"))
        return
    board = Board(str(tmp_path / "log"))
    board.row({"step": 1, "loss": 2.0, "collapses": []})
    board.close()
    assert list((tmp_path / "log").iterdir())


@pytest.mark.parametrize("rows", [[{"step": 0, "loss": 1.0}], [{"step": 5, "loss": 0.0}] * 2])
def test_flat_and_short_curves(rows: list[dict[str, Any]]) -> None:
    drawn = ElementTree.fromstring(curves_svg(rows))
    assert drawn.tag.endswith("svg")
    assert len(drawn)
