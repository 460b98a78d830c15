"""What is typed: verbs, options, help, version, and what comes back when it is wrong."""

from __future__ import annotations

import shlex
import subprocess
import sys

import pytest
import typer.main

import gradfleet
from gradfleet.cli.main import app
from tests.cli.conftest import Run

VERBS = typer.main.get_command(app).commands
EXAMPLES = sorted(
    {
        line.strip()
        for command in (typer.main.get_command(app), *VERBS.values())
        for line in command.epilog.splitlines()
        if line.strip().startswith("gradfleet")
    }
)


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


@pytest.mark.parametrize("verb", sorted(VERBS))
def test_every_verb_has_help_with_examples(run: Run, verb: str) -> None:
    result = run(verb, "--help")
    assert result.exit_code == 0
    assert "Examples:" in result.stdout
    assert f"\n    gradfleet {verb}" in result.stdout


@pytest.mark.parametrize("verb", sorted(VERBS))
def test_every_argument_and_option_has_help(verb: str) -> None:
    assert [option.name for option in VERBS[verb].params if not option.help] == []


@pytest.mark.parametrize("example", EXAMPLES)
def test_every_example_of_the_help_can_be_parsed(example: str) -> None:
    words = shlex.split(example.partition(" > ")[0])
    _, verb, *arguments = words
    VERBS[verb].make_context(verb, arguments)


def test_version_is_that_of_the_package(run: Run) -> None:
    result = run("--version")
    assert (result.exit_code, result.stdout) == (0, f"gradfleet {gradfleet.__version__}\n")


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
