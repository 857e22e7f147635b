"""Compiling loops ahead: once for each installation, beside the work that comes before them.

Run as a program, `python -m woodshed.recipes.learn_warm`, it does so as a part of installing.

Two programs run the whole way on a handful of pieces, so that everything meets the types it will
meet, and leave what was compiled on disk. Knows nothing of what is compiled.
"""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import Any, Self

PIECES = 12
"""Few, but enough for every branch of training: some are held out."""
PHASES = {"players": ("train", "generate"), "networks": ("networks",), "sound": ("render",)}
"""What each program compiles, in its order."""
ROOMS = {
    "players": ("models/ngram/*", "sampling/*"),
    "networks": ("models/neural/quick_transformer.*", "models/neural/quick_recurrent.play_mamba*"),
    "sound": ("listening/*",),
}
"""Where the loops of each lie: a room, and how the names of their modules begin."""


class Warming:
    """The programs that compile. Use it in a `with` block; leaving it ends them.

    A program that fails is no failure: then its loops are compiled when they are first called.
    """

    def __init__(self, language: str = "events", *, networks: bool = True) -> None:
        self.language, self.networks = language, networks
        self._done = {phase: threading.Event() for of in PHASES.values() for phase in of}
        self._programs: list[subprocess.Popen[str]] = []
        self._listeners: list[threading.Thread] = []
        self._folder = ""

    def __enter__(self) -> Self:
        for name, phases in PHASES.items():
            if (name == "networks" and not self.networks) or _is_compiled(name):
                for phase in phases:
                    self._done[phase].set()
                continue
            self._folder = self._folder or tempfile.mkdtemp(prefix="woodshed-")
            code = f"from woodshed.recipes.learn_warm import warm_{name} as w; w(*sys.argv[1:])"
            try:
                program = subprocess.Popen(
                    [sys.executable, "-c", f"import sys; {code}", self.language, self._folder],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.DEVNULL,
                    text=True,
                )
            except OSError:
                for phase in phases:
                    self._done[phase].set()
                continue
            self._programs.append(program)
            listener = threading.Thread(target=self._listen, args=(program, name), daemon=True)
            self._listeners.append(listener)
            listener.start()
        return self

    def __exit__(self, *_: object) -> None:
        for program in self._programs:
            program.terminate()
        for listener in self._listeners:
            listener.join()
        if self._folder:
            shutil.rmtree(self._folder, ignore_errors=True)

    def wait_for(self, phase: str) -> None:
        """Wait until the loops of a phase are compiled."""
        self._done[phase].wait()

    def _listen(self, program: subprocess.Popen[str], name: str) -> None:
        with program:
            assert program.stdout is not None
            for line in program.stdout:
                with contextlib.suppress(KeyError):
                    self._done[line.strip()].set()
        for phase in PHASES[name]:
            self._done[phase].set()


def _is_compiled(name: str) -> bool:
    """Whether loops were compiled after the last change; where none are found, they were not."""
    package = Path(__file__).parents[1]
    for room, modules in (pattern.rsplit("/", 1) for pattern in ROOMS[name]):
        kept = [
            path.stat().st_mtime for path in (package / room / "__pycache__").glob(f"{modules}.nbi")
        ]
        newest = max(path.stat().st_mtime for path in (package / room).glob("*.py"))
        if not kept or max(kept) < newest:
            return False
    return True


def warm_players(language: str, folder: str) -> None:
    """Train and generate on a few pieces, and say so on standard output."""
    from ..corpus.prepare import prepare
    from ..corpus.starter import write_starter
    from ..sampling.settings import SamplingSettings
    from .generate import generate
    from .train import train

    place = Path(folder)
    try:
        write_starter(place / "music", PIECES)
        prepare(place / "music", place / "dataset")
        train(place / "dataset", place / "model", language=language)
        _say("train")
        how_much: dict[str, Any] = {"bars": 1} if language == "events" else {"seconds": 2.0}
        generate(place / "model", None, SamplingSettings(**how_much, seed=1))
        _say("generate")
    finally:  # whoever began this may be gone
        shutil.rmtree(place, ignore_errors=True)


def warm_networks(_language: str, _folder: str) -> None:
    """Play small networks, where there is what they need, and say so on standard output."""
    import numpy as np

    from ..errors import WoodshedError
    from ..models.neural.config import BACKBONES, NetworkConfig
    from ..models.neural.needed import check_installed
    from ..models.playing import Playing

    with contextlib.suppress(WoodshedError):
        check_installed("transformer")
        from ..models.neural.network import Network
        from ..models.neural.players import player_of

        for backbone in BACKBONES:
            config = NetworkConfig(
                5, 8, 1, heads=0 if backbone == "lstm" else 1,
                kv_heads=int(backbone == "transformer"), feed_forward=8, context=8,
                backbone=backbone, state=0 if backbone == "transformer" else 4,
            )  # fmt: skip
            player = player_of(Network(config).eval(), Playing("compiled"))
            told = np.zeros(1, np.int64)
            player.log_shares(player.play(told, told, player.begin(1)))
    _say("networks")


def warm_sound(_language: str, _folder: str) -> None:
    """Render a few bars with the built-in synthesiser, and say so on standard output."""
    from ..corpus.starter import compose, make_plan
    from ..listening.render import render
    from ..listening.sound_settings import SoundSettings

    render(compose(make_plan(0, 1)), sound=SoundSettings(synth="builtin"), bars=2)
    _say("render")


def _say(phase: str) -> None:
    sys.stdout.write(phase + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    with Warming() as warming:
        for phases in PHASES.values():
            for phase in phases:
                warming.wait_for(phase)
