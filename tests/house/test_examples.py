"""Examples in docstrings run and show what they say."""

from __future__ import annotations

import doctest
import pkgutil
from importlib import import_module
from pathlib import Path

import pytest

import gradfleet


@pytest.mark.parametrize("name", sorted(each.name for each in pkgutil.walk_packages(gradfleet.__path__, "gradfleet.")))
def test_the_examples_of_a_module_run(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert doctest.testmod(import_module(name)).failed == 0
