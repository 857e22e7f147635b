"""Showing how far a training is: a live panel, or lines for logs.

Knows figures only, nothing of networks.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Any, Protocol, TextIO

from ..errors import UsageError

LINE_SECONDS = 10.0
"""A log gets a line of figures this often at most."""


@dataclass(frozen=True, slots=True)
class Figures:
    """How far a training is. What is not known yet is None.

    `done` is the share of the training that is over, `epoch` how often the corpus was heard.
    """

    step: int
    steps: int | None
    done: float
    loss: float
    bits_per_note: float
    tokens_per_second: float
    epoch: float
    epoch_seconds: float
    seconds: float
    left_seconds: float | None
    best_bits_per_note: float | None = None
    grammar: float | None = None
    rate: float = 0.0


class Report(Protocol):
    """Something that is told how a training goes."""

    def figures(self, figures: Figures, /) -> None:
        """How far it is, after each step."""

    def note(self, sentence: str, /) -> None:
        """Something worth a sentence: a choice, a warning, a better model."""

    def close(self) -> None:
        """The training has ended."""


class Silent:
    """Tells nobody."""

    def figures(self, _figures: Figures, /) -> None:
        """Nothing."""

    def note(self, _sentence: str, /) -> None:
        """Nothing."""

    def close(self) -> None:
        """Nothing."""


class Lines:
    """A line now and then."""

    def __init__(self, file: TextIO | None = None, seconds: float = LINE_SECONDS) -> None:
        self._file, self._seconds = file or sys.stderr, seconds
        self._told_at: float | None = None

    def figures(self, figures: Figures, /) -> None:
        """A line, where the last one is old enough."""
        if self._told_at is None or figures.seconds - self._told_at >= self._seconds:
            self._told_at = figures.seconds
            print(line_of(figures), file=self._file, flush=True)

    def note(self, sentence: str, /) -> None:
        """The sentence."""
        print(sentence, file=self._file, flush=True)

    def close(self) -> None:
        """Nothing is left to do."""


class Panel:
    """A panel that stays where it is on a terminal, with sentences above it."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.live import Live

        self._live = Live(console=Console(stderr=True), refresh_per_second=4, transient=True)

    def figures(self, figures: Figures, /) -> None:
        """The panel with these figures."""
        self._live.update(panel_of(figures))
        self._live.start()

    def note(self, sentence: str, /) -> None:
        """The sentence above it."""
        self._live.console.print(sentence, markup=False, highlight=False)

    def close(self) -> None:
        """Take the panel away."""
        self._live.stop()


def report_for(plain: bool) -> Report:
    """A panel on a terminal, lines elsewhere or where they are wanted."""
    return Lines() if plain or not sys.stderr.isatty() else Panel()


def panel_of(figures: Figures) -> Any:
    """The panel, for rich to draw."""
    from rich.panel import Panel as Frame
    from rich.progress_bar import ProgressBar
    from rich.table import Table
    from rich.text import Text  # marks in words would be shown as they are beside a note

    table = Table.grid(padding=(0, 2), expand=True)
    for _ in range(4):
        table.add_column()
    said = _said(figures)
    cells = [cell for name, value in said for cell in (Text(name, "dim"), Text(value))]
    for at in range(0, len(cells), 4):
        table.add_row(*cells[at : at + 4])
    grid = Table.grid(expand=True)
    grid.add_row(ProgressBar(1.0, min(figures.done, 1.0)))
    grid.add_row(table)
    return Frame(grid, title="training", width=72)


def line_of(figures: Figures) -> str:
    """The figures as one line."""
    return ", ".join(f"{name} {value}" for name, value in _said(figures))


def _said(figures: Figures) -> list[tuple[str, str]]:
    of = f" of {figures.steps:,}" if figures.steps else ""
    left = "?" if figures.left_seconds is None else clock(figures.left_seconds)
    said = [
        ("step", f"{figures.step:,}{of}"),
        ("loss", f"{figures.loss:.3f}"),
        ("bits per note", f"{figures.bits_per_note:.2f}"),
        ("tokens/s", f"{figures.tokens_per_second:,.0f}"),
        ("epoch", f"{figures.epoch:.2f}, {clock(figures.epoch_seconds)} each"),
        ("time left", left),
    ]
    if figures.best_bits_per_note is not None:
        said.append(("validation", f"{figures.best_bits_per_note:.3f} bits per note"))
    if figures.grammar is not None:
        said.append(("grammar", f"{figures.grammar:.2f}"))
    return said


def clock(seconds: float) -> str:
    """A time as minutes and seconds, and hours where there are some."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def board_writer(folder: str) -> Any:
    """What writes the log of TensorBoard. Raises `UsageError` where it is not installed."""
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise UsageError(
            f"--tensorboard {folder} needs TensorBoard, which is not installed; "
            "`pip install tensorboard` installs it"
        ) from error
    return SummaryWriter


class Board:
    """TensorBoard's log of the history. Raises `UsageError` where it is not installed."""

    def __init__(self, folder: str) -> None:
        self._writer: Any = board_writer(folder)(folder)

    def row(self, row: dict[str, Any]) -> None:
        """The figures of a row of the history."""
        for name, value in row.items():
            if name != "step" and isinstance(value, int | float):
                self._writer.add_scalar(name, value, row["step"])

    def close(self) -> None:
        """Write what is left."""
        self._writer.close()
