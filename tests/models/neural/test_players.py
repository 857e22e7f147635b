"""Compiled loops play what PyTorch plays, to rounding; a row is the same in any company."""

from __future__ import annotations

import dataclasses
import sys
from typing import Any

import numpy as np
import pytest

from woodshed.errors import UsageError
from woodshed.models.playing import Playing, played_as, resolved

torch = pytest.importorskip("torch")
pytest.importorskip("numba")

from woodshed.models.neural.config import NetworkConfig  # noqa: E402
from woodshed.models.neural.graphs import Graphs  # noqa: E402
from woodshed.models.neural.model import Neural  # noqa: E402
from woodshed.models.neural.network import Network  # noqa: E402
from woodshed.models.neural.players import Player, player_of  # noqa: E402
from woodshed.models.neural.quick_weights import rounded  # noqa: E402

CONFIGS = {
    "transformer": NetworkConfig(
        vocabulary=53, width=48, layers=3, heads=4, kv_heads=2, feed_forward=72, context=40,
        echoes=3,
    ),
    "mamba": NetworkConfig(
        vocabulary=53, width=48, layers=3, heads=6, kv_heads=0, feed_forward=40, context=40,
        backbone="mamba", echoes=3, state=16,
    ),
    "lstm": NetworkConfig(
        vocabulary=53, width=48, layers=2, heads=0, kv_heads=0, feed_forward=0, context=40,
        backbone="lstm", echoes=3, state=40,
    ),
}  # fmt: skip
COLUMNS = 7


def network_of(config: NetworkConfig) -> Network:
    with torch.random.fork_rng():
        torch.manual_seed(3)
        network = Network(config).eval()
        with torch.no_grad():
            for name, weight in network.named_parameters():
                if "embedding" in name:
                    weight.mul_(10)
                elif weight.dim() == 1:
                    weight.add_(0.1 * torch.randn(weight.shape))
    return network


@pytest.fixture(params=sorted(CONFIGS))
def network(request: pytest.FixtureRequest) -> Network:
    return network_of(CONFIGS[request.param])


def told(seed: int, count: int) -> np.ndarray:
    """Tokens as a network takes them, with echoes."""
    chance = np.random.default_rng(seed)
    found = chance.integers(0, 53, (count, COLUMNS))
    found[:, 2::2] = chance.integers(0, 7, (count, 3))
    return found


def players(network: Network, **playing: Any) -> tuple[Player, Player]:
    return (
        player_of(network, Playing(engine="compiled", **playing)),
        player_of(network, Playing(engine="torch")),
    )


@pytest.mark.parametrize("echo", [1.0, 0.4])
def test_compiled_loops_say_what_pytorch_says(network: Network, echo: float) -> None:
    """Over more than three contexts, with a header that stays."""
    quick, slow = players(network)
    tokens = told(1, 150)
    headings = np.arange(150) < 5
    states = [player.begin(1) for player in (quick, slow)]
    for first, last in ((0, 30), (30, 31), (31, 75), (75, 150)):
        some = tokens[first:last]
        rows = [0] * len(some)
        said = [
            player.log_shares(player.play(some, rows, state, echo, headings[first:last]))
            for player, state in zip((quick, slow), states, strict=True)
        ]
        assert np.abs(said[0] - said[1]).max() < 2e-5
        assert np.exp(said[0].astype(float)).sum(1) == pytest.approx(1, abs=1e-5)


def test_a_row_is_the_same_to_the_bit_in_any_company(network: Network) -> None:
    """One token at a time, all at once, beside others, and in another order."""
    quick, _ = players(network)
    tokens = [told(seed, 90) for seed in range(11)]
    alone = []
    for piece in tokens:
        state = quick.begin(1)
        alone.append(np.stack([quick.play(piece[n : n + 1], [0], state)[0] for n in range(90)]))
    state = quick.begin(11)
    rows = np.repeat(np.arange(11), 50)
    found = quick.play(np.concatenate([piece[:50] for piece in tokens]), rows, state)
    np.testing.assert_array_equal(found, np.concatenate([piece[:50] for piece in alone]))
    state = state.taken(np.array([4, 2, 2, 9]))
    mixed = np.stack([tokens[row][50 + n] for n in range(40) for row in (9, 4, 2, 2)])
    found = quick.play(mixed, [3, 0, 1, 2] * 40, state)
    for n, row in enumerate((9, 4, 2, 2)):
        np.testing.assert_array_equal(found[n::4], alone[row][50:])
    said = quick.log_shares(found)
    for n in (0, 17, 159):
        np.testing.assert_array_equal(quick.log_shares(found[n : n + 1])[0], said[n])


def test_steps_of_a_gpu_say_what_pytorch_says(network: Network) -> None:
    """As they are, without being captured: prompts, forks, and rows that wait for others."""
    graphs, slow = Graphs(network), player_of(network, Playing(engine="torch"))
    tokens = [told(seed, 100) for seed in range(3)]
    states = [player.begin(3) for player in (graphs, slow)]
    rows = np.concatenate([np.repeat([0, 1, 2], [7, 50, 1])])
    prompt = np.concatenate([tokens[0][:7], tokens[1][:50], tokens[2][:1]])
    headings = np.concatenate([np.arange(7) < 4, np.arange(50) < 4, [True]])
    for at, more in enumerate([0, *[1] * 45]):
        if at == 20:
            states = [state.taken([1, 0, 1]) for state in states]
        if more:
            rows = np.array([0, 2]) if at % 3 else np.arange(3)
            prompt = np.stack([tokens[row][50 + at] for row in rows])
            headings = np.zeros(len(rows), np.bool_)
        said = [
            player.log_shares(player.play(prompt, rows, state, 0.7, headings))
            for player, state in zip((graphs, slow), states, strict=True)
        ]
        assert np.abs(said[0] - said[1]).max() < 3e-5


def test_many_rows_in_many_threads_at_once_from_the_first_call(network: Network) -> None:
    """What is packed lies still before anybody is told where."""
    tokens = np.concatenate([told(seed, 6) for seed in range(16)])
    rows, threads = np.repeat(np.arange(16), 6), torch.get_num_threads()
    expected = None
    try:
        torch.set_num_threads(4)
        for _ in range(5):
            quick, _ = players(network)
            found = quick.play(tokens, rows, quick.begin(16))
            expected = found if expected is None else expected
            np.testing.assert_array_equal(found, expected)
    finally:
        torch.set_num_threads(threads)


def test_what_lies_beyond_is_refused_not_read(network: Network) -> None:
    quick, _ = players(network)
    some = told(0, 1)
    for rows, heard in (
        ([1], some), ([-1], some), ([0], np.array([[53, 0, 0, 0, 0, 0, 0]])), ([0], some[:, :1]),
        ([0], np.full((1, COLUMNS), -1)), ([0], np.array([[0, 54, 0, 0, 0, 0, 0]])),
        ([0], np.array([[0, 0, 7, 0, 0, 0, 0]])),
    ):  # fmt: skip
        with pytest.raises(IndexError):
            quick.play(heard, rows, quick.begin(1))
    features = np.random.default_rng(0).normal(size=(6, 48)).astype(np.float32)
    expected = quick.log_shares(features)
    np.testing.assert_array_equal(quick.log_shares(features[::2]), expected[::2])
    np.testing.assert_array_equal(quick.log_shares(np.asfortranarray(features)), expected)
    assert quick.play(some[:0], [], quick.begin(1)).shape == (0, 48)


@pytest.mark.parametrize("context", [2, 3, 5, 33])
def test_small_and_odd_contexts(context: int) -> None:
    network = network_of(dataclasses.replace(CONFIGS["transformer"], context=context))
    tokens, headings = told(4, 3 * context + 5), np.arange(3 * context + 5) < context
    said = []
    for player in (*players(network), Graphs(network)):
        features = player.play(tokens, [0] * len(tokens), player.begin(1), 1.0, headings)
        said.append(player.log_shares(features))
    assert np.abs(said[0] - said[1]).max() < 2e-5
    assert np.abs(said[2] - said[1]).max() < 2e-5


def test_a_model_that_is_loaded_stays_as_it_is_played(network: Network) -> None:
    model: Any = Neural(None, network, Playing("torch"))  # type: ignore[arg-type]
    same, playing, said = played_as(model, None, None, None)
    assert same is model
    assert (playing, said) == (Playing("torch"), None)
    other, playing, _ = played_as(model, "compiled", None, None)
    assert other.playing == playing == Playing("compiled")
    assert other.network is network


def test_threads_change_nothing(network: Network) -> None:
    quick, _ = players(network)
    tokens = np.concatenate([told(seed, 20) for seed in range(17)])
    rows = np.repeat(np.arange(17), 20)
    found, threads = [], torch.get_num_threads()
    try:
        for count in (1, 2, 4):
            torch.set_num_threads(count)
            features = quick.play(tokens, rows, quick.begin(17))
            found.append((features, quick.log_shares(features)))
    finally:
        torch.set_num_threads(threads)
    for features, said in found[1:]:
        np.testing.assert_array_equal(features, found[0][0])
        np.testing.assert_array_equal(said, found[0][1])


def test_halved_weights_are_those_of_a_network_with_halved_weights(network: Network) -> None:
    """Within 1e-3, as what attention keeps is halved, too."""
    quick, _ = players(network, weights="bfloat16")
    with torch.no_grad():
        for name, weight in network.named_parameters():
            is_packed = weight.dim() == 2 and not any(w in name for w in ("conv", "sure_", "echo_"))
            if is_packed:
                weight.copy_(torch.from_numpy(rounded(weight)))
    slow = player_of(network, Playing(engine="torch"))
    tokens = told(5, 70)
    rows = [0] * 70
    said = [p.log_shares(p.play(tokens, rows, p.begin(1))) for p in (quick, slow)]
    bound = 2e-2 if network.config.backbone == "transformer" else 2e-5
    assert np.abs(said[0] - said[1]).max() < bound
    exact = player_of(network_of(network.config), Playing(engine="torch"))
    other = exact.log_shares(exact.play(tokens, rows, exact.begin(1)))
    assert 1e-4 < np.abs(said[0] - other).max()


def test_what_is_pinned_is_heard_for_good() -> None:
    """Two pieces that differ in their header alone differ still after three contexts."""
    quick, _ = players(network_of(CONFIGS["transformer"]))
    tokens = told(2, 150)
    other = tokens.copy()
    other[:4] = told(9, 4)
    for pinned, differs in ((4, True), (0, False)):
        headings = np.arange(150) < pinned
        said = []
        for piece in (tokens, other):
            features = quick.play(piece, [0] * 150, quick.begin(1), 1.0, headings)
            said.append(quick.log_shares(features[-1:]))
        apart = np.abs(said[0] - said[1]).max()
        assert (apart > 1e-3) == differs, apart


def test_sizes_that_fill_no_panel(network: Network) -> None:
    """Numbers that are no multiples of anything the loops like."""
    config = dataclasses.replace(network.config, vocabulary=71, echoes=0)
    if config.backbone == "transformer":
        config = dataclasses.replace(config, width=36, heads=3, kv_heads=3, feed_forward=37)
    elif config.backbone == "mamba":
        config = dataclasses.replace(config, width=35, heads=5, state=9, feed_forward=0)
    else:
        config = dataclasses.replace(config, width=37, state=21, feed_forward=19)
    quick, slow = players(network_of(config))
    tokens = np.random.default_rng(0).integers(0, 71, 60)
    said = [p.log_shares(p.play(tokens, [0] * 60, p.begin(1))) for p in (quick, slow)]
    assert np.abs(said[0] - said[1]).max() < 2e-5


def test_what_cannot_run_here_falls_back_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    assert resolved(Playing()) == (Playing(engine="compiled"), None)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    playing, said = resolved(Playing(engine="graphs", weights="bfloat16", device="cuda"))
    assert playing == Playing(engine="compiled", weights="bfloat16")
    assert said == (
        "there is no cuda here; it plays on the CPU; the engine graphs does not run on cpu; "
        "compiled plays instead"
    )
    monkeypatch.setitem(sys.modules, "numba", None)
    playing, said = resolved(Playing(engine="compiled", weights="bfloat16"))
    assert playing == Playing(engine="torch")
    assert said is not None
    assert "pip install numba" in said
    assert "weights stay float32" in said
    assert resolved(Playing()) == (Playing(engine="torch"), None)


def test_words_that_are_none() -> None:
    with pytest.raises(UsageError, match=r"--engine cannot be 'warp'; use auto, .* or torch"):
        Playing(engine="warp")
    with pytest.raises(UsageError, match="--weights cannot be 'int1'"):
        Playing(weights="int1")
    with pytest.raises(
        UsageError, match="--device cannot be 'abacus'; use cpu, cuda, cuda:1 … or mps"
    ):
        Playing(device="abacus")
    for strange in ("cuda:x", "cuda:-1", "cuda:", "cpu:1"):
        with pytest.raises(UsageError, match="--device cannot be"):
            Playing(device=strange)
