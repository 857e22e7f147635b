"""How well a model plays around given parts, and whether looking ahead helps.

Of held-out pieces some parts are given and one is added: by one way, and by several that look
ahead. Measured are what the model was steered by (how probable it finds the given notes with the
added part among them) and what nobody steered by: whether added notes fit the chord, the pitches of
the given parts and the kick drum. The same of the real part, and of the real part with its bars
shuffled, says what these figures are worth.
"""

from __future__ import annotations

import argparse
import dataclasses
import platform
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from woodshed.corpus.dataset import Dataset
from woodshed.corpus.splits import Split
from woodshed.errors import UsageError
from woodshed.models.family import Model
from woodshed.models.info import ModelInfo
from woodshed.models.load import load_model
from woodshed.music.chords import CHORD_NAMES, TONES, parse_chord
from woodshed.music.score import Score
from woodshed.sampling.given import given_parts
from woodshed.sampling.given_notes import Parts, parts_of
from woodshed.sampling.particles import played
from woodshed.sampling.prompt import opening
from woodshed.sampling.settings import SamplingSettings
from woodshed.tokens.language import TokenIds

KICKS = (35, 36)
NEAR_STEPS = 3
"""An eighth of a quarter: as near as players are to each other."""
NO_FIGURE = float("nan")
MEASURES = (
    "bits a given note", "added notes a bar", "root or fifth on one", "tones of the chord",
    "pitches of the others", "with the kick",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Case:
    """A held-out piece: its given parts, its real added part, and the chord of each bar."""

    name: str
    given: Score
    real: Score
    chords: tuple[str | None, ...]


def cases(
    dataset: Dataset, splits: Sequence[Split], give: Sequence[str], add: str, bars: int
) -> Iterator[Case]:
    """The held-out pieces that have what is to be given, and what is to be added."""
    slots = [slot.name for slot in dataset.lineup.slots]
    for piece in np.concatenate([dataset.split(name) for name in splits]).tolist():
        score = dataset.score(piece)
        own = [slots[slot] for slot in dataset.slots(piece).tolist()]
        names = np.array(own)[score.notes.part]
        given = np.isin(names, give) if give else names != add
        if not given.any() or not (names == add).any() or score.bar_count < bars:
            continue
        whole = score.replace(notes=score.notes.take(given | (names == add)))
        part = score.replace(notes=score.notes.take(given), texts=())
        yield Case(dataset.pieces.path[piece], part, whole, _chords(score, bars))


def _splits(text: str) -> list[Split]:
    return [name for name in ("test", "validation") if name in text.split(",")]


def _chords(score: Score, bars: int) -> tuple[str | None, ...]:
    """The chord of each bar; none where there are several, or none is known."""
    found: list[str | None] = []
    lines = score.bars()
    markers = [(text.ticks, text.text) for text in score.texts if text.kind == "marker"]
    for start, length in zip(
        lines.start_ticks[:bars].tolist(), lines.length_ticks[:bars].tolist(), strict=True
    ):
        inside = [name for ticks, name in markers if start < ticks < start + length]
        held = [name for ticks, name in markers if ticks <= start]
        name = held[-1] if held and not inside else None
        found.append(name if name in CHORD_NAMES else None)
    return tuple(found)


def surprise(model: Model, info: ModelInfo, tokens: TokenIds, given: frozenset[int]) -> float:
    """The bits that the model needs for each note of the given slots, among legal tokens."""
    language = info.language.language
    told = info.vocabulary.globalise(tokens)
    legal = info.grammar.masks_along(told[None])[0][:, info.vocabulary.ids]
    state = model.start([tokens[:1]])
    bits = 0.0
    notes = slot = 0
    for place in range(1, len(tokens)):
        group = language.groups[language.group_of[told[place]]].name
        if group == "INST":
            slot = int(language.value_of[told[place]])
        if group in ("INST", "VEL", "PITCH", "DRUM", "DUR") and slot in given:
            log_p = model.log_probabilities(state)[0].astype(np.float64)
            allowed = legal[place].copy()
            allowed[tokens[place]] = True
            whole = np.logaddexp.reduce(log_p[allowed])
            bits -= float(log_p[tokens[place]] - whole) / np.log(2)
            notes += group in ("PITCH", "DRUM")
        model.advance(state, tokens[place : place + 1].astype(np.int64))
    return bits / max(notes, 1)


def fits(info: ModelInfo, case: Case, parts: Parts, added: int) -> dict[str, float]:
    """The figures nobody steered by, of the part of one slot."""
    pitch_of = _pitches(info)
    drums = [slot.drums for slot in info.language.lineup.slots]  # type: ignore[union-attr]
    part = [note for note in parts.notes if note.slot == added]
    others = [note for note in parts.notes if note.slot != added]
    starts = np.cumsum([0, *(bar.steps for bar in parts.bars)])
    sounding: dict[int, set[int]] = {}
    for note in others:
        if not drums[note.slot]:
            sounding.setdefault(note.bar, set()).add(pitch_of[note.tokens[1]] % 12)
    kicks = np.array(
        [starts[n.bar] + n.step for n in others if drums[n.slot] and pitch_of[n.tokens[1]] in KICKS]
    )
    on_one, of_chord, among, with_kick = [], [], [], []
    for note in part:
        tone = pitch_of[note.tokens[1]] % 12
        name = case.chords[note.bar] if note.bar < len(case.chords) else None
        chord = None if name is None else parse_chord(name)
        if chord is not None:
            of_chord.append((tone - chord.root) % 12 in TONES[chord.kind])
            if note.step <= NEAR_STEPS:
                on_one.append((tone - chord.root) % 12 in (0, 7))
        if note.bar in sounding:
            among.append(tone in sounding[note.bar])
        if len(kicks):
            at = starts[note.bar] + note.step
            with_kick.append(bool(np.abs(kicks - at).min() <= NEAR_STEPS))
    means = [float(np.mean(found)) if found else NO_FIGURE for found in
             (on_one, of_chord, among, with_kick)]  # fmt: skip
    return dict(zip(MEASURES[1:], [len(part) / len(parts.bars), *means], strict=True))


def _pitches(info: ModelInfo) -> dict[int, int]:
    """What each token of a note says as a MIDI pitch."""
    return {
        token: int(name.partition("_")[2])
        for token, name in enumerate(info.vocabulary.names)
        if name.startswith(("PITCH_", "DRUM_"))
    }


def shuffled(info: ModelInfo, real: TokenIds, added: int, seed: int) -> Parts:
    """The parts of a real piece, those of one slot with its bars in another order."""
    parts = parts_of(info, real)
    order = np.random.default_rng(seed).permutation(len(parts.bars)).tolist()
    moved = [
        dataclasses.replace(n, bar=order[n.bar]) if n.slot == added else n for n in parts.notes
    ]
    return dataclasses.replace(parts, notes=tuple(moved))


def measured(
    model: Model, found: Sequence[Case], add: str, bars: int, ways: Sequence[int], seeds: int
) -> dict[str, dict[str, list[float]]]:
    """For each kind of part the figures of each piece; of one that was sampled, means of seeds."""
    info = model.info
    names = [slot.name for slot in info.language.lineup.slots]  # type: ignore[union-attr]
    added = names.index(add)
    rows: dict[str, dict[str, list[float]]] = {}

    def note(row: str, figures: dict[str, float]) -> None:
        for name, value in figures.items():
            rows.setdefault(row, {}).setdefault(name, []).append(value)

    for number, case in enumerate(found):
        real = _real(info, case, bars)
        for look_ahead in ways:
            given, wanted, _ = given_parts(
                info, case.given, [add], bars=bars, look_ahead=look_ahead
            )
            slots = frozenset(parts_of(info, given.tokens).slots)
            begins = dataclasses.replace(opening(info), wanted=wanted, given=given)
            began = time.perf_counter()
            settings = SamplingSettings(seed=number, bars=bars)
            pieces = played(model, begins, range(1, seeds + 1), settings)
            seconds = (time.perf_counter() - began) / seeds / bars
            figures = []
            for piece in pieces:
                parts = parts_of(info, piece.tokens)
                bits = surprise(model, info, piece.tokens, slots)
                figures.append({MEASURES[0]: bits, **fits(info, case, parts, added)})
            row = f"looking ahead by {look_ahead}" if look_ahead > 1 else "one way"
            note(row, {n: _mean([f[n] for f in figures]) for n in MEASURES})
            note(row, {"seconds a bar": seconds})
        if real is not None:
            bits = surprise(model, info, real, slots)
            parts = parts_of(info, real)
            note("the real part", {MEASURES[0]: bits, **fits(info, case, parts, added)})
            mixed = shuffled(info, real, added, number)
            note("the same, bars shuffled", fits(info, case, mixed, added))
    return rows


def _real(info: ModelInfo, case: Case, bars: int) -> TokenIds | None:
    """The tokens of the given parts with the real one; None where everybody plays already."""
    for slot in info.language.lineup.slots:  # type: ignore[union-attr]
        try:
            return given_parts(info, case.real, [slot.name], bars=bars)[0].tokens
        except UsageError:
            continue
    return None


def _mean(values: Sequence[float]) -> float:
    known = [value for value in values if not np.isnan(value)]
    return float(np.mean(known)) if known else NO_FIGURE


def show(rows: dict[str, dict[str, list[float]]], base: str = "one way") -> None:
    """A table of means, and of differences from one way with their standard errors."""
    names = [*MEASURES, "seconds a bar"]
    print("| part | " + " | ".join(names) + " |")
    print("|---|" + "---:|" * len(names))
    for row, figures in rows.items():
        cells = [_cell(name, _mean(figures.get(name, []))) for name in names]
        print(f"| {row} | " + " | ".join(cells) + " |")
    for row, figures in rows.items():
        if row.startswith("looking") and base in rows:
            cells = [_difference(figures[name], rows[base][name], name) for name in names]
            print(f"| … less one way | {' | '.join(cells)} |")


def _cell(name: str, value: float) -> str:
    if np.isnan(value):
        return ""
    return f"{value:.3f}" if name in (MEASURES[0], MEASURES[1], "seconds a bar") else f"{value:.1%}"


def _difference(these: Sequence[float], those: Sequence[float], name: str) -> str:
    apart = np.array(these) - np.array(those)
    apart = apart[~np.isnan(apart)]
    if len(apart) < 2:
        return ""
    error = float(apart.std(ddof=1) / np.sqrt(len(apart)))
    if name in (MEASURES[0], MEASURES[1], "seconds a bar"):
        return f"{apart.mean():+.3f} ± {error:.3f}"
    return f"{100 * apart.mean():+.1f} ± {100 * error:.1f}"


def main() -> int:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=Path)
    parser.add_argument("dataset", type=Path, help="the one the model was trained on")
    parser.add_argument("--splits", default="test", help="test, validation, or both by a comma")
    parser.add_argument("--give", default="drums,guitar", help="slots; empty: all others")
    parser.add_argument("--add", default="bass")
    parser.add_argument("--bars", type=int, default=24)
    parser.add_argument("--pieces", type=int, default=60)
    parser.add_argument("--ways", default="1,6,12")
    parser.add_argument("--seeds", type=int, default=2)
    asked = parser.parse_args()
    model = load_model(asked.model)
    dataset = Dataset.open(asked.dataset)
    give = [name for name in asked.give.split(",") if name]
    found = list(cases(dataset, _splits(asked.splits), give, asked.add, asked.bars))[: asked.pieces]
    if not found:
        print("no held-out piece has all these parts and so many bars", file=sys.stderr)
        return 1
    ways = [int(k) for k in asked.ways.split(",")]
    print(
        f"{len(found)} held-out pieces, {asked.bars} bars, {asked.seeds} seeds, "
        f"given {', '.join(give) or 'all others'}, added {asked.add}; {platform.processor()}\n"
    )
    show(measured(model, found, asked.add, asked.bars, ways, asked.seeds))
    return 0


if __name__ == "__main__":
    sys.exit(main())
