"""`benchmarks/comparison.py` stops before any work where what is asked for is not there."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.comparison import Plan, check


def plan(place: Path, corpora: str, families: str, *, data: bool = True) -> Plan:
    told = place / "data" if data else None
    return Plan(place, told, 1.0, tuple(corpora.split(",")), tuple(families.split(",")), 1, None)


def test_what_is_unknown_is_refused_before_any_work(tmp_path: Path) -> None:
    (tmp_path / "data" / "songs").mkdir(parents=True)
    check(plan(tmp_path, "starter,songs", "ngram,lstm,mamba,transformer"))
    check(plan(tmp_path, "starter", "ngram", data=False))
    for corpora, families, data, sentence in (
        ("starter", "ngram,gru", True, "there is no family 'gru'; use ngram"),
        ("starter", "", True, "there is no family ''"),
        ("starter,tunes", "ngram", True, "there is no corpus 'tunes' in "),
        ("starter,", "ngram", True, "there is no corpus ''"),
        ("multitrack", "ngram", True, "there is no corpus 'freedoom'"),
        ("songs", "ngram", False, "songs is real music; name its folder with --data"),
    ):
        with pytest.raises(SystemExit, match=sentence):
            check(plan(tmp_path, corpora, families, data=data))
