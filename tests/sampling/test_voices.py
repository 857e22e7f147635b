"""What rules and names of collapses say of the four voices of `chorale`."""

from __future__ import annotations

import numpy as np
import pytest

from tests.models.bigram import Bigram, bigram_of
from tests.tokens.chorales import CHORALE, progression, write_chorales
from woodshed.corpus.prepare import prepare
from woodshed.sampling import knobs, layout
from woodshed.sampling.collapses import SILENCE, STANDSTILL, collapses
from woodshed.tokens.chorale import SILENT, Cells, ChoraleLimits
from woodshed.tokens.grammar_score import GrammarScore

DRAWS = 1000


@pytest.fixture(scope="module")
def choir(tmp_path_factory: pytest.TempPathFactory) -> Bigram:
    """A model in `chorale`."""
    place = tmp_path_factory.mktemp("choir")
    write_chorales(place / "music", 4)
    prepare(place / "music", place / "data", shares=(1, 0, 0))
    return bigram_of(place / "data", "chorale")


def drawn(
    chance: list[float], before: int, temperature: float, top_k: int | None = None
) -> list[float]:
    """How often each of some pitches from 60 on comes, by evenly spread chance, after `before`."""
    size = len(chance) + 1  # and END, which may not come
    words = np.zeros((layout.WORDS, size), np.int64)
    words[layout.KIND], words[layout.KIND, -1] = layout.CELL, layout.END
    words[layout.AMOUNT] = 60 + np.arange(size)
    bounds = np.full(layout.BOUNDS, layout.NONE)
    bounds[layout.END_ID] = size - 1
    bounds[layout.TOP_K] = top_k or layout.NONE
    dials = np.zeros(layout.DIALS)
    dials[[layout.TEMPERATURE, layout.TEMPERATURE_END, layout.TOP_P]] = temperature, temperature, 1
    counts = np.zeros((DRAWS, layout.COUNTS), np.int64)
    counts[:, layout.BAR_STEPS] = 16
    recent = np.full((DRAWS, 4, layout.REMEMBERED + 1), -1)
    recent[:, 0, 0] = before
    log_p = np.tile(np.log([*chance, 1e-9]).astype(np.float32), (DRAWS, 1))
    legal = np.ones((DRAWS, 1, size), np.bool_)
    legal[:, :, -1] = False
    tokens = np.zeros((DRAWS, 1), np.int64)
    knobs.choose(
        log_p, legal, np.ones((DRAWS, size), np.bool_), words, counts, recent, bounds, dials,
        (np.arange(DRAWS) + 0.5) / DRAWS, np.zeros((DRAWS, layout.PRICES)), tokens,
        np.zeros(size, np.int64), np.zeros(size), np.zeros(size),
    )  # fmt: skip
    return (np.bincount(tokens[:, 0], minlength=size)[:-1] / DRAWS).tolist()


@pytest.mark.parametrize("place", [0, 2])
def test_a_voice_stays_as_often_as_the_model_says(place: int) -> None:
    """At any temperature, which sharpens only where it moves to."""
    chance = [0.7, 0.2, 0.1] if place == 0 else [0.1, 0.2, 0.7]
    others = np.array(chance)
    others[place] = 0
    for heat in (0.65, 1.0, 1.5):
        moved = others ** (1 / heat)
        expected = 0.3 * moved / moved.sum()
        expected[place] = 0.7
        assert drawn(chance, 60 + place, heat) == pytest.approx(expected.tolist(), abs=2e-3)


def test_a_voice_that_can_only_move_is_drawn_as_usual() -> None:
    chance = [0.6, 0.3, 0.1]
    sharp = np.array(chance) ** 2
    assert drawn(chance, 99, 0.5) == pytest.approx((sharp / sharp.sum()).tolist(), abs=2e-3)


def test_where_nothing_is_left_to_chance_the_likeliest_comes() -> None:
    assert drawn([0.6, 0.4], 61, 0) == [1, 0]
    assert drawn([0.6, 0.4], 61, 0.65, top_k=1) == [1, 0]


def named(model: Bigram, cells: Cells, notes: int = 9) -> list[str]:
    return collapses(CHORALE.told(cells), GrammarScore(1, 1, 1, 1, notes), model.info)


@pytest.mark.parametrize("at", ["begin", "middle", "end"])
def test_a_standstill_has_a_name(choir: Bigram, at: str) -> None:
    """Nobody moves for more than twice as long as ever in the corpus; one voice is enough."""
    limits = choir.info.limits
    assert isinstance(limits, ChoraleLimits)
    moving = progression(5)
    most = 2 * limits.still

    def piece(steps: int) -> Cells:
        still = np.tile([60, 55, 50, 40], (steps, 1))
        parts = {
            "begin": (still, moving),
            "end": (moving, still),
            "middle": (moving, still, moving),
        }
        return np.concatenate(parts[at])

    assert named(choir, piece(most)) == []
    assert named(choir, piece(most + 1)) == [STANDSTILL]
    one_moves = piece(most + 1)
    place = np.flatnonzero((one_moves == [60, 55, 50, 40]).all(axis=1))[most // 2]
    one_moves[place, 3] = 41
    assert named(choir, one_moves) == []


def test_voices_that_rest_are_silence(choir: Bigram) -> None:
    moving = progression(5)
    rests = np.full((len(moving) + 1, 4), SILENT)
    assert SILENCE in named(choir, np.concatenate([moving, rests]))
    assert SILENCE not in named(choir, np.concatenate([moving, rests[:-1]]))
    assert SILENCE in named(choir, rests, notes=0)
