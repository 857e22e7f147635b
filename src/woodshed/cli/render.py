"""`woodshed render`: a MIDI file as a sound file."""

from __future__ import annotations

import math
import os
from typing import TYPE_CHECKING, Any

import click

from ..errors import UsageError
from ..listening.sound_settings import SoundSettings
from .audition import lineup_option
from .options import json_option, settings_options
from .output import clock, json_text, printable, progress_bar
from .sound_options import (
    from_zero,
    passage_options,
    programs_option,
    reader_options,
    taken_limits,
    taken_sound,
)

if TYPE_CHECKING:
    from ..listening.playing import Programs
    from ..listening.render import Rendering


@click.command()
@click.argument("file", metavar="FILE.mid")
@click.option(
    "-o",
    "--out",
    metavar="FILE",
    required=True,
    help="The sound file: .wav, .flac, .ogg or .mp3.",
)
@click.option("--stems", is_flag=True, help="Also a file for each slot; they sum to the mix.")
@click.option(
    "--bits",
    type=int,
    default=None,
    show_default="16",
    help="Bits a sample in WAV and FLAC: 16, 24, or 32 (WAV only, as floats).",
)
@passage_options
@lineup_option
@programs_option
@settings_options(SoundSettings)
@reader_options
@json_option
@click.option("--force", is_flag=True, help="Replace output files that exist.")
def render(
    file: str,
    out: str,
    stems: bool,
    bits: int | None,
    solo: tuple[str, ...],
    mute: tuple[str, ...],
    start_bar: int | None,
    bars: int | None,
    lineup: str,
    programs: Programs,
    as_json: bool,
    force: bool,
    **settings: Any,
) -> None:
    """Play a MIDI file into a sound file, with FluidSynth or with Woodshed's own synthesiser.

    Nothing needs to be installed. Every slot of the lineup has its sound, so that all files sound
    alike; --programs file keeps their own. docs/sound.md says more.

    \b
    Example:
      woodshed render blues.mid -o blues.wav
      woodshed render blues.mid -o blues.mp3 --mute voxlead --start-bar 5 --bars 12
      woodshed render blues.mid -o blues.flac --stems --soundfont piano.sf2
    """
    from ..listening import render as rendering

    sound = taken_sound(settings)
    if os.path.isdir(file):
        raise UsageError(f"{file} is a folder, and a file is wanted here")
    with progress_bar("rendering") as tell:
        result = rendering.render(
            file,
            out,
            sound=sound,
            lineup=lineup,
            programs=programs,
            solo=solo,
            mute=mute,
            start_bar=from_zero(start_bar),
            bars=bars,
            stems=stems,
            bits=bits,
            force=force,
            progress=tell,
            limits=taken_limits(settings),
        )
    for warning in result.warnings:
        click.echo(f"note: {printable(warning)}", err=True)
    if as_json:
        click.echo(json_text(_as_json(result)), nl=False)
    else:
        _show(result)


def _as_json(result: Rendering) -> dict[str, Any]:
    return {
        "paths": list(result.paths),
        "stem_paths": result.stem_paths,
        "seconds": round(result.seconds, 3),
        "sample_rate": result.sample_rate,
        "loudness_lufs": _figure(result.loudness_lufs),
        "peak_db": _figure(result.peak_db),
        "gain_db": _figure(result.gain_db),
        "limited_db": round(result.limited_db, 2),
        "engine": result.engine,
        "soundfont": result.soundfont,
        "warnings": list(result.warnings),
    }


def _figure(decibels: float) -> float | None:
    """Decibels for JSON, which has no word for silence."""
    return round(decibels, 2) if math.isfinite(decibels) else None


def _show(result: Rendering) -> None:
    level = "silence"
    if math.isfinite(result.loudness_lufs):
        level = f"{result.loudness_lufs:.1f} LUFS, peaks at {result.peak_db:.1f} dB"
    player = "the built-in synthesiser"
    if result.soundfont is not None:
        player = f"FluidSynth with {os.path.basename(result.soundfont)}"
    played = "" if result.engine == "none" else f", played by {printable(player)}"
    click.echo(f"{clock(result.seconds)}, {level}{played}")
    for path in result.paths:
        click.echo(f"written: {printable(path)}")
