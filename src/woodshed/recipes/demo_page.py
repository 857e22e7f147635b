"""The demo's page: players, piano rolls with a playhead, and what to do next. One file, no network.

Knows nothing of how the music was made.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

from ..music.picture import COLOURS, MARGIN, SECOND, piano_roll_svg
from ..music.score import Score

STYLE = """
:root { color-scheme: light dark; --ink: #1d1f23; --soft: #6b7078; --paper: #fbfaf7; --line: #ddd8cc; --accent: #b4512d }
@media (prefers-color-scheme: dark) { :root { --ink: #ebe8e1; --soft: #9a9ea6; --paper: #16171a; --line: #34363b; --accent: #e28b5f } }
* { box-sizing: border-box }
body { margin: 0 auto; padding: 2rem 1.2rem 4rem; max-width: 68rem; background: var(--paper); color: var(--ink); font: 16px/1.55 system-ui, sans-serif }
h1 { font-size: 1.7rem; margin: 0 0 .2rem } h2 { font-size: 1.2rem; margin: 2.4rem 0 .2rem }
p { margin: .3rem 0 1rem; max-width: 46rem } .soft { color: var(--soft) }
audio { width: 100%; margin: .6rem 0 }
.roll { position: relative; overflow-x: auto; border: 1px solid var(--line); border-radius: 6px; cursor: pointer; background: color-mix(in srgb, var(--paper) 92%, var(--ink) 3%) }
.roll svg { display: block }
.head { position: absolute; top: 0; bottom: 0; left: 0; width: 2px; background: var(--accent); pointer-events: none }
.parts { list-style: none; padding: 0; display: flex; flex-wrap: wrap; gap: .2rem 1.1rem; margin: .5rem 0 } .parts i { display: inline-block; width: .8em; height: .8em; border-radius: 2px; margin-right: .4em }
table { border-collapse: collapse } td, th { text-align: left; padding: .15rem 1.4rem .15rem 0 } td:last-child, th:last-child { text-align: right; font-variant-numeric: tabular-nums }
pre { overflow-x: auto; padding: .8rem 1rem; border: 1px solid var(--line); border-radius: 6px }
"""  # noqa: E501 - a line for each rule

SCRIPT = """
for (const piece of document.querySelectorAll("[data-piece]")) {
  const audio = piece.querySelector("audio"), roll = piece.querySelector(".roll"), head = piece.querySelector(".head");
  const place = () => {
    const x = MARGIN + audio.currentTime * SECOND;
    head.style.transform = `translateX(${x}px)`;
    if (!audio.paused && (x < roll.scrollLeft || x > roll.scrollLeft + roll.clientWidth * 0.8))
      roll.scrollTo({ left: x - roll.clientWidth * 0.2, behavior: "smooth" });
    if (!audio.paused) requestAnimationFrame(place);
  };
  for (const happens of ["play", "seeked", "timeupdate"]) audio.addEventListener(happens, place);
  audio.addEventListener("play", () => {
    for (const other of document.querySelectorAll("audio")) if (other !== audio) other.pause();
  });
  roll.addEventListener("click", (event) => {
    const box = roll.getBoundingClientRect();
    audio.currentTime = Math.max(0, (event.clientX - box.left + roll.scrollLeft - MARGIN) / SECOND);
    audio.play();
  });
  place();
}
"""  # noqa: E501


@dataclass(frozen=True, slots=True)
class DemoPiece:
    """A piece to be heard: `sound` and `file` are addresses relative to the page."""

    title: str
    told: str
    score: Score
    sound: str
    file: str


def demo_page(
    pieces: Sequence[DemoPiece], told: str, counts: Mapping[str, Sequence[tuple[str, int]]]
) -> str:
    """The page as HTML. `counts` are small tables of the folder: by heading, name and number."""
    script = SCRIPT.replace("MARGIN", str(MARGIN)).replace("SECOND", str(SECOND))
    return "\n".join(
        [
            "<!doctype html>",
            '<html lang="en"><head><meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>Woodshed: the demo</title><style>{STYLE}</style></head><body>",
            "<h1>Music that Woodshed composed and played</h1>",
            f"<p>{escape(told)}</p>",
            *(_piece(piece) for piece in pieces),
            "<h2>The folder</h2>",
            *(_table(heading, rows) for heading, rows in counts.items()),
            "<h2>Next</h2>",
            "<pre>woodshed audition list FOLDER        what is in a folder of yours\n"
            "woodshed render FILE.mid -o out.wav  hear any of it\n"
            "woodshed prepare FOLDER -o DATASET   make it a dataset to learn from</pre>",
            f"<script>{script}</script></body></html>",
            "",
        ]
    )


def _piece(piece: DemoPiece) -> str:
    score = piece.score
    chords = [(text.ticks, text.text) for text in score.texts if text.kind == "marker"]
    names = "".join(
        f'<li><i style="background:{COLOURS[n % len(COLOURS)]}"></i>{escape(part.name)}</li>'
        for n, part in enumerate(score.parts)
    )
    return (
        f"<section data-piece><h2>{escape(piece.title)}</h2>"
        f'<p class="soft">{escape(piece.told)} · <a href="{escape(piece.file)}">MIDI</a></p>'
        f'<audio controls preload="metadata" src="{escape(piece.sound)}"></audio>'
        f'<div class="roll">{piano_roll_svg(score, labels=chords, title=piece.title)}'
        f'<div class="head"></div></div><ul class="parts">{names}</ul></section>'
    )


def _table(heading: str, rows: Sequence[tuple[str, int]]) -> str:
    lines = "".join(f"<tr><td>{escape(name)}</td><td>{count:,}</td></tr>" for name, count in rows)
    return f"<table><tr><th>{escape(heading)}</th><th>pieces</th></tr>{lines}</table>"
