"""Records that the store could not take, on the local disk until the next driver hands them in."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import fsspec
from fsspec.implementations.local import LocalFileSystem

from gradfleet.study.places import own_folder
from gradfleet.study.storage.rows import StudyRow
from gradfleet.study.storage.tables import Metrics
from gradfleet.training.history import EpochRecord

_METRICS = Metrics()


class Spool:
    """A file of one study, a line a record: under local artifacts, else in this machine's temporary folder.

    The record that a driver held when its store was away for too long goes here, and not into the void: the epoch has
    been trained and its checkpoint written.
    """

    def __init__(self, study: StudyRow, *, store: str) -> None:
        filesystem, path = fsspec.core.url_to_fs(study.artifacts)
        if isinstance(filesystem, LocalFileSystem):
            self._file = Path(path, study.name, "spool.jsonl")
        else:
            which = hashlib.sha256(f"{store} {study.id}".encode()).hexdigest()[:16]
            self._file = own_folder() / "spool" / f"{study.name}-{which}.jsonl"

    def add(self, number: int, record: EpochRecord, checkpoint: str | None) -> None:
        """Keep one record; where that cannot be written either, its trial goes on from its last checkpoint."""
        metrics = _METRICS.process_bind_param(record.metrics, None)
        line = json.dumps({"number": number, "epoch": record.epoch, "metrics": metrics, "checkpoint": checkpoint})
        with suppress(OSError):
            self._file.parent.mkdir(parents=True, exist_ok=True)
            with self._file.open("a") as file:
                file.write(f"{line}\n")

    def __iter__(self) -> Iterator[tuple[int, EpochRecord, str | None]]:
        """What was kept, oldest first."""
        with suppress(FileNotFoundError):
            for line in self._file.read_text().splitlines():
                with suppress(ValueError, KeyError):  # cut short as it was written
                    kept = json.loads(line)
                    metrics = _METRICS.of_text(kept["metrics"])
                    yield kept["number"], EpochRecord(kept["epoch"], metrics), kept["checkpoint"]

    def clear(self) -> None:
        """All of it is in the store."""
        self._file.unlink(missing_ok=True)
