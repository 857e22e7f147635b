"""Generate: play a model and write what comes, each piece with its provenance inside.

Knows nothing of flags, nor of what family a model is.
"""

from __future__ import annotations

import dataclasses
import math
import os
import queue
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..corpus.watch import Watch, unwatched
from ..errors import UsageError
from ..formats.files import check_output, write_whole
from ..formats.limits import Limits
from ..formats.midi_contained import read_contained
from ..models.family import NO_CONDITIONS, Conditions, Model
from ..models.mixed import Mixed
from ..models.playing import played_as
from ..music.score import Score
from ..sampling.accompaniment import around, check_request
from ..sampling.chance import drawn_seed
from ..sampling.engine import BATCH, Piece, Price
from ..sampling.header import Header
from ..sampling.particles import played
from ..sampling.prompt import Opening, opening
from ..sampling.provenance import Made, made
from ..sampling.result import bar_count, event_list, note_list
from ..sampling.settings import SamplingSettings
from ..sampling.tables import check_fit, most_tokens

ENDINGS = (".mid", ".midi")
MOST_PIECES, MOST_JOBS = 10_000, 256


@dataclass(frozen=True, slots=True)
class GeneratedPiece:
    """One piece: its file (None where it was only made), and its figures.

    `bars`, `notes` and `tokens` do not count a prompt's; `notes` are as they stand in the file.
    `seconds` is the length of the file. `bars` is None in a language without bars. `bits_per_note`
    is the price of legality for each new note.
    """

    path: str | None
    number: int
    bars: int | None
    notes: int
    seconds: float
    tokens: int
    price: Price
    bits_per_note: float
    ended_by: str
    made: Made


@dataclass(frozen=True, slots=True)
class Generated:
    """What was generated: the seed, the pieces, and sentences on what was asked for and changed."""

    seed: int
    settings: SamplingSettings
    pieces: tuple[GeneratedPiece, ...]
    said: tuple[str, ...]
    model_hash: str
    mix: Mapping[str, Any] | None = None
    events_path: str | None = None


def generate(
    model: str | os.PathLike[str] | Model,
    out: str | os.PathLike[str] | None = None,
    settings: SamplingSettings | None = None,
    *,
    count: int = 1,
    jobs: int = 1,
    prompt: str | os.PathLike[str] | Score | None = None,
    prompt_bars: int | None = None,
    only_new: bool = False,
    header: Header | None = None,
    conditions: Conditions = NO_CONDITIONS,
    given: str | os.PathLike[str] | Score | None = None,
    add: Sequence[str] = (),
    look_ahead: int | None = None,
    mix: float | None = None,
    mix_with: str | os.PathLike[str] | None = None,
    events: str | os.PathLike[str] | None = None,
    force: bool = False,
    limits: Limits | None = None,
    watch: Watch = unwatched,
) -> Generated:
    """Play `count` pieces and write them to `out`, or out-1.mid, out-2.mid … for several.

    `model` is a folder, or a model that is loaded. Without `out` nothing is written, and the bytes
    are in the result. `given` are parts to play around, `add` the slots that do, and `look_ahead`
    by how many ways. `mix` is the share of the n-gram model `mix_with`, or of the one beside, where
    `woodshed learn` made both. `events` is a JSON file for the events of all pieces. The same seed,
    model and settings give the same bytes, whatever `jobs` and `count` are. Raises `UsageError`
    for what contradicts the model or itself, and `OutputExists` without `force`.
    """
    settings = settings or SamplingSettings()
    _check_numbers(count, jobs)
    paths = _paths(out, count)
    named = [os.path.realpath(path) for path in (*paths, events) if path is not None]
    if len(set(named)) < len(named):
        raise UsageError(f"--events {events} is also the music's own name; choose another")
    for path in (*paths, events):
        if path is not None:
            check_output(path, force=force)
    models = _Models(model, min(jobs, count), mix, mix_with)
    info = models.any.info
    check_fit(info, settings)
    settings = _with_echo(models.any, settings)
    settings, said = models.play_as(settings)
    if only_new and prompt is None:
        raise UsageError("--only-new leaves out the prompt, and there is none; drop one of them")
    check_request(given, add, look_ahead, prompt)
    phrase = prompt if given is None else given
    if phrase is not None and not isinstance(phrase, Score):
        phrase = read_contained(phrase, limits)
    if given is None:
        begins = opening(info, header, conditions, phrase, prompt_bars)
    else:
        assert phrase is not None
        begins = around(info, settings, phrase, add, header, conditions, look_ahead)
    said = (*said, *_too_long(models.any, begins))
    if settings.seed is None:
        settings = dataclasses.replace(settings, seed=drawn_seed())
    assert settings.seed is not None
    found: list[GeneratedPiece] = []
    told: list[dict[str, Any]] = []
    told_mix = models.any.told() if isinstance(models.any, Mixed) else None
    batches = models.sampled(begins, settings, conditions, range(1, count + 1))
    for piece in watch(batches, count, "pieces"):
        file = made(info, piece, settings, begins, conditions, only_new=only_new, mix=told_mix)
        path = paths[len(found)]
        if path is not None:
            write_whole(path, file.midi, force=force)
        found.append(_report(models.any, piece, settings, file, path, begins, only_new=only_new))
        if events is not None:
            told.append(_events(models.any, piece, found[-1]))
    if events is not None:
        write_whole(events, events_text(told), force=force)
    return Generated(
        settings.seed,
        settings,
        tuple(found),
        (*said, *begins.said),
        info.hash,
        told_mix,
        None if events is None else os.fspath(events),
    )


class _Models:
    """One model for each thread: what a model answers is valid until it is asked again."""

    _models: list[Model]

    def __init__(
        self,
        model: str | os.PathLike[str] | Model,
        jobs: int,
        mix: float | None = None,
        mix_with: str | os.PathLike[str] | None = None,
    ) -> None:
        if mix is None and mix_with is not None:
            raise UsageError(
                f"--mix-with {os.fspath(mix_with)} does nothing without --mix, which says how much "
                "of it; add --mix 0.3, or leave it out"
            )
        if mix is not None:
            if not isinstance(model, (str, os.PathLike)):
                raise UsageError(
                    "--mix needs the path of a model's folder; a model that is loaded can be given "
                    "as a `Mixed` one"
                )
            from .mix import mixed_copies

            self._models = mixed_copies(model, mix_with, mix, jobs)
        elif isinstance(model, (str, os.PathLike)):
            from ..models.load import load_copies

            self._models = load_copies(model, jobs)
        elif jobs > 1:
            raise UsageError(
                f"{jobs} jobs need {jobs} copies of a model; give the path of its folder instead"
            )
        else:
            self._models = [model]

    @property
    def any(self) -> Model:
        """One of them."""
        return self._models[0]

    def play_as(self, settings: SamplingSettings) -> tuple[SamplingSettings, tuple[str, ...]]:
        """Play as the settings say; those that this machine can do, and what it cannot."""
        asked = settings.engine, settings.weights, settings.device
        found = [played_as(model, *asked) for model in self._models]
        self._models = [model for model, _, _ in found]
        _, playing, said = found[0]
        if playing is not None:
            settings = dataclasses.replace(settings, **dataclasses.asdict(playing))
        return settings, () if said is None else (said,)

    def sampled(
        self, begins: Opening, settings: SamplingSettings, conditions: Conditions,
        numbers: Sequence[int],
    ) -> Iterator[Piece]:  # fmt: skip
        """The pieces of these numbers, in order, a batch at a time in each thread."""
        jobs = len(self._models)
        size = min(BATCH, math.ceil(len(numbers) / jobs))
        batches = [numbers[at : at + size] for at in range(0, len(numbers), size)]
        free: queue.SimpleQueue[Model] = queue.SimpleQueue()
        for model in self._models:
            free.put(model)

        def play(batch: Sequence[int]) -> list[Piece]:
            model = free.get()
            try:
                return played(model, begins, batch, settings, conditions)
            finally:
                free.put(model)

        if jobs == 1:
            for batch in batches:
                yield from play(batch)
            return
        with ThreadPoolExecutor(jobs) as pool:
            try:
                for pieces in pool.map(play, batches):
                    yield from pieces
            finally:
                pool.shutdown(cancel_futures=True)


def _check_numbers(count: int, jobs: int) -> None:
    for name, value, most in (("count", count, MOST_PIECES), ("jobs", jobs, MOST_JOBS)):
        if not 1 <= value <= most:
            raise UsageError(f"--{name} {value} makes no sense; use 1 to {most:,}")


def _paths(out: str | os.PathLike[str] | None, count: int) -> list[str | None]:
    if out is None:
        return [None] * count
    path = Path(out)
    if path.suffix.lower() not in ENDINGS:
        raise UsageError(
            f"--out {path} does not end in .mid; generate writes MIDI, and woodshed render makes "
            "sound of it"
        )
    if count == 1:
        return [os.fspath(out)]
    width = len(str(count))
    return [
        os.fspath(path.with_name(f"{path.stem}-{number:0{width}}{path.suffix}"))
        for number in range(1, count + 1)
    ]


def _with_echo(model: Model, settings: SamplingSettings) -> SamplingSettings:
    """The settings with the echo that this model plays with, so that a file tells it."""
    if settings.echo is None:
        return dataclasses.replace(settings, echo=model.echo)
    if model.echo is None:
        raise UsageError(
            f"--echo {settings.echo:g} changes nothing: this {model.info.family} model hears no "
            "echo of the piece it plays; leave it out"
        )
    return settings


def _too_long(model: Model, begins: Opening) -> tuple[str, ...]:
    """A sentence where a prompt is longer than what the model hears of it."""
    hears, told = getattr(model, "hears", None), len(begins.told)
    if hears is None or told <= hears:
        return ()
    return (
        f"the prompt takes {told:,} tokens, and this {model.info.family} hears {hears:,} at once: "
        "its header and the newest; --prompt-bars takes less of it",
    )


def _report(
    model: Model, piece: Piece, settings: SamplingSettings, file: Made, path: str | None,
    begins: Opening, *, only_new: bool,
) -> GeneratedPiece:  # fmt: skip
    notes = len(file.score.notes) - (0 if only_new else _prompt_notes(model, piece))
    ended_by = "what was asked for" if settings.is_limited else "the model"
    if begins.given is not None:
        ended_by = "the given parts"
    elif not settings.is_limited and piece.price.tokens >= most_tokens(model.info):
        ended_by = "its length, far beyond the corpus's"
    return GeneratedPiece(
        path,
        piece.number,
        bar_count(model.info, piece),
        notes,
        file.score.duration_seconds,
        piece.price.tokens,
        piece.price,
        piece.price.bits / max(notes, 1),
        ended_by,
        file,
    )


def _prompt_notes(model: Model, piece: Piece) -> int:
    """How many notes of a piece are its prompt's."""
    told = model.info.vocabulary.globalise(piece.tokens[: piece.new_from])
    return len(model.info.language.decode(told).notes)


def _events(model: Model, piece: Piece, report: GeneratedPiece) -> dict[str, Any]:
    return {
        "file": None if report.path is None else os.path.basename(report.path),
        "made": dict(report.made.provenance),
        "price_of_legality": dataclasses.asdict(report.price),
        "notes": note_list(report.made.score),
        "events": event_list(model.info, piece),
    }


def events_text(pieces: Sequence[dict[str, Any]]) -> str:
    """The pieces as JSON, an event a line."""
    import json

    lines = []
    for piece in pieces:
        parts = []
        for name, value in piece.items():
            if name in ("notes", "events"):
                rows = ",\n".join("    " + json.dumps(row) for row in value)
                text = f"[\n{rows}\n   ]" if value else "[]"
            else:
                text = json.dumps(value)
            parts.append(f'   "{name}": {text}')
        lines.append("  {\n" + ",\n".join(parts) + "\n  }")
    return '{"pieces": [\n' + ",\n".join(lines) + "\n]}\n"
