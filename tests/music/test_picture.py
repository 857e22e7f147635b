"""A piano roll shows every note at its place, in text any browser reads."""

from __future__ import annotations

import re
from xml.etree import ElementTree

from hypothesis import given

from tests.strategies import scores
from woodshed.music.notes import Notes
from woodshed.music.picture import HEAD, KEY_HEIGHT, MARGIN, SECOND, piano_roll_svg
from woodshed.music.score import Part, Score

SVG = "{http://www.w3.org/2000/svg}"
SHAPE = re.compile(r"M([\d.]+) (\d+)h([\d.]+)v(\d+)")


def band() -> Score:
    rows = [(0, 480, 60, 100, 0), (480, 240, 72, 20, 0), (480, 10, 36, 90, 1), (960, 10, 42, 90, 1)]
    parts = (Part("Lead <1>"), Part("Drums", is_drum=True))
    return Score(480, Notes.from_rows(rows), parts)


def shapes(svg: str) -> dict[str, list[tuple[str, ...]]]:
    """The rectangles of each part, by its name."""
    found: dict[str, list[tuple[str, ...]]] = {}
    for path in ElementTree.fromstring(svg).iter(f"{SVG}path"):
        name = path.find(f"{SVG}title")
        if name is not None:
            found.setdefault(str(name.text), []).extend(SHAPE.findall(path.get("d", "")))
    return found


def test_notes_stand_where_they_sound() -> None:
    lead = sorted(shapes(piano_roll_svg(band()))["Lead <1>"], key=lambda s: float(s[0]))
    (x, y, width, _), (later_x, later_y, *_) = lead
    assert float(x) == MARGIN
    assert float(later_x) == MARGIN + 0.5 * SECOND  # 120 quarters a minute
    assert float(width) == 0.5 * SECOND - 0.5
    assert int(y) - int(later_y) == 12 * KEY_HEIGHT
    assert int(later_y) >= HEAD


def test_drums_stand_below_one_row_for_each() -> None:
    found = shapes(piano_roll_svg(band()))
    drums = [int(y) for _, y, *_ in found["Drums"]]
    assert min(drums) > max(int(y) for _, y, *_ in found["Lead <1>"])
    assert len(set(drums)) == 2


def test_louder_notes_are_more_opaque() -> None:
    root = ElementTree.fromstring(piano_roll_svg(band()))
    opacity = [
        float(path.get("fill-opacity", 0))
        for path in root.iter(f"{SVG}path")
        if path.find(f"{SVG}title") is not None
    ]
    assert opacity[0] < opacity[1]


def test_labels_are_escaped_and_placed() -> None:
    svg = piano_roll_svg(band(), labels=[(480, "A7 & <b>")])
    (text,) = ElementTree.fromstring(svg).iter(f"{SVG}text")
    assert text.text == "A7 & <b>"
    assert float(text.get("x", 0)) == MARGIN + 0.5 * SECOND + 2


@given(scores())
def test_every_note_of_any_score_is_drawn(score: Score) -> None:
    svg = piano_roll_svg(score)
    assert sum(map(len, shapes(svg).values())) == len(score.notes)
