"""The loop: steps, looks, validations, checkpoints, until there is a reason to end.

Every step follows from where the training stands and from the seed alone; so a training that was
killed and goes on ends with the same weights, bit for bit on a CPU. Knows nothing of datasets and
flags.
"""

from __future__ import annotations

import contextlib
import math
import signal
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import torch
from torch import Tensor

from ..errors import WoodshedError
from ..models.info import ModelInfo
from ..models.neural.network import Network
from .batches import Batch, Pieces, Windows
from .checkpoint import Shelf
from .engine import Engine, is_out_of_memory
from .monitor import MOST_ROLLBACKS, Monitor, Seen, after
from .objective import Objective, surprise_of
from .optimiser import Optimiser, all_finite
from .progress import Board, Figures, Report
from .settings import TrainingSettings, rate_at

LOG_EVERY = 10
"""Steps of one row of the history."""
RECENT = 20
"""Steps over which what is shown is a mean."""
SAVE_SECONDS = 300.0
"""A state is stored this often at least; it changes nothing of the training."""
AFTER_ROLLBACK = 0.5
"""What becomes of the learning rate when a training goes back to its best checkpoint."""
VALIDATION_ROWS = 16


@dataclass(slots=True)
class Standing:
    """Where a training stands. `seconds` count all its runs; `rate` shares the learning rate."""

    step: int = 0
    seconds: float = 0.0
    best_bits: float | None = None
    best_step: int | None = None
    best_files: dict[str, str] = field(default_factory=dict)
    waited: int = 0
    rate: float = 1.0
    grammar: float | None = None
    seen: dict[str, Any] = field(default_factory=lambda: Seen().to_dict())
    batch: int = 0
    accumulate: int = 0
    summed: int = 0

    @classmethod
    def told(cls, values: Mapping[str, Any]) -> Standing:
        """What a state tells of it."""
        return cls(**{name: values[name] for name in cls.__dataclass_fields__})


@dataclass(frozen=True, slots=True)
class Work:
    """What a loop works on. `notes_per_token` is that of the corpus, `notes` those validated."""

    engine: Engine
    network: Network
    info: ModelInfo
    pieces: Pieces
    windows: Windows
    notes: int
    notes_per_token: float
    settings: TrainingSettings
    shelf: Shelf
    report: Report
    publish: Callable[[Mapping[str, Tensor], Standing, list[dict[str, Any]]], object]
    weights: Callable[[], dict[str, Tensor]]
    context: int
    board: Board | None = None


class Loop:
    """One run of a training."""

    def __init__(self, work: Work, standing: Standing, history: list[dict[str, Any]]) -> None:
        self.work, self.standing, self.history = work, standing, history
        self.objective = Objective(work.network, work.info, work.settings, work.engine)
        self.shared = work.engine.shared(self.objective)
        self.optimiser = Optimiser(work.network, work.settings, work.engine.device)
        self.monitor = Monitor(work.network, work.info, work.settings)
        self._sums = torch.zeros(3, device=work.engine.device)  # loss, surprise, what counted
        self._last = self._sums.clone()
        self._terms: dict[str, float] = {}
        self._begun = time.monotonic() - standing.seconds
        self._saved_at = time.monotonic()
        self._from = standing.seconds
        self._recent: deque[Any] = deque(maxlen=RECENT)
        self._stopping = False

    @property
    def rows(self) -> int:
        """Sequences of one step, on all devices."""
        return self.standing.batch * self.standing.accumulate * self.work.engine.world

    @property
    def steps(self) -> int | None:
        """The last step, where steps or epochs are counted."""
        settings, found = self.work.settings, []
        if settings.steps is not None:
            found.append(settings.steps)
        if settings.epochs is not None:
            each = self.rows * self.work.context
            found.append(max(math.ceil(settings.epochs * self.work.pieces.total / each), 1))
        return min(found, default=None)

    def run(self) -> str:
        """Train until there is a reason to end, which is told."""
        if self.standing.step == 0:
            self._save()  # a place that is too small shows itself at once
        reason = self._over()
        with self._patiently():
            while reason is None:
                self._step()
                self.standing.seconds = self._agreed(time.monotonic() - self._begun)
                self._after_step(is_last=self._over() is not None)
                reason = self._over()
                if self._stopping and reason is None:
                    self._save()
                    raise KeyboardInterrupt
        return reason

    @contextlib.contextmanager
    def _patiently(self) -> Iterator[None]:
        """Let Ctrl-C wait for the end of a step, where one process trains; the second does not."""
        alone = self.work.engine.world == 1
        before = signal.getsignal(signal.SIGINT)
        if (
            not alone
            or before is not signal.default_int_handler
            or threading.current_thread() is not threading.main_thread()
        ):
            yield
            return

        def asked(_number: int, _frame: object) -> None:
            self._stopping = True
            signal.signal(signal.SIGINT, signal.default_int_handler)

        signal.signal(signal.SIGINT, asked)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, before)

    def _over(self) -> str | None:
        """Why the training is over, by all that its standing tells."""
        standing, settings, steps = self.standing, self.work.settings, self.steps
        seen = Seen.from_dict(standing.seen)
        if steps is not None and standing.step >= steps:
            return f"all {steps:,} steps are done"
        if settings.max_minutes is not None and standing.seconds >= 60 * settings.max_minutes:
            one = settings.max_minutes == 1
            return "the minute is over" if one else f"the {settings.max_minutes:g} minutes are over"
        if standing.waited >= settings.patience:
            return f"{standing.waited} validations brought nothing better"
        if seen.rollbacks >= MOST_ROLLBACKS:
            return f"what it plays collapsed {seen.rollbacks} times"
        if seen.low_looks >= settings.grammar_patience:
            return f"what it plays stayed below a grammar score of {settings.least_grammar:g}"
        return None

    def _agreed(self, value: float) -> float:
        if self.work.engine.world == 1 or self.work.settings.max_minutes is None:
            return value
        return self.work.engine.agreed([value])[0]

    @property
    def done(self) -> float:
        """The share of the training that is over."""
        steps, minutes = self.steps, self.work.settings.max_minutes
        shares = [self.standing.step / steps] if steps else []
        if minutes is not None:
            shares.append(self.standing.seconds / (60 * minutes))
        return min(max(shares, default=0.0), 1.0)

    def _step(self) -> None:
        standing, settings = self.standing, self.work.settings
        while True:
            try:
                total = self._gradients()
                break
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error):
                    raise
                problem = error
            self._with_less(problem)
        share = rate_at(standing.step, self.done, settings) * standing.rate
        self.optimiser.step(share)
        standing.step += 1
        self._last = total
        self._sums += total
        standing.summed += 1
        if self._is_near and not math.isfinite(float(total[0])):
            raise self._no_number(float(total[0]))

    @property
    def _is_near(self) -> bool:
        """Whether looking at a number makes nobody wait."""
        return self.work.engine.device.type == "cpu"

    def _gradients(self) -> Tensor:
        """The gradients of a step; what was minimised, and the surprise at a token in nats."""
        work, standing, engine = self.work, self.standing, self.work.engine
        self.optimiser.forget_gradients()
        self.objective.train()
        total = torch.zeros(3, device=engine.device)
        for number in range(standing.accumulate):
            first = (number * engine.world + engine.rank) * standing.batch
            batch = work.pieces.batch(
                work.settings.seed,
                standing.step,
                range(first, first + standing.batch),
                work.context,
            )
            asked = self.objective.asked(batch, work.pieces, standing.step)
            torch.manual_seed(_mixed(work.settings.seed, standing.step, first))
            is_last = number == standing.accumulate - 1
            with engine.unsent(self.shared, is_last):
                loss, surprise, self._terms = self.shared(asked)
                (loss / standing.accumulate).backward()
            told = torch.stack([loss.detach(), surprise, asked.counts.mean()])
            total += told / standing.accumulate
        return engine.mean(total)

    def _with_less(self, problem: BaseException) -> None:
        """Half the sequences at once, twice as often. Raises `WoodshedError` where that ends."""
        standing, engine = self.standing, self.work.engine
        self.optimiser.forget_gradients()
        engine.forget()
        if not engine.may_halve or standing.batch == 1:
            raise WoodshedError(
                f"memory ran out at step {standing.step:,} with {standing.batch} sequences of "
                f"{self.work.context} tokens at once; {self._saved()} Use a smaller --batch with a "
                "larger --accumulate, a smaller --context or a smaller --size"
            ) from problem
        if standing.batch % 2:
            standing.batch, standing.accumulate = 1, standing.accumulate * standing.batch
        else:
            standing.batch, standing.accumulate = standing.batch // 2, standing.accumulate * 2
        self.work.report.note(
            f"step {standing.step:,}: memory ran out; it goes on with {standing.batch} sequences "
            "at once, and with steps as large as before"
        )

    def _after_step(self, *, is_last: bool) -> None:
        """Whatever comes after a step."""
        settings, step = self.work.settings, self.standing.step
        logs = step % LOG_EVERY == 0 or is_last
        if logs:
            self._log()
        if logs or self._is_near:
            self._show()
        self.work.engine.tidy(step)
        if step % settings.validate_every == 0 or is_last:
            if not self._went_back():
                self._validate()
            self._save()
        elif time.monotonic() - self._saved_at > SAVE_SECONDS:
            self._save()

    def _log(self) -> None:
        """A row of the history; it has no times in it, so that the same training tells the same."""
        standing, work = self.standing, self.work
        loss, surprise, counted = (self._sums / max(standing.summed, 1)).tolist()
        surprise /= max(counted, 1e-9)
        self._sums.zero_()
        standing.summed = 0
        if not math.isfinite(loss):
            raise self._no_number(loss)
        self._tell(
            {
                "step": standing.step,
                "loss": round(loss, 5),
                "bits_per_note": round(surprise / math.log(2) / work.notes_per_token, 4),
                "learning_rate": round(self._rate(), 8),
                **{name: round(value, 5) for name, value in self._terms.items()},
            }
        )

    def _rate(self) -> float:
        standing, settings = self.standing, self.work.settings
        return rate_at(standing.step, self.done, settings) * standing.rate * settings.rate

    def _show(self) -> None:
        """Tell the report how far it is."""
        standing, work, done = self.standing, self.work, self.done
        self._recent.append((standing.seconds, standing.step, *self._last.tolist()))
        (since, step, *_), count = self._recent[0], len(self._recent)
        each = self.rows * work.context
        steps_a_second = (standing.step - step) / max(standing.seconds - since, 1e-9)
        speed = (
            steps_a_second * each if count > 1 else each / max(standing.seconds - self._from, 1e-9)
        )
        loss, surprise, counted = (sum(row[n] for row in self._recent) / count for n in (2, 3, 4))
        surprise /= max(counted, 1e-9)
        work.report.figures(
            Figures(
                step=standing.step,
                steps=self.steps,
                done=done,
                loss=loss,
                bits_per_note=surprise / math.log(2) / work.notes_per_token,
                tokens_per_second=speed,
                epoch=standing.step * each / work.pieces.total,
                epoch_seconds=work.pieces.total / speed,
                seconds=standing.seconds,
                left_seconds=standing.seconds * (1 - done) / done if done else None,
                best_bits_per_note=standing.best_bits,
                grammar=standing.grammar,
                rate=self._rate(),
            )
        )

    def _tell(self, row: dict[str, Any]) -> None:
        self.history.append(row)
        if self.work.board is not None:
            self.work.board.row(row)

    def _went_back(self) -> bool:
        """Let the network play; whether it collapsed and went back to its best checkpoint."""
        standing, work, engine = self.standing, self.work, self.work.engine
        goes_back = False
        if engine.leads:
            reading = self.monitor.look(standing.step)
            seen, verdict = after(Seen.from_dict(standing.seen), reading, work.settings)
            standing.seen, standing.grammar = seen.to_dict(), reading.score
            if verdict.warning:
                work.report.note(verdict.warning)
            goes_back = verdict.rolls_back
            told = reading.to_dict()
            told["grammar"] = told.pop("score")
            self._tell(told)
        seen = Seen.from_dict(standing.seen)
        back, was_sound, low_looks, rollbacks = map(
            int, engine.agreed([float(goes_back), seen.was_sound, seen.low_looks, seen.rollbacks])
        )
        standing.seen = Seen(bool(was_sound), low_looks, rollbacks).to_dict()
        if not back or standing.best_step is None:
            return False
        self._restore(work.shelf.best(standing.best_step))
        self.optimiser.remember({})
        standing.rate *= AFTER_ROLLBACK
        return True

    def _restore(self, weights: Mapping[str, Tensor]) -> None:
        with torch.no_grad():
            into = self.work.network.state_dict()
            for name, value in weights.items():
                into[name].copy_(value)

    def _validate(self) -> None:
        """Score the validation pieces; where it is the best so far, it becomes the model."""
        standing, work, engine = self.standing, self.work, self.work.engine
        better = False
        if engine.leads:
            surprise = surprise_of(work.network, self._windows(), engine)
            bits = surprise / math.log(2) / max(work.notes, 1)
            if not math.isfinite(bits):
                raise self._no_number(bits)
            better = standing.best_bits is None or bits < standing.best_bits
            self._tell({"step": standing.step, "validation_bits_per_note": round(bits, 5)})
        else:
            bits = 0.0
        bits, was_better = engine.agreed([bits, float(better)])
        if not was_better:
            standing.waited += 1
            return
        standing.best_bits, standing.best_step, standing.waited = bits, standing.step, 0
        if engine.leads:
            checksum = work.shelf.save_best(standing.step, work.network.state_dict())
            standing.best_files = {str(standing.step): checksum}
            work.publish(work.weights(), standing, self.history)

    def restore_best(self) -> None:
        """Take the best weights again."""
        assert self.standing.best_step is not None
        self._restore(self.work.shelf.best(self.standing.best_step))

    def _windows(self) -> Iterator[Batch]:
        return self.work.windows.batches(min(VALIDATION_ROWS, max(self.standing.batch, 1)))

    def tensors(self) -> dict[str, Tensor]:
        """All the numbers a state has."""
        found = {f"network.{name}": v for name, v in self.work.network.state_dict().items()}
        found |= {f"optimiser.{name}": v for name, v in self.optimiser.tensors().items()}
        return found | {"sums": self._sums}

    def take(self, tensors: Mapping[str, Tensor]) -> None:
        """Go on from the numbers of a state."""
        own = {name.partition(".")[2]: v for name, v in tensors.items() if name[0] == "n"}
        self._restore(own)
        self._sums.copy_(tensors["sums"])
        self.optimiser.remember(
            {name.partition(".")[2]: v for name, v in tensors.items() if name[0] == "o"}
        )

    def _save(self) -> None:
        self._saved_at = time.monotonic()
        if not self.work.engine.leads:
            return
        tensors = self.tensors()
        if not all_finite(tensors.values()):
            raise self._no_number(math.nan)
        self.work.shelf.save(self.standing.step, tensors, asdict(self.standing), self.history)

    def _no_number(self, loss: float) -> WoodshedError:
        return WoodshedError(
            f"the loss became {loss} at step {self.standing.step:,}; {self._saved()} Go on with "
            "--resume and a smaller --learning-rate or --clip, or with --precision float32"
        )

    def _saved(self) -> str:
        steps = self.work.shelf.steps()
        if not steps:
            return "there is no checkpoint yet."
        return f"the checkpoint of step {steps[0]:,} is whole."


def _mixed(*numbers: int) -> int:
    """One seed of several numbers."""
    found = 0
    for number in numbers:
        found = (found * 6364136223846793005 + number + 1442695040888963407) % 2**63
        found ^= found >> 29
    return found
