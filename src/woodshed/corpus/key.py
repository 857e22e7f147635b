"""Which key a piece is in, from how long each of the twelve pitch classes sounds.

The piece's profile is correlated with profiles of major and minor on all twelve tonics, as
Krumhansl did; the bass note it ends on speaks for its own keys. Knows nothing of key signatures,
which many files lack or have wrong.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..music.score import Score
from ..music.transform import drum_notes

# How often each degree occurs, in percent: Bellman (2005) after Budge's count of chords. On real
# music these names more keys rightly than Krumhansl's and Temperley's own; see docs/quality.md.
MAJOR = (16.80, 0.86, 12.95, 1.41, 13.49, 11.93, 1.25, 20.28, 1.80, 8.04, 0.62, 10.57)
MINOR = (18.16, 0.69, 12.99, 13.34, 1.07, 11.15, 1.38, 21.07, 7.49, 1.53, 0.92, 10.21)

LONGEST_QUARTERS = 4
"""Longer notes count as if they ended here, so that a drone does not decide alone."""

ENDS_ON_TONIC = 0.15
"""What the last bass note speaks for keys on it, beside correlations of up to 1. A blues has a
seventh on every degree, so that its pitch classes alone say the key of its fourth."""

MAJOR_NAMES = ("C", "Db", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B")
MINOR_NAMES = ("C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "Bb", "B")
MAJOR_SHARPS = (0, -5, 2, -3, 4, -1, 6, 1, -4, 3, -2, 5)


@dataclass(frozen=True, slots=True)
class KeyEstimate:
    """A key: its name such as "A minor", its signature (flats below 0), and how sure it is.

    `confidence` is how far the best key's correlation stands above the next best's, from 0 to 1.
    """

    name: str
    sharps: int
    is_minor: bool
    confidence: float


def estimate_key(score: Score) -> KeyEstimate | None:
    """The key a piece is in for the most part; None where no melodic notes tell one from another.

    Drums do not count. Keys that fit equally well, as for all twelve pitches equally, are no key.
    """
    notes = score.notes
    longest = LONGEST_QUARTERS * score.ticks_per_quarter
    sounding = np.minimum(notes.duration_ticks, longest) * ~drum_notes(score)
    profile = np.bincount(notes.pitch % 12, sounding, 12).astype(np.float64)
    if np.ptp(profile) == 0:
        return None
    fits = _PROFILES @ _standardised(profile)
    if np.ptp(np.partition(fits, -2)[-2:]) < 1e-9:  # rounding alone would decide
        return None
    last = np.flatnonzero((sounding > 0) & (notes.end_ticks > _last_quarter(score, sounding)))
    fits[np.array([0, 12]) + notes.pitch[last].min() % 12] += ENDS_ON_TONIC
    second, best = np.argsort(fits, kind="stable")[-2:].tolist()
    lead = float(fits[best] - fits[second])
    is_minor, tonic = divmod(best, 12)
    return KeyEstimate(
        name=f"{MINOR_NAMES[tonic]} minor" if is_minor else f"{MAJOR_NAMES[tonic]} major",
        sharps=MAJOR_SHARPS[(tonic + 3) % 12 if is_minor else tonic],
        is_minor=bool(is_minor),
        confidence=round(min(lead, 1.0), 4),
    )


def _last_quarter(score: Score, sounding: NDArray[np.int64]) -> int:
    """Where the last quarter begins in which melodic notes sound."""
    return int(score.notes.end_ticks[sounding > 0].max()) - score.ticks_per_quarter


def _standardised(profile: NDArray[np.float64]) -> NDArray[np.float64]:
    centred = profile - profile.mean()
    return np.asarray(centred / np.linalg.norm(centred))


# Twelve rows of major, then twelve of minor, by tonic: the product with a profile correlates.
_PROFILES = np.array(
    [
        np.roll(_standardised(np.array(degrees)), tonic)
        for degrees in (MAJOR, MINOR)
        for tonic in range(12)
    ]
)
