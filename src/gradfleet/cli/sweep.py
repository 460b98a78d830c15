"""`gradfleet sweep VERB`: what runs, and how it is steered, from anywhere that sees the store."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from gradfleet.cli import exits
from gradfleet.cli.options import AnyStoreOption, JsonOption, Name
from gradfleet.cli.outcome import note_failure
from gradfleet.cli.output import aligned, note, number, pairs, show, show_json

if TYPE_CHECKING:
    from gradfleet.fleet.handle import SweepHandle, Sweeps

LIST_EXAMPLES = ("gradfleet sweep list", "gradfleet sweep list --state running --json")
SHOW_EXAMPLES = ("gradfleet sweep show flowers", "gradfleet sweep show flowers --json")
PAUSE_EXAMPLES = ("gradfleet sweep pause flowers",)
RESUME_EXAMPLES = ("gradfleet sweep resume flowers",)
STOP_EXAMPLES = ("gradfleet sweep stop flowers",)
CANCEL_EXAMPLES = ("gradfleet sweep cancel flowers",)
WAIT_EXAMPLES = ("gradfleet sweep wait flowers", "gradfleet sweep wait flowers --timeout 1h")
WATCH_EXAMPLES = ("gradfleet sweep watch flowers",)
RETRY_EXAMPLES = ("gradfleet sweep retry flowers", "gradfleet sweep retry flowers --cluster http://other:8265")
LOGS_EXAMPLES = ("gradfleet sweep logs flowers", "gradfleet sweep logs flowers --trial 3")
DELETE_EXAMPLES = ("gradfleet sweep delete flowers --yes",)

_LOOK_EVERY = 2.0  # seconds
_SHOWN = ("name", "state", "trials", "running", "failed", "problem", "store", "artifacts")


def list_(
    *,
    state: Annotated[
        str | None,
        typer.Option(metavar="STATE", help="Only these: queued, running, paused, completed, failed, stopped."),
    ] = None,
    store: AnyStoreOption = None,
    json: JsonOption = False,
) -> None:
    """List the sweeps of a store, the newest last."""
    found = _sweeps(store).sweeps(state=state)
    if json:
        show_json({"sweeps": found})
        return
    rows = [[each["name"], each["state"], str(each["trials"]), _metric(each), number(each["best"])] for each in found]
    show(aligned(["name", "state", "trials", "objective", "best"], rows, left=("name", "state", "objective")))


def show_(name: Name, *, store: AnyStoreOption = None, json: JsonOption = False) -> None:
    """Show the state of one sweep."""
    found = _sweeps(store).sweep(name).facts()
    if json:
        show_json(found)
        return
    lines = {key: found.get(key) for key in _SHOWN} | {
        f"best {_metric(found)}".strip(): number(found["best"]) or "none yet"
    }
    show(pairs({key: value for key, value in lines.items() if value is not None}))


def pause(name: Name, *, store: AnyStoreOption = None) -> None:
    """Start no new trials; those that run go on."""
    _ask("pause", name, store)


def resume(name: Name, *, store: AnyStoreOption = None) -> None:
    """Start new trials again after a pause."""
    _ask("resume", name, store)


def stop(name: Name, *, store: AnyStoreOption = None) -> None:
    """Start no new trials, and end with those that run."""
    _ask("stop", name, store)


def cancel(name: Name, *, store: AnyStoreOption = None) -> None:
    """End the running trials now; they keep what they reported."""
    _ask("cancel", name, store)


def wait(
    name: Name,
    *,
    timeout: Annotated[str | None, typer.Option(metavar="DURATION", help="Not longer than this: 90s, 10m.")] = None,
    store: AnyStoreOption = None,
    json: JsonOption = False,
) -> None:
    """Wait until a sweep has ended; exit code 1 when it has failed, 130 when the time was up before."""
    from gradfleet.study.driving.budget import seconds

    sweep = _sweeps(store).sweep(name)
    try:
        sweep.wait(None if timeout is None else seconds(timeout))
    except TimeoutError as error:
        note(str(error))
        raise typer.Exit(exits.INTERRUPTED) from error
    _end(sweep, json=json)


def watch(name: Name, *, store: AnyStoreOption = None, json: JsonOption = False) -> None:
    """Say on stderr whenever a sweep has come further, until it has ended; exit codes as of `sweep wait`.

    Ctrl-C leaves the sweep alone.
    """
    sweep = _sweeps(store).sweep(name)
    said = None
    while True:
        if (line := _line(sweep.facts())) != said:
            note(line)
            said = line
        with suppress(TimeoutError):
            sweep.wait(_LOOK_EVERY)
            break
    _end(sweep, json=json)


def retry(
    name: Name,
    *,
    cluster: Annotated[
        str | None, typer.Option(metavar="URL", help="Another cluster; by default the one that had it.")
    ] = None,
    store: AnyStoreOption = None,
) -> None:
    """Send a sweep to its cluster once more, after its job has died there; what is done is not done again."""
    show(pairs({"sweep": name, **_sweeps(store).sweep(name).retry(cluster=cluster)}))


def logs(
    name: Name,
    *,
    trial: Annotated[
        int | None, typer.Option(metavar="N", min=0, help="What that trial has printed, instead of the driver.")
    ] = None,
    store: AnyStoreOption = None,
) -> None:
    """Show what the driver of a sweep has said, when it has a process of its own or is a job of a cluster."""
    show(_sweeps(store).sweep(name).logs(trial).rstrip("\n"))


def delete(
    name: Name,
    *,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    store: AnyStoreOption = None,
) -> None:
    """Delete a sweep that does not run, with its trials and checkpoints."""
    sweep = _sweeps(store).sweep(name)
    if not yes:
        trials = sweep.facts()["trials"]
        typer.confirm(f"Delete {name} with its {trials} trials and their checkpoints?", abort=True, err=True)
    sweep.delete()
    show(f"{name} is gone.")


def _sweeps(store: str | None) -> Sweeps:
    from gradfleet.fleet.handle import sweeps_at

    return sweeps_at(store)


def _ask(verb: str, name: str, store: str | None) -> None:
    answer = _sweeps(store).sweep(name).ask(verb)
    note(answer or f"No driver of {name!r} has answered yet; the next one to run will obey.")


def _end(sweep: SweepHandle, *, json: bool) -> NoReturn:
    """Show how a sweep has ended, and end the command with its code."""
    found = sweep.facts()
    show_json(found) if json else show(f"{sweep.name} is {found['state']}.")
    if found["state"] == "failed":
        note_failure(sweep.name, found["problem"])
        raise typer.Exit(exits.NO_RESULT)
    raise typer.Exit(exits.DONE)


def _line(found: dict[str, Any]) -> str:
    """Where a sweep is."""
    best = "no result yet" if found["best"] is None else f"best {_metric(found)} {number(found['best'])}"
    counts = f"{found['trials']} trials, {found['running']} running, {found['failed']} failed"
    return f"{found['name']} is {found['state']}: {counts}, {best}"


def _metric(found: dict[str, Any]) -> str:
    """Of the objective; nothing while a sweep is still being prepared."""
    return "" if found["objective"] is None else str(found["objective"]["metric"])
