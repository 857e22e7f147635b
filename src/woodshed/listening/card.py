"""The sound card, through sounddevice; where there is none, what to do instead."""

from __future__ import annotations

import contextlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import WoodshedError

WAY_OUT = "`woodshed render FILE.mid -o FILE.wav` writes a file that plays anywhere"


class SoundCard:
    """The default sound card, open. Raises `WoodshedError` where there is none to be had."""

    def __init__(self, sample_rate: int) -> None:
        self._stream = _open(sample_rate)
        self._stream.start()

    def write(self, frames: NDArray[np.float32]) -> None:
        """Play `frames`; waits while enough is queued."""
        if self._stream.stopped:
            self._stream.start()
        self._stream.write(np.ascontiguousarray(frames, np.float32))

    def drop(self) -> None:
        """Be silent at once; what was queued is forgotten."""
        if not self._stream.stopped:
            self._stream.abort()

    def close(self) -> None:
        """Give the card back."""
        # A card that was pulled out while it played cannot be closed either.
        with contextlib.suppress(Exception):
            self._stream.abort()
            self._stream.close()


def _open(sample_rate: int) -> Any:
    try:
        import sounddevice
    except ImportError:
        raise WoodshedError(
            "playing needs the package sounddevice: `pip install woodshed[play]` brings it, "
            f"and {WAY_OUT}"
        ) from None
    except OSError as error:
        raise WoodshedError(
            f"sounddevice finds no PortAudio ({error}); install it (Debian: apt install "
            f"libportaudio2), or {WAY_OUT}"
        ) from None
    try:
        return sounddevice.OutputStream(samplerate=sample_rate, channels=2, dtype="float32")
    except (sounddevice.PortAudioError, ValueError) as error:
        raise WoodshedError(f"there is no sound card to play on ({error}), but {WAY_OUT}") from None
