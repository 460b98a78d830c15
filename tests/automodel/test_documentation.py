"""Every Python block of docs/search.md runs, one after the other."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from types import ModuleType

import pytest

DOCUMENT = Path(__file__).parents[2] / "docs" / "search.md"


@pytest.mark.slow
def test_the_blocks_of_the_page_on_searching_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    page = ModuleType("page")  # what is kept by value is found by the name of its module
    monkeypatch.setitem(sys.modules, "page", page)
    blocks = re.findall(r"^```python\n(.*?)^```", DOCUMENT.read_text("utf-8"), re.M | re.S)
    assert len(blocks) == 7
    for number, block in enumerate(blocks, 1):
        exec(compile(block, f"docs/search.md block {number}", "exec"), vars(page))
    assert (tmp_path / "digits-ensemble" / "bundle.json").is_file()
