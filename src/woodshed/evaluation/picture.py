"""A comparison as a picture: bits per note of each model with its interval, the best above.

SVG, drawn here. Knows nothing of models.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from .resampling import Interval

WIDTH, ROW, TOP, BOTTOM, LEFT, RIGHT = 640, 28, 52, 34, 220, 24
LONGEST_NAME = 32
ONE, BEST = "#4f83cc", "#d9813b"
TICKS = 5


def picture(rows: Sequence[tuple[str, Interval]], title: str) -> str:
    """A dot and a line for each row, its figure beside it; figures begin at no particular number.

    The first of the lowest figures is drawn in another colour.
    """
    rows = sorted(rows, key=lambda row: row[1].value)
    ends = [e for _, i in rows for e in (i.low, i.value, i.high) if e is not None]
    low, high = min(ends), max(ends)
    room = max((high - low) * 0.08, 0.05)
    low, high = max(low - room, 0.0), high + room
    wide = WIDTH - LEFT - RIGHT - 48
    height = TOP + ROW * len(rows) + BOTTOM

    def at(value: float) -> float:
        return LEFT + wide * (value - low) / (high - low)

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" '
        f'width="{WIDTH}" height="{height}" role="img" font-family="sans-serif" font-size="12">',
        f"<title>{escape(title)}</title>",
        f'<rect width="{WIDTH}" height="{height}" fill="#ffffff"/>',
        f'<text x="16" y="22" font-weight="bold">{escape(title)}</text>',
        '<text x="16" y="40" fill="#606060">Bits per note, fewer are better; lines are 95% '
        "intervals over pieces</text>",
    ]
    bottom = TOP + ROW * len(rows)
    for n in range(TICKS):
        value = low + (high - low) * n / (TICKS - 1)
        parts.append(
            f'<path d="M{at(value):.1f} {TOP}V{bottom}" stroke="#808080" stroke-opacity=".25"/>'
            f'<text x="{at(value):.1f}" y="{bottom + 18}" text-anchor="middle" fill="#606060">'
            f"{value:.2f}</text>"
        )
    for n, (name, one) in enumerate(rows):
        y = TOP + ROW * n + ROW / 2
        colour = ONE if n else BEST
        short = name if len(name) <= LONGEST_NAME else "…" + name[-LONGEST_NAME + 1 :]
        parts.append(
            f'<text x="{LEFT - 10}" y="{y + 4:.1f}" text-anchor="end">{escape(short)}</text>'
        )
        if one.low is not None and one.high is not None:
            parts.append(
                f'<path d="M{at(one.low):.1f} {y:.1f}H{at(one.high):.1f}" stroke="{colour}" '
                'stroke-width="3" stroke-linecap="round" stroke-opacity=".5"/>'
            )
        parts.append(f'<circle cx="{at(one.value):.1f}" cy="{y:.1f}" r="4.5" fill="{colour}"/>')
        parts.append(
            f'<text x="{WIDTH - RIGHT}" y="{y + 4:.1f}" text-anchor="end" fill="{colour}">'
            f"{one.value:.3f}</text>"
        )
    return "\n".join([*parts, "</svg>\n"])
