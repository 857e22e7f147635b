"""A training from end to end: what it leaves, and what becomes of it when things run out."""

from __future__ import annotations

import dataclasses
import json
import math
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.training.quick import QUICK, quick
from woodshed.corpus.dataset import Dataset
from woodshed.errors import BadModel, CannotWrite, OutputExists, UsageError, WoodshedError
from woodshed.models.load import load_model
from woodshed.tokens.cache import TokenCache
from woodshed.training import loop
from woodshed.training.engine import Engine, is_out_of_memory
from woodshed.training.monitor import Monitor, Reading
from woodshed.training.objective import Objective
from woodshed.training.progress import Figures
from woodshed.training.settings import rate_at
from woodshed.training.train import train_neural

ROOT = Path(__file__).parents[2]


class Heard:
    """A report that keeps what it is told, and may do something after a step."""

    def __init__(self, at_step: int = -1, action: Any = None) -> None:
        self.notes: list[str] = []
        self.steps: list[Figures] = []
        self._at, self._action = at_step, action

    def figures(self, figures: Figures, /) -> None:
        self.steps.append(figures)
        if figures.step == self._at:
            self._action()

    def note(self, sentence: str, /) -> None:
        self.notes.append(sentence)

    def close(self) -> None:
        pass


class Stopped(Exception):
    """Stands for a process that ends."""


def stop() -> None:
    raise Stopped


@pytest.fixture(autouse=True)
def every_step_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "LOG_EVERY", 1)


@pytest.fixture(scope="module")
def whole(songs: Dataset, events: TokenCache, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model whose training nothing disturbed."""
    out = tmp_path_factory.mktemp("whole") / "songs.model"
    train_neural(songs, events, out, quick())
    return out


def rows(model: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (model / "history.jsonl").read_text().splitlines()]


def weights(model: Path) -> bytes:
    return (model / "weights.safetensors").read_bytes()


def test_a_model_with_its_history(whole: Path, songs: Dataset) -> None:
    info = load_model(whole).info
    assert info.family == "transformer"
    assert info.settings["validate_every"] == 4
    assert info.training["steps"] == 12
    assert info.training["ended"] == "all 12 steps are done"
    told = rows(whole)
    assert max(row["step"] for row in told) == 12
    bits = [r["validation_bits_per_note"] for r in told if "validation_bits_per_note" in r]
    assert len(bits) == 3
    assert bits[-1] < bits[0]
    assert info.training["bits_per_note_while_learning"] == round(min(bits), 3)
    assert "<svg" in (whole / "curves.svg").read_text()
    assert sorted(p.name for p in whole.parent.iterdir() if p.name.startswith(".")) == []


def test_it_can_be_played_while_it_is_trained(
    songs: Dataset, events: TokenCache, tmp_path: Path
) -> None:
    out, seen = tmp_path / "a.model", []

    def look() -> None:
        seen.append(load_model(out).info.training["steps"])

    train_neural(songs, events, out, quick(), report=Heard(6, look))
    assert seen == [4]


def test_what_is_there_is_not_written_over(
    whole: Path, songs: Dataset, events: TokenCache, tmp_path: Path
) -> None:
    with pytest.raises(OutputExists):
        train_neural(songs, events, whole, quick())
    before = weights(whole)
    asked: tuple[Any, ...] = (quick(), {})
    for settings in asked:
        assert train_neural(songs, events, whole, settings, resume=True).training["steps"] == 12
    assert weights(whole) == before
    with pytest.raises(UsageError, match=r"has ended, .* --init .* trains the model further"):
        train_neural(songs, events, whole, quick(seed=5), resume=True)


def test_ended_it_may_be_called_with_what_was_set_anew(
    whole: Path, songs: Dataset, events: TokenCache, tmp_path: Path
) -> None:
    out = tmp_path / "a.model"
    with pytest.raises(Stopped):
        train_neural(songs, events, out, quick(), report=Heard(6, stop))
    for _ in range(2):  # the second time nothing is left to do
        info = train_neural(songs, events, out, {"patience": 9}, resume=True)
        assert info.training["ended"] == "all 12 steps are done"
    with pytest.raises(UsageError, match="has ended, so other settings change nothing"):
        train_neural(songs, events, out, {"patience": 10}, resume=True)
    assert weights(out) == weights(whole)


def test_killed_while_what_was_stored_is_taken_away(
    whole: Path, songs: Dataset, events: TokenCache, tmp_path: Path
) -> None:
    out = tmp_path / "a.model"
    shutil.copytree(whole, out)
    left = tmp_path / ".a.model.run"
    left.mkdir()
    (left / "state-000000012.json").write_text("{}")  # what it is a state of is gone already
    assert train_neural(songs, events, out, {}, resume=True).training["steps"] == 12
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.model"]


def test_a_model_that_was_being_trained_is_not_told_to_have_ended(
    songs: Dataset, events: TokenCache, tmp_path: Path
) -> None:
    out = tmp_path / "a.model"
    with pytest.raises(Stopped):
        train_neural(songs, events, out, quick(), report=Heard(6, stop))
    shutil.rmtree(tmp_path / ".a.model.run")
    with pytest.raises(WoodshedError, match=r"is not stored any more, .* begin anew with --force"):
        train_neural(songs, events, out, {}, resume=True)


def test_with_force_it_goes_on_or_begins_anew(
    whole: Path, songs: Dataset, events: TokenCache, tmp_path: Path
) -> None:
    out = tmp_path / "a.model"

    def stopped_and_again(**changes: Any) -> list[str]:
        with pytest.raises(Stopped):
            train_neural(songs, events, out, quick(), force=True, report=Heard(6, stop))
        if "damaged" in changes:
            for path in tmp_path.glob(".a.model.run/state-*.safetensors"):
                path.write_bytes(b"")
            changes = {}
        heard = Heard()
        settings = quick(**changes)
        train_neural(songs, events, out, settings, force=True, resume=True, report=heard)
        return heard.notes

    assert "it goes on at step 4" in stopped_and_again()
    assert weights(out) == weights(whole)
    notes = stopped_and_again(damaged=True)
    assert any("all that was stored of it is damaged; it begins anew" in note for note in notes)
    assert weights(out) == weights(whole)
    notes = stopped_and_again(batch=4)
    assert any("with --batch 2, and cannot go on with 4; it begins anew" in note for note in notes)
    assert weights(out) != weights(whole)


def test_a_stopped_training(
    whole: Path, songs: Dataset, events: TokenCache, tmp_path: Path
) -> None:
    out = tmp_path / "a.model"
    with pytest.raises(Stopped):
        train_neural(songs, events, out, quick(), report=Heard(2, stop))
    with pytest.raises(WoodshedError, match="stopped at step 0; add --resume"):
        train_neural(songs, events, out, quick())
    with pytest.raises(UsageError, match="begun with --batch 2, and cannot go on with 4"):
        train_neural(songs, events, out, quick(batch=4), resume=True)
    with pytest.raises(Stopped):
        train_neural(songs, events, out, {}, resume=True, report=Heard(10, stop))
    assert load_model(out).info.training["steps"] == 8
    with pytest.raises(WoodshedError, match="stopped at step 8; add --resume"):
        train_neural(songs, events, out, quick())
    # Damage: the one before is as good, since what follows from it is the same.
    newest = max(tmp_path.glob(".a.model.run/state-*.safetensors"))
    newest.write_bytes(newest.read_bytes()[:-1] + b"x")
    heard = Heard()
    train_neural(songs, events, out, {}, resume=True, report=heard)
    assert any("the checkpoint of step 8 is damaged" in note for note in heard.notes)
    assert "it goes on at step 4" in heard.notes
    assert weights(out) == weights(whole)


@pytest.mark.skipif(not hasattr(signal, "SIGINT") or os.name == "nt", reason="needs signals")
def test_ctrl_c_waits_for_the_step_and_loses_nothing(
    whole: Path, songs: Dataset, events: TokenCache, tmp_path: Path
) -> None:
    out = tmp_path / "a.model"
    heard = Heard(6, lambda: os.kill(os.getpid(), signal.SIGINT))
    with pytest.raises(KeyboardInterrupt):
        train_neural(songs, events, out, quick(), report=heard)
    assert heard.notes[-1] == "stopped; with --resume it goes on at step 6"
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    train_neural(songs, events, out, quick(), resume=True)
    assert weights(out) == weights(whole)


def test_every_checkpoint_damaged(songs: Dataset, events: TokenCache, tmp_path: Path) -> None:
    out = tmp_path / "a.model"
    with pytest.raises(Stopped):
        train_neural(songs, events, out, quick(), report=Heard(6, stop))
    for path in tmp_path.glob(".a.model.run/state-*.safetensors"):
        path.write_bytes(b"")
    with pytest.raises(BadModel, match=r"step 4 is damaged.*there is no other; --force begins"):
        train_neural(songs, events, out, quick(), resume=True)
    assert load_model(out).info.training["steps"] == 4


def test_a_full_disk(whole: Path, songs: Dataset, events: TokenCache, tmp_path: Path) -> None:
    resource = pytest.importorskip("resource")
    out = tmp_path / "a.model"
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)

    def fill() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))

    try:
        with pytest.raises(CannotWrite):
            train_neural(songs, events, out, quick(), report=Heard(6, fill))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert load_model(out).info.training["steps"] == 4
    train_neural(songs, events, out, quick(), resume=True)
    assert weights(out) == weights(whole)


def test_what_is_no_number(
    whole: Path, songs: Dataset, events: TokenCache, tmp_path: Path, monkeypatch: Any
) -> None:
    out, real = tmp_path / "a.model", rate_at
    monkeypatch.setattr(
        loop, "rate_at", lambda step, *more: math.nan if step == 5 else real(step, *more)
    )
    with pytest.raises(WoodshedError, match=r"became nan at step 7; the checkpoint of step 4 is"):
        train_neural(songs, events, out, quick())
    assert load_model(out).info.training["steps"] == 4
    monkeypatch.undo()
    train_neural(songs, events, out, quick(), resume=True)
    assert weights(out) == weights(whole)


def out_of_memory(real: Any, most: int) -> Any:
    def forward(self: Objective, asked: Any) -> Any:
        if len(asked.tokens) > most:
            raise torch.OutOfMemoryError("out of memory. Tried to allocate 2.00 GiB")
        return real(self, asked)

    return forward


def test_memory_runs_out(
    songs: Dataset, events: TokenCache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = quick(batch=4, steps=4, dropout=0.0, smoothing_kind=0.0)
    train_neural(songs, events, tmp_path / "whole.model", settings)
    monkeypatch.setattr(Objective, "forward", out_of_memory(Objective.forward, 1))
    with pytest.raises(WoodshedError, match="memory ran out at step 0 with 4 sequences"):
        train_neural(songs, events, tmp_path / "a.model", settings)
    monkeypatch.setattr(Engine, "may_halve", True)
    heard = Heard()
    train_neural(songs, events, tmp_path / "a.model", settings, force=True, report=heard)
    assert any("goes on with 1 sequences at once" in note for note in heard.notes)
    first, second = (
        [row["bits_per_note"] for row in rows(tmp_path / name) if "loss" in row]
        for name in ("whole.model", "a.model")
    )
    assert second == pytest.approx(first, rel=1e-3)


@pytest.mark.parametrize(
    ("error", "is_so"),
    [
        (torch.OutOfMemoryError("x"), True),
        (MemoryError(), True),
        (RuntimeError("MPS backend out of memory (MPS allocated: 9 GB)"), True),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried"), True),
        (RuntimeError("shapes do not fit"), False),
        (ValueError("out of memory"), False),
    ],
)
def test_what_says_that_memory_ran_out(error: BaseException, is_so: bool) -> None:
    assert is_out_of_memory(error) is is_so


def test_a_collapse_goes_back_to_the_best(
    songs: Dataset, events: TokenCache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, real = tmp_path / "a.model", Monitor.look
    first: list[torch.Tensor] = []

    def look(self: Monitor, step: int) -> Reading:
        reading = real(self, step)
        if step == 4:
            return dataclasses.replace(reading, score=0.9, collapses=())
        if step == 8:
            with torch.no_grad():
                self.network.embedding.weight.zero_()
            return dataclasses.replace(reading, score=0.0, collapses=("babble",))
        first.append(self.network.embedding.weight.detach().clone())
        return dataclasses.replace(reading, score=0.9, collapses=())

    monkeypatch.setattr(Monitor, "look", look)
    heard = Heard()
    train_neural(songs, events, out, quick(), report=heard)
    assert any("collapsed (babble" in n and "goes back to its best" in n for n in heard.notes)
    told = rows(out)
    assert [r["step"] for r in told if "validation_bits_per_note" in r] == [4, 12]
    assert first[0].abs().sum() > 0
    assert heard.steps[-1].rate < 0.02 * heard.steps[3].rate


def test_early_end(songs: Dataset, events: TokenCache, tmp_path: Path) -> None:
    # A learning rate that does nothing brings nothing better.
    settings = quick(steps=100, validate_every=2, patience=3, learning_rate=1e-9, weight_decay=0.0)
    info = train_neural(songs, events, tmp_path / "a.model", settings)
    assert "validations brought nothing better" in info.training["ended"]
    assert info.training["steps"] < 100


def test_minutes_end_it(songs: Dataset, events: TokenCache, tmp_path: Path) -> None:
    settings = quick(steps=None, max_minutes=0.01)
    info = train_neural(songs, events, tmp_path / "a.model", settings)
    assert info.training["ended"] == "the 0.01 minutes are over"


def test_too_small_to_split(tmp_path: Path) -> None:
    from woodshed.corpus.prepare import prepare
    from woodshed.corpus.starter import write_starter
    from woodshed.tokens.cache import open_cache

    write_starter(tmp_path / "one", 1)
    prepare(tmp_path / "one", tmp_path / "one.dataset", "band")
    dataset = Dataset.open(tmp_path / "one.dataset")
    with pytest.raises(UsageError, match=r"too little to split|none to train on"):
        train_neural(dataset, open_cache(dataset, "events"), tmp_path / "a.model", quick())


def test_a_device_there_is_not(songs: Dataset, events: TokenCache, tmp_path: Path) -> None:
    device = "mps" if not torch.backends.mps.is_available() else "cuda"
    with pytest.raises(UsageError, match=f"no device {device} here; use .*--device cpu"):
        train_neural(songs, events, tmp_path / "a.model", quick(device=device))


@pytest.mark.slow
def test_two_processes_learn_what_one_does(
    songs: Dataset, events: TokenCache, tmp_path: Path
) -> None:
    plain = {"dropout": 0.0, "steps": 4, "validate_every": 2, "accumulate": 2}
    one, two = ({**QUICK, **plain, "batch": batch} for batch in (2, 1))
    ran = subprocess.run(
        [sys.executable, "-m", "tests.training.together", songs.path, tmp_path,
         json.dumps(one), json.dumps(two)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    whole, shared = (rows(tmp_path / name) for name in ("one.model", "two.model"))
    for name in ("bits_per_note", "validation_bits_per_note"):
        losses = [[row[name] for row in told if name in row] for told in (whole, shared)]
        assert len(losses[0]) > 1
        assert losses[1] == pytest.approx(losses[0], rel=2e-4)


def test_the_size_is_told_first(songs: Dataset, events: TokenCache, tmp_path: Path) -> None:
    heard = Heard()
    train_neural(songs, events, tmp_path / "a.model", quick(steps=1), report=heard)
    assert "parameters" in heard.notes[0]
