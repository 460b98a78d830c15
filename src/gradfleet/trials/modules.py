"""Which of the user's own modules a recipe needs, for they are not installed where it goes."""

from __future__ import annotations

import ast
import importlib.util
import pickletools
import re
import sys
import sysconfig
from collections.abc import Iterator
from contextlib import suppress
from importlib.machinery import ModuleSpec
from pathlib import Path

_NAME = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*")
_OURS = {"__main__", "autotasks", "gradfleet"}  # installed everywhere, as the preflight of a cluster checks
_INSTALLED = {"site-packages", "dist-packages"}
_STANDARD = tuple(sysconfig.get_path(name) for name in ("stdlib", "platstdlib"))


def own_modules(pickled: bytes) -> dict[str, Path]:
    """The files of the user's own modules that a pickle names, and of those that they import.

    A package comes with all of its files, a namespace package with the modules that are named. What is installed or
    belongs to Python is left out. Nothing is imported.

    Returns:
        Where each file belongs below a folder of `sys.path`, and where it lies now.
    """
    found: dict[str, Path] = {}
    waiting = sorted(set(_named(pickled)))
    seen: set[str] = set()
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        for place, path in _files(name):
            if place not in found:
                found[place] = path
                waiting += _imported(place, path)
    return found


def _named(pickled: bytes) -> Iterator[str]:
    """Every text in a pickle that could be a module's name; what a function imports when it runs is among them."""
    for _, argument, _ in pickletools.genops(pickled):
        if isinstance(argument, str) and _NAME.fullmatch(argument):
            yield argument


def _files(name: str) -> Iterator[tuple[str, Path]]:
    """The files of the module of that name, by where they belong; none where it is not the user's own."""
    top, *below = name.split(".")
    spec = None if top in _OURS or top in sys.stdlib_module_names else _spec(top)
    if spec is None or (spec.origin is not None and _is_installed(Path(spec.origin))):
        return
    if spec.submodule_search_locations is None:
        if spec.origin is not None and spec.origin.endswith(".py"):
            yield f"{top}.py", Path(spec.origin)
    elif spec.origin is not None and Path(spec.origin).name == "__init__.py":
        yield from _package(top, Path(spec.origin).parent)
    else:
        for folder in map(Path, spec.submodule_search_locations):
            yield from _in_namespace(top, folder, below)


def _spec(top: str) -> ModuleSpec | None:
    with suppress(ValueError, ImportError):  # such as a module that says nothing of where it came from
        return importlib.util.find_spec(top)
    return None


def _in_namespace(place: str, folder: Path, below: list[str]) -> Iterator[tuple[str, Path]]:
    """The first module or package on the way down a namespace, which has no files of its own."""
    if not below or _is_installed(folder):
        return
    inner, deeper = folder / below[0], f"{place}/{below[0]}"
    if inner.with_suffix(".py").is_file():
        yield f"{deeper}.py", inner.with_suffix(".py")
    elif (inner / "__init__.py").is_file():
        yield from _package(deeper, inner)
    elif inner.is_dir():
        yield from _in_namespace(deeper, inner, below[1:])


def _package(place: str, folder: Path) -> Iterator[tuple[str, Path]]:
    for path in sorted(folder.rglob("*")):
        parts = path.relative_to(folder).parts
        if path.is_file() and not any(part == "__pycache__" or part.startswith(".") for part in parts):
            yield "/".join((place, *parts)), path


def _imported(place: str, path: Path) -> Iterator[str]:
    """What a file of Python code imports anywhere in it, as absolute names."""
    if path.suffix != ".py":
        return
    try:
        code = ast.parse(path.read_bytes())
    except (SyntaxError, ValueError):  # it says so itself, when it is imported
        return
    around = place.removesuffix(".py").removesuffix("/__init__").split("/")
    is_package = place.endswith("/__init__.py")
    for node in ast.walk(code):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            up = around[: len(around) - node.level + is_package] if node.level else []
            base = ".".join([*up, *([node.module] if node.module else [])])
            yield from (f"{base}.{alias.name}".lstrip(".") for alias in node.names)


def _is_installed(place: Path) -> bool:
    return str(place).startswith(_STANDARD) or not _INSTALLED.isdisjoint(place.parts)
