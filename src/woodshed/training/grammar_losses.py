"""What the grammar adds to the loss: the probability a network spends where no music goes.

The masks are the grammar's own, those that decoding obeys and that the grammar score counts by.
Four terms, each a mean over the places of a batch, in nats:

- illegal: on tokens that the form of the language forbids;
- pairing: of these, on tokens that leave a note in halves;
- coherence: on tokens that are well-formed and beyond the limits of the corpus;
- repetition: on saying again what was said, where the music goes on otherwise.

Knows nothing of networks, nor of how windows are cut: it gets logits, and the tokens before them.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from ..models.info import ModelInfo
from ..tokens.chorale import RESTS, VOICES
from ..tokens.grammar import Grammar, Mask, State, machine
from ..tokens.grammars import grammars
from .grammar_settings import GrammarSettings

REPEATED_TOKENS = 16
"""So many tokens that came before just so are a repetition; about two chords."""
LOOK_BACK_TOKENS = 2048
"""How far back a repetition is looked for."""
LEAST_KEPT = 1e-30

OPENS_AND_HALVES = {
    "events": (("VEL", "PITCH"), ("PITCH", "DRUM", "DUR")),
    "performance": ((), ("NOTE_ON", "NOTE_OFF", "END")),
    "chorale": ((*VOICES[:-1], *RESTS[:-1]), (*VOICES, *RESTS)),
}
"""In each language the groups after which a note, or a step, is half told, and those that tell a
half of one where they are out of place."""

Tokens = NDArray[np.integer]


@dataclass(frozen=True, slots=True)
class Judged:
    """What the grammar says of some rows of a batch.

    `rows` are those that it was asked about; all else is told of them alone. `form` and `within`
    (rows, places, vocabulary) say which tokens the form of the language allows, and which of them
    its limits do, too. `in_note` (rows, places) says where a note is being told. `again` has the
    token that would repeat what was said, -1 where none would or the music does repeat. `counts`
    says which places count at all, and `weight` how much each of them does.
    """

    rows: NDArray[np.int64]
    form: Mask
    within: Mask
    in_note: Mask
    again: NDArray[np.int64]
    counts: Mask
    weight: float


class GrammarTerms:
    """The terms of the grammar for one model, ready to be asked at every step."""

    def __init__(self, info: ModelInfo, settings: GrammarSettings) -> None:
        self.settings = settings
        self.weights = {
            "illegal": settings.illegal_weight,
            "pairing": settings.pairing_weight,
            "coherence": settings.coherence_weight,
            "repetition": settings.repetition_weight,
        }
        form, _ = grammars(info.language, info.limits)
        self._grammars = (form, info.grammar)
        self._tables = [_tables(grammar, info) for grammar in self._grammars]
        table = info.language.language
        group = table.group_of[info.vocabulary.ids]
        self._start = int(np.flatnonzero(group == table.row("START"))[0])
        opens, halves = OPENS_AND_HALVES[table.name]
        self._opens = np.isin(group, [table.row(name) for name in opens])
        self._halves = np.isin(group, [table.row(name) for name in halves])
        self._voices = table.name == "chorale"

    @property
    def is_on(self) -> bool:
        """Whether any term has a weight."""
        return any(self.weights.values())

    def ramp(self, step: int) -> float:
        """The share of the full weights that counts at a step."""
        steps = self.settings.grammar_ramp_steps
        return min(1.0, step / steps) if steps else 1.0

    def __call__(
        self,
        logits: torch.Tensor,
        targets: torch.Tensor | Tokens,
        step: int,
        before: Sequence[Tokens],
    ) -> tuple[torch.Tensor, dict[str, float]]:
        """The weighted sum of the terms, and the mean of each over the places judged, if any.

        `logits` (rows, places, vocabulary) are for `targets` (rows, places), which below 0 do not
        count. `before` has for each row all tokens of its piece ahead of the first target, from
        START on, moved as the row was.
        """
        told = targets.cpu().numpy() if isinstance(targets, torch.Tensor) else targets
        return self.of(logits, self.judge(told, before, step), step)

    def judge(self, targets: Tokens, before: Sequence[Tokens], step: int) -> Judged:
        """What the grammar says of some of the rows, others at each step.

        Whether a row is judged follows from its tokens and the step, and what it weighs from the
        size of the batch: a batch cut in parts costs, on average over them, what it costs whole.
        This runs on the CPU without PyTorch, and may be asked for ahead in another thread.
        """
        every = self.settings.grammar_every_row
        rows = np.flatnonzero((np.asarray(targets, np.int64).sum(axis=1) + step) % every == 0)
        told = np.ascontiguousarray(targets[rows], np.int64)
        form, within = (np.zeros((*told.shape, len(self._opens)), np.bool_) for _ in range(2))
        counts, again = told >= 0, np.full(told.shape, -1)
        last = np.full_like(told, -1)
        last[:, 1:] = told[:, :-1]
        for row, ahead in enumerate(before[number] for number in rows.tolist()):
            skipped = int(np.argmax(told[row] >= 0))  # a header that was told again
            last[row, skipped] = ahead[-1]
            starts = np.flatnonzero(told[row] == self._start).tolist()
            counts[row, starts] = False  # after END another piece begins: that is no choice
            for at, mask in enumerate((form, within)):
                self._walk(at, told[row], ahead, [skipped, *starts], mask[row])
            again[row, skipped:] = repeating(np.asarray(ahead, np.int64), told[row, skipped:])
            if self._voices:
                again[row, skipped:] = moving(again[row, skipped:], ahead, told[row, skipped:])
        seen = np.where(counts, told, 0)
        # Music that was moved folds by octaves and may leave its order: what is told is allowed.
        for mask in (form, within):
            np.put_along_axis(mask, seen[:, :, None], values=True, axis=2)
        in_note = self._opens[np.maximum(last, 0)] & (last >= 0)
        again = np.where(counts, again, -1)
        weight = every / max(np.size(targets), 1)
        return Judged(rows, form, within & form, in_note, again, counts, weight)

    def _walk(self, at: int, told: Tokens, ahead: Tokens, begins: list[int], mask: Mask) -> None:
        """Run a grammar over one row, filling `mask` (places, vocabulary).

        It goes on from `ahead` at the first of `begins`, and starts anew at the others.
        """
        state = self._grammars[at].start()
        self._run(at, np.asarray(ahead, np.int64)[None, :], state, mask[None, :0])
        for begin, end in itertools.pairwise([*begins, len(told)]):
            if begin != begins[0] or told[begin] == self._start:
                state = self._grammars[at].start()
            self._run(at, told[None, begin:end], state, mask[None, begin:end])

    def _run(self, at: int, tokens: Tokens, state: State, masks: Mask) -> None:
        legal = np.zeros(tokens.shape, np.bool_)
        machine()(
            np.ascontiguousarray(tokens), state.phase, state.registers, state.sounding, legal,
            masks, *self._tables[at],
        )  # fmt: skip

    def of(
        self, logits: torch.Tensor, judged: Judged, step: int
    ) -> tuple[torch.Tensor, dict[str, float]]:
        """The terms for logits of a batch that was judged."""
        device = logits.device

        def there(array: NDArray[np.generic]) -> torch.Tensor:
            return torch.from_numpy(array).to(device, non_blocking=True)

        share = there(judged.counts).float() * judged.weight
        probabilities = torch.softmax(logits[there(judged.rows)].float(), dim=-1)
        form, within = there(judged.form), there(judged.within)
        halves = there(judged.in_note)[..., None] | there(self._halves)
        found = {
            "illegal": illegal_mass(probabilities, form, share),
            "pairing": pairing(probabilities, form, halves, share),
            "coherence": coherence(probabilities, form, within, share),
            "repetition": repetition(probabilities, there(judged.again), share),
        }
        terms = torch.stack(list(found.values()))
        weights = terms.new_tensor([self.weights[name] for name in found])
        loss = (terms * weights).sum() * self.ramp(step)
        heard = float(judged.counts.sum() * judged.weight)
        told = dict(zip(found, terms.detach().tolist(), strict=True)) if heard else {}
        return loss, {name: value / heard for name, value in told.items()}


def illegal_mass(
    probabilities: torch.Tensor, form: torch.Tensor, share: torch.Tensor
) -> torch.Tensor:
    """-log of the probability that stays on well-formed tokens; `share` weighs the places."""
    return _cost((probabilities * form).sum(-1), share)


def pairing(
    probabilities: torch.Tensor, form: torch.Tensor, halves: torch.Tensor, share: torch.Tensor
) -> torch.Tensor:
    """-log of the probability that no note is broken.

    `halves` says of which tokens, where the form forbids them, half a note would stay behind: any
    in the middle of a note, a length without a pitch, a note-off without its note, an end while
    notes sound.
    """
    return _cost((probabilities * (form | ~halves)).sum(-1), share)


def coherence(
    probabilities: torch.Tensor, form: torch.Tensor, within: torch.Tensor, share: torch.Tensor
) -> torch.Tensor:
    """-log of the share of the well-formed probability that keeps to the limits."""
    formed = (probabilities * form).sum(-1)
    kept = (probabilities * within).sum(-1)
    return _cost(kept, share) - _cost(formed, share)


def repetition(
    probabilities: torch.Tensor, again: torch.Tensor, share: torch.Tensor
) -> torch.Tensor:
    """-log of the probability that tokens `again` (rows, places; -1 for none) do not come."""
    there = (again >= 0).to(share.dtype)
    said = probabilities.gather(-1, again.clamp_min(0)[..., None])[..., 0]
    return _cost(1 - said * there, share)


def _cost(kept: torch.Tensor, share: torch.Tensor) -> torch.Tensor:
    return -(kept.clamp_min(LEAST_KEPT).log() * share).sum()


def repeating(before: NDArray[np.int64], targets: NDArray[np.int64]) -> NDArray[np.int64]:
    """For each target the token that came after the same tokens the last time they were said.

    The same are the last `REPEATED_TOKENS`, back to `LOOK_BACK_TOKENS` before the first target. -1
    where they were never said, and where the target does say it again.
    """
    told = np.concatenate([before[-LOOK_BACK_TOKENS:], targets])
    first, none = len(told) - len(targets), np.full(len(targets), -1)
    if len(told) <= REPEATED_TOKENS:
        return none
    spans = _span_numbers(told[:-1])
    order = np.argsort(spans, kind="stable")
    earlier = np.full(len(spans), -1)
    same = spans[order[1:]] == spans[order[:-1]]
    earlier[order[1:][same]] = order[:-1][same]
    # Row n of `spans` ends before token n + REPEATED_TOKENS.
    follows = np.where(earlier >= 0, told[earlier + REPEATED_TOKENS], -1)
    found = np.full(len(told), -1)
    found[REPEATED_TOKENS:] = follows
    found = found[first:]
    return np.where((found != targets) & (targets >= 0), found, -1)


def moving(again: NDArray[np.int64], before: Tokens, targets: Tokens) -> NDArray[np.int64]:
    """What would repeat what was said in four voices; -1 where a voice would only stay."""
    told = np.concatenate([np.full(4, -1), np.asarray(before, np.int64), targets])
    cells = told[len(before) : len(before) + len(targets)]  # that of each voice a step before
    return np.where(again == cells, -1, again)


def _span_numbers(told: NDArray[np.int64]) -> NDArray[np.uint64]:
    """A number for every `REPEATED_TOKENS` in a row, the same for the same ones."""
    powers = np.full(len(told), _ODD, np.uint64)
    powers[0] = 1
    powers = np.multiply.accumulate(powers)
    inverse = np.full(len(told), _ODD_INVERSE, np.uint64)
    inverse[0] = 1
    inverse = np.multiply.accumulate(inverse)
    total = np.add.accumulate((told + 1).astype(np.uint64) * powers)
    sums = total[REPEATED_TOKENS - 1 :].copy()
    sums[1:] -= total[:-REPEATED_TOKENS]
    return np.asarray(sums * inverse[: len(sums)])


_ODD = np.uint64(0x9E3779B97F4A7C15)
_ODD_INVERSE = np.uint64(pow(int(_ODD), -1, 2**64))


def _tables(grammar: Grammar, info: ModelInfo) -> tuple[NDArray[np.int64], ...]:
    """The grammar's tables for the tokens of the vocabulary alone, counted as the model counts."""
    described, *others = grammar.tables_for_machine
    ids = info.vocabulary.ids.astype(np.int64)
    return (np.ascontiguousarray(described[:, ids]), *others)
