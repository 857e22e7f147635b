"""What every view says of what comes next: counts at every length of context, made probabilities.

Within a view contexts are mixed from the longest to the shortest: each takes a share of what is
left, and the share is looked up by how long it is, how often it occurred, and how many different
things came after it. Shares are learnt on held-out pieces. What is left in the end goes to
everything as the base has it; so a view is told by the few tokens it has seen, and that rest.
Knows nothing of how views are mixed.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ...music.compiled import kernel
from .contexts import HIGH, LENGTH, LOW
from .hearing import LAST, NONE, SLOT
from .memory import LENGTHS, ORDERS, recall

CAP = 128
"""Occurrences of a context that are counted one by one; of wider intervals every nth is."""
WIDER = 2
"""How many times as often a shorter context must have occurred to be asked, too."""
KNOWN_BITS = 12
"""Of how many wide intervals it is known what they count."""
LONG, OFTEN, MANY, SURE = 9, 9, 4, 20
"""How many classes of lengths, of how often, of how many different, and of how sure there are."""
NEGLIGIBLE = 0.005
"""What may be left for shorter contexts without looking at them."""
RIPE = 3
"""How well the piece at hand knows what comes next: not at all, by a short context, by a longer
one. While it does not, the corpus must say everything, and its views have other weights. It is told
for every kind of token by itself, by the longest context of those that foretell it: a piece that
has repeated a chord says nothing of its rhythm."""
SHORT = 2
"""The longest context that is a short one."""
LEAST_LEFT = 1e-6
"""What is always left for the base."""
NO_TOKEN = 1e-30
"""How probable a kind is of which the vocabulary has no token."""
MOST_ASKED = 512
"""Contexts of one history that are asked at most."""
LENGTH_CLASS = np.array([0, 1, 2, 3, 4, 5, 5, *[6] * 3, *[7] * 7, 8])


class Mix(NamedTuple):
    """What does not change while a model speaks. First what it has learnt, then what its views are.

    `base` (kinds, tokens): how probable a token is after a kind, whatever came before. `of_kind`
    (kinds, kinds): the same of a kind, and `kind_base` its logarithm; `token_base` (kinds, tokens):
    the logarithm of a token's, given its kind. `experts`: the view that each expert looks with,
    those of the corpus first, then those of the piece at hand. The others are as in `Tables` and
    `Weights`.
    """

    base: Any
    of_kind: Any
    kind_base: Any
    token_base: Any
    follows: Any
    share_up: Any
    share_down: Any
    by_kind: Any
    by_token: Any
    rules: Any
    after: Any
    flags: Any
    tells: Any
    slotted: Any
    experts: Any
    min_count: int


class Voices(NamedTuple):
    """What each expert says of what comes next, and room to find it out.

    Of expert e the `many[e]` tokens in `heard[e]` have the masses in `said[e]`; `left[e]` goes to
    all tokens as the base has it. `sure` is the class of its longest context, 0 where it has none;
    `ripe` is how well the piece at hand knows what comes next, of each kind, and last of any.
    `known` are wide intervals that were counted before: where each begins and ends, and of how many
    tokens it knows how often they came.
    """

    active: Any
    sure: Any
    ripe: Any
    left: Any
    many: Any
    heard: Any
    said: Any
    counts: Any
    touched: Any
    cells: Any
    masses: Any
    known: Any
    known_tokens: Any
    known_amounts: Any


@kernel
def length_class(length: int) -> Any:
    """The class of a length of context."""
    return LENGTH_CLASS[min(length, 17)]


@kernel
def often_class(count: int) -> int:
    """The class of how often a context occurred."""
    found = 0
    while count > 1 and found < OFTEN - 1:
        count = (count + 1) >> 1
        found += 1
    return found


@kernel
def cell_of(expert: int, last: int, length: int, count: int, different: int, kinds: int) -> Any:
    """The cell of the share that a context takes."""
    if different == 1:
        many = 0
    elif different * 4 <= count:
        many = 1
    elif different * 2 <= count:
        many = 2
    else:
        many = 3
    cell = (expert * kinds + last) * LONG + length_class(length)
    return (cell * OFTEN + often_class(count)) * MANY + many


@kernel
def count(
    targets: Any, pieces: Any, first: int, last: int, stride: int, weights: Any, counts: Any,
    touched: Any, different: int,
) -> tuple[int, float]:  # fmt: skip
    """Count what came next at every nth place; how many different tokens there are, and the sum."""
    total = 0.0
    weighted = len(weights) > 0
    for at in range(first, last, stride):
        token = targets[at]
        if token != NONE:
            weight = float(stride)
            if weighted:
                weight *= weights[pieces[at]]
            if weight > 0.0:
                if counts[token] == 0.0:
                    touched[different] = token
                    different += 1
                counts[token] += weight
                total += weight
    return different, total


@kernel
def forget(counts: Any, touched: Any, different: int) -> int:
    """Count nothing again."""
    for n in range(different):
        counts[touched[n]] = 0.0
    return 0


@kernel
def count_wide(
    targets: Any, pieces: Any, first: int, last: int, weights: Any, voices: Any, different: int
) -> Any:
    """As `count` with so great a stride that `CAP` places are looked at.

    Few wide intervals are asked again and again, so what they count is known from the last time.
    """
    counts, touched = voices.counts, voices.touched
    stride = (last - first) // CAP + 1
    if stride == 1 or len(weights):
        return count(targets, pieces, first, last, stride, weights, counts, touched, different)
    of, tokens, amounts = voices.known, voices.known_tokens, voices.known_amounts
    cell = (np.uint64(first) * np.uint64(0x9E3779B97F4A7C15)) ^ (
        np.uint64(last) * np.uint64(0xD6E8FEB86659FD93)
    )
    row = np.int64(cell >> np.uint64(64 - KNOWN_BITS))
    if of[row, 0] != first or of[row, 1] != last:
        own = 0
        for at in range(first, last, stride):
            token = targets[at]
            if token != NONE:
                place = 0
                while place < own and tokens[row, place] != token:
                    place += 1
                if place == own:
                    tokens[row, own], amounts[row, own] = token, 0
                    own += 1
                amounts[row, place] += 1
        of[row, 0], of[row, 1], of[row, 2] = first, last, own
    total = 0.0
    for place in range(of[row, 2]):
        token = tokens[row, place]
        weight = float(amounts[row, place]) * stride
        if counts[token] == 0.0:
            touched[different] = token
            different += 1
        counts[token] += weight
        total += weight
    return different, total


@kernel
def share_out(
    expert: int, length: int, times: int, different: int, total: float, asked: int, after: int,
    target: int, mix: Any, voices: Any,
) -> None:  # fmt: skip
    """Give what came after a context, as counted, its share of what is left of an expert."""
    cell = cell_of(expert, after, length, times, different, len(mix.base))
    if asked == 0:
        voices.sure[expert] = 1 + 2 * length_class(length) + (different == 1)
    share = mix.share_up[cell] / mix.share_down[cell]
    scale = voices.left[expert] * share / total
    said, heard, many = voices.said[expert], voices.heard[expert], voices.many[expert]
    for n in range(different):
        token = voices.touched[n]
        if said[token] == 0.0:
            heard[many] = token
            many += 1
        said[token] += scale * voices.counts[token] + 1e-30
    voices.many[expert] = many
    voices.left[expert] *= 1.0 - share
    if target >= 0:
        voices.cells[asked] = cell
        voices.masses[asked] = scale * voices.counts[target]


@kernel
def ask_corpus(
    expert: int, index: Any, mix: Any, place: Any, history: Any, weights: Any, voices: Any,
    inner: Any, target: int,
) -> int:  # fmt: skip
    """What a view of the corpus says; how many contexts were asked."""
    _, targets, pieces, segments, _ = index
    ways, depths = history
    counts, touched = voices.counts, voices.touched
    stream = place[SLOT] + 1 if mix.flags[expert, 0] else 0
    after = (
        0 if mix.flags[expert, 3] else place[LAST]
    )  # what was played last says nothing of the form
    shards = len(segments)
    asked, different, total, least = 0, 0, 0.0, float(mix.min_count)
    for shard in range(shards):
        inner[shard, 0] = depths[shard, expert, stream]
        inner[shard, 1] = inner[shard, 2] = segments[shard, expert, 0]
    while asked < MOST_ASKED and (target >= 0 or voices.left[expert] >= NEGLIGIBLE):
        length = 0
        for shard in range(shards):
            row = inner[shard, 0] - 1
            if row > 0:
                length = max(length, ways[shard, expert, stream, LENGTH, row])
        if length == 0:
            break
        width, wide = 0, False
        for shard in range(shards):
            row = inner[shard, 0] - 1
            if row > 0 and ways[shard, expert, stream, LENGTH, row] == length:
                first = segments[shard, expert, 0]
                low = first + ways[shard, expert, stream, LOW, row]
                high = first + ways[shard, expert, stream, HIGH, row]
                if inner[shard, 2] == inner[shard, 1]:
                    inner[shard, 1] = inner[shard, 2] = low
                if high - low <= CAP:  # what lies within is counted already
                    for begin, end in ((low, inner[shard, 1]), (inner[shard, 2], high)):
                        different, more = count(
                            targets, pieces, begin, end, 1, weights, counts, touched, different
                        )  # fmt: skip
                        total += more
                inner[shard, 0], inner[shard, 1], inner[shard, 2] = row, low, high
            width += inner[shard, 2] - inner[shard, 1]
            wide = wide or inner[shard, 2] - inner[shard, 1] > CAP
        if width < least:
            continue
        if wide:
            different, total = forget(counts, touched, different), 0.0
            for shard in range(shards):
                different, more = count_wide(
                    targets, pieces, inner[shard, 1], inner[shard, 2], weights, voices, different
                )  # fmt: skip
                total += more
        if total > 0.0:
            least = WIDER * width
            share_out(
                expert, length, width, different, total, asked, after, target, mix, voices
            )  # fmt: skip
            asked += 1
    forget(counts, touched, different)
    return asked


@kernel
def ask_memory(
    expert: int, own: int, mix: Any, place: Any, memory: Any, voices: Any, target: int
) -> int:
    """What the memory of the piece at hand says; how many contexts were asked."""
    cells, _, codes = memory
    counts, touched = voices.counts, voices.touched
    stream = place[SLOT] + 1 if mix.flags[mix.experts[expert], 0] else 0
    asked = 0
    for order in range(ORDERS - 1, -1, -1):
        different, times, total = recall(
            cells[own], codes[own, stream, order], counts, touched
        )  # fmt: skip
        if times:
            share_out(
                expert, LENGTHS[order], times, different, total, asked, place[LAST], target, mix,
                voices,
            )  # fmt: skip
            asked += 1
        forget(counts, touched, different)
    return asked


@kernel
def ripen(expert: int, group_of: Any, voices: Any) -> None:
    """Note which kinds of tokens the piece at hand foretells, and how well."""
    ripe = 1 if (voices.sure[expert] - 1) // 2 <= SHORT else 2
    for n in range(voices.many[expert]):
        kind = group_of[voices.heard[expert, n]]
        voices.ripe[kind] = max(voices.ripe[kind], ripe)


@kernel
def base_of(mix: Any, view: int, last: int, token: int) -> Any:
    """What the base gives a token beside a view; those of the form do not know when it comes."""
    return np.exp(mix.token_base[last, token]) if mix.flags[view, 3] else mix.base[last, token]


@kernel
def ask(
    index: Any, mix: Any, group_of: Any, place: Any, history: Any, memory: Any, weights: Any,
    voices: Any, target: int, kind: int,
) -> None:  # fmt: skip
    """What every expert says, and how sure it is.

    With a `target`, everything is looked at, and the shares of those who foretell its kind learn
    from it.
    """
    views = len(mix.flags)
    last = place[LAST]
    inner = np.zeros((len(index[3]), 3), np.int64)
    voices.ripe[:] = 0
    for expert in range(len(mix.experts)):
        for n in range(voices.many[expert]):
            voices.said[expert, voices.heard[expert, n]] = 0.0
        voices.many[expert] = 0
        voices.left[expert] = 1.0
        voices.sure[expert] = 0
        voices.active[expert] = mix.after[mix.experts[expert], last]
        if not voices.active[expert]:
            continue
        if expert < views:
            asked = ask_corpus(
                expert, index, mix, place, history, weights, voices, inner, target
            )  # fmt: skip
        else:
            asked = ask_memory(expert, expert - views, mix, place, memory, voices, target)
            ripen(expert, group_of, voices)
        voices.left[expert] = max(voices.left[expert], LEAST_LEFT)
        if target >= 0 and mix.rules[mix.experts[expert], kind, 1]:
            mass = voices.left[expert] * base_of(mix, mix.experts[expert], last, target)
            whole = mass + voices.said[expert, target]
            for n in range(asked - 1, -1, -1):
                cell = voices.cells[n]
                mass += voices.masses[n]
                mix.share_up[cell] += voices.masses[n] / whole
                mix.share_down[cell] += mass / whole
    voices.ripe[-1] = voices.ripe.max()
