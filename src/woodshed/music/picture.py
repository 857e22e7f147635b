"""A score as a picture: a piano roll in SVG, seconds to the right, pitch upwards, drums below.

It is text, needs no library, and any browser shows it. Knows nothing of pages and files.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape

import numpy as np
from numpy.typing import NDArray

from .score import Score
from .transform import drum_notes

SECOND = 24
"""Units a second is wide."""

KEY_HEIGHT, DRUM_HEIGHT = 6, 8
MARGIN, HEAD = 4, 18
LEAST_KEYS = 24
"""Two octaves are shown, even where fewer are played."""

COLOURS = ("#4f83cc", "#d9813b", "#58a05c", "#b95a9a", "#8a6fc8", "#c05050", "#3d9aa1", "#9a8a3a")
"""One for each part, in turn; they can be told apart on white and on black."""

LOUDNESS_STEPS = 4


def piano_roll_svg(
    score: Score,
    colours: Sequence[str] | None = None,
    labels: Sequence[tuple[int, str]] = (),
    title: str = "",
) -> str:
    """The whole score as one SVG image.

    `colours` holds one colour for each part; louder notes are more opaque. `labels` are words at
    ticks, such as chords, and stand above. The image is `SECOND` units wide a second plus `MARGIN`
    on each side, so that a page can lay a playhead over it.
    """
    chosen = colours or [COLOURS[n % len(COLOURS)] for n in range(len(score.parts))]
    is_drum = drum_notes(score)
    low, high = _range(score, is_drum)
    hit = np.unique(score.notes.pitch[is_drum])
    roll = (high - low + 1) * KEY_HEIGHT
    height = HEAD + roll + (MARGIN + len(hit) * DRUM_HEIGHT if len(hit) else 0) + MARGIN
    width = round(score.duration_seconds * SECOND) + 2 * MARGIN

    pitch = score.notes.pitch.astype(np.int64)
    top = HEAD + (high - pitch) * KEY_HEIGHT
    top[is_drum] = HEAD + roll + MARGIN
    top[is_drum] += (len(hit) - 1 - np.searchsorted(hit, pitch[is_drum])) * DRUM_HEIGHT
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" '
        f'height="{height}" role="img">',
        f"<title>{escape(title or 'Piano roll')}</title>",
        *_grid(score, low, high, height),
        *_notes(score, top, is_drum, chosen),
        *_labels(score, labels),
        "</svg>",
    ]
    return "\n".join(lines) + "\n"


def _range(score: Score, is_drum: NDArray[np.bool_]) -> tuple[int, int]:
    """The lowest and highest pitch to show."""
    melodic = score.notes.pitch[~is_drum]
    if not len(melodic):
        return 60, 59
    low, high = int(melodic.min()) - 1, int(melodic.max()) + 1
    missing = max(LEAST_KEYS - (high - low + 1), 0)
    return low - missing // 2, high + missing - missing // 2


def _grid(score: Score, low: int, high: int, height: int) -> Iterator[str]:
    """A shade behind the black keys, a line at every bar and a stronger one every fourth."""
    width = round(score.duration_seconds * SECOND) + MARGIN
    black = [p for p in range(low, high + 1) if p % 12 in (1, 3, 6, 8, 10)]
    rows = "".join(
        f"M{MARGIN} {HEAD + (high - p) * KEY_HEIGHT}H{width}v{KEY_HEIGHT}H{MARGIN}z" for p in black
    )
    yield f'<path d="{rows}" fill="#808080" fill-opacity=".09"/>'
    at = _x(score, score.bars().start_ticks)
    for every, opacity in ((1, 0.18), (4, 0.4)):
        bars = "".join(f"M{x:g} {HEAD}V{height - MARGIN}" for x in at[::every].tolist())
        yield f'<path d="{bars}" stroke="#808080" stroke-opacity="{opacity}" fill="none"/>'


def _notes(
    score: Score, top: NDArray[np.int64], is_drum: NDArray[np.bool_], colours: Sequence[str]
) -> Iterator[str]:
    """One path for each part and loudness: far less text than a rectangle for each note."""
    notes = score.notes
    left, right = _x(score, notes.start_ticks), _x(score, notes.end_ticks)
    width = np.where(is_drum, 3.0, np.maximum(right - left - 0.5, 1.5)).round(1)
    level = notes.velocity.astype(np.int64) * LOUDNESS_STEPS // 128
    for part, colour in enumerate(colours[: len(score.parts)]):
        name = escape(score.parts[part].name)
        for loudness in range(LOUDNESS_STEPS):
            rows = np.flatnonzero((notes.part == part) & (level == loudness))
            if not len(rows):
                continue
            tall = (DRUM_HEIGHT if is_drum[rows[0]] else KEY_HEIGHT) - 1
            shapes = "".join(
                f"M{x:g} {y}h{w:g}v{tall}h-{w:g}z"
                for x, y, w in zip(
                    left[rows].tolist(), top[rows].tolist(), width[rows].tolist(), strict=True
                )
            )
            opacity = 0.4 + 0.6 * (loudness + 1) / LOUDNESS_STEPS
            yield (
                f'<path d="{shapes}" fill="{escape(colour)}" fill-opacity="{min(opacity, 1):.2g}">'
                f"<title>{name}</title></path>"
            )


def _labels(score: Score, labels: Sequence[tuple[int, str]]) -> Iterator[str]:
    at = _x(score, np.array([tick for tick, _ in labels], np.int64)).tolist()
    for x, (_, word) in zip(at, labels, strict=True):
        yield (
            f'<text x="{x + 2:g}" y="12" font-family="sans-serif" font-size="11" '
            f'fill="#808080">{escape(word)}</text>'
        )


def _x(score: Score, ticks: NDArray[np.int64]) -> NDArray[np.float64]:
    return np.asarray((score.seconds(ticks) * SECOND + MARGIN).round(1))
