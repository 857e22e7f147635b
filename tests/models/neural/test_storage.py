"""Stored networks: what is damaged, or never was one, is refused with a sentence."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from safetensors.torch import load_file, save_file  # noqa: E402

from woodshed.corpus.dataset_layout import file_checksum  # noqa: E402
from woodshed.errors import BadModel  # noqa: E402
from woodshed.models.family import Model  # noqa: E402
from woodshed.models.load import load_model  # noqa: E402
from woodshed.models.neural.storage import WEIGHTS, read_weights, save_weights, weights_of  # noqa: E402
from woodshed.models.store import INFO  # noqa: E402


@pytest.fixture
def copy(transformer_path: Path, tmp_path: Path) -> Path:
    """A stored model that may be spoilt."""
    return Path(shutil.copytree(transformer_path, tmp_path / "copy.model"))


def _retold(path: Path, change: Callable[[dict], None]) -> None:
    """Change what `model.json` says, and let it be right about its files."""
    told = json.loads((path / INFO).read_text())
    change(told)
    file = path / WEIGHTS
    told["files"][WEIGHTS] = [file.stat().st_size, file_checksum(file)]
    (path / INFO).write_text(json.dumps(told))


def _respelt(path: Path, change: Callable[[dict], None]) -> None:
    """Change the weights, and let `model.json` be right about them."""
    weights = load_file(path / WEIGHTS)
    change(weights)
    save_file(weights, path / WEIGHTS)
    _retold(path, lambda _: None)


def test_what_was_stored_is_what_is_read(transformer: Model, tmp_path: Path) -> None:
    network = transformer.network  # type: ignore[attr-defined]
    save_weights(network, tmp_path)
    again = read_weights(tmp_path, network.config)
    before, after = weights_of(network), weights_of(again)
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_cut_or_changed_weights_are_seen(copy: Path) -> None:
    data = (copy / WEIGHTS).read_bytes()
    (copy / WEIGHTS).write_bytes(data[:-4])
    with pytest.raises(BadModel, match="it was cut or changed; train it again"):
        load_model(copy)
    (copy / WEIGHTS).write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    with pytest.raises(BadModel, match="checksum differs"):
        load_model(copy)
    (copy / WEIGHTS).unlink()
    with pytest.raises(BadModel, match=f"{WEIGHTS} is missing"):
        load_model(copy)


def _set(name: str, value: object) -> Callable[[dict], None]:
    return lambda told: told["own"]["network"].__setitem__(name, value)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda told: told["own"].clear(), "something impossible .'network'"),
        (lambda told: told["own"].update(network=3), "sizes are no table"),
        (_set("vocabulary", 7), "7 outputs for"),
        (_set("layers", 2**20), "too small for .* parameters"),
        (_set("width", 2**20), "too small for .* parameters"),
        (_set("context", 2**40), "a context of|context cannot be"),
        (_set("layers", 1), "has an unknown 'backbone.layers.1"),
        (_set("kv_heads", 4), "too small for|another form"),
        (_set("heads", "4"), "heads cannot be '4'"),
        (_set("echoes", 5), "no echoes or 3, not 5"),
        (lambda told: told["own"].update(echoes="0"), "other echoes than this version"),
        (_set("echoes", 0), "has an unknown 'echo_embedding"),
        (_set("dropout", "x"), "something impossible"),
    ],
)
def test_impossible_sizes_are_seen_before_memory_is_taken(
    copy: Path, change: Callable[[dict], None], said: str
) -> None:
    _retold(copy, change)
    with pytest.raises(BadModel, match=said):
        load_model(copy)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda w: w.update(x=torch.zeros(9)), "has an unknown 'x'"),
        (lambda w: w["embedding.weight"][3].fill_(float("nan")), "no number"),
        (
            lambda w: w.update({"embedding.weight": w["embedding.weight"].T.contiguous()}),
            "another form",
        ),
        (lambda w: w.update({"embedding.weight": w["embedding.weight"].long()}), "no number"),
    ],
)
def test_weights_that_are_none_are_seen(
    copy: Path, change: Callable[[dict], None], said: str
) -> None:
    _respelt(copy, change)
    with pytest.raises(BadModel, match=said):
        load_model(copy)


def test_bytes_that_are_no_safetensors_are_seen(copy: Path) -> None:
    (copy / WEIGHTS).write_bytes(b"\xff" * (copy / WEIGHTS).stat().st_size)
    _retold(copy, lambda _: None)
    with pytest.raises(BadModel, match="cannot be read"):
        load_model(copy)


def test_without_pytorch_one_sentence_tells_the_command(transformer_path: Path) -> None:
    code = (
        "import sys; sys.modules['torch'] = None\n"
        "from woodshed.models.load import load_model\n"
        f"load_model({str(transformer_path)!r})"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], check=False, capture_output=True, text=True, timeout=60
    )
    assert (
        done.stderr.strip()
        .splitlines()[-1]
        .endswith("`pip install 'woodshed[neural]'` installs both")
    )


def test_other_families_and_all_settings_do_without_pytorch() -> None:
    code = (
        "import sys\n"
        "import woodshed.models.load, woodshed.models.ngram.train, woodshed.models.ngram.model\n"
        "import woodshed.models.neural.sizing, woodshed.sampling.engine\n"
        "print('torch' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], check=False, capture_output=True, text=True, timeout=60
    )
    assert done.stdout.split() == ["False"], done.stderr


def test_the_same_seed_plays_the_same_bytes(transformer: Model) -> None:
    """Sampling knows no families: legal by the grammar, alone and in company."""
    from woodshed.sampling.engine import Start, sample
    from woodshed.sampling.settings import SamplingSettings

    start = transformer.info.vocabulary.names.index("START")
    starts = [Start(n, np.array([start], np.uint16)) for n in range(3)]
    settings = SamplingSettings(seed=5, bars=2)
    together = sample(transformer, starts, settings)
    (alone,) = sample(transformer, starts[1:2], settings)
    assert together[1].tokens.tolist() == alone.tokens.tolist()
    assert len({piece.tokens.tobytes() for piece in together}) == 3
