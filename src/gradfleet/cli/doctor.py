"""`gradfleet doctor`: whether this machine can do what the other verbs need."""

from __future__ import annotations

import os
import platform
import tempfile
import time
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gradfleet.cli import exits
from gradfleet.cli.options import JsonOption, StoreOption
from gradfleet.cli.output import pairs, show, show_json
from gradfleet.errors import GradfleetError

if TYPE_CHECKING:
    from gradfleet.trials.function_recipe import Tell

EXAMPLES = (
    "gradfleet doctor",
    "gradfleet doctor --no-ray",
    "gradfleet doctor --store sqlite:////data/sweeps.db --json",
)

_PACKAGES = ("gradfleet", "torch", "ray", "optuna")


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at; `ok` is False when fits would fail for it."""

    ok: bool
    found: str


def doctor(
    *,
    ray: Annotated[bool, typer.Option("--ray/--no-ray", help="Start a local Ray and run one trial on it.")] = True,
    store: StoreOption = None,
    json: JsonOption = False,
) -> None:
    """Check that this machine has what a fit needs.

    Ends with exit code 3 when something is out of reach.
    """
    checks = {"python": Check(True, platform.python_version()), **{name: _package(name) for name in _PACKAGES}}
    checks |= {"cores": Check(True, str(os.cpu_count())), "memory": _memory(), "gpu": _gpu(), "store": _store(store)}
    if ray:
        checks["local ray"] = _local_ray()
    well = all(check.ok for check in checks.values())
    if json:
        show_json({"ok": well, "checks": {name: asdict(check) for name, check in checks.items()}})
    else:
        show(pairs({name: check.found if check.ok else f"NO: {check.found}" for name, check in checks.items()}))
    raise typer.Exit(exits.DONE if well else exits.OUT_OF_REACH)


def _package(name: str) -> Check:
    try:
        return Check(True, version(name))
    except PackageNotFoundError:
        return Check(False, f"not installed: pip install {name}")


def _memory() -> Check:
    import psutil

    memory = psutil.virtual_memory()
    return Check(True, f"{memory.total / 2**30:.1f} GiB, {memory.available / 2**30:.1f} GiB of them free")


def _gpu() -> Check:
    import torch

    names = [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
    return Check(True, ", ".join(names) or "none, trials train on the CPU")


def _store(url: str | None) -> Check:
    """Whether a study could be kept there; a store that is not there yet is not made."""
    from gradfleet.study.storage.database import check_file, parse_url, sqlite_file
    from gradfleet.study.storage.store import Store

    try:
        parsed = parse_url(url)
        check_file(parsed, must_exist=False)
        file = sqlite_file(parsed)
        if file is not None and not file.exists():
            _try_beside(file)
            return Check(True, f"{file} can be made")
        if file is not None and not os.access(file, os.W_OK):
            return Check(False, f"{file} is not writable")
        with Store.open(url, patience=5.0) as opened:
            return Check(True, f"{opened.url}, studies: {len(opened.studies())}")
    except (GradfleetError, OSError) as error:
        return Check(False, exits.message(error))


def _try_beside(file: Path) -> None:
    """Make a store in the same folder, and take it away again."""
    from gradfleet.study.storage.store import Store

    with tempfile.TemporaryDirectory(dir=file.parent, prefix=".gradfleet-doctor-") as folder:
        Store.open(Path(folder, "gradfleet.db"), patience=5.0).close()


def _local_ray() -> Check:
    """Run a whole search of one trial, which needs Ray, a worker process and a store."""
    from gradfleet.automodel import AutoModel
    from gradfleet.objective import Objective
    from gradfleet.search.tuner import Tuner

    started = time.monotonic()
    search = AutoModel.from_function(_trial, Tuner(), Objective("answer", "max"))
    try:
        with tempfile.TemporaryDirectory(prefix="gradfleet-doctor-") as folder:
            search.fit(trials=1, name="doctor", store=Path(folder, "gradfleet.db"), progress=False)
    except (GradfleetError, OSError) as error:
        return Check(False, exits.message(error))
    return Check(True, f"started and ran one trial in {time.monotonic() - started:.1f} s")


def _trial(config: dict[str, Any], report: Tell) -> None:
    report({"answer": 42.0})
