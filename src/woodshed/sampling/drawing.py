"""How one of the tokens that rules have left is drawn: by their weights, or as a piece is shaped.

Loops that are compiled as part of `knobs.choose`. Knows nothing of rules.
"""

from __future__ import annotations

import math
from typing import Any

from . import layout

FORBIDDEN = -math.inf
UNLIKELIEST = -1e30
"""What the model holds impossible: never chosen beside anything else, but chosen where it must."""
SHAPING = (layout.FORM, layout.TEMPO, layout.MOVE, layout.BAR, layout.PLAYER)
FAR_FETCHED, RARE = 0.1, 0.4
"""How likely what shapes a piece must be, beside the likeliest of its kind or beside all others of
it together, whichever is less; and how likely a kind, beside the likeliest or all others. Where the
model is nearly sure, what it holds possible all the same is mostly real; where it is not, much of
that is smoothing. A kind that comes too early does more harm: a bar line cuts its bar short."""


def shapes_the_piece(found: Any, weight: Any, n: int, words: Any) -> bool:
    """Whether it is told when something comes, who plays, a chord or the header: the piece's shape.

    A chord mostly stays as it is. Sharpened, it would always stay, and no form would ever go on;
    every piece would have the same tempo, and its rhythm would be that of a machine.
    """
    for i in range(n):
        kind = words[layout.KIND, found[i]]
        if kind in SHAPING and weight[i] > UNLIKELIEST:
            return True
    return False


def of_kind(
    found: Any, weight: Any, n: int, words: Any, kind: int, heat: float, least: float
) -> float:
    """What a kind weighs in all, where it is likely enough; `weight` is relative to the whole."""
    mass = 0.0
    for i in range(n):
        if words[layout.KIND, found[i]] == kind:
            mass += math.exp(weight[i])
    return mass ** (1 / heat) if mass > least else 0.0


def draw_form(
    found: Any, weight: Any, n: int, words: Any, temperature: float, dials: Any, uniform: float
) -> int:
    """Which of the tokens it is: its kind as the model thinks, then which of that kind.

    What happens once in ten bars must happen, or a rest would never end; so no top-p cuts this, and
    a temperature below 1 sharpens it half-way where it is a chord, and else not at all. What is
    far-fetched goes all the same, a kind among kinds as a token among those of its kind. With a
    top-p of 1 and no min-p nothing goes.
    """
    least, least_kind = FAR_FETCHED, RARE
    if dials[layout.TOP_P] >= 1 and dials[layout.MIN_P] == 0:
        least = least_kind = 0.0
    heat = max(temperature, 1.0)
    highest = UNLIKELIEST
    for i in range(n):
        highest = max(highest, weight[i])
    total = 0.0
    for i in range(n):
        total += math.exp(weight[i] - highest)
    highest += math.log(total)
    for i in range(n):
        weight[i] -= highest
    likeliest = 0.0
    for kind in range(layout.KINDS_COUNT):
        likeliest = max(likeliest, of_kind(found, weight, n, words, kind, 1.0, 0.0))
    least_kind *= min(likeliest, 1 - likeliest)
    total = 0.0
    for kind in range(layout.KINDS_COUNT):
        total += of_kind(found, weight, n, words, kind, heat, least_kind)
    left, chosen_kind = uniform * total, -1
    for kind in range(layout.KINDS_COUNT):
        mass = of_kind(found, weight, n, words, kind, heat, least_kind)
        if mass > 0:
            chosen_kind = kind
            if left < mass:
                left /= mass  # what is left of the number says which token it is
                break
            left -= mass
    if chosen_kind == layout.FORM:  # a chord that is unsure of itself loses the form
        heat = (temperature + heat) / 2
    highest, total = UNLIKELIEST, 0.0
    for i in range(n):
        if words[layout.KIND, found[i]] == chosen_kind:
            highest = max(highest, weight[i])
    for i in range(n):
        if words[layout.KIND, found[i]] == chosen_kind:
            total += math.exp((weight[i] - highest) / heat)
    least = max(least * min(1.0, total - 1.0), dials[layout.MIN_P])
    total = 0.0
    for i in range(n):
        share = math.exp((weight[i] - highest) / heat)
        keep = words[layout.KIND, found[i]] == chosen_kind and share >= least
        weight[i] = share if keep else 0.0
        total += weight[i]
    reached, chosen = 0.0, 0
    for i in range(n):
        if weight[i] > 0:
            chosen = i
            reached += weight[i]
            if reached > left * total:
                break
    return chosen


def draw(
    found: Any, weight: Any, n: int, temperature: float, bounds: Any, dials: Any, uniform: float
) -> int:
    """Which of the tokens it is. At temperature 0 the likeliest, of equals the first.

    Otherwise weights become probabilities, those below min-p go, and of the likeliest as many stay
    as top-k and top-p let.
    """
    best = 0
    for i in range(1, n):
        if weight[i] > weight[best]:
            best = i
    if temperature == 0:
        return best
    highest = weight[best]
    total = 0.0
    for i in range(n):
        weight[i] = math.exp((weight[i] - highest) / temperature)
        if weight[i] < dials[layout.MIN_P]:
            weight[i] = 0
        total += weight[i]
    if dials[layout.TOP_P] < 1 or bounds[layout.TOP_K] < n:
        wanted = dials[layout.TOP_P] * total
        total = 0.0
        left, n = n, 0
        while n < left and n < bounds[layout.TOP_K] and (n == 0 or total < wanted):
            best = n
            for i in range(n + 1, left):
                if weight[i] > weight[best]:
                    best = i
            found[n], found[best] = found[best], found[n]
            weight[n], weight[best] = weight[best], weight[n]
            total += weight[n]
            n += 1
    threshold = uniform * total
    reached = 0.0
    chosen = 0
    for i in range(n):
        if weight[i] > 0:
            chosen = i
            reached += weight[i]
            if reached > threshold:
                break
    return chosen
