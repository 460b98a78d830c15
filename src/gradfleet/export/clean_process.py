"""A new Python process that knows an export and nothing of the one that wrote it."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from gradfleet.errors import ExportError

RUNNERS = Path(__file__).parent / "runners"
_ENVIRONMENT = {"HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}


def run(runner: str, *arguments: str | os.PathLike[str]) -> None:
    """Run one of the scripts in `runners/` in an empty working folder.

    Raises:
        ExportError: it failed; the last line of what it said is in the message.
    """
    command = [sys.executable, str(RUNNERS / f"run_{runner}.py"), *(os.fspath(one) for one in arguments)]
    with tempfile.TemporaryDirectory(prefix="gradfleet-export-") as folder:
        done = subprocess.run(
            command, cwd=folder, env={**os.environ, **_ENVIRONMENT}, capture_output=True, text=True, check=False
        )
    if done.returncode:
        said = done.stderr.strip().splitlines() or [f"it ended with code {done.returncode}"]
        raise ExportError(f"The export cannot be used in a new process: {said[-1]}")
