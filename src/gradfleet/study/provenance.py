"""Where a study comes from: the packages and the commit that it was made with."""

from __future__ import annotations

import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version

_PACKAGES = ("gradfleet", "torch", "ray", "optuna")


def package_versions() -> dict[str, str]:
    """Python's version and those of the packages that decide what a trial computes; read without importing them."""
    return {"python": platform.python_version(), **{name: found for name in _PACKAGES if (found := _version(name))}}


def git_commit() -> str | None:
    """The commit of the working folder; None outside of a repository or without git."""
    command = ["git", "rev-parse", "--verify", "--quiet", "HEAD"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=5, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() or None if done.returncode == 0 else None


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
