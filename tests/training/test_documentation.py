"""Every Python block of docs/training.md runs, one after the other."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

DOCUMENT = Path(__file__).parents[2] / "docs" / "training.md"


def test_the_blocks_of_the_training_page_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"^```python\n(.*?)^```", DOCUMENT.read_text("utf-8"), re.M | re.S)
    assert len(blocks) == 5
    names: dict[str, object] = {"__name__": "training"}
    for block in blocks:
        exec(compile(block, str(DOCUMENT), "exec"), names)
