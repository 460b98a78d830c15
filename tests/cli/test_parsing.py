"""What is typed: verbs, options, help, version, and what comes back when it is wrong."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
import typer.main

import gradfleet
from gradfleet.cli.main import app
from tests.cli.conftest import Run

ROOT = typer.main.get_command(app)
VERBS = ROOT.commands


def _all(command: Any, name: str) -> Iterator[tuple[str, Any]]:
    """A command with what is typed for it, and those inside of it."""
    yield name, command
    for verb, inner in getattr(command, "commands", {}).items():
        yield from _all(inner, f"{name} {verb}")


COMMANDS = dict(_all(ROOT, "gradfleet"))


def _examples(command: Any) -> list[str]:
    lines = [line.strip() for line in (command.epilog or "").splitlines()]
    return [line for line in lines if line.startswith("gradfleet ")]


EXAMPLES = sorted({example for command in COMMANDS.values() for example in _examples(command)})


def test_the_verbs_are_these() -> None:
    assert sorted(VERBS) == [
        "best",
        "doctor",
        "ensemble",
        "evaluate",
        "export",
        "fit",
        "init",
        "leaderboard",
        "note",
        "plot",
        "predict",
        "render",
        "replay",
        "report",
        "serve",
        "star",
        "sweep",
        "tasks",
        "token",
        "validate",
    ]


def test_every_command_inside_of_another_is_found() -> None:
    assert {"gradfleet sweep run", "gradfleet token create", "gradfleet render slurm"} <= COMMANDS.keys()


@pytest.mark.row("UX2")
@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_every_command_has_help_with_examples_and_a_word_on_each_argument_and_option(run: Run, name: str) -> None:
    command = COMMANDS[name]
    assert command.help
    assert [option.name for option in command.params if not option.help] == []
    assert any(example.startswith(f"{name} ") or example == name for example in _examples(command))
    shown = run(*name.split()[1:], "--help")
    assert shown.exit_code == 0
    assert all(example in shown.stdout for example in _examples(command))


@pytest.mark.parametrize("example", EXAMPLES)
def test_every_example_of_the_help_can_be_parsed(example: str) -> None:
    program, verb, *arguments = shlex.split(re.split(r" [>|] ", example)[0])
    command = VERBS[verb]
    while hasattr(command, "commands"):
        verb, *arguments = arguments
        command = command.commands[verb]
    assert program == "gradfleet"
    assert command.make_context(verb, arguments).args == [], "nothing is left over"


def test_version_is_that_of_the_package(run: Run) -> None:
    result = run("--version")
    assert (result.exit_code, result.stdout) == (0, f"gradfleet {gradfleet.__version__}\n")


def test_the_package_is_the_command_too() -> None:
    told = subprocess.run([sys.executable, "-m", "gradfleet", "--version"], capture_output=True, text=True, check=True)
    assert told.stdout == f"gradfleet {gradfleet.__version__}\n"


def test_an_unknown_verb_is_a_usage_error_with_the_nearest(run: Run) -> None:
    result = run("leaderbord")
    assert result.exit_code == 2
    assert result.stdout == ""
    assert "No such command 'leaderbord'. Did you mean 'leaderboard'?" in result.stderr


def test_an_unknown_option_is_a_usage_error_with_the_nearest(run: Run) -> None:
    result = run("fit", "image-classification", "images", "--trails", 3)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert "No such option: --trails" in result.stderr
    assert "--trials" in result.stderr.partition("--trails")[2]


def test_an_option_of_the_wrong_type_is_a_usage_error_that_names_it(run: Run) -> None:
    result = run("fit", "image-classification", "images", "--trials", "many")
    assert result.exit_code == 2
    assert "Invalid value for '--trials'" in result.stderr


def test_help_imports_neither_torch_nor_ray() -> None:
    code = """
import sys
from gradfleet.cli.main import app
try:
    app(["fit", "--help"], prog_name="gradfleet")
except SystemExit:
    pass
print(sorted({name.partition(".")[0] for name in sys.modules}), file=sys.stderr)
"""
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    imported = set(ran.stderr.replace("'", "").strip("[]\n").split(", "))
    assert "gradfleet" in imported
    assert imported.isdisjoint({"torch", "ray", "optuna", "pandas", "numpy", "sqlalchemy"})
