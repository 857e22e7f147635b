"""How music is to sound: the settings of every rendering. Knows nothing of engines or files."""

from __future__ import annotations

import math
from dataclasses import dataclass

from ..errors import UsageError
from ..settings import setting

SAMPLE_RATES = (44100, 48000)
QUIETEST_LUFS, LOUDEST_LUFS = -60.0, -5.0


@dataclass(frozen=True, slots=True)
class SoundSettings:
    """Who plays, how loud, and with how many samples."""

    synth: str = setting(
        "auto",
        "Who plays: builtin, fluidsynth, or auto: FluidSynth where it and a soundfont are found.",
    )
    soundfont: str | None = setting(None, "The soundfont (.sf2, .sf3) FluidSynth plays.")
    loudness: float = setting(-16.0, "How loud, in LUFS: -14 is a streaming service's level.")
    sample_rate: int = setting(44100, "Samples a second: 44100 or 48000.")

    def __post_init__(self) -> None:
        if self.sample_rate not in SAMPLE_RATES:
            choice = " or ".join(map(str, SAMPLE_RATES))
            raise UsageError(f"--sample-rate {self.sample_rate} is not possible; use {choice}")
        if not (math.isfinite(self.loudness) and QUIETEST_LUFS <= self.loudness <= LOUDEST_LUFS):
            raise UsageError(
                f"--loudness {self.loudness:g} is no level to listen at; "
                f"use {QUIETEST_LUFS:g} to {LOUDEST_LUFS:g} LUFS"
            )
