"""A process of this package that outlives whoever starts it."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from pathlib import Path


def start(
    module: str,
    told: bytes,
    *,
    log: Path,
    ended: Callable[[int], object] | None = None,
    environment: Mapping[str, str] | None = None,
) -> int:
    """Run a module in a session of its own, with this process's import path; its process id.

    Args:
        told: what it reads on stdin. That goes through a pipe and lies nowhere, so secrets may be in it.
        log: what it says goes there, after what is there already.
        ended: is called with its exit status, in a thread, when it ends before this process does.
        environment: what it has beside, or instead of, this process's own.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    # What is imported by path here must be found there too.
    path = os.pathsep.join(path or os.getcwd() for path in sys.path)
    with log.open("ab") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", module],
            stdin=subprocess.PIPE,
            stdout=out,
            stderr=out,
            env={**os.environ, "PYTHONPATH": path, **(environment or {})},
            start_new_session=True,
        )
    assert process.stdin is not None
    with process.stdin:
        process.stdin.write(told)

    def wait() -> None:
        status = process.wait()
        if ended is not None:
            ended(status)

    # Somebody has to take note of its end, or it stays a zombie for as long as this process lives.
    threading.Thread(target=wait, name=f"{module} {process.pid}", daemon=True).start()
    return process.pid
