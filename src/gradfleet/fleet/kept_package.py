"""Kept packages: what was sent for a study lies beside its checkpoints, so that it can be sent once more."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import fsspec

from gradfleet.errors import NotFoundError
from gradfleet.fleet import package
from gradfleet.fleet.order import Order
from gradfleet.study.storage.rows import StudyRow

_POINTER = "sent.json"
_FIRST = "sent"  # where it lay before there was a pointer


@contextmanager
def staged(study: StudyRow, folder: Path) -> Iterator[str]:
    """Copy a package beside what was sent before, which stays what is kept until `point`; the name of its folder.

    The copy goes again where an exception ends the context.
    """
    name = f"{_FIRST}-{secrets.token_hex(4)}"
    try:
        _copy(study, folder, name)
        yield name
    except BaseException:
        drop(study, name)
        raise


def _copy(study: StudyRow, folder: Path, name: str) -> None:
    filesystem, place = fsspec.core.url_to_fs(url(study, name))
    for path in (path for path in folder.rglob("*") if path.is_file()):
        copy = f"{place}/{path.relative_to(folder).as_posix()}"
        filesystem.makedirs(copy.rpartition("/")[0], exist_ok=True)
        filesystem.pipe_file(copy, path.read_bytes())


def url(study: StudyRow, name: str) -> str:
    """Where a package of that name lies, staged or kept."""
    return f"{study.artifacts}/{study.name}/{name}"


def drop(study: StudyRow, name: str) -> None:
    """Remove one that was staged, or kept before."""
    filesystem, place = fsspec.core.url_to_fs(url(study, name))
    if filesystem.exists(place):
        filesystem.rm(place, recursive=True)


def point(study: StudyRow, name: str, order: Order) -> None:
    """Have a staged package be what is kept from now on."""
    before = _pointer(study)["folder"]
    filesystem, path = fsspec.core.url_to_fs(url(study, _POINTER))
    filesystem.pipe_file(path, json.dumps({"folder": name, "settings": _settings(order)}).encode())
    drop(study, before)


def fetch(study: StudyRow, folder: Path) -> str | None:
    """Copy what is kept into an empty folder; the name of where it lies, or None when nothing is kept.

    Raises:
        NotFoundError: a part of it is missing.
    """
    name: str = _pointer(study)["folder"]
    filesystem, place = fsspec.core.url_to_fs(url(study, name))
    if not filesystem.exists(place):
        return None
    filesystem.get(f"{place}/", str(folder), recursive=True)
    missing = package.missing(folder)
    if missing:
        raise NotFoundError(
            f"Of what was sent for study {study.name!r} {missing[0]} is missing in {url(study, '')}, so it cannot be "
            f"sent again as it was. Send it anew with fit(name={study.name!r}, resume=True)."
        )
    return name


def differing(study: StudyRow, order: Order) -> list[str]:
    """The names of the settings in which an order is another one than what was sent last."""
    sent, asked = _pointer(study)["settings"], _settings(order)
    return [] if sent is None else [name for name in asked if asked[name] != sent.get(name)]


def _settings(order: Order) -> dict[str, Any]:
    settings = order.settings
    said = {
        **settings.to_json(),
        "retry_failed": settings.retry_failed,
        "stall": settings.stall,
        "give_up": settings.give_up,
        "keep_predictions": settings.keep_predictions,
        "space": order.space.to_json(),
    }
    as_text: dict[str, Any] = json.loads(json.dumps(said))
    return as_text


def _pointer(study: StudyRow) -> Mapping[str, Any]:
    filesystem, path = fsspec.core.url_to_fs(url(study, _POINTER))
    if not filesystem.exists(path):
        return {"folder": _FIRST, "settings": None}
    found: dict[str, Any] = json.loads(filesystem.cat_file(path))
    return found
