"""What a training tells of itself: rows of figures, as JSON lines and as a picture.

Knows nothing of networks. The picture is SVG, drawn here, and needs no library.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

Row = Mapping[str, Any]

WIDTH, HEIGHT, LEFT, BOTTOM, TOP = 640, 200, 56, 28, 24
CURVES = (
    ("Loss", (("loss", "while training"),)),
    (
        "Bits per note",
        (("bits_per_note", "while training"), ("validation_bits_per_note", "validation")),
    ),
    ("Grammar score without a mask", (("grammar", "free playing"),)),
)
COLOURS = ("#4f83cc", "#d9813b")


def to_lines(rows: Sequence[Row]) -> str:
    """Rows as JSON lines."""
    return "".join(json.dumps(row) + "\n" for row in rows)


def from_file(path: Path, up_to_step: int) -> list[dict[str, Any]]:
    """The rows of a file up to a step; whatever cannot be read is not there."""
    rows = []
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return []
    for line in lines:
        try:
            row = json.loads(line)
            if row["step"] <= up_to_step:
                rows.append(row)
        except (ValueError, KeyError, TypeError):
            continue
    return rows


def curves_svg(rows: Sequence[Row]) -> str:
    """The curves of loss, bits per note and grammar score, one below the other."""
    drawn: list[str] = []
    for title, lines in CURVES:
        points = [
            (label, [(row["step"], row[name]) for row in rows if row.get(name) is not None])
            for name, label in lines
        ]
        if any(found for _, found in points):
            drawn.append(_chart(title, points, len(drawn) * HEIGHT))
    height = max(len(drawn), 1) * HEIGHT
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" '
            f'width="{WIDTH}" height="{height}" role="img" font-family="sans-serif" '
            'font-size="11">',
            "<title>How training went</title>",
            *drawn,
            "</svg>\n",
        ]
    )


def _chart(title: str, lines: Sequence[tuple[str, list[tuple[int, float]]]], top: int) -> str:
    every = [point for _, points in lines for point in points]
    last = max(step for step, _ in every) or 1
    low, high = min(value for _, value in every), max(value for _, value in every)
    if high - low < 1e-9:
        low, high = low - 0.5, high + 0.5
    wide, tall = WIDTH - LEFT - 12, HEIGHT - TOP - BOTTOM

    def at(step: float, value: float) -> str:
        x, y = LEFT + wide * step / last, top + TOP + tall * (high - value) / (high - low)
        return f"{x:.1f} {y:.1f}"

    parts = [f'<text x="{LEFT}" y="{top + 14}" font-weight="bold">{escape(title)}</text>']
    for n in range(5):
        value = low + (high - low) * n / 4
        y = top + TOP + tall * (4 - n) / 4
        parts.append(
            f'<path d="M{LEFT} {y:.1f}h{wide}" stroke="#808080" stroke-opacity=".25"/>'
            f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{value:.3g}</text>'
        )
    parts.append(
        f'<text x="{WIDTH - 12}" y="{top + HEIGHT - 10}" text-anchor="end">{last:,} steps</text>'
    )
    shown = [(label, points) for label, points in lines if points]
    for n, (label, points) in enumerate(shown):
        colour = COLOURS[n % len(COLOURS)]
        way = "M" + "L".join(at(step, value) for step, value in points)
        if len(points) == 1:
            way += "h2"
        parts.append(f'<path d="{way}" fill="none" stroke="{colour}" stroke-width="1.5"/>')
        parts.append(
            f'<text x="{LEFT + 220 + 130 * n}" y="{top + 14}" fill="{colour}">'
            f"{escape(label)}</text>"
        )
    return "\n".join(parts)
