"""A recipe is done step by step, each only where something changed, and its faults have lines."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from woodshed.errors import BadFile, UsageError, WoodshedError
from woodshed.recipes.pipeline import Run, run
from woodshed.recipes.pipeline_recipe import Key, Shape
from woodshed.recipes.pipeline_state import mark_of


def key(flag: str | None = None, **of: Any) -> Key:
    plain: dict[str, Any] = dict.fromkeys(
        ("is_required", "is_switch", "takes_many", "is_input", "is_output"), False
    )
    return Key(flag, **({**plain, "check": lambda value: value} | of))


def whole(value: Any) -> int:
    if not isinstance(value, int):
        raise ValueError(f"{value!r} is no whole number")
    return value


COPY = Shape(
    {
        "file": key(is_input=True, is_required=True, takes_many=True),
        "out": key("--out", is_output=True, is_required=True),
        "times": key("--times", check=whole),
        "count": key("--count", check=whole),
        "loud": key("--loud", is_switch=True),
    },
    forces=True,
)
SHAPES = {"copy": COPY, "prepare": COPY, "count": Shape({"file": key(is_input=True)}, False)}

RECIPE = """\
out = "made"

[[step]]
name = "one"
command = "copy"
file = "a.txt"
out = "one.txt"

[[step]]
name = "two"
command = "copy"
file = "{one}"
times = 2
out = "deep/two.txt"

[[step]]
command = "count"
file = "{two}"
"""


class Commands:
    """Commands that copy files, and remember how they were called."""

    def __init__(self) -> None:
        self.called: list[str] = []
        self.fails: Exception | None = None

    def __call__(self, command: str, arguments: Sequence[str]) -> None:
        self.called.append(" ".join([command, *arguments]))
        if self.fails is not None:
            raise self.fails
        given = dict(a.removeprefix("--").split("=") for a in arguments if "=" in a)
        text = "".join(Path(a).read_text() for a in arguments if not a.startswith("--"))
        if "out" in given:
            outs = [Path(given["out"])]
            if "count" in given:
                outs = [
                    outs[0].with_stem(f"{outs[0].stem}-{n + 1}") for n in range(int(given["count"]))
                ]
            for out in outs:
                assert not out.exists() or "--force" in arguments
                out.write_text(text * int(given.get("times", 1)))

    def take(self) -> list[str]:
        called, self.called = self.called, []
        return [line.split()[0] for line in called]


@pytest.fixture
def commands() -> Commands:
    return Commands()


@pytest.fixture
def do(tmp_path: Path, commands: Commands) -> Callable[..., Run]:
    (tmp_path / "a.txt").write_text("a")
    recipe = tmp_path / "recipe.toml"
    recipe.write_text(RECIPE)
    return lambda **how: run(recipe, SHAPES, commands, **how)


def edit(tmp_path: Path, old: str, new: str) -> None:
    recipe = tmp_path / "recipe.toml"
    assert old in recipe.read_text()
    recipe.write_text(recipe.read_text().replace(old, new))


def reasons(done: Run) -> list[str]:
    return [step.because for step in done.steps if step.is_done_now]


def test_steps_are_done_once(do: Callable[..., Run], commands: Commands, tmp_path: Path) -> None:
    first = do()
    assert reasons(first) == ["never done"] * 3
    made = tmp_path / "made"
    assert commands.called == [
        f"copy --out={made}/one.txt {tmp_path}/a.txt",
        f"copy --out={made}/deep/two.txt --times=2 {made}/one.txt",
        f"count {made}/deep/two.txt",
    ]
    assert (made / "deep" / "two.txt").read_text() == "aa"
    commands.take()
    assert reasons(do()) == []
    assert commands.take() == []
    assert str(tmp_path) not in (made / "run.json").read_text()


def test_what_changed_is_done_again(
    do: Callable[..., Run], commands: Commands, tmp_path: Path
) -> None:
    do()
    edit(tmp_path, "times = 2", "times = 3")
    assert reasons(do()) == ["times was 2 and is 3", "{two} has changed"]
    (tmp_path / "a.txt").write_text("b")
    assert reasons(do()) == ["a.txt has changed", "{one} has changed", "{two} has changed"]
    (tmp_path / "made" / "one.txt").write_text("touched")
    assert reasons(do()) == ["one.txt is not as it was made"]
    (tmp_path / "made" / "deep" / "two.txt").unlink()
    assert reasons(do()) == ["deep/two.txt is not there"]
    assert (tmp_path / "made" / "deep" / "two.txt").read_text() == "bbb"
    commands.take()
    assert reasons(do(force=True)) == ["asked for with --force"] * 3


def test_a_dry_run_does_nothing(do: Callable[..., Run], commands: Commands, tmp_path: Path) -> None:
    assert reasons(do(dry=True)) == ["never done"] * 3
    assert not (tmp_path / "made").exists()
    do()
    commands.take()
    (tmp_path / "a.txt").write_text("b")
    assert reasons(do(dry=True)) == [
        "a.txt has changed",
        "reads what step one makes anew",
        "reads what step two makes anew",
    ]
    assert commands.take() == []


def test_stopped_it_goes_on(do: Callable[..., Run], commands: Commands) -> None:
    do()
    commands.fails = KeyboardInterrupt()  # type: ignore[assignment]
    with pytest.raises(KeyboardInterrupt):
        do(force=True)
    commands.fails = None
    commands.take()
    assert reasons(do()) == ["stopped before it was whole"]
    assert commands.take() == ["copy"]


def test_a_step_that_fails_is_named(do: Callable[..., Run], commands: Commands) -> None:
    commands.fails = UsageError("no such thing")
    with pytest.raises(UsageError, match=r"recipe.toml: line 3, step one \(copy\): no such thing"):
        do()
    commands.fails = None
    assert reasons(do())[0] == "stopped before it was whole"


def test_somebody_elses_output_is_refused(do: Callable[..., Run], tmp_path: Path) -> None:
    mine = tmp_path / "made" / "one.txt"
    mine.parent.mkdir()
    mine.write_text("mine")
    with pytest.raises(WoodshedError, match="no step of this recipe made it"):
        do()
    assert mine.read_text() == "mine"
    do(force=True)
    assert mine.read_text() == "a"


def test_several_outputs(do: Callable[..., Run], tmp_path: Path) -> None:
    edit(tmp_path, "times = 2", "count = 2")
    edit(tmp_path, '"{two}"', '"{two.2}"')
    do()
    names = sorted(p.name for p in (tmp_path / "made" / "deep").iterdir())
    assert names == ["two-1.txt", "two-2.txt"]
    edit(tmp_path, '"{two.2}"', '"{two.3}"')
    with pytest.raises(BadFile, match=r"line 18: step count: the step two makes 2; write"):
        do()


def test_what_goes_on_is_forced_only_when_asked_otherwise(
    do: Callable[..., Run], commands: Commands, tmp_path: Path
) -> None:
    edit(tmp_path, 'name = "one"\ncommand = "copy"', 'name = "one"\ncommand = "prepare"')
    do()
    edit(tmp_path, 'file = "a.txt"', 'file = "a.txt"\ntimes = 2')
    do()
    assert [line for line in commands.called if line.startswith("prepare")][1].endswith("--force")
    (tmp_path / "a.txt").write_text("b")
    with pytest.raises(AssertionError):  # the copy that stands for it cannot bring up to date
        do()
    assert "--force" not in commands.called[-1]


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ('command = "copy"\nfile = "{one}"', 'command = "cpoy"\nfile = "{one}"',
         r"line 11: there is no command 'cpoy' \(did you mean copy\?\)"),
        ("times", "tmies", r"line 13: step two: there is no key 'tmies' \(did you mean times\?\)"),
        ("times = 2", 'times = "2"', r"line 13: step two: times: '2' is no whole number"),
        ("times = 2", "times = [2]", r"line 13: step two: times takes one value, not a list"),
        ("times = 2", "loud = 1", r"line 13: step two: loud is a switch; use true or false"),
        ("times = 2", "times = true", r"line 13: step two: times cannot be True"),
        ("{one}", "{ome}", r"line 12: step two: file names {ome}, and no earlier step is called "
         r"ome \(did you mean one\?\)"),
        ("{two}", "{count}", r"line 18: step count: file names {count}, and no earlier"),
        ('name = "two"', 'name = "one"', r"line 10: a step one is there already"),
        ('name = "two"', 'name = "2"', r"line 10: '2' is no name"),
        ('out = "one.txt"', "", r"line 3: step one: copy needs out"),
        ('out = "one.txt"', 'out = "/one.txt"', r"line 7: step one: out must lie in the recipe's"),
        ('out = "made"', 'ou = "made"', r"line 1: there is no key 'ou' \(did you mean out\?\)"),
        ('out = "made"', "out = 3", r"line 1: out must be the name of a folder"),
        ('out = "made"', 'out = "."', r"line 1: out is the folder of the recipe itself"),
        ("[[step]]\nname = \"one\"", "[[step]\nname = \"one\"", r"it is no TOML: .*line 3"),
    ],
)  # fmt: skip
def test_faults_have_lines(
    do: Callable[..., Run], commands: Commands, tmp_path: Path, old: str, new: str, sentence: str
) -> None:
    edit(tmp_path, old, new)
    with pytest.raises(BadFile, match=sentence):
        do()
    assert commands.called == []


def test_recipes_that_are_none(commands: Commands, tmp_path: Path) -> None:
    with pytest.raises(BadFile, match="cannot be read"):
        run(tmp_path / "nowhere.toml", SHAPES, commands)
    (tmp_path / "empty.toml").write_text("")
    with pytest.raises(BadFile, match="it has no steps"):
        run(tmp_path / "empty.toml", SHAPES, commands)


def test_an_output_cannot_leave_the_folder(
    do: Callable[..., Run], commands: Commands, tmp_path: Path
) -> None:
    edit(tmp_path, '"one.txt"', '"../one.txt"')
    with pytest.raises(UsageError, match="outside"):
        do()
    assert commands.called == []


def test_by_what_things_are_known(tmp_path: Path) -> None:
    assert mark_of(tmp_path / "nothing") == "missing"
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "a").write_text("1")
    before = mark_of(folder)
    (folder / "b").write_text("2")
    assert mark_of(folder) != before
    (folder / "dataset.json").write_text(json.dumps({"files": {"a": []}}))
    said = mark_of(folder)
    (folder / "b").write_text("a cache beside it")
    assert mark_of(folder) == said
    (folder / "a").write_text("cut off")
    assert mark_of(folder) != said
