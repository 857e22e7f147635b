"""The harmony of the starter corpus, known for every bar, in datasets and tokens."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from woodshed.corpus.dataset import Dataset
from woodshed.corpus.prepare import prepare
from woodshed.corpus.starter import write_starter
from woodshed.corpus.starter.harmony import TONES as STARTER_TONES
from woodshed.corpus.starter.harmony import Key, chord
from woodshed.formats.limits import Limits
from woodshed.formats.midi_read import read_midi
from woodshed.music.chords import TONES, parse_chord
from woodshed.music.lineup import load_lineup
from woodshed.tokens.events import Events

BAND = load_lineup("band")
EVENTS = Events(BAND)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("starter") / "blues"
    write_starter(place)
    return place


@pytest.fixture(scope="module")
def known(folder: Path) -> list[dict[str, Any]]:
    pieces: list[dict[str, Any]] = json.loads((folder / "starter.json").read_text())["pieces"]
    return pieces


def first_chord(bar: str) -> str:
    """The name that tokens have for the first chord of a bar."""
    found = parse_chord(bar.split()[0])
    assert found is not None, bar
    return found.name


def chords_of(tokens: np.ndarray) -> list[str | None]:
    """The chord that each bar tells."""
    told: list[str | None] = []
    for name in (EVENTS.language.names[token] for token in tokens):
        if name.startswith("BAR_"):
            told.append(None)
        elif name.startswith("CHORD_"):
            told[-1] = name.removeprefix("CHORD_")
    return told


@pytest.mark.parametrize("is_minor", [False, True])
def test_all_names_it_can_give_are_read(is_minor: bool) -> None:
    degrees = [s + n for s in ("", "b", "#") for n in ("I", "II", "III", "IV", "V", "VI", "VII")]
    for tonic in range(12):
        for roman in (degree + kind for degree in degrees for kind in STARTER_TONES):
            own = chord(roman, Key(tonic, is_minor))
            found = parse_chord(own.name)
            assert found is not None, own.name
            assert found.root == own.root
            assert TONES[found.kind] <= set(own.tones), own.name


def test_the_chord_of_every_bar_of_all_pieces_is_in_the_tokens(
    folder: Path, known: list[dict[str, Any]]
) -> None:
    assert len(known) == 300
    for piece in known:
        score = read_midi(folder / piece["file"])
        slots = [place.slot for place in BAND.place(score.parts)]
        told = chords_of(EVENTS.encode(score, slots))
        assert told == [first_chord(bar) for bar in piece["chords"]][: len(told)], piece["file"]
        # Music rings on in the last bars, where nobody plays anything new.
        assert len(piece["chords"]) - len(told) <= 1


def test_a_dataset_keeps_them(folder: Path, known: list[dict[str, Any]], tmp_path: Path) -> None:
    music = tmp_path / "music"
    music.mkdir()
    for piece in known[:6]:
        (music / piece["file"]).write_bytes((folder / piece["file"]).read_bytes())
    report = prepare(music, tmp_path / "made", limits=Limits(workers=1))
    assert report.summary.with_chords == 6
    dataset = Dataset.open(tmp_path / "made")
    for number, piece in enumerate(known[:6]):
        score = dataset.score(number)
        names = [chord for bar in piece["chords"] for chord in bar.split()]
        assert [text.text for text in score.texts] == [first_chord(name) for name in names]
        told = EVENTS.encode(score, dataset.slots(number).tolist())
        whole = read_midi(music / piece["file"])
        slots = [place.slot for place in BAND.place(whole.parts)]
        assert np.array_equal(told, EVENTS.encode(whole, slots))
