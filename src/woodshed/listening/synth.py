"""The built-in synthesiser: lets notes begin when it is time, and yields blocks of sound.

Knows when, not how: kinds of notes are in synth_struck, synth_plucked and synth_tones, what they
are made of in synth_notes and sounds.toml, tracks in synth_buses. Refuses to know files and scores.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from .room import REVERBERATE, Room
from .synth_buses import BLEND, DELAY, track_row
from .synth_buses import COLUMNS as TRACK_COLUMNS
from .synth_controls import Controls
from .synth_notes import VARIANTS, amplitude, prepared
from .synth_plucked import PLUCK, plucked_voices
from .synth_sounds import Kit, Plucked, Sound, Struck, Tone, sounds
from .synth_struck import RING, struck_voices
from .synth_tones import ATTACK, SING, tone_voices
from .synth_voices import CHUNK, GAIN, TUNE, Reals, Voices

if TYPE_CHECKING:
    from .playing import Playing

TAIL_SECONDS = 8.0
"""What sounds longer after the last note is faded out."""

AGAIN_SECONDS = 0.09
"""How fast a string or a cymbal gives way when it is struck again."""

CHOKE_SECONDS = 0.03
OTHER_DRUM = 40
MIX_LEVEL = 0.5
"""So that few mixes go beyond full scale before they are brought to a loudness."""


class Synth:
    """The built-in synthesiser."""

    @staticmethod
    def load() -> None:
        """Load the machine code of all loops, which takes some seconds the very first time."""
        for loop in (RING, PLUCK, SING, BLEND, REVERBERATE):
            loop.form  # noqa: B018

    def blocks(
        self,
        playing: Playing,
        sample_rate: int = 44100,
        from_seconds: float = 0.0,
        block_frames: int = 4096,
    ) -> Iterator[NDArray[np.float32]]:
        """Yield the sound of every stem, (stems, frames, 2), from a moment to the last tail's end.

        The last block may be shorter. Each stem sounds by itself, its room included. Of notes that
        sound already at `from_seconds` those that last are heard, those that were struck are not.
        The bytes depend on neither `block_frames` nor the machine's load.
        """
        waiting: list[NDArray[np.float32]] = []
        held = 0
        for chunk in _Performance(playing, sample_rate, from_seconds).chunks():
            waiting.append(chunk)
            held += chunk.shape[1]
            if held < block_frames:
                continue
            whole = waiting[0] if len(waiting) == 1 else np.concatenate(waiting, axis=1)
            for at in range(0, held - block_frames + 1, block_frames):
                yield np.ascontiguousarray(whole[:, at : at + block_frames])
            held %= block_frames
            waiting = [whole[:, whole.shape[1] - held :]] if held else []
        if held:
            yield np.ascontiguousarray(np.concatenate(waiting, axis=1))


class _Performance:
    """One way through a piece: the notes that sound now, and what comes next."""

    def __init__(self, playing: Playing, rate: int, from_seconds: float):
        self._playing, self._rate, self._from = playing, rate, from_seconds
        kit = sounds()
        self._kit = kit
        self._sounds = [None if t.is_drum else kit.programs[t.program] for t in playing.tracks]
        self._struck = struck_voices(rate)
        self._plucked = plucked_voices(rate)
        self._tones = tone_voices(rate)
        pans = _places(self._sounds)
        self._controls = Controls(playing, pans, rate)
        self._tracks = np.zeros((len(playing.tracks), TRACK_COLUMNS))
        for n, (track, sound) in enumerate(zip(playing.tracks, self._sounds, strict=True)):
            self._tracks[n] = track_row(sound or Sound("drums"), track.stem, pans[n], rate)
        shape = (len(playing.tracks), 2)
        self._bus = np.zeros((*shape, CHUNK), np.float32)
        self._delay = np.zeros((*shape, DELAY), np.float32)
        self._last_heard = np.full(len(playing.tracks), -(2**40))
        self._room = Room(len(playing.stems), rate)
        self._silence = np.zeros((len(playing.stems), CHUNK, 2), np.float32)
        self._silence.flags.writeable = False
        self._starts = (playing.start_seconds - from_seconds) * rate
        self._ends = (playing.end_seconds - from_seconds) * rate
        self._next = int(np.searchsorted(self._starts, 0.0))

    def chunks(self) -> Iterator[NDArray[np.float32]]:
        """Sound in chunks, the last one cut where all is silent."""
        self._cut_in()
        first = 0
        # Never past the music and the longest tail; never before the music is over.
        over = max(int((self._playing.seconds - self._from) * self._rate), 0)
        last = over + int(TAIL_SECONDS * self._rate)
        while first < last:
            self._begin_notes(first)
            chunk = self._silence if self._is_silent(first) else self._sound(first)
            sounds_on = self._next < len(self._starts) or self._room.sounds
            sounds_on = sounds_on or any(len(v) for v in self._kinds)
            stop = first + CHUNK
            if stop > last - self._rate:
                left = (last - np.arange(first, stop)) / self._rate
                chunk = chunk * np.clip(left, 0.0, 1.0).astype(np.float32)[:, None]
            if stop >= last or (stop >= over and not sounds_on):
                yield chunk[:, : last - first]
                return
            yield chunk
            first = stop

    @property
    def _kinds(self) -> tuple[Voices, ...]:
        return self._struck, self._plucked, self._tones

    def _is_silent(self, first: int) -> bool:
        """Whether nothing sounds, nor is held by an effect or a room: nothing need be computed."""
        if self._room.sounds or any(len(kind) for kind in self._kinds):
            return False
        return not bool((self._last_heard >= first - CHUNK).any())

    def _sound(self, first: int) -> NDArray[np.float32]:
        """The chunk that begins at frame `first`, (stems, frames, 2)."""
        controls = self._controls
        controls.work_out(first, self._from)
        stems = len(self._playing.stems)
        dry, send = np.zeros((2, stems, 2, CHUNK), np.float32)
        sounded: set[int] = set()
        for kind in self._kinds:
            sounded |= kind.sound(controls.ratio, self._bus, first)
        for track in sounded:
            self._last_heard[track] = first
        # What an effect still holds is heard for a while after the last note.
        active = np.flatnonzero(self._last_heard >= first - CHUNK)
        if len(active):
            BLEND.form(
                active, self._tracks, self._delay, controls.gain, controls.pan, self._bus, dry,
                send, first,
            )  # fmt: skip
        self._room.add(send, dry, first)
        dry *= np.float32(MIX_LEVEL)
        return np.ascontiguousarray(dry.transpose(0, 2, 1))

    def _begin_notes(self, first: int) -> None:
        starts, stop = self._starts, first + CHUNK
        while self._next < len(starts) and starts[self._next] < stop:
            self._begin(self._next, max(round(starts[self._next]), first))
            self._next += 1

    def _cut_in(self) -> None:
        """Let those notes begin that sound already and last."""
        playing = self._playing
        for n in np.flatnonzero(self._ends[: self._next] > 0.05 * self._rate):
            if isinstance(self._sounds[playing.track[n]], Tone):
                self._begin(int(n), 0)

    def _begin(self, n: int, start: int) -> None:
        playing, rate = self._playing, self._rate
        track = int(playing.track[n])
        key, velocity = int(playing.pitch[n]), int(playing.velocity[n])
        end = max(float(self._ends[n]), start + 0.01 * rate)
        sound = self._sounds[track]
        chance = n * 2654435761 % 4294967296
        if sound is None:
            sound, end = self._begin_drum(track, key, start)
        note = prepared(sound, key, velocity, (chance >> 13) % VARIANTS, rate)
        voices = self._voices_of(sound)
        if not isinstance(sound, Tone):
            voices.choke(track, frozenset((key,)), start, AGAIN_SECONDS)
        reals = voices.start(note, track, key, start, end)
        reals[GAIN] *= amplitude(((chance >> 8) % 1024 / 1023.0 - 0.5) * 1.2)
        if isinstance(sound, Tone):
            reals[ATTACK] = min(reals[ATTACK], 0.6 * (end - start))
        else:
            reals[TUNE] = 2.0 ** (((chance >> 18) % 1024 / 1023.0 - 0.5) * 1.2 / 1200.0)

    def _begin_drum(self, track: int, key: int, start: int) -> tuple[Sound, float]:
        """The sound of a drum key, and when its note ends: not when the score says."""
        kit: Kit = self._kit
        sound = kit.drums.get(key) or kit.drums[OTHER_DRUM]
        if key in kit.chokes:
            self._struck.choke(track, kit.chokes[key], start, CHOKE_SECONDS)
        hold = sound.hold if isinstance(sound, Struck) else 0.0
        return sound, start + (hold or 60.0) * self._rate

    def _voices_of(self, sound: Sound) -> Voices:
        if isinstance(sound, Struck):
            return self._struck
        return self._plucked if isinstance(sound, Plucked) else self._tones


def _places(sounds_of: list[Sound | None]) -> Reals:
    """Where each track stands if the score says nothing.

    As its sound likes, on the side that it likes unless those before have made that the fuller one.
    """
    pans = np.zeros(len(sounds_of))
    for n, sound in enumerate(sounds_of):
        if sound is not None and sound.pan:
            leaning = float(pans[:n].sum())
            pans[n] = sound.pan
            if leaning * sound.pan > 0.0 and abs(leaning) > abs(sound.pan) / 2.0:
                pans[n] = -sound.pan
    return pans
