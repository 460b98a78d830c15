"""The text of a user's own functions, kept with a study so that it can be read what its trials ran."""

from __future__ import annotations

import hashlib
import inspect
import sys
import sysconfig
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any

_STANDARD = sysconfig.get_path("stdlib")


def sources_of(functions: Iterable[Callable[..., Any]]) -> dict[str, str]:
    """File to text, of each file in which one of the functions stands; one from a notebook cell stands alone.

    What is installed as a package is left out: its version says as much.
    """
    found: dict[str, str] = {}
    for function in functions:
        made = function.func if isinstance(function, partial) else function
        place = _file(made)
        if place is None:
            found |= _own_text(made)
        elif not _is_installed(place):
            found[_name(place)] = place.read_text(encoding="utf-8", errors="replace")
    return found


def digest_of(function: Callable[..., Any]) -> str:
    """The text of a function or class in short, to tell it from another; its name where there is no text."""
    made = function.func if isinstance(function, partial) else function
    try:
        return hashlib.sha256(inspect.getsource(made).encode()).hexdigest()[:16]
    except (OSError, TypeError):  # typed at a prompt, or written in C
        return str(getattr(made, "__qualname__", type(made).__qualname__))


def name_of(function: Callable[..., Any]) -> str:
    """The module and name of a function or class; a script counts as the module of its file's name."""
    made = function.func if isinstance(function, partial) else function
    named = made if hasattr(made, "__qualname__") else type(made)
    place = _file(named) if named.__module__ == "__main__" else None
    return f"{place.stem if place else named.__module__}.{named.__qualname__}"


def _is_installed(place: Path) -> bool:
    return str(place).startswith(_STANDARD) or not {"site-packages", "dist-packages"}.isdisjoint(place.parts)


def _file(made: Any) -> Path | None:
    """The file that a function or class was read from; None when there is none, as in a notebook or at a prompt."""
    try:
        path = inspect.getsourcefile(made)
    except OSError:  # a class of a notebook's cell
        return None
    except TypeError:
        module = sys.modules.get(type(made).__module__)
        path = getattr(module, "__file__", None)
    return Path(path) if path and Path(path).is_file() else None


def _own_text(made: Any) -> dict[str, str]:
    try:
        return {f"{getattr(made, '__qualname__', 'recipe')}.py": inspect.getsource(made)}
    except (OSError, TypeError):
        return {}


def _name(place: Path) -> str:
    """As seen from the working folder, when it lies there."""
    try:
        return str(place.resolve().relative_to(Path.cwd().resolve()))
    except ValueError:
        return place.name
