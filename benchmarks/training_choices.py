"""What the choices of a training are worth: networks that differ in one setting alone.

    python benchmarks/training_choices.py [--steps 400] [--only muon,adamw]

Each learns from the starter corpus in its own key, without terms of the grammar; bits per note are
those of held-out pieces. The first choice is what the others differ from.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path
from typing import Any

import torch

from woodshed.corpus.dataset import Dataset
from woodshed.corpus.prepare import prepare
from woodshed.corpus.starter import write_starter
from woodshed.tokens.cache import open_cache
from woodshed.training.settings import TrainingSettings
from woodshed.training.train import train_neural

PIECES = 120
COMMON: dict[str, Any] = {
    "size": "tiny", "context": 256, "batch": 8, "warm_up": 30, "validation_tokens": 20_000,
    "monitor_tokens": 128, "transpose": "none", "device": "cpu", "illegal_weight": 0.0,
    "pairing_weight": 0.0, "coherence_weight": 0.0, "repetition_weight": 0.0,
    "smoothing_kind": 0.0, "smoothing_value": 0.0, "ahead_weight": 0.0, "dropout": 0.0,
}  # fmt: skip
CHOICES: dict[str, dict[str, Any]] = {
    "muon 0.02, linear": {"optimiser": "muon", "learning_rate": 0.02, "decay": "linear"},
    "cosine": {"decay": "cosine"},
    "muon 0.01": {"learning_rate": 0.01},
    "muon 0.04": {"learning_rate": 0.04},
    "adamw 0.002": {"optimiser": "adamw", "learning_rate": 0.002},
    "adamw 0.004": {"optimiser": "adamw", "learning_rate": 0.004},
    "adamw 0.008": {"optimiser": "adamw", "learning_rate": 0.008},
    "weight decay 0.01": {"weight_decay": 0.01},
    "dropout 0.12": {"dropout": 0.12},
    "smoothing of values 0.04": {"smoothing_value": 0.04},
    "smoothing of kinds 0.05": {"smoothing_kind": 0.05},
    "auxiliary head 0.05": {"ahead_weight": 0.05},
    "six transpositions": {"transpose": "-5,-3,-1,1,3,5"},
}


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--only", default="", help="words, one of which the choice must have")
    asked = parser.parse_args()
    words = [word for word in asked.only.split(",") if word]
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        write_starter(place / "starter", PIECES)
        prepare(place / "starter", place / "dataset", "band")
        dataset = Dataset.open(place / "dataset")
        cache = open_cache(dataset, "events")
        first = next(iter(CHOICES.values()))
        print("| choice | bits per note | grammar score, no mask | seconds |\n|---|---:|---:|---:|")
        for name, choice in CHOICES.items():
            if words and not any(word in name for word in words):
                continue
            settings = TrainingSettings(
                **{**COMMON, **first, **choice, "steps": asked.steps, "validate_every": asked.steps}
            )
            begun = time.process_time()
            train_neural(dataset, cache, place / "a.model", settings, force=True)
            lines = (place / "a.model" / "history.jsonl").read_text().splitlines()
            told = {key: value for line in lines for key, value in json.loads(line).items()}
            print(
                f"| {name} | {told['validation_bits_per_note']:.2f} | {told['grammar']:.2f} | "
                f"{time.process_time() - begun:.0f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
