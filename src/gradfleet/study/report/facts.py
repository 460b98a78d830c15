"""What a report says, as JSON values; the page and `--json` are made of the same."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from gradfleet.study.driving.failures import cause
from gradfleet.study.plots.facts import PlotFacts
from gradfleet.study.standings import Standings
from gradfleet.study.storage.provenance import Provenance
from gradfleet.study.storage.rows import StudyRow, TrialRow

MAIN = ("python", "gradfleet", "torch", "ray", "optuna")
"""The packages that are named first."""


def report_facts(
    study: StudyRow, standings: Standings, plots: PlotFacts, provenance: Provenance, *, top: int
) -> dict[str, Any]:
    """The whole report.

    Args:
        top: how many trials of the leaderboard, beside trial 0.
    """
    trials, goal = list(plots.trials), plots.objective
    return {
        **standings.top(top, with_default=True).to_json(),
        "objectives": [one.to_json() for one in goal.objectives],
        "constraints": [str(one) for one in goal.constraints],
        "num_runs": goal.num_runs,
        "front": list(plots.board.front) if len(goal.objectives) > 1 else [],
        "infeasible": [trial.number for trial, record in plots.ranking if goal.violation(record.metrics)],
        "created": study.created,
        "best_trial": _trial(plots, standings.best),
        "default_trial": _trial(plots, 0),
        "counts": dict(Counter(trial.state for trial in trials)),
        "used": used(trials, now=plots.now),
        "contract": _contract(study, trials, plots),
        "search": _search(study),
        "importance": dict(plots.importances) if plots.ranking else {},
        "failures": failures(trials),
        "data": {"fingerprint": provenance.fingerprint, **(study.spec.get("facts") or {})},
        "provenance": {
            "seed": provenance.seed,
            "commit": provenance.commit,
            "dirty": provenance.dirty,
            "packages": dict(provenance.packages),
            "sources": dict(provenance.sources),
        },
    }


def used(trials: Sequence[TrialRow], *, now: float) -> dict[str, float]:
    """What a study has cost: trials, epochs, seconds from the first start to the last end, and seconds of training."""
    ends = [now if trial.ended is None else trial.ended for trial in trials]
    seconds = [end - trial.started for trial, end in zip(trials, ends, strict=True)]
    wall = max(ends) - min(trial.started for trial in trials) if trials else 0.0
    return {
        "trials": len(trials),
        "epochs": sum(trial.epochs for trial in trials),
        "wall_seconds": wall,
        "trial_seconds": sum(seconds),
    }


def failures(trials: Iterable[TrialRow]) -> list[dict[str, Any]]:
    """Failed trials by cause, the most frequent first, each with the traceback of its first trial."""
    groups: dict[str, list[TrialRow]] = {}
    for trial in trials:
        if trial.state == "FAIL":
            groups.setdefault(cause(trial), []).append(trial)
    return [
        {"cause": why, "trials": [trial.number for trial in group], "traceback": group[0].traceback}
        for why, group in sorted(groups.items(), key=lambda item: -len(item[1]))
    ]


def _trial(plots: PlotFacts, number: int | None) -> dict[str, Any] | None:
    """A trial with a result; None when it has none."""
    for trial, record in plots.ranking:
        if trial.number == number:
            value = plots.objective.value(record.metrics)
            found = {"trial": number, "value": value, "epoch": record.epoch, "epochs": trial.epochs}
            found["feasible"] = not plots.objective.violation(record.metrics)
            return {**found, "metrics": dict(record.metrics), "config": dict(trial.config), "note": trial.note}
    return None


def _contract(study: StudyRow, trials: Sequence[TrialRow], plots: PlotFacts) -> list[dict[str, Any]]:
    """Each limit that the search was given, with what was used of it."""
    budget: Mapping[str, Any] = study.spec.get("search", {}).get("budget") or {}
    spent = used(trials, now=plots.now)
    best = _trial(plots, plots.ranking[0][0].number) if plots.ranking else None
    have = {"trials": spent["trials"], "seconds": spent["wall_seconds"], "target": best["value"] if best else None}
    return [
        {"limit": name, "asked": asked, "used": have.get(name)} for name, asked in budget.items() if asked is not None
    ]


def _search(study: StudyRow) -> dict[str, Any]:
    shown = ("sampler", "scheduler", "epochs", "resources")
    return {name: study.spec["search"][name] for name in shown if name in study.spec.get("search", {})}
