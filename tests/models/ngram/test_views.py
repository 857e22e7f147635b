"""Views: which there are for a vocabulary, that all they tell has room, and models that lie."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from woodshed.errors import BadModel
from woodshed.models.family import Model
from woodshed.models.load import load_model
from woodshed.models.ngram.hearing import CELLS, IN_BAR, METRE, TOLD, stand
from woodshed.models.ngram.model import Ngram
from woodshed.models.ngram.views import MOST_TAGS, MOST_VALUES, Tables, views_for
from woodshed.music.lineup import load_lineup
from woodshed.sampling import drawing, layout
from woodshed.tokens.events import Events
from woodshed.tokens.vocabulary import Vocabulary


def _vocabulary(tags: str, values: int = 3, metres: int = 2) -> Vocabulary:
    language = Events(load_lineup("band"), tuple(f"{t}=v{n}" for t in tags for n in range(values)))
    names = language.language.names
    bars = [name for name in names if name.startswith("BAR_")][:metres]
    kept = [name for name in names if not name.startswith("BAR_") or name in bars]
    return Vocabulary.of_names(language.language, kept)


def test_a_rhythm_by_the_last_of_many_tags_stays_within_its_cells() -> None:
    vocabulary = _vocabulary("abcdef")
    views = views_for(vocabulary, rhythm_tag="f")
    told = sorted({view.tag for view in views if view.tag})
    assert len(told) == MOST_TAGS
    assert "f" in told
    tables = Tables(vocabulary, views, 6)
    place = np.zeros(CELLS, np.int64)
    for token, name in enumerate(vocabulary.names):
        if name.startswith("TAG_"):
            stand(token, place, tables.group_of, tables.value_of, tables.special)
    assert place[TOLD:].tolist() == [2] * MOST_TAGS  # the last value of each that has a view


def test_a_tag_of_too_many_values_has_no_view() -> None:
    assert not [v for v in views_for(_vocabulary("a", MOST_VALUES + 1)) if v.tag]
    assert [v.tag for v in views_for(_vocabulary("a", MOST_VALUES)) if v.tag] == ["a"]


def test_a_bar_line_tells_its_metre() -> None:
    vocabulary = _vocabulary("a", metres=3)
    tables = Tables(vocabulary, views_for(vocabulary), 6)
    place = np.zeros(CELLS, np.int64)
    seen = []
    for token, name in enumerate(vocabulary.names):
        if name.startswith("BAR_"):
            stand(token, place, tables.group_of, tables.value_of, tables.special)
            seen.append(int(place[METRE]))
            assert place[IN_BAR] == 0
    assert seen == [0, 1, 2]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"views": [[1], "plain"]}, "does not know"),
        ({"min_count": 10**30}, "make no sense"),
        ({"segments": [[[0, 2**31]]]}, "impossible"),
    ],
)
def test_a_strangers_model_that_lies_is_refused(
    ngram: Model, ngram_path: Path, tmp_path: Path, change: dict[str, object], told: str
) -> None:
    assert isinstance(ngram, Ngram)
    shutil.copytree(ngram_path, tmp_path / "a")
    info = json.loads((tmp_path / "a" / "model.json").read_text())
    info["own"] |= change
    (tmp_path / "a" / "model.json").write_text(json.dumps(info))
    with pytest.raises(BadModel, match=told):
        load_model(tmp_path / "a")


def test_where_every_kind_is_rare_one_comes_all_the_same() -> None:
    kinds = layout.KINDS_COUNT
    words = np.zeros((3, kinds), np.int64)
    words[layout.KIND] = np.arange(kinds)
    dials = np.zeros(layout.DIALS)
    dials[layout.TOP_P] = 0.85
    drawn = [
        drawing.draw_form(
            np.arange(kinds), np.full(kinds, -np.log(kinds)), kinds, words, 1.0, dials, uniform
        )
        for uniform in (np.arange(kinds) + 0.5) / kinds
    ]
    assert drawn == list(range(kinds))


def drawn_of(probabilities: list[float], kinds: list[int], temperature: float) -> list[int]:
    """Which tokens a thousand evenly spread numbers draw."""
    words = np.zeros((3, len(kinds)), np.int64)
    words[layout.KIND] = kinds
    dials = np.zeros(layout.DIALS)
    dials[layout.TOP_P] = 0.85
    return [
        drawing.draw_form(
            np.arange(len(kinds)), np.log(probabilities), len(kinds), words, temperature, dials, u
        )
        for u in (np.arange(1000) + 0.5) / 1000
    ]


def test_a_kind_comes_as_often_as_the_model_thinks_however_cool() -> None:
    move = layout.MOVE
    drawn = drawn_of([0.8, 0.12, 0.075, 0.005], [layout.BAR, move, move, move], 0.3)
    assert drawn.count(0) == 800
    assert drawn.count(3) == 0  # far-fetched beside these two


def test_what_is_rare_goes_where_the_model_is_unsure_and_stays_where_it_is_nearly_sure() -> None:
    move = layout.MOVE
    unsure = drawn_of([0.5, 0.47, 0.03], [move] * 3, 1.0)
    assert unsure.count(2) == 0
    nearly_sure = drawn_of([0.96, 0.03, 0.01], [move] * 3, 1.0)
    assert 25 <= nearly_sure.count(1) <= 35
    sure_of_the_kind = drawn_of([0.96, 0.04], [move, layout.BAR], 1.0)
    assert 35 <= sure_of_the_kind.count(1) <= 45
