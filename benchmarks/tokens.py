"""Speed of the token languages: notes a second into tokens, and the grammar over them.

Compared with MidiTok's REMI where that is installed (`pip install miditok`); it is no dependency.
Reads pieces of POP909 below WOODSHED_TEST_DATA; one process, one core. Everything is warm: whatever
is measured has run over all the pieces before, and what numba compiles is compiled.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from woodshed.corpus.folder import list_midi
from woodshed.formats.midi_contained import read_many
from woodshed.music.lineup import load_lineup
from woodshed.music.score import Score
from woodshed.tokens import events as module
from woodshed.tokens.events import Events
from woodshed.tokens.events_grammar import events_grammar

PIECES = 120
RUNS = 5
ROUNDS = 7


def main() -> int:
    """Measure and print."""
    folder = os.environ.get("WOODSHED_TEST_DATA")
    if not folder:
        print("WOODSHED_TEST_DATA is not set; there are no pieces to measure with")
        return 1
    paths = list_midi(Path(folder) / "pop909").paths[:PIECES]
    lineup = load_lineup("band")
    events = Events(lineup)
    scores = [outcome.unwrap() for outcome in read_many(paths)]
    notes = sum(len(score.notes) for score in scores)

    def encode(score: Score) -> Any:
        return events.encode(score, [place.slot for place in lineup.place(score.parts)])

    def by_arrays(score: Score) -> Any:
        slots = [place.slot for place in lineup.place(score.parts)]
        return module._write(module._reduced(score, slots), events, ())

    print(f"{len(scores)} pieces, {notes:,} notes")
    start = time.perf_counter()
    form = module._PASS.form
    loading = time.perf_counter() - start
    print("no numba" if form is None else f"numba and the compiled form there in {loading:.2f} s")
    ours = notes / seconds(lambda: [encode(score) for score in scores])
    arrays = notes / seconds(lambda: [by_arrays(score) for score in scores])
    print(f"score to events: {ours / 1e6:.2f} million notes a second")
    print(f"… by arrays, as without numba: {arrays / 1e6:.2f}")
    tokens = [encode(score) for score in scores]
    decoding = notes / seconds(lambda: [events.decode(t) for t in tokens])
    print(f"events to score: {decoding / 1e6:.2f} million notes a second")
    grammar = events_grammar(events)
    checked = sum(map(len, tokens)) / seconds(lambda: [grammar.legal(t) for t in tokens])
    print(f"grammar over whole pieces: {checked / 1e6:.0f} million tokens a second")
    state = grammar.start(64)
    grammar.advance(state, np.full(64, events.language.id_of["START"]))
    print(f"one mask: {seconds(lambda: grammar.masks(state)) / 64 * 1e6:.1f} µs")

    try:
        rounds = against_miditok(paths, scores, encode)
    except ImportError:
        print("MidiTok is not installed, so there is nothing to compare with")
        return 0
    theirs, own = (notes / median(column) / 1e6 for column in zip(*rounds, strict=True))
    ratios = sorted(a / b for a, b in rounds)
    print(
        f"piece by piece in turn, {len(rounds)} rounds, both warm: MidiTok's REMI {theirs:.3f} "
        f"million notes a second, ours {own:.2f}; {median(ratios):.0f} times as fast "
        f"({ratios[0]:.0f} to {ratios[-1]:.0f})"
    )
    return 0


def against_miditok(
    paths: Sequence[str], scores: list[Score], encode: Callable[[Score], Any]
) -> list[tuple[float, float]]:
    """How long MidiTok's REMI and ours take for all pieces, in each round after one that warms up.

    They alternate piece by piece, so that both meet the same machine: its load, its clock, and its
    caches full of the other's data. Parsing is not timed. Ours finds the slots of the parts each
    time, as MidiTok sorts out its programs; and MidiTok changes the score it is given, so it gets a
    copy each time, which is not timed either.
    """
    import miditok
    import symusic

    settings = miditok.TokenizerConfig(use_programs=True, one_token_stream_for_programs=True)
    tokenizer = miditok.REMI(settings)
    parsed: list[Any] = [symusic.Score(path) for path in paths]
    rounds = []
    for _ in range(ROUNDS + 1):
        theirs = ours = 0.0
        for score, other in zip(scores, parsed, strict=True):
            fresh = other.copy()
            start = time.perf_counter()
            tokenizer.encode(fresh)
            between = time.perf_counter()
            encode(score)
            ours += time.perf_counter() - between
            theirs += between - start
        rounds.append((theirs, ours))
    return rounds[1:]


def seconds(work: Callable[[], Any], runs: int = RUNS) -> float:
    """How long `work` takes: the median of some runs after one that warms up."""
    taken = []
    for _ in range(runs + 1):
        start = time.perf_counter()
        work()
        taken.append(time.perf_counter() - start)
    return median(taken[1:])


if __name__ == "__main__":
    sys.exit(main())
