"""How the families compare on several corpora after the same minutes on a processor.

    python benchmarks/comparison.py --minutes 8 --corpora starter,pop909,multitrack \
        --families ngram,lstm,mamba,transformer --out FOLDER [--data FOLDER] [--jobs 2]

Real music lies below --data, or below WOODSHED_TEST_DATA. Each family learns from each corpus in a
process of its own with one thread: networks for so many minutes, n-grams as long as they take.
Then the models of a corpus are compared on its test pieces, and each network mixed with the n-gram.
What is done already in --out is kept: a run goes on where it was stopped. With several --jobs
trainings run side by side, so let there be as many processors. `comparison.md` has the tables.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from woodshed.corpus.dataset import Dataset
from woodshed.corpus.dataset_layout import INFO as DATASET_INFO
from woodshed.corpus.prepare import prepare
from woodshed.corpus.starter import write_starter
from woodshed.evaluation.mixture import share_text
from woodshed.models.store import INFO
from woodshed.recipes.train import FAMILIES
from woodshed.tokens.cache import open_cache

MULTITRACK = ("freedoom", "blasphemer", "simutrans", "openmsx", "dubroom")
STARTER_PIECES = 300
TIMES = "seconds.json"


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be done, and where."""

    out: Path
    data: Path | None
    minutes: float
    corpora: tuple[str, ...]
    families: tuple[str, ...]
    jobs: int
    pieces: int | None

    def dataset(self, corpus: str) -> Path:
        """The dataset of a corpus."""
        return self.out / f"{corpus}.dataset"

    def model(self, corpus: str, family: str) -> Path:
        """The model of a family and a corpus."""
        return self.out / corpus / family

    def compared(self, corpus: str) -> Path:
        """What comparing the models of a corpus said."""
        return self.out / corpus / "compared.json"


def main() -> None:
    """Train, compare, and write the tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--minutes", type=float, default=8.0, help="of each training of a network")
    parser.add_argument("--corpora", default="starter,pop909,multitrack")
    parser.add_argument("--families", default="ngram,lstm,mamba,transformer")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--data", type=Path, default=os.environ.get("WOODSHED_TEST_DATA"))
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--pieces", type=int, default=None, help="test pieces at most")
    told = parser.parse_args()
    plan = Plan(
        told.out, None if told.data is None else Path(told.data), told.minutes,
        tuple(told.corpora.split(",")), tuple(told.families.split(",")), told.jobs, told.pieces,
    )  # fmt: skip
    check(plan)
    plan.out.mkdir(parents=True, exist_ok=True)
    for corpus in plan.corpora:
        make_dataset(plan, corpus)
        (plan.out / corpus).mkdir(exist_ok=True)
    wanted = [(corpus, family) for corpus in plan.corpora for family in plan.families]
    with ThreadPoolExecutor(plan.jobs) as pool:
        # In the order wanted, so that a run that is stopped has whole corpora.
        for line in pool.map(lambda pair: train(plan, *pair), wanted):
            print(line, flush=True)
    # Speeds are measured here, so nothing else runs beside.
    for corpus in plan.corpora:
        compare(plan, corpus)
        (plan.out / "comparison.md").write_text(tables(plan), encoding="utf-8")
    print(tables(plan))


def check(plan: Plan) -> None:
    """Stop before any work where a family or a corpus is unknown, or its music is not there."""
    for family in plan.families:
        if family not in FAMILIES:
            raise SystemExit(f"there is no family {family!r}; use {', '.join(FAMILIES)}")
    for corpus in plan.corpora:
        if corpus == "starter" or (plan.dataset(corpus) / DATASET_INFO).is_file():
            continue
        if plan.data is None:
            raise SystemExit(f"{corpus} is real music; name its folder with --data")
        for name in MULTITRACK if corpus == "multitrack" else (corpus,):
            if not name or not (plan.data / name).is_dir():
                raise SystemExit(
                    f"there is no corpus {name!r} in {plan.data}; use starter, multitrack, or the "
                    "name of a folder there"
                )


def folder_of(plan: Plan, corpus: str) -> Path:
    """The folder of music of a corpus; several of the data are linked into one."""
    if corpus == "starter":
        place = plan.out / "starter.music"
        if not place.exists():
            write_starter(place, STARTER_PIECES)
        return place
    assert plan.data is not None, "checked before"
    if corpus != "multitrack":
        return plan.data / corpus
    place = plan.out / "multitrack.music"
    place.mkdir(exist_ok=True)
    for name in MULTITRACK:
        link = place / name
        for file in (plan.data / name).rglob("*"):
            if file.is_file():
                copy = link / file.relative_to(plan.data / name)
                copy.parent.mkdir(parents=True, exist_ok=True)
                if not copy.exists():
                    copy.symlink_to(file.resolve())
    return place


def make_dataset(plan: Plan, corpus: str) -> None:
    """The dataset and its tokens, unless they are there."""
    place = plan.dataset(corpus)
    if not (place / DATASET_INFO).is_file():
        prepare(folder_of(plan, corpus), place, "band")
    open_cache(Dataset.open(place), "events")


def train(plan: Plan, corpus: str, family: str) -> str:
    """Train a model unless it is there; a line that says what happened."""
    place = plan.model(corpus, family)
    times = place.with_name(f"{family}.{TIMES}")
    minutes = None if family == "ngram" else plan.minutes
    known = json.loads(times.read_text(encoding="utf-8")) if times.is_file() else {}
    if (place / INFO).is_file() and known.get("minutes", -1) == minutes:
        return f"{corpus}, {family}: was there"
    flags = ["--family", family, "--force"]
    if family != "ngram":
        flags += [
            "--max-minutes",
            str(plan.minutes),
            "--epochs",
            "10000",
            "--device",
            "cpu",
            "--plain",
        ]
    began = time.monotonic()
    _woodshed("train", str(plan.dataset(corpus)), "-o", str(place), *flags)
    seconds = time.monotonic() - began
    told = {"minutes": minutes, "seconds": round(seconds, 1)}
    times.write_text(json.dumps(told), encoding="utf-8")
    return f"{corpus}, {family}: {seconds:.0f} s"


def compare(plan: Plan, corpus: str) -> None:
    """Compare the models of a corpus, unless these very models were compared already."""
    place = plan.compared(corpus)
    models = [plan.model(corpus, family) for family in plan.families]
    hashes = sorted(_hash(model) for model in models)
    pieces = len(Dataset.open(plan.dataset(corpus)).split("test"))
    if place.is_file():
        told = json.loads(place.read_text(encoding="utf-8"))
        same = sorted(row["hash"] for row in told["rows"] if row["hash"]) == hashes
        if same and told["pieces"] == min(pieces, plan.pieces or pieces):
            return
    mix = ["--mix"] if "ngram" in plan.families and len(models) > 1 else []
    few = [] if plan.pieces is None else ["--pieces", str(plan.pieces)]
    _woodshed(
        "compare", *map(str, models), "--on", str(plan.dataset(corpus)), *mix, *few,
        "-o", str(place), "--force",
    )  # fmt: skip


def _hash(model: Path) -> str:
    from woodshed.models.store import read_info

    return read_info(model).hash


def _woodshed(*arguments: str) -> None:
    """Call the program with one thread; what it says is shown where it fails."""
    environment = os.environ | dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    done = subprocess.run(
        [sys.executable, "-m", "woodshed", *arguments],
        env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        raise SystemExit(f"woodshed {' '.join(arguments)}\n{done.stdout}{done.stderr}")


def tables(plan: Plan) -> str:
    """All comparisons there are as Markdown."""
    lines = []
    for corpus in plan.corpora:
        if plan.compared(corpus).is_file():
            told = json.loads(plan.compared(corpus).read_text(encoding="utf-8"))
            lines += [*table(plan, corpus, told), ""]
    return "\n".join(lines)


def table(plan: Plan, corpus: str, told: dict[str, Any]) -> list[str]:
    """The table of one corpus."""
    lines = [
        f"### {corpus}",
        "",
        f"{told['pieces']:,} test pieces, {told['notes']:,} notes; networks learned for "
        f"{plan.minutes:g} minutes with one thread.",
        "",
        "| model | bits per note | 95% | behind the best | bits a second | nats a token "
        "| parameters | MB | trained, s | tokens a second | of 16 together |",
        "|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    lines += ["| " + " | ".join(_cells(plan, corpus, row)) + " |" for row in told["rows"]]
    lines += [f"\n- {sentence}" for sentence in _without_paths(plan, told["said"])]
    return lines


def _without_paths(plan: Plan, sentences: Sequence[str]) -> list[str]:
    return [re.sub(re.escape(f"{plan.out}{os.sep}"), "", sentence) for sentence in sentences]


def _cells(plan: Plan, corpus: str, row: dict[str, Any]) -> list[str]:
    behind, held, speed, mix = row["behind"], row["held"], row["speed"], row["mix"]
    family = row["family"]
    if mix is not None:
        base = Path(mix["model"]).name
        how = "by context" if mix["share"] is None else share_text(mix["share"])
        family = f"{base}, mixed with the n-gram {how}"
    times = plan.model(corpus, family).with_name(f"{family}.{TIMES}")
    seconds = json.loads(times.read_text())["seconds"] if times.is_file() else None
    parameters = None if held is None else held["parameters"]
    return [
        family,
        f"{row['bits_per_note']['value']:.3f}",
        _interval(row["bits_per_note"]),
        "–" if behind is None else f"{behind['value']:.3f} ({_interval(behind)})",
        f"{row['bits_per_second']['value']:.1f}",
        f"{row['nats_per_token']['value']:.4f}",
        "" if parameters is None else f"{parameters:,}",
        "" if held is None else f"{held['bytes_on_disk'] / 1e6:.1f}",
        "" if seconds is None else f"{seconds:,.0f}",
        "" if speed is None else f"{speed['alone']:,.0f}",
        "" if speed is None else f"{speed['together']:,.0f}",
    ]


def _interval(one: dict[str, Any]) -> str:
    return "" if one["low"] is None else f"{one['low']:.3f} – {one['high']:.3f}"


if __name__ == "__main__":
    main()
