"""Temporary folders of processes that live, end, and are killed."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path

import pytest

from gradfleet.fleet.scratch import make_scratch, remove_scratch
from gradfleet.study.storage.holder import Holder


@pytest.fixture(autouse=True)
def _temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))


def test_what_a_killed_process_left_is_removed_by_the_next(tmp_path: Path) -> None:
    code = (
        "import os, tempfile; from gradfleet.fleet.scratch import make_scratch; "
        f"tempfile.tempdir = {str(tmp_path)!r}; make_scratch('ray'); os.kill(os.getpid(), 9)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == -9
    (left,) = tmp_path.iterdir()
    folder = make_scratch("ray")
    assert not left.exists()
    remove_scratch(folder)
    assert list(tmp_path.iterdir()) == []


def test_folders_of_living_processes_of_other_hosts_and_of_other_programs_stay(tmp_path: Path) -> None:
    living = make_scratch("ray")
    elsewhere = tmp_path / "gradfleet-ray-elsewhere"
    elsewhere.mkdir()
    holder = asdict(Holder.current()) | {"host": "elsewhere", "pid": 1}
    (elsewhere / ".holder.json").write_text(json.dumps(holder))
    other = tmp_path / "gradfleet-ray-other"
    other.mkdir()
    (other / ".holder.json").write_text("not ours")
    make_scratch("ray")
    assert living.exists()
    assert elsewhere.exists()
    assert other.exists()
