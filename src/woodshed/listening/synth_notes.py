"""Notes out of sounds: what a pitch and a velocity make of a sound's parameters.

The same sound, pitch, velocity and variant are the same note, so notes are kept for the next time.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from . import synth_plucked as plucked
from . import synth_struck as struck
from . import synth_tones as tones
from .synth_sounds import Plucked, Sound, Struck, Tone
from .synth_voices import FADE, GAIN, LEFT, NOW, RIGHT, TUNE, Prepared

VARIANTS = 4
"""Forms that a note takes by turns, so that repeated notes are not the same sound."""

TO_E = 1.0 / 6.907755
"""A fall by 60 decibels in falls by a factor e."""

REFERENCE_VELOCITY = 80
MOST_VIBRATO_HERTZ = 3.0
"""Vibrato is never wider, so that high notes stay in tune and do not wobble."""

LOOSE_HERTZ = 220.0
"""Below this, players of a section are less out of tune with each other, in proportion."""

DOUBLED = 18
"""So many partials of a note with several strings have all of them; higher ones die too soon."""

FOLLOWER = 0.5
"""How loud other players of a section are beside the one in the middle, who keeps it in tune."""

FOLLOWERS = 0.35
"""How loud all players on one side of a section are together, beside the one in the middle."""

LAG = 0.15
"""By how much of a period others of a section begin before or after the one in the middle."""

HIGHEST_HERTZ = 16_000.0

INTO_AMPLIFIER = -18.0
"""The level of sounds with an amplifier before it; their own level is what comes out of it."""

Reals = NDArray[np.float64]


def hertz_of(pitch: float) -> float:
    """The frequency of a MIDI pitch, A4 at 440 Hz."""
    return float(440.0 * 2.0 ** ((pitch - 69.0) / 12.0))


def amplitude(decibels: float) -> float:
    """The factor that so many decibels are."""
    return float(10.0 ** (decibels / 20.0))


@lru_cache(maxsize=1024)
def prepared(sound: Sound, pitch: int, velocity: int, variant: int, rate: int) -> Prepared:
    """A note of a sound, ready for the voices of its kind."""
    if isinstance(sound, Struck):
        return _struck(sound, pitch, velocity, variant, rate)
    if isinstance(sound, Plucked):
        return _plucked(sound, pitch, velocity, variant, rate)
    assert isinstance(sound, Tone)
    return _tone(sound, pitch, velocity, variant, rate)


def _common(sound: Sound, columns: int, pitch: int, velocity: int, rate: int) -> Reals:
    reals = np.zeros(columns)
    place = sound.place
    if not isinstance(sound, Tone):
        place += sound.spread * (pitch - 60) / 30.0
    angle = (1.0 + min(max(place, -1.0), 1.0)) * math.pi / 4.0
    reals[LEFT], reals[RIGHT] = math.sqrt(2.0) * math.cos(angle), math.sqrt(2.0) * math.sin(angle)
    level = INTO_AMPLIFIER if sound.drive else sound.level
    reals[GAIN] = amplitude(level) * (velocity / 127.0) ** sound.touch
    reals[FADE] = max(sound.release, 0.005) * rate * TO_E
    reals[TUNE], reals[NOW] = 1.0, 0.0
    return reals


def _highest(rate: int) -> float:
    """The highest partial that is worth its while, and does not come back as another."""
    return min(HIGHEST_HERTZ, 0.42 * rate)


def _moved(hertz: float, octaves: float, velocity: int, track: float, pitch: float) -> float:
    """A cutoff where velocity and pitch move it to."""
    by = octaves * (velocity - REFERENCE_VELOCITY) / 64.0 + track * (pitch - 60.0) / 12.0
    return float(hertz * 2.0**by)


# --- struck


def _struck(sound: Struck, pitch: int, velocity: int, variant: int, rate: int) -> Prepared:
    chance = np.random.default_rng([pitch, variant, 1])
    reals = _common(sound, struck.COLUMNS, pitch, velocity, rate)
    base = sound.hertz or hertz_of(pitch)
    keyed = 60.0 if sound.hertz else float(pitch)
    ratios, amplitudes, falls = _modes(sound, base, keyed)
    hertz = ratios * base
    cutoff = _moved(sound.hammer, sound.hammer_octaves, velocity, sound.hammer_track, keyed)
    amplitudes = amplitudes / (1.0 + (hertz / cutoff) ** 2) ** (sound.hammer_slope / 2.0)
    if not sound.hertz and len(amplitudes):
        amplitudes /= math.sqrt(float(np.square(amplitudes).sum())) + 1e-9
    amplitudes = amplitudes * (1.0 + 0.08 * chance.standard_normal(len(amplitudes)))
    fall = sound.fall * 2.0 ** (-sound.fall_slope * (keyed - 60.0) / 12.0)
    lasts = falls * fall / (1.0 + sound.damping * np.maximum(hertz - hertz.min(initial=0), 0) / 1e3)

    rows = [(hertz, amplitudes, lasts)]
    if sound.strings > 1 or sound.aftersound:
        cents = sound.detune * _apart(max(sound.strings, 2))
        shares = np.full(len(cents), FOLLOWER)
        shares[0] = 1.0
        shares /= shares.sum()
        slower = np.ones(len(cents))
        if sound.aftersound:
            shares *= (1.0 - sound.aftersound) / (1.0 - shares[-1])
            shares[-1], slower[-1] = sound.aftersound, sound.slower
        centre = float((cents * shares).sum() / shares.sum())
        most = [None, *(DOUBLED for _ in cents[1:])]  # of high partials one will do
        rows = [
            (hertz[:m] * 2.0 ** ((c - centre) / 1200.0), amplitudes[:m] * share, lasts[:m] * slow)
            for c, share, slow, m in zip(cents, shares, slower, most, strict=True)
        ]
    hertz, amplitudes, lasts = (np.concatenate(column) for column in zip(*rows, strict=True))
    heard = (hertz < _highest(rate)) & (np.abs(amplitudes) > 1e-4)
    hertz, amplitudes, lasts = hertz[heard], amplitudes[heard], lasts[heard]
    hertz, amplitudes, lasts = (a[: struck.MOST_MODES] for a in (hertz, amplitudes, lasts))

    stand = np.zeros((len(hertz), 2))
    stand[:, 0] = amplitudes
    reals[struck.MODES] = len(hertz)
    reals[struck.TUNED] = -1.0
    reals[struck.ATTACK] = sound.attack * rate
    reals[struck.SEED] = chance.integers(1, 2**31)
    if sound.sweep:
        reals[struck.SWEEP] = 2.0 ** (sound.sweep[0] / 12.0) - 1.0
        reals[struck.SWEEP] *= 0.4 + 0.6 * velocity / 100.0
        reals[struck.SWEEP_FRAMES] = sound.sweep[1] * rate / 3.0
    for n, noise in enumerate(sound.noises):
        _set_noise(reals, struck.NOISE + n * struck.NOISE_COLUMNS, noise, velocity, rate)
    if pitch >= sound.undamped_from:
        reals[FADE] = 4.0 * rate
    arrays = {
        "angle": 2.0 * math.pi * hertz / rate,
        "shrink": np.exp(-1.0 / (np.maximum(lasts, 0.01) * rate * TO_E)),
        "stand": stand,
    }
    return Prepared(reals, arrays)


def _modes(sound: Struck, base: float, keyed: float) -> tuple[Reals, Reals, Reals]:
    """Ratio, amplitude and share of the fall of every mode."""
    if sound.series:
        k = np.arange(1.0, 1.0 + min(sound.series, max(1.0, HIGHEST_HERTZ / base)))
        # Stiff at both ends: short strings are, and so are the wound ones of the lowest octaves.
        stiff = sound.stiffness * (2.0 ** ((keyed - 60.0) / 7.5) + 0.35 * 2.0 ** (-keyed / 16.0))
        ratios = k * np.sqrt((1.0 + stiff * k * k) / (1.0 + stiff))
        shape = np.abs(np.sin(math.pi * k * sound.hammer_at)) + 0.08
        return ratios, shape / np.sqrt(k), np.ones(len(k))
    if sound.cluster:
        count, low, high, tilt = sound.cluster
        chance = np.random.default_rng([int(count), int(low * 100)])
        ratios = low * (high / low) ** ((np.arange(count) + chance.random(int(count))) / count)
        amplitudes = amplitude(tilt) ** np.log2(ratios / low) * (0.5 + chance.random(int(count)))
        return ratios, amplitudes / math.sqrt(count), 0.6 + 0.8 * chance.random(int(count))
    table = np.array(sound.modes, np.float64).reshape(-1, 3)
    return table[:, 0], table[:, 1], table[:, 2]


def _set_noise(reals: Reals, at: int, noise: tuple[float, ...], velocity: int, rate: int) -> None:
    level, kind, hertz, q, fall, rise, bursts, spacing, short = (
        (*noise, 0, 1, 1, 0.01)[:9]
        if (len(noise) == 5)
        else (*noise, *(0.0, 1.0, 1.0, 0.01)[len(noise) - 5 :])
    )
    hertz = min(hertz * 2.0 ** (0.6 * (velocity - REFERENCE_VELOCITY) / 64.0), 0.4 * rate)
    reals[at + struck.LEVEL] = amplitude(level) * (0.3 + 0.7 * velocity / 127.0)
    reals[at + struck.SHORT_FALL] = short * rate * TO_E
    reals[at + struck.FALL] = fall * rate * TO_E
    reals[at + struck.RISE] = rise * rate
    reals[at + struck.BURSTS] = bursts
    reals[at + struck.SPACING] = spacing * rate
    filtering = noise_filter(int(kind), hertz, q, rate)
    reals[at + struck.B0 : at + struck.A2 + 1] = filtering


@lru_cache(maxsize=512)
def noise_filter(kind: int, hertz: float, q: float, rate: int) -> Reals:
    """Five coefficients of a filter: 0 low-pass, 1 band-pass, 2 high-pass.

    White noise between -1 and 1 comes out of it with a root mean square of 1.
    """
    w = 2.0 * math.pi * min(hertz, 0.45 * rate) / rate
    alpha, c = math.sin(w) / (2.0 * q), math.cos(w)
    above = {
        0: ((1 - c) / 2, 1 - c, (1 - c) / 2),
        1: (alpha, 0.0, -alpha),
        2: ((1 + c) / 2, -1 - c, (1 + c) / 2),
    }[kind]
    up, down = np.array(above) / (1.0 + alpha), np.array((1.0 + alpha, -2 * c, 1 - alpha))
    down /= down[0]
    z = np.exp(-1j * np.pi * (np.arange(2048) + 0.5) / 2048)
    answer = np.abs(np.polyval(up[::-1], z) / np.polyval(down[::-1], z))
    up *= math.sqrt(3.0 / float(np.square(answer).mean()))
    return np.concatenate((up, down[1:]))


# --- plucked


def _plucked(sound: Plucked, pitch: int, velocity: int, variant: int, rate: int) -> Prepared:
    reals = _common(sound, plucked.COLUMNS, pitch, velocity, rate)
    hertz = hertz_of(pitch)
    omega = 2.0 * math.pi * hertz / rate
    first = _period(sound, pitch, velocity, variant, rate)
    reals[plucked.OMEGA], reals[plucked.TUNED] = omega, -1.0
    reals[plucked.PLUCK_FRAMES] = len(first)
    reals[plucked.COUNT] = 2 if sound.second else 1
    fall = sound.fall * 2.0 ** (-sound.fall_slope * (pitch - 60.0) / 12.0)
    for k in range(int(reals[plucked.COUNT])):
        at = plucked.STRING + k * plucked.STRING_COLUMNS
        lasts = fall * (sound.second_fall if k else 1.0)
        ratio = sound.octave if k else 1.0
        keep, smooth = _losses(hertz * ratio, lasts, lasts * sound.high_fall, rate)
        reals[at + plucked.KEEP], reals[at + plucked.SMOOTH] = keep, smooth
        # Around the pitch by their loudness, so that together they are in tune.
        cents = sound.detune * (1.0 - sound.second if k else -sound.second)
        reals[at + plucked.DETUNE] = 2.0 ** (cents / 1200.0) * ratio
        reals[at + plucked.SHARE] = sound.second if k else 1.0 - sound.second
    return Prepared(reals, {"excitation": first})


def _losses(hertz: float, low_fall: float, high_fall: float, rate: int) -> tuple[float, float]:
    """Gain and pole of the string's filter: falls at the pitch, and at 4 kHz or two octaves up."""
    low = 10.0 ** (-3.0 / (low_fall * hertz))
    upper = min(max(4000.0, 4.0 * hertz), 0.45 * rate)
    high = 10.0 ** (-3.0 / (high_fall * hertz))
    if upper < 1.5 * hertz:
        return min(low, 0.9999), 0.0
    at, above = math.cos(2 * math.pi * hertz / rate), math.cos(2 * math.pi * upper / rate)
    ratio = max((high / low) ** 2, 1e-3)
    middle = (at - ratio * above) / (1.0 - ratio)
    smooth = middle - math.sqrt(max(middle * middle - 1.0, 0.0))
    passed = (1.0 - smooth) / math.sqrt(1.0 + smooth * smooth - 2.0 * smooth * at)
    return min(low / passed, 0.99999), smooth


def _period(sound: Plucked, pitch: int, velocity: int, variant: int, rate: int) -> Reals:
    """The first period: the partials that this finger or plectrum wakes."""
    hertz = hertz_of(pitch)
    size = max(int(rate / hertz + 0.5), 3)
    k = np.arange(1.0, size // 2 + 1)
    cutoff = _moved(sound.bright, sound.bright_octaves, velocity, sound.bright_track, pitch)
    spectrum = np.abs(np.sin(math.pi * k * sound.pick_at)) + 0.03
    spectrum *= k ** (-sound.tilt / 6.02) / (1.0 + (k * hertz / cutoff) ** 4) ** 0.5
    spectrum[k * hertz > _highest(rate)] = 0.0
    spectrum /= math.sqrt(float(np.square(spectrum).sum())) + 1e-9
    chance = np.random.default_rng([pitch, variant, 2])
    # Partials that begin one after another, not all at once: no spike at each period.
    effective = float(spectrum.sum()) ** 2
    phases = -math.pi * k * k / max(effective, 2.0) + 0.5 * chance.uniform(-1.0, 1.0, len(k))
    phases *= sound.roughness
    bins = np.zeros(size // 2 + 1, np.complex128)
    bins[1:] = spectrum * np.exp(1j * phases)
    wave: Reals = np.fft.irfft(bins, size) * size / math.sqrt(2.0)
    # Turned so that the string is quietest where it is first heard.
    quiet = int(np.argmin(np.convolve(np.abs(np.tile(wave, 2)), np.ones(8), "same")[:size]))
    return np.roll(wave, -quiet)[: plucked.LINE]


# --- tones


def _tone(sound: Tone, pitch: int, velocity: int, variant: int, rate: int) -> Prepared:
    chance = np.random.default_rng([pitch, variant, 3])
    reals = _common(sound, tones.COLUMNS, pitch, velocity, rate)
    hertz = hertz_of(pitch)
    touch = 1.0 - sound.bright_touch + sound.bright_touch * (velocity / 127.0) ** 1.2 * 1.3
    reals[tones.COUNT] = players = min(sound.players, tones.OSCILLATORS)
    reals[tones.ATTACK] = max(sound.attack, 0.002) * rate * (1.25 - 0.5 * velocity / 127.0)
    reals[tones.DECAY] = max(sound.decay, 0.01) * rate * TO_E
    reals[tones.SUSTAIN] = sound.sustain
    reals[tones.BRIGHT_START] = min(sound.bright_start * touch, 1.2)
    reals[tones.BRIGHT_LAST] = min(sound.bright_last * touch, 1.2)
    reals[tones.BRIGHT_FRAMES] = max(sound.bright_time, 0.003) * rate
    cents = math.log(2.0) / 1200.0
    if sound.vibrato:
        depth, speed, since, shiver = (*sound.vibrato, 0.0)[:4]
        depth = min(depth, MOST_VIBRATO_HERTZ / hertz / cents)
        reals[tones.VIBRATO] = depth * cents
        reals[tones.VIBRATO_STEP] = 2.0 * math.pi * speed * chance.uniform(0.95, 1.05) / rate
        reals[tones.VIBRATO_FROM] = max(since, 0.01) * rate
        reals[tones.SHIVER] = shiver / max(depth * cents, 1e-9)
    if sound.scoop:
        reals[tones.SCOOP] = sound.scoop[0] * 100.0 * cents
        reals[tones.SCOOP_FRAMES] = sound.scoop[1] * rate
    if sound.breath:
        level, centre, q = sound.breath
        harder = (velocity - REFERENCE_VELOCITY) / 64.0
        reals[tones.BREATH] = amplitude(level + 2.0 * harder)
        centre = (centre if centre > 50 else centre * hertz) * 2.0 ** (0.6 * harder)
        coefficients = noise_filter(1, centre, q, rate)
        reals[tones.BREATH_B] = coefficients[0]
        reals[tones.BREATH_A1], reals[tones.BREATH_A2] = coefficients[3:]
        if sound.chiff:
            reals[tones.CHIFF] = amplitude(sound.chiff[0])
            reals[tones.CHIFF_FRAMES] = sound.chiff[1] * rate
    reals[tones.SEED] = chance.integers(1, 2**31)

    oscillators = _oscillators(sound, players, hertz, rate, chance)
    return Prepared(reals, {"oscillators": oscillators, "table": _tables(sound, pitch, rate)})


def _oscillators(
    sound: Tone, players: int, hertz: float, rate: int, chance: np.random.Generator
) -> Reals:
    """The players of a tone: one in the middle, the others in pairs around that one.

    The two of a pair mirror each other in place, tuning, drift and phase. So the waves of a pair
    add up to one at the pitch itself, only louder and fainter, and left is as loud as right.
    """
    oscillators = np.zeros((players, 7))
    apart = _apart(players)
    others = np.arange(1, players)
    pair, side = (others - 1) // 2, np.where(others % 2 == 1, -1.0, 1.0)
    pairs = max(players // 2, 1)
    ratios = np.array((sound.octaves + (1.0,) * players)[:players])
    # So low that a cent is less than a beat in many seconds, players keep together.
    together = min(hertz / LOOSE_HERTZ, 1.0)
    ratios = ratios * 2.0 ** (sound.detune * together * apart / 1200.0)
    turns = chance.random() + np.append(0.0, side * chance.uniform(-LAG, LAG, pairs)[pair])
    oscillators[:, tones.PHASE] = np.floor(turns % 1.0 * tones.PERIOD) * tones.PARTS
    oscillators[:, tones.STEP] = tones.PERIOD * hertz / rate * ratios
    angle = (1.0 + 2.0 * sound.spread * apart) * math.pi / 4.0
    share = np.full(players, FOLLOWERS / pairs)
    share[0] = 1.0
    # They begin nearly together, so they are a little louder than players each for themselves.
    apart_power = float(np.square(share).sum())
    share *= math.sqrt(2.0 / (apart_power + 0.12 * (float(share.sum()) ** 2 - apart_power)))
    oscillators[:, tones.WEST] = share * np.cos(angle)
    oscillators[:, tones.EAST] = share * np.sin(angle)
    cents = math.log(2.0) / 1200.0
    alone = min(sound.drift, 1.0) if players == 1 else 0.0
    oscillators[:, tones.DRIFT] = np.append(alone, side * sound.drift * together) * cents
    turns = np.append(chance.random(), chance.random(pairs)[pair])
    oscillators[:, tones.DRIFT_PHASE] = 2.0 * math.pi * turns
    speed = np.append(chance.uniform(0.2, 0.7), chance.uniform(0.2, 0.7, pairs)[pair])
    oscillators[:, tones.DRIFT_STEP] = 2.0 * math.pi * speed / rate
    return oscillators


def _apart(players: int) -> Reals:
    """Where players stand between -0.5 and 0.5: the first in the middle, others by turns around.

    One who is left over is in the middle, too, if there are pairs.
    """
    others = np.arange(players - 1)
    pairs = max((players - 1) // 2, 1)
    around = np.where(others % 2 == 0, -0.5, 0.5) * (1.0 - others // 2 / (pairs + 0.5))
    if players % 2 == 0 and players > 2:
        around[-1] = 0.0
    return np.append(0.0, around)


@lru_cache(maxsize=512)
def _tables(sound: Tone, pitch: int, rate: int) -> NDArray[np.float32]:
    """The dark table, and what the bright one has more, of one pitch: no partial above hearing."""
    hertz = hertz_of(pitch)
    highest = max((ratio for ratio in sound.octaves), default=1.0)
    most = max(1, min(int(_highest(rate) / hertz / max(highest, 1.0)), tones.PERIOD // 4))
    k = np.arange(1.0, most + 1)
    spectrum = _spectrum(sound, k) * k ** (sound.tilt / 6.02)
    if sound.formants:
        heard = np.full(len(k), 0.004)
        for centre, width, decibels in sound.formants:
            heard += amplitude(decibels) / (1.0 + ((k * hertz - centre) / (width / 2)) ** 2) ** 0.7
        spectrum = spectrum * heard
    moved = 2.0 ** (sound.track * (pitch - 60.0) / 12.0)
    phases = np.random.default_rng([pitch, 4]).uniform(-math.pi, math.pi, len(k))
    tables = []
    for cutoff in (sound.dark, sound.bright):
        bins = np.zeros(tones.PERIOD // 2 + 1, np.complex128)
        loud = spectrum / (1.0 + (k * hertz / (cutoff * moved)) ** 2) ** (sound.slope / 2.0)
        loud /= math.sqrt(float(np.square(loud).sum())) + 1e-12
        bins[1 : most + 1] = loud * np.exp(1j * phases)
        wave = np.fft.irfft(bins, tones.PERIOD) * tones.PERIOD / math.sqrt(2.0)
        tables.append(np.append(wave, wave[:2]))
    dark, bright = tables
    return np.stack((dark, bright - dark), axis=1).astype(np.float32)


def _spectrum(sound: Tone, k: Reals) -> Reals:
    odd = k % 2 == 1
    if sound.partials:
        loud = np.zeros(len(k))
        for ratio, size in sound.partials:
            if ratio <= len(k):
                loud[int(ratio) - 1] = size
        if not loud.any():
            loud[0] = 1.0
        return loud
    shapes = {
        "saw": 1.0 / k,
        "square": np.where(odd, 1.0 / k, 0.0),
        "hollow": np.where(odd, 1.0 / k, 0.12 / k),
        "pulse": np.abs(np.sin(math.pi * k * 0.18)) / k,
        "triangle": np.where(odd, 1.0 / k**2, 0.0),
        "glottis": 1.0 / k**1.5,
        "flat": np.ones(len(k)),
    }
    return np.asarray(shapes[sound.shape])
