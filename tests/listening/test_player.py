"""The player, key by key, with an output that keeps what it is given."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.listening.bands import one_part, trio
from woodshed.errors import BadFile, WoodshedError
from woodshed.listening.player import Player, State
from woodshed.listening.playing import Playing, playing
from woodshed.listening.sound_settings import SoundSettings
from woodshed.music.score import Part, Score

BUILTIN = SoundSettings(synth="builtin")
SECOND = 44100


class Tape:
    """An output that keeps everything; `dropped` says how much had come whenever it was cut."""

    def __init__(self) -> None:
        self.blocks: list[NDArray[np.float32]] = []
        self.dropped: list[int] = []
        self.is_open = True

    @property
    def frames(self) -> int:
        return sum(len(block) for block in self.blocks)

    def write(self, frames: NDArray[np.float32]) -> None:
        assert self.is_open
        self.blocks.append(frames.copy())

    def drop(self) -> None:
        self.dropped.append(self.frames)

    def close(self) -> None:
        self.is_open = False


class Hands:
    """Presses each key once so many frames have sounded; while paused, the next one at once."""

    def __init__(self, tape: Tape, *presses: tuple[float, str]) -> None:
        self.tape, self.presses = tape, list(presses)
        self.waits: list[float] = []

    def poll(self, wait_seconds: float) -> str | None:
        self.waits.append(wait_seconds)
        if self.presses and (wait_seconds or self.tape.frames >= self.presses[0][0] * SECOND):
            return self.presses.pop(0)[1]
        return None


SONGS = {
    "one.mid": trio(2),
    "two.mid": one_part([(0, 960, 60, 90, 0)], part=Part("Piano")),
    "three.mid": trio(1),
}


def load(path: str) -> Playing:
    if path not in SONGS:
        raise BadFile(path, "it is no music")
    return playing(SONGS[path])


class Session:
    """One run of the player, and everything it said and did."""

    def __init__(
        self,
        *presses: tuple[float, str],
        paths: tuple[str, ...] = tuple(SONGS),
        solo: str | None = None,
        load: Callable[[str], Playing] = load,
    ) -> None:
        self.tape, self.states, self.notes = Tape(), [], []  # type: ignore[var-annotated]
        self.hands = Hands(self.tape, *presses)
        player = Player(
            paths, load, self.tape, BUILTIN, solo, self.states.append, self.notes.append
        )
        player.run(self.hands)

    @property
    def pieces(self) -> list[str]:
        """The pieces that were shown, in order."""
        found: list[str] = []
        for state in self.states:
            if not found or found[-1] != state.path:
                found.append(state.path)
        return found


def test_it_plays_all_to_the_end_and_leaves_nothing_behind() -> None:
    before = threading.active_count()
    session = Session()
    assert session.pieces == ["one.mid", "two.mid", "three.mid"]
    assert session.tape.frames > (3.75 + 1.0 + 1.75) * SECOND
    assert not session.tape.is_open
    assert session.tape.dropped == []
    assert threading.active_count() == before


@pytest.mark.parametrize("key", ["q", "\x1b", "\x03"])
def test_stop(key: str) -> None:
    session = Session((0.5, key))
    assert session.tape.frames == pytest.approx(0.5 * SECOND, abs=2048)
    assert not session.tape.is_open


def test_next_plays_at_once() -> None:
    session = Session((0.5, "n"), (0.6, "q"))
    assert session.pieces == ["one.mid", "two.mid"]
    assert session.tape.dropped == [pytest.approx(0.5 * SECOND, abs=2048)]
    assert np.abs(np.concatenate(session.tape.blocks)[-2048:]).max() > 0.01


def test_next_after_the_last_is_the_end() -> None:
    session = Session((0.1, "n"), (0.2, "n"), (0.3, "n"), (9, "q"))
    assert session.pieces == list(SONGS)
    assert session.hands.presses == [(9, "q")]


def test_previous_and_the_beginning_again() -> None:
    session = Session((0.1, "n"), (0.2, "p"), (1.5, "p"), (1.6, "q"))
    assert session.pieces == ["one.mid", "two.mid", "one.mid"]
    seconds = [state.seconds for state in session.states if state.path == "one.mid"]
    assert seconds[-1] == 0.0
    assert max(seconds) == 1.0


def test_pause_is_silent_and_goes_on_where_it_was() -> None:
    session = Session((0.5, " "), (0, " "), (1.0, "q"))
    assert [state.is_paused for state in session.states][:3] == [False, True, False]
    assert session.tape.dropped == [pytest.approx(0.5 * SECOND, abs=2048)]
    assert session.tape.frames == pytest.approx(1.0 * SECOND, abs=2048)
    plain = Session((1.0, "q"))
    assert np.array_equal(np.concatenate(session.tape.blocks), np.concatenate(plain.tape.blocks))
    assert [wait for wait in session.hands.waits if wait] == [0.1]


def test_another_piece_ends_the_pause() -> None:
    session = Session((0.2, " "), (0, "n"), (0.5, "q"))
    assert session.states[-1].path == "two.mid"
    assert not session.states[-1].is_paused
    assert session.tape.frames > 0.4 * SECOND


def test_a_number_lets_one_slot_be_heard_and_again_all() -> None:
    session = Session((0.1, "2"), (0.2, "3"), (0.3, "3"), (0.4, "1"), (0.5, "0"), (0.6, "q"))
    solos = [state.solo for state in session.states]
    assert [s for n, s in enumerate(solos) if n == 0 or s != solos[n - 1]] == [
        None, "bass", "drums", None, "guitar", None
    ]  # fmt: skip


def test_numbers_without_a_slot_and_other_keys_do_nothing() -> None:
    session = Session((0.1, "9"), (0.1, "x"), (0.1, "²"), (0.2, "q"))
    assert {state.solo for state in session.states} == {None}
    assert session.pieces == ["one.mid"]


def test_a_choice_of_slot_stays_where_the_next_piece_has_it() -> None:
    session = Session((0.1, "2"), (0.2, "n"), (0.3, "n"), (0.4, "q"))
    last = {state.path: state.solo for state in session.states}
    assert last == {"one.mid": "bass", "two.mid": None, "three.mid": "bass"}


def test_a_slot_to_begin_with() -> None:
    assert Session((0.1, "q"), solo="drums").states[0].solo == "drums"


def test_files_that_cannot_be_read_are_told_once_and_passed_over() -> None:
    paths = ("bad.mid", "one.mid", "worse.mid", "two.mid")
    session = Session((0.1, "n"), (0.2, "p"), (0.3, "p"), (0.4, "q"), paths=paths)
    assert session.notes == ["bad.mid: it is no music", "worse.mid: it is no music"]
    assert session.pieces == ["one.mid", "two.mid", "one.mid"]


def test_nothing_that_can_be_read() -> None:
    with pytest.raises(WoodshedError, match="none of the 2 pieces can be read"):
        Session(paths=("bad.mid", "worse.mid"))


def test_an_empty_piece_is_passed_over_with_a_word() -> None:
    silent = {"silent.mid": Score(), "one.mid": SONGS["three.mid"]}
    session = Session((0.1, "q"), paths=tuple(silent), load=lambda path: playing(silent[path]))
    assert session.notes == ["there is nothing to hear in it"]
    assert session.states[-1].path == "one.mid"


def test_the_next_piece_is_read_while_this_one_plays() -> None:
    asked: list[str] = []

    def noting(path: str) -> Playing:
        asked.append(path)
        return load(path)

    Session((1.5, "q"), load=noting)  # time enough on a busy machine
    assert asked == ["one.mid", "two.mid"]


def test_the_state_says_what_a_person_wants_to_know(tmp_path: Path) -> None:
    state: State = Session((0.1, "q")).states[0]
    assert (state.number, state.path, state.seconds) == (0, "one.mid", 0.0)
    assert state.stems == ("guitar", "bass", "drums")
    assert state.length_seconds == pytest.approx(3.75)
