"""Starts a script in several processes, as `accelerate launch` does."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path


def launched(script: Path, out: Path, *arguments: str, processes: int = 1, devices: str = "") -> str:
    """Run a script to its end; what was printed. It is given a new folder, and what it sees of GPUs are `devices`."""
    out.mkdir()
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": devices}
    command = [sys.executable, *(_launcher(processes) if processes > 1 else ()), str(script), str(out), *arguments]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=240, env=environment, check=False)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout + ended.stderr


def _launcher(processes: int) -> list[str]:
    # "--multi_gpu" is what has accelerate start several processes at all; where there is no GPU they use gloo.
    launch = ["-m", "accelerate.commands.launch", "--multi_gpu", f"--num_processes={processes}", "--num_machines=1"]
    return [*launch, "--mixed_precision=no", "--dynamo_backend=no", f"--main_process_port={_free_port()}"]


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])
