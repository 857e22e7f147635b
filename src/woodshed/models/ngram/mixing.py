"""What comes next: what every view says, mixed.

Every view of the corpus, and of the piece at hand, is an expert. They are mixed first over the
kinds of tokens, then over the tokens of a kind, as weighted sums of logarithms. Each is weighed by
what it says beyond the base: so where nobody is trusted the base holds, and tokens that no expert
has seen need not be looked at. Weights go by kind, by who plays, and by how sure each expert is;
they are learnt on held-out pieces.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ...music.compiled import kernel
from .asking import NO_TOKEN, ask, base_of
from .contexts import begin, longer
from .hearing import BEGIN, LAST, SLOT, pass_on, stand, symbol_of
from .memory import append, remember

SETTLES = 50.0
"""After how many looks a weight begins to settle."""
FLOOR = 1e-7
"""The least probability of a kind, before they are made to sum to one."""
ANY = -1
"""Of any kind, beside numbers of kinds."""
MOST_MORE = 500.0
"""The most a token may gain over the base, as a logarithm: far beyond what is learnt."""


class Mixture(NamedTuple):
    """How probable what comes next is, and room to find it out.

    `kind_logs`: of each kind. Given its kind, a token has the logarithm `token_base` of `Mix`
    and `more`, less `wide` of its kind. `moved` are the `count[0]` tokens of which `more` is not
    zero. `kind_gains` and `token_gains` are what each expert says beyond the base; those of
    tokens are in the order of `heard`.
    """

    kind_logs: Any
    kind_gains: Any
    more: Any
    wide: Any
    moved: Any
    count: Any
    token_gains: Any


@kernel
def ripe_of(mix: Any, expert: int, kind: int, voices: Any) -> Any:
    """Which weights of an expert hold; of its form the piece at hand remembers nothing."""
    return 0 if mix.flags[mix.experts[expert], 3] else voices.ripe[kind]


@kernel
def trust(mix: Any, weights: Any, expert: int, kind: int, echo: float, voices: Any) -> Any:
    """What an expert weighs: of `weights` (ripe, experts, sure) what it learnt for such a place.

    With an `echo` below 1 the piece at hand counts less, and the more count the weights that the
    corpus has where the piece knows nothing yet.
    """
    sure = voices.sure[expert]
    learnt = weights[ripe_of(mix, expert, kind, voices), expert, sure]
    return echo * learnt + (1.0 - echo) * (
        weights[0, expert, sure] if expert < len(mix.flags) else 0.0
    )


@kernel
def mix_kinds(mix: Any, group_of: Any, place: Any, echo: float, voices: Any, out: Any) -> None:
    """How probable each kind is.

    `echo` is what the piece at hand counts, beside what was learnt.
    """
    kinds = len(mix.follows)
    last = place[LAST]
    out.kind_logs[:] = mix.kind_base[last]
    for expert in range(len(mix.experts)):
        if not (voices.active[expert] and mix.flags[mix.experts[expert], 1]):
            continue
        gains = out.kind_gains[expert]
        gains[:] = 0.0
        for n in range(voices.many[expert]):
            token = voices.heard[expert, n]
            gains[group_of[token]] += voices.said[expert, token]
        for kind in range(kinds):
            if mix.follows[last, kind]:
                gains[kind] = np.log(voices.left[expert] + gains[kind] / mix.of_kind[last, kind])
                weight = trust(mix, mix.by_kind[last], expert, ANY, echo, voices)
                out.kind_logs[kind] += weight * gains[kind]
    highest = -1e30
    for kind in range(kinds):
        if mix.follows[last, kind]:
            highest = max(highest, out.kind_logs[kind])
    total = 0.0
    for kind in range(kinds):
        if mix.of_kind[last, kind] <= NO_TOKEN:
            out.kind_logs[kind] = 0.0
        elif mix.follows[last, kind]:
            out.kind_logs[kind] = max(np.exp(out.kind_logs[kind] - highest), FLOOR)
        else:
            out.kind_logs[kind] = FLOOR
        total += out.kind_logs[kind]
    for kind in range(kinds):
        share = out.kind_logs[kind] / total
        out.kind_logs[kind] = np.log(share) if share > 0.0 else -1e30


@kernel
def who_of(mix: Any, kind: int, place: Any) -> Any:
    """Whose weights hold for a kind: those of the slot that plays, or 0, everybody's."""
    return place[SLOT] + 1 if mix.slotted[kind] else 0


@kernel
def mix_tokens(
    mix: Any, group_of: Any, first_of: Any, place: Any, echo: float, voices: Any, out: Any
) -> None:
    """How probable each token is, given its kind; `echo` as in `mix_kinds`."""
    for n in range(out.count[0]):
        out.more[out.moved[n]] = 0.0
    last = place[LAST]
    count = 0
    for expert in range(len(mix.experts)):
        if not voices.active[expert]:
            continue
        view = mix.experts[expert]
        left = voices.left[expert]
        for n in range(voices.many[expert]):
            token = voices.heard[expert, n]
            kind = group_of[token]
            if not (mix.tells[view, kind] and mix.follows[last, kind]):
                continue
            if first_of[kind + 1] - first_of[kind] == 1:
                continue
            said = voices.said[expert, token]
            gain = np.log1p(said / (left * base_of(mix, view, last, token)))
            out.token_gains[expert, n] = gain
            who = who_of(mix, kind, place)
            more = gain * trust(mix, mix.by_token[kind, who], expert, kind, echo, voices)
            if more > 0.0:
                if out.more[token] == 0.0:
                    out.moved[count] = token
                    count += 1
                out.more[token] = min(out.more[token] + more, MOST_MORE)
    out.count[0] = count
    out.wide[:] = 1.0
    for n in range(count):
        token = out.moved[n]
        given = np.exp(mix.token_base[last, token])
        out.wide[group_of[token]] += given * np.expm1(out.more[token])
    for kind in range(len(out.wide)):
        out.wide[kind] = np.log(out.wide[kind])


@kernel
def learn_weights(
    token: int, mix: Any, tables: Any, place: Any, voices: Any, out: Any, rate: float,
    kind_looks: Any, token_looks: Any,
) -> None:  # fmt: skip
    """Move the weights of who spoke, once `token` has come."""
    group_of, first_of = tables[0], tables[3]
    kind, last = group_of[token], place[LAST]
    first, end = first_of[kind], first_of[kind + 1]
    who = who_of(mix, kind, place)
    for expert in range(len(mix.experts)):
        if not voices.active[expert]:
            continue
        view = mix.experts[expert]
        sure = voices.sure[expert]
        if mix.flags[view, 1] and mix.follows[last, kind]:
            slope = out.kind_gains[expert, kind]
            for other in range(len(mix.follows)):
                if mix.follows[last, other]:
                    slope -= np.exp(out.kind_logs[other]) * out.kind_gains[expert, other]
            ripe = ripe_of(mix, expert, ANY, voices)
            step(mix.by_kind[last, ripe, expert], kind_looks[last, ripe, expert], sure, rate, slope)
        if mix.tells[view, kind] and end - first > 1 and mix.follows[last, kind]:
            slope = 0.0
            for n in range(voices.many[expert]):
                other = voices.heard[expert, n]
                if first <= other < end:
                    log = mix.token_base[last, other] + out.more[other] - out.wide[kind]
                    here = 1.0 if other == token else 0.0
                    slope += (here - np.exp(log)) * out.token_gains[expert, n]
            ripe = ripe_of(mix, expert, kind, voices)
            looks = token_looks[kind, who, ripe, expert]
            step(mix.by_token[kind, who, ripe, expert], looks, sure, rate, slope)


@kernel
def step(weights: Any, looks: Any, sure: int, rate: float, slope: float) -> None:
    """Move a weight along its slope, the less the more often it has been looked at."""
    looks[sure] += 1.0
    moved = weights[sure] + rate / np.sqrt(1.0 + looks[sure] / SETTLES) * slope
    weights[sure] = max(moved, 0.0)


@kernel
def hear(index: Any, mix: Any, tables: Any, place: Any, history: Any, memory: Any,
         token: int) -> None:  # fmt: skip
    """Take a token: every view's history goes on, and what came is remembered."""
    before, _, _, segments, starts = index
    group_of, value_of, special, _ = tables
    ways, depths = history
    cells, past, codes = memory
    views = len(mix.flags)
    stand(token, place, group_of, value_of, special)
    for view in range(views):
        symbol = symbol_of(token, view, place, mix.rules, group_of, value_of, special)
        if symbol < 0:
            continue
        stream = place[SLOT] + 1 if mix.flags[view, 0] else 0
        for own in range(len(mix.experts) - views):
            if mix.experts[views + own] == view:
                if mix.rules[view, group_of[token], 1]:
                    remember(cells[own], codes[own, stream], token)
                append(past[own, stream], codes[own, stream], symbol, stream)
        for shard in range(segments.shape[0]):
            depths[shard, view, stream] = longer(
                before, segments[shard, view, 0], starts[shard, view], ways[shard, view, stream],
                depths[shard, view, stream], symbol,
            )  # fmt: skip
    pass_on(place, special)


@kernel
def start(index: Any, mix: Any, tables: Any, place: Any, history: Any, memory: Any) -> None:
    """Forget everything: before the first token of a piece."""
    before, _, _, segments, starts = index
    special = tables[2]
    ways, depths = history
    cells, past, codes = memory
    place[:] = 0
    cells[:] = 0
    for view in range(len(mix.flags)):
        for stream in range(depths.shape[2]):
            for shard in range(segments.shape[0]):
                first, count = segments[shard, view]
                way = ways[shard, view, stream]
                depths[shard, view, stream] = longer(
                    before, first, starts[shard, view], way, begin(way, count), special[BEGIN]
                )  # fmt: skip
    for own in range(len(past)):
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
    index: Any, mix: Any, tables: Any, places: Any, histories: Any, memories: Any, weights: Any,
    echo: float, turns: Any, turned: Any, voices: Any, mixture: Any, out: Any,
) -> None:  # fmt: skip
    """What comes next in every row: logarithms for every token, turned back into the row's key."""
    ways, depths = histories
    cells, past, codes = memories
    group_of, first_of = tables[0], tables[3]
    for row in range(len(places)):
        place = places[row]
        history = (ways[row], depths[row])
        memory = (cells[row], past[row], codes[row])
        ask(index, mix, group_of, place, history, memory, weights, voices, -1, -1)
        mix_kinds(mix, group_of, place, echo, voices, mixture)
        mix_tokens(mix, group_of, first_of, place, echo, voices, mixture)
        base = mix.token_base[place[LAST]]
        turn = turns[turned[row]]
        out[row, :] = -np.inf
        lost = 0.0
        for kind in range(len(mixture.wide)):
            of_kind = mixture.kind_logs[kind] - mixture.wide[kind]
            for token in range(first_of[kind], first_of[kind + 1]):
                log = of_kind + base[token] + mixture.more[token]
                if turn[token] >= 0:
                    out[row, turn[token]] = log
                else:  # it lies beyond the ends of the keyboard there
                    lost += np.exp(log)
        if lost > 0.0:
            out[row] -= np.log(1.0 - lost)


@kernel
def take(index: Any, mix: Any, tables: Any, places: Any, histories: Any, memories: Any,
         tokens: Any) -> None:  # fmt: skip
    """One token in every row."""
    ways, depths = histories
    cells, past, codes = memories
    for row in range(len(places)):
        history = (ways[row], depths[row])
        memory = (cells[row], past[row], codes[row])
        hear(index, mix, tables, places[row], history, memory, tokens[row])


@kernel
def follow(
    index: Any, mix: Any, tables: Any, place: Any, history: Any, memory: Any, weights: Any,
    voices: Any, mixture: Any, tokens: Any, offsets: Any, rate: float, kind_looks: Any,
    token_looks: Any, out: Any,
) -> None:  # fmt: skip
    """Go through pieces: the logarithm of every token's probability.

    With a rate above 0 shares and weights learn from it, a weight the less the more often it has
    been looked at, as `kind_looks` and `token_looks` count.
    """
    group_of, first_of = tables[0], tables[3]
    for piece in range(len(offsets) - 1):
        start(index, mix, tables, place, history, memory)
        for n in range(offsets[piece], offsets[piece + 1]):
            token = tokens[n]
            if n == offsets[piece]:  # every piece begins with START
                out[n] = 0.0
                hear(index, mix, tables, place, history, memory, token)
                continue
            kind = group_of[token]
            target = token if rate > 0.0 else -1
            ask(index, mix, group_of, place, history, memory, weights, voices, target, kind)
            mix_kinds(mix, group_of, place, 1.0, voices, mixture)
            mix_tokens(mix, group_of, first_of, place, 1.0, voices, mixture)
            log = mix.token_base[place[LAST], token] + mixture.more[token] - mixture.wide[kind]
            out[n] = mixture.kind_logs[kind] + log
            if rate > 0.0:
                learn_weights(
                    token, mix, tables, place, voices, mixture, rate, kind_looks, token_looks
                )  # fmt: skip
            hear(index, mix, tables, place, history, memory, token)
