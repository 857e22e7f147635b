"""Splits follow from content alone, keep groups whole, and honour official ones."""

from __future__ import annotations

import math
import os
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from woodshed.corpus.splits import (
    SPLITS,
    Split,
    drop_leaks,
    official_splits,
    split_by_group,
    split_warning,
)
from woodshed.errors import BadFile, UsageError

HELD_OUT = [7, 8, 9, 10]
"""Who was held out when this was settled: figures of one version compare with the next."""


def contents(count: int) -> list[str]:
    return [f"checksum {n}" for n in range(count)]


@given(st.lists(st.integers(0, 30), min_size=1, max_size=120), st.randoms())
def test_groups_stay_whole_and_order_does_not_matter(groups: list[int], random: object) -> None:
    splits = split_by_group(groups, contents(len(groups)))
    of_group: dict[int, set[Split]] = {}
    for group, split in zip(groups, splits, strict=True):
        of_group.setdefault(group, set()).add(split)
    assert all(len(members) == 1 for members in of_group.values())
    order = list(range(len(groups)))
    random.shuffle(order)  # type: ignore[attr-defined]
    names = contents(len(groups))
    # Other numbers for the groups, too: what counts is who is in them.
    turned = split_by_group([1000 - groups[n] for n in order], [names[n] for n in order])
    assert turned == [splits[n] for n in order]


@given(st.lists(st.integers(0, 200), min_size=3, max_size=60, unique=True))
def test_three_groups_are_enough_for_three_splits(groups: list[int]) -> None:
    assert set(split_by_group(groups, contents(len(groups)))) == set(SPLITS)


@pytest.mark.parametrize(
    ("groups", "expected"),
    [([], set()), ([0, 0, 0], {"train"}), ([0, 1], {"train", "validation"})],
)
def test_fewer_groups_fill_the_first_splits(groups: list[int], expected: set[str]) -> None:
    assert set(split_by_group(groups, contents(len(groups)))) == expected


@pytest.mark.parametrize("count", [50, 1000, 100_000])
def test_shares_are_kept(count: int) -> None:
    rng = np.random.default_rng(0)
    groups = np.unique(rng.integers(0, count, count), return_inverse=True)[1]
    counted = Counter(split_by_group(groups, contents(count)))
    for split, share in zip(SPLITS, (0.8, 0.1, 0.1), strict=True):
        assert counted[split] / count == pytest.approx(share, abs=3 / count)


def test_other_shares() -> None:
    counted = Counter(split_by_group(range(200), contents(200), (0.5, 0.3, 0.2)))
    assert counted == {"train": 100, "validation": 60, "test": 40}
    assert Counter(split_by_group(range(200), contents(200), (1, 0, 0))) == {"train": 200}


def test_a_large_group_does_not_fill_a_small_split() -> None:
    splits = split_by_group([0] * 60 + list(range(1, 41)), contents(100))
    assert splits[0] == "train"
    assert Counter(splits)["test"] == pytest.approx(10, abs=1)


def test_large_groups_are_held_out_as_often_as_small_ones() -> None:
    held_out = 0
    for corpus in range(300):
        names = [f"{corpus} {n}" for n in range(100)]
        groups = [0] * 8 + list(range(1, 93))
        held_out += split_by_group(groups, names)[0] != "train"
    assert 30 <= held_out <= 90  # a fifth of 300


@given(st.integers(20, 300), st.integers(1, 5))
def test_a_piece_more_moves_hardly_any(count: int, more: int) -> None:
    before = split_by_group(range(count), contents(count))
    after = split_by_group(range(count + more), contents(count + more))
    moved = sum(a != b for a, b in zip(before, after, strict=False))
    assert moved <= 4 * more


def test_a_split_is_the_same_on_every_machine() -> None:
    splits = split_by_group(range(20), contents(20))
    assert [n for n, split in enumerate(splits) if split != "train"] == HELD_OUT


@pytest.mark.parametrize("shares", [(0.8, 0.1, 0.2), (1.2, -0.1, -0.1), (math.nan, 1, 1)])
def test_shares_that_make_no_sense(shares: tuple[float, float, float]) -> None:
    with pytest.raises(UsageError, match="sum to 1"):
        split_by_group([0], ["a"], shares)


def test_groups_without_checksums() -> None:
    with pytest.raises(UsageError, match="2 groups and 1 checksums"):
        split_by_group([0, 1], ["a"])


def test_small_corpora_are_warned_of() -> None:
    two = split_warning([0, 1], ["train", "validation"])
    assert str(two).startswith("nothing is in test: 2 different pieces cannot fill 3 splits; add")
    one = split_warning([0], ["train"])
    assert str(one).startswith("nothing is in validation and test: 1 different piece cannot fill")
    three = split_warning([0, 1, 2], ["train", "validation", "test"])
    assert "only 3 different pieces, 2 of them held out" in str(three)
    groups = list(range(100))
    assert split_warning(groups, split_by_group(groups, contents(100))) is None


def test_splits_that_are_empty_on_purpose_are_not_put_down_to_few_pieces() -> None:
    groups = list(range(100))
    warning = split_warning(groups, split_by_group(groups, contents(100), (0, 0.5, 0.5)))
    assert str(warning).startswith("nothing is in train: a model needs pieces to learn from")


def table(folder: Path, text: str) -> Path:
    path = folder / "splits.csv"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_table_like_maestros(tmp_path: Path) -> None:
    csv = table(
        tmp_path,
        "canonical_title,split,midi_filename\n"
        '"Sonata, Op. 1",train,2018/a.midi\n'
        "Prelude,validation,2017/a.midi\n"
        "Fugue,test,2017/gone.midi\n",
    )
    result = official_splits(csv, ["data/2017/a.midi", "data/2018/a.midi", "data/own.mid"])
    assert result.splits == {"data/2018/a.midi": "train", "data/2017/a.midi": "validation"}
    assert result.unlisted == ("data/own.mid",)
    assert result.missing == ("2017/gone.midi",)


def test_a_plain_table_of_path_and_split(tmp_path: Path) -> None:
    csv = table(tmp_path, "\ufeffPath,Split\r\nb\\one.mid,VALID\r\n\r\ntwo.mid,Train\r\n")
    result = official_splits(csv, ["x/b/one.mid", "x/two.mid"])
    assert result.splits == {"x/b/one.mid": "validation", "x/two.mid": "train"}
    assert result.missing == result.unlisted == ()


def test_only_whole_names_match(tmp_path: Path) -> None:
    result = official_splits(table(tmp_path, "path,split\none.mid,test\n"), ["someone.mid"])
    assert result.unlisted == ("someone.mid",)
    assert result.missing == ("one.mid",)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "no column midi_filename or path; it has none"),
        ("name,split\na,test\n", "line 1: no column midi_filename or path; it has name, split"),
        ("path,part\na,test\n", "line 1: no column split"),
        ("path,split\n", "it lists no files"),
        ("path,split\na.mid,train\nb.mid,exam\n", "line 3: 'exam' is no split; use train"),
        ("path,split\na.mid,train\nb.mid\n", "line 3: it has 1 column, fewer"),
        ("path,split\na.mid,train\na.mid,test\n", "line 3: a.mid is test here and train in line 2"),
        ("path,split\n,train\n", "line 2: it names no file"),
        ("path,split\nsame.mid,train\n", "line 2: same.mid could be x/same.mid or y/same.mid"),
    ],
)
def test_a_table_that_makes_no_sense(tmp_path: Path, text: str, told: str) -> None:
    csv = table(tmp_path, text)
    with pytest.raises(BadFile) as caught:
        official_splits(csv, ["x/same.mid", "y/same.mid"])
    assert told in str(caught.value)
    assert str(csv) in str(caught.value)


def test_the_whole_path_comes_before_one_that_ends_so(tmp_path: Path) -> None:
    csv = table(tmp_path, "path,split\nsame.mid,test\n")
    result = official_splits(csv, ["a/same.mid", "same.mid", "z/same.mid"])
    assert result.splits == {"same.mid": "test"}
    assert result.unlisted == ("a/same.mid", "z/same.mid")


@pytest.mark.parametrize("mark", [",", ";", "\t"])
def test_commas_semicolons_and_tabs_divide_columns(tmp_path: Path, mark: str) -> None:
    text = f'title{mark}path{mark}split\n"a,b;c\td"{mark}one.mid{mark}test\n'
    assert official_splits(table(tmp_path, text), ["one.mid"]).splits == {"one.mid": "test"}


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no pipes with names")
def test_a_pipe_is_no_table(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "splits.csv")
    with pytest.raises(BadFile, match="it is a pipe or a device, not a regular file"):
        official_splits(tmp_path / "splits.csv", ["one.mid"])


def test_a_table_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "splits.csv").write_bytes(b"path,split\n\xff\xfe\x00,train\n")
    with pytest.raises(BadFile, match="UTF-8"):
        official_splits(tmp_path / "splits.csv", [])
    with pytest.raises(BadFile, match="check the path"):
        official_splits(tmp_path / "missing.csv", [])


def test_training_pieces_that_leak_are_found() -> None:
    groups = [0, 0, 1, 1, 2, 3, 3, 4]
    splits: list[Split | None] = [
        "train", "test", "train", "train", "test", "validation", "train", None,
    ]  # fmt: skip
    assert drop_leaks(groups, splits) == [0, 6]


def test_maestros_own_table(test_data: Path) -> None:
    csv = test_data / "maestro-split-csv" / "maestro-v3.0.0.csv"
    names = [line.split(",")[-3] for line in csv.read_text(encoding="utf-8").splitlines()[1:]]
    result = official_splits(csv, [f"maestro-v3.0.0/{name}" for name in names])
    assert Counter(result.splits.values()) == {"train": 962, "validation": 137, "test": 177}
    assert result.missing == result.unlisted == ()


def test_the_table_of_asap(test_data: Path) -> None:
    folder = test_data / "asap-maestro"
    paths = [path.relative_to(folder).as_posix() for path in sorted(folder.rglob("*.mid"))]
    result = official_splits(folder / "splits.csv", paths)
    assert Counter(result.splits.values()) == {"train": 218, "validation": 36, "test": 46}
    assert all(path.endswith("midi_score.mid") for path in result.unlisted)
