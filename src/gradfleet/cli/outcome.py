"""How a search that has ended is told: on stdout, and by the exit code."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Any, NoReturn

import typer

from gradfleet.cli import exits
from gradfleet.cli.output import note, pairs, show, show_json
from gradfleet.objective import Objective

if TYPE_CHECKING:
    from gradfleet.fleet.service_sweep import ServiceSweep
    from gradfleet.fleet.service_trial import ServiceReplay, ServiceTrial
    from gradfleet.goal import Aim
    from gradfleet.study.study import Study
    from gradfleet.study.view import BestTrial


def end(study: Study, *, target: float | None, store: str | None, json: bool) -> None:
    """Show what a search has found, and end the command with its code."""
    found = outcome(study)
    if json:
        show_json(found)
    else:
        show(_report(found, _nexts(study), store=store))
    if study.interrupted:
        raise typer.Exit(exits.INTERRUPTED)
    if found["state"] == "failed":
        note_failure(study.name, found["problem"])
        raise typer.Exit(exits.NO_RESULT)
    raise typer.Exit(_code(study.objective, study.best.value, target))


def note_failure(name: str, problem: str | None) -> None:
    """Say on stderr why a sweep has failed."""
    note(f"{name} has failed: {problem or 'its driver has not said why; see `gradfleet sweep logs`.'}")


def end_elsewhere(sweep: ServiceSweep, target: float | None, *, json: bool) -> NoReturn:
    """Wait for a sweep of a service, show what it has found, and end the command as `end` does.

    Ctrl-C leaves the sweep alone.
    """
    place = sweep.service.url
    note(f"{sweep.name} runs at {place}; come back with `gradfleet sweep wait {sweep.name} --store {place}`.")
    found = sweep.wait().facts()
    best = None if found["best"] is None else sweep.best
    if json:
        show_json({**found, "best": None if best is None else facts(best)})
    else:
        shown = {"sweep": sweep.name, "state": found["state"], "trials": found["trials"], "problem": found["problem"]}
        shown |= {} if best is None else {"best": f"{best.value}, trial {best.number}"}
        show(pairs({key: value for key, value in shown.items() if value is not None}))
    if best is None or found["state"] == "failed":
        raise typer.Exit(exits.NO_RESULT)
    assert best.value is not None, "the best trial has a result"
    raise typer.Exit(_code(Objective(**found["objective"]), best.value, target))


def outcome(study: Study | ServiceSweep) -> dict[str, Any]:
    """What `fit --json` says of a study that has ended."""
    best, about = facts(study.best), study.facts()
    return {
        "study": study.name,
        "state": about["state"],
        "problem": about["problem"],
        "objective": about["objective"],
        "best": best,
        "trials": about["trials"],
        "store": about["store"],
        "artifacts": about["artifacts"],
    }


def facts(trial: BestTrial | ServiceTrial | ServiceReplay) -> dict[str, Any]:
    """What a trial with a result is, as JSON."""
    return {
        "trial": trial.number,
        "value": trial.value,
        "epoch": trial.epoch,
        "metrics": trial.metrics,
        "config": trial.config,
        "checkpoint": trial.checkpoint,
    }


def _code(objective: Aim, best: float, target: float | None) -> int:
    missed = target is not None and not objective.reached(best, target)
    return exits.TARGET_MISSED if missed else exits.DONE


def lines_of(found: dict[str, Any]) -> dict[str, object]:
    """What `outcome` found, a line a name."""
    best, metric = found["best"], found["objective"]["metric"]
    config = {name: f"{value:.6g}" if isinstance(value, float) else value for name, value in best["config"].items()}
    return {
        "study": f"{found['study']} ({found['state']}, {found['trials']} trials)",
        "best trial": f"{best['trial']}, {metric} {best['value']:.4f} after epoch {best['epoch']}",
        **{f"  {name}": value for name, value in config.items()},
        "store": found["store"],
        "checkpoint": best["checkpoint"],
    }


def _nexts(study: Study) -> list[str]:
    """The verbs that go on from here; of what a function has trained only its author can load a model."""
    trusted = " --trust-recipe" if study.spec.get("recipe", {}).get("kind") == "pickle" else ""
    loading = [] if "function" in study.spec else [f"evaluate {study.name}", f"predict {study.name} {_item(study)}"]
    return [f"leaderboard {study.name}", *(f"{verb}{trusted}" for verb in loading)]


def _item(study: Study) -> str:
    learned_from = ((study.spec.get("facts") or {}).get("preparation") or {}).get("preparation")
    return "'a text'" if learned_from == "text" else "FILE..."


def _report(found: dict[str, Any], nexts: list[str], *, store: str | None) -> str:
    where = "" if store is None else f" --store {shlex.quote(store)}"
    return "\n".join([pairs(lines_of(found)), "", "Next:", *(f"  gradfleet {verb}{where}" for verb in nexts)])
