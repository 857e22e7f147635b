"""Writing sound: WAV, FLAC, OGG Vorbis and MP3, whole or not at all, however long.

Knows samples between -1 and 1. Refuses to know what they are of.
"""

from __future__ import annotations

import contextlib
import os
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import UsageError
from .files import written_whole

WAV_LIMIT_BYTES = 2**32 - 2**16
"""A WAV tells its size in 32 bits; longer ones are written as RF64, which most programs read."""

FRAMES_AT_ONCE = 8192
"""libsndfile's Vorbis encoder keeps what it is handed on the stack, so it is handed little."""

DEFAULT_BITS = 16

VORBIS_QUALITY = 0.4
"""soundfile counts compression: 0 is the best, 1 the smallest. This is Vorbis quality 6."""

MP3_COMPRESSION = 0.25

OGG_SERIAL = b"wood"
MIRROR = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


@dataclass(frozen=True, slots=True)
class Form:
    """How sound is stored under some ending; `bytes_a_frame` is the most that usually takes."""

    container: str
    subtypes: dict[int | None, str]  # by the bits of a sample; None: it has none
    bytes_a_frame: float
    options: dict[str, Any]


FORMS = {
    ".wav": Form("WAV", {16: "PCM_16", 24: "PCM_24", 32: "FLOAT"}, 8, {}),
    ".flac": Form("FLAC", {16: "PCM_16", 24: "PCM_24"}, 6, {}),
    ".ogg": Form("OGG", {None: "VORBIS"}, 1, {"compression_level": VORBIS_QUALITY}),
    ".mp3": Form("MP3", {None: "MPEG_LAYER_III"}, 1, {"compression_level": MP3_COMPRESSION}),
}


def audio_form(path: str | os.PathLike[str], bits: int) -> Form:
    """How to store sound in a file of this name. Raises `UsageError` where that is not known."""
    ending = Path(path).suffix.lower()
    form = FORMS.get(ending)
    if form is None:
        raise UsageError(
            f"{os.fspath(path)} does not end in {', '.join(FORMS)}; choose one of these forms"
        )
    if None in form.subtypes and bits != DEFAULT_BITS:
        raise UsageError(
            f"{bits} bits: .mp3 and .ogg have no bits to choose; drop --bits, or use .wav or .flac"
        )
    if None not in form.subtypes and bits not in form.subtypes:
        known = " or ".join(map(str, form.subtypes))
        raise UsageError(f"{ending} has no samples of {bits} bits; use {known}")
    import soundfile

    if not soundfile.check_format(form.container, _subtype(form, bits)):
        raise UsageError(
            f"libsndfile {soundfile.__libsndfile_version__}, which this machine has, "
            f"cannot write {ending}; use .wav or .flac, or update the package soundfile"
        )
    return form


class AudioFile:
    """An open file that takes samples. What it is named belongs to `audio_written_whole`."""

    def __init__(self, path: Path, form: Form, sample_rate: int, bits: int, frames: int) -> None:
        import soundfile

        self._path = path
        self._subtype = _subtype(form, bits)
        is_long = form.container == "WAV" and frames * form.bytes_a_frame > WAV_LIMIT_BYTES
        self._refusal = soundfile.LibsndfileError
        self._file = soundfile.SoundFile(
            path, "w", sample_rate, 2, self._subtype,
            format="RF64" if is_long else form.container, **form.options,
        )  # fmt: skip

    def describe(self, *, title: str, software: str) -> None:
        """Say in the file what it is and what made it, as far as it can hold that."""
        with contextlib.suppress(self._refusal):
            self._file.software = software
            self._file.title = title

    def write(self, frames: NDArray[np.float32]) -> None:
        """Append `frames`, of shape (frames, 2), rounded to what the file holds."""
        for first in range(0, len(frames), FRAMES_AT_ONCE):
            self._file.write(_stored(frames[first : first + FRAMES_AT_ONCE], self._subtype))

    def close(self) -> None:
        """Finish the file."""
        self._file.close()
        if self._subtype == "FLOAT":
            _forget_the_time(self._path)
        if self._subtype == "VORBIS":
            same_serial(self._path)


@contextlib.contextmanager
def audio_written_whole(
    path: str | os.PathLike[str],
    sample_rate: int,
    *,
    frames: int,
    bits: int = 16,
    force: bool = False,
) -> Iterator[AudioFile]:
    """An open file that becomes `path` when the block ends well, and is gone when it does not.

    `frames` is how many will be written. Raises `UsageError` for a form that is not known,
    `OutputExists` unless `force`, and `CannotWrite` when the disk is full.
    """
    import soundfile

    form = audio_form(path, bits)
    with written_whole(path, force=force) as temporary:
        try:
            file = AudioFile(temporary, form, sample_rate, bits, frames)
            try:
                yield file
            finally:
                file.close()
        except soundfile.LibsndfileError as error:
            reason = error.error_string.rstrip(".")
            raise OSError(
                None, f"the encoder stopped ({reason}), as on a disk without space"
            ) from error


def _subtype(form: Form, bits: int) -> str:
    return form.subtypes[None] if None in form.subtypes else form.subtypes[bits]


def _stored(frames: NDArray[np.float32], subtype: str) -> NDArray[Any]:
    """Samples as they are stored: rounded to the nearest, where libsndfile would cut off."""
    bits = {"PCM_16": 16, "PCM_24": 24}.get(subtype)
    if bits is None:
        return np.ascontiguousarray(frames, np.float32)
    most = 2 ** (bits - 1)
    whole: NDArray[np.float64] = np.clip(np.rint(frames.astype(np.float64) * most), -most, most - 1)
    # libsndfile takes the upper bits of a wider number.
    return whole.astype(np.int32) * 256 if bits == 24 else whole.astype(np.int16)


def _forget_the_time(path: Path) -> None:
    """Clear the moment of writing that libsndfile puts into the PEAK chunk of float files.

    Same music, same bytes.
    """
    with path.open("rb+") as file:
        head = file.read(4096)
        place = head.find(b"PEAK")
        if place >= 0:
            file.seek(place + 12)  # the name, the length and the version of the chunk
            file.write(bytes(4))


def same_serial(path: Path) -> None:
    """Give the stream of an OGG file a number of ours, where libsndfile draws one.

    Same music, same bytes. The number stands in the head of every page, whose checksum changes
    with it.
    """
    with path.open("rb+") as file:
        while len(head := file.read(27)) == 27 and head.startswith(b"OggS"):
            lengths = file.read(head[26])
            page = bytearray(head + lengths + file.read(sum(lengths)))
            page[14:18] = OGG_SERIAL
            page[22:26] = bytes(4)
            page[22:26] = ogg_checksum(page).to_bytes(4, "little")
            file.seek(-len(page), os.SEEK_CUR)
            file.write(page)


def ogg_checksum(page: bytes | bytearray) -> int:
    """The CRC-32 of OGG: zlib's, with the bits of every byte, and of the result, back to front."""
    mirrored = zlib.crc32(page.translate(MIRROR), 0xFFFFFFFF) ^ 0xFFFFFFFF
    return int(f"{mirrored:032b}"[::-1], 2)
