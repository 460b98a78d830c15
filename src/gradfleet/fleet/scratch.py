"""Temporary folders that go with the process that made them, or with the next one when that was killed."""

from __future__ import annotations

import json
import shutil
import tempfile
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

from gradfleet.study.storage.holder import Holder

_MARK = ".holder.json"


def make_scratch(purpose: str) -> Path:
    """A new folder of this process; what killed processes have left behind is removed first."""
    _remove_abandoned()
    folder = Path(tempfile.mkdtemp(prefix=f"gradfleet-{purpose}-"))
    unfinished = folder / f"{_MARK}.new"
    unfinished.write_text(json.dumps(asdict(Holder.current())))
    unfinished.rename(folder / _MARK)
    return folder


def remove_scratch(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)


def _remove_abandoned() -> None:
    for mark in Path(tempfile.gettempdir()).glob(f"gradfleet-*/{_MARK}"):
        with suppress(OSError, ValueError, TypeError):  # another process may be about the same
            if Holder(**json.loads(mark.read_text())).provably_dead():
                remove_scratch(mark.parent)
