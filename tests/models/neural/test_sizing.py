"""How large a network is chosen, and the sentence that says why."""

from __future__ import annotations

import pytest

from woodshed.errors import UsageError
from woodshed.models.neural.sizing import (
    FIXED,
    TOKENS_PER_PARAMETER,
    TRANSPOSED_COUNTS,
    WIDTHS,
    size_for,
    training_bytes,
)


def test_more_tokens_never_make_a_smaller_network_and_never_one_beyond_the_budget() -> None:
    floor = size_for(1, 0, 500).config
    before = 0
    for tokens in (10**n * k for n in range(3, 10) for k in (1, 3)):
        for transpositions in (0, 6):
            found = size_for(tokens, transpositions, 500).config
            budget = tokens * (1 + TRANSPOSED_COUNTS * transpositions) / TOKENS_PER_PARAMETER
            assert found == floor or found.parameters <= budget
        assert found.parameters >= before
        before = found.parameters
    assert before > 100e6


def test_the_next_larger_one_would_be_too_large() -> None:
    found = size_for(42_000_000, 0, 500).config
    wider = WIDTHS[WIDTHS.index(found.width) + 1]
    assert found.width == 256
    assert size_for(10**10, 0, 500, max_width=wider).config.parameters > 42e6 / 8


def test_the_reason_shows_the_sum() -> None:
    said = size_for(1_000_000, 6, 500, tokens_per_parameter=2).reason
    assert said == (
        "704K parameters (128 wide, 3 layers): 1,000,000 tokens, counted as 2,500,000 with 6 "
        "transpositions at 0.25 each, are worth 1.2M at 2 tokens for each"
    )
    assert size_for(10_000, 0, 500).reason.endswith(
        "worth 1K at 8 tokens for each; no network is smaller"
    )
    assert size_for(10**9, 0, 500, max_width=300).reason.endswith(
        "--max-d-model 300 allows no more"
    )
    assert size_for(10**9, 0, 500, memory=2 * 10**9).reason.endswith(
        "2.0 GB of memory allow no more"
    )


def test_limits_are_kept() -> None:
    assert size_for(10**9, 0, 500, max_width=300).config.width <= 300
    config = size_for(10**9, 0, 500, memory=2 * 10**9, batch_tokens=4096).config
    assert training_bytes(config, 4096) <= 2 * 10**9


def test_named_sizes_are_fixed() -> None:
    small = size_for(1, 0, 500, size="small", context=300, dropout=0.1, ahead=4).config
    assert (small.width, small.layers, small.heads, small.feed_forward) == (256, 6, 8, 768)
    assert (small.context, small.dropout, small.ahead) == (300, 0.1, 4)
    assert 5.1e6 < small.parameters < 5.4e6
    sizes = [size_for(10**12, 0, 500, size=name).config.parameters for name in FIXED]
    assert sizes == sorted(sizes)


@pytest.mark.parametrize("backbone", ["mamba", "lstm"])
def test_a_width_means_about_as_many_parameters_in_every_backbone(backbone: str) -> None:
    for width in WIDTHS:
        tokens = 10**12
        one, other = (
            size_for(tokens, 0, 500, max_width=width, backbone=of).config
            for of in ("transformer", backbone)
        )
        assert one.width == other.width == width
        assert 0.7 < other.parameters / one.parameters < 1.4
    small = size_for(1, 0, 500, size="small", backbone=backbone).config
    assert small.backbone == backbone
    assert 4.8e6 < small.parameters < 5.4e6


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"size": "huge"}, "no size 'huge'; use auto, tiny, small, medium"),
        ({"max_width": 32}, "--max-d-model 32 is too narrow; use 96 or more"),
        ({"memory": 10**6}, "0.0 GB of memory are too little.* takes .* use smaller batches"),
        ({"tokens_per_parameter": 0.0}, "0 tokens for a parameter"),
    ],
)
def test_what_cannot_be_is_told(asked: dict[str, object], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        size_for(10**6, 0, 500, **asked)  # type: ignore[arg-type]
