"""The sorted contexts and their intervals, against a search through the text itself."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from woodshed.models.family import Model
from woodshed.models.ngram import contexts
from woodshed.models.ngram.hearing import BEGIN, NONE, hear_pieces
from woodshed.models.ngram.model import Ngram
from woodshed.models.ngram.suffixes import Suffixes, _sorted
from woodshed.models.ngram.train import local
from woodshed.tokens.cache import TokenCache

TEXTS = st.lists(st.integers(0, 4), min_size=1, max_size=60)


def _index(text: list[int], distinct: int = 5) -> Suffixes:
    symbols = np.array(text, np.uint16)
    targets = np.append(symbols[1:], NONE).astype(np.uint16)
    pieces = np.arange(len(text)).astype(np.uint16)
    # What comes after a context of i symbols is symbol i: targets are laid out like the symbols.
    return _sorted([symbols.copy()], symbols, pieces, distinct) if len(targets) else None  # type: ignore[return-value]


@given(TEXTS)
def test_contexts_lie_in_the_order_of_what_came_last(text: list[int]) -> None:
    found = _index(text)
    order = sorted(range(1, len(text) + 1), key=lambda i: text[:i][::-1])
    rank = {context: n for n, context in enumerate(order)}
    for n, context in enumerate(order):
        assert found.before[n] == (rank[context - 1] if context > 1 else -1)
        assert found.targets[n] == (text[context] if context < len(text) else NONE)
        if context < len(text):
            assert found.pieces[n] == context
    for symbol in range(5):
        block = order[found.starts[symbol] : found.starts[symbol + 1]]
        assert [text[i - 1] for i in block] == [symbol] * text.count(symbol)


@given(TEXTS, st.lists(st.integers(0, 4), min_size=1, max_size=40))
def test_intervals_hold_each_context_as_often_as_the_text_has_it(
    text: list[int], history: list[int]
) -> None:
    index = _index(text)
    ways, depths = contexts.buffers(1, 1, 1, 1)
    way = ways[0, 0, 0, 0]
    low, high, length = way
    depth = contexts.begin(way, len(text))
    for symbol in history:
        depth = contexts.longer(index.before, 0, index.starts, way, depth, symbol)
    widths = (high - low)[:depth].tolist()
    counts = []
    for size in range(1, len(history) + 1):
        end = history[len(history) - size :]
        count = sum(text[i : i + size] == end for i in range(len(text) - size + 1))
        if count:
            counts.append((size, count))
    # Of contexts that occur equally often, and so at the same places, the longest is kept.
    kept = {count: size for size, count in counts}
    assert list(zip(length[1:depth].tolist(), widths[1:], strict=True)) == sorted(
        (size, count) for count, size in kept.items()
    )
    assert depths.shape == (1, 1, 1, 1)


def test_no_context_reaches_across_the_beginning_of_a_piece(
    ngram: Model, events: TokenCache
) -> None:
    """At the start of a piece all histories are one symbol long: that a piece begins."""
    assert isinstance(ngram, Ngram)
    names = list(ngram.info.vocabulary.names)
    state = ngram.start([np.array([names.index("START")], np.uint16)])
    ways, depths = state.history
    plain = ways[0, 0, 0, 0, contexts.LENGTH, : depths[0, 0, 0, 0]]
    assert plain.tolist() == [0, 2]  # everything; the beginning and START
    piece = local(events[0], ngram.info.vocabulary)
    state = ngram.start([piece[:200]])
    assert state.history[0][..., contexts.LENGTH, :].max() <= 201


def test_streams_of_slots_are_each_players_own(ngram: Model, events: TokenCache) -> None:
    assert isinstance(ngram, Ngram)
    tables = ngram.tables
    view = next(n for n, v in enumerate(tables.views) if v.name == "own line")
    piece = local(events[0], ngram.info.vocabulary)
    symbols, targets, pieces = (np.zeros(2 * len(piece) + 20, np.uint16) for _ in range(3))
    count = hear_pieces(
        piece, np.array([0, len(piece)]), view, True, tables.streams, tables.rules,
        tables.group_of, tables.value_of, tables.special, symbols, targets, pieces,
    )  # fmt: skip
    begins = np.flatnonzero(symbols[:count] == tables.special[BEGIN])
    language = ngram.info.language
    score = language.decode(ngram.info.vocabulary.globalise(piece))
    heard = []
    for first, last in zip(begins, [*begins[1:], count], strict=True):
        told = targets[first:last]
        ids = ngram.info.vocabulary.ids[told[told != NONE]]
        rows = [language.language.row(name) for name in ("PITCH", "DRUM")]
        own = np.isin(language.language.group_of[ids], rows)
        heard.append(language.language.value_of[ids[own]].tolist())
    expected = [
        score.notes.pitch[score.notes.part == part].tolist()
        for part in np.unique(score.notes.part).tolist()
    ]
    assert heard == expected
