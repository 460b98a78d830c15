"""The verbs of `gradfleet sweep` over a service: `--store service+http://host:8000`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from gradfleet.cli import exits
from gradfleet.cli.output import aligned, note, number, pairs, show, show_json

if TYPE_CHECKING:
    from gradfleet.fleet.service_client import ServiceSweep


def sweep(name: str, store: str) -> ServiceSweep:
    """The sweep of that name, of the service at `store`."""
    from gradfleet.fleet.service_client import ServiceClient

    return ServiceClient(store).sweep(name)


def submit(file: Path, overrides: Sequence[str], address: str, *, json: bool) -> None:
    """Send a sweep file, with `key=value` before what it says; its recipe and its data are the service's to check."""
    import json as json_module

    from gradfleet.fleet.service_client import ServiceClient
    from gradfleet.sweeps.document import Document
    from gradfleet.sweeps.overrides import overridden

    values = overridden(Document.read(file), overrides).values
    said = {key: value for key, value in values.items() if key not in ("store", "artifacts", "cluster")}
    made = ServiceClient(address).submit(json_module.dumps(said))
    show_json(made.facts()) if json else show(pairs({"sweep": made.name, "cluster": address}))


def list_(store: str, state: str | None, *, json: bool) -> None:
    from gradfleet.fleet.service_client import ServiceClient

    found = ServiceClient(store).sweeps(state=state)
    if json:
        show_json({"sweeps": found})
        return
    rows = [[one["name"], one["state"], str(one["trials"]), _metric(one), number(one["best"])] for one in found]
    show(aligned(["name", "state", "trials", "objective", "best"], rows, left=("name", "state", "objective")))


def show_(name: str, store: str, *, json: bool) -> None:
    found = sweep(name, store).facts()
    if json:
        show_json(found)
        return
    shown = {key: found[key] for key in ("name", "state", "trials", "running", "failed", "problem", "artifacts")}
    lines = {**shown, f"best {_metric(found)}".strip(): number(found["best"]) or "none yet"}
    show(pairs({key: value for key, value in lines.items() if value is not None}))


def wait(name: str, store: str, seconds: float | None, *, json: bool) -> None:
    waited = sweep(name, store)
    try:
        found = waited.wait(seconds).facts()
    except TimeoutError as error:
        note(str(error))
        raise typer.Exit(exits.INTERRUPTED) from error
    show_json(found) if json else show(f"{name} is {found['state']}.")
    raise typer.Exit(exits.NO_RESULT if found["state"] == "failed" else exits.DONE)


def ask(verb: str, name: str, store: str) -> None:
    found = sweep(name, store)
    verbs = {"pause": found.pause, "resume": found.resume, "stop": found.stop, "cancel": found.cancel}
    note(verbs[verb]() or f"No driver of {name!r} has answered yet; it will obey.")


def _metric(found: dict[str, Any]) -> str:
    return "" if found["objective"] is None else str(found["objective"]["metric"])
