"""Speed of the token languages: notes a second into tokens, and the grammar over them.

Compared with MidiTok's REMI where that is installed (`pip install miditok`); it is no dependency.
Reads pieces of POP909 below WOODSHED_TEST_DATA; one process, one core, everything warm.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from woodshed.corpus.folder import list_midi
from woodshed.formats.midi_contained import read_many
from woodshed.music.lineup import load_lineup
from woodshed.music.score import Score
from woodshed.tokens.events import Events
from woodshed.tokens.events_grammar import events_grammar

PIECES = 120
RUNS = 5


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

    ours = notes / seconds(lambda: [encode(score) for score in scores])
    print(f"{len(scores)} pieces, {notes:,} notes")
    print(f"score to events: {ours / 1e6:.2f} million notes a second")
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
        import miditok
        import symusic
    except ImportError:
        print("MidiTok is not installed, so there is nothing to compare with")
        return 0
    tokenizer = miditok.REMI(
        miditok.TokenizerConfig(
            use_programs=True,
            one_token_stream_for_programs=True,
            use_tempos=True,
            use_time_signatures=True,
        )
    )
    # In turn, so that both meet the same machine. MidiTok quantises the score it is given, so it
    # gets fresh ones each time.
    rounds = []
    for _ in range(3):
        own = seconds(lambda: [encode(score) for score in scores], runs=3)
        fresh = [symusic.Score(path) for path in paths]
        start = time.perf_counter()
        for score in fresh:
            tokenizer.encode(score)
        rounds.append((time.perf_counter() - start, own))
    theirs, own = median(t for t, _ in rounds), median(o for _, o in rounds)
    ratio = median(t / o for t, o in rounds)
    print(
        f"in turn: MidiTok's REMI {notes / theirs / 1e6:.3f} million notes a second, "
        f"ours {notes / own / 1e6:.2f}: {ratio:.0f} times as fast"
    )
    return 0


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
