"""docs/sweeps.md is true: its files are read, its commands run in the order they are written."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from tests.cli.conftest import Run, write_images

TEXT = (Path(__file__).parents[2] / "docs" / "sweeps.md").read_text(encoding="utf-8")


def _blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", TEXT, flags=re.DOTALL)


def test_every_command_of_the_page_runs(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_images(tmp_path / "flowers", classes=("daisy", "tulip"))
    shortest, second = _blocks("yaml")
    (tmp_path / "shortest.yaml").write_text(shortest)
    (tmp_path / "second.yaml").write_text(second)
    (tmp_path / "recipes.py").write_text(_blocks("python")[0])
    monkeypatch.syspath_prepend(str(tmp_path))
    commands = [line.removeprefix("$ ") for block in _blocks("console") for line in block.splitlines()]
    for command in [*commands, "gradfleet validate shortest.yaml"]:
        result = run(*shlex.split(command)[1:])
        assert result.exit_code == 0, (command, result.stderr)
        assert result.stdout != "", command


def test_the_errors_that_are_shown_are_those_that_come(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    shown = next(block for block in _blocks("text") if "wrong.yaml" in block)
    Path("wrong.yaml").write_text(
        "version: 1\ntask: image-classification\ndata: flowers/\nsearch: {trails: 3}\nspace: {rate: {}}\n"
    )
    result = run("validate", "wrong.yaml")
    assert result.exit_code == 2
    assert sorted(result.stderr.splitlines()) == sorted(shown.splitlines()[1:])
