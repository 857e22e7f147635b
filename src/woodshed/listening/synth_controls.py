"""Where bends and controllers of every track stand at every quantum. Knows no sound."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from .synth_voices import CHUNK, QUANTA, QUANTUM, Reals

if TYPE_CHECKING:
    from .playing import Playing

MODULATION, VOLUME, PAN, EXPRESSION = 1, 7, 10, 11
USUAL_VOLUME, USUAL_EXPRESSION = 100.0, 127.0

VIBRATO_HERTZ = 5.6
VIBRATO_SEMITONES = 0.5
"""How far the modulation wheel shakes the pitch when it is up."""


class Events:
    """One kind of event of every track: its value at any time."""

    def __init__(
        self, seconds: Reals, track: NDArray[np.uint16], values: NDArray[np.float64], tracks: int
    ):
        order = np.argsort(track, kind="stable")
        self._seconds, self._values = seconds[order], values[order]
        self._first = np.searchsorted(track[order], np.arange(tracks + 1))

    def has(self, track: int) -> bool:
        """Whether the track has any."""
        return bool(self._first[track] < self._first[track + 1])

    def seconds(self, track: int) -> list[float]:
        """When they are."""
        moments: list[float] = self._seconds[self._first[track] : self._first[track + 1]].tolist()
        return moments

    def at(self, track: int, seconds: Reals, before: float) -> Reals:
        """Values at these moments; `before` the first event."""
        first, stop = self._first[track], self._first[track + 1]
        row = np.searchsorted(self._seconds[first:stop], seconds, side="right")
        return np.concatenate(((before,), self._values[first:stop]))[row]


class Controls:
    """The curves of a chunk: pitch ratio, loudness and place of every track."""

    def __init__(self, playing: Playing, pans: Reals, rate: int):
        tracks = len(playing.tracks)
        self._pans, self._rate = pans, rate
        self._of = {
            number: Events(
                playing.control_seconds[is_it],
                playing.control_track[is_it],
                playing.control_value[is_it].astype(np.float64),
                tracks,
            )
            for number in (MODULATION, VOLUME, PAN, EXPRESSION)
            for is_it in (playing.control_number == number,)
        }
        self._bends = Events(
            playing.bend_seconds, playing.bend_track, playing.bend_semitones, tracks
        )
        self.ratio = np.ones((tracks, QUANTA))
        usual = (USUAL_VOLUME / 127.0) ** 2
        self.gain = np.full((tracks, QUANTA), usual)
        self.pan = np.repeat(pans[:, None], QUANTA, axis=1)
        self._changes = [self._change_list(t) for t in range(tracks)]
        self._next = [0] * tracks
        self._settled = [False] * tracks
        self._shaken: set[int] = set()  # tracks whose modulation wheel is up
        self._gestures = [t for t in range(tracks) if self._moves_pitch(t)]
        self._mixes = [
            t for t in range(tracks) if any(self._of[n].has(t) for n in (VOLUME, PAN, EXPRESSION))
        ]

    def _moves_pitch(self, track: int) -> bool:
        return self._bends.has(track) or self._of[MODULATION].has(track)

    def _change_list(self, track: int) -> list[float]:
        kinds = (*self._of.values(), self._bends)
        return sorted(s for kind in kinds for s in kind.seconds(track))

    def _stands(self, track: int, until: float) -> bool:
        """Whether nothing has moved since the last chunk, and nothing will before `until`."""
        changes, at = self._changes[track], self._next[track]
        before = at
        while at < len(changes) and changes[at] < until:
            at += 1
        stands = self._settled[track] and at == before
        self._next[track], self._settled[track] = at, at == before
        return stands

    def work_out(self, first: int, offset_seconds: float) -> None:
        """Fill the curves of the chunk that begins at frame `first`."""
        if not self._gestures and not self._mixes:
            return
        middle = (np.arange(QUANTA) + 0.5) * QUANTUM + first
        seconds = middle / self._rate + offset_seconds
        until = (first + CHUNK) / self._rate + offset_seconds
        moving = {t for t in {*self._gestures, *self._mixes} if not self._stands(t, until)} | set(
            self._shaken
        )
        for track in moving.intersection(self._gestures):
            semitones = np.zeros(QUANTA)
            if self._bends.has(track):
                semitones = self._bends.at(track, seconds, 0.0)
            if self._of[MODULATION].has(track):
                depth = self._of[MODULATION].at(track, seconds, 0.0) / 127.0
                shake = np.sin(2.0 * math.pi * VIBRATO_HERTZ * seconds)
                semitones = semitones + VIBRATO_SEMITONES * depth * shake
                self._shaken.discard(track)
                if depth[-1] > 0.0:
                    self._shaken.add(track)
            self.ratio[track] = 2.0 ** (semitones / 12.0)
        for track in moving.intersection(self._mixes):
            volume = self._of[VOLUME].at(track, seconds, USUAL_VOLUME)
            expression = self._of[EXPRESSION].at(track, seconds, USUAL_EXPRESSION)
            self.gain[track] = np.square(volume * expression / (127.0 * 127.0))
            usual = 64.0 + 63.0 * float(self._pans[track])
            self.pan[track] = (self._of[PAN].at(track, seconds, usual) - 64.0) / 63.0
        np.clip(self.pan, -1.0, 1.0, out=self.pan)
