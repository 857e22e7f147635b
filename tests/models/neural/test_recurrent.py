"""Backbones that carry a state on: all their forms say the same, alone and in company."""

from __future__ import annotations

import dataclasses
import itertools
import math

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from woodshed.errors import UsageError  # noqa: E402
from woodshed.models.neural import scan  # noqa: E402
from woodshed.models.neural.config import NetworkConfig  # noqa: E402
from woodshed.models.neural.network import Network  # noqa: E402
from woodshed.models.neural.recurrent import Recurrent  # noqa: E402
from woodshed.models.neural.scoring import STRETCH, WINDOWS, log_likelihood  # noqa: E402

MAMBA = NetworkConfig(
    vocabulary=50, width=32, layers=3, heads=4, kv_heads=0, feed_forward=24, context=80,
    backbone="mamba", ahead=3, state=16,
)  # fmt: skip
LSTM = NetworkConfig(
    vocabulary=50, width=32, layers=3, heads=0, kv_heads=0, feed_forward=0, context=80,
    backbone="lstm", ahead=3, state=40,
)  # fmt: skip
BOTH = pytest.mark.parametrize("config", [MAMBA, LSTM], ids=["mamba", "lstm"])
PLACES = 600


@pytest.fixture(autouse=True)
def one_thread():
    """Threads that wait for each other would make small networks slow."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    torch.manual_seed(4)
    yield
    torch.set_num_threads(before)


def taught(config: NetworkConfig, steps: int) -> Network:
    """A network that was taught a little, of weights by chance before."""
    network = Network(config).train()
    optimiser = torch.optim.AdamW(network.parameters(), lr=1e-2)
    for _ in range(steps):
        tokens = torch.randint(0, 50, (4, 90)).cumsum(1) % 50
        logits = network.logits(network(tokens[:, :-1]))
        loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), tokens[:, 1:].flatten())
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return network.eval()


@BOTH
@pytest.mark.parametrize(("ahead", "echoes", "feed_forward"), [(0, 0, 0), (5, 3, 20)])
def test_its_parameters_are_as_many_as_it_says(
    config: NetworkConfig, ahead: int, echoes: int, feed_forward: int
) -> None:
    config = dataclasses.replace(config, ahead=ahead, echoes=echoes, feed_forward=feed_forward)
    assert sum(p.numel() for p in Network(config).parameters()) == config.parameters
    assert NetworkConfig.from_dict(config.to_dict()) == config


@pytest.mark.parametrize(
    ("config", "changed", "said"),
    [
        (MAMBA, {"heads": 3}, "twice a width of 32 cannot be shared by 3 heads"),
        (MAMBA, {"heads": 0}, "heads cannot be 0"),
        (MAMBA, {"kv_heads": 2}, "mamba has no kv_heads"),
        (MAMBA, {"state": 0}, "state cannot be 0"),
        (LSTM, {"heads": 2}, "lstm has no heads"),
        (LSTM, {"state": 0}, "state cannot be 0"),
        (LSTM, {"state": -1}, "state cannot be -1"),
        (LSTM, {"backbone": "transformer"}, "cannot be 0; use 1"),
        (MAMBA, {"backbone": "transformer", "kv_heads": 4}, "transformer has no state"),
    ],
)
def test_sizes_that_cannot_be_are_told(
    config: NetworkConfig, changed: dict[str, object], said: str
) -> None:
    with pytest.raises(UsageError, match=said):
        NetworkConfig.from_dict({**config.to_dict(), **changed})


@BOTH
@pytest.mark.parametrize("steps", [0, 4])
def test_all_forms_say_the_same_over_long_sequences(config: NetworkConfig, steps: int) -> None:
    network = taught(config, steps)
    tokens = torch.randint(0, 50, (2, PLACES))
    with torch.no_grad():
        whole = network(tokens)
    assert whole.abs().max() > 0.5
    parts, states = [], [network.begin(2), network.begin(2)]
    for first, last in itertools.pairwise([0, 1, 2, 5, 69, 133, 400, PLACES]):
        parts.append(network.follow(tokens[:, first:last], states[0]))
    steps_of = [network.play(tokens[:, place], [0, 1], states[1]) for place in range(PLACES)]
    torch.testing.assert_close(torch.cat(parts, 1), whole, atol=1e-4, rtol=0)
    torch.testing.assert_close(torch.stack(steps_of, 1), whole, atol=1e-4, rtol=0)
    for one, other in zip(states[0].kept, states[1].kept, strict=True):
        torch.testing.assert_close(one, other, atol=1e-4, rtol=1e-4)


@BOTH
def test_it_goes_on_from_any_form_in_any_other(config: NetworkConfig) -> None:
    network = Network(config).eval()
    tokens = torch.randint(0, 50, (3, 200))
    with torch.no_grad():
        whole = network.logits(network(tokens))
    state = network.begin(3)
    network.follow(tokens[:, :70], state)
    network.play(tokens[:, 70:90].flatten(), [row for row in range(3) for _ in range(20)], state)
    for place in range(90, 100):
        features = network.play(tokens[:, place], [0, 1, 2], state)
    with torch.no_grad():
        said = network.logits(features)
    torch.testing.assert_close(said, whole[:, 99], atol=1e-4, rtol=0)
    state = state.taken([2, 0])
    found = network.follow(tokens[[2, 0], 100:], state)
    torch.testing.assert_close(network.logits(found), whole[[2, 0], 100:], atol=1e-4, rtol=0)


@BOTH
def test_the_future_is_never_heard_and_the_past_for_long(config: NetworkConfig) -> None:
    network = Network(config).eval()
    tokens = torch.randint(0, 50, (1, 150))
    other = tokens.clone()
    other[0, 40] = (other[0, 40] + 1) % 50
    with torch.no_grad():
        one, two = network(tokens), network(other)
    torch.testing.assert_close(one[:, :40], two[:, :40], atol=1e-6, rtol=0)
    apart = (one[:, 40:] - two[:, 40:]).abs().amax(-1)[0]
    assert apart[0] > 1e-2
    assert apart[30:].max() > 1e-5


@BOTH
@pytest.mark.parametrize("threads", [1, 2])
def test_a_row_is_the_same_to_the_bit_in_any_company(config: NetworkConfig, threads: int) -> None:
    """Also at another place of the batch, after a prompt at once, and beside more than fit."""
    torch.set_num_threads(threads)
    network = Network(dataclasses.replace(config, layers=2)).eval()
    tokens = torch.randint(0, 50, (20, 60))
    expected = network.play(tokens[2], [0] * 60, network.begin(1))
    together = network.begin(20)
    network.play(tokens[0, :17], [0] * 17, together)
    place = 0
    for more in (1, 1, 1, 20, 1, 1, 1, 9, 1, 1, 1):
        rows = [4, 2, 0, 3] if more == 1 and place % 2 else [*range(19, 2, -1), *[2] * more, 0]
        heard = [place + rows[:n].count(2) if row == 2 else place for n, row in enumerate(rows)]
        found = network.play(tokens[rows, heard], rows, together)
        own = [n for n, row in enumerate(rows) if row == 2]
        assert torch.equal(found[own], expected[place : place + more])
        place += more


@BOTH
def test_whole_pieces_are_scored_from_their_beginning(config: NetworkConfig) -> None:
    """Of lengths around those that are taken at once, and more of them than side by side."""
    network = Network(config).eval()
    chance = np.random.default_rng(1)
    lengths = [1, 2, STRETCH, STRETCH + 1, STRETCH + 2, 2 * STRETCH + 9, 30, 31, 700, 3, 40]
    assert len(lengths) > WINDOWS
    pieces = [chance.integers(0, 50, length).astype(np.uint16) for length in lengths]
    found = log_likelihood(network, None, pieces, np.zeros(50, np.bool_))
    for piece, said in zip(pieces, found, strict=True):
        tokens = torch.from_numpy(piece.astype(np.int64))[None]
        with torch.no_grad():
            logs = network.logits(network(tokens)).log_softmax(-1)[0]
        expected = logs[:-1].gather(-1, tokens[0, 1:, None])[:, 0]
        np.testing.assert_allclose(said[1:], expected.numpy(), atol=1e-4)
        assert said[0] == 0


@BOTH
def test_in_half_precision_the_loss_is_the_same_within_noise(config: NetworkConfig) -> None:
    network = Network(config).train()
    tokens = torch.randint(0, 50, (4, 80))
    slopes = []
    for half in (False, True):
        network.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=half):
            logits = network.logits(network(tokens))
        torch.nn.functional.cross_entropy(logits.float().flatten(0, 1), tokens.flatten()).backward()
        slopes.append(
            torch.cat([p.grad.flatten() for p in network.parameters() if p.grad is not None])
        )
    assert slopes[0].shape == slopes[1].shape
    apart = (slopes[0] - slopes[1]).norm() / slopes[0].norm()
    assert 1e-5 < float(apart) < 0.05


def slow_scan(taken, fades, told, asked):
    """What `scanned` says, place after place."""
    rows, places, heads, width = taken.shape
    state = taken.new_zeros(rows, told.shape[-1], heads, width)
    said = []
    for place in range(places):
        state = state * fades[:, place, None, :, None].exp()
        state = state + told[:, place, :, None, None] * taken[:, place, None]
        said.append((asked[:, place, :, None, None] * state).sum(1))
    return torch.stack(said, 1), state.flatten(2)


@pytest.mark.parametrize("places", [1, 64, 150])
def test_scans_and_their_gradients_are_those_of_single_places(
    places: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    inputs = [
        torch.randn(2, places, 3, 4), -3 * torch.rand(2, places, 3),
        torch.randn(2, places, 5), torch.randn(2, places, 5),
    ]  # fmt: skip
    weights = torch.randn(2, places, 3, 4)
    found = []
    for written_out in (None, True, False):
        monkeypatch.setattr(scan, "_is_written_out", lambda _, w=written_out: w)
        own = [each.clone().requires_grad_() for each in inputs]
        said, last = (slow_scan if written_out is None else scan.scanned)(*own)
        found.append((said, last, *torch.autograd.grad((said * weights).sum(), own)))
    for other in found[1:]:
        for one, two in zip(found[0], other, strict=True):
            torch.testing.assert_close(one, two, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("places", [1, 3, 40])
def test_convolutions_and_their_gradients(places: int, monkeypatch: pytest.MonkeyPatch) -> None:
    inputs = [torch.randn(2, places, 6), torch.randn(4, 6), torch.randn(6)]
    weights = torch.randn(2, places, 6)
    found = []
    for written_out in (True, False):
        monkeypatch.setattr(scan, "_is_written_out", lambda _, w=written_out: w)
        own = [each.clone().requires_grad_() for each in inputs]
        made = scan.convolved(*own)
        found.append((made, *torch.autograd.grad((made * weights).sum(), own)))
    torch.testing.assert_close(found[0], found[1], atol=1e-5, rtol=1e-5)
    x, weight, bias = inputs
    last = sum(x[:, places - 1 - n] * weight[3 - n] for n in range(min(4, places))) + bias
    torch.testing.assert_close(found[0][0][:, -1], torch.nn.functional.silu(last))


def test_what_fades_at_once_or_never_stays_a_number() -> None:
    taken, told = torch.ones(1, 130, 2, 3), torch.ones(1, 130, 4)
    fades = torch.tensor([0.0, -1e4]).expand(1, 130, 2).clone().requires_grad_()
    said, last = scan.scanned(taken, fades, told, told)
    said.sum().backward()
    assert said[0, -1, :, 0].tolist() == [4 * 130, 4]
    assert torch.isfinite(last).all()
    assert fades.grad is not None
    assert torch.isfinite(fades.grad).all()


def test_what_fades_at_once_takes_nothing_from_what_stays() -> None:
    """Logarithms of hundreds beside small ones: no digit of the small ones is lost."""
    chance = torch.Generator().manual_seed(1)
    taken = torch.randn(1, 256, 2, 8, generator=chance)
    told, asked = torch.randn(2, 1, 256, 16, generator=chance)
    strong = torch.rand(1, 256, 2, generator=chance) < 0.5
    fades = -torch.where(strong, 200.0, 0.01) * torch.rand(1, 256, 2, generator=chance)
    said, _ = scan.scanned(taken, fades, told, asked)
    state = torch.zeros(2, 16, 8, dtype=torch.float64)
    for place in range(256):
        state *= fades[0, place].double().exp()[:, None, None]
        state += told[0, place].double()[:, None] * taken[0, place].double()[:, None]
        expected = torch.einsum("s,hsw->hw", asked[0, place].double(), state)
        torch.testing.assert_close(said[0, place].double(), expected, atol=1e-4, rtol=0)


@BOTH
def test_at_first_every_token_is_about_as_likely(config: NetworkConfig) -> None:
    network = Network(config).eval()
    assert isinstance(network.backbone, Recurrent)
    with torch.no_grad():
        said = network.logits(network(torch.randint(0, 50, (4, 80)))).log_softmax(-1)
    assert said.max() < -2.5
    assert math.isfinite(float(said.min()))
