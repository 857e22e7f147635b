"""What a network plays by itself while it learns: how grammatical it is, and whether it collapses.

It plays freely, without a mask, and is scored as music is scored. Chance is counted, so that a look
is the same whenever it is taken, and leaves nothing behind in the network or in PyTorch. Knows
nothing of the loop: it says what is to be done, and others do it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray

from ..models.info import ModelInfo
from ..models.neural.echoes import Echoes
from ..models.neural.network import Network
from ..sampling.chance import uniforms
from ..sampling.collapses import collapses
from ..tokens.chorale import RESTS, VOICES
from ..tokens.grammar_score import GrammarScore, grammar_score
from ..tokens.grammars import grammars
from ..tokens.language import Language, TokenIds
from .grammar_settings import GrammarSettings

SEED = 1
COLLAPSED = 0.5
"""When so large a share of the pieces has the same collapse, the model has it."""
ASK_EVERY = 64
"""Tokens between two questions whether all pieces have ended; each makes a GPU wait."""
STILL_SOUNDING = 64
"""A note begun within so many tokens of where a piece is cut need not have ended."""

MOST_ROLLBACKS = 3
"""A model that collapses so often ends its training; its best checkpoint stays."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What one look has shown.

    `score` is the mean grammar score of the pieces, 0 to 1, a piece without a note counting 0;
    `legal`, `paired`, `unrepeated` and `coherent` are the means of its shares. `collapses` are
    named; `sample` is one of the pieces, by the ids of the full table.
    """

    step: int
    score: float
    legal: float
    paired: float
    unrepeated: float
    coherent: float
    collapses: tuple[str, ...]
    sample: TokenIds

    def to_dict(self) -> dict[str, Any]:
        """Its figures and collapses, as JSON holds them."""
        shares = ("score", "legal", "paired", "unrepeated", "coherent")
        return {
            "step": self.step,
            **{name: round(getattr(self, name), 4) for name in shares},
            "collapses": list(self.collapses),
        }


class Monitor:
    """Looks at a network that is being trained."""

    def __init__(self, network: Network, info: ModelInfo, settings: GrammarSettings) -> None:
        self.network, self.info, self.settings = network, info, settings
        self._echoes = Echoes(info.vocabulary) if network.config.echoes else None
        self._form, self._limited = grammars(info.language, info.limits)

    def look(self, step: int) -> Reading:
        """Let the network play, and judge it; the same network gives the same reading."""
        pieces = [self._ended(piece) for piece in self._play()]
        scores = [
            grammar_score(piece, self.info.language, self._form, self._limited) for piece in pieces
        ]
        named = [
            collapses(piece, found, self.info) for piece, found in zip(pieces, scores, strict=True)
        ]
        return Reading(
            step=step,
            score=_mean(scores, lambda found: found.score),
            legal=_mean(scores, lambda found: found.legal),
            paired=_mean(scores, lambda found: found.paired),
            unrepeated=_mean(scores, lambda found: found.unrepeated),
            coherent=_mean(scores, lambda found: found.coherent),
            collapses=tuple(
                name
                for name in sorted({name for names in named for name in names})
                if sum(name in names for names in named) >= COLLAPSED * len(named)
            ),
            sample=pieces[0],
        )

    def _play(self) -> NDArray[np.int64]:
        """Tokens (pieces, tokens) by the ids of the full table, drawn as likely as they are."""
        network, rows = self.network, self.settings.monitor_pieces
        length, ids = self.settings.monitor_tokens, self.info.vocabulary.ids.astype(np.int64)
        language = self.info.language.language
        start, end = (int(np.flatnonzero(ids == language.first[n])[0]) for n in ("START", "END"))
        was_training, device = network.training, next(network.parameters()).device
        numbers = np.arange(rows)
        drawn = uniforms(SEED, numbers, np.zeros(rows, np.int64), 0, length)
        chance = torch.from_numpy(drawn.astype(np.float32)).to(device)
        tokens = torch.full((rows, 1), start, device=device)
        told, ended = [tokens], torch.zeros(rows, dtype=torch.bool, device=device)
        network.eval()
        try:
            with torch.no_grad():
                state, every = network.begin(rows), list(range(rows))
                in_header = torch.from_numpy(language.in_header[ids]).to(device)
                heard = self._echoes.begin(rows) if self._echoes else None
                for place in range(length):
                    now = tokens
                    if self._echoes and heard:
                        # They are looked up on the CPU by the token drawn, so a GPU waits here.
                        now_told = self._echoes.hear(tokens[:, 0].cpu().numpy(), range(rows), heard)
                        now = torch.from_numpy(now_told[:, None]).to(device)
                    headings = in_header[tokens[:, 0]].tolist()
                    features = network.play(now[:, 0], every, state, 1.0, headings)
                    logits = network.logits(features)
                    shares = torch.softmax(logits.float(), dim=-1).cumsum(-1)
                    aim = (chance[:, place] * shares[:, -1])[:, None]
                    tokens = torch.searchsorted(shares, aim, right=True)
                    # Where sums are rounded, or are no numbers at all, none may be found.
                    tokens = tokens.clamp_max(len(ids) - 1)
                    told.append(tokens)
                    ended |= tokens[:, 0] == end
                    if place % ASK_EVERY == ASK_EVERY - 1 and bool(ended.all()):
                        break
        finally:
            network.train(was_training)
        return np.asarray(ids[torch.cat(told, dim=1).cpu().numpy()])

    def _ended(self, tokens: NDArray[np.int64]) -> TokenIds:
        """A piece up to its END; where it has none, without the notes that were cut in two."""
        language = self.info.language.language
        ends = np.flatnonzero(tokens == language.first["END"])
        if len(ends):
            return tokens[: ends[0] + 1].astype(np.uint16)
        return _without_cut_notes(tokens, language).astype(np.uint16)


def _without_cut_notes(tokens: NDArray[np.int64], language: Language) -> NDArray[np.int64]:
    group = language.group_of[tokens]
    if "NOTE_ON" in language.first:
        begins, value = group == language.row("NOTE_ON"), language.value_of[tokens]
        late = np.flatnonzero(begins & (np.arange(len(tokens)) >= len(tokens) - STILL_SOUNDING))
        is_note = begins | (group == language.row("NOTE_OFF"))
        open_still = [n for n in late if not (is_note & (value == value[n]))[n + 1 :].any()]
        return np.delete(tokens, open_still)
    begun = [*VOICES[:-1], *RESTS[:-1]] if VOICES[0] in language.first else ["INST", "VEL", "PITCH"]
    unfinished = [language.row(name) for name in begun]
    kept = len(tokens)
    while kept > 1 and group[kept - 1] in unfinished:
        kept -= 1
    return tokens[:kept]


def _mean(scores: Sequence[GrammarScore], of: Callable[[GrammarScore], float]) -> float:
    return float(np.mean([of(found) for found in scores]))


@dataclass(frozen=True, slots=True)
class Seen:
    """What all looks so far come to; a checkpoint keeps it.

    `was_sound` says that one was without a collapse and not below the least score; `low_looks`
    counts those below it since then.
    """

    was_sound: bool = False
    low_looks: int = 0
    rollbacks: int = 0

    def to_dict(self) -> dict[str, Any]:
        """Its fields, as JSON holds them."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """What `to_dict` gave."""
        return cls(bool(values["was_sound"]), int(values["low_looks"]), int(values["rollbacks"]))


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a look asks for: a sentence to be told, the best checkpoint again, or an end."""

    warning: str | None = None
    rolls_back: bool = False
    stops: bool = False


def after(seen: Seen, reading: Reading, settings: GrammarSettings) -> tuple[Seen, Verdict]:
    """What the looks come to after one more, and what is to be done.

    A network that has never been sound is only beginning: what it plays is told, no more. One that
    was sound and collapses goes back to its best checkpoint, and the third time ends there. One
    that stays below the least score for `grammar_patience` looks in a row ends, too.
    """
    least = settings.least_grammar
    low = reading.score < least
    names = " and ".join(reading.collapses)
    if reading.collapses and seen.was_sound:
        told = (
            f"step {reading.step:,}: what the model plays has collapsed ({names}, grammar score "
            f"{reading.score:.2f}); it goes back to its best checkpoint"
        )
        rollbacks = seen.rollbacks + 1
        return Seen(True, 0, rollbacks), Verdict(told, True, rollbacks >= MOST_ROLLBACKS)
    sound = not low and not reading.collapses
    low_looks = seen.low_looks + 1 if low and seen.was_sound else 0
    warning = None
    if low:
        warning = (
            f"step {reading.step:,}: the grammar score of what the model plays without a mask is "
            f"{reading.score:.2f}, below {least:g}" + (f" ({names})" if names else "")
        )
    stops = low_looks >= settings.grammar_patience
    return Seen(seen.was_sound or sound, low_looks, seen.rollbacks), Verdict(warning, False, stops)
