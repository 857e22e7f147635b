"""Whatever a training does, it does for every backbone."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from tests.training.quick import quick
from tests.training.test_rollback import melodies  # noqa: F401
from woodshed.corpus.dataset import Dataset
from woodshed.models.load import load_model
from woodshed.models.neural.config import NetworkConfig
from woodshed.models.neural.network import Network
from woodshed.recipes.generate import generate
from woodshed.sampling.settings import SamplingSettings
from woodshed.tokens.cache import TokenCache, open_cache
from woodshed.training.engine import Engine
from woodshed.training.monitor import Monitor, Reading
from woodshed.training.optimiser import Optimiser
from woodshed.training.progress import Figures, Silent
from woodshed.training.scoring import scored
from woodshed.training.settings import TrainingSettings
from woodshed.training.start import adapt, merged
from woodshed.training.train import train_neural

FAMILIES = pytest.mark.parametrize("family", ["mamba", "lstm"])


class Stopped(Exception):
    """Stands for a process that ends."""


class Stopping(Silent):
    """Ends a training after a step, and keeps the bits per note of each."""

    def __init__(self, step: int = -1) -> None:
        self.step = step
        self.bits: list[float] = []
        self.notes: list[str] = []

    def figures(self, figures: Figures, /) -> None:
        self.bits.append(figures.bits_per_note)
        if figures.step == self.step:
            raise Stopped

    def note(self, sentence: str, /) -> None:
        self.notes.append(sentence)


def weights(model: Path) -> dict[str, torch.Tensor]:
    return load_file(model / "weights.safetensors")


@FAMILIES
def test_a_training_that_was_stopped_ends_with_the_same_model_and_plays(
    family: str, songs: Dataset, events: TokenCache, tmp_path: Path
) -> None:
    whole, stopped = tmp_path / "whole.model", tmp_path / "stopped.model"
    info = train_neural(songs, events, whole, quick(steps=8), family=family)
    assert info.family == family
    assert info.training["steps"] == 8
    assert info.training["parameters"] == sum(v.numel() for v in weights(whole).values())
    with pytest.raises(Stopped):
        train_neural(songs, events, stopped, quick(steps=8), family=family, report=Stopping(6))
    assert load_model(stopped).info.training["steps"] == 4
    train_neural(songs, events, stopped, {}, family=family, resume=True)
    assert (whole / "weights.safetensors").read_bytes() == (
        stopped / "weights.safetensors"
    ).read_bytes()
    generate(whole, tmp_path / "out.mid", SamplingSettings(bars=1, seed=2))
    assert (tmp_path / "out.mid").stat().st_size > 0
    assert scored(whole, songs, events, "test", most_tokens=200).bits_per_note > 0


@FAMILIES
def test_it_learns_melodies(family: str, melodies: Dataset, tmp_path: Path) -> None:  # noqa: F811
    heard = Stopping()
    settings = quick(
        context=64, batch=4, steps=50, validate_every=25, dropout=0.0, smoothing_kind=0.0,
        smoothing_value=0.0, ahead_weight=0.0, transpose="none", no_echoes=True,
    )  # fmt: skip
    cache = open_cache(melodies, "events")
    info = train_neural(
        melodies, cache, tmp_path / "a.model", settings, family=family, report=heard
    )
    assert heard.bits[-1] < 0.4 * heard.bits[0]
    assert info.training["bits_per_note_while_learning"] < 0.5 * heard.bits[0]


@FAMILIES
def test_it_goes_on_as_a_whole_or_by_adapters(
    family: str, songs: Dataset, events: TokenCache, tmp_path: Path
) -> None:
    base, more, adapted = (tmp_path / f"{name}.model" for name in ("base", "more", "adapted"))
    train_neural(songs, events, base, quick(transpose="none", steps=4), family=family)
    again = quick(init=str(base), context=None, transpose="none", steps=4)
    train_neural(songs, events, more, again, family=family)
    settings = dataclasses.replace(again, adapters=2)
    train_neural(songs, events, adapted, settings, family=family)
    before, all_changed, now = (weights(path) for path in (base, more, adapted))
    assert set(before) == set(all_changed) == set(now)
    layers = [name for name in before if ".layers." in name]
    assert all(not torch.equal(before[name], all_changed[name]) for name in layers)
    matrices = {name for name in layers if before[name].ndim == 2 and "conv" not in name}
    assert matrices
    for name in before:
        if name in matrices:
            rank = torch.linalg.matrix_rank(now[name] - before[name], rtol=1e-4)
            assert 0 < int(rank) <= 2
        elif "ahead" not in name:
            assert torch.equal(before[name], now[name]), name
    load_model(adapted)


@FAMILIES
def test_a_collapse_goes_back_to_the_best(
    family: str, songs: Dataset, events: TokenCache, tmp_path: Path, monkeypatch: Any
) -> None:
    real, spoilt = Monitor.look, []

    def look(self: Monitor, step: int) -> Reading:
        reading = real(self, step)
        if step == 8:
            with torch.no_grad():
                for parameter in self.network.backbone.parameters():
                    parameter.zero_()
            return dataclasses.replace(reading, score=0.0, collapses=("babble",))
        spoilt.append(all(not bool(p.any()) for p in self.network.backbone.parameters()))
        return dataclasses.replace(reading, score=0.9, collapses=())

    monkeypatch.setattr(Monitor, "look", look)
    heard = Stopping()
    train_neural(songs, events, tmp_path / "a.model", quick(), family=family, report=heard)
    assert any("goes back to its best" in note for note in heard.notes)
    assert spoilt == [False, False]


@FAMILIES
def test_in_bf16_with_dropout(
    family: str, songs: Dataset, events: TokenCache, tmp_path: Path
) -> None:
    settings = quick(steps=4, precision="bf16", dropout=0.2)
    info = train_neural(songs, events, tmp_path / "a.model", settings, family=family)
    assert 0 < info.training["bits_per_note_while_learning"] < 100


CONFIGS = {
    "mamba": NetworkConfig(40, 32, 2, 2, 0, 48, 16, "mamba", ahead=3, echoes=3, state=8),
    "lstm": NetworkConfig(40, 32, 2, 0, 0, 0, 16, "lstm", ahead=3, echoes=3, state=24),
}


@FAMILIES
@pytest.mark.parametrize("optimiser", ["muon", "adamw"])
def test_matrices_within_are_steered_as_matrices_and_all_else_by_number(
    family: str, optimiser: str
) -> None:
    network = Network(CONFIGS[family])
    settings = TrainingSettings(optimiser=optimiser)
    parts = Optimiser(network, settings, torch.device("cpu")).parts
    names = {parameter: name for name, parameter in network.named_parameters()}
    groups = [
        (type(part).__name__, group["weight_decay"], {names[p] for p in group["params"]})
        for part in parts
        for group in part.param_groups
    ]
    assert {name for *_, some in groups for name in some} == set(names.values())
    assert sum(len(some) for *_, some in groups) == len(names)
    matrices = {
        f"backbone.layers.{layer}.{name}.weight"
        for layer in range(2)
        for name in {
            "mamba": ("mix_in", "mix_out", "feed_in", "feed_out"),
            "lstm": ("cell_in", "cell_again", "cell_out"),
        }[family]
    }
    for kind, decay, some in groups:
        if kind == "Muon":
            assert some == matrices
        elif decay:
            assert not any("layers" in name for name in some - matrices)
        else:
            assert all("layers" in n or "norm" in n or n.endswith("bias") for n in some)
            assert not some & matrices


@FAMILIES
def test_merged_weights_compute_the_same(family: str) -> None:
    torch.manual_seed(0)
    network, plain = Network(CONFIGS[family]), Network(CONFIGS[family])
    for module in network.modules():
        if isinstance(module, nn.Linear) and module.bias is not None:
            nn.init.normal_(module.bias)
    adapt(network, 3)
    for name, parameter in network.named_parameters():
        if name.endswith("up"):
            nn.init.normal_(parameter, std=0.1)
    plain.load_state_dict(merged(network))
    tokens = torch.randint(0, 7, (2, 16, 7))
    with torch.no_grad():
        torch.testing.assert_close(network.eval()(tokens), plain.eval()(tokens), atol=1e-5, rtol=0)


@pytest.mark.parametrize(
    ("family", "optimiser", "rate"),
    [("transformer", "muon", 2e-2), ("mamba", "muon", 2e-2), ("lstm", "muon", 4e-2),
     ("lstm", "adamw", 4e-3)],
)  # fmt: skip
def test_each_family_has_its_learning_rate_unless_one_is_set(
    family: str, optimiser: str, rate: float
) -> None:
    settings = TrainingSettings(optimiser=optimiser)
    assert settings.rate_of(family) == rate
    assert dataclasses.replace(settings, learning_rate=0.5).rate_of(family) == 0.5


def test_an_engine_without_half_precision_computes_in_32_bits() -> None:
    for config in CONFIGS.values():
        network = Network(config)
        with Engine(torch.device("cpu"), in_bf16=False).computing():
            assert network(torch.zeros(1, 5, 7, dtype=torch.int64)).dtype == torch.float32
