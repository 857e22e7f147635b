"""Pieces on a page: a player, a piano roll with a playhead, and who plays. One file, no network.

Knows nothing of how music was made, nor of what else is on the page.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from urllib.parse import quote

from ..music.picture import COLOURS, MARGIN, SECOND, piano_roll_svg
from ..music.score import Score

STYLE = """
:root { color-scheme: light dark; --ink: #1d1f23; --soft: #62676f; --paper: #fbfaf7; --line: #ddd8cc; --accent: #b4512d }
@media (prefers-color-scheme: dark) { :root { --ink: #ebe8e1; --soft: #a3a7af; --paper: #16171a; --line: #34363b; --accent: #e28b5f } }
* { box-sizing: border-box }
body { margin: 0 auto; padding: 2rem 1.2rem 4rem; max-width: 68rem; background: var(--paper); color: var(--ink); font: 16px/1.55 system-ui, sans-serif; overflow-wrap: anywhere }
h1 { font-size: 1.7rem; line-height: 1.25; margin: 0 0 .4rem } h2 { font-size: 1.2rem; margin: 2.4rem 0 .2rem } h3 { font-size: 1rem; margin: 1.2rem 0 .2rem }
p { margin: .3rem 0 1rem; max-width: 46rem } .soft { color: var(--soft) } a { color: var(--accent) }
audio { width: 100%; margin: .6rem 0 }
.roll { position: relative; overflow-x: auto; border: 1px solid var(--line); border-radius: 6px; cursor: pointer; background: color-mix(in srgb, var(--paper) 92%, var(--ink) 3%) }
.roll svg { display: block }
.head { position: absolute; top: 0; bottom: 0; left: 0; width: 2px; background: var(--accent); pointer-events: none }
.parts { list-style: none; padding: 0; display: flex; flex-wrap: wrap; gap: .2rem 1.1rem; margin: .5rem 0 } .parts i { display: inline-block; width: .8em; height: .8em; border-radius: 2px; margin-right: .4em }
table { border-collapse: collapse; margin: .4rem 0 1rem } td, th { text-align: left; vertical-align: top; padding: .15rem 1.4rem .15rem 0 } .n { text-align: right; font-variant-numeric: tabular-nums }
pre { overflow-x: auto; padding: .8rem 1rem; border: 1px solid var(--line); border-radius: 6px; font-size: .9rem; line-height: 1.5; overflow-wrap: normal }
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
    place();
    audio.play();
  });
  place();
}
""".replace("MARGIN", str(MARGIN)).replace("SECOND", str(SECOND))  # noqa: E501


def whole_page(title: str, *parts: str) -> str:
    """Parts of HTML as one page that needs no other file but the sounds."""
    return "\n".join(
        [
            "<!doctype html>",
            '<html lang="en"><head><meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>{escape(title)}</title><style>{STYLE}</style></head><body>",
            *parts,
            f"<script>{SCRIPT}</script></body></html>",
            "",
        ]
    )


def player(title: str, told: str, score: Score, sound: str, file: str, after: str = "") -> str:
    """A piece to hear and see; `sound` and `file` are paths relative to the page.

    `after` is HTML that stands below. Markers of the score, which are its chords, stand in the
    roll.
    """
    chords = [(text.ticks, text.text) for text in score.texts if text.kind == "marker"]
    names = "".join(
        f'<li><i style="background:{COLOURS[n % len(COLOURS)]}"></i>{escape(part.name)}</li>'
        for n, part in enumerate(score.parts)
    )
    return (
        f"<section data-piece><h3>{escape(title)}</h3>"
        f'<p class="soft">{escape(told)} · <a href="{quote(file)}">MIDI</a></p>'
        f'<audio controls preload="metadata" src="{quote(sound)}"></audio>'
        f'<div class="roll">{piano_roll_svg(score, labels=chords, title=title)}'
        f'<div class="head"></div></div><ul class="parts">{names}</ul>{after}</section>'
    )


def table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table of words whose last column is of figures."""
    last = len(headings) - 1

    def line(cells: Sequence[str], tag: str) -> str:
        return "".join(
            f"<{tag}{' class=n' if n == last else ''}>{escape(cell)}</{tag}>"
            for n, cell in enumerate(cells)
        )

    lines = "".join(f"<tr>{line(row, 'td')}</tr>" for row in rows)
    return f"<table><tr>{line(headings, 'th')}</tr>{lines}</table>"
