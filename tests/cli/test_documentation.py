"""docs/command-line.md is true: its commands run, its verbs and codes are those that there are."""

from __future__ import annotations

import re
import shlex
import signal
from glob import glob
from pathlib import Path
from typing import Any

import pytest
import typer.main

from gradfleet.cli import exits
from gradfleet.cli.main import app
from tests.cli.conftest import Begin, Run, write_images

TEXT = (Path(__file__).parents[2] / "docs" / "command-line.md").read_text(encoding="utf-8")


def _verbs(group: Any) -> dict[str, Any]:
    """Every command by its words, such as `sweep run`."""
    inner = {name: _verbs(one) if hasattr(one, "commands") else {"": one} for name, one in group.commands.items()}
    return {f"{name} {below}".strip(): one for name, group in inner.items() for below, one in group.items()}


VERBS = _verbs(typer.main.get_command(app))


COMMANDS = [
    line.removeprefix("$ ")
    for block in re.findall(r"```console\n(.*?)```", TEXT, flags=re.DOTALL)
    for line in block.splitlines()
]


def verb_of(command: str) -> str:
    """The verb that a line of the page runs."""
    return max((verb for verb in VERBS if f"{command} ".startswith(f"gradfleet {verb} ")), key=len)


FIRST = list({verb_of(command): command for command in reversed(COMMANDS)}.values())[::-1]
"""The first command of each verb."""


def test_every_verb_has_a_section_with_a_command() -> None:
    assert sorted(re.findall(r"^## ([\w ]+)$", TEXT, flags=re.MULTILINE)) == sorted(
        ["Environment", "Exit codes", "Streams", "Sweeps of a service", *VERBS]
    )
    shown = [f"{line} " for line in re.findall(r"^\$ gradfleet (.*)$", TEXT, flags=re.MULTILINE)]
    assert [verb for verb in VERBS if not any(line.startswith(f"{verb} ") for line in shown)] == []


def test_the_exit_codes_are_those_of_the_code() -> None:
    codes = {value for name, value in vars(exits).items() if name.isupper() and isinstance(value, int)}
    assert {int(code) for code in re.findall(r"^\| (\d+) \|", TEXT, flags=re.MULTILINE)} == codes


def test_the_options_that_are_named_are_those_that_there_are() -> None:
    options = {option for verb in VERBS.values() for one in verb.params for option in (*one.opts, *one.secondary_opts)}
    named = set(re.findall(r"--[a-z][a-z-]+", TEXT))
    assert named == {option for option in options if option.startswith("--")} | {"--help", "--debug", "--version"}


@pytest.mark.ray
@pytest.mark.slow
@pytest.mark.soak
def test_every_command_runs_in_the_order_it_is_written(
    begin: Begin, run: Run, here: Path, monkeypatch: pytest.MonkeyPatch, *, soak: bool
) -> None:
    monkeypatch.setenv("GRADFLEET_CLUSTER", "inline")  # a start of Ray for each would take most of the time
    for folder, seed in (("flowers", 0), ("held_out", 1)):
        write_images(here / folder, classes=("daisy", "tulip"), seed=seed)
    for command in COMMANDS if soak else FIRST:
        _, *words = shlex.split(command)
        words = [path for word in words for path in (sorted(glob(word)) if "*" in word else [word])]
        if words[0] == "serve":  # until somebody ends it
            process = begin(*words, cwd=here)
            assert process.stdout is not None
            stdout = process.stdout.readline() + process.stdout.readline()
            process.send_signal(signal.SIGINT)
            assert process.wait(timeout=240) == 0, (command, process.communicate()[1])
        elif words[0] == "doctor":  # it starts Ray, so not in this process
            process = begin(*words, cwd=here)
            stdout, stderr = process.communicate(timeout=180)
            assert process.returncode == 0, (command, stderr)
        else:
            result = run(*words)
            stdout = result.stdout
            assert result.exit_code == 0, (command, result.stderr)
        assert stdout != "", command
