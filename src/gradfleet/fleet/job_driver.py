"""A driver as a job of a remote cluster: it checks what it was sent with, then runs the order."""

from __future__ import annotations

import pickle
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TextIO, cast

from gradfleet.errors import in_words
from gradfleet.fleet import package, preflight
from gradfleet.fleet.cluster import connect
from gradfleet.fleet.driver import drive
from gradfleet.fleet.exit_code import exit_code
from gradfleet.fleet.order import Order
from gradfleet.study.places import driver_log
from gradfleet.study.storage.database import parse_url, shown
from gradfleet.study.storage.marking import mark
from gradfleet.study.storage.rows import StudyRow
from gradfleet.study.storage.store import Store


def run(folder: Path) -> None:
    """Run the order in `folder`, which is the working folder of every process of the job.

    Raises:
        GradfleetError: it cannot run here; nothing was started then, and the study has failed where it was found.
    """
    manifest = package.Manifest.read(folder)
    preflight.check_versions(manifest)
    call = package.Call.read(folder)
    store, study = preflight.check_store(lambda: _found(call.store, manifest.study), _shown(call.store), manifest.study)
    with store:
        try:
            order = preflight.imported(lambda: _read(folder))
            _connect(order)
            preflight.check_artifacts(manifest, call.kept)
            preflight.check_nodes(manifest)
        except BaseException as error:
            mark(store, study.name, "failed", problem=in_words(error))
            raise
    with _heard(driver_log(study.artifacts, study.name)):
        settings = replace(order.settings, cluster="auto")
        drive(replace(order, settings=settings, started=call.started), call.store)


def _connect(order: Order) -> None:
    """Join the cluster, and refuse one that can never hold such a trial."""
    cluster = connect("auto")
    cluster.workers(order.settings.resources.on(gpus=cluster.gpu))


def _found(url: str, study: str) -> tuple[Store, StudyRow]:
    store = Store.open(url, must_exist=True, patience=20.0)
    return store, store.study(study)


def _read(folder: Path) -> Order:
    order: Order = pickle.loads((folder / package.ORDER).read_bytes())
    return order


def _shown(url: str) -> str:
    """A store's URL without its password."""
    return shown(parse_url(url))


class _Both:
    """Says everything twice: to the job's own log, and to the one beside the study's checkpoints."""

    def __init__(self, *files: TextIO) -> None:
        self._files = files

    def write(self, text: str) -> int:
        return max(file.write(text) for file in self._files)

    def flush(self) -> None:
        for file in self._files:
            file.flush()

    def isatty(self) -> bool:
        return False


@contextmanager
def _heard(log: Path) -> Iterator[None]:
    """Whatever is said on stderr is said in that file too."""
    log.parent.mkdir(parents=True, exist_ok=True)
    before = sys.stderr
    with log.open("a", encoding="utf-8") as file:
        sys.stderr = cast(TextIO, _Both(before, file))
        try:
            yield
        finally:
            sys.stderr = before


if __name__ == "__main__":
    sys.exit(exit_code(lambda: run(Path.cwd())))
