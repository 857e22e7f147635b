"""What is played once a folder is learnt: a wish for each piece, its music, its sound.

Knows nothing of how a model came to be, nor of pages.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..corpus.watch import Watch
from ..formats.limits import Limits
from ..listening.render import Rendering, render
from ..listening.sound_settings import SoundSettings
from .learn_place import MUSIC, SOUND, Place
from .learn_settings import LearnSettings

if TYPE_CHECKING:
    from ..models.info import ModelInfo
    from .generate import GeneratedPiece

BARS, SECONDS = 16, 40.0
"""How long a piece is where nobody says so, in a language with bars and in one without."""
TELLING_TAGS = ("style", "feel", "genre", "mood")
"""Tags that make pieces differ most to the ear, the best first."""
RENDERED_SIDE_BY_SIDE = 2


@dataclass(frozen=True, slots=True)
class Wish:
    """A piece to be made: a word for its file, the tags it should have, and its bars."""

    name: str
    tags: Mapping[str, str]
    bars: int | None = None


def planned_wishes(
    info: ModelInfo, settings: LearnSettings, wishes: Sequence[Wish] | None
) -> list[Wish]:
    """A wish for each piece; where nobody has any, the tags of the corpus in turn."""
    if wishes is None:
        name = _telling_tag(info.tags)
        values = info.tags[name] if name is not None else ()
        wishes = [Wish(value, {name: value}) for value in values if name is not None]
        wishes = wishes or [Wish("", {})]
    planned = [wishes[n % len(wishes)] for n in range(settings.pieces)]
    return [dataclasses.replace(wish, bars=settings.bars or wish.bars) for wish in planned]


def _telling_tag(tags: Mapping[str, Sequence[str]]) -> str | None:
    """The tag whose values make pieces differ most; None where there is none of those known."""
    return next((name for name in TELLING_TAGS if len(tags.get(name, ())) > 1), None)


def piece_files(number: int, planned: Sequence[Wish], family: str = "") -> tuple[str, str]:
    """The names of a piece's MIDI and sound, in the folder.

    They end with the `family`, where another one plays the same wishes under the plain names.
    """
    word = "".join(c if c.isalnum() else "-" for c in planned[number].name.lower()).strip("-")
    stem = f"{number + 1:0{len(str(len(planned)))}}-{word or 'piece'}"[:80]
    stem += f"-{family}" if family else ""
    return f"{MUSIC}/{stem}.mid", f"{SOUND}/{stem}{sound_ending()}"


def sound_ending() -> str:
    """MP3, which every browser plays, or WAV where this libsndfile cannot write it."""
    import soundfile

    return ".mp3" if "MP3" in soundfile.available_formats() else ".wav"


def play(
    place: Place,
    family: str,
    settings: LearnSettings,
    planned: Sequence[Wish],
    files: Sequence[str],
    limits: Limits | None,
    watch: Watch,
) -> Iterator[GeneratedPiece]:
    """Let the model of a family play each wish with a seed of its own."""
    from ..models.family import Conditions
    from ..models.load import load_model
    from ..sampling.settings import SamplingSettings
    from ..tokens.performance import Performance
    from .generate import generate

    model = load_model(place.model(family))
    has_bars = not isinstance(model.info.language, Performance)
    for number, wish in enumerate(watch(planned, len(planned), "pieces generated")):
        bars = wish.bars or (BARS if has_bars else None)
        how_much = {"bars": bars} if bars else {"seconds": SECONDS}
        result = generate(
            model,
            place.path / files[number],
            SamplingSettings(**how_much, seed=settings.seed + number),
            conditions=Conditions(dict(wish.tags)),
            force=True,
            limits=limits,
        )
        yield result.pieces[0]


def sounds_of(
    place: Place, files: Sequence[str], sound: SoundSettings | None, watch: Watch
) -> list[Rendering]:
    """The pieces as sound, some side by side; the compiled loops let other threads run."""

    def one(number: int) -> Rendering:
        music, target = (place.path / name for name in files[2 * number : 2 * number + 2])
        return render(music, target, sound=sound, force=True)

    count = len(files) // 2
    with ThreadPoolExecutor(RENDERED_SIDE_BY_SIDE) as pool:
        try:
            return list(watch(pool.map(one, range(count)), count, "pieces rendered"))
        finally:
            pool.shutdown(cancel_futures=True)
