"""The grammar from compiled loops and from PyTorch: not a line of Python for a token."""

from __future__ import annotations

import time
from typing import Any

import numba
import numpy as np
import pytest

from woodshed.music.lineup import load_lineup
from woodshed.tokens.events import Events
from woodshed.tokens.events_grammar import events_grammar
from woodshed.tokens.grammar import Grammar, machine
from woodshed.tokens.performance import Performance

LENGTH = 400


@pytest.fixture(params=["events", "performance"])
def grammar(request: pytest.FixtureRequest) -> Grammar:
    if request.param == "events":
        return events_grammar(Events(load_lineup("band")))
    return Performance().grammar()


@numba.njit
def babble(run: Any, phase: Any, registers: Any, sounding: Any, tables: Any, dice: Any) -> Any:
    """Legal tokens by chance, a whole sequence in one call."""
    ids = tables[0].shape[1]
    said = np.empty(LENGTH, np.int64)
    nothing, one = np.empty((1, 0), np.int64), np.empty((1, 1), np.int64)
    no_flags, no_masks = np.empty((1, 0), np.bool_), np.empty((1, 0, ids), np.bool_)
    legal, mask = np.zeros((1, 1), np.bool_), np.zeros((1, 1, ids), np.bool_)
    for place in range(LENGTH):
        run(nothing, phase, registers, sounding, no_flags, mask, *tables)
        choices = np.flatnonzero(mask[0, 0])
        if len(choices) == 0:
            return said[:place]
        one[0, 0] = said[place] = choices[dice[place] % len(choices)]
        run(one, phase, registers, sounding, legal, no_masks, *tables)
    return said


def test_a_compiled_loop_writes_legal_sequences(grammar: Grammar) -> None:
    for seed in range(20):
        state = grammar.start()
        said = babble(
            machine(),
            state.phase,
            state.registers,
            state.sounding,
            grammar.tables_for_machine,
            np.random.default_rng(seed).integers(0, 2**31, LENGTH),
        )
        assert len(said) > 1
        assert grammar.legal(said).all()


def test_torch_takes_the_masks_as_they_lie_in_memory(grammar: Grammar) -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed (woodshed[neural])")
    batch = 16
    state = grammar.start(batch)
    dice = torch.Generator().manual_seed(1)
    said = np.empty((batch, 60), np.int64)
    for place in range(said.shape[1]):
        mask = torch.from_numpy(grammar.masks(state))
        logits = torch.randn(mask.shape, generator=dice).masked_fill(~mask, -torch.inf)
        chosen = torch.multinomial(logits.softmax(-1), 1, generator=dice)[:, 0]
        said[:, place] = chosen.numpy()
        going_on = mask.any(-1).numpy()
        assert grammar.advance(state, said[:, place])[going_on].all()


def test_a_batch_costs_microseconds_a_token(grammar: Grammar) -> None:
    state = grammar.start(64)
    grammar.masks(state)
    took = []
    for _ in range(5):
        began = time.perf_counter()
        grammar.masks(state)
        took.append(time.perf_counter() - began)
    assert min(took) < 0.01  # about 0.0002 on a quiet machine
