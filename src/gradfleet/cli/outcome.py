"""How a search that has ended is told: on stdout, and by the exit code."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Any

import typer

from gradfleet.cli import exits
from gradfleet.cli.output import pairs, show, show_json

if TYPE_CHECKING:
    from gradfleet.study.study import Study
    from gradfleet.study.view import BestTrial


def end(study: Study, *, target: float | None, store: str | None, json: bool) -> None:
    """Show what a search has found, and end the command with its code."""
    found = outcome(study)
    if json:
        show_json(found)
    else:
        show(_report(found, store=store))
    raise typer.Exit(_exit_code(study, target))


def outcome(study: Study) -> dict[str, Any]:
    """What `fit --json` says of a study that has ended."""
    return {
        "study": study.name,
        "state": study.state,
        "objective": {"metric": study.objective.metric, "mode": study.objective.mode},
        "best": facts(study.best),
        "trials": len(study.trials),
        "store": study.store_url,
        "artifacts": study.artifacts.url,
    }


def facts(trial: BestTrial) -> dict[str, Any]:
    """What a trial with a result is, as JSON."""
    return {
        "trial": trial.number,
        "value": trial.value,
        "epoch": trial.epoch,
        "metrics": trial.metrics,
        "config": trial.config,
        "checkpoint": trial.checkpoint,
    }


def _exit_code(study: Study, target: float | None) -> int:
    if study.interrupted:
        return exits.INTERRUPTED
    if target is not None and not study.objective.reached(study.best.value, target):
        return exits.TARGET_MISSED
    return exits.DONE


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


def _report(found: dict[str, Any], *, store: str | None) -> str:
    where = "" if store is None else f" --store {shlex.quote(store)}"
    nexts = (f"leaderboard {found['study']}", f"evaluate {found['study']}", f"predict {found['study']} FILE...")
    return "\n".join([pairs(lines_of(found)), "", "Next:", *(f"  gradfleet {verb}{where}" for verb in nexts)])
