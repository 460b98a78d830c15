"""What a sweep's job is sent with: the order, and the user's own modules that it names; never the data."""

from __future__ import annotations

import json
import platform
import shutil
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Self

import ray

from gradfleet.errors import SettingError
from gradfleet.trials.modules import own_modules

LARGEST = 50 * 2**20
"""Bytes of a package at most; Ray's own limit is ten times that, and it keeps packages in the memory of the head."""

ORDER, MANIFEST, CALL = "gradfleet-order.pkl", "gradfleet-package.json", "gradfleet-call.json"
_LISTED = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What the other side checks before it opens an order.

    Attributes:
        python, ray, gradfleet: the versions on the side that sent it.
        study: the name of the study.
        artifacts: where its checkpoints go.
        data: where the prepared data lies; None for a function that brings its own.
        modules: the user's own files that came along.
    """

    study: str
    artifacts: str
    data: str | None
    modules: tuple[str, ...] = ()
    python: str = platform.python_version()
    ray: str = ray.__version__
    gradfleet: str = version("gradfleet")

    @classmethod
    def read(cls, folder: Path) -> Self:
        values = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        return cls(**{**values, "modules": tuple(values["modules"])})

    def write(self, folder: Path) -> None:
        (folder / MANIFEST).write_text(json.dumps(asdict(self), indent=2), encoding="utf-8")


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """What is said anew each time that a package is sent.

    Attributes:
        store: URL, with its password; so it travels with the job, and is kept nowhere else.
        started: Unix time in seconds at which the user's call began; the time budget counts from it.
        kept: URL of the copy that lies among the artifacts; whoever does not see it there has other artifacts.
    """

    store: str
    started: float
    kept: str

    @classmethod
    def read(cls, folder: Path) -> Self:
        return cls(**json.loads((folder / CALL).read_text(encoding="utf-8")))

    def write(self, folder: Path) -> None:
        (folder / CALL).write_text(json.dumps(asdict(self)), encoding="utf-8")


def write_package(folder: Path, order: bytes, *, study: str, artifacts: str, data: str | None) -> None:
    """Fill an empty folder with what the job needs.

    Raises:
        SettingError: the user's modules are too large for it; the largest files are listed.
    """
    modules = own_modules(order)
    _refuse_too_large({**{name: path.stat().st_size for name, path in modules.items()}, "the recipe": len(order)})
    for name, path in modules.items():
        place = folder / name
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, place)
    (folder / ORDER).write_bytes(order)
    Manifest(study=study, artifacts=artifacts, data=data, modules=tuple(sorted(modules))).write(folder)


def missing(folder: Path) -> list[str]:
    """The files that a package in `folder` lacks."""
    if not (folder / MANIFEST).is_file():
        return [MANIFEST]
    names = (ORDER, *Manifest.read(folder).modules)
    return [name for name in names if not (folder / name).is_file()]


def _refuse_too_large(sizes: dict[str, int]) -> None:
    total = sum(sizes.values())
    if total <= LARGEST:
        return
    largest = sorted(sizes, key=lambda name: -sizes[name])[:_LISTED]
    listed = ", ".join(f"{name} ({_megabytes(sizes[name])})" for name in largest)
    raise SettingError(
        f"The code that has to travel to the cluster has {_megabytes(total)}; at most {_megabytes(LARGEST)} do. "
        f"Keep data out of your packages and of what your functions hold: pass it to fit, or read it from a place that "
        f"the cluster sees. The largest: {listed}."
    )


def _megabytes(size: int) -> str:
    return f"{size / 2**20:.1f} MiB"
