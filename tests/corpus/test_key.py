"""The key estimate: scales, transposition, and real music whose keys are known."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.strategies import scores
from woodshed.corpus.key import MAJOR_NAMES, MINOR_NAMES, estimate_key
from woodshed.formats.midi_contained import read_many
from woodshed.music.notes import Notes
from woodshed.music.score import Part, Score
from woodshed.music.transform import transpose


def melody(*pitches: int, is_drum: bool = False) -> Score:
    rows = [(step * 480, 480, pitch, 80, 0) for step, pitch in enumerate(pitches)]
    return Score(notes=Notes.from_rows(rows), parts=(Part(is_drum=is_drum),))


MAJOR_TUNE = (60, 64, 67, 65, 62, 67, 71, 72, 60, 67, 64, 60)
MINOR_TUNE = (57, 60, 64, 62, 59, 64, 68, 69, 57, 64, 60, 57)


@pytest.mark.parametrize("tonic", range(12))
def test_every_key_has_its_name_and_signature(tonic: int) -> None:
    major = estimate_key(melody(*(p + tonic for p in MAJOR_TUNE)))
    minor = estimate_key(melody(*(p + tonic for p in MINOR_TUNE)))
    assert major is not None
    assert minor is not None
    assert (major.name, major.is_minor) == (f"{MAJOR_NAMES[tonic]} major", False)
    assert (minor.name, minor.is_minor) == (f"{MINOR_NAMES[(tonic + 9) % 12]} minor", True)
    assert major.sharps == minor.sharps, "a relative minor has the signature of its major"
    # Seven semitones up are one sharp more.
    assert (major.sharps * 7) % 12 == tonic
    assert -6 < major.sharps <= 6
    assert 0 < major.confidence < 1


def test_drums_are_not_heard() -> None:
    assert estimate_key(melody(*MAJOR_TUNE, is_drum=True)) is None
    song = melody(*MAJOR_TUNE)
    kit = [(step * 120, 120, 37 + step % 3, 80, 1) for step in range(200)]
    both = song.replace(
        notes=Notes.concatenate([song.notes, Notes.from_rows(kit)]),
        parts=(*song.parts, Part(is_drum=True)),
    )
    assert estimate_key(both) == estimate_key(song)


def test_a_drone_does_not_decide_alone() -> None:
    song = melody(*MAJOR_TUNE * 4)
    stuck = Notes.from_rows([(0, 48 * 480, 66, 80, 0)])
    with_drone = song.replace(notes=Notes.concatenate([song.notes, stuck]))
    assert estimate_key(with_drone).name == "C major"  # type: ignore[union-attr]


@pytest.mark.parametrize("pitches", [(), tuple(range(60, 72)), (60, 63, 66, 69), (60, 66)])
def test_no_key_where_none_stands_out(pitches: tuple[int, ...]) -> None:
    assert estimate_key(melody(*pitches)) is None


@given(scores(overlaps=False), st.integers(-11, 11))
def test_a_transposed_score_has_the_transposed_key(score: Score, semitones: int) -> None:
    drum = np.array([part.is_drum for part in score.parts], np.bool_)[score.notes.part]
    pitch = np.clip(score.notes.pitch, 12, 115)  # room to move without falling off the end
    score = score.replace(notes=score.notes.replace(pitch=np.where(drum, 40, pitch)))
    before, after = estimate_key(score), estimate_key(transpose(score, semitones))
    if before is None or after is None:
        assert before is after
        return
    assert before.is_minor == after.is_minor
    assert (after.sharps - before.sharps - 7 * semitones) % 12 == 0
    assert after.confidence == pytest.approx(before.confidence, abs=1e-3)


def test_the_well_tempered_clavier(test_data: Path) -> None:
    """Its 48 pieces go through all keys in order, so that the number in the catalogue tells it.

    Scores and performances, many of which have no signature to look at.
    """
    paths = sorted((test_data / "asap-maestro/Bach").rglob("*.mid"))
    wrong = []
    for outcome in read_many(paths):
        (number,) = re.findall(r"bwv_(\d+)", outcome.path)
        step = (int(number) - 846) % 24
        names = MINOR_NAMES if step % 2 else MAJOR_NAMES
        expected = f"{names[step // 2]} {'minor' if step % 2 else 'major'}"
        found = estimate_key(outcome.unwrap())
        if found is None or found.name != expected:
            wrong.append((outcome.path, expected, found))
    assert len(wrong) <= 0.02 * len(paths), wrong


@pytest.mark.parametrize(
    ("folder", "pattern", "signatures", "keys"),
    [
        ("nottingham", "*.mid", 0.95, 0.92),
        # These files write every minor key as the major of its signature.
        ("asap-maestro", "**/midi_score.mid", 0.98, None),
        ("piano-midi-de", "**/*.mid", 0.95, None),
    ],
)
def test_key_signatures_of_real_music(
    test_data: Path, folder: str, pattern: str, signatures: float, keys: float | None
) -> None:
    total = same_signature = same_key = 0
    for outcome in read_many(sorted((test_data / folder).glob(pattern))):
        score = outcome.unwrap()
        written = set(zip(score.keys.sharps.tolist(), score.keys.minor.tolist(), strict=True))
        if len(written) != 1:  # none, or the piece goes through several
            continue
        ((sharps, is_minor),) = written
        found = estimate_key(score)
        assert found is not None
        total += 1
        agrees = (found.sharps - sharps) % 12 == 0
        same_signature += agrees
        same_key += agrees and found.is_minor == is_minor
    assert total > 50
    assert same_signature >= signatures * total, f"{same_signature} of {total}"
    if keys is not None:
        assert same_key >= keys * total, f"{same_key} of {total}"
