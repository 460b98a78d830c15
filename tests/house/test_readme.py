"""Every Python block of the README runs, on the files that `make demo` writes; only the search's length is cut."""

from __future__ import annotations

import ast
import re
import runpy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
SHORTER = {'budget="2m"': "trials=2, epochs=2", "trials=12, epochs=5": "trials=3, epochs=2"}

# What the last line of each block comes to.
OUTCOMES: list[Callable[[Any], bool]] = [
    lambda labels: len(labels) == 1 and labels[0] in set("0123456789"),
    lambda metrics: set(metrics) == {"accuracy", "loss"} and 0.1 < metrics["accuracy"] <= 1,
    lambda accuracy: 0.5 < accuracy <= 1,
]


def blocks() -> list[str]:
    found: list[str] = re.findall(r"^```python\n(.*?)^```", (ROOT / "README.md").read_text("utf-8"), re.M | re.S)
    for long, short in SHORTER.items():
        assert sum(long in block for block in found) == 1, f"{long} is what this test makes shorter."
        found = [block.replace(long, short) for block in found]
    return found


@pytest.mark.ray
@pytest.mark.parametrize("number", range(len(blocks())))
def test_a_block_of_the_readme_runs(number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    demo = runpy.run_path(str(ROOT / "examples" / "digits_demo.py"))
    pixels, labels = demo["load_digits"](return_X_y=True)
    search, held_out = demo["split"](labels)
    demo["write_images"](demo["SEARCH"], pixels, labels, search[:300])
    demo["write_images"](demo["HELD_OUT"], pixels, labels, held_out)
    (tmp_path / "digits/held_out/3/0003.png").write_bytes(next((tmp_path / "digits/held_out/3").iterdir()).read_bytes())
    assert OUTCOMES[number](_run(blocks()[number], f"README block {number}"))


def _run(block: str, name: str) -> Any:
    """The value of a block's last line."""
    *lines, last = ast.parse(block).body
    assert isinstance(last, ast.Expr)
    names: dict[str, Any] = {"__name__": "__readme__"}
    exec(compile(ast.Module(lines, []), name, "exec"), names)
    return eval(compile(ast.Expression(last.value), name, "eval"), names)
