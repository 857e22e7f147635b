"""Training a neural model from a dataset and its tokens, into a folder.

What is there at every moment: at `out` the best model so far, and beside it, hidden, where the
training stands. Knows nothing of folders of music, nor of flags.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from safetensors.torch import save
from torch import Tensor

from ..corpus.dataset import Dataset
from ..errors import BadModel, OutputExists, UsageError, WoodshedError
from ..models.card import card
from ..models.info import ModelInfo
from ..models.neural.config import NetworkConfig
from ..models.neural.echoes import Echoes
from ..models.neural.storage import WEIGHTS, own_of
from ..models.store import read_info, seal
from ..tokens.cache import TokenCache
from ..tokens.vocabulary import Vocabulary
from .batches import BATCHES
from .checkpoint import HISTORY, Shelf, State
from .data import Chosen, chosen, material
from .devices import at_once
from .engine import Engine, engine_for
from .history import curves_svg, from_file, to_lines
from .loop import Loop, Standing, Work
from .progress import Board, Report, Silent, board_writer
from .publish import ModelPlace, check_place
from .settings import CONTEXT, EPOCHS, TrainingSettings, changed, flag
from .start import adapt, beginning, begun, free_memory, merged

CURVES = "curves.svg"
UNDER_WAY = "it is being trained"
"""Why a training has ended that has not."""


def train_neural(
    dataset: Dataset,
    cache: TokenCache,
    out: str | os.PathLike[str],
    settings: TrainingSettings | Mapping[str, Any] | None = None,
    *,
    family: str = "transformer",
    force: bool = False,
    resume: bool = False,
    report: Report | None = None,
) -> ModelInfo:
    """Train a model on the training pieces of a dataset, into the folder `out`.

    The best model so far is there from the first validation on. `settings` may be some of them by
    name; the others are as usual. With `resume`, a training that was stopped goes on, the others
    being those it was begun with; where none was begun, it begins. With both `force` and `resume`
    it goes on where that is the same training, and else begins anew, which is told.

    Raises `UsageError` for settings that do not fit, `OutputExists` where there is a model or a
    training and neither `force` nor `resume`, and `WoodshedError` where memory, the disk or the
    numbers run out; the last checkpoint is whole then.
    """
    report = report or Silent()
    place = ModelPlace(out)
    shelf = Shelf(place.training)
    known = shelf.run() if resume and place.stopped_at() is not None else None
    asked, settings = settings, _settings(settings, known, family)
    other = None if known is None else _other(known, settings, dataset, cache, family)
    if other and not force:
        raise UsageError(
            f"the training of {place.out} was begun {other}; take what it was begun with, or begin "
            "anew with --force instead of --resume"
        )
    if known is not None and force:
        other = other or _unfit(known, shelf)
    if other:
        known, settings = None, _settings(asked, None, family)
    if settings.tensorboard:
        board_writer(settings.tensorboard)  # says now what is missing
    with engine_for(settings) as engine:
        if not engine.leads:
            report = Silent()
            info = _train(
                dataset, cache, place, shelf, settings, engine, family, known, report, resume
            )
            assert info is not None
            return info
        check_place(place, force=force, resume=resume)
        if resume and known is None and place.out.exists() and not force:
            info = _ended(place, dataset, family, asked, settings)
            if shelf.folder.exists():  # killed while it was taken away
                with place.alone():
                    shelf.clear()
            return info
        with place.alone():
            if other:
                report.note(f"the training of {place.out} was begun {other}; it begins anew")
            found = _train(
                dataset, cache, place, shelf, settings, engine, family, known, report, resume
            )
            shelf.clear()
            return found


def _settings(
    given: TrainingSettings | Mapping[str, Any] | None, known: Mapping[str, Any] | None,
    family: str,
) -> TrainingSettings:  # fmt: skip
    """The settings of this run; what is not said is as the training that goes on has it."""
    if given is None or isinstance(given, Mapping):
        before = known["settings"] if known is not None else {}
        given = TrainingSettings.from_dict({**before, **(given or {})})
    return _complete(given, family)


def _other(
    known: Mapping[str, Any], settings: TrainingSettings, dataset: Dataset, cache: TokenCache,
    family: str,
) -> str | None:  # fmt: skip
    """What the training that is known was begun with, if that makes it another than this."""
    for name, value, what in (
        ("family", family, "family"),
        ("data_hash", dataset.content_hash, "dataset"),
        ("identity", cache.language.language.identity, "language"),
    ):
        if known.get(name) != value:
            return f"on another {what}, and cannot go on with this one"
    if known.get("batches") != BATCHES:
        return "by a version of Woodshed that cut sequences in another way, and cannot go on"
    before = TrainingSettings.from_dict(known["settings"])
    for name in changed(before, settings):
        return f"with {flag(name)} {getattr(before, name)}, and cannot go on with " + str(
            getattr(settings, name)
        )
    return None


def _unfit(known: Mapping[str, Any], shelf: Shelf) -> str | None:
    """What else keeps a training from going on where it may as well begin anew."""
    from .. import __version__

    if known.get("woodshed") != __version__:
        return f"by another version of Woodshed, and this is {__version__}"
    try:
        shelf.newest()
    except BadModel:
        return "before, and all that was stored of it is damaged"
    return None


def _complete(settings: TrainingSettings, family: str) -> TrainingSettings:
    """With a learning rate and an end, where none is set, and with a context but for `--init`."""
    endless = settings.steps is settings.epochs is settings.max_minutes is None
    return dataclasses.replace(
        settings,
        epochs=EPOCHS if endless else settings.epochs,
        learning_rate=settings.rate_of(family),
        context=settings.context or (None if settings.init else CONTEXT),
    )


def _ended(
    place: ModelPlace, dataset: Dataset, family: str,
    asked: TrainingSettings | Mapping[str, Any] | None, settings: TrainingSettings,
) -> ModelInfo:  # fmt: skip
    """The model of a training that has ended already; it must be of the settings `asked` for."""
    info = read_info(place.out)
    same = (info.family, info.data_hash) == (family, dataset.content_hash)
    if not same:
        raise OutputExists(place.out)
    if info.training.get("ended") == UNDER_WAY:
        raise WoodshedError(
            f"where the training of {place.out} stood is not stored any more, so it cannot go on; "
            "begin anew with --force instead of --resume"
        )
    names = asked if isinstance(asked, Mapping) else settings.to_dict() if asked else ()
    if any(info.settings.get(name) != getattr(settings, name) for name in names):
        raise UsageError(
            f"the training of {place.out} has ended, so other settings change nothing; "
            f"--init {place.out} with another --out trains the model further"
        )
    return info


def _train(
    dataset: Dataset, cache: TokenCache, place: ModelPlace, shelf: Shelf,
    settings: TrainingSettings, engine: Engine, family: str, known: Mapping[str, Any] | None,
    report: Report, resume: bool,
) -> ModelInfo:  # fmt: skip
    from .. import __version__

    which = chosen(dataset, cache, settings)
    state: State | None = None
    if known is not None:
        config = NetworkConfig.from_dict(known["network"])
        vocabulary = Vocabulary.of_names(cache.language.language, known["vocabulary"])
        state = shelf.newest()
        weights: Mapping[str, Tensor] | None = None
        fresh: Sequence[str] = known.get("fresh", ())
    else:
        tokens = int(sum(len(cache[n]) for n in which.learn.tolist()))
        start = beginning(
            tokens, cache.vocabulary(settings.semitones), family, settings,
            int(engine.agreed([free_memory(engine.device)])[0]),
        )  # fmt: skip
        config, vocabulary, weights = start.config, start.vocabulary, start.weights
        fresh = start.fresh
        for sentence in (which.filtered.told, *start.notes):
            if sentence:
                report.note(sentence)
        if engine.leads:
            shelf.begin(
                {
                    "woodshed": __version__,
                    "family": family,
                    "data_hash": dataset.content_hash,
                    "identity": cache.language.language.identity,
                    "batches": BATCHES,
                    "settings": settings.to_dict(),
                    "network": config.to_dict(),
                    "vocabulary": list(vocabulary.names),
                    "fresh": list(fresh),
                }
            )
    network = begun(config, weights, settings.seed)
    if settings.adapters is not None:
        new = frozenset(fresh)
        rows = [row for row, name in enumerate(vocabulary.names) if name in new]
        adapt(network, settings.adapters, rows)
    network.to(engine.device)
    echoes = Echoes(vocabulary) if config.echoes else None
    told = material(dataset, cache, which, vocabulary, settings, config.context, echoes)
    info = _info(dataset, cache, which, vocabulary, config, settings, family)
    board = Board(settings.tensorboard) if settings.tensorboard and engine.leads else None
    maker = _Maker(place, info, told.pieces.total, len(which.validate))
    work = Work(
        engine, network, info, told.pieces, told.windows, told.notes, told.notes_per_token,
        settings, shelf, report, maker.publish, lambda: merged(network), config.context, board,
    )  # fmt: skip
    standing, history = _standing(state, shelf, settings, engine)
    loop = Loop(work, standing, history)
    if state is not None:
        loop.take(state.tensors)
        for sentence in (*state.notes, f"it goes on at step {standing.step:,}"):
            report.note(sentence)
    try:
        reason = loop.run()
    except KeyboardInterrupt:
        saved = shelf.steps()
        again = "called again" if resume else "with --resume"
        report.note(f"stopped; {again} it goes on at step {saved[0] if saved else 0:,}")
        raise
    finally:
        if board is not None:
            board.close()
    report.note(f"training has ended: {reason}")
    if not engine.leads:
        return info
    if standing.best_step is not None:
        loop.restore_best()
        return maker.publish(merged(network), standing, loop.history, ended=reason)
    raise WoodshedError("the training ended before anything was validated; allow it more steps")


def _standing(
    state: State | None, shelf: Shelf, settings: TrainingSettings, engine: Engine
) -> tuple[Standing, list[dict[str, Any]]]:
    if state is None:
        batch, accumulate = at_once(settings.batch, settings.accumulate, engine.device.type)
        return Standing(batch=batch, accumulate=accumulate), []
    standing = Standing.told(state.told)
    return standing, from_file(shelf.folder / HISTORY, standing.step)


def _info(
    dataset: Dataset, cache: TokenCache, which: Chosen, vocabulary: Vocabulary,
    config: NetworkConfig, settings: TrainingSettings, family: str,
) -> ModelInfo:  # fmt: skip
    own = own_of(config, vocabulary) | {
        "left_out": which.filtered.to_list(),
        "context": config.context,
    }
    return ModelInfo(
        family=family,
        language=cache.language,
        vocabulary=vocabulary,
        limits=cache.grammar_limits,
        data_hash=dataset.content_hash,
        licences=tuple(sorted({str(n) for n in dataset.pieces.licence if n})),
        settings=settings.to_dict(),
        training={
            "pieces": len(which.learn),
            "notes": int(dataset.pieces.notes[which.learn].sum()),
        },
        own=own,
        files={},
    )


@dataclass(frozen=True, slots=True)
class _Maker:
    """Makes models of weights, and puts them in their place."""

    place: ModelPlace
    info: ModelInfo
    tokens: int
    validated: int

    def publish(
        self,
        weights: Mapping[str, Tensor],
        standing: Standing,
        history: list[dict[str, Any]],
        ended: str | None = None,
    ) -> ModelInfo:
        """The model with these weights, at its place."""
        network = NetworkConfig.from_dict(self.info.own["network"])
        training = {
            **self.info.training,
            "tokens": self.tokens,
            "parameters": network.parameters,
            "validation_pieces": self.validated,
            "steps": standing.step,
            "best_step": standing.best_step,
            "bits_per_note_while_learning": round(standing.best_bits or 0.0, 3),
            "grammar_score": None if standing.grammar is None else round(standing.grammar, 3),
            "ended": ended or UNDER_WAY,
        }
        info = dataclasses.replace(self.info, training=training)
        with self.place.model() as folder:
            (folder / WEIGHTS).write_bytes(save(dict(weights)))
            (folder / HISTORY).write_text(to_lines(history), encoding="utf-8")
            (folder / CURVES).write_text(curves_svg(history), encoding="utf-8")
            return seal(folder, info, card(info))
