"""Writing MIDI: what is written reads back as it was, in made-up scores and in every real file."""

from __future__ import annotations

import io
import os
from collections import Counter
from pathlib import Path

import mido
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests import strategies
from tests.formats.smf import midi, one, track
from tests.formats.test_midi_read import repairs
from woodshed.corpus.folder import list_midi
from woodshed.errors import BadFile, BadMusic, CannotWrite, OutputExists
from woodshed.formats.midi_read import read_midi
from woodshed.formats.midi_write import midi_bytes, write_midi
from woodshed.music.notes import Notes
from woodshed.music.score import Part, Score

NOTE = ("00 90 3C 40", "60 80 3C 00")
# Names lose their outer spaces, and texts what terminals obey; see `midi_read`.
WORDS = st.text(
    st.characters(min_codepoint=0x21, max_codepoint=0x2FFF, exclude_categories=("C", "Z")),
    max_size=9,
)


@given(strategies.scores(every_part_plays=True, overlaps=False, words=WORDS))
def test_what_is_written_reads_back_as_it_was(score: Score) -> None:
    again = read_midi(midi_bytes(score))
    assert again == score
    assert repairs(again) == {}


@given(strategies.scores(every_part_plays=True, overlaps=True, words=WORDS))
def test_overlapping_notes_keep_their_onsets_and_ends(score: Score) -> None:
    again = read_midi(midi_bytes(score))
    for column in ("start_ticks", "pitch", "velocity", "part"):
        # Which of two notes that begin together is which, MIDI cannot say.
        assert Counter(getattr(again.notes, column).tolist()) == Counter(
            getattr(score.notes, column).tolist()
        )
    ends = [
        Counter(
            zip(
                s.notes.part.tolist(),
                s.notes.pitch.tolist(),
                s.notes.end_ticks.tolist(),
                strict=True,
            )
        )
        for s in (again, score)
    ]
    assert ends[0] == ends[1]
    assert read_midi(midi_bytes(again)) == again


def test_every_real_file_reads_back_as_it_was(test_data: Path) -> None:
    paths = list_midi(test_data).paths
    different = []
    for path in paths:
        try:
            score = read_midi(path)
        except BadFile:
            if "torture" not in path:
                raise
            continue
        if read_midi(midi_bytes(score)) != score:
            different.append(path)
    assert len(paths) > 1000
    assert different == []


def test_the_bytes_of_a_note() -> None:
    score = Score(notes=Notes.from_rows([(240, 240, 60, 64, 0)]), parts=(Part("Lead", 5),))
    assert midi_bytes(score) == midi(
        track(
            "00 FF 51 03 07 A1 20  # 120 BPM",
            "00 FF 58 04 04 02 18 08  # 4/4",
        ),
        track(
            "00 FF 03 04 4C 65 61 64  # Lead",
            "00 C0 05",
            "81 70 90 3C 40  # after 240 ticks",
            "81 70 80 3C 40",
        ),
    )


def test_parts_share_a_channel_only_when_there_are_more_than_fifteen() -> None:
    def band(size: int) -> Score:
        rows = Notes.from_rows([(part * 10, 10, 60, 64, part) for part in range(size)])
        return Score(notes=rows, parts=tuple(Part(program=p % 128) for p in range(size)))

    channels = [p.channel for p in read_midi(midi_bytes(band(15))).parts]
    assert sorted(c for c in channels if c is not None) == [c for c in range(16) if c != 9]
    crowd = band(40)
    assert read_midi(midi_bytes(crowd)) == crowd


def test_sharing_a_channel_names_the_program_before_each_turn() -> None:
    parts = tuple(Part(program=p) for p in range(16))
    rows = [(turn * 10, 10, 60, 64, turn % 16) for turn in range(48)]
    score = Score(notes=Notes.from_rows(rows), parts=parts)
    # As a synthesiser hears it: all tracks at once, one program for each channel.
    programs: dict[int, int] = {}
    heard = []
    for message in mido.merge_tracks(mido.MidiFile(file=io.BytesIO(midi_bytes(score))).tracks):
        if message.type == "program_change":
            programs[message.channel] = message.program
        elif message.type == "note_on":
            heard.append(programs[message.channel])
    assert heard == list(range(16)) * 3


def test_a_part_keeps_its_channel_where_it_can() -> None:
    score = read_midi(one("00 93 3C 40", "00 99 24 40", "10 83 3C 00", "00 89 24 00"))
    assert [p.channel for p in read_midi(midi_bytes(score)).parts] == [3, 9]


def test_bank_selection_comes_before_the_program() -> None:
    score = read_midi(one("00 B0 00 08  # bank 8", "00 C0 10", *NOTE))
    data = midi_bytes(score)
    assert data.index(bytes.fromhex("B0 00 08")) < data.index(bytes.fromhex("C0 10"))
    assert read_midi(data) == score


def test_a_rest_longer_than_midi_can_wait() -> None:
    far = Notes.from_rows([(2**30, 10, 60, 64, 0)])
    with pytest.raises(BadMusic, match="268,435,455"):
        midi_bytes(Score(notes=far, parts=(Part(),)))


class TestWritingWhole:
    SCORE = Score(notes=Notes.from_rows([(0, 10, 60, 64, 0)]), parts=(Part(),))

    def test_an_existing_file_stays(self, tmp_path: Path) -> None:
        target = tmp_path / "song.mid"
        target.write_bytes(b"mine")
        with pytest.raises(OutputExists, match="--force"):
            write_midi(self.SCORE, target)
        assert target.read_bytes() == b"mine"

    def test_force_replaces_it(self, tmp_path: Path) -> None:
        target = tmp_path / "song.mid"
        target.write_bytes(b"mine")
        write_midi(self.SCORE, target, force=True)
        assert read_midi(target) == self.SCORE

    def test_nowhere_to_write(self, tmp_path: Path) -> None:
        with pytest.raises(CannotWrite, match="there is no folder"):
            write_midi(self.SCORE, tmp_path / "missing" / "song.mid")

    def test_a_link_stays_a_link_and_permissions_stay(self, tmp_path: Path) -> None:
        real, link = tmp_path / "real.mid", tmp_path / "link.mid"
        real.write_bytes(b"mine")
        real.chmod(0o600)
        link.symlink_to(real)
        write_midi(self.SCORE, link, force=True)
        assert link.is_symlink()
        assert read_midi(real) == self.SCORE
        assert real.stat().st_mode & 0o777 == 0o600

    @pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
    def test_a_pipe_is_not_replaced(self, tmp_path: Path) -> None:
        pipe = tmp_path / "pipe.mid"
        os.mkfifo(pipe)
        with pytest.raises(CannotWrite, match="a device or a pipe"):
            write_midi(self.SCORE, pipe, force=True)
        assert pipe.is_fifo()

    def test_half_a_character_cannot_be_written(self) -> None:
        with pytest.raises(BadMusic, match="no text that can be written"):
            Part("\ud800")

    def test_nothing_is_left_beside_it(self, tmp_path: Path) -> None:
        write_midi(self.SCORE, tmp_path / "song.mid")
        assert [p.name for p in tmp_path.iterdir()] == ["song.mid"]

    def test_a_failure_while_writing_leaves_what_was_there(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        target = tmp_path / "song.mid"
        target.write_bytes(b"mine")
        with pytest.raises(BadMusic):
            write_midi(
                self.SCORE.replace(notes=Notes.from_rows([(2**30, 10, 60, 64, 0)])),
                target,
                force=True,
            )
        assert target.read_bytes() == b"mine"
        assert len(list(tmp_path.iterdir())) == 1
