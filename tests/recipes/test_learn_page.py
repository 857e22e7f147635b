"""The page: words cannot break it, and lists do not grow without end."""

from __future__ import annotations

from pathlib import Path

from tests.recipes.pages import Tags
from woodshed.cli.check import check
from woodshed.cli.learn import learn
from woodshed.cli.train import train
from woodshed.corpus.prepare import FileLeftOut
from woodshed.formats.limits import Limits
from woodshed.music.score import Part, Score
from woodshed.recipes.learn_page import MOST_FILES, USUAL, _flags, _left_out, _length
from woodshed.recipes.learn_player import player, table, whole_page
from woodshed.recipes.learn_settings import LearnSettings


def read(tmp_path: Path, *parts: str) -> Tags:
    page = tmp_path / "page.html"
    page.write_text(whole_page("</title>&", *parts), encoding="utf-8")
    return Tags.of(page)


def test_words_cannot_break_the_page(tmp_path: Path) -> None:
    score = Score(parts=(Part("<b>&", 0),))
    tags = read(
        tmp_path,
        player("</script><b>", '" & <i>', score, 'a&"b.mp3', "c d.mid"),
        table(("<b>", "<i>"), [("<u>", "3")]),
    )
    assert tags.open == []
    assert tags.addresses == ["c%20d.mid", "a%26%22b.mp3"]
    assert "</script><b>" in tags.text


def test_of_each_reason_some_files_are_shown_the_commonest_first(tmp_path: Path) -> None:
    files = [FileLeftOut(f"<{n}>.mid", "copy", "as & other") for n in range(MOST_FILES + 3)]
    files.insert(0, FileLeftOut("one.mid", "least_notes", "3 notes"))
    tags = read(tmp_path, *_left_out(files, 20))
    assert tags.open == []
    assert "9 of 20 files" in tags.text
    assert "… and 3 more" in tags.text
    assert tags.text.index("same bytes as another file: 8") < tags.text.index("Least notes: 1")
    assert "every file became a piece" in read(tmp_path, *_left_out([], 3)).text


def test_lengths_in_words() -> None:
    assert [_length(s) for s in (1, 99, 130, 3600, 9000)] == [
        "1 second", "99 seconds", "2 minutes", "60 minutes", "2.5 hours"
    ]  # fmt: skip


def test_what_is_not_usual_becomes_flags() -> None:
    asked = {"lineup": "my lineup.toml", "language": "performance", "folder": "songs"}
    settings = LearnSettings(6, seed=3, families="ngram,transformer", max_minutes=90.5)
    told = _flags({**asked, **settings.to_dict()}, Limits(seconds=30, workers=1))
    assert told == (
        " --lineup 'my lineup.toml' --language performance --pieces 6 --seed 3 "
        "--families ngram,transformer --max-minutes 90.5 --seconds 30 --workers 1"
    )
    assert _flags({**USUAL, **LearnSettings().to_dict()}, None) == ""
    assert _flags(asked, Limits(workers=1), "language") == " --language performance"


def test_flags_that_are_shown_are_flags_of_the_commands() -> None:
    shown = {*USUAL, *LearnSettings.__dataclass_fields__, *Limits.__dataclass_fields__}
    for command, names in (
        (learn, shown),
        (train, {"language", *Limits.__dataclass_fields__}),
        (check, {"language", *Limits.__dataclass_fields__}),
    ):
        assert names <= {parameter.name for parameter in command.params}
    usual = {parameter.name: parameter.default for parameter in learn.params}
    assert {name: usual[name] for name in USUAL} == USUAL
