"""The rules of sampling: one small function for each, composed in `choose`.

They work on the log-probabilities `weight` of the first `n` tokens `found`, those the grammar
allows in one piece, and take away or move what a rule is about. Temperature, top-k and top-p come
last, and see only what the rules left. numba compiles them as one; without it they run as they are.
How the arrays are laid out says `layout`.
"""

from __future__ import annotations

import math
from typing import Any

from . import layout
from .drawing import FORBIDDEN, UNLIKELIEST, draw, draw_form, of_kind, shapes_the_piece


def choose(
    log_p: Any, legal: Any, permitted: Any, words: Any, counts: Any, recent: Any, bounds: Any,
    dials: Any, uniform: Any, prices: Any, tokens: Any, found: Any, weight: Any, kept: Any,
) -> int:  # fmt: skip
    """One token for each piece that goes on, END for the others; how many still go on after it.

    `log_p` (pieces, vocabulary) is not changed. `legal` (pieces, 1, vocabulary) is the grammar's
    mask, `permitted` (pieces, vocabulary) that of what was asked for. What is asked for gives way
    where it would leave nothing, and so do knobs. `uniform` has a number below 1 for each piece.
    """
    going = 0
    for row in range(len(tokens)):
        count = counts[row]
        if count[layout.DONE] != 0:
            tokens[row, 0] = bounds[layout.END_ID]
            continue
        n = gather(log_p[row], legal[row, 0], found, weight)
        pay(weight, n, prices[row])
        copy(weight, kept, n)
        forbid_unasked(found, weight, n, permitted[row])
        end_in_time(found, weight, n, words, count, bounds)
        end_notes_in_time(found, weight, n, words, count, bounds)
        n = settle(found, weight, n, kept)
        copy(weight, kept, n)
        thin_out_moments(found, weight, n, words, count, bounds)
        pass_on(found, weight, n, words, count, bounds)
        break_silence(found, weight, n, words, count, bounds)
        snap(found, weight, n, words, count, bounds)
        n = settle(found, weight, n, kept)
        favour_drums(found, weight, n, words, dials)
        avoid_repetition(found, weight, n, words, count, recent[row], dials)
        heat = warmth(count, bounds, dials)
        chance = uniform[row]
        share = end_as_learned(found, weight, n, words, count, bounds, heat)
        if chance < share:
            at = n - 1
        else:
            if share > 0:
                n -= 1
                chance = (chance - share) / (1 - share)
            held = stay_as_learned(found, weight, n, words, recent[row], heat, bounds)
            if held > 0:
                if chance < held:
                    n = 1
                    chance = 0.0
                else:
                    chance = (chance - held) / (1 - held)
                    forget_first(found, weight, n)
                    n -= 1
            free = heat > 0 and bounds[layout.TOP_K] > 1 and dials[layout.TOP_P] > 1e-6
            if free and shapes_the_piece(found, weight, n, words):
                at = draw_form(found, weight, n, words, heat, dials, chance)
            else:
                at = draw(found, weight, n, heat, bounds, dials, chance)
        token = found[at]
        if words[layout.KIND, token] == layout.END:
            prices[row, layout.END_LOG_P] = log_p[row, token]
        tokens[row, 0] = token
        take(token, words, count, recent[row], bounds)
        if count[layout.DONE] == 0:
            going += 1
    return going


def gather(log_p: Any, legal: Any, found: Any, weight: Any) -> int:
    """The legal tokens and their log-probabilities; how many there are."""
    n = 0
    for token in range(len(legal)):
        if legal[token]:
            found[n] = token
            weight[n] = max(UNLIKELIEST, log_p[token])
            n += 1
    return n


def copy(source: Any, target: Any, n: int) -> None:
    """Copy the first `n` values."""
    for i in range(n):  # a slice would take seconds more to compile
        target[i] = source[i]


def pay(weight: Any, n: int, price: Any) -> None:
    """Note what legality costs: how much of the model's probability the grammar takes away."""
    highest = UNLIKELIEST
    for i in range(n):
        highest = max(highest, weight[i])
    if highest == UNLIKELIEST:
        price[layout.STRANDED] += 1
        price[layout.REMOVED] += 1
        return
    total = 0.0
    for i in range(n):
        total += math.exp(weight[i] - highest)
    log_mass = min(0.0, highest + math.log(total))
    price[layout.BITS] -= log_mass / math.log(2.0)
    price[layout.REMOVED] += 1 - math.exp(log_mass)


def settle(found: Any, weight: Any, n: int, kept: Any) -> int:
    """Drop what is forbidden; where that is all, everything stays as it was `kept`."""
    left = 0
    for i in range(n):
        left += weight[i] != FORBIDDEN
    if left == 0:
        copy(kept, weight, n)
        return n
    left = 0
    for i in range(n):
        if weight[i] != FORBIDDEN:
            found[left] = found[i]
            weight[left] = weight[i]
            left += 1
    return left


def forbid_unasked(found: Any, weight: Any, n: int, permitted: Any) -> None:
    """What was asked for comes true: a metre, players, a header, given parts."""
    for i in range(n):
        if not permitted[found[i]]:
            weight[i] = FORBIDDEN


def end_in_time(found: Any, weight: Any, n: int, words: Any, count: Any, bounds: Any) -> None:
    """Music ends where it was asked to, with a whole bar, after a note at least.

    A bar line and the end both say that this bar is over. So where only one of them may come, it
    gets the probability of both: the model still decides when a bar is full.
    """
    end = -1
    for i in range(n):
        if words[layout.KIND, found[i]] == layout.END:
            end = i
    if count[layout.OVER]:
        since = count[layout.ELAPSED] - count[layout.OVER_AT]
        late = since * count[layout.STEP_NS] >= layout.RING_NS
        for i in range(n):
            kind = words[layout.KIND, found[i]]
            begins = kind in (layout.NOTE, layout.LOUD)
            if (end >= 0 and i != end) or begins or (late and kind == layout.MOVE):
                weight[i] = FORBIDDEN
        return
    if end < 0:
        return
    limited = bounds[layout.MOST_TOKENS] == layout.NONE  # where nothing else ends it
    is_last = count[layout.LAST] != 0
    if is_last or limited or count[layout.HEARD] == 0:
        bars = FORBIDDEN
        for i in range(n):
            if words[layout.KIND, found[i]] == layout.BAR:
                bars = log_sum(bars, weight[i])
        if is_last and count[layout.HEARD] > 0:
            weight[end] = log_sum(weight[end], bars)
        for i in range(n):
            if words[layout.KIND, found[i]] == layout.BAR:
                if is_last:
                    weight[i] = FORBIDDEN
                elif weight[i] != FORBIDDEN:
                    weight[i] += log_sum(bars, weight[end]) - bars
        if not is_last or count[layout.HEARD] == 0:
            weight[end] = FORBIDDEN


def log_sum(a: float, b: float) -> float:
    """The logarithm of the sum of two probabilities, given by theirs."""
    high, low = max(a, b), min(a, b)
    if low == FORBIDDEN:
        return high
    return high + math.log1p(math.exp(low - high))


def end_notes_in_time(found: Any, weight: Any, n: int, words: Any, count: Any, bounds: Any) -> None:
    """Where bars were asked for, no note rings on after the last of them; the shortest may."""
    if bounds[layout.MOST_BARS] == layout.NONE or words[layout.KIND, found[0]] != layout.LENGTH:
        return
    left = count[layout.BAR_STEPS] - count[layout.IN_BAR]
    left += max(0, bounds[layout.MOST_BARS] - count[layout.BARS]) * count[layout.BAR_STEPS]
    for i in range(1, n):  # lengths come in order, the shortest first
        if words[layout.KIND, found[i]] == layout.LENGTH and words[layout.AMOUNT, found[i]] > left:
            weight[i] = FORBIDDEN


def thin_out_moments(found: Any, weight: Any, n: int, words: Any, count: Any, bounds: Any) -> None:
    """No more notes at one moment than asked for: an avalanche is not music."""
    if count[layout.AT_ONCE] < bounds[layout.MOST_AT_ONCE]:
        return
    for i in range(n):
        kind = words[layout.KIND, found[i]]
        if kind in (layout.LOUD, layout.PLAYER, layout.NOTE):
            weight[i] = FORBIDDEN


def pass_on(found: Any, weight: Any, n: int, words: Any, count: Any, bounds: Any) -> None:
    """After so many notes in a row by one player it is another's turn, where there is another."""
    if count[layout.STREAK] < bounds[layout.MOST_STREAK]:
        return
    for i in range(n):
        kind = words[layout.KIND, found[i]]
        if kind == layout.PLAYER:
            if words[layout.AMOUNT, found[i]] == count[layout.STREAK_OF]:
                weight[i] = FORBIDDEN
        elif kind == layout.LOUD and count[layout.WHO] == count[layout.STREAK_OF]:
            weight[i] = FORBIDDEN


def break_silence(found: Any, weight: Any, n: int, words: Any, count: Any, bounds: Any) -> None:
    """After so many bars without a note nothing ends before one: no collapse into rests."""
    if count[layout.SILENT] < bounds[layout.MOST_SILENT]:
        return
    for i in range(n):
        if words[layout.KIND, found[i]] in (layout.BAR, layout.END):
            weight[i] = FORBIDDEN


def snap(found: Any, weight: Any, n: int, words: Any, count: Any, bounds: Any) -> None:
    """Notes start on the grid: a shift that leads beside it gives its probability to the nearest.

    So a model that plays late still plays as often. Where the nearest point is the next bar line,
    the likeliest BAR has it; where it is this moment, or no shift leads there, it is gone.
    """
    grid = bounds[layout.GRID_STEPS]
    if grid == layout.NONE:
        return
    for i in range(n):
        if words[layout.KIND, found[i]] != layout.MOVE:
            continue
        landing = count[layout.IN_BAR] + words[layout.AMOUNT, found[i]]
        if landing % grid == 0:
            continue
        goal = (landing + grid // 2) // grid * grid
        heir = -1
        for j in range(n):
            kind = words[layout.KIND, found[j]]
            if weight[j] == FORBIDDEN:
                continue
            reached = count[layout.IN_BAR] + words[layout.AMOUNT, found[j]]
            leads_there = kind == layout.MOVE and reached == goal
            is_line = kind == layout.BAR and goal >= count[layout.BAR_STEPS]
            if leads_there or (is_line and (heir < 0 or weight[j] > weight[heir])):
                heir = j
        if heir >= 0:
            weight[heir] = log_sum(weight[heir], weight[i])
        weight[i] = FORBIDDEN


def favour_drums(found: Any, weight: Any, n: int, words: Any, dials: Any) -> None:
    """Drums enter more often, or less. Entering is weighed, not what they play then."""
    if dials[layout.DRUM_BONUS] == 0:
        return
    for i in range(n):
        if words[layout.KIND, found[i]] == layout.PLAYER and words[layout.DRUMS, found[i]]:
            weight[i] += dials[layout.DRUM_BONUS]


def avoid_repetition(
    found: Any, weight: Any, n: int, words: Any, count: Any, recent: Any, dials: Any
) -> None:
    """A pitch its player has just used becomes less likely. Drums repeat by nature, and may."""
    if dials[layout.LOG_PENALTY] == 0:
        return
    for i in range(n):
        if words[layout.KIND, found[i]] == layout.NOTE and not words[layout.DRUMS, found[i]]:
            for k in range(layout.REMEMBERED):
                if recent[count[layout.WHO], k] == words[layout.AMOUNT, found[i]]:
                    weight[i] -= dials[layout.LOG_PENALTY]
                    break


def end_as_learned(
    found: Any, weight: Any, n: int, words: Any, count: Any, bounds: Any, temperature: float
) -> float:
    """Pieces that nobody set an end to end as often as the model thinks; moves END to the end.

    At every bar line the end is unlikely, so temperature and top-p would always cut it off, and no
    piece would ever end. Gives its share of the probability; 0 where this is not about it.
    """
    if bounds[layout.MOST_TOKENS] == layout.NONE or count[layout.LAST] or temperature == 0:
        return 0.0
    end = -1
    highest = weight[0]
    for i in range(n):
        highest = max(highest, weight[i])
        if words[layout.KIND, found[i]] == layout.END:
            end = i
    if end < 0:
        return 0.0
    total = 0.0
    for i in range(n):
        total += math.exp(weight[i] - highest)
    share = math.exp(weight[end] - highest) / total
    found[end], found[n - 1] = found[n - 1], found[end]
    weight[end], weight[n - 1] = weight[n - 1], weight[end]
    return share


def stay_as_learned(
    found: Any, weight: Any, n: int, words: Any, recent: Any, temperature: float, bounds: Any
) -> float:
    """A voice stays on its pitch as often as the model thinks; moves that cell to the front.

    At most sixteenths it stays, so temperature and top-p would always have it stay, and nothing
    would ever happen. Gives its share of the probability; 0 where this is not about it, or where
    nothing is left to chance.
    """
    if words[layout.KIND, found[0]] != layout.CELL or n < 2:
        return 0.0
    if temperature == 0 or bounds[layout.TOP_K] == 1:
        return 0.0
    same = -1
    highest = weight[0]
    for i in range(n):
        highest = max(highest, weight[i])
        voice = words[layout.VOICE, found[i]]
        if words[layout.AMOUNT, found[i]] == recent[voice, 0]:
            same = i
    if same < 0:
        return 0.0
    total = 0.0
    for i in range(n):
        total += math.exp(weight[i] - highest)
    share = math.exp(weight[same] - highest) / total
    found[same], found[0] = found[0], found[same]
    weight[same], weight[0] = weight[0], weight[same]
    return min(share, 1 - 1e-12)


def forget_first(found: Any, weight: Any, n: int) -> None:
    """Take away the first token; the last comes in its place."""
    found[0] = found[n - 1]
    weight[0] = weight[n - 1]


def warmth(count: Any, bounds: Any, dials: Any) -> float:
    """The temperature of this moment: on the way from the first to the last, by what is played."""
    way = 0.0
    if bounds[layout.MOST_BARS] < layout.NONE and count[layout.BARS] > 0:
        bars = count[layout.BARS] - 1 + count[layout.IN_BAR] / count[layout.BAR_STEPS]
        way = bars / bounds[layout.MOST_BARS]
    if bounds[layout.MOST_NOTES] < layout.NONE:
        way = max(way, count[layout.NOTES] / bounds[layout.MOST_NOTES])
    if bounds[layout.MOST_NS] < layout.NONE:
        way = max(way, count[layout.ELAPSED] * count[layout.STEP_NS] / bounds[layout.MOST_NS])
    way = min(1.0, way)
    first, last = dials[layout.TEMPERATURE], dials[layout.TEMPERATURE_END]
    return float(first + way * (last - first))


def take(token: int, words: Any, count: Any, recent: Any, bounds: Any) -> None:
    """Keep the counts of a piece up to date with one more token of it."""
    kind = words[layout.KIND, token]
    amount = words[layout.AMOUNT, token]
    whole = False  # whether so many bars are over
    count[layout.PLACE] += 1
    if kind == layout.TEMPO:
        count[layout.STEP_NS] = amount
    elif kind == layout.BAR:
        count[layout.ELAPSED] += count[layout.BAR_STEPS] - count[layout.IN_BAR]
        count[layout.IN_BAR] = 0
        count[layout.BAR_STEPS] = amount
        count[layout.BARS] += 1
        count[layout.SILENT] += 1
        count[layout.AT_ONCE] = 0
    elif kind == layout.CUT:
        count[layout.BAR_STEPS] = amount
    elif kind == layout.MOVE:
        count[layout.ELAPSED] += amount
        count[layout.IN_BAR] += amount
        count[layout.AT_ONCE] = 0
    elif kind == layout.PLAYER:
        count[layout.WHO] = amount
    elif kind == layout.NOTE:
        count[layout.NOTES] += 1
        count[layout.HEARD] += 1
        count[layout.AT_ONCE] += 1
        count[layout.SILENT] = 0
        if count[layout.STREAK_OF] != count[layout.WHO]:
            count[layout.STREAK_OF] = count[layout.WHO]
            count[layout.STREAK] = 0
        count[layout.STREAK] += 1
        own = recent[count[layout.WHO]]
        own[own[layout.REMEMBERED]] = -1 if words[layout.DRUMS, token] else amount
        own[layout.REMEMBERED] = (own[layout.REMEMBERED] + 1) % layout.REMEMBERED
    elif kind == layout.CELL:
        sing(amount, words[layout.VOICE, token], count, recent)
        whole = count[layout.ELAPSED] // count[layout.BAR_STEPS] >= bounds[layout.MOST_BARS]
        count[layout.BARS] = count[layout.ELAPSED] // count[layout.BAR_STEPS] + 1
    elif kind == layout.END:
        count[layout.DONE] = layout.ENDED
    is_over = whole or count[layout.NOTES] >= bounds[layout.MOST_NOTES]
    if kind in (layout.BAR, layout.CUT):
        until = (count[layout.ELAPSED] + count[layout.BAR_STEPS] - count[layout.IN_BAR]) * count[
            layout.STEP_NS
        ]
        count[layout.LAST] = (
            count[layout.BARS] >= bounds[layout.MOST_BARS]
            or until >= bounds[layout.MOST_NS]
            or count[layout.PLACE] >= bounds[layout.MOST_TOKENS]
        )
        if kind == layout.BAR and count[layout.LAST] and bounds[layout.STOPS]:
            count[layout.DONE] = layout.AT_THE_ENDING
    elif not bounds[layout.HAS_BARS]:
        is_over = is_over or count[layout.ELAPSED] * count[layout.STEP_NS] >= bounds[layout.MOST_NS]
        is_over = is_over or count[layout.PLACE] >= bounds[layout.MOST_TOKENS]
    if is_over and not count[layout.OVER]:
        count[layout.OVER] = 1
        count[layout.OVER_AT] = count[layout.ELAPSED]


def sing(pitch: int, voice: int, count: Any, recent: Any) -> None:
    """A cell of a voice: a new note where it moves, and a step on after the last voice."""
    if pitch != layout.REST:
        is_new = pitch != recent[voice, 0]
        count[layout.NOTES] += is_new
        count[layout.HEARD] += is_new
    recent[voice, 0] = pitch
    if voice == layout.LAST_VOICE:
        count[layout.ELAPSED] += 1
        count[layout.IN_BAR] = count[layout.ELAPSED] % count[layout.BAR_STEPS]


RULES = (
    gather, copy, pay, log_sum, settle, forbid_unasked, end_in_time, end_notes_in_time,
    thin_out_moments, pass_on, break_silence, snap, favour_drums, avoid_repetition,
    end_as_learned, stay_as_learned, forget_first, warmth, sing, shapes_the_piece, of_kind,
    draw_form, draw, take,
)  # fmt: skip
"""What `choose` is made of, in an order in which each knows the ones it calls."""
