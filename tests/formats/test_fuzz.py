"""Damaged files: a small share of what `make fuzz` tries, and proof that it would see a failure."""

from __future__ import annotations

from pathlib import Path
from random import Random

import numpy as np
import pytest

from scripts import fuzz
from scripts.mutants import DAMAGES, Mutants, made_seeds
from woodshed.errors import BadFile
from woodshed.formats import midi_scan
from woodshed.formats.contain import Outcome, Upload
from woodshed.formats.limits import Limits
from woodshed.formats.midi_read import read_midi
from woodshed.music.notes import Notes
from woodshed.music.score import Part, Score

LIMITS = Limits(seconds=20, workers=2)
SEEDS = made_seeds()


def test_damaged_files_give_scores_or_reasons(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", "")
    summary = fuzz.run(Mutants(SEEDS, seed=7), range(1_500), LIMITS)
    assert summary.failures == []
    assert summary.files == 1_500
    assert summary.scores > 750  # the damage is such that most files still hold some music
    assert summary.reasons.total() > 50
    assert summary.scores + summary.reasons.total() == 1_500


def test_every_seed_is_music_of_its_own_kind() -> None:
    scores = {name: read_midi(data) for name, data in SEEDS.items()}
    assert [name for name, score in scores.items() if not len(score.notes)] == ["nothing"]
    kinds = {score.source.midi_type for score in scores.values() if score.source}
    assert kinds == {0, 1, 2}


def test_the_same_seed_gives_the_same_damage() -> None:
    one, other = (Mutants(SEEDS, seed=3) for _ in range(2))
    assert [one.make(n) for n in range(50)] == [other.make(n) for n in reversed(range(50))][::-1]
    assert Mutants(SEEDS, seed=4).make(0) != one.make(0)


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("data", [b"", b"M", b"MThd", SEEDS["song"]])
def test_every_damage_can_be_done_to_every_file(damage, data: bytes) -> None:
    made = {damage(data, SEEDS["riff"], Random(n)) for n in range(30)}
    assert all(isinstance(m, bytes) for m in made)
    if data == SEEDS["song"]:
        assert made - {data}  # it does damage something


def test_a_reader_that_changes_music_would_be_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    data = SEEDS["song"]
    score = read_midi(data)
    assert fuzz.complaint(data, score) is None
    louder = score.replace(notes=score.notes.replace(velocity=np.uint8(127)))
    monkeypatch.setattr(fuzz, "read_midi", lambda _: louder)
    assert fuzz.complaint(data, score) == "written and read again, its notes changed"


def test_a_compiled_scan_that_differs_would_be_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = midi_scan._pass

    def other_pass(*arguments):
        counts = plain(*arguments)
        arguments[3][0] += 1  # the start of the first note
        return counts

    monkeypatch.setattr(midi_scan, "compiled_pass", lambda: other_pass)
    data = SEEDS["song"]
    wrong = "the compiled scan has another note_start than the plain one"
    assert fuzz.complaint(data, read_midi(data)) == wrong


@pytest.mark.parametrize(
    ("reason", "fails"),
    [
        ("it is empty, 0 bytes", False),
        ("Woodshed itself failed on it (KeyError: 1); please report this", True),
        ("its reader crashed (SIGSEGV)", True),
        ("it took longer than 10 s to read", True),
        ("it takes more than 1024 MB to read", True),
    ],
)
def test_reasons_that_blame_the_reader_are_failures(reason: str, fails: bool) -> None:
    bad: Outcome[fuzz.Trial] = Outcome("x", None, BadFile("x", reason))
    assert (fuzz.judge(bad, LIMITS, fuzz.Summary()) is not None) is fails


def test_a_failure_is_kept_to_be_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(fuzz, "KEPT", tmp_path / "kept")
    fuzz.keep(Upload("7-1.mid", SEEDS["song"]))
    assert fuzz.try_again(tmp_path / "kept" / "7-1.mid") == 0
    assert capsys.readouterr().out == "nothing is wrong with it\n"


def test_notes_that_lie_inside_each_other_are_expected_first_in_first_out() -> None:
    # Two notes of one pitch: 0 to 100 around 10 to 20. MIDI can only say 0 to 20 and 10 to 100.
    inside = Notes(*(np.array(c) for c in ([0, 10], [100, 10], [60, 60], [1, 2], [0, 0])))
    written = fuzz.as_written(Score(notes=inside, parts=(Part(),)))
    assert written.notes.end_ticks.tolist() == [20, 100]
    assert written.notes.velocity.tolist() == [1, 2]
