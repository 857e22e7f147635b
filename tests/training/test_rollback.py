"""A training whose weights are spoilt on the way: it notices by what it plays, and goes back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.training.quick import quick
from tests.training.tunes import EVENTS, melody
from woodshed.corpus.dataset import Dataset
from woodshed.corpus.prepare import prepare
from woodshed.formats.midi_write import write_midi
from woodshed.tokens.cache import open_cache

torch = pytest.importorskip("torch")


@pytest.fixture(scope="module")
def melodies(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """Melodies that a network learns in seconds."""
    place = tmp_path_factory.mktemp("melodies")
    (place / "songs").mkdir()
    for seed in range(16):
        write_midi(EVENTS.decode(melody(32, seed)), place / "songs" / f"{seed}.mid")
    prepare(place / "songs", place / "songs.dataset", "band")
    return Dataset.open(place / "songs.dataset")


@pytest.mark.slow
def test_spoilt_weights_are_noticed_and_the_best_come_back(
    melodies: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from woodshed.training.loop import Loop
    from woodshed.training.progress import Figures, Silent
    from woodshed.training.train import train_neural

    torch.set_num_threads(1)  # several that wait for each other would make it slow
    notes: list[str] = []
    bits: list[float] = []
    real = Loop._step

    class Heard(Silent):
        def note(self, text: str) -> None:
            notes.append(text)

        def figures(self, figures: Figures) -> None:
            bits.append(figures.bits_per_note)

    def spoiling(self: Any) -> None:
        real(self)
        if self.standing.step == 59:
            with torch.no_grad():
                for value in self.work.network.parameters():
                    noise = torch.randn(value.shape, generator=torch.Generator().manual_seed(1))
                    value.add_(noise)

    monkeypatch.setattr(Loop, "_step", spoiling)
    # After 30 steps such a network plays notes, hardly more: a score of 0.29.
    settings = quick(
        context=48, batch=6, steps=80, validate_every=30, max_d_model=96, learning_rate=5e-3,
        optimiser="adamw", dropout=0.0, smoothing_kind=0.0, smoothing_value=0.0, ahead_weight=0.0,
        monitor_pieces=3, monitor_tokens=60, least_grammar=0.25, transpose="none",
    )  # fmt: skip
    info = train_neural(
        melodies, open_cache(melodies, "events"), tmp_path / "a.model", settings, report=Heard()
    )
    (collapse,) = [note for note in notes if "collapsed" in note]
    assert collapse.startswith("step 60: ")
    assert "goes back to its best checkpoint" in collapse
    assert bits[-1] < 1.5 * min(bits), "it goes on from good weights"
    assert max(bits[-3:]) > 2 * min(bits), "they were bad in between"
    assert info.training["steps"] == 80
