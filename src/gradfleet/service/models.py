"""Models with a name: bundles of trials that were promoted, each checked against its score before it has the name."""

from __future__ import annotations

import secrets
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Row, delete, insert, select

from gradfleet.errors import NotFoundError, unknown_name
from gradfleet.export.score import Score
from gradfleet.service import documents
from gradfleet.service.documents import plain
from gradfleet.service.predictions import Loaded, predicted
from gradfleet.service.problems import RefusedError
from gradfleet.service.service import Service
from gradfleet.study.artifacts import Artifacts
from gradfleet.study.storage.store import check_name
from gradfleet.study.storage.tables import models
from gradfleet.trials import checkpoints


def listed(service: Service) -> list[documents.Model]:
    """All models, by name."""
    query = select(models).order_by(models.c.name)
    return [_document(row) for row in service.store.database.read(lambda connection: connection.execute(query).all())]


def get(service: Service, name: str) -> documents.Model:
    """One model.

    Raises:
        NotFoundError: there is none of that name.
    """
    return _document(_row(service, name))


def promote(service: Service, wanted: documents.Promotion, *, by: str) -> documents.Model:
    """Export a trial as a bundle, check it in a new process, and give it a name; one that has the name loses it.

    Raises:
        SettingError: the name cannot be one.
        NotFoundError: there is no such sweep, trial or checkpoint.
        NoUsableTrialError: no trial has a result.
        ExportError, ExecutionError: the model cannot be exported, or does not give its score again.
        RefusedError: as many are exported as may.
    """
    check_name(wanted.name, of="model")
    study = service.study(wanted.sweep)
    trial = study.best if wanted.trial is None else study.trial(wanted.trial)
    place = f"{service.artifacts}/models/{wanted.name}-{secrets.token_hex(4)}"
    with _exporting(service), tempfile.TemporaryDirectory(prefix="gradfleet-model-") as folder:
        done = trial.export(Path(folder, "bundle"))
        checkpoints.write(place, lambda target: shutil.copytree(done.path, target, dirs_exist_ok=True))
    score = done.to_json()["score"]
    about = {
        "config": dict(trial.config),
        "metrics": dict(trial.metrics),
        "score": score,
        "facts": study.spec.get("facts"),
    }
    values = {"name": wanted.name, "study": wanted.sweep, "trial": trial.number, "place": place, "created": time.time()}
    values |= {"created_by": by, "about": plain(about)}

    def work(connection: Connection) -> str | None:
        before: str | None = connection.execute(select(models.c.place).where(models.c.name == wanted.name)).scalar()
        connection.execute(delete(models).where(models.c.name == wanted.name))
        connection.execute(insert(models).values(values))
        return before

    try:
        before = service.store.database.write(work)
    except BaseException:
        Artifacts(service.artifacts).delete(place)
        raise
    if before is not None:
        Artifacts(service.artifacts).delete(before)
    return get(service, wanted.name)


def forget(service: Service, name: str) -> None:
    """Take the name away and delete the bundle.

    Raises:
        NotFoundError: there is none of that name.
    """
    row = _row(service, name)
    gone = delete(models).where(models.c.name == name, models.c.place == row.place)
    service.store.database.write(lambda connection: connection.execute(gone))
    Artifacts(service.artifacts).delete(row.place)


def predict(service: Service, name: str, items: list[Any], *, proba: bool) -> documents.Predictions:
    """What a model says of items.

    Raises:
        NotFoundError: there is none of that name.
        DataError: an item cannot be read.
        ExecutionError: it travels as a program, which a service does not load.
    """
    row = _row(service, name)

    def load() -> Loaded:
        from gradfleet.export.bundle import Bundle  # imports torch

        return Loaded(Bundle.load(row.place), row.about.get("facts"))

    loaded = service.predictors.get(("model", row.place), load)
    return documents.Predictions(model=name, predictions=predicted(loaded, items, proba=proba))


def facts(service: Service, name: str) -> Mapping[str, Any] | None:
    """What is known of the data that a model learned from; None where the search brought its own.

    Raises:
        NotFoundError: there is none of that name.
    """
    found: Mapping[str, Any] | None = _row(service, name).about.get("facts")
    return found


@dataclass(frozen=True, slots=True)
class Packed:
    """A model as one zip file.

    Attributes:
        score: what it gave in a new process, where it was run in one for this.
    """

    file: Path
    score: Score | None = None


@contextmanager
def bundle_file(service: Service, name: str) -> Iterator[Packed]:
    """A model as one zip file, which is gone afterwards.

    Raises:
        NotFoundError: there is none of that name.
    """
    with _packed(checkpoints.fetch(_row(service, name).place)) as file:
        yield Packed(file)


@contextmanager
def export_file(
    service: Service, name: str, number: int, *, format: str, check: bool = True, max_loss: float = 0.01
) -> Iterator[Packed]:
    """A trial's model as one zip file, which is gone afterwards; arguments are those of `TrialView.export`.

    Raises:
        SettingError: there is no such format.
        NotFoundError, ExportError, ExecutionError, RefusedError: as `promote`.
    """
    trial = service.study(name).trial(number)
    with tempfile.TemporaryDirectory(prefix="gradfleet-export-") as folder:
        with _exporting(service):
            done = trial.export(Path(folder, "export"), format=format, check=check, max_loss=max_loss)
        with _packed(done.path) as file:
            yield Packed(file, done.score)


def export_model(
    service: Service, name: str, *, format: str, check: bool = True, max_loss: float = 0.01
) -> AbstractContextManager[Packed]:
    """A model in another format than its bundle's: that of its trial.

    Raises:
        NotFoundError: there is no such model, or its trial is gone.
        SettingError, ExportError, ExecutionError, RefusedError: as `export_file`, where the file is made.
    """
    row = _row(service, name)
    try:
        is_there = dict(service.study(row.study).trial(row.trial).config) == row.about.get("config")
    except NotFoundError:
        is_there = False
    if not is_there:
        raise NotFoundError(
            f"The sweep that the model {name!r} came from, {row.study}, is gone, so that there is its bundle alone: "
            f"GET /v1/models/{name}/download."
        )
    return export_file(service, row.study, row.trial, format=format, check=check, max_loss=max_loss)


@contextmanager
def _exporting(service: Service) -> Iterator[None]:
    """One of the few exports that go on at a time: each loads a model in a process of its own, and keeps a thread.

    Raises:
        RefusedError: there are as many already.
    """
    if not service.exports.acquire(blocking=False):
        raise RefusedError(
            503, "As many models are exported at the moment as may; ask again in a while.", {"Retry-After": "10"}
        )
    try:
        yield
    finally:
        service.exports.release()


@contextmanager
def _packed(folder: Path) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="gradfleet-packed-") as place:
        yield Path(shutil.make_archive(str(Path(place, "packed")), "zip", folder))


def _row(service: Service, name: str) -> Row[Any]:
    query = select(models).where(models.c.name == name)
    row = service.store.database.read(lambda connection: connection.execute(query).first())
    if row is None:
        raise NotFoundError(unknown_name("model", name, [one.name for one in listed(service)]))
    return row


def _document(row: Row[Any]) -> documents.Model:
    about = {name: row.about.get(name) for name in ("config", "metrics", "score")}
    return documents.Model(
        name=row.name, sweep=row.study, trial=row.trial, created=row.created, created_by=row.created_by, **about
    )
