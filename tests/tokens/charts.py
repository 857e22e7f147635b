"""Strategies for music whose markers name chords, and what these names say, written by hand."""

from __future__ import annotations

import dataclasses
from typing import Any

from hypothesis import strategies as st

from tests import strategies
from woodshed.music.score import TEXT_KINDS, Score, Text

CHORDS = {
    "C": "Cmaj", "E": "Emaj", "A": "Amaj", "Ebmaj": "Ebmaj", "C/E": "Cmaj", "F6": "Fmaj",
    "Am": "Am", "Bbm6": "Bbm", "E-": "Em", "C7": "C7", "Bb9": "Bb7", "C#7#9": "Db7", "G13": "G7",
    "C 7": "C7", "F#m7": "F#m7", "D-7": "Dm7", "Ebmaj7": "Ebmaj7", "C M7": "Cmaj7", "Gdim": "Gdim",
    "B#dim7": "Cdim", "Bm7b5": "Bm7b5", "F+": "Faug", "D7sus4": "Dsus4", "Gsus": "Gsus4",
    "N.C.": "N.C.",
}  # fmt: skip
"""Markers, and the names that Woodshed gives such chords."""

SECTIONS = ("Verse", "Intro", "B2", "Solo 1", "")


@st.composite
def charted(draw: st.DrawFn, /, most: int = 8, **settings: Any) -> Score:
    """A score as `strategies.scores` makes them, with markers that may be chords or sections."""
    kinds = [kind for kind in TEXT_KINDS if kind != "marker"]
    score = draw(strategies.scores(text_kinds=kinds, **settings))
    words = draw(st.sampled_from(((*CHORDS, *CHORDS, *SECTIONS), tuple(CHORDS), tuple("ACE"))))
    moments = strategies.moments(score.ticks_per_quarter)
    marker = st.builds(Text, moments, st.just("marker"), st.sampled_from(words))
    texts = draw(st.lists(marker, max_size=most))
    return score.replace(texts=score.texts + tuple(texts))


def chart(score: Score) -> list[tuple[int, str]]:
    """The chords of a score as its markers tell them: ticks and names, by plain rules."""
    markers = [text for text in score.texts if text.kind == "marker"]
    named = [marker for marker in markers if marker.text in CHORDS]
    if len(named) <= len(markers) - len(named):
        return []
    if all(marker.text in "ABCDEFG" for marker in named if marker.text != "N.C."):
        return []
    return [(marker.ticks, CHORDS[marker.text]) for marker in named]


def with_chords(score: Score, *chords: tuple[int, str]) -> Score:
    """The same score with these markers, at ticks."""
    markers = tuple(Text(ticks, "marker", name) for ticks, name in chords)
    return dataclasses.replace(score, texts=score.texts + markers)
