"""Networks: what they say of their size, both forms of computing, and their hand-written parts."""

from __future__ import annotations

import dataclasses
import itertools
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from torch import Tensor

torch = pytest.importorskip("torch")

from woodshed.errors import UsageError  # noqa: E402
from woodshed.models.neural import operations  # noqa: E402
from woodshed.models.neural.config import NetworkConfig  # noqa: E402
from woodshed.models.neural.network import Network  # noqa: E402
from woodshed.models.neural.transformer import BESIDE, Transformer  # noqa: E402

SMALL = NetworkConfig(
    vocabulary=50, width=32, layers=3, heads=4, kv_heads=2, feed_forward=40, context=80, ahead=3
)


@pytest.fixture(autouse=True)
def one_thread():
    """Threads that wait for each other would make small networks slow."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    torch.manual_seed(4)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize("kv_heads", [1, 2, 4])
@pytest.mark.parametrize(("ahead", "echoes"), [(0, 0), (5, 3)])
def test_its_parameters_are_as_many_as_it_says(kv_heads: int, ahead: int, echoes: int) -> None:
    config = NetworkConfig(
        vocabulary=33, width=24, layers=2, heads=4, kv_heads=kv_heads, feed_forward=20, context=8,
        ahead=ahead, echoes=echoes,
    )  # fmt: skip
    assert sum(p.numel() for p in Network(config).parameters()) == config.parameters
    assert NetworkConfig.from_dict(config.to_dict()) == config


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"width": 30}, "width of 30 cannot be shared by 4 heads"),
        ({"kv_heads": 3}, "4 heads cannot share 3"),
        ({"layers": 0}, "layers cannot be 0; use 1"),
        ({"layers": 2.5}, "layers cannot be 2.5; use a whole"),
        ({"context": 10**6}, "context of 1,000,000"),
        ({"vocabulary": 2**40}, "vocabulary cannot be 1,099,511,627,776"),
        ({"dropout": 1.0}, "dropout of 1.0"),
        ({"backbone": "abacus"}, "no backbone 'abacus'; there is transformer, mamba"),
        ({"wings": 2}, "no 'wings'"),
    ],
)
def test_sizes_that_cannot_be_are_told(changed: dict[str, object], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        NetworkConfig.from_dict({**SMALL.to_dict(), **changed})


def test_at_first_every_token_is_about_as_likely() -> None:
    network = Network(SMALL).eval()
    with torch.no_grad():
        said = network.logits(network(torch.randint(0, 50, (4, 80)))).log_softmax(-1)
    assert said.max() < -2.5  # of 50, ln 50 is 3.9


@pytest.mark.parametrize("rows", [1, 3, BESIDE + 2])
def test_step_by_step_says_what_whole_sequences_say(rows: int) -> None:
    network = Network(SMALL).eval()
    tokens = torch.randint(0, 50, (rows, SMALL.context))
    with torch.no_grad():
        whole = network.logits(network(tokens))
    state = network.begin(rows)
    for first, last in itertools.pairwise([0, 1, 2, 30, 31, 70, SMALL.context]):
        for place in range(first, last):
            features = network.play(tokens[:, place], list(range(rows)), state)
        with torch.no_grad():
            said = network.logits(features)
        torch.testing.assert_close(said, whole[:, last - 1], atol=1e-5, rtol=0)


def test_the_future_is_never_heard() -> None:
    network = Network(SMALL).eval()
    tokens = torch.randint(0, 50, (1, 60))
    other = tokens.clone()
    other[0, 40:] = (other[0, 40:] + 1) % 50
    with torch.no_grad():
        one, two = network(tokens), network(other)
    torch.testing.assert_close(one[:, :40], two[:, :40], atol=1e-6, rtol=0)
    assert (one[:, 40:] - two[:, 40:]).abs().amax(-1).min() > 1e-3


def slowly(network: Network, tokens: Tensor, pinned: int) -> Tensor:
    """What a Transformer says after each token, by hand: every place hears the places its context
    reaches back to, and the pinned ones, which are never further away than its farthest."""
    config, layers = network.config, network.backbone
    assert isinstance(layers, Transformer)
    x = network.embedding(tokens) * network.scale
    half, last = config.head_width // 2, config.context - 1
    speeds = 10_000.0 ** -(torch.arange(half, dtype=torch.float64) / half)

    def turned(vector: Tensor, place: int) -> Tensor:
        a, b = vector[:half], vector[half:]
        c, s = (place * speeds).cos().float(), (place * speeds).sin().float()
        return torch.cat([a * c - b * s, b * c + a * s])

    for layer in layers.each_layer():
        found = layer.attention_in(layer.attention_norm(x)).view(len(x), -1, config.head_width)
        heard = torch.zeros(len(x), config.heads, config.head_width)
        for place in range(len(x)):
            first = max(place - last, 0)
            if first:  # what is pinned takes room
                first = place - (config.context - pinned) + 1
            near = [n for n in range(first, place + 1) if n >= pinned or not first]
            for head in range(config.heads):
                group = head // (config.heads // config.kv_heads)
                keys, values = found[:, config.heads + group], found[:, -config.kv_heads + group]
                told = [turned(found[place, head], place) @ turned(keys[n], n) for n in near]
                far = range(pinned) if first else ()
                told += [turned(found[place, head], last) @ turned(keys[n], n) for n in far]
                share = torch.stack(told).mul(config.head_width**-0.5).softmax(0)
                heard[place, head] = share @ values[[*near, *far]]
        x = layer.after(x, heard.flatten(1))
    return network.logits(layers.norm(x))


@pytest.mark.parametrize("pinned", [0, 3])
def test_past_its_context_it_hears_what_the_context_reaches_and_what_is_pinned(pinned: int) -> None:
    network = Network(dataclasses.replace(SMALL, context=12, layers=2)).eval()
    tokens = torch.randint(0, 50, (40,))
    with torch.no_grad():
        expected = slowly(network, tokens, pinned)
        state = network.begin(1)
        headings = [n < pinned for n in range(40)]
        found = network.logits(network.play(tokens, [0] * 40, state, 1.0, headings))
        torch.testing.assert_close(found, expected, atol=2e-5, rtol=0)
        whole = network.logits(network(tokens[None, :12]))[0]
        torch.testing.assert_close(found[:12], whole, atol=2e-5, rtol=0)


@pytest.mark.parametrize("threads", [1, 2])
def test_a_row_is_the_same_to_the_bit_in_any_company(threads: int) -> None:
    """Also at another place of the batch, after a prompt at once, and past the context.

    Few calls, since where others share the processors each waits for both threads.
    """
    torch.set_num_threads(threads)
    network = Network(dataclasses.replace(SMALL, layers=2)).eval()
    tokens = torch.randint(0, 50, (5, 100))
    alone = network.begin(1)
    expected = network.play(tokens[2], [0] * 100, alone)
    together = network.begin(5)
    ahead = 17  # the others are elsewhere in their pieces
    network.play(tokens[0, :ahead], [0] * ahead, together)
    place = 0
    for more in (1, 1, 1, 58, 1, 1, 1, 13, 1, 1, 1, 1, 1, 12, 1, 1):  # 64 is a stretch, 80 all
        rows = [4, 2, 0, 3] if more == 1 and place % 2 else [0, *[2] * more]
        heard = [place + rows[:n].count(2) if row == 2 else place for n, row in enumerate(rows)]
        found = network.play(tokens[rows, heard], rows, together)
        own = [n for n, row in enumerate(rows) if row == 2]
        assert torch.equal(found[own], expected[place : place + more])
        place += more
    assert place > SMALL.context + 10


@pytest.mark.parametrize(("heads", "kv_heads"), [(4, 4), (4, 2), (4, 1)])
@pytest.mark.parametrize("places", [1, 100, 300])
def test_attention_is_that_of_pytorch(
    heads: int, kv_heads: int, places: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    x = torch.randn(2, places, heads + 2 * kv_heads, 8, dtype=torch.float64, requires_grad=True)
    angles = torch.randn(places, 1, 4, dtype=torch.float64)
    weights = torch.randn(2, places, heads * 8, dtype=torch.float64)
    found = []
    for longest in (operations.LONGEST, 0):
        monkeypatch.setattr(operations, "LONGEST", longest)
        heard = operations.attention(x, angles.cos(), angles.sin(), heads, kv_heads)
        (slope,) = torch.autograd.grad((heard * weights).sum(), x)
        found.append((heard, slope))
    torch.testing.assert_close(found[0], found[1])


def test_written_out_gradients_are_right() -> None:
    x = torch.randn(2, 3, 8, dtype=torch.float64, requires_grad=True)
    more = torch.randn(2, 3, 8, dtype=torch.float64, requires_grad=True)
    weight = torch.rand(8, dtype=torch.float64, requires_grad=True)

    def by_chance(x, more):
        torch.manual_seed(3)
        return operations.added(x, more, 0.3)

    assert torch.autograd.gradcheck(operations.gated, x)
    assert torch.autograd.gradcheck(operations.normed, (x, weight))
    assert torch.autograd.gradcheck(by_chance, (x, more))
    torch.testing.assert_close(
        operations.normed(x, weight), torch.nn.functional.rms_norm(x, (8,), weight, 1e-6)
    )


def test_dropout_keeps_the_sum_and_goes_by_the_seed() -> None:
    def dropped(seed):
        torch.manual_seed(seed)
        return operations.added(torch.zeros(400, 250), torch.ones(400, 250), 0.12)

    found = dropped(1)
    assert float((found == 0).float().mean()) == pytest.approx(0.12, abs=0.005)
    assert float(found.mean()) == pytest.approx(1, abs=0.01)
    assert torch.equal(found, dropped(1))
    assert not torch.equal(found, dropped(2))
    assert torch.equal(operations.added(found, found, 0.0), found + found)


def test_in_half_precision_the_loss_is_the_same_within_noise() -> None:
    network = Network(SMALL).train()
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
    apart = (slopes[0] - slopes[1]).norm() / slopes[0].norm()
    assert 1e-5 < float(apart) < 0.03
