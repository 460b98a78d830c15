"""`gradfleet sweep VERB`: what runs, and how it is steered, from anywhere that sees the store."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gradfleet.cli import exits, service_sweep
from gradfleet.cli.options import JsonOption, Name, StoreOption
from gradfleet.cli.output import aligned, note, number, pairs, show, show_json

if TYPE_CHECKING:
    from gradfleet.study.study import Study

LIST_EXAMPLES = ("gradfleet sweep list", "gradfleet sweep list --state running --json")
SHOW_EXAMPLES = ("gradfleet sweep show flowers", "gradfleet sweep show flowers --json")
PAUSE_EXAMPLES = ("gradfleet sweep pause flowers",)
RESUME_EXAMPLES = ("gradfleet sweep resume flowers",)
STOP_EXAMPLES = ("gradfleet sweep stop flowers",)
CANCEL_EXAMPLES = ("gradfleet sweep cancel flowers",)
WAIT_EXAMPLES = ("gradfleet sweep wait flowers", "gradfleet sweep wait flowers --timeout 1h")
RETRY_EXAMPLES = ("gradfleet sweep retry flowers", "gradfleet sweep retry flowers --cluster http://other:8265")
LOGS_EXAMPLES = ("gradfleet sweep logs flowers",)
DELETE_EXAMPLES = ("gradfleet sweep delete flowers --yes",)

_ANSWER_WITHIN = 10.0  # seconds; a driver reads its requests every second
_LOOK_EVERY = 0.5  # seconds


def list_(
    *,
    state: Annotated[
        str | None,
        typer.Option(metavar="STATE", help="Only these: queued, running, paused, completed, failed, stopped."),
    ] = None,
    store: StoreOption = None,
    json: JsonOption = False,
) -> None:
    """List the sweeps of a store, the newest last."""
    if is_service(store):
        service_sweep.list_(str(store), state, json=json)
        return
    from gradfleet.study.study import Study

    found = [each for each in map(facts, Study.all(store=store)) if state in (None, each["state"])]
    if json:
        show_json({"sweeps": found})
        return
    rows = [
        [each["name"], each["state"], str(each["trials"]), each["objective"]["metric"], number(each["best"])]
        for each in found
    ]
    show(aligned(["name", "state", "trials", "objective", "best"], rows, left=("name", "state", "objective")))


def show_(name: Name, *, store: StoreOption = None, json: JsonOption = False) -> None:
    """Show the state of one sweep."""
    if is_service(store):
        service_sweep.show_(name, str(store), json=json)
        return
    from gradfleet.study.study import Study

    found = facts(Study.attach(name, store=store))
    if json:
        show_json(found)
        return
    objective, best = found.pop("objective"), found.pop("best")
    lines = {**found, f"best {objective['metric']}": number(best) or "none yet"}
    show(pairs({name: value for name, value in lines.items() if value is not None}))


def pause(name: Name, *, store: StoreOption = None) -> None:
    """Start no new trials; those that run go on."""
    _ask("pause", name, store)


def resume(name: Name, *, store: StoreOption = None) -> None:
    """Start new trials again after a pause."""
    _ask("resume", name, store)


def stop(name: Name, *, store: StoreOption = None) -> None:
    """Start no new trials, and end with those that run."""
    _ask("stop", name, store)


def cancel(name: Name, *, store: StoreOption = None) -> None:
    """End the running trials now; they keep what they reported."""
    _ask("cancel", name, store)


def wait(
    name: Name,
    *,
    timeout: Annotated[str | None, typer.Option(metavar="DURATION", help="Not longer than this: 90s, 10m.")] = None,
    store: StoreOption = None,
    json: JsonOption = False,
) -> None:
    """Wait until a sweep has ended; exit code 1 when it has failed, 130 when the time was up before."""
    from gradfleet.study.driving.budget import seconds
    from gradfleet.study.study import Study

    if is_service(store):
        service_sweep.wait(name, str(store), None if timeout is None else seconds(timeout), json=json)
    study = Study.attach(name, store=store)
    try:
        study.wait(None if timeout is None else seconds(timeout))
    except TimeoutError as error:
        note(str(error))
        raise typer.Exit(exits.INTERRUPTED) from error
    found = facts(study)
    if json:
        show_json(found)
    else:
        show(f"{name} is {found['state']}.")
    raise typer.Exit(exits.NO_RESULT if found["state"] == "failed" else exits.DONE)


def retry(
    name: Name,
    *,
    cluster: Annotated[
        str | None, typer.Option(metavar="URL", help="Another cluster; by default the one that had it.")
    ] = None,
    store: StoreOption = None,
) -> None:
    """Send a sweep to its cluster once more, after its job has died there; what is done is not done again."""
    if is_service(store):
        service_sweep.sweep(name, str(store)).retry()
        show(f"{name} is begun again.")
        return
    from gradfleet.fleet.remote import send_again
    from gradfleet.study.storage.store import Store

    with Store.open(store, must_exist=True) as opened:
        job = send_again(opened, opened.study(name), cluster=cluster)
    show(pairs({"sweep": name, "job": job.submission_id, "cluster": job.cluster}))


def logs(name: Name, *, store: StoreOption = None) -> None:
    """Show what the driver of a sweep has said, when it has a process of its own or is a job of a cluster."""
    from gradfleet.errors import NotFoundError
    from gradfleet.study.study import Study

    if is_service(store):
        show(service_sweep.sweep(name, str(store)).logs().rstrip("\n"))
        return
    study = Study.attach(name, store=store)
    try:
        said = study.logs()
    except NotFoundError:
        from gradfleet.fleet.remote import job_of  # Ray takes a second to import

        job = job_of(study.row)
        if job is None:
            raise
        said = job.logs()
    show(said.rstrip("\n"))


def delete(
    name: Name,
    *,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    store: StoreOption = None,
) -> None:
    """Delete a sweep that does not run, with its trials and checkpoints."""
    from gradfleet.study.study import Study

    if is_service(store):
        if not yes:
            typer.confirm(f"Delete {name} with its trials and their checkpoints?", abort=True, err=True)
        service_sweep.sweep(name, str(store)).delete()
        show(f"{name} is gone.")
        return
    study = Study.attach(name, store=store)
    if not yes:
        typer.confirm(f"Delete {name} with its {len(study.trials)} trials and their checkpoints?", abort=True, err=True)
    study.delete()
    show(f"{name} is gone.")


def facts(study: Study) -> dict[str, Any]:
    """What `sweep show --json` says of one sweep."""
    standings = study.standings()
    states = [trial.state for trial in standings.trials.values()]
    best = None if standings.best is None else standings.trials[standings.best].value
    return {
        "name": study.name,
        "state": standings.state,
        "trials": len(states),
        "running": states.count("RUNNING"),
        "failed": states.count("FAIL"),
        "objective": {"metric": study.objective.metric, "mode": study.objective.mode},
        "best": best,
        "store": study.store_url,
        "artifacts": study.artifacts.url,
    }


def is_service(store: str | None) -> bool:
    """Whether a store is one that a service keeps: `service+http://host:8000`."""
    return store is not None and store.startswith("service+")


def _ask(verb: str, name: str, store: str | None) -> None:
    """Put a request into the store and wait for the driver's answer."""
    if is_service(store):
        service_sweep.ask(verb, name, str(store))
        return
    from gradfleet.errors import SettingError
    from gradfleet.study.storage.rows import ENDED
    from gradfleet.study.study import Study

    study = Study.attach(name, store=store)
    if study.state in ENDED:
        raise SettingError(f"Study {name!r} is {study.state}: there is no sweep to {verb}. Run it again with --resume.")
    request = study.request(verb)
    deadline = time.monotonic() + _ANSWER_WITHIN
    while (answer := study.answer(request)) is None and time.monotonic() < deadline:
        time.sleep(_LOOK_EVERY)
    if answer is None:
        note(f"No driver of {name!r} has answered within {_ANSWER_WITHIN:g} s; the next one to run will obey.")
    else:
        note(answer)
