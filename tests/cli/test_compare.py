"""`woodshed compare` as typed, and mixtures as they are played: figures, files, refusals."""

from __future__ import annotations

import csv
import io
import json
import math
import shutil
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.cli.test_audition import Run
from tests.models.conftest import (
    events,
    ngram,
    ngram_path,
    performance,
    songs,
    transformer_path,
)
from woodshed.corpus.dataset import Dataset
from woodshed.evaluation.resampling import FEWEST_GROUPS
from woodshed.formats.midi_read import read_midi
from woodshed.models.load import load_model
from woodshed.models.store import read_info
from woodshed.recipes.train import train
from woodshed.sampling.provenance import provenance_in
from woodshed.tokens.cache import TokenCache

__all__ = ["events", "ngram", "ngram_path", "performance", "songs", "transformer_path"]


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str]) -> Any:
    return lambda *arguments: Run(capsys, *map(str, arguments))


@pytest.fixture(scope="module")
def told(
    songs: Dataset, ngram_path: Path, transformer_path: Path, tmp_path_factory: Any
) -> dict[str, Any]:
    """Both models, mixed and played."""
    from woodshed.cli import main

    out = tmp_path_factory.mktemp("compared") / "all.json"
    with pytest.raises(SystemExit) as stopped:
        main(["compare", str(ngram_path), str(transformer_path), "--on", str(songs.path), "--mix",
              "-o", str(out)])  # fmt: skip
    assert stopped.value.code == 0
    found: dict[str, Any] = json.loads(out.read_text())
    return found


def test_bits_per_note_are_those_of_a_plain_sum(
    told: dict[str, Any],
    songs: Dataset,
    events: TokenCache,
    ngram_path: Path,
    transformer_path: Path,
) -> None:
    """The n-gram knows all that the network knows, so what that reads is the text."""
    model: Any = load_model(ngram_path)
    numbers = songs.split("test").tolist()
    told_by = [events[n] for n in numbers]
    known = load_model(transformer_path).info.vocabulary
    pieces = [model.info.vocabulary.nearest[known.ids[known.nearest[p]]] for p in told_by]
    logs = model.log_likelihood(pieces)
    nats = -sum(float(log[1:].sum()) for log in logs)
    notes = int(songs.pieces.notes[numbers].sum())
    row = told["rows"][0]
    assert row["bits_per_note"]["value"] == pytest.approx(nats / math.log(2) / notes)
    tokens = sum(len(piece) - 1 for piece in pieces)
    assert row["nats_per_token"]["value"] == pytest.approx(nats / tokens)
    seconds = float(songs.pieces.duration_seconds[numbers].sum())
    assert row["bits_per_second"]["value"] == pytest.approx(nats / math.log(2) / seconds)
    assert (told["notes"], told["tokens"], told["pieces"]) == (notes, tokens, len(numbers))


def test_every_row_is_told(
    told: dict[str, Any], songs: Dataset, ngram_path: Path, transformer_path: Path
) -> None:
    names = [str(ngram_path), str(transformer_path)]
    assert [row["name"] for row in told["rows"][:2]] == names
    assert len(told["rows"]) == 4
    best = min(told["rows"], key=lambda row: row["bits_per_note"]["value"])
    assert told["best"] == best["name"]
    assert [row["name"] for row in told["rows"] if row["behind"] is None] == [best["name"]]
    for row in told["rows"]:
        figure = row["bits_per_note"]
        assert figure["low"] <= figure["value"] <= figure["high"]
        if row["behind"] is not None:
            apart = figure["value"] - best["bits_per_note"]["value"]
            assert row["behind"]["value"] == pytest.approx(apart)
    assert told["groups"] == len(set(songs.pieces.duplicate_group[songs.split("test")].tolist()))
    assert told["learnt_on"] == len(songs.split("validation"))
    assert told["is_enough"] == (told["groups"] >= FEWEST_GROUPS)
    ours, net = told["rows"][:2]
    assert ours["held"]["parameters"] is None
    assert ours["held"]["holds"].endswith("views")
    size = sum(f.stat().st_size for f in ngram_path.iterdir() if f.name != "model.json")
    assert ours["held"]["bytes_on_disk"] == size
    for row in (ours, net):
        assert row["speed"]["alone"] > 0
        assert row["speed"]["tokens_together"] > row["speed"]["tokens_alone"] / 2
    assert told["conditions"]["pieces_together"] == 16
    assert ours["hash"] == read_info(ngram_path).hash


def test_a_mixture_is_no_worse_than_what_it_is_of(told: dict[str, Any]) -> None:
    """The network has learnt nothing, so the n-gram has nearly all of the share."""
    _, _, one, many = told["rows"]
    assert one["mix"]["share"] > 0.9
    assert many["mix"]["share"] is None
    alone = told["rows"][0]["bits_per_note"]["value"]
    assert one["bits_per_note"]["value"] < alone + 0.02
    table = many["mix"]["by_context"]
    assert {row["after"] for row in table} >= {"START", "BAR", "PITCH"}
    assert all(0 <= row["share"] <= 1 for row in table)


def test_a_table_for_eyes(call: Any, songs: Dataset, ngram_path: Path, tmp_path: Path) -> None:
    run = call(
        "compare", ngram_path, "--on", songs.path, "--no-speed", "--split", "validation",
        "--pieces", 1,
    )  # fmt: skip
    assert run.status == 0, run.err
    assert "validation: 1 piece, " in run.out
    assert "note: figures of the validation split flatter" in run.err
    assert "note: one piece alone gives no interval" in run.err
    assert "the best" in run.out
    assert "tokens/s" not in run.out
    lines = [line for line in run.out.splitlines() if str(ngram_path.name) not in line]
    assert max(map(len, lines)) <= 110


def test_few_pieces_allow_no_verdict(
    call: Any, songs: Dataset, ngram_path: Path, transformer_path: Path
) -> None:
    """However far apart the models are; and what is mixed is learnt on all there is."""
    asked = ("compare", ngram_path, transformer_path, "--on", songs.path, "--no-speed")
    run = call(*asked, "--pieces", 2)
    assert run.status == 0, run.err
    assert "with 2 pieces it cannot be said whether the difference is more than chance" in run.out
    assert "beyond chance" not in run.out
    assert "with 2 pieces, intervals are rough" in run.err
    run = call(*asked, "--pieces", 1, "--mix", "--json")
    found = json.loads(run.out)
    assert (found["is_sure"], found["is_enough"], found["groups"]) == (False, False, 1)
    assert [row["by_chance"] for row in found["rows"]] == [None] * 4
    assert found["learnt_on"] == len(songs.split("validation"))


def test_verdicts_are_of_groups() -> None:
    """With enough of them, by what chance alone would do; with one model there is none."""
    from woodshed.cli.compare import _verdict
    from woodshed.evaluation.resampling import Interval
    from woodshed.recipes.compare import Comparison, Row

    one = Interval(1.0)
    best = Row("a", "ngram", None, one, one, one)
    far, near = (
        Row(name, "lstm", None, one, one, one, behind=one, by_chance=chance)
        for name, chance in (("far", 0.05), ("near", 0.06))
    )

    def comparison(*rows: Row, groups: int = FEWEST_GROUPS) -> Comparison:
        return Comparison(
            "d", "", "events", "test", "", 30, groups, 0, 1, 1, 1.0, (0,), 0, rows, None, ()
        )

    sure, unsure = comparison(best, far), comparison(best, far, near)
    assert (sure.is_sure, unsure.is_sure, comparison(best).is_sure) == (True, False, False)
    assert _verdict(sure) == "a is better than all others, beyond chance."
    assert _verdict(unsure) == "a has the fewest bits, but not surely fewer than near."
    few = comparison(best, far, groups=FEWEST_GROUPS - 1)
    assert "with 30 pieces in 9 groups it cannot be said" in _verdict(few)


def test_a_mixture_needs_validation_pieces(
    call: Any, songs: Dataset, ngram_path: Path, transformer_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    split = Dataset.split

    def without(self: Dataset, name: Any) -> Any:
        return split(self, name)[:0] if name == "validation" else split(self, name)

    monkeypatch.setattr(Dataset, "split", without)
    run = call("compare", ngram_path, transformer_path, "--on", songs.path, "--mix", "--no-speed")
    assert (run.status, run.out) == (2, "")
    assert "is empty; prepare with other --shares, or leave --mix out" in " ".join(run.err.split())


def test_files_by_their_ending(
    call: Any, songs: Dataset, ngram_path: Path, transformer_path: Path, tmp_path: Path
) -> None:
    asked = ("compare", ngram_path, transformer_path, "--on", songs.path, "--no-speed")
    run = call(*asked, "--pieces", 2, "-o", tmp_path / "a.svg")
    assert run.status == 0, run.err
    text = (tmp_path / "a.svg").read_text()
    root = ET.fromstring(text)
    assert len(root.findall("{http://www.w3.org/2000/svg}circle")) == 2
    run = call(*asked, "--pieces", 2, "--csv")
    rows = list(csv.DictReader(io.StringIO(run.out)))
    assert [row["family"] for row in rows] == ["ngram", "transformer"]
    assert float(rows[0]["bits_per_note"]) < float(rows[1]["bits_per_note"])
    assert float(rows[0]["behind"]) == 0
    assert f"{float(rows[0]['bits_per_note']):.3f}" in text
    run = call(*asked, "-o", tmp_path / "a.svg")
    assert run.status == 1
    assert "already exists" in run.err
    run = call(*asked, "-o", tmp_path / "a.png")
    assert run.status == 2
    assert "does not end in .json, .csv or .svg" in run.err


def test_what_is_refused(
    call: Any, songs: Dataset, ngram_path: Path, transformer_path: Path, tmp_path: Path
) -> None:
    on = ("--on", songs.path, "--no-speed")
    for arguments, sentence in (
        ((), "there is no model to compare"),
        ((ngram_path, ngram_path), "is given twice"),
        ((ngram_path, "--split", "train"), "--split train makes no sense; use test or valid"),
        ((ngram_path, "--pieces", 0), "--pieces 0 makes no sense"),
        ((ngram_path, "--mix"), "and here is nothing else; name one n-gram model"),
        ((transformer_path, "--mix"), "and here is no n-gram model"),
        (
            (ngram_path, transformer_path, "--mix", "--split", "validation"),
            "leave --split validation out",
        ),
    ):
        run = call("compare", *arguments, *on)
        assert (run.status, run.out) == (2, ""), arguments
        assert sentence in run.err
    run = call("compare", tmp_path / "none", *on)
    assert run.status == 1
    assert "this is no model" in run.err
    run = call("compare", ngram_path, "--on", tmp_path)
    assert run.status == 1
    assert "this is no dataset" in run.err


def test_another_language_or_dataset(
    call: Any, songs: Dataset, ngram_path: Path, tmp_path: Path
) -> None:
    train(songs.path, tmp_path / "piano", language="performance")
    run = call("compare", ngram_path, tmp_path / "piano", "--on", songs.path, "--json")
    assert run.status == 2
    assert "bits per note are compared within one language only" in run.err
    told = json.loads(run.out)["error"]["message"]
    assert "compare the models of each language by themselves" in told
    other = tmp_path / "other.dataset"
    shutil.copytree(songs.path, other)
    info = json.loads((other / "dataset.json").read_text())
    (other / "dataset.json").write_text(json.dumps(info | {"content_hash": "0" * 64}))
    run = call("compare", ngram_path, "--on", other, "--no-speed")
    assert run.status == 2
    assert "was trained on other data" in run.err
    run = call("compare", ngram_path, "--on", other, "--no-speed", "--unseen", "--pieces", 1)
    assert run.status == 0, run.err
    assert "is taken on trust (--unseen)" in run.err


@pytest.fixture
def learnt(ngram_path: Path, transformer_path: Path, tmp_path: Path) -> Path:
    """A folder as `woodshed learn` makes it, as far as models go."""
    place = tmp_path / "learnt"
    shutil.copytree(ngram_path, place / "model")
    shutil.copytree(transformer_path, place / "transformer")
    (place / "learn.json").write_text("{}")
    return place


def test_a_mixture_plays_and_again(
    call: Any, learnt: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("WOODSHED_MODELS", raising=False)
    (tmp_path / "far").mkdir()
    monkeypatch.chdir(tmp_path / "far")
    network = learnt / "transformer"
    ask = ("generate", network, "--bars", 2, "--seed", 3)
    run = call(*ask, "-o", "mixed.mid", "--mix", 0.4, "--json")
    assert run.status == 0, run.err
    said = provenance_in(read_midi("mixed.mid"))
    assert said is not None
    ours, its = read_info(network), read_info(learnt / "model")
    assert (said["model"], said["mix"]["model"], said["mix"]["share"]) == (ours.hash, its.hash, 0.4)
    assert json.loads(run.out)["mix"]["model"] == its.hash
    run = call(*ask, "-o", "named.mid", "--mix", 0.4, "--mix-with", learnt / "model", "--jobs", 2)
    assert Path("named.mid").read_bytes() == Path("mixed.mid").read_bytes()
    assert call("again", "mixed.mid", "-o", "same.mid", "--model", network).status == 0
    assert Path("same.mid").read_bytes() == Path("mixed.mid").read_bytes()
    call(*ask, "-o", "alone.mid")
    call(*ask, "-o", "none.mid", "--mix", 0)
    notes = [read_midi(name).notes.pitch.tolist() for name in ("alone.mid", "none.mid")]
    assert notes[0] == notes[1] != read_midi("mixed.mid").notes.pitch.tolist()
    run = call("again", "alone.mid", "-o", "x.mid", "--model", network, "--mix-with", learnt)
    assert run.status == 1
    assert "one model made it, so there is nothing to mix in" in run.err
    run = call("again", "mixed.mid", "-o", "x.mid", "--model", network, "--mix-with", network)
    assert run.status == 1
    assert "is not the n-gram model" in run.err
    moved = tmp_path / "far" / "deep" / "deeper" / "deepest"
    moved.mkdir(parents=True)
    shutil.move(network, moved / "net")
    shutil.rmtree(learnt)
    run = call("again", "mixed.mid", "-o", "x.mid", "--model", moved / "net")
    assert run.status == 1
    assert "name its folder with --mix-with" in run.err
    assert not Path("x.mid").exists()


def test_damaged_mixtures_are_said(call: Any, learnt: Path, tmp_path: Path) -> None:
    from woodshed.formats.midi_write import write_midi
    from woodshed.sampling.provenance import MARK

    out = tmp_path / "out.mid"
    call("generate", learnt / "transformer", "-o", out, "--bars", 1, "--mix", 0.4)
    score = read_midi(out)
    said = provenance_in(score)
    assert said is not None
    for number, mix in enumerate(({**said["mix"], "share": 7}, 5, {})):
        (text,) = (t for t in score.texts if t.text.startswith(MARK))
        others = tuple(t for t in score.texts if t is not text)
        import dataclasses

        broken = dataclasses.replace(text, text=MARK + json.dumps({**said, "mix": mix}))
        bad = tmp_path / f"bad{number}.mid"
        write_midi(score.replace(texts=(*others, broken)), bad)
        run = call("again", bad, "-o", tmp_path / "x.mid", "--model", learnt / "transformer")
        assert run.status == 1
        assert str(bad) in run.err


def test_mixtures_that_make_no_sense(
    call: Any, learnt: Path, ngram_path: Path, transformer_path: Path, tmp_path: Path
) -> None:
    for model, options, sentence in (
        (transformer_path, ("--mix", 0.3), "there is none beside"),
        (transformer_path, ("--mix", 1.3), "--mix 1.3 makes no sense"),
        (transformer_path, ("--mix", -1), "--mix -1 makes no sense"),
        (ngram_path, ("--mix", 0.3), "is an n-gram model itself"),
        (learnt / "model", ("--mix", 0.3), "is an n-gram model itself"),
        (transformer_path, ("--mix-with", ngram_path), "does nothing without --mix"),
        (
            transformer_path,
            ("--mix", 0.3, "--mix-with", learnt / "transformer"),
            "this is of the family transformer; name an n-gram model",
        ),
    ):
        run = call("generate", model, "-o", tmp_path / "out.mid", "--bars", 1, *options)
        assert (run.status, run.out) == (2, ""), options
        assert sentence in run.err
    assert not (tmp_path / "out.mid").exists()


def test_speeds_are_of_the_music_that_was_made(ngram: Any) -> None:
    from woodshed.evaluation.speed import NOTES_ALONE, speed_of

    found = speed_of(ngram)
    assert found.tokens_alone >= NOTES_ALONE
    assert np.isfinite([found.alone, found.together]).all()
