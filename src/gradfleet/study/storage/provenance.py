"""Where a study comes from: the packages, the commit and the source that it was made with."""

from __future__ import annotations

import platform
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

_PACKAGES = ("gradfleet", "torch", "ray", "optuna")

DIFF = "uncommitted.diff"
LARGEST = 2**18
"""Characters of one source that are kept at most."""


@dataclass(frozen=True, slots=True)
class Provenance:
    """What a study was made with.

    Attributes:
        created: Unix time.
        commit: of the working folder; None outside of a repository.
        dirty: whether tracked files there were changed after that commit; None when nobody knows.
        packages: package to version, Python's own under "python".
        fingerprint: of the data; None for a function that brings its own.
        sources: file to text: those in which the recipe's own functions stand, and `uncommitted.diff`, which is what
            `git diff HEAD` said.
    """

    created: float
    seed: int
    commit: str | None
    dirty: bool | None
    packages: Mapping[str, str]
    fingerprint: str | None
    sources: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Commit:
    """Where the working folder's repository is; all None outside of one.

    Attributes:
        diff: what tracked files differ by; empty when in nothing.
    """

    name: str | None = None
    diff: str | None = None

    @property
    def dirty(self) -> bool | None:
        return None if self.diff is None else self.diff != ""


def package_versions() -> dict[str, str]:
    """Python's version, those of the packages that decide most, then all others that are installed."""
    first = {name: found for name in _PACKAGES if (found := _version(name))}
    return {"python": platform.python_version(), **first, **(_installed() | first)}


def git_commit() -> Commit:
    """The commit of the working folder, and what has changed since."""
    name = _git("rev-parse", "--verify", "--quiet", "HEAD")
    if not name:
        return Commit()
    return Commit(name.strip(), _git("diff", "HEAD"))


def clipped(sources: Mapping[str, str], commit: Commit) -> dict[str, str]:
    """Sources as they are kept: each cut to a size, and the diff as one of them."""
    found = {**sources, **({DIFF: commit.diff} if commit.diff else {})}
    return {name: text[:LARGEST] for name, text in found.items()}


def _git(*arguments: str) -> str | None:
    options: dict[str, Any] = {"capture_output": True, "text": True, "errors": "replace", "timeout": 5, "check": False}
    try:
        done = subprocess.run(["git", *arguments], **options)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return str(done.stdout) if done.returncode == 0 else None


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _installed() -> dict[str, str]:
    """From the names of the folders alone: reading every package's own file takes half a second."""
    found: dict[str, str] = {}
    for folder in sys.path:
        for place in sorted(Path(folder).glob("*.dist-info")) if folder else ():
            name, _, number = place.stem.rpartition("-") if place.suffix == ".dist-info" else ("", "", "")
            found.setdefault(name.replace("_", "-").lower(), number)
    return dict(sorted(found.items()))
