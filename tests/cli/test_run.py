"""`woodshed run`: the recipes of the docs run, and a recipe's faults are told before anything."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from tests.cli.test_audition import Run
from tests.samples import write_samples
from woodshed.cli.run import shapes

DOCS = Path(__file__).parents[2] / "docs" / "recipes.md"
RECIPES = re.findall(r"^```toml\n(.*?)^```", DOCS.read_text("utf-8"), re.MULTILINE | re.DOTALL)


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str]) -> Any:
    return lambda *arguments: Run(capsys, *map(str, arguments))


@pytest.mark.parametrize("number", range(2))
def test_recipes_of_the_docs_run(call: Any, tmp_path: Path, number: int) -> None:
    write_samples(tmp_path / "my-music")
    recipe = tmp_path / "recipe.toml"
    recipe.write_text(RECIPES[number], encoding="utf-8")
    steps = tomllib.loads(RECIPES[number])["step"]
    run = call("run", recipe, "--json")
    assert run.status == 0, run.err
    told = json.loads(run.out)
    assert [step["command"] for step in told["steps"]] == [step["command"] for step in steps]
    out = Path(told["out"])
    assert all((out / name).exists() for step in told["steps"] for name in step["outputs"])
    run = call("run", recipe)
    assert run.status == 0, run.err
    lines = run.out.splitlines()[: len(steps)]
    assert all(re.match(r"kept .*; nothing has changed$", line) for line in lines), lines
    run = call("run", recipe, "--dry-run", "--force", "--json")
    assert all(step["is_done_now"] for step in json.loads(run.out)["steps"])


def test_there_are_two_recipes_in_the_docs() -> None:
    assert len(RECIPES) == 2


@pytest.mark.parametrize(
    ("step", "sentence"),
    [
        ('command = "perpare"', "there is no command 'perpare' (did you mean prepare?)"),
        ('command = "run"', "there is no command 'run'"),
        ('command = "fetch"', "there is no command 'fetch'"),
        ('command = "fetch startr"', "did you mean fetch starter?"),
        ('command = "generate"\nbras = 4', "there is no key 'bras' (did you mean bars?)"),
        ('command = "generate"\nbars = "four"', "'four' is not a valid integer"),
        ('command = "generate"\nforce = true', "there is no key 'force'"),
        ('command = "generate"', "generate needs model"),
    ],
)
def test_faults_are_told_before_anything_is_done(
    call: Any, tmp_path: Path, step: str, sentence: str
) -> None:
    (tmp_path / "a.toml").write_text(f"[[step]]\n{step}\n")
    run = call("run", tmp_path / "a.toml")
    assert run.status == 1
    assert sentence in run.err
    assert run.err.startswith(f"woodshed: {tmp_path}/a.toml: line ")
    assert [p.name for p in tmp_path.iterdir()] == ["a.toml"]


def test_a_step_that_fails_says_where(call: Any, tmp_path: Path) -> None:
    (tmp_path / "songs").mkdir()
    (tmp_path / "a.toml").write_text(
        '[[step]]\ncommand = "prepare"\nfolder = "songs"\nout = "data"\n'
    )
    run = call("run", tmp_path / "a.toml")
    assert run.status == 1
    assert "a.toml: line 1, step prepare (prepare): " in run.err


def test_every_command_has_a_shape() -> None:
    known = shapes()
    assert {"prepare", "train", "generate", "render", "learn", "fetch starter"} <= set(known)
    assert "run" not in known
    assert known["generate"].keys["cond"].takes_many
    assert known["generate"].keys["prompt"].is_input
    assert known["generate"].keys["events"].is_output
    assert known["train"].keys["source"].is_input
    for name in known:
        assert {"json", "force"}.isdisjoint(known[name].keys)
