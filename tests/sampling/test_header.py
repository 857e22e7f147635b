"""Headers that are asked for come true; what the model does not know is refused in words."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.models.bigram import Bigram
from tests.sampling.playing import count_of, is_legal, play, words
from woodshed.errors import UsageError
from woodshed.models.family import Conditions
from woodshed.sampling.engine import sample
from woodshed.sampling.header import Header, conditions_of, forced, key_label
from woodshed.sampling.prompt import opening
from woodshed.sampling.settings import SamplingSettings


def labels(model: Bigram, group: str) -> list[str]:
    names = model.info.vocabulary.names
    return [n.removeprefix(f"{group}_") for n in names if n.startswith(f"{group}_")]


@given(st.data())
def test_what_is_asked_for_comes_true(band: Bigram, data: st.DataObject) -> None:
    slots = data.draw(st.none() | st.lists(st.sampled_from(labels(band, "SLOT")), min_size=1))
    tempo = data.draw(st.none() | st.sampled_from(labels(band, "TEMPO")))
    metre = data.draw(st.none() | st.sampled_from(labels(band, "BAR")))
    header = Header(
        None if tempo is None else float(tempo),
        None,
        metre,
        None if slots is None else tuple(slots),
    )
    for piece in play(band, 2, header=header, bars=2, temperature=1.5, top_p=1.0):
        told = words(band, piece)
        assert is_legal(band, piece)
        if tempo is not None:
            assert told[1] == f"TEMPO_{tempo}"
        if slots is not None:
            in_order = [s for s in labels(band, "SLOT") if s in slots]
            assert [w[5:] for w in told if w.startswith("SLOT")] == in_order
            assert {w[5:] for w in told if w.startswith("INST")} <= set(slots)
        if metre is not None:
            assert {w[4:] for w in told if w.startswith("BAR")} == {metre}


def test_tags_come_true_and_no_other_of_their_name(band: Bigram) -> None:
    assert band.info.tags == {"feel": ("shuffle", "straight")}
    for value in band.info.tags["feel"]:
        conditions = Conditions({"feel": value})
        begins = opening(band.info, None, conditions)
        for piece in sample(
            band,
            begins.starts(range(6)),
            SamplingSettings(seed=1, bars=1, temperature=1.5),
            conditions,
            plan_for=begins.plan_for(band.info),
        ):
            assert [w for w in words(band, piece) if w.startswith("TAG")] == [f"TAG_feel={value}"]
            assert is_legal(band, piece)
    free = [tuple(w for w in words(band, p) if w.startswith("TAG")) for p in play(band, 30, bars=1)]
    assert len(set(free)) > 1


def test_the_nearest_tempo_is_taken_and_said(band: Bigram) -> None:
    known = [int(label) for label in labels(band, "TEMPO")]
    wanted, said = forced(band.info, Header(tempo=max(known) + 1))
    assert band.info.vocabulary.names[wanted.tempo or 0] == f"TEMPO_{max(known)}"
    assert said == (f"tempo {max(known) + 1}: the nearest the model knows is {max(known)}",)
    assert forced(band.info, Header(tempo=max(known)))[1] == ()


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("C", "C"), ("am", "Am"), ("A minor", "Am"), ("C#", "Db"), ("Gb", "F#"), ("D♯m", "Ebm"),
        ("bb", "Bb"), ("B", "B"), ("Bm", "Bm"), ("f# min", "F#m"), ("Eb major", "Eb"), ("Cb", "B"),
    ],
)  # fmt: skip
def test_names_of_keys(name: str, label: str) -> None:
    assert key_label(name) == label


@pytest.mark.parametrize("name", ["", "H", "Amx", "A blue", "m", "#", "C##"])
def test_what_is_no_key(name: str) -> None:
    with pytest.raises(UsageError, match="is no key; write it as"):
        key_label(name)


@pytest.mark.parametrize(
    ("header", "sentence"),
    [
        (Header(tempo=0), "--tempo 0 is no tempo"),
        (Header(key="Am"), "names no keys; leave it out"),
        (Header(metre="7/8"), "--metre 7/8: the model has never seen this metre; it knows"),
        (Header(slots=("kazoo",)), "--slots kazoo: the model knows no player 'kazoo'; it knows"),
        (Header(slots=()), "--slots names nobody; name some of"),
    ],
)
def test_what_the_model_does_not_know(band: Bigram, header: Header, sentence: str) -> None:
    with pytest.raises(UsageError) as refused:
        forced(band.info, header)
    assert sentence in str(refused.value)


def test_an_unknown_key_names_the_nearest(band: Bigram) -> None:
    language = band.info.language.language
    names = (*band.info.vocabulary.names, "KEY_C", "KEY_E", "KEY_Dm")
    info = dataclasses.replace(
        band.info, vocabulary=type(band.info.vocabulary).of_names(language, names)
    )
    with pytest.raises(UsageError, match="the nearest it knows is Dm, of C, E, Dm"):
        forced(info, Header(key="F"))
    wanted, _ = forced(info, Header(key="E major"))
    assert info.vocabulary.names[wanted.key or 0] == "KEY_E"


@pytest.mark.parametrize(
    ("tags", "sentence"),
    [
        ({"mood": "blue"}, "the model knows no tag 'mood'; it knows feel"),
        ({"feel": "slow"}, "feel is never 'slow' in the model's corpus; it is shuffle, straight"),
    ],
)
def test_unknown_conditions(band: Bigram, tags: dict[str, str], sentence: str) -> None:
    with pytest.raises(UsageError) as refused:
        forced(band.info, Header(), Conditions(tags))
    assert sentence in str(refused.value)


def test_a_performance_has_no_header(piano: Bigram) -> None:
    asked: list[tuple[Header, dict[str, Any]]] = [(Header(tempo=90), {}), (Header(key="C"), {})]
    for header, tags in asked:
        with pytest.raises(UsageError, match="performance tells no tempo, key, metre"):
            forced(piano.info, header, Conditions(tags))
    with pytest.raises(UsageError, match="corpus has no tags; leave it out"):
        forced(piano.info, Header(), Conditions({"feel": "slow"}))
    with pytest.raises(UsageError, match="--cond-strength -1 makes no sense"):
        forced(piano.info, Header(), Conditions({}, -1.0))


def test_conditions_as_they_are_written() -> None:
    assert conditions_of(["feel=slow", "key=C=D"], 2.0) == Conditions(
        {"feel": "slow", "key": "C=D"}, 2.0
    )
    for wrong in ("feel", "=slow", "feel="):
        with pytest.raises(UsageError, match="is no condition; write name=value"):
            conditions_of([wrong])
    with pytest.raises(UsageError, match="asked to be slow and fast; choose one"):
        conditions_of(["feel=slow", "feel=fast"])


def test_bars_are_counted_from_the_first(band: Bigram) -> None:
    (piece,) = play(band, header=Header(tempo=112), bars=1)
    assert count_of(words(band, piece), "BAR") == 1
