"""What turns notes into sound: the built-in synthesiser, or FluidSynth with a soundfont.

An engine yields blocks of samples, a stem for each slot, neither normalised nor mixed.
"""

from __future__ import annotations

import contextlib
import functools
import threading
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol, get_args

from ..errors import UsageError, WoodshedError
from .playing import Playing

if TYPE_CHECKING:
    from .mix import Block

SynthChoice = Literal["auto", "builtin", "fluidsynth"]

BLOCK_FRAMES = 4096


class EngineFailed(Exception):
    """An engine broke down while it played; another may take over."""


class Engine(Protocol):
    """Anything that plays: `blocks` of shape (stems, frames, 2), tails of the last notes included.

    `from_seconds` begins later in the piece; `block_frames` is the most frames in one block.
    """

    def blocks(
        self,
        playing: Playing,
        sample_rate: int = 44100,
        from_seconds: float = 0.0,
        block_frames: int = BLOCK_FRAMES,
    ) -> Iterator[Block]:
        """Play."""
        ...


@dataclass(frozen=True, slots=True)
class Chosen:
    """An engine, what to call it, its soundfont, and what had to be said about the choice."""

    engine: Engine
    name: str
    soundfont: str | None = None
    warnings: tuple[str, ...] = ()


def builtin() -> Chosen:
    """The built-in synthesiser, which needs nothing but Woodshed."""
    return Chosen(_synth(), "builtin")


def choose(synth: str = "auto", soundfont: str | None = None) -> Chosen:
    """The engine asked for; with "auto", FluidSynth where it and a soundfont are found.

    Raises `UsageError` or `BadFile` where what was asked for by name is not there: FluidSynth, or
    a soundfont that is one.
    """
    from .fluid import FluidSynth, find_program, program_fault
    from .soundfont import check_soundfont, find_soundfont

    if synth not in get_args(SynthChoice):
        raise UsageError(f"--synth {synth} is not known; use {', '.join(get_args(SynthChoice))}")
    if soundfont is not None:
        check_soundfont(soundfont)
        if synth == "builtin":
            raise UsageError(
                "the built-in synthesiser plays no soundfonts; drop --soundfont or --synth builtin"
            )
    if synth == "builtin":
        return builtin()
    wanted = synth == "fluidsynth" or soundfont is not None
    program = find_program()
    if program is None:
        if wanted:
            raise UsageError(
                "there is no program fluidsynth here, which plays soundfonts; install it (Debian: "
                "apt install fluidsynth, macOS: brew install fluid-synth) or use --synth builtin"
            )
        return builtin()
    font = soundfont or find_soundfont()
    if font is None:
        if wanted:
            raise UsageError(
                "there is no soundfont here; `woodshed fetch soundfont` brings one, "
                "or name yours with --soundfont"
            )
        return builtin()
    if (fault := program_fault(program)) is not None:
        warning = f"{fault}, so the built-in synthesiser plays instead"
        return Chosen(_synth(), "builtin", warnings=(warning,))
    return Chosen(FluidSynth(program, font), "fluidsynth", font)


def load_ahead(synth: str = "auto", soundfont: str | None = None) -> threading.Thread:
    """Load what the engine will need, in a thread of its own, while something else is done.

    For the built-in synthesiser that is machine code, which takes most of a second in a fresh
    process. What is wrong with the choice is left to `choose` to say.
    """

    def load() -> None:
        with contextlib.suppress(WoodshedError):
            if choose(synth, soundfont).name == "builtin":
                from .mix import load_kernels
                from .synth import Synth

                Synth.load()
                load_kernels()

    thread = threading.Thread(target=load, name="woodshed-load", daemon=True)
    thread.start()
    return thread


def stop(blocks: Iterator[Block]) -> None:
    """End an engine that is not to play on: it may hold processes."""
    if isinstance(blocks, Generator):
        blocks.close()


@functools.cache
def _synth() -> Engine:
    from .synth import Synth

    return Synth()
