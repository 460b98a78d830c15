"""What is kept of the text of a user's own functions and classes."""

from __future__ import annotations

import runpy
import sys
import types
from functools import partial
from pathlib import Path

import pytest

from gradfleet.trials.sources import digest_of, name_of, sources_of


def test_a_class_of_a_notebooks_cell_has_a_name_and_no_text(monkeypatch: pytest.MonkeyPatch) -> None:
    kernel = types.ModuleType("kernel")  # like a notebook's __main__, it comes from no file
    monkeypatch.setitem(sys.modules, "kernel", kernel)
    exec("class Patience:\n    pass\n", kernel.__dict__)
    assert sources_of([kernel.Patience]) == {}
    assert digest_of(kernel.Patience) == "Patience"


def test_functions_of_two_scripts_have_two_names(tmp_path: Path) -> None:
    names = []
    for script in (tmp_path / "lightning.py", tmp_path / "skorch.py"):
        script.write_text("def train(config, report): ...\n")
        names.append(name_of(runpy.run_path(str(script), run_name="__main__")["train"]))

    assert names == ["lightning.train", "skorch.train"]


def test_a_function_with_arguments_is_named_as_without_them() -> None:
    assert name_of(partial(digest_of, 1)) == name_of(digest_of) == "gradfleet.trials.sources.digest_of"
