"""Batches: whole tokens of whole pieces, in drawn keys, the same for the same seed and step."""

from __future__ import annotations

import numpy as np
import pytest

from woodshed.corpus.dataset import Dataset
from woodshed.tokens.cache import TokenCache
from woodshed.training.batches import Pieces

SEMITONES = (0, -3, 4)


@pytest.fixture(scope="module")
def pieces(songs: Dataset, events: TokenCache) -> Pieces:
    return Pieces(events, songs.split("train"), events.vocabulary(SEMITONES), SEMITONES)


def reference(pieces: Pieces, events: TokenCache, songs: Dataset) -> list[list[np.ndarray]]:
    """Every piece in every key, one token after the other."""
    language = events.language.language
    shifted = language.transposition(SEMITONES)
    local = {int(number): at for at, number in enumerate(pieces.vocabulary.ids)}
    return [
        [np.array([local[int(row[token])] for token in events[n]]) for row in shifted]
        for n in songs.split("train").tolist()
    ]


def test_rows_are_stretches_of_pieces(pieces: Pieces, events: TokenCache, songs: Dataset) -> None:
    told = reference(pieces, events, songs)
    batch = pieces.batch(7, 3, range(12), 300)
    assert batch.tokens.shape == batch.targets.shape == (12, 300)
    assert (batch.tokens[:, 1:] == batch.targets[:, :-1]).all()
    assert batch.begins is not None
    told_again = []
    for row, of, (piece, begin, shift, header) in zip(
        batch.tokens, batch.counts, batch.begins.tolist(), strict=True
    ):
        music = told[piece][shift]
        expected = np.concatenate([music[:header], music[begin : begin + len(row) - header]])
        assert (row[: len(expected)] == expected).all()
        if len(expected) < len(row):  # another piece follows, from its beginning
            assert row[len(expected)] == pieces.start_token
        assert header == (_header_of(music, pieces) if begin >= 8 else 0)
        assert not of[:header].any()
        assert of[header : len(expected) - 1].all()
        told_again.append(header)
    assert sum(map(bool, told_again)) >= 6
    for before, row, (piece, begin, shift, header) in zip(
        pieces.before(batch), batch.tokens, batch.begins.tolist(), strict=True
    ):
        assert (before == told[piece][shift][: begin + 1]).all()
        assert before[-1] == row[header]


def test_a_header_takes_a_quarter_of_the_context_at_most(pieces: Pieces) -> None:
    """In batches as in windows; what is longer is cut."""
    longest = int(pieces.headers.max())
    assert longest > 3
    context = 4 * (longest - 2)
    batch = pieces.batch(1, 1, range(60), context)
    assert batch.begins is not None
    inside = batch.begins[:, 1] >= longest
    expected = np.minimum(pieces.headers[batch.begins[:, 0]], longest - 2)
    assert (batch.begins[inside, 3] == expected[inside]).all()
    windows = pieces.windows(context, 10**9)
    told = pieces.lengths.sum() - len(pieces.lengths)
    assert windows.counts.sum() == told
    assert len(windows.tokens) < told / (context // 4) + 2 * len(pieces.lengths)


def _header_of(music: np.ndarray, pieces: Pieces) -> int:
    names = [pieces.vocabulary.names[token].split("_")[0] for token in music.tolist()]
    return names.index("BAR")


def test_the_first_token_of_a_piece_is_no_target(pieces: Pieces) -> None:
    batch = pieces.batch(0, 0, range(6), int(pieces.lengths.max()) + 50)
    assert batch.begins is not None
    again = np.arange(batch.targets.shape[1]) < batch.begins[:, 3:]
    assert ((batch.targets == pieces.start_token) | again == ~batch.counts).all()
    assert not batch.counts.all()


def test_a_row_depends_on_seed_step_and_number_alone(pieces: Pieces) -> None:
    whole = pieces.batch(5, 9, range(8), 64)
    part = pieces.batch(5, 9, range(3, 6), 64)
    assert (whole.tokens[3:6] == part.tokens).all()
    assert not (whole.tokens == pieces.batch(5, 10, range(8), 64).tokens).all()
    assert not (whole.tokens == pieces.batch(6, 9, range(8), 64).tokens).all()
    assert len({row.tobytes() for row in whole.tokens}) == 8


def test_all_keys_and_all_places_come(pieces: Pieces) -> None:
    begins = np.concatenate([pieces.batch(0, n, range(64), 256).begins for n in range(40)])
    assert set(begins[:, 2].tolist()) == {0, 1, 2}
    assert set(begins[:, 0].tolist()) == set(range(len(pieces.lengths)))
    share = float((begins[:, 1] == 0).mean())
    expected = float((pieces.lengths / pieces.total * 129 / pieces.lengths).sum())
    assert share == pytest.approx(expected, abs=0.03)


def test_drums_stay(pieces: Pieces) -> None:
    names = np.array([name.split("_")[0] for name in pieces.vocabulary.language.names])
    drums = np.flatnonzero((names == "DRUM") & pieces.vocabulary.available)
    assert (pieces.table[0][drums] == pieces.table[1][drums]).all()
    assert (pieces.table[0][drums] == pieces.table[2][drums]).all()


def test_windows_score_every_token_once(songs: Dataset, events: TokenCache) -> None:
    validation = songs.split("train")[:2]
    pieces = Pieces(events, validation, events.vocabulary())
    windows = pieces.windows(64, 10**9)
    assert windows.counts.sum() == sum(len(events[n]) - 1 for n in validation)
    scored = np.sort(windows.targets[windows.counts])
    expected = np.sort(np.concatenate([pieces[n][1:] for n in range(2)]))
    assert (scored == expected).all()
    # But at its beginning, a token is seen after half a context at least.
    begins = windows.counts[:, 0]
    assert begins.sum() == 2
    assert not windows.counts[~begins, : 64 // 2 - 1].any()
    # And every window tells the header of its piece.
    assert (windows.tokens[:, 0] == pieces.start_token).all()


def test_windows_of_some_tokens(songs: Dataset, events: TokenCache) -> None:
    windows = Pieces(events, songs.split("train"), events.vocabulary()).windows(64, 500)
    assert 400 < windows.counts.sum() <= 501
