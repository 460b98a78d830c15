"""The one public door: what is behind it, and that opening it does nothing else."""

from __future__ import annotations

import json
import pkgutil
import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

import gradfleet

ROOT = Path(__file__).parents[2]
TABLE = re.compile(r"^\| `(\w+)` \|.*\| \[(.+)\]\((docs/[\w.-]+)(#[\w-]+)?\) \|$", flags=re.MULTILINE)
"""Its rows in the README: name, title of its page, the page, the section."""

PAGES = {name: place for name, *place in TABLE.findall((ROOT / "README.md").read_text(encoding="utf-8"))}


def test_the_public_names_are_sorted_and_the_documented_ones() -> None:
    assert gradfleet.__all__ == sorted(gradfleet.__all__) == list(PAGES)


@pytest.mark.row("UX2")
@pytest.mark.parametrize("name", gradfleet.__all__)
def test_every_public_name_has_a_page_that_speaks_of_it(name: str) -> None:
    title, page, anchor = PAGES[name]
    _, *sections = re.split(r"^(#+ .+)$", (ROOT / page).read_text(encoding="utf-8"), flags=re.MULTILINE)
    titles = [heading.lstrip("# ") for heading in sections[::2]]
    place = titles.index(title)
    assert anchor in ("" if place == 0 else None, "#" + re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-"))
    assert re.search(rf"\b{name}\b", "".join(sections[1::2] if place == 0 else sections[2 * place + 1]))


@pytest.mark.parametrize("name", gradfleet.__all__)
def test_every_public_name_is_there_under_its_own_name(name: str) -> None:
    assert getattr(gradfleet, name).__name__ == name


def test_dir_lists_the_public_names() -> None:
    assert set(gradfleet.__all__) <= set(dir(gradfleet))


def test_a_name_that_is_not_public_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'gradfleet' has no attribute 'Trainer'"):
        _ = gradfleet.Trainer


def test_importing_gradfleet_imports_neither_torch_nor_ray() -> None:
    imported = json.loads(_run("import gradfleet, json, sys; print(json.dumps(sorted(sys.modules)))"))
    roots = {name.partition(".")[0] for name in imported}
    assert "gradfleet" in roots
    assert roots.isdisjoint({"torch", "ray", "optuna", "pandas", "numpy", "transformers", "accelerate"})


def test_a_search_is_described_without_what_takes_seconds_to_import() -> None:
    """torch loads its compiler with the first optimizer that is made, which is that of a trial."""
    code = (
        "import autotasks, json, sys; autotasks.AutoTextClassifier.automodel(); autotasks.AutoImageClassifier.tuner()"
    )
    imported = set(json.loads(_run(f"{code}; print(json.dumps(sorted(sys.modules)))")))
    assert "torch" in imported
    assert imported.isdisjoint({"torch._dynamo", "sympy", "sklearn", "kornia", "transformers", "ray", "accelerate"})


def test_importing_gradfleet_changes_nothing_around_it() -> None:
    code = """
import logging, os, signal, sys, threading, warnings
def state():
    logs = (logging.root.handlers[:], logging.root.level, warnings.filters[:])
    hooks = (signal.getsignal(signal.SIGINT), sys.excepthook, threading.active_count())
    return logs, hooks, dict(os.environ), sys.path[:]
before = state()
import gradfleet
print(state() == before)
"""
    assert _run(code) == "True"


def test_every_module_imports() -> None:
    imported = {
        import_module(module.name).__file__ for module in pkgutil.walk_packages(gradfleet.__path__, "gradfleet.")
    }
    code = ROOT / "src" / "gradfleet"
    scripts = set((code / "export" / "runners").glob("*.py"))  # run by a program of their own, beside an export
    files = {str(file) for file in set(code.rglob("*.py")) - scripts}
    assert files - imported == {gradfleet.__file__}, "a folder without __init__.py is not found"


def _run(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()
