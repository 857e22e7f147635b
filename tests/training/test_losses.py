"""Losses against slow, obvious ones."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from woodshed.tokens.cache import TokenCache
from woodshed.training.losses import (
    AHEAD_TOKENS,
    MOST_NOTES,
    AheadTargets,
    Smoothing,
    TokenLoss,
    ahead_loss,
)

CPU = torch.device("cpu")


@pytest.mark.parametrize(("kind", "value"), [(0.0, 0.0), (0.05, 0.04), (0.1, 0.0), (0.0, 0.2)])
def test_smoothing_is_what_it_says(events: TokenCache, kind: float, value: float) -> None:
    vocabulary = events.vocabulary()
    torch.manual_seed(0)
    logits = torch.randn(20, len(vocabulary))
    targets = torch.randint(len(vocabulary), (20,))
    counts = torch.ones(20)
    counts[3] = 0
    loss, plain = TokenLoss(vocabulary, Smoothing(kind, value), CPU)(logits, targets, counts)
    groups = vocabulary.language.group_of[vocabulary.ids]
    told = torch.log_softmax(logits, -1).numpy()
    costs = []
    for place, target in enumerate(targets.tolist()):
        wanted = np.full(len(vocabulary), kind / len(vocabulary))
        own = groups == groups[target]
        wanted[own] += value / own.sum()
        wanted[target] += 1 - kind - value
        assert wanted.sum() == pytest.approx(1)
        costs.append(-(wanted * told[place]).sum() * float(counts[place]))
    assert float(loss) == pytest.approx(np.mean(costs), rel=1e-5)
    surprise = -told[np.arange(20), targets.numpy()] * counts.numpy()
    assert float(plain) == pytest.approx(surprise.mean(), rel=1e-5)


def test_what_lies_ahead_against_a_slow_count(events: TokenCache) -> None:
    vocabulary = events.vocabulary()
    asked = AheadTargets(vocabulary)
    nearest = vocabulary.nearest
    row = nearest[events[0]][:400].astype(np.int64)
    notes, soon = asked(np.stack([row, row[::-1]]))
    names = [name.split("_")[0] for name in vocabulary.names]
    players = [name for name in vocabulary.names if name.startswith("INST_")]
    assert asked.outputs == MOST_NOTES + 1 + len(players)
    for line, tokens in enumerate((row.tolist(), row[::-1].tolist())):
        for place in range(len(tokens)):
            count = 0
            for token in tokens[place:]:
                if names[token] in ("SHIFT", "BAR", "END", "START"):
                    assert notes[line, place] == min(count, MOST_NOTES)
                    break
                count += names[token] in ("PITCH", "DRUM", "NOTE_ON")
            else:
                assert notes[line, place] == -1
        for place in range(len(tokens) - AHEAD_TOKENS):
            heard = {vocabulary.names[token] for token in tokens[place : place + AHEAD_TOKENS]}
            assert soon[line, place].tolist() == [name in heard for name in players]
    assert soon.shape[1] == len(row) - AHEAD_TOKENS


def test_the_auxiliary_loss_is_a_mean_over_all_places() -> None:
    torch.manual_seed(0)
    told = torch.randn(2, 5, MOST_NOTES + 1 + 3)
    notes = torch.tensor([[0, 1, 7, -1, -1], [2, 2, 2, 0, -1]])
    soon = torch.tensor([[[True, False, True]], [[False, False, True]]])
    chances = torch.log_softmax(told[..., : MOST_NOTES + 1], -1)
    cost = 0.0
    for line in range(2):
        for place in range(5):
            if notes[line, place] >= 0:
                cost -= float(chances[line, place, notes[line, place]])
        shares = torch.sigmoid(told[line, 0, MOST_NOTES + 1 :])
        right = torch.where(soon[line, 0], shares, 1 - shares)
        cost -= float(right.log().mean())
    assert float(ahead_loss(told, notes, soon)) == pytest.approx(cost / 10, rel=1e-5)
