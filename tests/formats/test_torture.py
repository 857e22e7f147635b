"""Malformed and odd files that others collected: each is a score or a `BadFile` with its reason."""

from __future__ import annotations

from pathlib import Path

from woodshed.formats.contain import Upload, contained
from woodshed.formats.midi_contained import READ, read_many
from woodshed.music.score import Score


def test_every_file_of_the_torture_folder(test_data: Path) -> None:
    paths = sorted(p for p in (test_data / "torture-midi").rglob("*") if p.is_file())
    assert len(paths) >= 60
    outcomes = list(read_many(paths))
    assert [outcome.path for outcome in outcomes] == [str(path) for path in paths]
    for path, outcome in zip(paths, outcomes, strict=True):
        if outcome.bad is None:
            assert isinstance(outcome.value, Score)
            assert path.suffix in (".mid", ".rmi")
        else:
            assert outcome.bad.path == str(path)
            assert "Woodshed itself failed" not in outcome.bad.reason
            assert "its reader" not in outcome.bad.reason
    refused = {path.name for path, o in zip(paths, outcomes, strict=True) if o.bad is not None}
    assert all(p.name in refused for p in paths if p.suffix in (".midi2", ".syx", ".md"))


def test_uploads_fare_as_files_do(test_data: Path) -> None:
    paths = sorted(p for p in (test_data / "torture-midi").rglob("*") if p.is_file())
    uploads = contained(READ, [Upload(str(p), p.read_bytes()) for p in paths])
    for upload, file in zip(uploads, read_many(paths), strict=True):
        assert (upload.bad and upload.bad.reason) == (file.bad and file.bad.reason)
        assert upload.value == file.value
