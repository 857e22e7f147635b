"""A piece: the plan, everybody's notes, the human touch, and the score with a chord at each bar.

Refuses to know folders and tags.
"""

from __future__ import annotations

import numpy as np

from ...music.notes import Notes
from ...music.score import DRUM_CHANNEL, Part, Score, Text
from ...music.time import KeyMap, MetreMap
from .bass import bass_part
from .comping import comp_part
from .drums import drum_part
from .expression import Expression, tempos
from .feel import TICKS_PER_QUARTER, Touch, play
from .lead import lead_parts
from .plan import BASS, CHOIR, DRUMS, HARP, LEAD, ORGAN, PIANO, RHYTHM, VOICE, Plan
from .rhythm import BAR, BEAT, Note

TOUCHES = {
    VOICE: Touch(late_ms=5, loose_ms=6, floor=36, reach=80, one_at_a_time=True),
    CHOIR: Touch(late_ms=4, loose_ms=5, floor=30, reach=74),
    LEAD: Touch(late_ms=3, loose_ms=6, floor=34, reach=84),
    HARP: Touch(late_ms=4, loose_ms=6, floor=34, reach=80, one_at_a_time=True),
    RHYTHM: Touch(late_ms=2, loose_ms=4, floor=22, reach=84),
    PIANO: Touch(late_ms=1, loose_ms=5, floor=24, reach=84),
    ORGAN: Touch(late_ms=1, loose_ms=3, floor=30, reach=74, velocity_spread=4),
    BASS: Touch(late_ms=4, loose_ms=3, floor=36, reach=76, velocity_spread=5, one_at_a_time=True),
    DRUMS: Touch(late_ms=-1, loose_ms=2.5, floor=14, reach=100, velocity_spread=6),
}
"""The drummer leads, the bass lays back a little, the voice most and least evenly."""


def compose(plan: Plan) -> Score:
    """The piece as a score: one part a player, markers for chords, cues for sections."""
    lines = lead_parts(plan)
    tables, parts = [], []
    expression = Expression(plan)
    for number, player in enumerate(plan.band):
        notes = _part(plan, player.name, lines)
        drums = player.name == DRUMS
        channel = DRUM_CHANNEL if drums else number
        parts.append(Part(player.name, player.program, drums, channel))
        chance = np.random.Generator(np.random.PCG64([plan.seed, plan.number, number]))
        played = play(notes, plan.feel, plan.bpm, TOUCHES[player.name], number, chance)
        expression.add(player.name, number, played.sorted())
        tables.append(played)
    return Score(
        ticks_per_quarter=TICKS_PER_QUARTER,
        notes=Notes.concatenate(tables),
        parts=tuple(parts),
        tempos=tempos(plan),
        metres=MetreMap.constant(*plan.feel.metre),
        keys=KeyMap.from_rows([(0, plan.key.sharps, plan.key.is_minor)]),
        controls=expression.controls,
        bends=expression.bends,
        texts=tuple(_texts(plan)),
    )


def _part(plan: Plan, name: str, lines: dict[str, list[Note]]) -> list[Note]:
    if name == BASS:
        return bass_part(plan)
    if name == DRUMS:
        return drum_part(plan)
    own = lines.get(name, [])
    if name in (RHYTHM, PIANO, ORGAN, CHOIR):
        return own + comp_part(plan, name)
    return own


def _texts(plan: Plan) -> list[Text]:
    """The title, a cue for each section, and a marker wherever a bar or a chord begins."""
    per_step = plan.feel.ticks_per_beat // BEAT
    texts = [Text(0, "title", plan.title)]
    texts += [Text(s.first_bar * BAR * per_step, "cue", s.name) for s in plan.sections]
    texts += [
        Text((bar.start + change.step) * per_step, "marker", change.chord.name)
        for bar in plan.bars
        for change in bar.chords
    ]
    return texts
