"""What comes next: what every view says, mixed.

Every view of the corpus, and of the piece at hand, is an expert. They are mixed first over the
kinds of tokens, then over the tokens of a kind, as weighted sums of logarithms, with weights by
kind, by who plays, and by how sure each expert is. Weights are learnt on held-out pieces.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ...music.compiled import kernel
from .asking import ask
from .contexts import begin, longer
from .hearing import BEGIN, LAST, SLOT, stand, symbol_of
from .memory import append, remember

SETTLES = 50.0
"""After how many looks a weight begins to settle."""
FLOOR = 1e-7
"""The least probability of a kind, before they are made to sum to one."""


@kernel
def mix_kinds(
    mix: Any, by_kind: Any, first_of: Any, place: Any, said: Any, active: Any, sure: Any,
    follows: Any, kind_said: Any, kind_log: Any,
) -> None:  # fmt: skip
    """How probable each kind is, as logarithms, in `kind_log`; what each expert gives it too."""
    flags, memories = mix[5], mix[6]
    views = flags.shape[0]
    kinds = len(first_of) - 1
    last = place[LAST]
    for expert in range(len(active)):
        if active[expert]:
            for kind in range(kinds):
                total = 1e-30
                for token in range(first_of[kind], first_of[kind + 1]):
                    total += said[expert, token]
                kind_said[expert, kind] = total
    highest = -1e30
    for kind in range(kinds):
        kind_log[kind] = -1e30
        if not follows[last, kind]:
            continue
        score = 0.0
        for expert in range(len(active)):
            view = expert if expert < views else memories[expert - views]
            if active[expert] and flags[view, 1]:
                score += by_kind[last, expert, sure[expert]] * np.log(kind_said[expert, kind])
        kind_log[kind] = score
        highest = max(highest, score)
    total = 0.0
    for kind in range(kinds):
        if first_of[kind + 1] > first_of[kind]:
            kind_log[kind] = max(np.exp(kind_log[kind] - highest), FLOOR)
            total += kind_log[kind]
        else:
            kind_log[kind] = 0.0
    for kind in range(kinds):
        kind_log[kind] = np.log(kind_log[kind] / total) if kind_log[kind] > 0.0 else -1e30


@kernel
def who_of(mix: Any, kind: int, place: Any) -> Any:
    """Whose weights hold for a kind: those of the slot that plays, or 0, everybody's."""
    return place[SLOT] + 1 if mix[9][kind] else 0


@kernel
def mix_tokens(
    kind: int, mix: Any, by_token: Any, first_of: Any, who: int, echo: float, said: Any,
    active: Any, sure: Any, kind_said: Any, out: Any,
) -> None:  # fmt: skip
    """How probable each token of a kind is, given the kind, as logarithms, in `out`.

    `echo` is what the piece at hand counts, beside what was learnt.
    """
    first, last = first_of[kind], first_of[kind + 1]
    if last - first == 1:
        out[first] = 0.0
        return
    for token in range(first, last):
        out[token] = 0.0
    memories, tells = mix[6], mix[8]
    for expert in range(len(active)):
        view = expert if expert < len(tells) else memories[expert - len(tells)]
        if active[expert] and tells[view, kind]:
            weight = by_token[kind, who, expert, sure[expert]]
            if expert >= len(tells):
                weight *= echo
            scale = 1.0 / kind_said[expert, kind]
            for token in range(first, last):
                out[token] += weight * np.log(said[expert, token] * scale + 1e-9)
    highest = -1e30
    for token in range(first, last):
        highest = max(highest, out[token])
    total = 0.0
    for token in range(first, last):
        total += np.exp(out[token] - highest)
    total = np.log(total) + highest
    for token in range(first, last):
        out[token] -= total


@kernel
def base_tokens(base: Any, last: int, first: int, end: int, out: Any) -> None:
    """As `mix_tokens`, for a kind that never came here: by the base alone."""
    total = 0.0
    for token in range(first, end):
        total += base[last, token]
    for token in range(first, end):
        out[token] = np.log(base[last, token] / total)


@kernel
def hear(index: Any, mix: Any, tables: Any, place: Any, history: Any, memory: Any,
         token: int) -> None:  # fmt: skip
    """Take a token: every view's history goes on, and what came is remembered."""
    before, _, _, segments, starts = index
    rules, flags, memories = mix[3], mix[5], mix[6]
    group_of, value_of, special, _ = tables
    lows, highs, lengths, depths = history
    heads, links, tags, told, used, past, codes = memory
    stand(token, place, group_of, value_of, special)
    for view in range(len(flags)):
        symbol = symbol_of(token, view, place, rules, group_of, special)
        if symbol < 0:
            continue
        stream = place[SLOT] + 1 if flags[view, 0] else 0
        for own in range(len(memories)):
            if memories[own] == view:
                if rules[view, group_of[token], 1] and used[own] < told.shape[1]:
                    remember(
                        heads[own], links[own], tags[own], told[own], used[own],
                        codes[own, stream], token,
                    )  # fmt: skip
                    used[own] += 1
                append(past[own, stream], codes[own, stream], symbol, stream)
        for shard in range(segments.shape[0]):
            first = segments[shard, view, 0]
            depths[shard, view, stream] = longer(
                before[first : first + segments[shard, view, 1]], starts[shard, view],
                lows[shard, view, stream], highs[shard, view, stream],
                lengths[shard, view, stream], depths[shard, view, stream], symbol,
            )  # fmt: skip


@kernel
def start(index: Any, mix: Any, tables: Any, place: Any, history: Any, memory: Any) -> None:
    """Forget everything: before the first token of a piece."""
    before, _, _, segments, starts = index
    flags, memories = mix[5], mix[6]
    special = tables[2]
    lows, highs, lengths, depths = history
    heads, _, _, _, used, past, codes = memory
    place[:] = 0
    heads[:] = 0
    used[:] = 0
    for view in range(len(flags)):
        for stream in range(depths.shape[2]):
            for shard in range(segments.shape[0]):
                first, count = segments[shard, view]
                begin(
                    lows[shard, view, stream], highs[shard, view, stream],
                    lengths[shard, view, stream], count,
                )  # fmt: skip
                depths[shard, view, stream] = longer(
                    before[first : first + count], starts[shard, view],
                    lows[shard, view, stream], highs[shard, view, stream],
                    lengths[shard, view, stream], 1, special[BEGIN],
                )  # fmt: skip
    for own in range(len(memories)):
        for stream in range(past.shape[1]):
            past[own, stream, :] = special[BEGIN]
            append(past[own, stream], codes[own, stream], special[BEGIN], stream)


@kernel
def through(
    index: Any, mix: Any, tables: Any, place: Any, history: Any, memory: Any, tokens: Any
) -> None:
    """A piece from its beginning to the last of `tokens`."""
    start(index, mix, tables, place, history, memory)
    for token in tokens:
        hear(index, mix, tables, place, history, memory, token)


@kernel
def tell(
    index: Any, mix: Any, tables: Any, by_kind: Any, by_token: Any, follows: Any,
    places: Any, histories: Any, memories: Any, weights: Any, echo: float, turns: Any, turned: Any,
    scratch: Any, out: Any,
) -> None:  # fmt: skip
    """What comes next in every row: logarithms for every token, turned back into the row's key."""
    lows, highs, lengths, depths = histories
    heads, links, tags, told, used, past, codes = memories
    first_of = tables[3]
    said, active, sure, kind_said, kind_log, own, counting = scratch
    trace = (np.zeros(512, np.int64), np.zeros(512))
    kinds = len(first_of) - 1
    for row in range(len(places)):
        history = (lows[row], highs[row], lengths[row], depths[row])
        memory = (heads[row], links[row], tags[row], told[row], used[row], past[row], codes[row])
        ask(
            index, mix, places[row], history, memory, weights, said, active, sure, counting, -1,
            trace,
        )  # fmt: skip
        mix_kinds(
            mix, by_kind, first_of, places[row], said, active, sure, follows, kind_said, kind_log,
        )  # fmt: skip
        last = places[row][LAST]
        base = mix[0]
        turn = turns[turned[row]]
        out[row, :] = -np.inf
        lost = 0.0
        for kind in range(kinds):
            first, end = first_of[kind], first_of[kind + 1]
            if end == first:
                continue
            if follows[last, kind]:
                mix_tokens(
                    kind, mix, by_token, first_of, who_of(mix, kind, places[row]), echo, said,
                    active, sure, kind_said, own,
                )  # fmt: skip
            else:
                base_tokens(base, last, first, end, own)
            for token in range(first, end):
                if turn[token] >= 0:
                    out[row, turn[token]] = kind_log[kind] + own[token]
                else:  # it lies beyond the ends of the keyboard there
                    lost += np.exp(kind_log[kind] + own[token])
        if lost > 0.0:
            out[row] -= np.log(1.0 - lost)


@kernel
def take(index: Any, mix: Any, tables: Any, places: Any, histories: Any, memories: Any,
         tokens: Any) -> None:  # fmt: skip
    """One token in every row."""
    lows, highs, lengths, depths = histories
    heads, links, tags, told, used, past, codes = memories
    for row in range(len(places)):
        history = (lows[row], highs[row], lengths[row], depths[row])
        memory = (heads[row], links[row], tags[row], told[row], used[row], past[row], codes[row])
        hear(index, mix, tables, places[row], history, memory, tokens[row])


@kernel
def follow(
    index: Any, mix: Any, tables: Any, by_kind: Any, by_token: Any, follows: Any, place: Any,
    history: Any, memory: Any, weights: Any, scratch: Any, tokens: Any, offsets: Any,
    rate: float, kind_looks: Any, token_looks: Any, out: Any,
) -> None:  # fmt: skip
    """Go through pieces: the logarithm of every token's probability.

    With a rate above 0 shares and weights learn from it, a weight the less the more often it has
    been looked at, as `kind_looks` and `token_looks` count.
    """
    learn = rate > 0.0
    first_of = tables[3]
    group_of = tables[0]
    flags, memories, tells = mix[5], mix[6], mix[8]
    said, active, sure, kind_said, kind_log, own, counting = scratch
    trace = (np.zeros(512, np.int64), np.zeros(512))
    kinds = len(first_of) - 1
    views = flags.shape[0]
    for piece in range(len(offsets) - 1):
        start(index, mix, tables, place, history, memory)
        for n in range(offsets[piece], offsets[piece + 1]):
            token = tokens[n]
            kind = group_of[token]
            last = place[LAST]
            if n == offsets[piece]:  # every piece begins with START
                out[n] = 0.0
                hear(index, mix, tables, place, history, memory, token)
                continue
            ask(
                index, mix, place, history, memory, weights, said, active, sure, counting,
                token if learn else -1, trace,
            )  # fmt: skip
            mix_kinds(
                mix, by_kind, first_of, place, said, active, sure, follows, kind_said, kind_log,
            )  # fmt: skip
            out[n] = kind_log[kind]
            if follows[last, kind]:
                mix_tokens(
                    kind, mix, by_token, first_of, who_of(mix, kind, place), 1.0, said, active,
                    sure, kind_said, own,
                )  # fmt: skip
                out[n] += own[token]
            else:
                base_tokens(mix[0], last, first_of[kind], first_of[kind + 1], own)
                out[n] += own[token]
            if learn:
                several = first_of[kind + 1] - first_of[kind] > 1
                for expert in range(len(active)):
                    if not active[expert]:
                        continue
                    view = expert if expert < views else memories[expert - views]
                    if flags[view, 1]:
                        slope = np.log(kind_said[expert, kind])
                        for other in range(kinds):
                            if follows[last, other]:
                                slope -= np.exp(kind_log[other]) * np.log(kind_said[expert, other])
                        kind_looks[last, expert, sure[expert]] += 1.0
                        seen = kind_looks[last, expert, sure[expert]]
                        by_kind[last, expert, sure[expert]] += (
                            rate / np.sqrt(1.0 + seen / SETTLES) * slope
                        )
                    if tells[view, kind] and several and follows[last, kind]:
                        scale = 1.0 / kind_said[expert, kind]
                        slope = np.log(said[expert, token] * scale + 1e-9)
                        for other in range(first_of[kind], first_of[kind + 1]):
                            slope -= np.exp(own[other]) * np.log(said[expert, other] * scale + 1e-9)
                        who = who_of(mix, kind, place)
                        token_looks[kind, who, expert, sure[expert]] += 1.0
                        seen = token_looks[kind, who, expert, sure[expert]]
                        by_token[kind, who, expert, sure[expert]] += (
                            rate / np.sqrt(1.0 + seen / SETTLES) * slope
                        )
            hear(index, mix, tables, place, history, memory, token)
