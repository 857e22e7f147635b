"""The card of a model: what it was trained on, under which licences, and how to use it."""

from __future__ import annotations

from .info import ModelInfo


def card(info: ModelInfo) -> str:
    """The text of `card.md`."""
    told = info.training
    licences = ", ".join(info.licences) or "none given"
    lines = [
        f"# A model of the family {info.family}",
        "",
        f"Language {info.language.language.name}, {len(info.vocabulary):,} tokens.",
        "",
        "| | |",
        "|---|---|",
        *(f"| {name.replace('_', ' ')} | {_shown(value)} |" for name, value in told.items()),
        f"| data | {info.data_hash[:16]} |",
        f"| licences of the pieces | {licences} |",
        *(
            f"| {name.replace('_', ' ')} | {_shown(value)} |"
            for name, value in info.settings.items()
        ),
        "",
        "Whoever shares music made with it should look at the licences above.",
        "",
        "    woodshed generate MODEL -o out.mid",
        "",
    ]
    return "\n".join(lines)


def _shown(value: object) -> str:
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:,}" if isinstance(value, int | float) else str(value)
