"""Every Python block of the pages for those who come from elsewhere runs."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from types import ModuleType

import pytest

PAGES = sorted((Path(__file__).parents[2] / "docs" / "coming-from").glob("*.md"))


@pytest.mark.row("UX7")
@pytest.mark.parametrize("page", PAGES, ids=[page.stem for page in PAGES])
def test_the_code_of_the_page_runs(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    module = ModuleType("page")  # what is kept by value is found by the name of its module
    monkeypatch.setitem(sys.modules, "page", module)
    blocks = re.findall(r"^```python\n(.*?)^```", page.read_text("utf-8"), re.M | re.S)
    assert blocks
    for block in blocks:
        exec(compile(block, page.name, "exec"), vars(module))


def test_there_is_a_page_for_each() -> None:
    assert [page.stem for page in PAGES] == ["fastai", "gradsflow", "keras", "lightning", "skorch"]
