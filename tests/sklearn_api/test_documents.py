"""The page and the example run as they stand."""

from __future__ import annotations

import re
import sys
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest

from gradfleet.sklearn import Classifier

ROOT = Path(__file__).parents[2]


def test_the_blocks_of_the_page_run_one_after_the_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    page = ModuleType("page")  # what is pickled there is found by the name of its module
    monkeypatch.setitem(sys.modules, "page", page)
    blocks = re.findall(r"^```python\n(.*?)^```", (ROOT / "docs" / "sklearn.md").read_text("utf-8"), re.M | re.S)

    for number, block in enumerate(blocks, 1):
        exec(compile(block, f"docs/sklearn.md block {number}", "exec"), vars(page))

    assert vars(page)["classifier"].predict(vars(page)["flowers"].data[:3]).tolist() == ["setosa"] * 3


def test_the_page_names_every_parameter() -> None:
    table = re.findall(r"^\| (`.+?) \|", (ROOT / "docs" / "sklearn.md").read_text("utf-8"), re.M)

    assert sorted(name for cell in table for name in re.findall(r"`(\w+)`", cell)) == Classifier._get_param_names()


def test_the_example_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(ROOT / "examples")
    import_module("sklearn_pipeline").main()

    accuracy = float(capsys.readouterr().out.split()[-1])
    assert accuracy > 0.95
