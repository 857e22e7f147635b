"""Downloads: whole or not at all, gone on with where they broke, and what they should be."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import numpy as np
import pytest

from tests.formats.server import Server
from woodshed.errors import CannotFetch, CannotWrite, OutputExists
from woodshed.formats.download import TRIALS, Download, download

DATA = np.random.default_rng(1).bytes(1_000_000)
SHA = hashlib.sha256(DATA).hexdigest()


def bring(server: Server, folder: Path, **named: object) -> Download:
    return download(server.url + "/x", folder / "x", pause_seconds=0, **named)  # type: ignore[arg-type]


def left(folder: Path) -> list[str]:
    return sorted(os.listdir(folder))


def test_a_file_comes_whole(tmp_path: Path) -> None:
    told: list[tuple[int, int | None]] = []
    with Server({"/x": DATA}) as server:
        came = bring(server, tmp_path, sha256=SHA, progress=lambda *both: told.append(both))
    assert came == Download(os.fspath(tmp_path / "x"), len(DATA), SHA, 0)
    assert (tmp_path / "x").read_bytes() == DATA
    assert left(tmp_path) == ["x"]
    assert told[-1] == (len(DATA), len(DATA))


@pytest.mark.parametrize("sha256", [SHA, None])
def test_broken_connections_are_gone_on_with(tmp_path: Path, sha256: str | None) -> None:
    with Server({"/x": DATA}, cuts=[300_000, 0, 300_000]) as server:
        came = bring(server, tmp_path, sha256=sha256)
        assert server.asked == [None, "bytes=300000-", "bytes=300000-", "bytes=600000-"]
    assert (tmp_path / "x").read_bytes() == DATA
    assert came.resumed_from == 600_000


def test_the_next_call_goes_on(tmp_path: Path) -> None:
    with Server({"/x": DATA}, cuts=[400_000, *[0] * TRIALS]) as server:
        with pytest.raises(CannotFetch, match="400,000 bytes are kept; run it again to go on"):
            bring(server, tmp_path, sha256=SHA)
        assert left(tmp_path) == ["x.part", "x.part.json"]
        server.cuts.clear()
        came = bring(server, tmp_path, sha256=SHA)
    assert came.resumed_from == 400_000
    assert (tmp_path / "x").read_bytes() == DATA
    assert left(tmp_path) == ["x"]


def test_a_server_that_only_sends_everything(tmp_path: Path) -> None:
    with Server({"/x": DATA}, cuts=[400_000], ranges=False) as server:
        came = bring(server, tmp_path, sha256=SHA)
        assert server.asked == [None, "bytes=400000-"]
    assert came.resumed_from == 0
    assert (tmp_path / "x").read_bytes() == DATA


def test_a_file_that_changed_in_between_begins_anew(tmp_path: Path) -> None:
    with Server({"/x": DATA}, cuts=[400_000, *[0] * TRIALS]) as server:
        with pytest.raises(CannotFetch):
            bring(server, tmp_path)
        server.cuts.clear()
        server.files["/x"], server.etag = DATA[::-1], '"two"'
        bring(server, tmp_path)
    assert (tmp_path / "x").read_bytes() == DATA[::-1]


def test_without_marks_only_a_checksum_allows_going_on(tmp_path: Path) -> None:
    with Server({"/x": DATA}, cuts=[400_000, 400_000], etag=None) as server:
        bring(server, tmp_path)
        assert server.asked == [None, None, None]
        (tmp_path / "x").unlink()
        server.asked.clear()
        server.cuts[:] = [400_000]
        bring(server, tmp_path, sha256=SHA)
        assert server.asked == [None, "bytes=400000-"]


def test_a_wrong_beginning_is_thrown_away_once(tmp_path: Path) -> None:
    """The part of another version, from a server that gives no marks."""
    with Server({"/x": DATA}, cuts=[400_000, *[0] * TRIALS], etag=None) as server:
        with pytest.raises(CannotFetch):
            bring(server, tmp_path, sha256=SHA)
        (tmp_path / "x.part").write_bytes(bytes(400_000))
        server.cuts.clear()
        bring(server, tmp_path, sha256=SHA)
    assert (tmp_path / "x").read_bytes() == DATA


def test_wrong_contents_are_refused(tmp_path: Path) -> None:
    refused = pytest.raises(CannotFetch, match=rf"not {SHA[:16]}… as it should be")
    with Server({"/x": DATA[:-1] + b"!"}) as server, refused:
        bring(server, tmp_path, sha256=SHA)
    assert left(tmp_path) == []


def test_all_of_it_was_there_but_the_name(tmp_path: Path) -> None:
    with Server({"/x": DATA}, cuts=[400_000, *[0] * TRIALS]) as server:
        with pytest.raises(CannotFetch):
            bring(server, tmp_path, sha256=SHA)
        (tmp_path / "x.part").write_bytes(DATA)
        server.cuts.clear()
        bring(server, tmp_path, sha256=SHA)
    assert (tmp_path / "x").read_bytes() == DATA


def test_servers_in_trouble_are_asked_again(tmp_path: Path) -> None:
    with Server({"/x": DATA}, errors=[503, 500]) as server:
        bring(server, tmp_path)
    assert (tmp_path / "x").read_bytes() == DATA
    refused = pytest.raises(CannotFetch, match="the server answers 503")
    with Server({}, errors=[503] * TRIALS) as server, refused:
        bring(server, tmp_path, force=True)


def test_addresses_that_lead_nowhere(tmp_path: Path) -> None:
    with Server({}) as server:
        with pytest.raises(CannotFetch, match=r"answers 404 .* check the address"):
            bring(server, tmp_path)
        url = server.url
    with pytest.raises(CannotFetch, match="cannot be reached"):
        download(url + "/x", tmp_path / "x", pause_seconds=0)
    with pytest.raises(CannotFetch, match="only http and https"):
        download("file:///etc/passwd", tmp_path / "x")
    assert left(tmp_path) == []


def test_what_is_wrong_is_seen_at_the_first_bytes(tmp_path: Path) -> None:
    with Server({"/x": DATA}) as server, pytest.raises(CannotFetch, match="smells odd"):
        bring(server, tmp_path, fault_of=lambda head: "it smells odd" if head else None)
    assert left(tmp_path) == []


def test_what_is_there_stays_unless_forced(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"dear")
    with Server({"/x": DATA}) as server:
        with pytest.raises(OutputExists):
            bring(server, tmp_path)
        assert (tmp_path / "x").read_bytes() == b"dear"
        bring(server, tmp_path, force=True)
    assert (tmp_path / "x").read_bytes() == DATA


def test_a_length_nobody_told(tmp_path: Path) -> None:
    with Server({"/x": DATA}, says_length=False) as server:
        came = bring(server, tmp_path, sha256=SHA)
    assert came.size_bytes == len(DATA)


def test_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with Server({"/x": DATA}) as server, pytest.raises(CannotWrite):
        download(server.url + "/x", tmp_path / "file" / "x")
