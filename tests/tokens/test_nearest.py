"""What stands in for what: by ratio, by fifths, by octaves, by families."""

from __future__ import annotations

import pytest

from woodshed.music.chords import KINDS, parse_chord
from woodshed.music.lineup import load_lineup
from woodshed.tokens.events import DURATION_STEPS, KEY_NAMES, TEMPOS_BPM
from woodshed.tokens.nearest import (
    nearest_chord,
    nearest_drum,
    nearest_duration,
    nearest_key,
    nearest_pitch,
    nearest_slot,
    nearest_tempo,
)

KEYS = [*KEY_NAMES, *(f"{name}m" for name in KEY_NAMES)]


@pytest.mark.parametrize(
    ("known", "key", "expected"),
    [
        ("C Em", "Am", "C"),  # the same signature
        ("G Em", "Am", "Em"),  # as near, but the same mode
        ("C E", "A", "E"),  # a fifth, although C is as near in semitones
        ("Db F", "F#", "Db"),  # round the circle: seven fifths are five
        ("", "A", None),
    ],
)
def test_keys_by_fifths_and_mode(known: str, key: str, expected: str | None) -> None:
    found = nearest_key([KEYS.index(name) for name in known.split()], KEYS.index(key))
    assert (None if found is None else KEYS[found]) == expected


def test_tempos_by_ratio() -> None:
    slow, fast = TEMPOS_BPM.index(60), TEMPOS_BPM.index(120)
    assert nearest_tempo([slow, fast], TEMPOS_BPM.index(81)) == slow
    assert nearest_tempo([slow, fast], TEMPOS_BPM.index(89)) == fast


def row_of(name: str) -> int:
    chord = parse_chord(name)
    assert chord is not None
    return KINDS.index(chord.kind) * 12 + chord.root


@pytest.mark.parametrize(
    ("known", "chord", "expected"),
    [
        ("Cm7 Cmaj7 F7", "C7", "Cmaj7"),  # the third first
        ("Cmaj Caug Csus4", "C7", "Cmaj"),
        ("Cm7 Cm Cdim", "Cm7b5", "Cdim"),  # a tone more or less, before one that is another
        ("Cm7 Cm", "Cdim", "Cm"),
        ("Cm7", "C", "Cm7"),  # any of its root, rather than none
        ("C#7 F7", "C7", None),
        ("", "C7", None),
    ],
)
def test_chords_by_root_third_and_tones(known: str, chord: str, expected: str | None) -> None:
    found = nearest_chord([row_of(name) for name in known.split()], row_of(chord))
    assert found == (None if expected is None else row_of(expected))


def test_pitches_by_octaves_then_semitones() -> None:
    assert nearest_pitch([40, 47, 52], 64) == 52
    assert nearest_pitch([40, 47], 50) == 47
    assert nearest_pitch([], 50) is None


def test_drums_by_families() -> None:
    assert nearest_drum([36, 38, 42], 46) == 42
    assert nearest_drum([38, 42, 50], 41) == 50  # a tom for a tom, and no hi-hat or snare
    assert nearest_drum([54, 36], 70) == 54  # percussion for percussion
    assert nearest_drum([36, 38], 49) is None


def test_durations_by_steps() -> None:
    lengths = DURATION_STEPS.tolist()
    rows = [lengths.index(n) for n in (24, 48, 384)]
    assert nearest_duration(rows, lengths.index(192)) == lengths.index(48)
    assert nearest_duration(rows, lengths.index(240)) == lengths.index(384)


def test_players_by_the_lineups_rest_then_by_instrument() -> None:
    band = load_lineup("band")
    row = {slot.name: n for n, slot in enumerate(band.slots)}
    assert (
        nearest_slot([row["bass"], row["other"], row["drums"]], row["guitar"], band)
        == (row["other"])
    )
    assert nearest_slot([row["voxharm"], row["bass"]], row["guitar"], band) == row["bass"]
    assert nearest_slot([row["drums"]], row["guitar"], band) is None
    quartet = load_lineup("quartet")
    kinds = {slot.name: n for n, slot in enumerate(quartet.slots)}
    found = nearest_slot([kinds["bass"], kinds["drums"]], kinds["percussion"], quartet)
    assert found == kinds["drums"]
