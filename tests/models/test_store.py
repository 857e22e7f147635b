"""Models on disk: what is damaged is found before it is used, and no other file is touched."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from woodshed.corpus.dataset import Dataset
from woodshed.corpus.dataset_layout import file_checksum
from woodshed.errors import BadModel, WoodshedError
from woodshed.models.load import load_model
from woodshed.models.ngram.settings import NgramSettings
from woodshed.models.ngram.train import train_ngram
from woodshed.models.store import check_model_place, model_folder
from woodshed.tokens.cache import TokenCache


@pytest.fixture
def copied(ngram_path: Path, tmp_path: Path) -> Path:
    """A model to damage."""
    return shutil.copytree(ngram_path, tmp_path / "a.model")


def _retell(path: Path, **changes: object) -> None:
    told = json.loads((path / "model.json").read_text())
    told |= changes
    (path / "model.json").write_text(json.dumps(told))


def _reseal(path: Path, name: str) -> None:
    """Make a changed file fit its checksum, as somebody would who means harm."""
    told = json.loads((path / "model.json").read_text())
    told["files"][name] = [(path / name).stat().st_size, file_checksum(path / name)]
    (path / "model.json").write_text(json.dumps(told))


def test_every_file_that_is_cut_missing_or_changed_is_found(copied: Path) -> None:
    names = [p.name for p in copied.iterdir() if p.name != "model.json" and p.stat().st_size]
    assert len(names) >= 9
    for name in names:
        whole = (copied / name).read_bytes()
        (copied / name).write_bytes(whole[:-1])
        with pytest.raises(BadModel, match="cut or changed"):
            load_model(copied)
        (copied / name).write_bytes(bytes([whole[0] ^ 1]) + whole[1:])
        with pytest.raises(BadModel, match="checksum"):
            load_model(copied)
        (copied / name).unlink()
        with pytest.raises(BadModel, match="missing"):
            load_model(copied)
        (copied / name).write_bytes(whole)
    load_model(copied)


def test_an_index_that_leads_out_of_its_arrays_is_refused(copied: Path) -> None:
    """Even where its checksum fits: loops never leave their arrays, whoever made the model."""
    for name, dtype in (("before.i32", "<i4"), ("targets.u16", "<u2"), ("pieces.u32", "<u4"),
                        ("starts.i64", "<i8")):  # fmt: skip
        whole = (copied / name).read_bytes()
        numbers = np.frombuffer(whole, dtype).copy()
        numbers[len(numbers) // 2] = np.iinfo(dtype).max - 1
        (copied / name).write_bytes(numbers.tobytes())
        _reseal(copied, name)
        with pytest.raises(BadModel, match="leads nowhere"):
            load_model(copied)
        (copied / name).write_bytes(whole)
        _reseal(copied, name)
    load_model(copied)


def test_weights_that_are_no_numbers_are_refused(copied: Path) -> None:
    weights = np.fromfile(copied / "by_token.f64")
    weights[3] = np.nan
    weights.tofile(copied / "by_token.f64")
    _reseal(copied, "by_token.f64")
    with pytest.raises(BadModel, match="no number"):
        load_model(copied)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"format": "something"}, "not that of a Woodshed model"),
        ({"schema_version": 99}, "version 99 of the format"),
        ({"family": "oracle"}, "family 'oracle' is none"),
        ({"vocabulary": ["BAR_77/3"]}, "no token 'BAR_77/3'"),
        ({"language": {"name": "klingon", "identity": ""}}, "no language 'klingon'"),
        ({"files": {"../../etc": [1, ""]}}, "no name of one of its files"),
        ({"own": []}, "own is no table"),
        ({"own": {}}, "impossible"),
    ],
)
def test_what_model_json_says_is_not_believed(
    copied: Path, changes: dict[str, object], told: str
) -> None:
    _retell(copied, **changes)
    with pytest.raises(BadModel, match=told):
        load_model(copied)


def test_another_version_of_the_language_is_told(copied: Path) -> None:
    told = json.loads((copied / "model.json").read_text())
    _retell(copied, language=told["language"] | {"identity": "0" * 64})
    with pytest.raises(BadModel, match="another one than this version's"):
        load_model(copied)


def test_what_is_no_model_is_told(tmp_path: Path) -> None:
    with pytest.raises(BadModel, match="there is nothing of that name"):
        load_model(tmp_path / "nobody")
    with pytest.raises(BadModel, match=r"it has no model\.json"):
        load_model(tmp_path)
    (tmp_path / "model.json").write_bytes(b"\xff\x00{")
    with pytest.raises(BadModel, match="cannot be read"):
        load_model(tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(BadModel, match="this is a file"):
        load_model(tmp_path / "file")


def test_only_models_are_replaced(copied: Path, tmp_path: Path) -> None:
    check_model_place(copied, force=True)
    (copied / "diary.txt").write_text("mine")
    with pytest.raises(BadModel, match=r"diary\.txt there is no part"):
        check_model_place(copied, force=True)
    (tmp_path / "songs").mkdir()
    (tmp_path / "songs" / "a.mid").write_bytes(b"")
    with pytest.raises(BadModel, match="songs there is no part"):
        check_model_place(tmp_path / "songs", force=True)


def test_segments_that_lie_anywhere_are_refused(copied: Path) -> None:
    """Numbers from `model.json` that would wrap round, lead outside, or name a view twice."""
    told = json.loads((copied / "model.json").read_text())
    own = told["own"]
    wrong: list[object] = [
        [[[0, 2**63 - 1]] * 7], [[[-1, 1]] * 7], [[[2**62, 2**62]] * 7], [[]], 5,
    ]  # fmt: skip
    for segments in wrong:
        _retell(copied, own=own | {"segments": segments})
        with pytest.raises(BadModel):
            load_model(copied)
    for change in ({"views": [own["views"][0]] * 7}, {"slots": 10**9}, {"layout": "another"},
                   {"key_counts": [float("inf")] * 24}, {"min_count": 0}):  # fmt: skip
        _retell(copied, own=own | change)
        with pytest.raises(BadModel):
            load_model(copied)
    _retell(copied, own=own, files={})
    with pytest.raises(BadModel, match="it has no before"):
        load_model(copied)
    _retell(copied, own=own, files=told["files"], limits=dict.fromkeys(told["limits"], -5))
    with pytest.raises(BadModel, match="limits make no sense"):
        load_model(copied)


def test_what_a_killed_training_left_is_cleared_away_or_put_back(
    songs: Dataset, events: TokenCache, copied: Path, tmp_path: Path
) -> None:
    quick = NgramSettings(held_out_tokens=0)
    left = tmp_path / ".a.model.old"
    shutil.copytree(copied, left)
    train_ngram(songs, events, copied, quick, force=True)
    assert not left.exists()
    # Killed between two renames, the old model waits there alone.
    copied.rename(left)
    train_ngram(songs, events, tmp_path / "b.model", quick)
    linked = tmp_path / "link.model"
    linked.symlink_to(tmp_path / "b.model")
    train_ngram(songs, events, linked, quick, force=True)
    assert linked.is_symlink()
    load_model(linked)


def test_two_trainings_at_once(ngram_path: Path, tmp_path: Path) -> None:
    """The second is told to wait, and nothing of either is left behind."""
    place = tmp_path / "a.model"
    with model_folder(place) as folder:
        with pytest.raises(WoodshedError, match="another training writes"), model_folder(place):
            pass
        for path in ngram_path.iterdir():
            shutil.copy(path, folder / path.name)
    load_model(place)
    assert [p.name for p in tmp_path.iterdir()] == ["a.model"]
