"""How the arrays of a sampling loop are laid out: what rows and columns mean.

Plain numbers, since compiled loops read them. Knows nothing of rules.
"""

from __future__ import annotations

NONE = 2**62
"""A bound that nothing reaches."""

# What a token is to the rules, whatever its language calls it.
(
    OTHER, BAR, CUT, MOVE, PLAYER, LOUD, NOTE, LENGTH, END, RELEASE, TEMPO, FORM, CELL, KINDS_COUNT,
) = range(14)  # fmt: skip

KINDS = {
    "BAR": BAR, "CUT": CUT, "SHIFT": MOVE, "INST": PLAYER, "VEL": LOUD, "VELOCITY": LOUD,
    "PITCH": NOTE, "DRUM": NOTE, "NOTE_ON": NOTE, "NOTE_OFF": RELEASE, "DUR": LENGTH, "END": END,
    "TEMPO": TEMPO, "KEY": FORM, "SLOT": FORM, "TAG": FORM, "CHORD": FORM, "S": CELL, "A": CELL,
    "T": CELL, "B": CELL, "S_REST": CELL, "A_REST": CELL, "T_REST": CELL, "B_REST": CELL,
}  # fmt: skip

# Rows of `words`: the kind of each token; its amount (steps of a bar, a cut, a shift or a length,
# the slot of a player, the pitch of a note or a cell, nanoseconds a step of a tempo; of a cell of
# rest `REST`); whether it is of drums; the voice of a cell.
KIND, AMOUNT, DRUMS, VOICE, WORDS = range(5)
REST = -1
LAST_VOICE = 3

# Columns of `counts`: where each piece stands. Times are in steps of the language.
(
    PLACE,  # new tokens
    BARS,  # new bars begun
    NOTES,  # new notes
    ELAPSED,  # new steps up to this moment
    HEARD,  # notes, a prompt's among them
    AT_ONCE,  # notes at this moment
    SILENT,  # bars begun since the last note
    WHO,  # the slot that plays
    STREAK,  # notes in a row by one player
    STREAK_OF,  # that player
    IN_BAR,  # steps from the bar line
    BAR_STEPS,  # the length of this bar
    STEP_NS,  # how long a step lasts, in nanoseconds
    LAST,  # whether this bar is the last
    OVER,  # whether enough is played: nothing new may begin
    OVER_AT,  # the moment this was so first
    DONE,  # 0 goes on, or one of those below
    COUNTS,
) = range(18)
ENDED, AT_THE_ENDING, PUT_ASIDE = 1, 2, 3

# Cells of `bounds`: numbers no piece may pass, NONE where there is none.
(
    MOST_BARS, MOST_NOTES, MOST_NS, MOST_TOKENS, MOST_AT_ONCE, MOST_STREAK, MOST_SILENT, TOP_K,
    GRID_STEPS,  # notes start at multiples of this in their bar
    HAS_BARS,  # whether the language tells bars
    STOPS,  # whether to stop where the last bar begins
    END_ID,  # the token END
    BOUNDS,
) = range(13)  # fmt: skip

# Cells of `dials`. Without a temperature to go to, both are the same.
TEMPERATURE, TEMPERATURE_END, TOP_P, MIN_P, DRUM_BONUS, LOG_PENALTY, DIALS = range(7)

# Columns of `prices`: what legality costs a piece so far, and how gladly it ended.
BITS, REMOVED, STRANDED, END_LOG_P, PRICES = range(5)

REMEMBERED = 8
"""How many notes back a repetition counts. `recent` holds them for each slot, and after them where
the next goes."""

RING_NS = 2_000_000_000
"""How long notes may ring on in a language that ends them by itself, once enough is played."""
