"""Frames between processes: what is sent arrives, and what is damaged is never believed."""

from __future__ import annotations

import io
import json
import struct
import tracemalloc
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from tests.strategies import scores
from woodshed.formats import frames
from woodshed.formats.frames import DTYPES, DamagedFrame, Frame, FrameTooLong, pack, receive
from woodshed.formats.score_frames import score_from_frame, score_to_frame
from woodshed.music.score import Score

WORDS = st.dictionaries(st.text(max_size=5), st.integers() | st.text() | st.none(), max_size=4)


@st.composite
def arrays(draw: st.DrawFn) -> NDArray[Any]:
    """A flat array of a type that may be sent."""
    dtype = draw(st.sampled_from(sorted(DTYPES.values(), key=str)))
    size = draw(st.integers(0, 9))
    raw = draw(st.binary(min_size=size * dtype.itemsize, max_size=size * dtype.itemsize))
    values = np.frombuffer(raw, np.uint8)
    return values > 127 if dtype.kind == "b" else np.frombuffer(raw, dtype)


FRAMES = st.builds(Frame, WORDS, st.dictionaries(st.text(max_size=5), arrays(), max_size=4))


def raw(head: Any, body: bytes = b"") -> bytes:
    """A frame with any JSON at all for its head."""
    text = json.dumps(head).encode()
    return struct.pack("<4sII", b"WSF1", len(text), len(body)) + text + body


def same(one: Frame, other: Frame) -> bool:
    """Whether two frames say the same, bit for bit."""
    return (
        one.head == other.head
        and list(one.arrays) == list(other.arrays)
        and all(
            one.arrays[name].dtype == other.arrays[name].dtype
            and one.arrays[name].tobytes() == other.arrays[name].tobytes()
            for name in one.arrays
        )
    )


@given(st.lists(FRAMES, max_size=3))
def test_frames_arrive_as_they_were_sent(sent: list[Frame]) -> None:
    stream = io.BytesIO(b"".join(map(pack, sent)))
    for frame in sent:
        received = receive(stream)
        assert received is not None
        assert same(received, frame)
    assert receive(stream) is None


@given(FRAMES, st.data())
def test_a_frame_that_was_cut_is_an_end_or_damaged(frame: Frame, data: st.DataObject) -> None:
    whole = pack(frame)
    cut = data.draw(st.integers(1, len(whole) - 1))
    try:
        assert receive(io.BytesIO(whole[:cut])) is None
    except DamagedFrame:
        assert cut < 12  # not even the lengths arrived


@given(FRAMES, st.data())
def test_a_changed_byte_gives_a_frame_or_damage_and_nothing_else(
    frame: Frame, data: st.DataObject
) -> None:
    changed = bytearray(pack(frame))
    changed[data.draw(st.integers(0, len(changed) - 1))] = data.draw(st.integers(0, 255))
    try:
        received = receive(io.BytesIO(bytes(changed)))
    except DamagedFrame:
        return
    assert received is None or isinstance(received.head, dict)


@given(scores())
def test_a_score_crosses_unchanged(score: Score) -> None:
    received = receive(io.BytesIO(pack(score_to_frame(score))))
    assert received is not None
    assert score_from_frame(received) == score


@pytest.mark.parametrize(
    "damaged",
    [
        raw([{}, [["x", "|u1", 10**12]]]),
        raw([{}, [["x", "|u1", -1]]], b"x"),
        raw([{}, [["x", "|u1", 1.0]]], b"x"),
        raw([{}, [["x", "|u1", True]]], b"x"),
        raw([{}, [["x", "|u1", "1"]]], b"x"),
        raw([{}, [["x", "|O", 1]]], bytes(8)),
        raw([{}, [[["x"], "|u1", 1]]], b"x"),
        raw([{}, [["x", ["|u1"], 1]]], b"x"),
        raw([{}, [["x", "<i8", 1]]], b"1234567"),
        raw([{}, []], b"left over"),
        raw([{}]),
        raw({}),
        raw([[], []]),
        raw(None),
        b"WSF1" + struct.pack("<II", 3, 0) + b"\xff\xff\xff",
        b"MThd" + bytes(20),
        b"WSF1" + b"\xff" * 8,
        b"WSF",
    ],
)
def test_what_is_no_frame_is_damaged(damaged: bytes) -> None:
    with pytest.raises(DamagedFrame):
        receive(io.BytesIO(damaged))


def test_a_claim_costs_no_memory() -> None:
    # Were it believed, reading would go on and find the end of the stream, which is no damage.
    for claim in ((frames.MAX_HEAD_BYTES + 1, 0), (0, frames.MAX_FRAME_BYTES + 1)):
        with pytest.raises(DamagedFrame, match="claims"):
            receive(io.BytesIO(struct.pack("<4sII", b"WSF1", *claim)))
    honest = io.BytesIO(struct.pack("<4sII", b"WSF1", 0, frames.MAX_FRAME_BYTES))
    tracemalloc.start()
    assert receive(honest) is None
    assert tracemalloc.get_traced_memory()[1] < 2**22
    tracemalloc.stop()


def test_what_is_too_long_is_not_sent() -> None:
    with pytest.raises(FrameTooLong, match="words"):
        pack(Frame({"x": "y" * frames.MAX_HEAD_BYTES}))
    with pytest.raises(FrameTooLong, match="bytes"):
        pack(Frame({}, {"x": np.zeros(frames.MAX_FRAME_BYTES, np.uint8)}))
