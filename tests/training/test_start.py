"""Beginning with a stored model: vocabularies by name, adapters, and what does not fit."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from tests.training.quick import quick
from tests.training.tunes import PERFORMANCE, info_of, performed
from woodshed.corpus.dataset import Dataset
from woodshed.errors import UsageError
from woodshed.models.load import load_model
from woodshed.models.neural.config import ECHO_WAYS, NetworkConfig
from woodshed.models.neural.network import Network
from woodshed.models.ngram.settings import NgramSettings
from woodshed.models.ngram.train import train_ngram
from woodshed.models.store import read_info
from woodshed.recipes.generate import generate
from woodshed.sampling.settings import SamplingSettings
from woodshed.tokens.cache import TokenCache
from woodshed.tokens.vocabulary import Vocabulary
from woodshed.training.progress import Figures, Silent
from woodshed.training.start import adapt, from_model, merged
from woodshed.training.train import train_neural


@pytest.fixture(scope="module")
def base(songs: Dataset, events: TokenCache, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("base") / "base.model"
    train_neural(songs, events, out, quick(transpose="none"))
    return out


def test_vocabularies_meet_by_name(base: Path, events: TokenCache) -> None:
    info = read_info(base)
    other = events.vocabulary((5,))
    fewer = Vocabulary(other.language, other.ids[other.ids != info.vocabulary.ids[60]])
    begun = from_model(str(base), fewer, "transformer", quick(init=str(base)))
    old = load_file(base / "weights.safetensors")["embedding.weight"]
    assert begun.weights is not None
    new = begun.weights["embedding.weight"]
    assert set(begun.vocabulary.names) == {*info.vocabulary.names, *fewer.names}
    rows = {name: row for row, name in enumerate(begun.vocabulary.names)}
    for row, name in enumerate(info.vocabulary.names):
        assert torch.equal(new[rows[name]], old[row])
    fresh = [name for name in begun.vocabulary.names if name not in info.vocabulary.names]
    assert fresh
    assert any(note.startswith(f"{len(fresh):,} tokens are new to it: ") for note in begun.notes)
    assert np.isfinite(new.numpy()).all()


def test_echoes_meet_by_name_and_what_tells_of_none_stays_last(
    base: Path, events: TokenCache
) -> None:
    info = read_info(base)
    settings = quick(init=str(base))
    begun = from_model(str(base), events.vocabulary((5,)), "transformer", settings)
    stored = load_file(base / "weights.safetensors")
    names = [name for name in stored if name.startswith("echo_embedding")]
    assert len(names) == ECHO_WAYS
    rows = {name: row for row, name in enumerate(begun.vocabulary.names)}
    assert begun.weights is not None
    for each in names:
        old, new = stored[each], begun.weights[each]
        assert len(new) == len(begun.vocabulary) + 1
        assert torch.equal(new[-1], old[-1])
        for row, name in enumerate(info.vocabulary.names):
            assert torch.equal(new[rows[name]], old[row])


def test_each_table_has_noise_of_its_own_for_new_tokens(base: Path, events: TokenCache) -> None:
    begun = from_model(
        str(base), events.vocabulary((5,)), "transformer", quick(init=str(base), seed=3)
    )
    stored, weights = load_file(base / "weights.safetensors"), begun.weights
    assert weights is not None
    row = begun.vocabulary.names.index(begun.fresh[0])
    language = begun.vocabulary.language
    kinds = [language.group_of[v.ids] for v in (read_info(base).vocabulary, begun.vocabulary)]
    noise = []
    for name in stored:
        if name.startswith(("embedding", "echo_embedding")):
            known = stored[name][: len(kinds[0])]
            mean = known[torch.from_numpy(kinds[0] == kinds[1][row])].mean(0)
            noise.append((weights[name][row] - mean) / known.std())
    assert len(noise) == 1 + ECHO_WAYS
    for at, one in enumerate(noise):
        assert float(one.abs().mean()) > 0.01
        for other in noise[:at]:
            assert not torch.allclose(one, other, atol=1e-3)


def test_a_network_goes_on_without_echoes(base: Path, events: TokenCache, songs: Dataset,
                                          tmp_path: Path) -> None:  # fmt: skip
    begun = from_model(
        str(base), events.vocabulary(), "transformer", quick(init=str(base), no_echoes=True)
    )
    assert begun.config.echoes == 0
    assert not any("echo" in name or "sure" in name for name in begun.weights or {})
    out = tmp_path / "deaf.model"
    train_neural(songs, events, out, quick(transpose="none", steps=2, no_echoes=True))
    begun = from_model(str(out), events.vocabulary(), "transformer", quick(init=str(out)))
    assert any(note == f"it hears no echoes, as {out} does not" for note in begun.notes)
    with pytest.raises(UsageError, match=r"--echo 0\.3 changes nothing: this transformer"):
        generate(out, None, SamplingSettings(bars=1, echo=0.3))


def test_what_does_not_fit(base: Path, songs: Dataset, events: TokenCache, tmp_path: Path) -> None:
    vocabulary, settings = events.vocabulary(), quick(init=str(base))
    with pytest.raises(UsageError, match="--context 64 is longer than the 32 tokens"):
        from_model(str(base), vocabulary, "transformer", quick(init=str(base), context=64))
    performance = info_of(PERFORMANCE, [performed(40, 1)]).vocabulary
    with pytest.raises(UsageError, match="speaks events, and this is a training in performance"):
        from_model(str(base), performance, "transformer", settings)
    ngram = tmp_path / "ngram.model"
    train_ngram(songs, events, ngram, NgramSettings(plain=True, held_out_tokens=0))
    with pytest.raises(UsageError, match="is of the family ngram, and this is a training of"):
        from_model(str(ngram), vocabulary, "transformer", settings)


def test_fine_tuning_goes_on_from_the_model(
    base: Path, songs: Dataset, events: TokenCache, tmp_path: Path
) -> None:
    out = tmp_path / "more.model"
    settings = quick(init=str(base), context=None, transpose="none", steps=8)
    info = train_neural(songs, events, out, settings)
    before = read_info(base).training["bits_per_note_while_learning"]
    assert info.training["bits_per_note_while_learning"] < before
    assert NetworkConfig.from_dict(info.own["network"]).context == 32


def test_adapters_leave_the_weights_and_are_merged(
    base: Path, songs: Dataset, events: TokenCache, tmp_path: Path
) -> None:
    out = tmp_path / "adapted.model"
    settings = quick(init=str(base), adapters=2, context=None, transpose="none", steps=4)
    train_neural(songs, events, out, settings)
    load_model(out)
    before, now = (load_file(path / "weights.safetensors") for path in (base, out))
    assert set(before) == set(now)
    changes = [
        torch.linalg.matrix_rank(now[name] - before[name], rtol=1e-4)
        for name in before
        if "layers" in name and before[name].ndim == 2
    ]
    assert changes
    assert all(0 < int(rank) <= 2 for rank in changes)
    others = [name for name in before if "layers" not in name and "ahead" not in name]
    others += [name for name in before if "norm" in name]
    assert {name.partition(".")[0] for name in others} > {"embedding", "echo_embedding"}
    assert all(torch.equal(before[name], now[name]) for name in others)


def test_adapters_let_the_rows_of_new_tokens_learn_and_no_others(
    base: Path, songs: Dataset, events: TokenCache, tmp_path: Path
) -> None:
    out = tmp_path / "adapted.model"
    settings = quick(init=str(base), adapters=2, context=None, transpose="5", steps=4)
    begun = from_model(str(base), events.vocabulary((0, 5)), "transformer", settings)
    assert begun.weights is not None
    assert begun.fresh
    with pytest.raises(KeyboardInterrupt):  # what is new is remembered by what goes on
        train_neural(songs, events, out, settings, report=Stopping())
    train_neural(songs, events, out, resume=True)
    now = load_file(out / "weights.safetensors")
    fresh = {row for row, name in enumerate(begun.vocabulary.names) if name in begun.fresh}
    for name, before in begun.weights.items():
        pairs = zip(before, now[name], strict=True)
        changed = {row for row, (old, new) in enumerate(pairs) if not torch.equal(old, new)}
        if name == "embedding.weight":
            assert changed == fresh
        elif name.startswith(("echo_", "sure_")):
            assert changed <= (fresh if name.startswith("echo_") else set())


class Stopping(Silent):
    """Ends a training after its second step."""

    def figures(self, figures: Figures, /) -> None:
        if figures.step == 2:
            raise KeyboardInterrupt


def linears(network: Network) -> list[nn.Linear]:
    return [module for module in network.modules() if isinstance(module, nn.Linear)]


def test_merged_weights_compute_the_same() -> None:
    config = NetworkConfig(40, 32, 2, 2, 2, 48, 16, ahead=3)
    torch.manual_seed(0)
    network = Network(config)
    for linear in linears(network):  # a family may have some, and they must not be lost
        linear.register_parameter("bias", nn.Parameter(torch.randn(linear.out_features)))
    adapt(network, 3)
    for name, parameter in network.named_parameters():
        if name.endswith(".up"):
            torch.nn.init.normal_(parameter, std=0.1)
    weights = merged(network)
    plain = Network(config)
    for linear in linears(plain):
        linear.register_parameter("bias", nn.Parameter(torch.zeros(linear.out_features)))
    plain.load_state_dict(weights)
    tokens = torch.randint(40, (2, 16))
    assert torch.allclose(network(tokens), plain(tokens), atol=1e-5)
    learnt = {name for name, p in network.named_parameters() if p.requires_grad}
    assert all(name.endswith((".up", ".down")) or "ahead" in name for name in learnt)
