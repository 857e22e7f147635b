"""The thresholds of quality, in a module of their own: help shows them, and help must come fast."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from ..errors import UsageError
from ..settings import setting

_SHARES = (
    "least_quality", "least_two_voices", "longest_note_share", "most_on_one_pitch",
    "most_out_of_range",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class QualitySettings:
    """What a piece must have, and may have at most, to be learned from."""

    least_quality: float = setting(0.6, "Lowest quality a piece may have, from 0 to 1.")
    least_notes: int = setting(8, "Fewest notes a piece may have.")
    least_bars: int = setting(1, "Fewest bars a piece may have.")
    least_notes_per_second: float = setting(0.1, "Fewest notes a second, silences left out.")
    most_notes_per_second: int = setting(400, "Most notes that may start within one second.")
    most_notes_together: int = setting(64, "Most notes that may start at one moment.")
    longest_seconds: float = setting(3600.0, "Longest a piece may last, in seconds.")
    longest_silence_seconds: float = setting(240.0, "Longest silence in a piece, in seconds.")
    longest_note_seconds: float = setting(60.0, "Longest note that is not drums, in seconds.")
    longest_note_share: float = setting(
        0.9, "Largest share of the piece that one note of over 20 seconds may sound."
    )
    most_on_one_pitch: float = setting(
        0.98, "Largest share of the notes on one and the same pitch."
    )
    most_out_of_range: float = setting(
        0.5, "Largest share of the notes beyond a piano's range, or a drum kit's."
    )
    least_two_voices: float = setting(
        0.0,
        "Least share of the music, drums aside, in which no more than two notes sound; "
        "0.9 keeps piano music in two clear voices.",
    )

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            is_share = field.name in _SHARES
            low = 0 if is_share or field.name == "least_notes_per_second" else 1
            if not low <= value <= (1 if is_share else 1e9):
                flag = "--" + field.name.replace("_", "-")
                span = "0 to 1" if is_share else f"{low} or more"
                raise UsageError(f"{flag} {value:g} makes no sense; use {span}")


DEFAULT_QUALITY = QualitySettings()
